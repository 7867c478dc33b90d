"""Lifecycle: an upload or an alarm becomes a run, and a run becomes a better model."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.aws_lambda_event_sources import SqsDlq
from constructs import Construct

from infra.config import Config
from infra.constructs import grants
from infra.constructs.batch_job import BatchJob
from infra.constructs.dead_letters import DeadLetters
from infra.constructs.lean_function import FunctionSettings, LeanFunction
from infra.constructs.lifecycle_machine import LifecycleMachine
from infra.constructs.lifecycle_steps import LifecycleParts, TrainingJobSettings, on_nodes
from infra.constructs.retention import retention_days
from infra.constructs.shared_layer import SharedLayers
from infra.stacks.compute import ComputeStack
from infra.stacks.lifecycle_functions import EventFunctions, StepFunctions
from infra.stacks.serving import ServingStack
from infra.stacks.storage import StorageStack
from tunesmith.contracts import artifacts, tables
from tunesmith.contracts.deployments import QUALITY_ALARM_PREFIX
from tunesmith.contracts.environment import JobEnv
from tunesmith.contracts.jobs import JobName
from tunesmith.contracts.nodes import FEWEST_NODES, MOST_NODES

RECONCILE_EVERY = Duration.minutes(15)
DELIVERY_ATTEMPTS = 185
"""EventBridge's own limit, over a day; then the event goes to the dead letters."""


class LifecycleStack(Stack):
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        config: Config,
        storage: StorageStack,
        compute: ComputeStack,
        serving: ServingStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, **kwargs)
        self._storage, self._compute = storage, compute
        retention = retention_days(config.log_retention_days)
        layers = SharedLayers(self, architecture=config.architecture)
        settings = FunctionSettings(layers.all, storage.key, config.architecture, retention)
        self._job_env = storage.environment(JobEnv)
        self._execution_role = iam.Role(
            self, "JobExecutionRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com")
        )

        steps = StepFunctions(self, storage=storage, serving=serving, settings=settings)
        self.machine = LifecycleMachine(self, parts=self._parts(steps), key=storage.key, log_retention=retention)
        starters = EventFunctions(self, storage=storage, settings=settings, machine=self.machine)
        self.functions = [*steps.by_name.values(), *starters.by_name.values()]
        self.dead_letters = [function.dead_letters for function in self.functions if function.dead_letters]

        self._on_upload(starters.by_name["accept_upload"])
        self._on_quality_alarm(starters.by_name["decide_retrain"])
        self._on_schedule(starters.by_name["reconcile_uploads"])
        self._on_queued_run(starters.by_name["start_run"])
        self._on_bad_end(steps.by_name["record_state"])

    # --- what the state machine is made of

    def _parts(self, steps: StepFunctions) -> LifecycleParts:
        prepare, finetune, evaluate = self._prepare(), self._finetune(), self._evaluate()
        cpu, gpu, nodes = self._compute.cpu, self._compute.gpu, self._compute.nodes
        return LifecycleParts(
            functions=steps.by_name,
            artifacts=self._storage.artifacts,
            queues={"cpu": cpu.queue, "gpu": gpu.queue, "nodes": nodes.queue},
            definitions={
                (JobName.PREPARE, "cpu"): prepare.on("Cpu", cpu),
                **{
                    (JobName.PREPARE, on_nodes(count)): prepare.on_nodes(f"Nodes{count}", nodes, count)
                    for count in range(FEWEST_NODES, MOST_NODES + 1)
                },
                (JobName.FINETUNE, "cpu"): finetune.on("Cpu", cpu),
                (JobName.FINETUNE, "gpu"): finetune.on("Gpu", gpu),
                (JobName.EVALUATE, "cpu"): evaluate.on("Cpu", cpu),
                (JobName.EVALUATE, "gpu"): evaluate.on("Gpu", gpu),
            },
            training=TrainingJobSettings(
                finetune.image.image_uri, self._training_role(finetune), self._job_env, self._storage.artifacts
            ),
            notifications=self._storage.notifications,
        )

    def _job(self, name: JobName, *, timeout: Duration) -> BatchJob:
        """Every job reads its params, writes its result and its progress, and fences off its earlier attempts."""
        job = BatchJob(
            self,
            name,
            env=self._job_env,
            key=self._storage.key,
            log_group=self._compute.job_logs,
            execution_role=self._execution_role,
            timeout=timeout,
        )
        self._may_do_a_job(job.role)
        return job

    def _may_do_a_job(self, role: iam.Role) -> None:
        grants.write_rows(role, self._storage.table(tables.JOBS))
        grants.read_objects(role, self._storage.artifacts, artifacts.RUNS_PREFIX)
        grants.write_objects(role, self._storage.artifacts, artifacts.RUNS_PREFIX)

    def _prepare(self) -> BatchJob:
        job = self._job(JobName.PREPARE, timeout=Duration.hours(6))
        grants.read_objects(job.role, self._storage.uploads, artifacts.UPLOADS_PREFIX)
        grants.read_objects(
            job.role,
            self._storage.artifacts,
            artifacts.DATASETS_PREFIX,
            artifacts.FEEDBACK_PREFIX,
            artifacts.SCANS_PREFIX,
            artifacts.SCRATCH_PREFIX,
        )
        grants.write_objects(
            job.role,
            self._storage.artifacts,
            artifacts.DATASETS_PREFIX,
            artifacts.SCANS_PREFIX,
            artifacts.SCRATCH_PREFIX,
        )
        grants.read_objects(job.role, self._storage.models, artifacts.bases_prefix())
        grants.read_secrets(job.role)
        return job

    def _finetune(self) -> BatchJob:
        job = self._job(JobName.FINETUNE, timeout=Duration.hours(24))
        self._may_finetune(job.role)
        return job

    def _may_finetune(self, role: iam.Role) -> None:
        grants.read_objects(role, self._storage.artifacts, artifacts.DATASETS_PREFIX)
        grants.read_objects(role, self._storage.models, artifacts.bases_prefix(), artifacts.adapters_prefix())
        grants.write_objects(role, self._storage.models, artifacts.adapters_prefix())

    def _evaluate(self) -> BatchJob:
        job = self._job(JobName.EVALUATE, timeout=Duration.hours(6))
        grants.read_objects(
            job.role, self._storage.artifacts, artifacts.DATASETS_PREFIX, artifacts.evaluations_prefix()
        )
        grants.write_objects(job.role, self._storage.artifacts, artifacts.evaluations_prefix())
        grants.read_objects(job.role, self._storage.models, artifacts.bases_prefix(), artifacts.adapters_prefix())
        return job

    def _training_role(self, finetune: BatchJob) -> iam.Role:
        """`finetune` under SageMaker: what it may do in Batch, and what SageMaker does in its name."""
        role = iam.Role(self, "TrainingRole", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
        self._may_do_a_job(role)
        self._may_finetune(role)
        grants.use_key(role, self._storage.key)
        grants.run_in_sagemaker(role, finetune.image)
        return role

    # --- what sets it going

    def _on_upload(self, accept_upload: LeanFunction) -> None:
        """Only what people upload: no prefix of ours begins like theirs, so that our own outputs never start a run."""
        self._rule(
            "UploadArrived",
            accept_upload,
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [self._storage.uploads.bucket_name]},
                    "object": {"key": [{"prefix": artifacts.UPLOADS_PREFIX}]},
                },
            ),
        )

    def _on_quality_alarm(self, decide_retrain: LeanFunction) -> None:
        self._rule(
            "QualityAlarmFired",
            decide_retrain,
            event_pattern=events.EventPattern(
                source=["aws.cloudwatch"],
                detail_type=["CloudWatch Alarm State Change"],
                detail={"alarmName": [{"prefix": QUALITY_ALARM_PREFIX}], "state": {"value": ["ALARM"]}},
            ),
        )

    def _on_schedule(self, reconcile_uploads: LeanFunction) -> None:
        self._rule("TimeToReconcile", reconcile_uploads, schedule=events.Schedule.rate(RECONCILE_EVERY))

    def _on_bad_end(self, record_state: LeanFunction) -> None:
        """An execution that is stopped, or that cannot even record its failure, must not leave its run as running."""
        self._rule(
            "RunEndedBadly",
            record_state,
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [self.machine.state_machine_arn],
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                },
            ),
        )

    def _rule(self, name: str, function: LeanFunction, **when: Any) -> None:
        """Both dead letters are one queue: what EventBridge could not deliver, and what the function failed at."""
        target = targets.LambdaFunction(
            function,
            dead_letter_queue=function.dead_letters,
            max_event_age=Duration.hours(24),
            retry_attempts=DELIVERY_ATTEMPTS,
        )
        events.Rule(self, name, targets=[target], **when)

    def _on_queued_run(self, start_run: LeanFunction) -> None:
        """The outbox: whoever accepts a run writes its row, and the row's stream starts the execution."""
        runs = self._storage.table(tables.RUNS)
        undelivered = DeadLetters(self, "UnstartedRuns")
        self.dead_letters.append(undelivered)
        grants.read_stream(start_run, runs)
        lambda_.EventSourceMapping(
            self,
            "QueuedRuns",
            target=start_run,
            event_source_arn=runs.table_stream_arn,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            batch_size=10,
            bisect_batch_on_error=True,
            retry_attempts=8,
            on_failure=SqsDlq(undelivered),
            filters=[lambda_.FilterCriteria.filter({"eventName": lambda_.FilterRule.is_equal("INSERT")})],
        )
