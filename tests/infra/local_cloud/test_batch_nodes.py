"""Multi-node jobs: a process per node, which is told its place; the job ends as its main node does."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import batch
from infra.local_cloud.cloud import Cloud
from tests.infra.local_cloud.test_batch import ended
from tests.support.batch_environment import create_queue, define_job, define_nodes
from tests.support.local_cloud import eventually

PLUGINS = [batch]
CLOUD = {"vcpus": 2, "gpus": 0, "job_stop_seconds": 2}
TELL = """
import json, os, pathlib, sys, time
told = {name.removeprefix('AWS_BATCH_JOB_'): value for name, value in os.environ.items() if 'NODE' in name}
folder, index = pathlib.Path(sys.argv[1]), told['NODE_INDEX']
(folder / f'{index}.part').write_text(json.dumps(told | {'ID': os.environ['AWS_BATCH_JOB_ID']}))
(folder / f'{index}.part').rename(folder / f'{index}.json')
if index == '0':
    while len(list(folder.glob('*.json'))) < int(told['NUM_NODES']):
        time.sleep(0.02)
    sys.exit(int(sys.argv[2]))
time.sleep(60)
"""


@pytest.fixture(scope="module")
def queue(cloud: Cloud) -> str:
    return create_queue(cloud, "nodes")


def submit(cloud: Cloud, queue: str, folder: Path, code: int = 0, **options: Any) -> str:
    definition = define_nodes(cloud, f"nodes-{time.time_ns()}", ["python", "-c", TELL, "Ref::folder", str(code)])
    made = cloud.client("batch").submit_job(
        jobName="job", jobQueue=queue, jobDefinition=definition, parameters={"folder": str(folder)}, **options
    )
    return str(made["jobId"])


def test_every_node_is_told_its_place_and_ends_with_the_main_one(cloud: Cloud, queue: str, tmp_path: Path) -> None:
    started = time.monotonic()
    job_id = submit(cloud, queue, tmp_path, nodeOverrides={"numNodes": 3})
    job = ended(cloud, job_id)
    assert (job["status"], job["nodeProperties"]["numNodes"]) == ("SUCCEEDED", 3)
    told = [json.loads((tmp_path / f"{index}.json").read_text()) for index in range(3)]
    common = {"NUM_NODES": "3", "MAIN_NODE_INDEX": "0"}
    address = {"MAIN_NODE_PRIVATE_IPV4_ADDRESS": "127.0.0.1"}
    assert told[0] == common | {"NODE_INDEX": "0", "ID": f"{job_id}#0"}
    assert told[1:] == [common | address | {"NODE_INDEX": str(i), "ID": f"{job_id}#{i}"} for i in (1, 2)]
    assert time.monotonic() - started < 15
    eventually(lambda: not cloud.processes.running())


def test_definition_says_how_many_nodes_unless_the_submission_does(cloud: Cloud, queue: str, tmp_path: Path) -> None:
    assert ended(cloud, submit(cloud, queue, tmp_path))["status"] == "SUCCEEDED"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0.json", "1.json"]


def test_job_fails_as_its_main_node_does(cloud: Cloud, queue: str, tmp_path: Path) -> None:
    job = ended(cloud, submit(cloud, queue, tmp_path, code=3))
    assert (job["status"], job["attempts"][0]["container"]["exitCode"]) == ("FAILED", 3)
    eventually(lambda: not cloud.processes.running())


def test_terminated_job_takes_its_nodes_along(cloud: Cloud, queue: str) -> None:
    definition = define_nodes(cloud, f"wait-{time.time_ns()}", ["python", "-c", "import time; time.sleep(60)"])
    made = cloud.client("batch").submit_job(jobName="job", jobQueue=queue, jobDefinition=definition)
    eventually(lambda: len(cloud.processes.running()) == 2)
    cloud.client("batch").terminate_job(jobId=made["jobId"], reason="enough")
    assert ended(cloud, made["jobId"])["statusReason"] == "enough"
    eventually(lambda: not cloud.processes.running())


def test_node_overrides_are_refused_for_a_job_of_one_machine(cloud: Cloud, queue: str) -> None:
    definition = define_job(cloud, "alone", ["true"])
    with pytest.raises(ClientError, match="multi-node"):
        cloud.client("batch").submit_job(
            jobName="job", jobQueue=queue, jobDefinition=definition, nodeOverrides={"numNodes": 2}
        )
