"""Serving: the API, the image that answers, and where models are listed. Endpoints are made by rollouts, not here: at
deploy time there is no model, and none should idle."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from infra.config import Config
from infra.constructs import grants
from infra.constructs.job_image import JobImage
from infra.constructs.lean_function import FunctionSettings, LeanFunction
from infra.constructs.rest_api import FrontDoor
from infra.constructs.retention import retention_days
from infra.constructs.shared_layer import SharedLayers
from infra.constructs.web_firewall import WebFirewall
from infra.stacks.storage import StorageStack
from tunesmith.contracts import artifacts, tables
from tunesmith.contracts.environment import AuthorizeEnv, ControlApiEnv, InferenceApiEnv
from tunesmith.contracts.jobs import JobName

MODEL_PACKAGE_GROUP = "tunesmith-models"
API_TIMEOUT = Duration.seconds(29)
"""API Gateway waits no longer, and an answer that nobody waits for should not be made."""


class ServingStack(Stack):
    def __init__(self, scope: Construct, id: str, *, config: Config, storage: StorageStack, **kwargs: Any) -> None:
        super().__init__(scope, id, **kwargs)
        self._storage = storage
        layers = SharedLayers(self, architecture=config.architecture)
        retention = retention_days(config.log_retention_days)
        self._settings = FunctionSettings(layers.all, storage.key, config.architecture, retention)

        self.image = JobImage(self, JobName.SERVE)
        self.role = self._serving_role()
        self.model_packages = sagemaker.CfnModelPackageGroup(
            self, "Models", model_package_group_name=MODEL_PACKAGE_GROUP
        )
        self.functions = [self._authorize(), self._inference_api(), self._control_api()]
        authorize, inference_api, control_api = self.functions
        self.api = FrontDoor(
            self,
            authorize=authorize,
            key=storage.key,
            log_retention=retention,
            cors_origins=config.cors_origins,
        )
        v1 = self.api.root.add_resource("v1")
        self.api.proxy(v1, inference_api)
        self.api.proxy(v1.add_resource("tunesmith"), control_api)
        for project in config.projects:
            self.api.throttle(project)
        self.other_projects = self.api.usage_plan(config.other_projects)
        if config.web_firewall:
            WebFirewall(self, stage_arn=self.api.deployment_stage.stage_arn)

    def _serving_role(self) -> iam.Role:
        """Of the containers behind endpoints: they read models, and write logs and metrics."""
        role = iam.Role(self, "ServingRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        grants.read_objects(role, self._storage.models, artifacts.bases_prefix(), artifacts.adapters_prefix())
        grants.use_key(role, self._storage.key)
        grants.run_in_sagemaker(role, self.image)
        return role

    def _authorize(self) -> LeanFunction:
        env = self._storage.environment(AuthorizeEnv)
        function = LeanFunction(self, "authorize", env=env, settings=self._settings, timeout=Duration.seconds(10))
        grants.read_rows(function, self._storage.table(tables.API_KEYS))
        return function

    def _inference_api(self) -> LeanFunction:
        storage = self._storage
        function = LeanFunction(
            self,
            "inference_api",
            env=storage.environment(InferenceApiEnv),
            settings=self._settings,
            memory_mb=1024,
            timeout=API_TIMEOUT,
        )
        read = (tables.MODELS, tables.ALIASES, tables.RUNS, tables.DEPLOYMENTS)
        grants.read_rows(function, *(storage.table(spec) for spec in read))
        grants.scan_rows(function, storage.table(tables.ALIASES))
        grants.invoke_endpoints(function)
        grants.write_objects(function, storage.artifacts, artifacts.TRAFFIC_PREFIX)
        return function

    def _control_api(self) -> LeanFunction:
        storage = self._storage
        env = storage.environment(ControlApiEnv)
        function = LeanFunction(
            self, "control_api", env=env, settings=self._settings, memory_mb=1024, timeout=API_TIMEOUT
        )
        read = (tables.MODELS, tables.RUNS)
        grants.read_rows(function, *(storage.table(spec) for spec in read))
        grants.scan_rows(function, storage.table(tables.MODELS))
        grants.query_index(function, storage.table(tables.RUNS), tables.RUNS.indexes[0].name)
        grants.write_rows(function, storage.table(tables.FEEDBACK))
        grants.read_objects(function, storage.artifacts, artifacts.TRAFFIC_PREFIX)
        return function
