"""The kinds of step that the lifecycle is made of: record, invoke, store, run, wait for a person, tell.

Each is bounded in time, tries again what may pass, and sends its failure where `_failure` says.
"""

from abc import abstractmethod
from dataclasses import dataclass

from aws_cdk import Duration, Stack
from aws_cdk import aws_batch as batch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from infra.constructs.job_machines import DISK
from infra.constructs.lean_function import LeanFunction
from tunesmith.contracts.artifacts import RUNS_PREFIX, params_key, s3_uri
from tunesmith.contracts.base import Contract
from tunesmith.contracts.environment import VCPUS, JobEnv
from tunesmith.contracts.errors import Conflict, PlatformError
from tunesmith.contracts.jobs import JobName, submission_name
from tunesmith.contracts.lifecycle import (
    ApprovalRequest,
    StateRecord,
    at,
)
from tunesmith.contracts.nodes import FEWEST_NODES, MOST_NODES
from tunesmith.contracts.runs import Outcome, RunStatus, Stage

JOB_TIMEOUT = Duration.days(5)
"""Of a job with all its attempts and its time in the queue; one attempt has a shorter one of its own."""
APPROVAL_TIMEOUT = Duration.days(7)
SERVICE_ERRORS = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
SUBMISSION_ERRORS = [
    *("Batch.SdkClientException", "Batch.ServerException", "Batch.TooManyRequestsException"),
    *("SageMaker.SdkClientException", "SageMaker.ThrottlingException"),
]
"""Of the call that submits, not of the job."""
RUN_ID = sfn.JsonPath.string_at(at("request", "run_id"))


@dataclass(frozen=True)
class TrainingJobSettings:
    """What a SageMaker training job needs besides its params."""

    image_uri: str
    role: iam.IRole
    env: JobEnv
    output: s3.IBucket


@dataclass(frozen=True)
class LifecycleParts:
    """What the states call."""

    functions: dict[str, LeanFunction]
    artifacts: s3.IBucket
    queues: dict[str, batch.IJobQueue]
    """Of CPU machines, GPU machines, and several CPU machines as one: `cpu`, `gpu` and `nodes`."""
    definitions: dict[tuple[JobName, str], batch.IJobDefinition]
    """By the queue's name; for several machines there is one for each number of them (`on_nodes`)."""
    training: TrainingJobSettings
    notifications: sns.ITopic


class LifecycleSteps(Construct):
    """What comes after what stands in `lifecycle_definition`."""

    def __init__(self, scope: Construct, parts: LifecycleParts):
        super().__init__(scope, "Steps")
        self._parts = parts

    @abstractmethod
    def _failure(self, stage: Stage) -> sfn.IChainable:
        """The state to which a failure in this stage leads."""

    def _enter(self, stage: Stage) -> sfn.Chain:
        status = RunStatus.WAITING if stage is Stage.APPROVE else RunStatus.RUNNING
        record = self._record(f"Record {stage}", status, stage)
        record.add_catch(self._failure(stage), errors=["States.ALL"], result_path=at("failure"))
        return sfn.Chain.start(record)

    def _finish(self, name: str, outcome: Outcome, *, tell: bool = False, **facts: object) -> sfn.Chain:
        record = self._record(f"Record {outcome}", RunStatus.SUCCEEDED, Stage.DONE, outcome=outcome, **facts)
        record.add_catch(self._failure(Stage.DONE), errors=["States.ALL"], result_path=at("failure"))
        done = sfn.Succeed(self, name)
        if not tell:
            return record.next(done)
        notify = self._tell(f"Tell of {outcome}", f"a run was {outcome}", **facts)
        notify.add_catch(self._failure(Stage.DONE), errors=["States.ALL"], result_path=at("failure"))
        return record.next(notify).next(done)

    def _record(self, name: str, status: RunStatus, stage: Stage, **facts: object) -> tasks.LambdaInvoke:
        execution = sfn.JsonPath.string_at("$$.Execution.Id")
        record = payload(StateRecord, run_id=RUN_ID, status=status, stage=stage, execution_arn=execution, **facts)
        return self._task(name, "record_state", record)

    def _invoke(
        self, name: str, function: str, request: "Request", stage: Stage, *, answer: str | None = None
    ) -> tasks.LambdaInvoke:
        task = self._task(name, function, request, answer=answer)
        task.add_catch(self._failure(stage), errors=["States.ALL"], result_path=at("failure"))
        return task

    def _task(self, name: str, function: str, request: "Request", *, answer: str | None = None) -> tasks.LambdaInvoke:
        whole = isinstance(request, str)  # a path is no payload template: ASL takes it as InputPath alone
        task = tasks.LambdaInvoke(
            self,
            name,
            lambda_function=self._parts.functions[function],
            payload=None if whole else sfn.TaskInput.from_object(request),
            input_path=request if whole else None,
            payload_response_only=True,
            result_path=answer or sfn.JsonPath.DISCARD,
            retry_on_service_exceptions=False,
            task_timeout=sfn.Timeout.duration(Duration.minutes(15)),
        )
        _retry_what_may_pass(task)
        return task

    def _ask_for_approval(self) -> tasks.LambdaInvoke:
        """Waits until somebody answers with the task token, or nobody has for a week."""
        asked = payload(ApprovalRequest, run_id=RUN_ID, task_token=sfn.JsonPath.task_token)
        task = tasks.LambdaInvoke(
            self,
            "Wait for approval",
            lambda_function=self._parts.functions["request_approval"],
            integration_pattern=sfn.IntegrationPattern.WAIT_FOR_TASK_TOKEN,
            payload=sfn.TaskInput.from_object(asked),
            result_path=sfn.JsonPath.DISCARD,
            retry_on_service_exceptions=False,
            task_timeout=sfn.Timeout.duration(APPROVAL_TIMEOUT),
        )
        _retry_what_may_pass(task)
        task.add_catch(self._failure(Stage.APPROVE), errors=["States.ALL"], result_path=at("failure"))
        return task

    def _store_params(self, job: JobName, params: str, stage: Stage) -> tasks.CallAwsService:
        """`params.json` of a job, where the job's one argument points."""
        artifacts = self._parts.artifacts
        task = tasks.CallAwsService(
            self,
            f"Store {job} params",
            service="s3",
            action="putObject",
            iam_resources=[artifacts.arn_for_objects(params_key("*", job))],
            parameters={
                "Bucket": artifacts.bucket_name,
                "Key": sfn.JsonPath.format(params_key("{}", job), RUN_ID),
                "ContentType": "application/json",
                "Body": sfn.JsonPath.object_at(params),
            },
            result_path=sfn.JsonPath.DISCARD,
            task_timeout=sfn.Timeout.duration(Duration.minutes(5)),
        )
        task.add_retry(errors=["S3.SdkClientException", "S3.S3Exception"], **_patience(attempts=4))
        task.add_catch(self._failure(stage), errors=["States.ALL"], result_path=at("failure"))
        return task

    def _run_job(
        self, job: JobName, where: str, stage: Stage, *, size: dict[str, object] | None = None
    ) -> sfn.CustomState:
        """`size` is what of the submission is not as the definition says (`one_machine`)."""
        definition = {"JobDefinition": self._parts.definitions[job, where].job_definition_arn}
        return self._submit(job, where, stage, definition | (size or {}))

    def _run_job_on_nodes(self, job: JobName, stage: Stage, *resources: str) -> sfn.CustomState:
        """On as many machines as the JobResources at this path say, each of which it takes whole."""
        counts = range(FEWEST_NODES, MOST_NODES + 1)
        arns = [f"'{self._parts.definitions[job, on_nodes(count)].job_definition_arn}'" for count in counts]
        place = f"States.MathAdd({at(*resources, 'nodes')}, -{FEWEST_NODES})"
        definition = {"JobDefinition.$": f"States.ArrayGetItem(States.Array({', '.join(arns)}), {place})"}
        return self._submit(job, "nodes", stage, definition | _timeout(*resources))

    def _submit(self, job: JobName, where: str, stage: Stage, asked: dict[str, object]) -> sfn.CustomState:
        attempt = "$$.State.RetryCount"
        submission = {
            "JobName.$": _format(submission_name("{}", job, "{}"), at("request", "run_id"), attempt),
            "JobQueue": self._parts.queues[where].job_queue_arn,
            "Parameters": {"params_uri.$": self._params_uri(job)},
        }
        return self._run_until_done(f"Run {job} on {where.upper()}", "batch:submitJob", submission | asked, stage)

    def _run_training_job(self) -> sfn.CustomState:
        """`finetune` as a SageMaker training job: the same image, told where its params are."""
        training = self._parts.training
        request = {
            "TrainingJobName.$": at("plan", "training_job_name"),
            "RoleArn": training.role.role_arn,
            "AlgorithmSpecification": {
                "TrainingImage": training.image_uri,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["python", "-m", f"batch_jobs.{JobName.FINETUNE}"],
            },
            "HyperParameters": {"params_uri.$": self._params_uri(JobName.FINETUNE)},
            "Environment": training.env.variables(),
            "OutputDataConfig": {"S3OutputPath": s3_uri(training.output.bucket_name, RUNS_PREFIX)},
            "ResourceConfig": {
                "InstanceCount": 1,
                "InstanceType.$": at("plan", "instance_type"),
                "VolumeSizeInGB": DISK.to_gibibytes(),
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": Duration.days(2).to_seconds()},
        }
        return self._run_until_done("Run finetune on SageMaker", "sagemaker:createTrainingJob", request, Stage.FINETUNE)

    def _run_until_done(self, name: str, action: str, parameters: dict, stage: Stage) -> sfn.CustomState:
        """Written as ASL: CDK's own tasks cannot bound a job together with its time in the queue, and would override
        the time that the job's definition gives one attempt."""
        state = {
            "Type": "Task",
            "Resource": f"arn:{Stack.of(self).partition}:states:::{action}.sync",
            "TimeoutSeconds": JOB_TIMEOUT.to_seconds(),
            "Parameters": parameters,
            "ResultPath": sfn.JsonPath.DISCARD,
        }
        task = sfn.CustomState(self, name, state_json=state)
        task.add_retry(errors=SUBMISSION_ERRORS, **_patience(attempts=4))
        task.add_catch(self._failure(stage), errors=["States.ALL"], result_path=at("failure"))
        return task

    def _count_checks(self, name: str, checks: int | str) -> sfn.Pass:
        counted = {"checks": checks} if isinstance(checks, int) else {"checks.$": checks}
        return sfn.Pass(self, name, parameters=counted, result_path=at("watch"))

    def _tell(self, name: str, subject: str, **facts: object) -> tasks.SnsPublish:
        message = {"run_id": RUN_ID, "project": sfn.JsonPath.string_at(at("request", "project"))}
        task = tasks.SnsPublish(
            self,
            name,
            topic=self._parts.notifications,
            subject=f"tunesmith: {subject}",
            message=sfn.TaskInput.from_object(message | {key: _value(value) for key, value in facts.items()}),
            result_path=sfn.JsonPath.DISCARD,
            task_timeout=sfn.Timeout.duration(Duration.minutes(5)),
        )
        task.add_retry(errors=["SNS.SdkClientException", "SNS.InternalErrorException"], **_patience(attempts=4))
        return task

    def _params_uri(self, job: JobName) -> str:
        uri = s3_uri(self._parts.artifacts.bucket_name, params_key("{}", job))
        return _format(uri, at("request", "run_id"))


def one_machine(*resources: str) -> dict[str, object]:
    """A job on one machine, of which it gets what the JobResources at this path say. Batch takes numbers as text."""
    vcpus, memory = _format("{}", at(*resources, "vcpus")), _format("{}", at(*resources, "memory_mib"))
    needs = [{"Type": "VCPU", "Value.$": vcpus}, {"Type": "MEMORY", "Value.$": memory}]
    told = [{"Name": VCPUS, "Value.$": vcpus}]
    return _timeout(*resources) | {"ContainerOverrides": {"ResourceRequirements": needs, "Environment": told}}


def on_nodes(count: int) -> str:
    """What the definition of a job on so many machines is called among the parts."""
    return f"{count} nodes"


def _timeout(*resources: str) -> dict[str, object]:
    return {"Timeout": {"AttemptDurationSeconds.$": at(*resources, "timeout_seconds")}}


Request = dict[str, object] | str
"""A function's input: fields by name, or the path of a whole contract."""


def payload(shape: type[Contract], **fields: object) -> dict[str, object]:
    """The input of a function that parses `shape`. Raises TypeError where a field is unknown to it, or missing."""
    required = {name for name, field in shape.model_fields.items() if field.is_required()}
    unknown, missing = fields.keys() - shape.model_fields.keys(), required - fields.keys()
    if unknown or missing:
        raise TypeError(f"{shape.__name__}: unknown fields {sorted(unknown)}, missing fields {sorted(missing)}")
    return {name: _value(value) for name, value in fields.items()}


def _value(value: object) -> object:
    """A path into the document becomes a reference to what is there."""
    return sfn.JsonPath.object_at(value) if isinstance(value, str) and value.startswith("$.") else value


def _format(template: str, *paths: str) -> str:
    """The intrinsic that fills `{}` in the template with what is at the paths."""
    return f"States.Format('{template}', {', '.join(paths)})"


def _retry_what_may_pass(task: tasks.LambdaInvoke) -> None:
    """Failures of Lambda itself, and those of our own errors that say they may pass."""
    task.add_retry(errors=SERVICE_ERRORS, **_patience(attempts=6))
    task.add_retry(errors=_passing_errors(PlatformError), **_patience(attempts=3))


def retry_while_changing(task: tasks.LambdaInvoke) -> None:
    """SageMaker changes an endpoint only once an earlier change of it is over: up to an hour of patience."""
    task.add_retry(errors=[Conflict.__name__], interval=Duration.seconds(30), backoff_rate=1, max_attempts=120)


def _passing_errors(root: type[PlatformError]) -> list[str]:
    """Names of the errors that are worth another try: Lambda reports an error by the name of its class."""
    names = {root.__name__} if root.retryable else set()
    for child in root.__subclasses__():
        names |= set(_passing_errors(child))
    return sorted(names)


def _patience(*, attempts: int) -> dict:
    return {
        "interval": Duration.seconds(2),
        "backoff_rate": 2,
        "max_attempts": attempts,
        "max_delay": Duration.minutes(1),
        "jitter_strategy": sfn.JitterType.FULL,
    }
