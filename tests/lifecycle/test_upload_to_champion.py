"""An upload becomes the model in production: each step left what it must leave, and the model behind the API is it."""

import json

from tests.lifecycle.conftest import BROKEN_LINES
from tests.support.loop import DATASET, Loop
from tunesmith.contracts.deployments import RollbackAlarm, endpoint_name, quality_alarm_name, rollback_alarm_name
from tunesmith.contracts.runs import Outcome, Run, Stage


def test_upload_is_trained_on_registered_and_promoted(loop: Loop, first_run: Run) -> None:
    assert (first_run.stage, first_run.outcome, first_run.version) == (Stage.DONE, Outcome.PROMOTED, 1)
    assert first_run.execution_arn == loop.execution_arn(first_run.request.run_id)


def test_every_row_is_accounted_for_and_broken_lines_are_named(loop: Loop, first_run: Run) -> None:
    folder = loop.params(first_run, "prepare")["output_uri"]
    manifest = json.loads(loop.read(f"{folder}manifest.json"))
    counts = manifest["counts"]
    assert counts["rows_in"] == counts["kept"] + counts["quarantined"] + sum(counts["dropped"].values()) == 62
    assert sum(split["rows"] for split in manifest["splits"].values()) == counts["kept"]
    problems = [json.loads(line) for line in loop.read(folder + manifest["quarantine"]["path"]).splitlines()]
    assert [problem["line"] for problem in problems] == list(BROKEN_LINES)
    assert all(problem["hint"] for problem in problems)


def test_version_is_mirrored_to_sagemakers_registry(loop: Loop, first_run: Run) -> None:
    [package] = packages_of(loop, first_run)
    assert package["ModelApprovalStatus"] == "Approved"
    version = json.loads(loop.row("models", model="demo/demo", entry="version#00001")["document"])
    assert package["CustomerMetadataProperties"]["adapter_digest"] == version["adapter"]["digest"]


def test_endpoint_serves_the_version_and_can_be_rolled_back(loop: Loop, first_run: Run) -> None:
    endpoint = endpoint_name("demo", "demo")
    described = loop.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    assert described["EndpointStatus"] == "InService"
    wanted = {rollback_alarm_name(endpoint, alarm) for alarm in RollbackAlarm}
    wanted.add(quality_alarm_name("demo", "demo"))
    alarms = loop.client("cloudwatch").describe_alarms(AlarmNames=sorted(wanted))["MetricAlarms"]
    assert {alarm["AlarmName"] for alarm in alarms} == wanted


def test_deployment_is_recorded_as_verified(loop: Loop, first_run: Run) -> None:
    row = loop.row("deployments", endpoint=endpoint_name("demo", "demo"))
    assert json.loads(row["verified"])["adapter"]["digest"] == row["model_digest"]


def test_model_card_names_what_the_model_is_made_of(loop: Loop, first_run: Run) -> None:
    row = loop.row("models", model="demo/demo", entry="version#00001")
    card = loop.read(json.loads(row["document"])["card_uri"]).decode()
    assert first_run.request.run_id in card and first_run.request.dataset_version in card


def test_suite_of_the_dataset_is_pinned(loop: Loop, first_run: Run) -> None:
    suite = json.loads(loop.row("datasets", dataset=f"demo/{DATASET}", entry="suite")["document"])
    assert suite["digest"] == loop.params(first_run, "evaluate")["suite_digest"]


def packages_of(loop: Loop, run: Run) -> list[dict]:
    client = loop.client("sagemaker")
    [group] = client.list_model_package_groups()["ModelPackageGroupSummaryList"]
    listed = client.list_model_packages(ModelPackageGroupName=group["ModelPackageGroupName"])["ModelPackageSummaryList"]
    found = [client.describe_model_package(ModelPackageName=package["ModelPackageArn"]) for package in listed]
    return [package for package in found if package["CustomerMetadataProperties"]["run_id"] == run.request.run_id]
