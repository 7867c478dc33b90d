"""The functions of the lifecycle, in its order: each with its environment and exactly the permissions that it needs."""

from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.constructs import grants
from infra.constructs.lean_function import FunctionSettings, LeanFunction
from infra.stacks.serving import ServingStack
from infra.stacks.storage import StorageStack
from tunesmith.contracts import artifacts, tables
from tunesmith.contracts.environment import (
    AcceptUploadEnv,
    DecideRetrainEnv,
    Environment,
    GateModelEnv,
    MirrorModelEnv,
    PlanRunEnv,
    PromoteModelEnv,
    ReconcileUploadsEnv,
    RecordStateEnv,
    RegisterModelEnv,
    RequestApprovalEnv,
    ShiftTrafficEnv,
    StartRunEnv,
    VerifyDeploymentEnv,
)


class _Functions(Construct):
    def __init__(self, scope: Construct, id: str, *, storage: StorageStack, settings: FunctionSettings):
        super().__init__(scope, id)
        self._storage, self._settings = storage, settings
        self.by_name: dict[str, LeanFunction] = {}

    def _function(
        self, name: str, shape: type[Environment], *, about: dict[str, str] | None = None, **options: Any
    ) -> LeanFunction:
        env = self._storage.environment(shape, **(about or {}))
        function = LeanFunction(self, name, env=env, settings=self._settings, **options)
        self.by_name[name] = function
        return function


class StepFunctions(_Functions):
    """Those that the state machine calls."""

    def __init__(self, scope: Construct, *, storage: StorageStack, serving: ServingStack, settings: FunctionSettings):
        super().__init__(scope, "StepFunctions", storage=storage, settings=settings)
        self._serving = serving
        self._record_state()
        self._plan_run()
        self._gate_model()
        self._register_model()
        self._mirror_model()
        self._request_approval()
        self._shift_traffic()
        self._verify_deployment()
        self._promote_model()

    def _record_state(self) -> None:
        function = self._function("record_state", RecordStateEnv, asynchronous=True)
        grants.write_rows(function, self._storage.table(tables.RUNS))
        grants.read_objects(function, self._storage.artifacts, artifacts.RUNS_PREFIX)

    def _plan_run(self) -> None:
        function = self._function("plan_run", PlanRunEnv)
        grants.read_objects(function, self._storage.artifacts, artifacts.RUNS_PREFIX)
        grants.read_objects(function, self._storage.models, artifacts.bases_prefix())
        grants.write_rows(function, self._storage.table(tables.DATASETS))
        grants.read_rows(function, self._storage.table(tables.MODELS), self._storage.table(tables.ALIASES))

    def _gate_model(self) -> None:
        function = self._function("gate_model", GateModelEnv, memory_mb=1024, timeout=Duration.minutes(5))
        grants.read_objects(function, self._storage.artifacts, artifacts.RUNS_PREFIX, artifacts.evaluations_prefix())

    def _register_model(self) -> None:
        function = self._function("register_model", RegisterModelEnv, timeout=Duration.minutes(1))
        grants.read_objects(
            function,
            self._storage.artifacts,
            artifacts.RUNS_PREFIX,
            artifacts.DATASETS_PREFIX,
            artifacts.evaluations_prefix(),
        )
        grants.read_objects(function, self._storage.models, artifacts.bases_prefix(), artifacts.adapters_prefix())
        grants.write_objects(function, self._storage.models, artifacts.CARDS_PREFIX)
        grants.write_rows(function, self._storage.table(tables.MODELS))

    def _mirror_model(self) -> None:
        packages = self._serving.model_packages.model_package_group_name
        function = self._function(
            "mirror_model",
            MirrorModelEnv,
            about={"model_package_group": packages, "serving_image": self._serving.image.image_uri},
        )
        grants.read_rows(function, self._storage.table(tables.MODELS))
        grants.mirror_models(function, packages)

    def _request_approval(self) -> None:
        function = self._function("request_approval", RequestApprovalEnv)
        grants.write_rows(function, self._storage.table(tables.RUNS))

    def _shift_traffic(self) -> None:
        function = self._function(
            "shift_traffic",
            ShiftTrafficEnv,
            timeout=Duration.minutes(10),
            about={
                "serving_image": self._serving.image.image_uri,
                "serving_role_arn": self._serving.role.role_arn,
                "notifications_topic_arn": self._storage.notifications.topic_arn,
            },
        )
        grants.read_rows(function, self._storage.table(tables.MODELS), self._storage.table(tables.ALIASES))
        grants.write_rows(function, self._storage.table(tables.DEPLOYMENTS))
        grants.change_endpoints(function)
        grants.watch_endpoints(function)
        grants.pass_role(function, self._serving.role, "sagemaker.amazonaws.com")

    def _verify_deployment(self) -> None:
        function = self._function("verify_deployment", VerifyDeploymentEnv, timeout=Duration.minutes(2))
        grants.write_rows(function, self._storage.table(tables.DEPLOYMENTS))
        grants.describe_endpoints(function)
        grants.invoke_endpoints(function)

    def _promote_model(self) -> None:
        function = self._function("promote_model", PromoteModelEnv)
        grants.read_rows(function, self._storage.table(tables.MODELS))
        grants.write_rows(function, self._storage.table(tables.ALIASES))


class EventFunctions(_Functions):
    """Those that events and schedules call, and that write or start runs."""

    def __init__(
        self, scope: Construct, *, storage: StorageStack, settings: FunctionSettings, machine: sfn.StateMachine
    ):
        super().__init__(scope, "EventFunctions", storage=storage, settings=settings)
        self._machine = machine
        self._accept_upload()
        self._reconcile_uploads()
        self._start_run()
        self._decide_retrain()

    def _accept_upload(self) -> None:
        function = self._function("accept_upload", AcceptUploadEnv, asynchronous=True, timeout=Duration.minutes(1))
        self._may_accept(function)

    def _may_accept(self, function: LeanFunction) -> None:
        storage = self._storage
        grants.read_objects(function, storage.uploads, artifacts.UPLOADS_PREFIX, artifacts.PROJECTS_PREFIX)
        grants.read_objects(function, storage.models, artifacts.bases_prefix())
        written = (tables.UPLOADS, tables.DATASETS, tables.RUNS)
        grants.write_rows(function, *(storage.table(spec) for spec in written))

    def _reconcile_uploads(self) -> None:
        function = self._function(
            "reconcile_uploads",
            ReconcileUploadsEnv,
            about={"state_machine_arn": self._machine.state_machine_arn},
            asynchronous=True,
            timeout=Duration.minutes(15),
        )
        self._may_accept(function)
        grants.list_versions(function, self._storage.uploads)
        grants.scan_rows(function, self._storage.table(tables.UPLOADS), self._storage.table(tables.RUNS))
        grants.start_executions(function, self._machine)

    def _start_run(self) -> None:
        function = self._function(
            "start_run", StartRunEnv, about={"state_machine_arn": self._machine.state_machine_arn}
        )
        grants.read_rows(function, self._storage.table(tables.DATASETS), self._storage.table(tables.RUNS))
        grants.start_executions(function, self._machine)

    def _decide_retrain(self) -> None:
        storage = self._storage
        function = self._function("decide_retrain", DecideRetrainEnv, asynchronous=True, timeout=Duration.minutes(1))
        read = (tables.MODELS, tables.ALIASES, tables.FEEDBACK)
        grants.read_rows(function, *(storage.table(spec) for spec in read))
        written = (tables.RUNS, tables.DATASETS, tables.RETRAINING)
        grants.write_rows(function, *(storage.table(spec) for spec in written))
        grants.scan_rows(function, storage.table(tables.RUNS))
        grants.read_objects(function, storage.artifacts, artifacts.FEEDBACK_PREFIX)
        grants.write_objects(function, storage.artifacts, artifacts.FEEDBACK_PREFIX)
        grants.describe_alarms(function)
