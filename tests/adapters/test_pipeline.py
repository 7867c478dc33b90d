"""Executions in moto's Step Functions: started once, described, stopped."""

import pytest
from botocore.stub import Stubber

from functions.accept_upload.handler import lambda_handler as accept_upload
from tests.support.edges import eventbridge, open_edges
from tunesmith.adapters import pipeline
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.domain.runs import start_document


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


@pytest.fixture
def state(edges, context):
    accept_upload(eventbridge(edges.upload()), context)
    return start_document(run_of(edges.rows("runs")[0]).request, None, "artifacts")


def test_execution_is_found_under_the_runs_name_once_it_is_started(edges, state):
    arn = pipeline.execution_arn(edges.state_machine_arn, state.request.run_id)
    assert pipeline.describe(arn) is None
    assert pipeline.start(edges.state_machine_arn, state)
    assert pipeline.describe(arn)["name"] == state.request.run_id


def test_other_input_under_the_same_name_starts_nothing(edges, state):
    assert pipeline.start(edges.state_machine_arn, state)
    other = state.model_copy(update={"prepare": state.prepare.model_copy(update={"output_uri": "s3://elsewhere/"})})
    assert not pipeline.start(edges.state_machine_arn, other)
    assert len(edges.executions()) == 1


def test_stopped_execution_is_aborted_and_never_starts_again(edges, state):
    arn = pipeline.execution_arn(edges.state_machine_arn, state.request.run_id)
    pipeline.start(edges.state_machine_arn, state)
    pipeline.stop(arn, "a person said so")
    assert pipeline.describe(arn)["status"] == "ABORTED"
    pipeline.start(edges.state_machine_arn, state)
    assert len(edges.executions()) == 1


def test_execution_that_never_was_cannot_be_stopped(edges, state):
    with pytest.raises(NotFound):
        pipeline.stop(pipeline.execution_arn(edges.state_machine_arn, f"run-{'0' * 32}"), "")


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_answer_that_nobody_waits_for_is_a_conflict(aws, code):
    with Stubber(pipeline.client()) as states:
        states.add_client_error("send_task_success", code)
        states.add_client_error("send_task_failure", code)
        with pytest.raises(Conflict):
            pipeline.approve("a-token-of-nobody")
        with pytest.raises(Conflict):
            pipeline.reject("a-token-of-nobody", "no")
