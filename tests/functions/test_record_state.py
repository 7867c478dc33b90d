"""What the state machine says of a run against moto: recorded once, never backwards, with the cause of a failure."""

import boto3
import pytest

from functions.accept_upload.handler import lambda_handler as accept_upload
from functions.record_state.handler import lambda_handler
from tests.support.edges import eventbridge, open_edges
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.artifacts import failure_key
from tunesmith.contracts.errors import NotFound, RunCancelled
from tunesmith.contracts.jobs import JobFailure
from tunesmith.contracts.runs import Outcome, RunStatus, Stage


@pytest.fixture
def run(tables, buckets, monkeypatch, context):
    """A queued run; call it for the run as it is now."""
    edges = open_edges(monkeypatch)
    accept_upload(eventbridge(edges.upload()), context)
    return lambda: run_of(edges.rows("runs")[0])


@pytest.fixture
def record(run, event, context):
    """Deliver a recorded case, about this run."""
    run_id = run().request.run_id
    return lambda case: lambda_handler(event(f"record_state/{case}.json") | {"run_id": run_id}, context)


def test_record_moves_the_run_and_names_its_execution(run, record):
    record("running")
    assert (run().status, run().stage) == (RunStatus.RUNNING, Stage.PREPARE)
    assert run().execution_arn.startswith("arn:aws:states:")


def test_repeated_record_changes_nothing(run, record):
    record("running")
    before = run()
    record("running")
    assert run() == before


def test_final_status_is_never_left(run, record):
    record("promoted")
    before = run()
    for late in ("running", "batch_failure"):
        record(late)
    assert run() == before
    assert (before.outcome, before.version) == (Outcome.PROMOTED, 1)


def test_job_that_failed_is_quoted_before_its_exit_code(run, record):
    record("running")
    key = failure_key(run().request.run_id, "finetune")
    told = JobFailure(exit_code=2, message="nothing_to_train: 3 rows in, 3 quarantined")
    boto3.client("s3").put_object(Bucket="artifacts", Key=key, Body=told.model_dump_json())
    record("batch_failure")
    quoted, _ = run().reasons
    assert quoted == "finetune: nothing_to_train: 3 rows in, 3 quarantined"


@pytest.mark.parametrize("case", ["batch_failure", "lambda_failure"])
def test_failure_is_recorded_once_with_a_readable_cause_and_counted(run, record, capsys, case):
    record("running")
    record(case)
    record(case)
    assert run().status is RunStatus.FAILED
    [reason] = run().reasons
    assert "{" not in reason
    assert capsys.readouterr().out.count('"Name":"RunsFailed"') == 1


def test_record_of_an_unknown_run_is_an_error(run, event, context):
    with pytest.raises(NotFound):
        lambda_handler(event("record_state/running.json"), context)


@pytest.fixture
def execution_ends(run, event, context):
    """Deliver Step Functions' own event about this run's execution."""

    def deliver(case):
        told = event(f"record_state/{case}.json")
        told["detail"]["name"] = run().request.run_id
        lambda_handler(told, context)

    return deliver


@pytest.mark.parametrize(
    ("case", "status"),
    [
        ("execution_stopped", RunStatus.CANCELLED),
        ("execution_timed_out", RunStatus.FAILED),
        ("execution_failed", RunStatus.FAILED),
    ],
)
def test_execution_that_could_not_record_its_end_ends_its_run(run, record, execution_ends, case, status):
    record("running")
    for _ in range(2):
        execution_ends(case)
    assert run().status is status
    assert len(run().reasons) == 1


def test_end_that_the_execution_recorded_itself_stays(run, record, execution_ends):
    record("batch_failure")
    before = run()
    execution_ends("execution_failed")
    assert run() == before


def test_step_of_a_cancelled_run_fails_and_so_stops_it(run, record, execution_ends):
    execution_ends("execution_stopped")
    with pytest.raises(RunCancelled):
        record("running")
    assert run().status is RunStatus.CANCELLED
