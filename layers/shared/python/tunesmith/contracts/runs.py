"""A run: one attempt to turn dataset sources and a base model into a better model."""

from enum import StrEnum

from pydantic import Field

from tunesmith.contracts.base import Contract, Digest, Name, RunId, Timestamp
from tunesmith.contracts.datasets import Source
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import Recipe


class Trigger(StrEnum):
    UPLOAD = "upload"
    ALARM = "alarm"
    REQUEST = "request"


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting_for_approval"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED)


class Stage(StrEnum):
    """Where in the lifecycle a run is."""

    QUEUED = "queued"
    PREPARE = "prepare"
    PLAN = "plan"
    FINETUNE = "finetune"
    EVALUATE = "evaluate"
    GATE = "gate"
    REGISTER = "register"
    APPROVE = "approve"
    ROLLOUT = "rollout"
    VERIFY = "verify"
    PROMOTE = "promote"
    DONE = "done"


JOB_STAGES = {stage: stage.value for stage in (Stage.PREPARE, Stage.FINETUNE, Stage.EVALUATE)}
"""Stages in which a job of the same name does the work."""
ROLLOUT_STAGES = (Stage.ROLLOUT, Stage.VERIFY, Stage.PROMOTE)
"""Stages that change what serves."""


class Outcome(StrEnum):
    """How a run that succeeded, or was stopped for a reason, came out."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    PREPARED = "prepared"
    REFUSED = "refused"
    ROLLED_BACK = "rolled_back"


class RunRequest(Contract):
    """What is fixed about a run when it is accepted. The same request is the same run."""

    run_id: RunId
    project: Name
    dataset: Name
    dataset_version: Digest
    sources: list[Source] = Field(min_length=1)
    model: Name
    base: ModelReference
    recipe: Recipe
    attempt: int = Field(default=1, ge=1)
    trigger: Trigger
    trigger_id: str = Field(description="the upload's id, the alarm decision's id, or who asked")
    created_at: Timestamp


class Run(Contract):
    """A run as people see it: the request, and how far it has come."""

    request: RunRequest
    status: RunStatus = RunStatus.QUEUED
    stage: Stage = Stage.QUEUED
    outcome: Outcome | None = None
    reasons: list[str] = []
    version: int | None = Field(default=None, description="the model version it registered")
    execution_arn: str | None = None
    updated_at: Timestamp
