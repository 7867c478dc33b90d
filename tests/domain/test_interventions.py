"""Cancelling and repeating runs."""

import pytest

from tunesmith.contracts import identity
from tunesmith.contracts.datasets import Source, SourceKind
from tunesmith.contracts.errors import Conflict
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import Recipe
from tunesmith.contracts.runs import Run, RunRequest, RunStatus, Stage, Trigger
from tunesmith.domain.interventions import cancelled, next_attempt

NOW = "2026-11-24T06:00:00.000Z"
LATER = "2026-11-24T07:00:00.000Z"


@pytest.fixture
def request_of_first_attempt() -> RunRequest:
    version, base = "a" * 64, ModelReference(uri="s3://models/bases/b/", digest="b" * 64)
    recipe = Recipe()
    return RunRequest(
        run_id=identity.run_id(version, recipe.model_dump(mode="json"), base.digest, 1),
        project="demo",
        dataset="docs",
        dataset_version=version,
        sources=[Source(kind=SourceKind.UPLOAD, source_id="c" * 64, uri="s3://uploads/x", version_id="v1")],
        model="demo",
        base=base,
        recipe=recipe,
        trigger=Trigger.UPLOAD,
        trigger_id="c" * 64,
        created_at=NOW,
    )


def test_next_attempt_is_another_run_of_the_same_request(request_of_first_attempt: RunRequest) -> None:
    again = next_attempt(request_of_first_attempt, "ann", LATER)
    assert again.run_id != request_of_first_attempt.run_id
    assert (again.attempt, again.trigger, again.created_at) == (2, Trigger.REQUEST, LATER)
    assert again.dataset_version == request_of_first_attempt.dataset_version


def test_next_attempt_asked_twice_is_one_run(request_of_first_attempt: RunRequest) -> None:
    first = next_attempt(request_of_first_attempt, "ann", LATER)
    assert next_attempt(request_of_first_attempt, "bob", NOW).run_id == first.run_id


def test_running_run_is_cancelled_with_its_stage_told(request_of_first_attempt: RunRequest) -> None:
    run = Run(request=request_of_first_attempt, status=RunStatus.RUNNING, stage=Stage.FINETUNE, updated_at=NOW)
    stopped = cancelled(run, "ann", LATER)
    assert stopped and stopped.status is RunStatus.CANCELLED
    assert stopped.reasons == ["cancelled by ann at stage finetune"]


@pytest.mark.parametrize("stage", [Stage.ROLLOUT, Stage.VERIFY, Stage.PROMOTE])
def test_rollout_is_not_cancelled_half_way(request_of_first_attempt: RunRequest, stage: Stage) -> None:
    run = Run(request=request_of_first_attempt, status=RunStatus.RUNNING, stage=stage, updated_at=NOW)
    with pytest.raises(Conflict, match="rolling"):
        cancelled(run, "ann", LATER)


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED])
def test_run_that_has_ended_is_not_cancelled(request_of_first_attempt: RunRequest, status: RunStatus) -> None:
    assert cancelled(Run(request=request_of_first_attempt, status=status, updated_at=NOW), "ann", LATER) is None
