"""How a run moves: forward only, whatever order its records come in; and why one failed, in a sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.acceptances import accepted
from tunesmith.contracts.datasets import Suite
from tunesmith.contracts.errors import RunCancelled
from tunesmith.contracts.events import ExecutionEnded
from tunesmith.contracts.identity import dataset_version_id, digest
from tunesmith.contracts.lifecycle import Failure, StateRecord
from tunesmith.contracts.recipes import OnUpload, PrepareRecipe
from tunesmith.contracts.runs import Outcome, Run, RunStatus, Stage, Trigger
from tunesmith.domain.job_resources import prepare_resources
from tunesmith.domain.runs import STAGES, advance, ending, explain, start_document

NOW = "2026-11-24T06:00:00.000Z"
QUEUED = Run(request=accepted().request, updated_at="2026-11-24T05:45:02.123Z")


def record(status=RunStatus.RUNNING, stage=Stage.PREPARE, **more):
    return StateRecord(run_id=QUEUED.request.run_id, status=status, stage=stage, **more)


def after(*records):
    run = QUEUED
    for each in records:
        run = advance(run, each, NOW) or run
    return run


def test_record_moves_the_run():
    run = after(record(execution_arn="arn:x"))
    assert (run.status, run.stage, run.execution_arn, run.updated_at) == (
        RunStatus.RUNNING,
        Stage.PREPARE,
        "arn:x",
        NOW,
    )


def test_repeat_and_late_record_change_nothing():
    run = after(record(stage=Stage.EVALUATE))
    assert advance(run, record(stage=Stage.EVALUATE), NOW) is None
    assert advance(run, record(stage=Stage.PREPARE), NOW) is None


@given(st.permutations([record(stage=stage) for stage in STAGES[1:-1]]))
def test_any_order_of_records_ends_at_the_furthest_stage(records):
    assert after(*records).stage is Stage.PROMOTE


@given(st.lists(st.builds(record, st.sampled_from(RunStatus), st.sampled_from(Stage)), max_size=8))
def test_final_status_is_never_left(records):
    done = after(record(RunStatus.SUCCEEDED, Stage.DONE, outcome=Outcome.PROMOTED, version=3))
    for each in records:
        assert advance(done, each, NOW) is None


def test_failure_keeps_the_stage_where_it_happened():
    run = after(
        record(stage=Stage.FINETUNE),
        record(RunStatus.FAILED, Stage.DONE, failure=Failure(Error="States.TaskFailed", Cause="out of disk")),
    )
    assert (run.status, run.stage, run.reasons) == (
        RunStatus.FAILED,
        Stage.FINETUNE,
        ["States.TaskFailed: out of disk"],
    )


def test_reasons_are_appended_once():
    run = after(
        record(stage=Stage.GATE, reasons=["gain 0.2"]), record(stage=Stage.REGISTER, reasons=["gain 0.2", "all legs"])
    )
    assert run.reasons == ["gain 0.2", "all legs"]


def test_version_stays_known():
    run = after(record(stage=Stage.REGISTER, version=4), record(stage=Stage.ROLLOUT))
    assert run.version == 4


BATCH = {
    "JobName": "0123-finetune-1",
    "JobId": "a3f1",
    "StatusReason": "Essential container in task exited",
    "Container": {"ExitCode": 137, "Reason": "OutOfMemoryError: container killed", "LogStreamName": "finetune/1"},
}


@pytest.mark.parametrize("spell", [lambda name: name, lambda name: name[0].lower() + name[1:]])
def test_failed_job_is_told_by_name_exit_code_reason_and_log(spell):
    cause = {spell(name): value for name, value in BATCH.items()}
    told = explain(Failure(Error="States.TaskFailed", Cause=json.dumps(cause)))
    assert all(fact in told for fact in ("0123-finetune-1", "137", "OutOfMemoryError", "finetune/1"))


def test_job_that_never_started_is_told_by_its_status_reason():
    cause = {"JobName": "j", "JobId": "a", "StatusReason": "Job stopped", "Container": {}}
    assert "Job stopped" in explain(Failure(Error="States.TaskFailed", Cause=json.dumps(cause)))


def test_failed_function_is_told_by_its_error():
    cause = json.dumps({"errorMessage": "no dataset manifest", "errorType": "NotFound", "stackTrace": ["..."]})
    assert explain(Failure(Error="NotFound", Cause=cause)) == "NotFound: no dataset manifest"


def test_failed_training_job_is_told_by_its_failure_reason():
    cause = json.dumps({"TrainingJobName": "t-1", "FailureReason": "AlgorithmError: no CUDA device"})
    assert "no CUDA device" in explain(Failure(Error="States.TaskFailed", Cause=cause))


@pytest.mark.parametrize("cause", ["", "plain words", "[1]", "{broken", '"text"', "null"])
def test_cause_in_no_known_shape_is_told_as_it_is(cause):
    assert cause in explain(Failure(Error="States.Runtime", Cause=cause))


def test_start_document_names_the_pinned_suite():
    request = QUEUED.request
    suite = Suite(
        project="docs",
        dataset="docstrings",
        uri="s3://artifacts/test.parquet",
        digest=digest("suite"),
        rows=9,
        dataset_version=digest("first"),
    )
    prepare = start_document(request, suite, "artifacts").prepare
    assert (prepare.suite_uri, prepare.suite_digest) == (suite.uri, suite.digest)
    assert prepare.output_uri.endswith(f"/{request.dataset_version}/")


@pytest.mark.parametrize(
    ("trigger", "on_upload", "trains"),
    [
        (Trigger.UPLOAD, OnUpload.TRAIN, True),
        (Trigger.UPLOAD, OnUpload.PREPARE, False),
        (Trigger.REQUEST, OnUpload.PREPARE, True),
    ],
)
def test_start_document_names_the_base_and_the_training_that_follows(trigger, on_upload, trains):
    recipe = QUEUED.request.recipe.model_copy(update={"on_upload": on_upload})
    request = QUEUED.request.model_copy(update={"trigger": trigger, "recipe": recipe})
    prepare = start_document(request, None, "artifacts").prepare
    assert prepare.base == request.base
    assert prepare.finetune == (recipe.finetune if trains else None)


@pytest.mark.parametrize(("nodes", "scratch"), [(1, None), ("auto", None), (2, "s3://artifacts/scratch/{}/")])
def test_several_machines_have_a_folder_of_the_run_to_share(nodes, scratch):
    recipe = QUEUED.request.recipe
    asked = recipe.model_copy(update={"prepare": recipe.prepare.model_copy(update={"nodes": nodes})})
    prepare = start_document(QUEUED.request.model_copy(update={"recipe": asked}), None, "artifacts").prepare
    assert prepare.scratch_uri == (scratch and scratch.format(QUEUED.request.run_id))


def test_start_document_sizes_the_job_by_its_sources():
    request = QUEUED.request
    assert [source.size for source in request.sources] == [3]
    assert start_document(request, None, "artifacts").prepare.resources.vcpus == 2
    large = [source.model_copy(update={"size": 30_000_000_000}) for source in request.sources]
    asked = start_document(request.model_copy(update={"sources": large}), None, "artifacts").prepare
    assert asked.resources == prepare_resources(large, request.recipe.prepare)
    assert (asked.resources.vcpus, asked.sources[0].size) == (8, 30_000_000_000)


@pytest.mark.parametrize("where", [{"nodes": 8}, {"nodes": "auto"}, {"vcpus": 16}, {"memory_gib": 100}])
def test_version_is_the_same_on_whichever_machines(where):
    usual = PrepareRecipe().model_dump(mode="json")
    assert dataset_version_id(["a"], PrepareRecipe(**where).model_dump(mode="json")) == dataset_version_id(["a"], usual)
    assert dataset_version_id(["a"], usual | {"seed": 1}) != dataset_version_id(["a"], usual)


def ended(status, error=None, cause=None):
    run_id = QUEUED.request.run_id
    return ExecutionEnded(execution_arn="arn:x", run_id=run_id, status=status, error=error, cause=cause)


@pytest.mark.parametrize(
    ("execution", "status", "reason"),
    [
        (ended("ABORTED", "Cancelled", "cancelled by ada"), RunStatus.CANCELLED, "Cancelled: cancelled by ada"),
        (ended("ABORTED"), RunStatus.CANCELLED, "execution aborted"),
        (ended("TIMED_OUT"), RunStatus.FAILED, "execution timed_out"),
        (ended("FAILED", "States.Runtime", "no $.failure"), RunStatus.FAILED, "States.Runtime: no $.failure"),
    ],
)
def test_bad_end_of_an_execution_ends_its_run_where_it_was(execution, status, reason):
    run = after(record(stage=Stage.EVALUATE), ending(execution))
    assert (run.status, run.stage, run.reasons) == (status, Stage.EVALUATE, [reason])


def test_cancelled_run_does_not_go_on():
    run = after(record(), ending(ended("ABORTED")))
    with pytest.raises(RunCancelled, match="aborted"):
        advance(run, record(stage=Stage.FINETUNE), NOW)
    assert advance(run, record(RunStatus.FAILED), NOW) is None
