"""Deployments: what an endpoint was asked to serve, and what it does serve."""

from enum import StrEnum

from tunesmith.contracts.base import Contract, Digest, Name, RunId
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import ModelReference
from tunesmith.contracts.recipes import MonitorRecipe, ServeRecipe


def endpoint_name(project: str, model: str) -> str:
    """The SageMaker endpoint of a model; 63 characters at most, letters, digits and hyphens.

    Hyphens within the names would make `a-b` of `c` and `b-c` of `a` one endpoint, so a digest tells such names apart.
    """
    plain = f"tunesmith-{project}-{model}"
    if len(plain) <= 63 and "-" not in project + model:
        return plain
    return f"{plain[:50].rstrip('-')}-{digest([project, model])[:12]}"


class RollbackAlarm(StrEnum):
    """The alarms without which no endpoint is made or changed."""

    ERRORS = "errors"
    LATENCY = "latency"
    INVOCATION_FAILURES = "model-errors"


def rollback_alarm_name(endpoint: str, alarm: RollbackAlarm) -> str:
    return f"{endpoint}-rollback-{alarm}"


QUALITY_ALARM_PREFIX = "tunesmith-quality/"
"""No name of an endpoint, and so of a rollback alarm, has a slash."""


def quality_alarm_name(project: str, model: str) -> str:
    """Fires when too much of the feedback is negative; what `decide_retrain` listens to."""
    return f"{QUALITY_ALARM_PREFIX}{project}/{model}"


class DeploymentRequest(Contract):
    """Serve this model. `adapter` None serves the base model alone."""

    run_id: RunId
    project: Name
    model: Name
    version: int
    base: ModelReference
    adapter: ModelReference | None
    serve: ServeRecipe
    monitor: MonitorRecipe


class DeploymentStatus(StrEnum):
    CREATING = "creating"
    IN_SERVICE = "in_service"
    VERIFIED = "verified"
    FAILED = "failed"


class Deployment(Contract):
    """What an endpoint was asked to serve, and under which configuration."""

    endpoint: str
    endpoint_config: str
    model_digest: Digest
    status: DeploymentStatus
    reason: str = ""


class ServedModel(Contract):
    """What a serving container says of itself: the read-back after a deployment."""

    model_digest: Digest
    base_digest: Digest
    template_hash: Digest
