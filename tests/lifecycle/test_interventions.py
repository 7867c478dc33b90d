"""What people do to runs, and what runs do when they cannot go on: nothing is left half done, nothing stays silent."""

import json

import pytest

from tests.support.loop import RECIPE, Loop, dataset
from tunesmith.contracts.jobs import JobName
from tunesmith.contracts.runs import Outcome, Run, RunStatus, Stage

LONG = RECIPE["finetune"] | {"epochs": 50, "tokens_per_step": 128}


@pytest.fixture(scope="module")
def hopeless_run(loop: Loop) -> Run:
    loop.upload("hopeless", b'{"messages": [\n' * 12)
    return loop.wait_for_end("hopeless")


def test_run_of_bad_rows_alone_fails_and_says_why(loop: Loop, hopeless_run: Run) -> None:
    assert (hopeless_run.status, hopeless_run.stage) == (RunStatus.FAILED, Stage.PREPARE)
    quoted, reason = hopeless_run.reasons
    assert quoted.startswith("prepare: nothing_to_train: ") and "quarantine.jsonl" in quoted
    assert "exit code 2" in reason and "{" not in reason


def test_run_that_failed_leaves_the_bad_rows_to_mend_and_no_dataset(loop: Loop, hopeless_run: Run) -> None:
    bucket, folder = loop.params(hopeless_run, "prepare")["output_uri"].removeprefix("s3://").split("/", 1)
    assert [key.removeprefix(folder) for key in loop.keys(bucket, folder)] == ["quarantine.jsonl", "report.html"]
    assert not [row for row in loop.rows("models") if row["model"].startswith("hopeless/")]


def test_failed_run_is_told_to_the_topic(loop: Loop, hopeless_run: Run) -> None:
    history = loop.client("stepfunctions").get_execution_history(
        executionArn=loop.execution_arn(hopeless_run.request.run_id)
    )["events"]
    entered = [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]
    assert entered[-2:] == ["Tell of the failure", "Failed"]


def test_run_that_a_person_cancels_stops_its_job(loop: Loop) -> None:
    loop.upload("hurried", dataset(200), finetune=LONG)
    run = loop.wait_for_run("hurried", lambda run: run.stage is Stage.FINETUNE)
    job = ("batch_jobs.finetune", run.request.run_id)
    loop.wait(lambda: loop.processes(*job))
    assert loop.cli("runs", "cancel", run.request.run_id)["status"] == RunStatus.CANCELLED
    loop.wait(lambda: not loop.processes(*job))
    described = loop.client("stepfunctions").describe_execution(executionArn=loop.execution_arn(run.request.run_id))
    assert described["status"] == "ABORTED"
    [ended] = loop.runs("hurried")
    assert (ended.status, ended.stage) == (RunStatus.CANCELLED, Stage.FINETUNE)


def test_run_whose_execution_is_stopped_behind_our_back_ends_as_cancelled(loop: Loop) -> None:
    loop.upload("abandoned", dataset(30))
    run = loop.wait_for_run("abandoned", lambda run: run.status is RunStatus.RUNNING)
    loop.client("stepfunctions").stop_execution(
        executionArn=loop.execution_arn(run.request.run_id), cause="somebody in the console"
    )
    ended = loop.wait_for_end("abandoned")
    assert ended.status is RunStatus.CANCELLED
    assert "somebody in the console" in " ".join(ended.reasons)


@pytest.fixture(scope="module")
def approved_run(loop: Loop) -> Run:
    """Trained by SageMaker, like everything that the recipe of this project says; it waited for a person."""
    run = loop.wait_for_run("patient", lambda run: run.status is RunStatus.WAITING or run.status.is_final)
    assert (run.status, run.stage) == (RunStatus.WAITING, Stage.APPROVE), run.reasons
    assert not [row for row in loop.rows("aliases") if row["model"].startswith("patient/")]
    loop.cli("models", "approve", run.request.run_id)
    return loop.succeeded("patient")


def test_run_that_waits_for_a_person_goes_on_when_approved(approved_run: Run) -> None:
    assert (approved_run.outcome, approved_run.version) == (Outcome.PROMOTED, 1)


def test_training_job_of_sagemaker_makes_the_same_kind_of_model(loop: Loop, approved_run: Run) -> None:
    run = approved_run
    [job] = loop.client("sagemaker").list_training_jobs()["TrainingJobSummaries"]
    assert job["TrainingJobStatus"] == "Completed"
    result = json.loads(loop.read(loop.params(run, JobName.EVALUATE)["finetune_result_uri"]))
    version = json.loads(loop.row("models", model="patient/patient", entry="version#00001")["document"])
    assert version["adapter"] == result["adapter"]
