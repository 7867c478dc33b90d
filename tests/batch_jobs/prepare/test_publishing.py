"""A dataset version is whole where its manifest is, and only the newest attempt writes into its folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from batch_jobs.harness.fencing import take_fence
from batch_jobs.harness.main import run_job
from batch_jobs.prepare import publishing
from batch_jobs.prepare.job import prepare
from tests.support.preparing import Workplace, jsonl
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import DatasetManifest, Source, SourceKind, Split
from tunesmith.contracts.identity import digest
from tunesmith.contracts.jobs import ExitCode, JobName, PrepareParams, PrepareResult

PARAMS = "s3://artifacts/runs/r/prepare/params.json"
ROWS = jsonl({"prompt": f"question {number}", "completion": "yes"} for number in range(50))


@pytest.fixture
def attempt(tables: dict[str, str], buckets: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """One attempt at a job in S3; its exit code."""
    monkeypatch.setenv("JOBS_TABLE", tables["jobs"])
    version = boto3.client("s3").put_object(Bucket="uploads", Key="a.jsonl", Body=ROWS)["VersionId"]
    source = Source(kind=SourceKind.UPLOAD, source_id=digest("a"), uri="s3://uploads/a.jsonl", version_id=str(version))
    params = Workplace(Path()).params(source).model_copy(update={"output_uri": "s3://artifacts/datasets/v/"})
    Storage().write(PARAMS, params.model_dump_json())
    return lambda: run_job(JobName.PREPARE, PrepareParams, PrepareResult, prepare, [PARAMS])


def overtake(table: str) -> None:
    """Another attempt at the only job of the table begins."""
    [row] = boto3.resource("dynamodb").Table(table).scan()["Items"]
    take_fence(table, str(row["job_id"]))


def written() -> set[str]:
    found = boto3.client("s3").list_objects_v2(Bucket="artifacts", Prefix="datasets/v/").get("Contents", [])
    return {item["Key"].removeprefix("datasets/v/") for item in found}


def test_attempt_that_was_overtaken_while_it_worked_uploads_nothing(
    attempt: Callable[[], int], tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def describe(*arguments: Any) -> DatasetManifest:
        overtake(tables["jobs"])
        return real(*arguments)

    real = publishing.describe
    monkeypatch.setattr(publishing, "describe", describe)
    assert attempt() == ExitCode.BAD_INPUT
    assert written() == set()


def test_attempt_that_was_overtaken_while_it_uploaded_writes_no_manifest(
    attempt: Callable[[], int], tables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def upload_folder(*arguments: Any) -> None:
        real(*arguments)
        overtake(tables["jobs"])

    real = Storage.upload_folder
    monkeypatch.setattr(Storage, "upload_folder", upload_folder)
    assert attempt() == ExitCode.BAD_INPUT
    assert "train-00000-of-00001.parquet" in written() and publishing.MANIFEST not in written()


def test_every_file_of_the_manifest_is_there_and_has_its_digest(attempt: Callable[[], int], tmp_path: Path) -> None:
    assert attempt() == ExitCode.DONE
    folder = "s3://artifacts/datasets/v/"
    manifest = DatasetManifest.model_validate_json(Storage().read(folder + publishing.MANIFEST))
    files = [file for entry in manifest.splits.values() for file in entry.files] + [manifest.quarantine]
    files += manifest.documents
    assert {file.path for file in files} | {publishing.MANIFEST} == written()
    assert {"report.html", "profile.json", "README.md"} <= {file.path for file in manifest.documents}
    for file in files:
        Storage().download(folder + file.path, tmp_path / file.path, file.sha256)
    assert manifest.content_digest == digest(
        [[split, [file.sha256 for file in manifest.splits[split].files]] for split in sorted(Split)]
    )


def test_manifest_of_another_version_is_no_version_of_this_one(attempt: Callable[[], int]) -> None:
    assert attempt() == ExitCode.DONE
    uri = "s3://artifacts/datasets/v/manifest.json"
    manifest = DatasetManifest.model_validate_json(Storage().read(uri))
    Storage().write(uri, manifest.model_copy(update={"dataset_version": "f" * 64}).model_dump_json())
    boto3.client("s3").delete_object(Bucket="artifacts", Key="runs/r/prepare/result.json")
    assert attempt() == ExitCode.BAD_INPUT
    assert f"holds dataset version {'f' * 64}" in Storage().read("s3://artifacts/runs/r/prepare/failure.json").decode()
