"""A world to evaluate in, on local paths: a tiny base, adapters on it, a frozen suite, params."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import torch
from peft import LoraConfig, get_peft_model

from batch_jobs.modeling.folders import MANIFEST, cache_folder, folder_digest, list_files
from batch_jobs.modeling.loading import load_base
from tests.support.tiny_model import write_tiny_base
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import Contender, EvaluateParams, FinetuneResult, Role
from tunesmith.contracts.models import AdapterManifest, BaseModelManifest, ModelReference
from tunesmith.contracts.recipes import FinetuneRecipe

RANK = 4
CONVERSATIONS = [
    ("Summarise this function in one line: def area(width, height): return width * height", "Return the area."),
    ("Open the file.", "Open the file, read all of its lines and close it again."),
    ("What does len do?", "Return the number of elements in the container, which must be finite."),
    ("Say ja.", "Ja."),
    ("Raise what?", "Raise ValueError if the argument is not a positive integer."),
    ("Wie groß?", "Größe und Gewicht 🙂"),
    ("The quick brown fox", "jumps over the lazy dog, and the dog does not mind."),
]


@dataclass(frozen=True)
class Models:
    """Read by many tests, changed by none."""

    base: ModelReference
    candidate: ModelReference
    champion: ModelReference


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    base = write_tiny_base(folder / "base")
    reference = ModelReference(uri=f"{folder / 'base'}/", digest=base.digest)
    candidate, champion = (write_adapter(folder / name, folder / "base", base, seed) for seed, name in enumerate("ab"))
    return Models(reference, candidate, champion)


def write_adapter(folder: Path, base_dir: Path, base: BaseModelManifest, seed: int) -> ModelReference:
    """A LoRA adapter with random weights, large enough to change what the base says."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(
            r=RANK, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
        )
        adapted = get_peft_model(load_base(base_dir), config)
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    files = list_files(folder)
    manifest = AdapterManifest(
        digest=folder_digest(files),
        files=files,
        base=ModelReference(uri=f"{base_dir}/", digest=base.digest),
        template_hash=base.template_hash,
        rank=RANK,
        target_modules=["all-linear"],
        dataset_version=digest("dataset"),
        dataset_digest=digest("rows"),
        recipe=FinetuneRecipe(),
        code_version="test",
        rows=1,
        tokens=1,
        trained_tokens=1,
        steps=1,
        losses=[1.0],
        validation_loss=None,
    )
    (folder / MANIFEST).write_text(manifest.model_dump_json())
    return ModelReference(uri=f"{folder}/", digest=manifest.digest)


@pytest.fixture(autouse=True)
def own_model_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESMITH_CACHE", str(tmp_path_factory.getbasetemp() / "model-cache"))
    cache_folder.cache_clear()


def write_suite(file: Path, conversations: list[tuple[str, str]] = CONVERSATIONS) -> str:
    """The Parquet file that `prepare` freezes; returns its digest."""
    rows = [
        {
            "item_id": digest(prompt)[:32],
            "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
            "tools": None,
            "source": "upload.jsonl",
            "line": line,
        }
        for line, (prompt, answer) in enumerate(conversations, start=1)
    ]
    parquet.write_table(pa.Table.from_pylist(rows), file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def params(models: Models, tmp_path: Path, event: Callable[[str], Any]) -> EvaluateParams:
    """The recorded params with this test's places: three contestants, seven items, answers of at most twelve tokens."""
    finetuned = FinetuneResult(
        adapter=models.candidate,
        steps=1,
        rows=1,
        tokens=1,
        trained_tokens=1,
        first_loss=1.0,
        last_loss=1.0,
        validation_loss=None,
        resumed_from_step=0,
        seconds=1.0,
    )
    (tmp_path / "finetune.json").write_text(finetuned.model_dump_json())
    here = {
        "base": models.base,
        "contenders": [Contender(role=Role.BASE), Contender(role=Role.CHAMPION, adapter=models.champion)],
        "finetune_result_uri": str(tmp_path / "finetune.json"),
        "suite_uri": str(tmp_path / "test.parquet"),
        "suite_digest": write_suite(tmp_path / "test.parquet"),
        "cache_uri": f"{tmp_path / 'evaluations'}/",
        "report_uri": str(tmp_path / "report.json"),
    }
    return EvaluateParams.model_validate(event("evaluate/tiny.json")).model_copy(update=here)
