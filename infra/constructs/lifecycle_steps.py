"""The lifecycle of a run as states, stage by stage: read `definition` first, then down the page.

The state machine's document is `contracts.lifecycle.LifecycleState`; every path into it is spelled by `at(...)`, and
every function's input by the contract that the function parses.
"""

from dataclasses import dataclass
from functools import cached_property

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
from tunesmith.contracts.deployments import DeploymentStatus
from tunesmith.contracts.environment import JobEnv
from tunesmith.contracts.errors import Conflict, PlatformError
from tunesmith.contracts.jobs import JobName, submission_name
from tunesmith.contracts.lifecycle import (
    ApprovalRequest,
    Decision,
    GateRequest,
    LifecycleState,
    PromoteRequest,
    RegisterRequest,
    ShiftRequest,
    StateRecord,
    VerifyRequest,
    at,
)
from tunesmith.contracts.recipes import Approval, Engine
from tunesmith.contracts.runs import Outcome, RunStatus, Stage

JOB_TIMEOUT = Duration.days(5)
"""Of a job with all its attempts and its time in the queue; one attempt has a shorter one of its own."""
APPROVAL_TIMEOUT = Duration.days(7)
ROLLOUT_POLL = Duration.seconds(5)
ROLLOUT_CHECKS = 720
"""An endpoint that is not verified after an hour has failed."""
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
    """Of CPU and GPU machines: `cpu` and `gpu`."""
    definitions: dict[tuple[JobName, str], batch.IJobDefinition]
    training: TrainingJobSettings
    notifications: sns.ITopic


class LifecycleSteps(Construct):
    def __init__(self, scope: Construct, parts: LifecycleParts):
        super().__init__(scope, "Steps")
        self._parts = parts
        self._failures: dict[Stage, sfn.IChainable] = {}

    def definition(self) -> sfn.IChainable:
        """prepare -> plan -> finetune -> evaluate -> gate -> register -> approve -> roll out -> verify -> promote.

        A stage is written once its successor is: hence from the last to the first.
        """
        promoting = self._promote()
        rolling_out = self._roll_out(then=promoting)
        approving = self._approve(then=rolling_out)
        gating = self._gate_and_register(approved=approving)
        evaluating = self._evaluate(then=gating)
        finetuning = self._finetune(then=evaluating)
        planning = self._plan(train=finetuning)
        return self._prepare(then=planning)

    # --- the stages

    def _prepare(self, *, then: sfn.IChainable) -> sfn.Chain:
        return (
            self._enter(Stage.PREPARE)
            .next(self._store_params(JobName.PREPARE, at("prepare"), Stage.PREPARE))
            .next(self._run_job(JobName.PREPARE, "cpu", Stage.PREPARE))
            .next(then)
        )

    def _plan(self, *, train: sfn.IChainable) -> sfn.Chain:
        known = payload(LifecycleState, request=at("request"), prepare=at("prepare"), approval=at("approval"))
        plan = self._invoke("Plan", "plan_run", known, Stage.PLAN, answer=at("plan"))
        decision = at("plan", "decision")
        reasons = sfn.JsonPath.list_at(at("plan", "reasons"))
        refused = self._finish("Refused", Outcome.REFUSED, reasons=reasons, tell=True)
        prepared = self._finish("Prepared", Outcome.PREPARED, reasons=reasons)
        choice = (
            sfn.Choice(self, "Train?")
            .when(sfn.Condition.string_equals(decision, Decision.TRAIN), train)
            .when(sfn.Condition.string_equals(decision, Decision.PREPARED), prepared)
            .otherwise(refused)
        )
        return self._enter(Stage.PLAN).next(plan).next(choice)

    def _finetune(self, *, then: sfn.IChainable) -> sfn.Chain:
        cpu = self._run_job(JobName.FINETUNE, "cpu", Stage.FINETUNE)
        gpu = self._run_job(JobName.FINETUNE, "gpu", Stage.FINETUNE)
        sagemaker = self._run_training_job()
        where = (
            sfn.Choice(self, "Finetune where?")
            .when(sfn.Condition.string_equals(at("plan", "engine"), Engine.SAGEMAKER), sagemaker)
            .when(sfn.Condition.boolean_equals(at("plan", "gpu"), True), gpu)
            .otherwise(cpu)
            .afterwards()
        )
        store = self._store_params(JobName.FINETUNE, at("plan", "finetune"), Stage.FINETUNE)
        return self._enter(Stage.FINETUNE).next(store).next(where).next(then)

    def _evaluate(self, *, then: sfn.IChainable) -> sfn.Chain:
        where = (
            sfn.Choice(self, "Evaluate where?")
            .when(
                sfn.Condition.boolean_equals(at("plan", "gpu"), True),
                self._run_job(JobName.EVALUATE, "gpu", Stage.EVALUATE),
            )
            .otherwise(self._run_job(JobName.EVALUATE, "cpu", Stage.EVALUATE))
            .afterwards()
        )
        store = self._store_params(JobName.EVALUATE, at("plan", "evaluate"), Stage.EVALUATE)
        return self._enter(Stage.EVALUATE).next(store).next(where).next(then)

    def _gate_and_register(self, *, approved: sfn.IChainable) -> sfn.Chain:
        judged = payload(GateRequest, request=at("request"), plan=at("plan"))
        gate = self._invoke("Gate", "gate_model", judged, Stage.GATE, answer=at("verdict"))
        candidate = payload(RegisterRequest, request=at("request"), plan=at("plan"), verdict=at("verdict"))
        register = self._invoke("Register", "register_model", candidate, Stage.REGISTER, answer=at("version"))
        mirror = self._invoke("Mirror", "mirror_model", at("version"), Stage.REGISTER)
        rejected = self._finish(
            "Rejected",
            Outcome.REJECTED,
            reasons=sfn.JsonPath.list_at(at("verdict", "reasons")),
            version=sfn.JsonPath.number_at(at("version", "version")),
        )
        choice = (
            sfn.Choice(self, "Good enough?")
            .when(sfn.Condition.boolean_equals(at("verdict", "approved"), True), approved)
            .otherwise(rejected)
        )
        entered = self._enter(Stage.GATE).next(gate).next(self._enter(Stage.REGISTER))
        return entered.next(register).next(mirror).next(choice)

    def _approve(self, *, then: sfn.IChainable) -> sfn.Choice:
        wait_for_a_person = self._enter(Stage.APPROVE).next(self._ask_for_approval()).next(then)
        return (
            sfn.Choice(self, "Who approves?")
            .when(sfn.Condition.string_equals(at("approval"), Approval.MANUAL), wait_for_a_person)
            .otherwise(then)
        )

    def _roll_out(self, *, then: sfn.IChainable) -> sfn.Chain:
        """Ask for the new version, then look until it serves, has failed, or has taken too long."""
        asked = payload(ShiftRequest, request=at("request"), version=at("version"))
        shift = self._invoke("Shift traffic", "shift_traffic", asked, Stage.ROLLOUT, answer=at("deployment"))
        _retry_while_changing(shift)
        wait = sfn.Wait(self, "Wait for the endpoint", time=sfn.WaitTime.duration(ROLLOUT_POLL))
        looked_at = payload(VerifyRequest, deployment=at("deployment"))
        verify = self._invoke("Verify", "verify_deployment", looked_at, Stage.VERIFY, answer=at("deployment"))
        status = at("deployment", "status")
        choice = (
            sfn.Choice(self, "Does it serve?")
            .when(sfn.Condition.string_equals(status, DeploymentStatus.VERIFIED), then)
            .when(sfn.Condition.string_equals(status, DeploymentStatus.FAILED), self._rollout_failed())
            .when(
                sfn.Condition.number_greater_than_equals(at("watch", "checks"), ROLLOUT_CHECKS),
                self._rollout_too_slow(),
            )
            .otherwise(wait)
        )
        wait.next(self._count_checks("Count looks", f"States.MathAdd({at('watch', 'checks')}, 1)")).next(verify)
        verify.next(choice)
        return self._enter(Stage.ROLLOUT).next(self._count_checks("Start counting", 0)).next(shift).next(verify)

    def _promote(self) -> sfn.Chain:
        moved = payload(PromoteRequest, version=at("version"), deployment=at("deployment"), run_id=RUN_ID)
        promote = self._invoke("Promote", "promote_model", moved, Stage.PROMOTE)
        version = sfn.JsonPath.number_at(at("version", "version"))
        done = self._finish("Promoted", Outcome.PROMOTED, version=version)
        return self._enter(Stage.PROMOTE).next(promote).next(done)

    # --- what goes wrong

    def _failure(self, stage: Stage) -> sfn.IChainable:
        """Where a failure in this stage goes: what was half rolled out is taken back; then it is recorded, told, and
        the execution fails."""
        if stage not in self._failures:
            undone = stage in (Stage.ROLLOUT, Stage.VERIFY, Stage.PROMOTE)
            self._failures[stage] = self._taken_back if undone else self._record_failure(stage)
        return self._failures[stage]

    @cached_property
    def _taken_back(self) -> sfn.IChainable:
        restored = payload(ShiftRequest, request=at("request"), version=at("version"), restore=True)
        restore = self._task("Restore the champion", "shift_traffic", restored)
        _retry_while_changing(restore)
        restore.add_catch(self._not_taken_back(), errors=["States.ALL"], result_path=at("restore_failure"))
        return restore.next(self._record_failure(Stage.ROLLOUT, outcome=Outcome.ROLLED_BACK))

    def _not_taken_back(self) -> sfn.TaskStateBase:
        """The run failed, and so did the way back: a person must hear of both."""
        cause = sfn.JsonPath.string_at(at("restore_failure", "Cause"))
        told = sfn.JsonPath.format("the champion could not be restored: {}", cause)
        return self._record_failure(Stage.VERIFY, reasons=sfn.JsonPath.array(told))

    def _record_failure(self, stage: Stage, **facts: object) -> sfn.TaskStateBase:
        record = self._record(f"Record failed {stage}", RunStatus.FAILED, stage, failure=at("failure"), **facts)
        record.add_catch(self._tell_failure, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        record.next(self._tell_failure)
        return record

    @cached_property
    def _tell_failure(self) -> tasks.SnsPublish:
        failed = sfn.Fail(self, "Failed", error_path=at("failure", "Error"), cause_path=at("failure", "Cause"))
        tell = self._tell("Tell of the failure", "a run failed", failure=at("failure"))
        tell.add_catch(failed, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        tell.next(failed)
        return tell

    def _rollout_failed(self) -> sfn.IChainable:
        reason = sfn.JsonPath.string_at(at("deployment", "reason"))
        return self._as_failure("Rollout failed", "DeploymentFailed", reason).next(self._failure(Stage.ROLLOUT))

    def _rollout_too_slow(self) -> sfn.IChainable:
        minutes = ROLLOUT_CHECKS * ROLLOUT_POLL.to_seconds() // 60
        cause = f"the endpoint was not verified within {minutes} minutes"
        return self._as_failure("Rollout too slow", "DeploymentTimedOut", cause).next(self._failure(Stage.ROLLOUT))

    def _as_failure(self, name: str, error: str, cause: str) -> sfn.Pass:
        return sfn.Pass(self, name, parameters={"Error": error, "Cause": cause}, result_path=at("failure"))

    # --- the kinds of step

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

    def _run_job(self, job: JobName, where: str, stage: Stage) -> sfn.CustomState:
        attempt = "$$.State.RetryCount"
        submission = {
            "JobName.$": _format(submission_name("{}", job, "{}"), at("request", "run_id"), attempt),
            "JobQueue": self._parts.queues[where].job_queue_arn,
            "JobDefinition": self._parts.definitions[job, where].job_definition_arn,
            "Parameters": {"params_uri.$": self._params_uri(job)},
        }
        return self._run_until_done(f"Run {job} on {where.upper()}", "batch:submitJob", submission, stage)

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


def _retry_while_changing(task: tasks.LambdaInvoke) -> None:
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
