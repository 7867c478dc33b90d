"""Endpoints that run a container: what it gets, when it gets traffic, how its answers and failures come back."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from infra.local_cloud import events, sagemaker
from infra.local_cloud.cloud import Cloud
from tests.support.local_cloud import eventually, running_cloud

ROLE = "arn:aws:iam::123456789012:role/serving"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/assets:serve1"
STAND_IN = Path(__file__).parents[2] / "support/model_container.py"
Configure = Callable[..., str]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Its `python` runs the stand-in for every job."""
    folder = tmp_path_factory.mktemp("hosting")
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    python.chmod(0o755)
    options = {"python": str(python), "images": {"serve1": "serve"}, "deployment_seconds": 1.0}
    with running_cloud(folder, [events, sagemaker], **options) as running:
        yield running


@pytest.fixture(scope="module")
def configure(cloud: Cloud) -> Configure:
    """Make a model and an endpoint configuration; answers its name."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="models")
    s3.put_object(Bucket="models", Key="bases/b1/config.json", Body=b"{}")

    def make(version: str, behaviour: str = "healthy", image: str = IMAGE) -> str:
        name = f"config-{time.time_ns()}"
        for file, content in (("version", version), ("behaviour", behaviour), ("deep/weights", "w")):
            s3.put_object(Bucket="models", Key=f"adapters/{name}/{file}", Body=content.encode())
        container = {
            "Image": image,
            "ModelDataSource": {"S3DataSource": source(f"adapters/{name}/")},
            "AdditionalModelDataSources": [{"ChannelName": "base", "S3DataSource": source("bases/b1/")}],
        }
        client = cloud.client("sagemaker")
        client.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
        variant = {
            "VariantName": "main",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "ContainerStartupHealthCheckTimeoutInSeconds": 60,
        }
        client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        return name

    return make


@pytest.fixture(scope="module")
def endpoint(cloud: Cloud, configure: Configure) -> str:
    """One in service."""
    cloud.client("sagemaker").create_endpoint(EndpointName="served", EndpointConfigName=configure("1"))
    assert settled(cloud, "served")["EndpointStatus"] == "InService"
    return "served"


def source(prefix: str) -> dict[str, str]:
    return {"S3Uri": f"s3://models/{prefix}", "S3DataType": "S3Prefix", "CompressionType": "None"}


def settled(cloud: Cloud, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = cloud.client("sagemaker").describe_endpoint(EndpointName=name)
        return found if found["EndpointStatus"] in ("InService", "Failed") else None

    return eventually(look, 20)


def invoke(cloud: Cloud, name: str, **request: Any) -> Any:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=json.dumps(request), ContentType="application/json"
    )
    return json.loads(answer["Body"].read())


def version(cloud: Cloud, name: str) -> str:
    return str(invoke(cloud, name)["version"])


def test_container_finds_its_model_and_the_additional_one(cloud: Cloud, endpoint: str) -> None:
    found = invoke(cloud, endpoint)
    base = "additional-model-data-sources/base/config.json"
    assert found["files"] == [base, "model/behaviour", "model/deep/weights", "model/version"]
    assert found["argv"] == ["-m", "batch_jobs.serve", "serve"]


def test_what_is_read_once_is_linked_not_copied(cloud: Cloud, endpoint: str) -> None:
    [linked] = Path(cloud.state_dir).glob("endpoints/served/*/additional-model-data-sources/base/config.json")
    assert linked.stat().st_nlink > 1


def test_endpoint_that_does_not_exist_is_an_error(cloud: Cloud) -> None:
    with pytest.raises(ClientError, match="Endpoint none of account 123456789012 not found") as caught:
        invoke(cloud, "none")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    with pytest.raises(ClientError, match="not found"):
        cloud.client("sagemaker-runtime").invoke_endpoint_with_response_stream(EndpointName="none", Body=b"{}")


def test_refusal_of_the_container_keeps_its_status_and_message(cloud: Cloud, endpoint: str) -> None:
    with pytest.raises(ClientError) as caught:
        invoke(cloud, endpoint, status=400)
    response = caught.value.response
    assert (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]) == ("ModelError", 424)
    assert (response["OriginalStatusCode"], json.loads(response["OriginalMessage"])) == (400, {"error": "as asked"})


def test_stream_comes_in_parts_while_the_container_still_writes(cloud: Cloud, endpoint: str) -> None:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps({"chunks": ["one", "two", "three"]}), Accept="text/event-stream"
    )
    parts, times = [], []
    for event in answer["Body"]:
        parts.append(event["PayloadPart"]["Bytes"])
        times.append(time.monotonic())
    assert (parts, answer["ContentType"]) == ([b"one", b"two", b"three"], "text/event-stream")
    assert times[-1] - times[0] > 0.3


def test_stream_that_breaks_is_an_error_after_its_parts(cloud: Cloud, endpoint: str) -> None:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
        EndpointName=endpoint, Body=json.dumps({"chunks": ["one", "break"]})
    )
    stream = iter(answer["Body"])
    assert next(stream)["PayloadPart"]["Bytes"] == b"one"
    with pytest.raises(EventStreamError, match="ModelStreamError"):
        next(stream)


def test_refused_stream_is_a_model_error(cloud: Cloud, endpoint: str) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("sagemaker-runtime").invoke_endpoint_with_response_stream(
            EndpointName=endpoint, Body=json.dumps({"status": 400})
        )
    assert (caught.value.response["Error"]["Code"], caught.value.response["OriginalStatusCode"]) == ("ModelError", 400)


def test_invocations_are_measured(cloud: Cloud, endpoint: str) -> None:
    invoke(cloud, endpoint)
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "main"}]

    def names() -> set[str]:
        found = cloud.client("cloudwatch").list_metrics(Namespace="AWS/SageMaker", Dimensions=dimensions)["Metrics"]
        return {metric["MetricName"] for metric in found}

    wanted = {"Invocations", "ModelLatency", "Invocation4XXErrors", "Invocation5XXErrors"}
    assert eventually(lambda: wanted <= names())


@pytest.mark.parametrize(
    ("behaviour", "image", "reason"),
    [
        ("ends", IMAGE, "the model has no weights"),
        ("healthy", "unknown:1", "unknown:1 is no image of a job"),
    ],
)
def test_endpoint_whose_container_does_not_start_fails_and_says_why(
    cloud: Cloud, configure: Configure, behaviour: str, image: str, reason: str
) -> None:
    name = f"broken-{time.time_ns()}"
    configuration = configure("1", behaviour, image)
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=configuration)
    found = settled(cloud, name)
    assert found["EndpointStatus"] == "Failed" and reason in found["FailureReason"]


def test_update_moves_traffic_without_a_failed_request(cloud: Cloud, configure: Configure) -> None:
    client = cloud.client("sagemaker")
    client.create_endpoint(EndpointName="moving", EndpointConfigName=configure("1"))
    settled(cloud, "moving")
    target = configure("2")
    client.update_endpoint(EndpointName="moving", EndpointConfigName=target)
    during = client.describe_endpoint(EndpointName="moving")
    assert (during["EndpointStatus"], during["PendingDeploymentSummary"]["EndpointConfigName"]) == ("Updating", target)
    seen = [version(cloud, "moving")]
    while client.describe_endpoint(EndpointName="moving")["EndpointStatus"] == "Updating":
        seen.append(version(cloud, "moving"))
    after = client.describe_endpoint(EndpointName="moving")
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", target)
    assert (seen[0], version(cloud, "moving")) == ("1", "2") and seen == sorted(seen)


def test_update_to_what_does_not_start_keeps_the_old_one(cloud: Cloud, configure: Configure, endpoint: str) -> None:
    before = cloud.client("sagemaker").describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
    cloud.client("sagemaker").update_endpoint(EndpointName=endpoint, EndpointConfigName=configure("9", "ends"))
    found = settled(cloud, endpoint)
    assert (found["EndpointStatus"], found["EndpointConfigName"]) == ("InService", before)
    assert "the model has no weights" in found["FailureReason"]
    assert version(cloud, endpoint) == "1"


def test_alarm_during_a_deployment_brings_the_old_one_back(cloud: Cloud, configure: Configure, endpoint: str) -> None:
    alarms = cloud.client("cloudwatch")
    alarms.put_metric_alarm(
        AlarmName="errors",
        Namespace="N",
        MetricName="M",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    deployment = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 120},
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }
    cloud.client("sagemaker").update_endpoint(
        EndpointName=endpoint, EndpointConfigName=configure("2"), DeploymentConfig=deployment
    )
    eventually(lambda: version(cloud, endpoint) == "2")
    alarms.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="test")
    found = settled(cloud, endpoint)
    assert "errors is in ALARM" in found["FailureReason"]
    assert version(cloud, endpoint) == "1"


def test_container_that_is_killed_comes_back(cloud: Cloud, endpoint: str) -> None:
    for child in cloud.processes.running():
        if child.name == f"endpoint {endpoint}":
            child.kill()
            child.wait(5)
    with pytest.raises(ClientError, match="did not answer"):
        invoke(cloud, endpoint)

    def answers() -> bool:
        try:
            return version(cloud, endpoint) == "1"
        except ClientError:
            return False

    eventually(answers)


def test_deleted_endpoint_is_gone_with_its_process(cloud: Cloud, configure: Configure) -> None:
    client = cloud.client("sagemaker")
    client.create_endpoint(EndpointName="short", EndpointConfigName=configure("1"))
    settled(cloud, "short")
    client.delete_endpoint(EndpointName="short")
    client.get_waiter("endpoint_deleted").wait(EndpointName="short", WaiterConfig={"Delay": 1, "MaxAttempts": 10})
    eventually(lambda: "endpoint short" not in [child.name for child in cloud.processes.running()])
    with pytest.raises(ClientError, match="Could not find"):
        client.describe_endpoint(EndpointName="short")


def test_names_are_taken_once_and_unknown_ones_are_refused(cloud: Cloud, configure: Configure, endpoint: str) -> None:
    client = cloud.client("sagemaker")
    with pytest.raises(ClientError, match="Cannot create already existing"):
        client.create_endpoint(EndpointName=endpoint, EndpointConfigName=configure("1"))
    with pytest.raises(ClientError, match="Could not find"):
        client.create_endpoint(EndpointName="other", EndpointConfigName="none")
