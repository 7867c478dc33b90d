"""A run that waits for a person against moto: its row keeps the token, the log does not."""

import pytest

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.record_state.handler import lambda_handler as record_state
from functions.request_approval.handler import lambda_handler
from tests.support.edges import eventbridge, open_edges
from tunesmith.adapters import runs
from tunesmith.contracts.errors import Conflict
from tunesmith.contracts.runs import RunStatus, Stage


@pytest.fixture
def run_id(tables, buckets, monkeypatch, context):
    edges = open_edges(monkeypatch)
    accept_upload(eventbridge(edges.upload()), context)
    return edges.rows("runs")[0]["run_id"]


def test_run_waits_with_the_token_in_its_row_and_not_in_the_log(run_id, event, context, capsys):
    request = event("request_approval/waiting.json") | {"run_id": run_id}
    lambda_handler(request, context)
    run = runs.get_run("runs", run_id)
    assert (run.status, run.stage) == (RunStatus.WAITING, Stage.APPROVE)
    assert runs.task_token("runs", run_id) == request["task_token"]
    printed = capsys.readouterr()
    assert request["task_token"] not in printed.out + printed.err


def test_newer_token_replaces_the_one_that_nobody_listens_to(run_id, event, context):
    request = event("request_approval/waiting.json") | {"run_id": run_id}
    lambda_handler(request, context)
    lambda_handler(request | {"task_token": "newer"}, context)
    assert runs.task_token("runs", run_id) == "newer"


def test_run_that_has_ended_cannot_wait(run_id, event, context):
    record_state({"run_id": run_id, "status": "cancelled", "stage": "prepare"}, context)
    with pytest.raises(Conflict):
        lambda_handler(event("request_approval/waiting.json") | {"run_id": run_id}, context)


def test_run_that_waits_for_nobody_has_no_token(run_id):
    with pytest.raises(Conflict):
        runs.task_token("runs", run_id)


def test_run_that_goes_on_keeps_moving(run_id, event, context):
    lambda_handler(event("request_approval/waiting.json") | {"run_id": run_id}, context)
    record_state({"run_id": run_id, "status": "running", "stage": "rollout"}, context)
    assert runs.get_run("runs", run_id).stage is Stage.ROLLOUT
