"""The whole job with a tiny base: bit-identical resume, one adapter whatever crashes, and every refusal."""

import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from batch_jobs.finetune import __main__ as job
from batch_jobs.finetune.examples import Examples, training_examples
from batch_jobs.finetune.training import Trainer
from batch_jobs.harness import code_version as code
from batch_jobs.harness.main import run_job
from batch_jobs.modeling import folders
from batch_jobs.modeling.loading import load_model, load_tokenizer
from batch_jobs.prepare.canonical import Row, Turn
from tests.batch_jobs.harness.crashing import Crash, CrashingStorage
from tests.support import chat_templates
from tests.support.splits import chat, write_split
from tests.support.tiny_model import CONTEXT_LENGTH, tiny_tokenizer, write_tiny_base
from tunesmith.adapters.storage import Storage, file_entry
from tunesmith.contracts.datasets import DatasetKind, DatasetManifest, RowCounts, RowFormat, Split, SplitEntry
from tunesmith.contracts.errors import NothingToTrain
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, FinetuneParams, FinetuneResult, JobName
from tunesmith.contracts.models import AdapterManifest, ModelReference
from tunesmith.contracts.recipes import FinetuneRecipe

RECIPE = FinetuneRecipe(
    rank=2, alpha=4, sequence_length=128, tokens_per_step=300, checkpoint_every_steps=1, epochs=2, learning_rate=1e-2
)


def write_dataset(folder: Path, rows: int) -> str:
    """A dataset version of simple questions, without going through `prepare`."""
    folder.mkdir()
    chats: dict[Split, list[Row]] = {split: [] for split in Split}
    for number in range(rows):
        split = Split.VALIDATION if number % 8 == 7 else Split.TRAIN
        chats[split].append(chat(("user", f"What comes after {number}?"), ("assistant", f"{number + 1} does.")))
    (folder / "quarantine.jsonl").write_text("")
    entries = {
        split: SplitEntry(rows=len(chats[split]), files=[file_entry(folder, write_split(folder, split, chats[split]))])
        for split in Split
    }
    manifest = DatasetManifest(
        dataset_version=digest("dataset"),
        project="demo",
        dataset="numbers",
        sources=[],
        kind=DatasetKind.CHAT,
        counts=RowCounts(rows_in=rows, kept=rows, quarantined=0),
        counts_by_source={},
        formats={},
        problems={},
        splits=entries,
        quarantine=file_entry(folder, "quarantine.jsonl"),
        content_digest=digest([entry.files[0].sha256 for entry in entries.values()]),
        characters=1,
        suite_digest=None,
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json())
    return str(folder / "manifest.json")


class Workplace:
    """Base and dataset in one folder, and one run after another on them."""

    def __init__(self, folder: Path):
        self.folder = folder
        base = write_tiny_base(folder / "base")
        self.base = ModelReference(uri=f"{folder}/base/", digest=base.digest)
        self.manifest_uri = write_dataset(folder / "dataset", rows=24)

    def params(self, name: str, recipe: FinetuneRecipe = RECIPE) -> FinetuneParams:
        return FinetuneParams(
            run_id=f"run-{digest(name)[:32]}",
            base=self.base,
            dataset_version=digest("dataset"),
            manifest_uri=self.manifest_uri,
            recipe=recipe,
            adapters_uri=f"{self.folder}/{name}/adapters/",
            checkpoints_uri=f"{self.folder}/{name}/checkpoints/",
        )

    def run(self, name: str, recipe: FinetuneRecipe = RECIPE) -> int:
        uri = self.folder / name / "job/params.json"
        uri.parent.mkdir(parents=True, exist_ok=True)
        uri.write_text(self.params(name, recipe).model_dump_json())
        return run_job(JobName.FINETUNE, FinetuneParams, FinetuneResult, job.finetune, [str(uri)])

    def result(self, name: str, recipe: FinetuneRecipe = RECIPE) -> FinetuneResult:
        assert self.run(name, recipe) == ExitCode.DONE
        return FinetuneResult.model_validate_json((self.folder / name / "job/result.json").read_bytes())

    def adapters(self, name: str) -> list[str]:
        return sorted(path.name for path in (self.folder / name / "adapters").iterdir())

    def checkpoints(self, name: str) -> list[Path]:
        return sorted((self.folder / name / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finetune")
    patch = pytest.MonkeyPatch()
    patch.setenv("TUNESMITH_CACHE", str(folder / "cache"))
    folders.cache_folder.cache_clear()
    yield Workplace(folder)
    folders.cache_folder.cache_clear()
    patch.undo()


@pytest.fixture(scope="module")
def unbroken(place: Workplace) -> FinetuneResult:
    return place.result("unbroken")


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours may catch it."""


def kill_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Die in the middle of step `number`, once."""
    real = Trainer.step

    def step(trainer: Trainer, current: int, *arguments: Any, **named: Any) -> float:
        if current == number:
            monkeypatch.setattr(Trainer, "step", real)
            raise Killed
        return real(trainer, current, *arguments, **named)

    monkeypatch.setattr(Trainer, "step", step)


def test_adapter_learns_and_says_what_made_it(place: Workplace, unbroken: FinetuneResult) -> None:
    folder = Path(unbroken.adapter.uri)
    manifest = AdapterManifest.model_validate_json((folder / "manifest.json").read_bytes())
    folders.verify_folder(folder, manifest.files)
    assert unbroken.last_loss < unbroken.first_loss
    assert manifest.digest == unbroken.adapter.digest == folders.folder_digest(manifest.files)
    assert manifest.losses[0] == unbroken.first_loss and len(manifest.losses) == unbroken.steps >= 4
    assert unbroken.validation_loss is not None
    assert unbroken.rows == 21 and 0 < unbroken.trained_tokens < unbroken.tokens
    config = (folder / "adapter_config.json").read_text()
    assert json.loads(config)["base_model_name_or_path"] == place.base.digest
    assert str(place.folder) not in config


def test_adapter_loads_on_its_base_and_changes_its_answers(place: Workplace, unbroken: FinetuneResult) -> None:
    ids = torch.tensor([[5, 6, 7, 8]])
    base = load_model(place.folder / "base", None)
    tuned = load_model(place.folder / "base", Path(unbroken.adapter.uri))
    assert not torch.equal(base(ids).logits, tuned(ids).logits)


def test_training_killed_at_any_step_ends_in_the_identical_adapter(
    place: Workplace, unbroken: FinetuneResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(unbroken.steps):
        kill_at(monkeypatch, number)
        with pytest.raises(Killed):
            place.run(f"killed-{number}")
        resumed = place.result(f"killed-{number}")
        assert resumed.resumed_from_step == number
        assert resumed.adapter.digest == unbroken.adapter.digest
        assert resumed.first_loss == unbroken.first_loss


def test_sigterm_checkpoints_within_the_step_and_resumes_identically(
    place: Workplace, unbroken: FinetuneResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse = RECIPE.model_copy(update={"checkpoint_every_steps": 1_000})
    whole = place.result("sparse", sparse)
    real = Trainer.step

    def step(trainer: Trainer, number: int, *arguments: Any, before_row: Any) -> float:
        if number == 2:
            before_row.__self__.interrupt()  # what the handler of SIGTERM does
        return real(trainer, number, *arguments, before_row=before_row)

    monkeypatch.setattr(Trainer, "step", step)
    assert place.run("terminated", sparse) == ExitCode.INTERRUPTED
    monkeypatch.setattr(Trainer, "step", real)
    resumed = place.result("terminated", sparse)
    assert resumed.resumed_from_step == 2
    assert resumed.adapter.digest == whole.adapter.digest == unbroken.adapter.digest


@pytest.mark.parametrize("damage", ["truncate", "flip", "no manifest", "no weights", "half a manifest"])
def test_torn_newest_checkpoint_falls_back_to_the_one_before(
    place: Workplace, unbroken: FinetuneResult, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    name = f"torn-{damage.replace(' ', '-')}"
    kill_at(monkeypatch, 3)
    with pytest.raises(Killed):
        place.run(name)
    newest = place.checkpoints(name)[-1]
    weights, manifest = newest / "adapter.safetensors", newest / "manifest.json"
    content = weights.read_bytes()
    if damage == "truncate":
        weights.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "half a manifest":
        manifest.write_bytes(manifest.read_bytes()[:50])
    else:
        (manifest if damage == "no manifest" else weights).unlink()
    resumed = place.result(name)
    assert resumed.resumed_from_step == 2
    assert resumed.adapter.digest == unbroken.adapter.digest


@pytest.mark.parametrize("changed", ["recipe", "code"])
def test_checkpoint_of_another_training_is_refused(
    place: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], changed: str
) -> None:
    kill_at(monkeypatch, 2)
    with pytest.raises(Killed):
        place.run(f"changed-{changed}")
    recipe = RECIPE
    if changed == "recipe":
        recipe = RECIPE.model_copy(update={"learning_rate": 2e-2})
    else:
        monkeypatch.setattr(job, "code_version", lambda: code.code_version() + "-edited")
    assert place.run(f"changed-{changed}", recipe) == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert "checkpoint_mismatch" in told and changed in told


def test_crash_around_every_write_still_ends_in_one_adapter(
    place: Workplace, unbroken: FinetuneResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = RECIPE.model_copy(update={"epochs": 1, "checkpoint_every_steps": 2})
    storage = CrashingStorage(monkeypatch)
    expected = place.result("counted", short).adapter.digest
    for at in range(1, storage.writes + 1):
        for after in (False, True):
            name = f"crash-{at}-{after}"
            storage.arm(at, after)
            with pytest.raises(Crash):
                place.run(name, short)
            storage.arm(0, after)
            assert place.result(name, short).adapter.digest == expected
            assert place.adapters(name) == [expected]


def test_exploding_training_stops_and_publishes_nothing(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    wild = RECIPE.model_copy(update={"learning_rate": 0.99, "alpha": 10**30, "epochs": 5})
    assert place.run("diverged", wild) == ExitCode.BAD_INPUT
    assert "training_diverged" in capsys.readouterr().err
    assert not (place.folder / "diverged/adapters").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_gpu_recipe_on_a_machine_without_one_is_refused(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("no-gpu", RECIPE.model_copy(update={"gpus": 1})) == ExitCode.BAD_INPUT
    assert "gpu_missing" in capsys.readouterr().err


def test_rows_longer_than_a_sequence_are_an_error_when_none_fits(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.run("too-long", RECIPE.model_copy(update={"sequence_length": 32})) == ExitCode.BAD_INPUT
    assert "sequence_length" in capsys.readouterr().err


def test_dataset_of_another_kind_is_refused_before_the_base_is_fetched(
    place: Workplace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = DatasetManifest.model_validate_json(Path(place.manifest_uri).read_bytes())
    pairs = tmp_path / "manifest.json"
    pairs.write_text(manifest.model_copy(update={"kind": DatasetKind.PREFERENCE}).model_dump_json())
    nowhere = ModelReference(uri=f"{tmp_path}/nowhere/", digest=digest("nowhere"))
    params = place.params("pairs").model_copy(update={"manifest_uri": str(pairs), "base": nowhere})
    (tmp_path / "job").mkdir()
    (tmp_path / "job/params.json").write_text(params.model_dump_json())
    arguments = [str(tmp_path / "job/params.json")]
    assert run_job(JobName.FINETUNE, FinetuneParams, FinetuneResult, job.finetune, arguments) == ExitCode.BAD_INPUT
    assert "a dataset of preferences: finetune.method lora trains chats" in capsys.readouterr().err


def test_sequences_beyond_the_bases_context_are_refused_with_both_numbers(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.run("beyond", RECIPE.model_copy(update={"sequence_length": CONTEXT_LENGTH + 1})) == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert "sequence_length is 2,049" in told and "takes in 2,048 tokens" in told


TOOLS = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}])
CALL = json.dumps([{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}])
CALLING = Row(
    RowFormat.CHAT,
    (
        Turn("user", "Rain?"),
        Turn("assistant", "", tool_calls=CALL),
        Turn("tool", "wet", trained=False, tool_call_id="call_1"),
        Turn("assistant", "Yes."),
    ),
    tools=TOOLS,
)
LONGER = RECIPE.model_copy(update={"sequence_length": 512})
SIMPLE = chat(("user", "hello"), ("assistant", "hi"))


def examples_of(folder: Path, params: FinetuneParams, template: str, *rows: Row) -> Examples:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    return training_examples([folder / write_split(folder, Split.TRAIN, rows)], params, tokenizer)


def test_tool_calls_and_tools_of_a_dataset_reach_the_template(place: Workplace, tmp_path: Path) -> None:
    found = examples_of(tmp_path, place.params("tools", LONGER), chat_templates.WITH_TOOLS, CALLING)
    (example,) = found.by_id.values()
    learnt = [token for token, counts in zip(example.ids, example.mask, strict=True) if counts]
    assert tiny_tokenizer().decode(learnt) == "<tool_call>weather {}</tool_call><|im_end|>Yes.<|im_end|>"
    assert "Tools: [" in tiny_tokenizer().decode(example.ids)
    assert found.left_out == {}


def test_rows_that_the_template_refuses_or_learns_nothing_from_are_counted_by_reason(
    place: Workplace, tmp_path: Path
) -> None:
    unlearnt = Row(RowFormat.CHAT, (Turn("user", "q"), Turn("assistant", "a", trained=False)))
    rows = (SIMPLE, CALLING, chat(("system", "s"), ("user", "q"), ("assistant", "a")), unlearnt)
    found = examples_of(tmp_path, place.params("refused"), chat_templates.GEMMA, *rows)
    assert (len(found.by_id), found.too_long, sorted(found.refused.values())) == (1, 0, [1, 1, 1])
    for reason in ("leaves out `tools`", "System role not supported", "no assistant turn can be trained"):
        assert any(reason in said for said in found.left_out)


def test_dataset_of_which_no_row_can_be_trained_on_is_an_error_with_the_reasons(
    place: Workplace, tmp_path: Path
) -> None:
    with pytest.raises(NothingToTrain, match=r"none of the 1 rows .*1 rows: the base model's chat template leaves out"):
        examples_of(tmp_path, place.params("none"), chat_templates.GEMMA, CALLING)


def test_endless_chat_is_left_out_without_rendering_it_turn_by_turn(place: Workplace, tmp_path: Path) -> None:
    turns = [(role, "hi") for _ in range(20_000) for role in ("user", "assistant")]
    name = write_split(tmp_path, Split.TRAIN, [chat(*turns), chat(*turns[:2])])
    ids = pq.read_table(tmp_path / name, columns=["item_id"]).column("item_id").to_pylist()
    started = time.monotonic()
    found = training_examples([tmp_path / name], place.params("endless"), load_tokenizer(place.folder / "base"))
    assert (list(found.by_id), found.too_long) == ([ids[1]], 1)
    assert time.monotonic() - started < 30


def test_max_rows_trains_on_that_many(place: Workplace) -> None:
    assert place.result("few", RECIPE.model_copy(update={"max_rows": 5, "epochs": 1})).rows == 5


def test_job_works_in_s3_and_resumes_from_there(
    place: Workplace,
    unbroken: FinetuneResult,
    tables: dict[str, str],
    buckets: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOBS_TABLE", tables["jobs"])
    storage = Storage()
    for name in ("base", "dataset"):
        for file in (place.folder / name).iterdir():
            storage.upload(file, f"s3://models/{name}/{file.name}")
    local = place.params("s3")
    params = FinetuneParams(
        run_id=local.run_id,
        base=ModelReference(uri="s3://models/base/", digest=local.base.digest),
        dataset_version=local.dataset_version,
        manifest_uri="s3://models/dataset/manifest.json",
        recipe=RECIPE,
        adapters_uri="s3://models/adapters/",
        checkpoints_uri="s3://artifacts/runs/s3/finetune/checkpoints/",
    )
    storage.write("s3://artifacts/runs/s3/finetune/params.json", params.model_dump_json())
    arguments = ["s3://artifacts/runs/s3/finetune/params.json"]
    kill_at(monkeypatch, 2)
    with pytest.raises(Killed):
        run_job(JobName.FINETUNE, FinetuneParams, FinetuneResult, job.finetune, arguments)
    assert run_job(JobName.FINETUNE, FinetuneParams, FinetuneResult, job.finetune, arguments) == ExitCode.DONE
    result = FinetuneResult.model_validate_json(storage.read("s3://artifacts/runs/s3/finetune/result.json"))
    assert result.resumed_from_step == 2
    assert result.adapter == ModelReference(
        uri=f"s3://models/adapters/{unbroken.adapter.digest}/", digest=unbroken.adapter.digest
    )


def test_params_for_a_laptop_run_are_valid(event: Any) -> None:
    """They train on what the example of the job before makes."""
    params, before = FinetuneParams.model_validate(event("finetune/tiny.json")), event("prepare/tiny.json")
    assert params.manifest_uri == before["output_uri"] + "manifest.json"
    assert params.dataset_version == before["dataset_version"]
