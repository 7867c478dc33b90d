"""A folder prepared on one machine and on two, from the upload to the dataset version: the same bytes.

The nodes of the second run are processes of the local cloud that Batch tells their places, and make one Ray cluster.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from infra.local_cloud.control import local_cloud
from tests.lifecycle.test_folders import manifest, push
from tests.support.loop import RECIPE, Loop, dataset
from tests.support.tiny_model import write_tiny_base
from tunesmith.contracts.artifacts import FOLDER_LIST, recipe_key, s3_uri, scratch_prefix
from tunesmith.contracts.datasets import DatasetManifest
from tunesmith.contracts.runs import Outcome, Run, RunStatus

pytestmark = pytest.mark.slow

PROJECT = "shared"
FILES, ROWS = 4, 500


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    bases = tmp_path_factory.mktemp("bases")
    write_tiny_base(bases / "tiny", name="tiny")
    with local_cloud(tmp_path_factory.mktemp("cloud") / "state", bases=bases) as cloud:
        yield Loop(cloud)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of which each repeats half of the one before, and one has rows that are cut."""
    folder = tmp_path_factory.mktemp("uploads") / "rows"
    folder.mkdir()
    lines = dataset(ROWS * FILES, broken_lines=(3, 700)).splitlines(keepends=True)
    for number in range(FILES):
        (folder / f"{number}.jsonl").write_bytes(b"".join(lines[number * ROWS // 2 : number * ROWS // 2 + ROWS]))
    return folder


@pytest.fixture(scope="module")
def alone(platform: Loop, rows: Path) -> Run:
    push(platform, rows.parent, str(rows), project=PROJECT, on_upload="prepare")
    return platform.wait_for_end(PROJECT)


def upload_again(platform: Loop, **recipe: Any) -> None:
    """The same object versions once more, as another version of the dataset: their list is uploaded again."""
    s3, bucket = platform.client("s3"), platform.platform.uploads_bucket
    sections = RECIPE | {"on_upload": "prepare", "prepare": RECIPE["prepare"] | recipe}
    s3.put_object(Bucket=bucket, Key=recipe_key(PROJECT), Body=yaml.safe_dump(sections).encode())
    [listed] = [key for key in platform.keys(bucket, f"uploads/{PROJECT}/") if key.endswith(FOLDER_LIST)]
    s3.put_object(Bucket=bucket, Key=listed, Body=platform.read(s3_uri(bucket, listed)))


def made(platform: Loop, run: Run) -> tuple[DatasetManifest, dict[str, str]]:
    assert (run.status, run.outcome) == (RunStatus.SUCCEEDED, Outcome.PREPARED), run.reasons
    found = manifest(platform, run)
    return found, {file.path: file.sha256 for entry in found.splits.values() for file in entry.files}


def jobs(platform: Loop, run: Run) -> list[dict[str, Any]]:
    batch = platform.client("batch")
    queues = [queue["jobQueueName"] for queue in batch.describe_job_queues()["jobQueues"]]
    found = [
        summary["jobId"]
        for queue in queues
        for status in ("RUNNING", "SUCCEEDED", "FAILED")
        for summary in batch.list_jobs(jobQueue=queue, jobStatus=status)["jobSummaryList"]
        if summary["jobName"].startswith(run.request.run_id)
    ]
    return list(batch.describe_jobs(jobs=found)["jobs"]) if found else []


def test_job_gets_what_the_size_of_the_upload_asks_for(platform: Loop, rows: Path, alone: Run) -> None:
    told = platform.params(alone, "prepare")
    assert [source["size"] for source in told["sources"]] == [file.stat().st_size for file in sorted(rows.iterdir())]
    [job] = jobs(platform, alone)
    needs = {need["type"]: need["value"] for need in job["container"]["resourceRequirements"]}
    assert needs == {"VCPU": "2", "MEMORY": "7168"}
    assert {"name": "TUNESMITH_VCPUS", "value": "2"} in job["container"]["environment"]
    assert job["timeout"] == {"attemptDurationSeconds": told["resources"]["timeout_seconds"]}


def test_two_machines_make_the_dataset_of_one(platform: Loop, alone: Run) -> None:
    upload_again(platform, nodes=2)
    together = platform.wait_for_end(PROJECT, 2)
    assert together.request.sources == alone.request.sources
    assert together.request.dataset_version != alone.request.dataset_version
    expected, files = made(platform, alone)
    found, same_files = made(platform, together)
    [job] = jobs(platform, together)
    assert job["nodeProperties"]["numNodes"] == 2
    assert (found.content_digest, same_files) == (expected.content_digest, files)
    assert (found.counts, found.kind, found.quarantine) == (expected.counts, expected.kind, expected.quarantine)
    assert found.counts.dropped and found.counts.quarantined


def test_dataset_is_the_same_where_a_machine_dies(platform: Loop, alone: Run) -> None:
    upload_again(platform, nodes=2)
    run = platform.wait_for_run(PROJECT, lambda run: run.status is RunStatus.RUNNING, 3)
    scratch = scratch_prefix(run.request.run_id)
    platform.wait(lambda: platform.keys(platform.platform.artifacts_bucket, scratch))
    [dying] = lending_nodes(platform)
    for process in [dying, *dying.children(recursive=True)]:
        process.kill()
    assert platform.runs(PROJECT)[2].status is RunStatus.RUNNING
    expected, files = made(platform, alone)
    found, same_files = made(platform, platform.wait_for_end(PROJECT, 3))
    assert (found.content_digest, found.counts, same_files) == (expected.content_digest, expected.counts, files)


def test_job_that_waits_for_a_machine_ends_when_it_is_asked_to(platform: Loop, alone: Run) -> None:
    upload_again(platform, nodes=2)
    platform.wait_for_run(PROJECT, lambda run: run.status is RunStatus.RUNNING, 4)
    [missing] = platform.wait(lambda: lending_nodes(platform))
    for process in [missing, *missing.children(recursive=True)]:
        process.kill()
    [waiting] = platform.wait(lambda: ray_heads(platform))
    [job] = jobs(platform, platform.runs(PROJECT)[3])
    platform.client("batch").terminate_job(jobId=job["jobId"], reason="enough")
    run = platform.wait_for_end(PROJECT, 4)
    assert run.status is RunStatus.FAILED and "enough" in " ".join(run.reasons)
    assert not waiting.is_running()


def lending_nodes(platform: Loop) -> list[psutil.Process]:
    """Those that are not the main one."""
    return [
        process
        for process in platform.processes("-m batch_jobs.prepare")
        if process.environ().get("AWS_BATCH_JOB_NODE_INDEX") == "1"
    ]


def ray_heads(platform: Loop) -> list[psutil.Process]:
    return platform.processes("ray start", "--head")
