"""Deploying a cloud assembly: assets, stacks in their order, and a second deploy that keeps what is there."""

from pathlib import Path

import pytest
import requests

from infra.local_cloud import cloudformation, event_sources, lambdas, locks
from infra.local_cloud.assembly import Assembly
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.deployment import DeployFailed, deploy
from infra.local_cloud.front_door import FrontDoor
from tests.support.lambda_functions import invoke
from tests.support.local_cloud import eventually
from tests.support.small_app import rewrite_assembly, write_assembly

PLUGINS = [locks, cloudformation, lambdas, event_sources]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/cdk-images-123456789012-us-east-1:cafe"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assembly(tmp_path_factory.mktemp("app") / "cdk.out")


@pytest.fixture(scope="module")
def outputs(cloud: Cloud, folder: Path) -> dict[str, dict[str, str]]:
    return deploy(cloud, Assembly(folder, cloud.account, cloud.region))


def test_stack_is_created_after_those_it_needs(folder: Path, outputs: dict[str, dict[str, str]]) -> None:
    assert list(outputs) == ["Storage", "Api"]


def test_function_runs_the_code_of_its_asset(cloud: Cloud, outputs: dict[str, dict[str, str]]) -> None:
    assert "hello" in invoke(cloud, outputs["Api"]["Function"], {"path": "/"})["body"]


def test_value_of_another_stack_reaches_the_function(cloud: Cloud, outputs: dict[str, dict[str, str]]) -> None:
    function = cloud.client("lambda").get_function_configuration(FunctionName=outputs["Api"]["Function"])
    assert function["Environment"]["Variables"] == {"BUCKET": outputs["Storage"]["Name"]}


def test_image_is_known_by_uri_and_tag_as_its_job(cloud: Cloud, outputs: dict[str, dict[str, str]]) -> None:
    assert cloud.images[IMAGE] == cloud.images["cafe"] == "prepare"


def test_bucket_has_the_versions_that_its_template_asks_for(cloud: Cloud, outputs: dict[str, dict[str, str]]) -> None:
    assert cloud.client("s3").get_bucket_versioning(Bucket=outputs["Storage"]["Name"])["Status"] == "Enabled"


def test_second_deploy_changes_the_code_and_keeps_the_data(
    cloud: Cloud, folder: Path, outputs: dict[str, dict[str, str]]
) -> None:
    door = FrontDoor(cloud)
    cloud.client("s3").put_object(Bucket=outputs["Storage"]["Name"], Key="kept", Body=b"data")
    assert requests.get(f"{door.url}/v1/x", timeout=20).json() == {"word": "hello", "path": "/v1/x"}
    again = deploy(cloud, Assembly(rewrite_assembly(folder, "changed"), cloud.account, cloud.region))
    assert again == outputs
    eventually(lambda: requests.get(f"{door.url}/live/v1/x", timeout=20).json()["word"] == "changed")
    kept = cloud.client("s3").get_object(Bucket=outputs["Storage"]["Name"], Key="kept")
    assert kept["Body"].read() == b"data"


def test_failed_deploy_names_stack_and_resource(cloud: Cloud, tmp_path: Path) -> None:
    folder = write_assembly(tmp_path / "cdk.out", "broken")
    template = folder / "Api.template.json"
    template.write_text(template.read_text().replace("AWS::IAM::Role", "AWS::IAM::Wish"))
    with pytest.raises(DeployFailed, match=r"stack Api: .*Role \(AWS::IAM::Wish\)"):
        deploy(cloud, Assembly(folder, cloud.account, cloud.region))
