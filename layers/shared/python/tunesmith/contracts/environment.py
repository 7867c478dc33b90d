"""Environment variables, written by CDK and read by handlers through the same model.

A missing or misspelt variable is an error when the template is made, and again when the process starts. Values
are plain strings because
CDK hands over unresolved tokens. No variable ever holds a secret.
"""

import os
from collections.abc import Mapping
from typing import Self

from pydantic import ConfigDict

from tunesmith.contracts.base import Contract


class Environment(Contract):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def load(cls, variables: Mapping[str, str] | None = None) -> Self:
        found = os.environ if variables is None else variables
        return cls(**{name: found[name.upper()] for name in cls.model_fields if name.upper() in found})

    def variables(self) -> dict[str, str]:
        return {name.upper(): str(value) for name, value in self}


class AcceptUploadEnv(Environment):
    uploads_bucket: str
    models_bucket: str
    uploads_table: str
    datasets_table: str
    runs_table: str


class ReconcileUploadsEnv(AcceptUploadEnv):
    artifacts_bucket: str
    state_machine_arn: str


class StartRunEnv(Environment):
    artifacts_bucket: str
    datasets_table: str
    runs_table: str
    state_machine_arn: str


class PlanRunEnv(Environment):
    artifacts_bucket: str
    models_bucket: str
    datasets_table: str
    models_table: str
    aliases_table: str


class GateModelEnv(Environment):
    """Told nothing: where the evidence is stands in the plan."""


class RegisterModelEnv(Environment):
    models_bucket: str
    models_table: str


class MirrorModelEnv(Environment):
    models_table: str
    model_package_group: str
    serving_image: str


class RequestApprovalEnv(Environment):
    runs_table: str


class ShiftTrafficEnv(Environment):
    aliases_table: str
    models_table: str
    deployments_table: str
    serving_image: str
    serving_role_arn: str
    notifications_topic_arn: str


class VerifyDeploymentEnv(Environment):
    deployments_table: str


class PromoteModelEnv(Environment):
    models_table: str
    aliases_table: str


class RecordStateEnv(Environment):
    artifacts_bucket: str
    runs_table: str


class DecideRetrainEnv(Environment):
    artifacts_bucket: str
    runs_table: str
    datasets_table: str
    models_table: str
    aliases_table: str
    feedback_table: str
    retraining_table: str


class InferenceApiEnv(Environment):
    artifacts_bucket: str
    runs_table: str
    models_table: str
    aliases_table: str
    deployments_table: str


class ControlApiEnv(Environment):
    artifacts_bucket: str
    runs_table: str
    models_table: str
    feedback_table: str


class AuthorizeEnv(Environment):
    api_keys_table: str


class JobEnv(Environment):
    """What every container is told; all else is in its params."""

    jobs_table: str


VCPUS = "TUNESMITH_VCPUS"
"""Processors that a job was given: a container of ECS sees all those of its machine. Absent: all that it sees."""


class ServeEnv(Environment):
    """What a serving container is told, by SageMaker and by us; nothing of it depends on the model."""

    sagemaker_base_dir: str = "/opt/ml"
    sagemaker_bind_to_port: str = "8080"
    max_new_tokens: str = "512"
