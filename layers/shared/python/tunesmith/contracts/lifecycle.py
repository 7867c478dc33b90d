"""What the state machine carries from step to step, and the input and answer of each of its functions.

CDK spells a JSONPath only through `at(...)`, which refuses a path that these shapes do not have.
"""

from enum import StrEnum
from typing import Any, get_args

from pydantic import BaseModel, Field

from tunesmith.contracts.base import Contract, RunId
from tunesmith.contracts.datasets import Suite
from tunesmith.contracts.deployments import Deployment
from tunesmith.contracts.evaluations import Verdict
from tunesmith.contracts.jobs import EvaluateParams, FinetuneParams, PrepareParams
from tunesmith.contracts.models import ModelVersion
from tunesmith.contracts.recipes import Approval, Engine
from tunesmith.contracts.runs import Outcome, RunRequest, RunStatus, Stage


class Decision(StrEnum):
    TRAIN = "train"
    PREPARED = "prepared"
    REFUSE = "refuse"


class Estimate(Contract):
    """What a run will take, before it takes it."""

    tokens: int
    steps: int
    seconds: float
    usd: float
    assumptions: list[str]


class Plan(Contract):
    """Answer of `plan_run`: whether to train, at what cost, and exactly how."""

    decision: Decision
    reasons: list[str]
    estimate: Estimate | None
    suite: Suite | None
    engine: Engine
    gpu: bool = Field(description="which queue")
    instance_type: str = Field(description="for SageMaker")
    training_job_name: str = Field(description="SageMaker names are 63 characters at most and not reusable")
    finetune: FinetuneParams | None
    evaluate: EvaluateParams | None


class Failure(Contract):
    """What Step Functions puts where a Catch says `$.failure`."""

    Error: str
    Cause: str = ""


class GateRequest(Contract):
    """Input of `gate_model`."""

    request: RunRequest
    plan: Plan


class RegisterRequest(Contract):
    """Input of `register_model`."""

    request: RunRequest
    plan: Plan
    verdict: Verdict


class MirroredPackage(Contract):
    """Answer of `mirror_model`: the version in SageMaker's own registry."""

    model_package_arn: str


class ShiftRequest(Contract):
    """Input of `shift_traffic`. `restore` serves the current champion again, whatever was asked before."""

    request: RunRequest
    version: ModelVersion
    restore: bool = False


class VerifyRequest(Contract):
    """Input of `verify_deployment`."""

    deployment: Deployment


class PromoteRequest(Contract):
    """Input of `promote_model`; refused unless the deployment was verified to serve exactly this version."""

    version: ModelVersion
    deployment: Deployment
    run_id: RunId


class ApprovalRequest(Contract):
    """Input of `request_approval`."""

    run_id: RunId
    task_token: str


class StateRecord(Contract):
    """Input of `record_state`: how far a run has come."""

    run_id: RunId
    status: RunStatus
    stage: Stage
    outcome: Outcome | None = None
    reasons: list[str] = []
    version: int | None = None
    failure: Failure | None = None
    execution_arn: str | None = None


class Watch(Contract):
    """How often a rollout has been looked at: the bound of the state machine's waiting."""

    checks: int


class LifecycleState(Contract):
    """The state machine's document: its input has `request` and `prepare`, each step adds its answer."""

    request: RunRequest
    prepare: PrepareParams
    approval: Approval
    plan: Plan | None = None
    verdict: Verdict | None = None
    version: ModelVersion | None = None
    deployment: Deployment | None = None
    watch: Watch | None = None
    failure: Failure | None = None
    restore_failure: Failure | None = None


def at(*path: str) -> str:
    """The JSONPath of a field of LifecycleState: `at("plan", "finetune")` is `$.plan.finetune`.

    Raises AttributeError where the state has no such field.
    """
    shape: Any = LifecycleState
    for name in path:
        models = [m for m in (shape, *get_args(shape)) if isinstance(m, type) and issubclass(m, BaseModel)]
        if not models or name not in models[0].model_fields:
            raise AttributeError(f"the lifecycle's state has no field {'.'.join(path)} (at {name!r})")
        shape = models[0].model_fields[name].annotation
    return ".".join(("$", *path))
