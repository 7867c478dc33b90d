"""The app as `cdk deploy` and `python -m infra.app` run it, and what may differ between deployments."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App

from infra.app import FLAGS, build, config_of
from infra.config import Config, Network, stage_config
from infra.constructs.retention import retention_days
from infra.layers import REPOSITORY
from tests.infra.synthesis import Synthesized
from tunesmith.contracts.keys import usage_key
from tunesmith.contracts.machines import MOST_VCPUS
from tunesmith.contracts.platform import PLATFORM_PARAMETER, Platform
from tunesmith.contracts.recipes import PrepareRecipe


def synthesize(folder: Path, path: str) -> dict[str, str]:
    """Template file -> its text, made by another process with that PATH."""
    environment = {key: value for key, value in os.environ.items() if key != "JSII_NODE"}
    environment |= {"CDK_OUTDIR": str(folder), "CDK_VALIDATION": "false", "PATH": path}
    command = [sys.executable, "-m", "infra.app"]
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, timeout=180)
    return {file.name: file.read_text() for file in sorted(folder.glob("*.template.json"))}


def test_templates_come_out_the_same_and_need_no_node_on_the_path(tmp_path: Path) -> None:
    assert synthesize(tmp_path / "one", "/nowhere") == synthesize(tmp_path / "two", os.environ["PATH"])


def test_cdk_finds_the_app() -> None:
    assert json.loads((REPOSITORY / "cdk.json").read_text())["app"] == ".venv/bin/python -m infra.app"


@pytest.mark.parametrize(
    "config",
    [
        Config(network=Network.NAT, web_firewall=False, notification_email="someone@example.com"),
        Config(network=Network.ENDPOINTS, architecture="arm64"),
    ],
    ids=["nat-no-firewall-email", "endpoints-arm64"],
)
def test_other_choices_build_as_well(config: Config) -> None:
    stacks = [child.node.id for child in build(App(context=FLAGS), config).node.children]
    assert "TunesmithLifecycle" in stacks


def test_context_overrides_the_stage() -> None:
    said = {"stage": "prod", "projects": "search,support", "network": "endpoints", "waf": "off"}
    config = config_of(App(context=said))
    assert [project.name for project in config.projects] == ["search", "support"]
    assert (config.stage, config.network, config.web_firewall) == ("prod", Network.ENDPOINTS, False)


def test_machines_are_not_too_few_for_what_a_recipe_may_ask_for() -> None:
    assert Config(max_vcpus=MOST_VCPUS).max_vcpus == PrepareRecipe(vcpus=MOST_VCPUS).vcpus
    with pytest.raises(ValueError, match=rf"max_vcpus: {MOST_VCPUS - 1} are fewer .* prepare\.vcpus .* never start"):
        Config(max_vcpus=MOST_VCPUS - 1)


def test_production_keeps_its_tables() -> None:
    assert stage_config("prod").deletion_protection


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="stage 'prdo': expected one of dev, prod"):
        stage_config("prdo")


def test_a_retention_that_cloudwatch_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="log_retention_days"):
        retention_days(31)


def test_the_platform_can_be_found(synthesized: Synthesized) -> None:
    [parameter] = synthesized.resources("AWS::SSM::Parameter").values()
    assert parameter["Name"] == PLATFORM_PARAMETER
    parts = parameter["Value"]["Fn::Join"][1]
    platform = Platform.model_validate_json("".join(part if isinstance(part, str) else "x" for part in parts))
    assert platform.api_url.endswith("/v1")
    assert {"accept_upload", "authorize", "shift_traffic"} <= set(platform.functions)
    assert len(platform.tables) == len(synthesized.resources("AWS::DynamoDB::Table"))


def methods(synthesized: Synthesized) -> list[dict[str, Any]]:
    return list(synthesized.resources("AWS::ApiGateway::Method").values())


def test_every_route_asks_the_authorizer_and_counts_for_its_project(synthesized: Synthesized) -> None:
    routes = [method for method in methods(synthesized) if method["HttpMethod"] != "OPTIONS"]
    assert len(routes) == 2
    for route in routes:
        assert (route["AuthorizationType"], route["ApiKeyRequired"]) == ("CUSTOM", True)
    [api] = synthesized.resources("AWS::ApiGateway::RestApi").values()
    assert api["ApiKeySourceType"] == "AUTHORIZER"
    [authorizer] = synthesized.resources("AWS::ApiGateway::Authorizer").values()
    assert authorizer["IdentitySource"] == "method.request.header.Authorization"
    assert authorizer["AuthorizerResultTtlInSeconds"] > 0


def test_every_project_is_throttled_under_the_key_that_the_authorizer_names(synthesized: Synthesized) -> None:
    keys = {key["Value"] for key in synthesized.resources("AWS::ApiGateway::ApiKey").values()}
    assert keys == {usage_key(project.name) for project in synthesized.config.projects}
    assert all(len(key) >= 20 for key in keys)


def test_a_refusal_has_the_shape_that_openai_clients_read(synthesized: Synthesized) -> None:
    for response in synthesized.resources("AWS::ApiGateway::GatewayResponse").values():
        body = response["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"refused"')
        assert json.loads(body)["error"]["message"] == "refused"
