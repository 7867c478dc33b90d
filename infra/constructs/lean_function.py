"""The one way to make a Lambda: its own folder alone in its zip, under the same dotted path as in the tests."""

from dataclasses import dataclass

from aws_cdk import Duration, IgnoreMode, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.constructs import grants
from infra.constructs.dead_letters import DeadLetters
from infra.constructs.dependencies import depend_only_on_policy
from infra.constructs.skips import skip_check
from infra.layers import REPOSITORY, python_minor
from tunesmith.contracts.environment import Environment

ARCHITECTURES = {"x86_64": lambda_.Architecture.X86_64, "arm64": lambda_.Architecture.ARM_64}


def python_runtime() -> lambda_.Runtime:
    """Lambda's runtime for the Python that synthesizes: layers and bytecode are made for that one."""
    return lambda_.Runtime(f"python{python_minor()}", lambda_.RuntimeFamily.PYTHON, supports_inline_code=True)


@dataclass(frozen=True)
class FunctionSettings:
    """What all functions of a stack have in common."""

    layers: list[lambda_.ILayerVersion]
    key: kms.IKey
    architecture: str
    log_retention: logs.RetentionDays


class LeanFunction(lambda_.Function):
    """`functions/<name>/` with its Environment. `asynchronous`: invoked by an event, so what fails for good goes to
    `dead_letters`."""

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        env: Environment,
        settings: FunctionSettings,
        memory_mb: int = 512,
        timeout: Duration | None = None,
        asynchronous: bool = False,
        reserved_concurrency: int | None = None,
    ):
        self.folder = name
        inner = Construct(scope, f"{name}-parts")
        self.dead_letters = DeadLetters(inner, "DeadLetters") if asynchronous else None
        log_group = logs.LogGroup(
            inner,
            "Logs",
            retention=settings.log_retention,
            encryption_key=settings.key,
            removal_policy=RemovalPolicy.DESTROY,
        )
        role = iam.Role(inner, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        super().__init__(
            scope,
            name,
            runtime=python_runtime(),
            architecture=ARCHITECTURES[settings.architecture],
            code=_folder_alone(name),
            handler=f"functions.{name}.handler.lambda_handler",
            environment=env.variables() | {"POWERTOOLS_SERVICE_NAME": name, "LOG_LEVEL": "INFO"},
            environment_encryption=settings.key,
            layers=settings.layers,
            role=role,
            log_group=log_group,
            memory_size=memory_mb,
            timeout=timeout or Duration.seconds(30),
            tracing=lambda_.Tracing.ACTIVE,
            dead_letter_queue=self.dead_letters,
            reserved_concurrent_executions=reserved_concurrency,
        )
        grants.allow(role, ("logs:CreateLogStream", "logs:PutLogEvents"), log_group.log_group_arn)
        grants.use_key(role, settings.key)
        depend_only_on_policy(self.node.default_child, role)
        self._explain_what_checkers_miss(asynchronous, reserved_concurrency)

    def _explain_what_checkers_miss(self, asynchronous: bool, reserved_concurrency: int | None) -> None:
        function = self.node.default_child
        skip_check(function, "CKV_AWS_117", "talks to AWS APIs only; a VPC would add cost and cold start, no isolation")
        if reserved_concurrency is None:
            skip_check(function, "CKV_AWS_115", "new accounts have 10 concurrent executions: reserving starves others")
        if not asynchronous:
            skip_check(function, "CKV_AWS_116", "invoked synchronously: the caller sees the failure and retries it")


def _folder_alone(name: str) -> lambda_.AssetCode:
    """The excludes are anchored: without the slash, the asset would silently be empty."""
    only_this = ["/*", "!/functions", "/functions/*", "!/functions/__init__.py", f"!/functions/{name}"]
    if not (REPOSITORY / "functions" / name / "handler.py").is_file():
        raise FileNotFoundError(f"functions/{name}/handler.py: expected the handler of the function {name!r}")
    return lambda_.Code.from_asset(str(REPOSITORY), exclude=[*only_this, "__pycache__"], ignore_mode=IgnoreMode.GIT)
