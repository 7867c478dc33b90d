"""Findings of cdk-nag that we accept: which, at exactly which resource, and why.

A test fails for a finding that is missing here, and for a line that nothing needs any more.

A prefix of a bucket ends in an asterisk, because objects are named by what they hold; each role has only the prefixes
that its work needs, and each such line here is a decision that a reviewer can see.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aws_cdk import Acknowledgment, App, Validations
from constructs import IConstruct

from infra.config import Config
from infra.layers import SUPPORTED_MINORS, python_minor

STEP, EVENT, SERVING = "TunesmithLifecycle/StepFunctions", "TunesmithLifecycle/EventFunctions", "TunesmithServing"
COMPUTE, LIFECYCLE = "TunesmithCompute", "TunesmithLifecycle"
STEPS = (
    *("record_state", "plan_run", "gate_model", "register_model", "mirror_model", "request_approval"),
    *("shift_traffic", "verify_deployment", "promote_model"),
)
SYNCHRONOUS = (
    *(f"{SERVING}/{name}" for name in ("authorize", "inference_api", "control_api")),
    *(f"{STEP}/{name}" for name in STEPS if name != "record_state"),
    f"{EVENT}/start_run",
)
ASYNCHRONOUS = (
    *(f"{EVENT}/{name}" for name in ("accept_upload", "reconcile_uploads", "decide_retrain")),
    f"{STEP}/record_state",
)
"""Invoked by events; `record_state` by the state machine too."""
FUNCTIONS = SYNCHRONOUS + ASYNCHRONOUS

UPLOADS = "TunesmithStorage:ExportsOutputFnGetAttUploads4F6EB0FDArn5513CBEA"
ARTIFACTS = "TunesmithStorage:ExportsOutputFnGetAttArtifacts82DD59A1Arn3B515032"
MODELS = "TunesmithStorage:ExportsOutputFnGetAttModelsC55D3500ArnC820EBA0"
ACCOUNT = "<AWS::Region>:<AWS::AccountId>"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    path: str
    """Of the resource, from the app down."""
    rule: str
    reason: str


def acknowledgements(config: Config) -> list[Acknowledgement]:
    found = [*_functions(), *_wildcards(), *_managed_policies(), *_queues(), *_api()]
    return found if config.web_firewall else [*found, *_no_firewall()]


def acknowledge(app: App, config: Config) -> None:
    """Tell CDK, so that whoever runs cdk-nag on this app sees what we say to its findings."""
    for known in acknowledgements(config):
        rule = Acknowledgment(id=known.rule, reason=known.reason)
        Validations.of(construct_at(app, known.path)).acknowledge(rule)


def construct_at(app: App, path: str) -> IConstruct:
    found: IConstruct = app
    for name in path.split("/"):
        found = found.node.find_child(name)
    return found


def _functions() -> Iterator[Acknowledgement]:
    if python_minor() != f"3.{SUPPORTED_MINORS[-1]}":
        reason = "functions run the Python that the tests and the layers' bytecode were made with"
        for function in FUNCTIONS:
            yield Acknowledgement(f"{function}/Resource", "AwsSolutions-L1", reason)
            yield Acknowledgement(f"{function}/Resource", "Serverless-LambdaLatestVersion", reason)
    for function in SYNCHRONOUS:
        reason = "invoked synchronously: the caller sees the failure, tries again and records it"
        yield Acknowledgement(f"{function}/Resource", "Serverless-LambdaDLQ", reason)


def _wildcards() -> Iterator[Acknowledgement]:
    for policy, resources in WILDCARDS.items():
        for resource, reason in resources.items():
            yield Acknowledgement(f"{policy}/Resource", f"AwsSolutions-IAM5[Resource::{resource}]", reason)


def _managed_policies() -> Iterator[Acknowledgement]:
    managed = "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/{}]".format
    for kind in ("Cpu", "Gpu", "Nodes"):
        agent = managed("AmazonEC2ContainerServiceforEC2Role")
        reason = "AWS keeps this policy in step with what the ECS agent calls; jobs cannot reach the role"
        yield Acknowledgement(f"{COMPUTE}/{kind}/InstanceRole/Resource", agent, reason)
    logs = managed("AmazonAPIGatewayPushToCloudWatchLogs")
    reason = "the policy that API Gateway asks for; the role is the account's, not the API's"
    yield Acknowledgement(f"{SERVING}/ApiLogsRole/Resource", logs, reason)


def _queues() -> Iterator[Acknowledgement]:
    reason = "is itself where dead letters go; an alarm watches its depth"
    unstarted = f"{LIFECYCLE}/UnstartedRuns/Resource"
    for queue in (*(f"{function}-parts/DeadLetters/Resource" for function in ASYNCHRONOUS), unstarted):
        yield Acknowledgement(queue, "Serverless-SQSRedrivePolicy", reason)
    yield Acknowledgement(unstarted, "AwsSolutions-SQS3", reason)


def _api() -> Iterator[Acknowledgement]:
    for route in ("v1/{proxy+}", "v1/tunesmith/{proxy+}"):
        reason = "bearer keys, as OpenAI's clients send them, are checked by a Lambda authorizer"
        yield Acknowledgement(f"{SERVING}/Api/Default/{route}/ANY/Resource", "AwsSolutions-COG4", reason)


def _no_firewall() -> Iterator[Acknowledgement]:
    reason = "chosen by web_firewall=False: keys, throttling and request limits remain; saves about 8 USD a month"
    yield Acknowledgement(f"{SERVING}/Api/DeploymentStage.api/Resource", "AwsSolutions-APIG3", reason)


def _policy(path: str) -> str:
    return f"{path}-parts/Role/DefaultPolicy" if path in FUNCTIONS else f"{path}/DefaultPolicy"


def _arn(service: str, resource: str) -> str:
    return f"arn:<AWS::Partition>:{service}:{ACCOUNT}:{resource}"


TRACE = {"*": "xray:PutTraceSegments and PutTelemetryRecords know no resources"}
SAGEMAKER_RUNTIME = {
    "*": "ecr:GetAuthorizationToken knows no resources; cloudwatch:PutMetricData is held to SageMaker's namespaces",
    _arn("logs", "log-group:/aws/sagemaker/*"): "SageMaker names log groups after jobs and endpoints that come later",
}
RUN_FILES = {f"{ARTIFACTS}/runs/*": "params and results lie under the run's id"}
DATASETS = {f"{ARTIFACTS}/datasets/*": "data sets lie under their digest"}
SCANS = {f"{ARTIFACTS}/scans/*": "scans lie under the digest of what was scanned"}
SCRATCH = {f"{ARTIFACTS}/scratch/*": "what machines of one job hand each other lies under the run's id"}
SECRETS = {_arn("secretsmanager", "secret:tunesmith/*"): "recipes name the secret with the key of pseudonyms"}
EVALUATIONS = {f"{ARTIFACTS}/evaluations/*": "scores lie under the digest of model, suite and settings"}
FEEDBACK = {f"{ARTIFACTS}/feedback/*": "reviewed feedback lies under its digest"}
TRAFFIC = {f"{ARTIFACTS}/traffic/*": "captured exchanges lie under their completion's id"}
BASES = {f"{MODELS}/bases/*": "base models lie under their digest"}
ADAPTERS = {f"{MODELS}/adapters/*": "adapters lie under their digest"}
CARDS = {f"{MODELS}/cards/*": "model cards lie under the run's id"}
UPLOADED = {f"{UPLOADS}/uploads/*": "people choose the names of what they upload"}
RECIPES = {f"{UPLOADS}/projects/*": "recipes lie under the project's name"}
ENDPOINTS = {_arn("sagemaker", "endpoint/tunesmith-*"): "rollouts name endpoints after projects and models"}
EXECUTIONS = {
    _arn("states", "execution:<Machine6FC8AE80.Name>:*"): "executions of our state machine are named after runs"
}
ROLLOUT = ENDPOINTS | {
    _arn("sagemaker", "model/tunesmith-*"): "rollouts name models after what they serve",
    _arn("sagemaker", "endpoint-config/tunesmith-*"): "rollouts name configurations after what they serve",
    _arn("cloudwatch", "alarm:tunesmith-*"): "rollback alarms are named after their endpoints",
    "*": "xray's actions know no resources, and cloudwatch:DescribeAlarms is asked for by name",
}
MACHINE = {
    "*": "log delivery, X-Ray and batch:DescribeJobs know no resources",
    f"{ARTIFACTS}/runs/*/*/params.json": "params lie under the run's id and the job's name",
    _arn("batch", "job/*"): "Batch chooses the ids of jobs; those of a stopped execution are stopped",
    _arn("sagemaker", "training-job/*"): "training jobs are named after runs",
}
TRAINING = RUN_FILES | DATASETS | BASES | ADAPTERS
WILDCARDS: dict[str, dict[str, str]] = {
    _policy(f"{SERVING}/ServingRole"): SAGEMAKER_RUNTIME | BASES | ADAPTERS,
    _policy(f"{SERVING}/authorize"): TRACE,
    _policy(f"{SERVING}/inference_api"): TRACE | ENDPOINTS | TRAFFIC,
    _policy(f"{SERVING}/control_api"): TRACE | TRAFFIC,
    _policy(f"{STEP}/record_state"): TRACE | RUN_FILES,
    _policy(f"{STEP}/plan_run"): TRACE | RUN_FILES | BASES,
    _policy(f"{STEP}/gate_model"): TRACE | RUN_FILES | EVALUATIONS,
    _policy(f"{STEP}/register_model"): TRACE | RUN_FILES | DATASETS | EVALUATIONS | BASES | ADAPTERS | CARDS,
    _policy(f"{STEP}/mirror_model"): {
        "*": "xray's actions and sagemaker:ListModelPackages know no resources",
        _arn("sagemaker", "model-package/tunesmith-models/*"): "versions of our own group, numbered by SageMaker",
    },
    _policy(f"{STEP}/request_approval"): TRACE,
    _policy(f"{STEP}/shift_traffic"): ROLLOUT,
    _policy(f"{STEP}/verify_deployment"): TRACE | ENDPOINTS,
    _policy(f"{STEP}/promote_model"): TRACE,
    _policy(f"{EVENT}/accept_upload"): TRACE | UPLOADED | RECIPES | BASES,
    _policy(f"{EVENT}/reconcile_uploads"): TRACE | UPLOADED | RECIPES | BASES | EXECUTIONS,
    _policy(f"{EVENT}/start_run"): EXECUTIONS | {"*": "xray's actions and dynamodb:ListStreams know no resources"},
    _policy(f"{EVENT}/decide_retrain"): FEEDBACK
    | {"*": "xray's actions know no resources, and cloudwatch:DescribeAlarms is asked for by name"},
    _policy(f"{LIFECYCLE}/JobExecutionRole"): {"*": "ecr:GetAuthorizationToken knows no resources"},
    _policy(f"{LIFECYCLE}/PrepareJob/Role"): RUN_FILES
    | DATASETS
    | FEEDBACK
    | UPLOADED
    | SCANS
    | SCRATCH
    | SECRETS
    | BASES,
    _policy(f"{LIFECYCLE}/FinetuneJob/Role"): TRAINING,
    _policy(f"{LIFECYCLE}/EvaluateJob/Role"): RUN_FILES | DATASETS | EVALUATIONS | BASES | ADAPTERS,
    _policy(f"{LIFECYCLE}/TrainingRole"): SAGEMAKER_RUNTIME | TRAINING,
    f"{LIFECYCLE}/MachineParts/Policy": MACHINE,
}
