"""docs/cost.md places every type of resource: what it costs while nothing runs, or that it costs nothing then."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from infra.node import use_bundled_node

use_bundled_node()

from aws_cdk import App  # noqa: E402

from infra.app import FLAGS, build  # noqa: E402
from infra.config import Network, stage_config  # noqa: E402
from infra.constructs.job_network import INTERFACES  # noqa: E402
from tunesmith.contracts.recipes import ServeRecipe  # noqa: E402
from tunesmith.domain.pricing import MACHINES  # noqa: E402

PAGE = (Path(__file__).parents[2] / "docs/cost.md").read_text()
PLACED = set(re.findall(r"`(AWS::[\w:*]+)`", PAGE))
Resources = list[dict]


def resources_of(folder: Path, network: Network) -> Resources:
    build(App(outdir=str(folder), context=FLAGS), replace(stage_config("dev"), network=network)).synth()
    templates = [json.loads(file.read_text()) for file in folder.glob("*.template.json")]
    return [resource for template in templates for resource in template["Resources"].values()]


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> dict[Network, Resources]:
    """Of each network that one may choose; the rest of a stage does not change the types."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CDK_VALIDATION", "false")
        return {network: resources_of(tmp_path_factory.mktemp(network), network) for network in Network}


def is_placed(kind: str) -> bool:
    return kind in PLACED or f"{kind.rpartition('::')[0]}::*" in PLACED


def count(resources: Resources, kind: str) -> int:
    return sum(resource["Type"] == kind for resource in resources)


def test_every_type_of_resource_has_its_place(resources: dict[Network, Resources]) -> None:
    kinds = {resource["Type"] for each in resources.values() for resource in each}
    assert {kind for kind in kinds if not is_placed(kind)} == set()


def test_a_type_that_the_page_does_not_name_is_found() -> None:
    assert not is_placed("AWS::RDS::DBInstance") and not is_placed("AWS::EC2::Instance")


@pytest.mark.parametrize(
    "kind",
    ["AWS::KMS::Key", "AWS::CloudWatch::Alarm", "AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup"],
)
def test_page_counts_what_stands_in_the_first_stage(resources: dict[Network, Resources], kind: str) -> None:
    told = re.search(rf"\| `{kind}` \| (\d+)", PAGE)
    assert told and int(told[1]) == count(resources[Network.PUBLIC], kind)


def test_page_counts_the_interface_endpoints() -> None:
    told = re.search(r"(\d+) services in 2 zones: ([\d.]+)", PAGE)
    assert told and int(told[1]) == len(INTERFACES)
    assert float(told[2]) == pytest.approx(len(INTERFACES) * 2 * 0.01 * 730)


def test_page_prices_the_endpoints_as_the_estimates_do() -> None:
    told = {name: float(hour) for name, hour in re.findall(r"^\| `(ml\.\S+)`.*? \| ([\d.]+) \|", PAGE, re.MULTILINE)}
    assert told == {machine.sagemaker_type: machine.sagemaker_usd_per_hour for machine in MACHINES}
    assert ServeRecipe().instance_type in told
