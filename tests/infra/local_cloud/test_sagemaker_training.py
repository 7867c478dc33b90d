"""Training jobs as real processes with SageMaker's folders, and state machines that wait for them."""

import io
import json
import tarfile
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import events, sagemaker, step_functions
from infra.local_cloud.cloud import Cloud
from tests.support.local_cloud import eventually

PLUGINS = [events, sagemaker, step_functions]
CLOUD = {"job_stop_seconds": 2, "images": {"repository/finetune:abc": "finetune", "abc": "finetune"}}
ROLE = "arn:aws:iam::123456789012:role/training"
Train = Callable[..., str]


@pytest.fixture(scope="module")
def bucket(cloud: Cloud) -> str:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="artifacts")
    s3.put_object(Bucket="artifacts", Key="data/train/a.txt", Body=b"rows")
    return "artifacts"


def request(bucket: str, source: str, **more: Any) -> dict[str, Any]:
    return {
        "TrainingJobName": f"job-{time.time_ns()}",
        "RoleArn": ROLE,
        "AlgorithmSpecification": {
            "TrainingImage": "repository/finetune:abc",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "-c", source],
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/output"},
        "ResourceConfig": {"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    } | more


@pytest.fixture
def train(cloud: Cloud, bucket: str) -> Train:
    def start(source: str, **more: Any) -> str:
        asked = request(bucket, source, **more)
        cloud.client("sagemaker").create_training_job(**asked)
        return str(asked["TrainingJobName"])

    return start


def ended(cloud: Cloud, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        job = cloud.client("sagemaker").describe_training_job(TrainingJobName=name)
        return job if job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped") else None

    return eventually(look, 20)


def test_job_finds_hyperparameters_channels_and_variables_and_its_model_is_uploaded(
    cloud: Cloud, train: Train, bucket: str
) -> None:
    source = (
        "import json, os, pathlib\n"
        "base = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'])\n"
        "found = [json.loads((base / 'input/config/hyperparameters.json').read_text()),\n"
        "         (base / 'input/data/train/a.txt').read_text(), os.environ['SM_CHANNEL_TRAIN'], os.environ['X']]\n"
        "(pathlib.Path(os.environ['SM_MODEL_DIR']) / 'found.json').write_text(json.dumps(found))"
    )
    source_of_data = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{bucket}/data/train/"}
    channel = {"ChannelName": "train", "DataSource": {"S3DataSource": source_of_data}}
    name = train(source, HyperParameters={"params_uri": "s3://x"}, InputDataConfig=[channel], Environment={"X": "1"})
    job = ended(cloud, name)
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{bucket}/output/{name}/output/model.tar.gz"
    packed = cloud.client("s3").get_object(Bucket=bucket, Key=uri.split(bucket + "/")[1])["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        member = archive.extractfile("found.json")
        assert member is not None
        found = json.loads(member.read())
    assert found[:2] == [{"params_uri": "s3://x"}, "rows"] and found[2].endswith("input/data/train") and found[3] == "1"


def test_failure_tells_what_the_container_wrote_about_it(cloud: Cloud, train: Train) -> None:
    source = (
        "import os, pathlib, sys\n"
        "(pathlib.Path(os.environ['SAGEMAKER_BASE_DIR']) / 'output/failure').write_text('no rows')\nsys.exit(3)"
    )
    job = ended(cloud, train(source))
    assert (job["TrainingJobStatus"], job["FailureReason"]) == ("Failed", "AlgorithmError: no rows, exit code: 3")


def test_stopped_job_gets_sigterm(cloud: Cloud, train: Train) -> None:
    source = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print('up', flush=True); time.sleep(60)"
    )
    heard: list[str] = []
    cloud.log_listeners.append(lambda group, stream, line: heard.append(stream.partition("/")[0]))
    name = train(source)
    eventually(lambda: name in heard)
    cloud.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = ended(cloud, name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")


def test_job_over_its_time_is_stopped(cloud: Cloud, train: Train) -> None:
    job = ended(cloud, train("import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1}))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_name_is_good_for_one_job(cloud: Cloud, train: Train, bucket: str) -> None:
    asked = request(bucket, "pass")
    cloud.client("sagemaker").create_training_job(**asked)
    with pytest.raises(ClientError, match="must be unique") as caught:
        cloud.client("sagemaker").create_training_job(**asked)
    assert caught.value.response["Error"]["Code"] == "ResourceInUse"


def test_image_of_a_job_runs_that_job(cloud: Cloud, train: Train) -> None:
    algorithm = {"TrainingImage": "repository/finetune:abc", "TrainingInputMode": "File"}
    job = ended(cloud, train("", AlgorithmSpecification=algorithm))
    assert "params_uri" in job["FailureReason"]  # the job itself says that it got none


def test_unknown_image_fails_and_says_so(cloud: Cloud, train: Train) -> None:
    job = ended(cloud, train("", AlgorithmSpecification={"TrainingImage": "nothing:1", "TrainingInputMode": "File"}))
    assert "nothing:1 is no image of a job" in job["FailureReason"]


@pytest.mark.parametrize(("source", "status"), [("pass", "SUCCEEDED"), ("raise SystemExit(1)", "FAILED")])
def test_state_machine_waits_for_the_job(cloud: Cloud, bucket: str, source: str, status: str) -> None:
    task = {"Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync", "Type": "Task", "End": True}
    machine = {"StartAt": "Train", "States": {"Train": task | {"Parameters": request(bucket, source)}}}
    states = cloud.client("stepfunctions")
    arn = states.create_state_machine(name=f"m{time.time_ns()}", definition=json.dumps(machine), roleArn=ROLE)
    execution = states.start_execution(stateMachineArn=arn["stateMachineArn"])["executionArn"]
    describe = lambda: states.describe_execution(executionArn=execution)  # noqa: E731
    eventually(lambda: describe()["status"] != "RUNNING", 20)
    ended_execution = describe()
    assert ended_execution["status"] == status
    job = json.loads(ended_execution["output"] if status == "SUCCEEDED" else ended_execution["cause"])
    assert job["TrainingJobStatus"] == ("Completed" if status == "SUCCEEDED" else "Failed")
    assert isinstance(job["CreationTime"], int)
