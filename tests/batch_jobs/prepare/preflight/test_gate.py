"""The preflight inside a run: only the tokenizer is fetched, and a training that would go wrong is stopped."""

from pathlib import Path

import pytest

from batch_jobs.harness.main import JobContext, run_job
from batch_jobs.modeling.folders import fetch_tokenizer
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.preflight.gate import run_preflight
from batch_jobs.prepare.preflight.verdict import check_preflight
from tests.support.tiny_model import write_tiny_base
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import RowFormat, Source, SourceKind
from tunesmith.contracts.errors import IntegrityError
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.preflight import Preflight
from tunesmith.contracts.recipes import FinetuneRecipe, PrepareRecipe

LEARNT = Row(RowFormat.CHAT, (Turn("user", "q"), Turn("assistant", "a")))
NOT_LEARNT = Row(RowFormat.CHAT, (Turn("user", "q"), Turn("assistant", "a", trained=False)))


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelReference:
    from batch_jobs.modeling import folders

    monkeypatch.setattr(folders, "cache_folder", lambda: tmp_path / "cache")
    manifest = write_tiny_base(tmp_path / "base")
    return ModelReference(uri=f"{tmp_path}/base/", digest=manifest.digest)


def outcome(folder: Path, base: ModelReference | None, finetune: FinetuneRecipe | None, *rows: Row) -> tuple[int, str]:
    """Run the check as a job runs it: exit code and result, or the failure's message."""
    params = PrepareParams(
        run_id=f"run-{digest('x')[:32]}",
        project="demo",
        dataset="rows",
        dataset_version=digest("x"),
        sources=[Source(kind=SourceKind.UPLOAD, source_id=digest("x"), uri="x", version_id="1")],
        recipe=PrepareRecipe(),
        base=base,
        finetune=finetune,
        output_uri=f"{folder}/version/",
    )
    (folder / "job").mkdir()
    (folder / "job/params.json").write_text(params.model_dump_json())

    def job(params: PrepareParams, context: JobContext) -> Preflight:
        told = run_preflight(((row, f"a.jsonl:{number}") for number, row in enumerate(rows, 1)), params, context)
        assert told is not None
        check_preflight(told, params)
        return told

    code = run_job(JobName.PREPARE, PrepareParams, Preflight, job, [str(folder / "job/params.json")])
    name = "result.json" if code == ExitCode.DONE else "failure.json"
    return code, (folder / "job" / name).read_text()


def test_good_rows_pass(tmp_path: Path, base: ModelReference) -> None:
    code, result = outcome(tmp_path, base, FinetuneRecipe(), LEARNT)
    assert code == ExitCode.DONE and Preflight.model_validate_json(result).rows == 1


def test_training_that_would_go_wrong_is_stopped_with_the_places(tmp_path: Path, base: ModelReference) -> None:
    code, failure = outcome(tmp_path, base, FinetuneRecipe(), LEARNT, NOT_LEARNT)
    assert code == ExitCode.BAD_INPUT
    assert "NO_TRAINED_TOKEN" in failure and "a.jsonl:2" in failure


def test_without_a_training_errors_are_only_told(tmp_path: Path, base: ModelReference) -> None:
    code, result = outcome(tmp_path, base, None, NOT_LEARNT)
    assert code == ExitCode.DONE and Preflight.model_validate_json(result).errors


def test_weights_are_not_fetched(base: ModelReference) -> None:
    folder = fetch_tokenizer(Storage(), base)
    assert {"tokenizer.json", "config.json", "manifest.json"} <= {file.name for file in folder.iterdir()}
    assert not list(folder.glob("*.safetensors"))


def test_file_that_is_not_the_manifests_is_refused(tmp_path: Path, base: ModelReference) -> None:
    (tmp_path / "base/tokenizer_config.json").write_text("{}")
    with pytest.raises(IntegrityError):
        fetch_tokenizer(Storage(), base)


def test_base_of_another_digest_is_refused(base: ModelReference) -> None:
    with pytest.raises(IntegrityError, match="expected digest"):
        fetch_tokenizer(Storage(), base.model_copy(update={"digest": "0" * 64}))
