"""The checkers that a stranger would run: cdk-nag, cfn-lint, checkov. Each must also find what was planted for it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.acknowledgements import acknowledgements, construct_at
from tests.infra.planted import STACK
from tests.infra.synthesis import Finding, Synthesized

CHECKOV = Path(__file__).parents[2] / ".venv-checkov" / "bin" / "checkov"
CFN_LINT = Path(sys.executable).with_name("cfn-lint")


def real(findings: set[Finding]) -> set[Finding]:
    return {finding for finding in findings if not finding.path.startswith(f"{STACK}/")}


def acknowledged(synthesized: Synthesized) -> set[Finding]:
    return {Finding(known.path, known.rule) for known in acknowledgements(synthesized.config)}


def test_nag_finds_nothing_that_is_not_acknowledged(synthesized: Synthesized) -> None:
    assert real(synthesized.findings) - acknowledged(synthesized) == set()


def test_every_acknowledgement_is_needed_and_has_a_reason(synthesized: Synthesized) -> None:
    assert acknowledged(synthesized) - synthesized.findings == set()
    assert all(len(known.reason) > 20 for known in acknowledgements(synthesized.config))


def test_every_acknowledgement_names_a_construct_that_exists(synthesized: Synthesized) -> None:
    paths = {known.path for known in acknowledgements(synthesized.config)}
    assert {construct_at(synthesized.app, path).node.path for path in paths} == paths


def test_nag_finds_the_planted_defects(synthesized: Synthesized) -> None:
    planted = {finding.rule for finding in synthesized.findings - real(synthesized.findings)}
    assert {"AwsSolutions-S1", "AwsSolutions-IAM5[Action::s3:*]", "AwsSolutions-IAM5[Resource::*]"} <= planted


@pytest.fixture(scope="module")
def lint(synthesized: Synthesized) -> dict[str, set[str]]:
    """Stack -> the rules of cfn-lint that it breaks, errors and warnings."""
    files = [str(path) for path in sorted(synthesized.folder.glob("*.template.json"))]
    run = subprocess.run([str(CFN_LINT), "--format", "json", *files], capture_output=True, text=True, timeout=300)
    broken: dict[str, set[str]] = {Path(file).name.removesuffix(".template.json"): set() for file in files}
    for match in json.loads(run.stdout):
        broken[Path(match["Filename"]).name.removesuffix(".template.json")].add(match["Rule"]["Id"])
    return broken


def test_cfn_lint_has_nothing_to_say(lint: dict[str, set[str]]) -> None:
    assert {stack: rules for stack, rules in lint.items() if rules and stack != STACK} == {}


def test_cfn_lint_finds_the_planted_defects(lint: dict[str, set[str]]) -> None:
    assert {"E3012", "W3005"} <= lint[STACK]


@pytest.fixture(scope="module")
def checkov(synthesized: Synthesized) -> dict[str, set[str]]:
    """Stack -> the checks of checkov that fail there."""
    if not CHECKOV.exists():
        pytest.skip("no checkov: scripts/setup --checkov makes it")
    files = [str(path) for path in sorted(synthesized.folder.glob("*.template.json"))]
    command = [str(CHECKOV), "--framework", "cloudformation", "--output", "json", "--soft-fail", "--file", *files]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    results = json.loads(run.stdout)["results"]
    assert len(results["passed_checks"]) > 300, "checkov looked at next to nothing"
    failed: dict[str, set[str]] = {Path(file).name.removesuffix(".template.json"): set() for file in files}
    for check in results["failed_checks"]:
        failed[Path(check["file_path"]).name.removesuffix(".template.json")].add(check["check_id"])
    return failed


def test_checkov_fails_nothing(checkov: dict[str, set[str]]) -> None:
    assert {stack: checks for stack, checks in checkov.items() if checks and stack != STACK} == {}


def test_checkov_finds_the_planted_defects(checkov: dict[str, set[str]]) -> None:
    assert {"CKV_AWS_21", "CKV_AWS_53"} <= checkov[STACK]


def test_every_skipped_check_has_a_reason(synthesized: Synthesized) -> None:
    skips = [
        skip
        for template in synthesized.templates.values()
        for resource in template["Resources"].values()
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", [])
    ]
    assert skips and all(len(skip["comment"]) > 20 for skip in skips)
