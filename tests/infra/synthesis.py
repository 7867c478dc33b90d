"""The app as the tests see it: cdk-nag at work, before any acknowledgement, and planted defects beside it."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from infra.node import use_bundled_node

use_bundled_node()

from aws_cdk import App, Validations  # noqa: E402
from cdk_nag import AwsSolutionsChecks, ServerlessChecks  # noqa: E402

from infra.app import FLAGS, build  # noqa: E402
from infra.config import Config, stage_config  # noqa: E402
from tests.infra.planted import STACK, PlantedStack  # noqa: E402

Template = dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """Of cdk-nag, before any acknowledgement."""

    path: str
    rule: str


@dataclass(frozen=True)
class Synthesized:
    folder: Path
    config: Config
    app: App

    @cached_property
    def templates(self) -> dict[str, Template]:
        """The real stacks by name."""
        return {name: body for name, body in self._all.items() if name != STACK}

    @property
    def planted(self) -> Template:
        return self._all[STACK]

    @cached_property
    def _all(self) -> dict[str, Template]:
        files = sorted(self.folder.glob("*.template.json"))
        return {file.name.removesuffix(".template.json"): json.loads(file.read_text()) for file in files}

    @cached_property
    def findings(self) -> set[Finding]:
        report = json.loads((self.folder / "validation-report.json").read_text())
        return {
            Finding(construct["constructPath"], violation["ruleName"])
            for plugin in report["pluginReports"]
            if plugin["pluginName"] in ("AwsSolutions", "Serverless")
            for violation in plugin["violations"]
            for construct in violation["violatingConstructs"]
        }

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of a type, by `<stack>/<logical id>`."""
        return {
            f"{stack}/{name}": resource.get("Properties", {})
            for stack, template in self.templates.items()
            for name, resource in template["Resources"].items()
            if resource["Type"] == kind
        }


def synthesize(folder: Path) -> Synthesized:
    """Once per session: it takes a while. What was planted makes CDK refuse, after all is written."""
    config = stage_config("dev")
    app = build(App(outdir=str(folder), context=FLAGS), config)
    PlantedStack(app)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app), ServerlessChecks(app))
    with pytest.raises(RuntimeError, match="AwsSolutions"):
        app.synth()
    return Synthesized(folder, config, app)


def containers(job: dict[str, Any]) -> list[dict[str, Any]]:
    """What a job runs, on one machine or on each of its nodes."""
    if job["Type"] == "multinode":
        return [nodes["Container"] for nodes in job["NodeProperties"]["NodeRangeProperties"]]
    return [job["ContainerProperties"]]
