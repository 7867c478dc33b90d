"""The state machine and its role, which may do what the steps do and nothing more."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.constructs.dependencies import depend_only_on_policy
from infra.constructs.lifecycle_definition import LifecycleDefinition
from infra.constructs.lifecycle_steps import LifecycleParts
from tunesmith.contracts.artifacts import params_key

TIMEOUT = Duration.days(30)
LOG_DELIVERY = (
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
)
TRACING = (
    *("xray:PutTraceSegments", "xray:PutTelemetryRecords"),
    *("xray:GetSamplingRules", "xray:GetSamplingTargets"),
)
WATCHERS = ("StepFunctionsGetEventsForBatchJobsRule", "StepFunctionsGetEventsForSageMakerTrainingJobsRule")
"""Managed rules by which Step Functions learns that a job has ended."""


class LifecycleMachine(sfn.StateMachine):
    """Standard: exactly one execution per name, and a run's name is its identity.

    Its log has events without their data: among the data is the task token by which a waiting run is approved.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        parts: LifecycleParts,
        key: kms.IKey,
        log_retention: logs.RetentionDays,
    ):
        inner = Construct(scope, "MachineParts")
        log_group = logs.LogGroup(
            inner, "Logs", retention=log_retention, encryption_key=key, removal_policy=RemovalPolicy.DESTROY
        )
        role = iam.Role(inner, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        policy = _Policy(inner, role, parts, key)
        super().__init__(
            scope,
            "Machine",
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_chainable(LifecycleDefinition(scope, parts).definition()),
            role=role.without_policy_updates(),
            timeout=TIMEOUT,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        depend_only_on_policy(self.node.default_child, role, policy)


class _Policy(iam.Policy):
    """Written out, because the permissions that CDK would add to each step are wider than the steps need."""

    def __init__(self, scope: Construct, role: iam.Role, parts: LifecycleParts, key: kms.IKey):
        super().__init__(scope, "Policy", roles=[role])
        self._call_functions_and_people(parts)
        self._store_params(parts, key)
        self._run_batch_jobs(parts)
        self._run_training_jobs(parts)
        self._be_watched()

    def _allow(self, actions, *resources: str, conditions: dict | None = None) -> None:
        self.add_statements(
            iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
        )

    def _call_functions_and_people(self, parts: LifecycleParts) -> None:
        self._allow(["lambda:InvokeFunction"], *(function.function_arn for function in parts.functions.values()))
        self._allow(["sns:Publish"], parts.notifications.topic_arn)

    def _store_params(self, parts: LifecycleParts, key: kms.IKey) -> None:
        self._allow(["s3:PutObject"], parts.artifacts.arn_for_objects(params_key("*", "*")))
        self._allow(["kms:GenerateDataKey", "kms:Decrypt"], key.key_arn)

    def _run_batch_jobs(self, parts: LifecycleParts) -> None:
        definitions = [definition.job_definition_arn for definition in parts.definitions.values()]
        queues = [queue.job_queue_arn for queue in parts.queues.values()]
        self._allow(["batch:SubmitJob"], *definitions, *queues, self._arn("batch", "job/*"))
        self._allow(["batch:TerminateJob"], self._arn("batch", "job/*"))
        self._allow(["batch:DescribeJobs"], "*")

    def _run_training_jobs(self, parts: LifecycleParts) -> None:
        """Step Functions tags what it starts and waits for, and looks at the tags."""
        actions = ("CreateTrainingJob", "DescribeTrainingJob", "StopTrainingJob", "AddTags", "ListTags")
        jobs = self._arn("sagemaker", "training-job/*")
        self._allow([f"sagemaker:{action}" for action in actions], jobs)
        self._allow(
            ["iam:PassRole"],
            parts.training.role.role_arn,
            conditions={"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        )

    def _be_watched(self) -> None:
        rules = [self._arn("events", f"rule/{name}") for name in WATCHERS]
        self._allow(["events:PutTargets", "events:PutRule", "events:DescribeRule"], *rules)
        self._allow(LOG_DELIVERY, "*")
        self._allow(TRACING, "*")

    def _arn(self, service: str, resource: str) -> str:
        stack = Stack.of(self)
        return f"arn:{stack.partition}:{service}:{stack.region}:{stack.account}:{resource}"
