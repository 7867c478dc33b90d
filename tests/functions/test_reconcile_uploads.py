"""The schedule against moto: what events lost is found, once, and what was not lost is left alone."""

import boto3
import pytest

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.reconcile_uploads.handler import lambda_handler
from functions.start_run.handler import lambda_handler as start_run
from tests.support.edges import KEY, eventbridge, open_edges, stream
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.runs import RunStatus


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


@pytest.fixture
def reconcile(event, context):
    return lambda: lambda_handler(event("reconcile_uploads/schedule.json"), context)


def test_upload_whose_event_was_lost_is_accepted_and_started(edges, reconcile):
    edges.upload()
    assert reconcile() == {"accepted": 1, "started": 1, "ended": 0}
    [run] = edges.rows("runs")
    assert edges.executions() == [run["run_id"]]


def test_second_time_finds_nothing(edges, reconcile):
    edges.upload()
    reconcile()
    assert reconcile() == {"accepted": 0, "started": 0, "ended": 0}


def test_event_that_comes_after_the_reconciler_is_a_repeat(edges, reconcile, context):
    version = edges.upload()
    reconcile()
    accept_upload(eventbridge(version), context)
    assert edges.row_counts() == (1, 1, 1)


def test_run_whose_stream_record_was_lost_is_started(edges, reconcile, context):
    accept_upload(eventbridge(edges.upload()), context)
    assert reconcile() == {"accepted": 0, "started": 1, "ended": 0}


def test_run_that_has_an_execution_is_not_counted(edges, reconcile, context):
    accept_upload(eventbridge(edges.upload()), context)
    start_run(stream(*edges.rows("runs")), context)
    assert reconcile() == {"accepted": 0, "started": 0, "ended": 0}


def test_deleted_uploads_are_left_alone(edges, reconcile):
    edges.upload()
    boto3.client("s3").delete_object(Bucket="uploads", Key=KEY)
    assert reconcile() == {"accepted": 0, "started": 0, "ended": 0}


def test_every_version_of_a_key_is_found(edges, reconcile):
    for body in (b"1", b"2", b"3"):
        edges.upload(body=body)
    assert reconcile() == {"accepted": 3, "started": 3, "ended": 0}


def test_upload_that_cannot_be_accepted_does_not_hold_up_the_others(edges, reconcile):
    edges.upload("uploads/no-dataset.jsonl")
    edges.upload()
    assert reconcile() == {"accepted": 1, "started": 1, "ended": 0}


def test_upload_that_never_can_be_accepted_is_told_once(edges, reconcile, caplog):
    edges.upload("uploads/no-dataset.jsonl")
    reconcile()
    assert [record.key for record in caplog.records if record.msg == "upload refused"] == ["uploads/no-dataset.jsonl"]
    caplog.clear()
    reconcile()
    assert not [record for record in caplog.records if record.msg == "upload refused"]
    [row] = edges.rows("uploads")
    assert row["key"] == "uploads/no-dataset.jsonl" and "expected uploads/" in row["unusable"]


def test_folder_markers_and_recipes_are_no_uploads(edges, reconcile):
    edges.upload("uploads/docs/docstrings/")
    edges.write_recipe("model: docs")
    assert reconcile() == {"accepted": 0, "started": 0, "ended": 0}


def test_run_whose_execution_was_stopped_unheard_is_cancelled(edges, reconcile, context):
    accept_upload(eventbridge(edges.upload()), context)
    start_run(stream(*edges.rows("runs")), context)
    states = boto3.client("stepfunctions")
    [execution] = states.list_executions(stateMachineArn=edges.state_machine_arn)["executions"]
    states.stop_execution(executionArn=execution["executionArn"], error="Stopped", cause="by somebody")
    assert reconcile() == {"accepted": 0, "started": 0, "ended": 1}
    run = run_of(edges.rows("runs")[0])
    assert run.status is RunStatus.CANCELLED and run.reasons
    assert reconcile() == {"accepted": 0, "started": 0, "ended": 0}
