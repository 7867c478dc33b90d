"""The RUNS table's stream against moto's Step Functions: a queued run gets one execution, under its own name."""

import json

import boto3
import pytest

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.start_run.handler import lambda_handler
from tests.support.edges import eventbridge, open_edges, stream
from tunesmith.adapters import dynamo, runs, suites
from tunesmith.contracts.datasets import Suite
from tunesmith.contracts.identity import digest
from tunesmith.contracts.lifecycle import LifecycleState
from tunesmith.domain.interventions import cancelled


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


def execution_input(edges, run_id) -> dict:
    arn = edges.state_machine_arn.replace(":stateMachine:", ":execution:") + f":{run_id}"
    return json.loads(boto3.client("stepfunctions").describe_execution(executionArn=arn)["input"])


@pytest.fixture
def queued(edges, event) -> dict:
    """The recorded event, whose row is in the table."""
    told = event("start_run/queued.json")
    image = told["Records"][0]["dynamodb"]["NewImage"]
    dynamo.client().put_item(TableName="runs", Item=image)
    return told


def test_queued_run_is_started_under_its_own_name(edges, context, queued):
    lambda_handler(queued, context)
    image = queued["Records"][0]["dynamodb"]["NewImage"]
    assert edges.executions() == [image["run_id"]["S"]]


def test_start_document_holds_the_request_and_what_prepare_needs(edges, context):
    accept_upload(eventbridge(edges.upload()), context)
    [row] = edges.rows("runs")
    lambda_handler(stream(row), context)
    found = execution_input(edges, row["run_id"])
    state = LifecycleState.model_validate(found)
    assert set(found) == {"request", "prepare", "approval"}
    assert state.prepare.sources == state.request.sources
    assert state.prepare.output_uri == f"s3://artifacts/datasets/docs/docstrings/{state.request.dataset_version}/"
    assert state.prepare.suite_uri is None


def test_size_of_the_upload_reaches_the_job_that_prepares_it(edges, context):
    body = b"{}\n" * 1_000
    accept_upload(eventbridge(edges.upload(body=body)), context)
    [row] = edges.rows("runs")
    lambda_handler(stream(row), context)
    prepare = execution_input(edges, row["run_id"])["prepare"]
    assert [source["size"] for source in prepare["sources"]] == [len(body)]
    assert prepare["resources"] == {"nodes": 1, "vcpus": 2, "memory_mib": 7_168, "timeout_seconds": 7_200}


def test_pinned_suite_is_what_prepare_decontaminates_against(edges, context):
    accept_upload(eventbridge(edges.upload()), context)
    [row] = edges.rows("runs")
    suite = Suite(
        project="docs",
        dataset="docstrings",
        uri="s3://artifacts/suite.parquet",
        digest=digest("suite"),
        rows=7,
        dataset_version=digest("v"),
    )
    suites.pin_first("datasets", "docs", "docstrings", suite)
    lambda_handler(stream(row), context)
    prepare = execution_input(edges, row["run_id"])["prepare"]
    assert (prepare["suite_uri"], prepare["suite_digest"]) == (suite.uri, suite.digest)


def test_repeated_record_starts_nothing_more(edges, context, queued):
    for _ in range(3):
        lambda_handler(queued, context)
    assert len(edges.executions()) == 1


def test_record_that_comes_after_the_execution_has_ended_starts_nothing(edges, context, queued):
    lambda_handler(queued, context)
    states = boto3.client("stepfunctions")
    [execution] = states.list_executions(stateMachineArn=edges.state_machine_arn)["executions"]
    states.stop_execution(executionArn=execution["executionArn"])
    lambda_handler(queued, context)
    assert len(edges.executions()) == 1


def test_later_change_of_a_run_starts_nothing(edges, context, event):
    lambda_handler(event("start_run/moved.json"), context)
    assert edges.executions() == []


def test_run_that_was_recorded_as_failed_is_not_started(edges, context):
    edges.write_recipe("no_such_key: 1")
    accept_upload(eventbridge(edges.upload()), context)
    lambda_handler(stream(*edges.rows("runs")), context)
    assert edges.executions() == []


def test_run_that_was_cancelled_before_its_record_came_is_not_started(edges, context, queued):
    [row] = edges.rows("runs")
    runs.move("runs", row["run_id"], lambda run: cancelled(run, "ada", "2026-11-24T06:00:00Z"))
    lambda_handler(queued, context)
    assert edges.executions() == []
