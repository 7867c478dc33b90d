"""The Task states that moto's interpreter cannot run: Batch and SageMaker jobs with `.sync`, and SDK calls.

Work that a state waits for is stopped when the state ends without it: on StopExecution and on a timeout.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.error_name import ErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
    state_task_service_aws_sdk,
    state_task_service_batch,
    state_task_service_callback,
    state_task_service_factory,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from infra.local_cloud.api_shapes import epoch_milliseconds, iso_timestamp, to_arguments, to_state
from infra.local_cloud.cloud import Cloud

TASK_FAILED = StatesErrorNameType.StatesTaskFailed.to_name()
STOPPED_BY_STATES = "Job was terminated because the Step Functions task that waited for it ended"


@dataclass(frozen=True)
class Work:
    """A job that a state waits for: moto's interpreter calls it until it answers."""

    poll: Callable[[], Any]
    stop: Callable[[], None]

    def __call__(self) -> Any:
        return self.poll()


class SyncTask(state_task_service_callback.StateTaskServiceCallback):
    """What all tasks that wait for a job have in common."""

    def _eval_sync(self, env: Environment, sync_resolver: Work, **options: Any) -> Any:
        outcome = super()._eval_sync(env=env, sync_resolver=sync_resolver, **options)
        if not isinstance(outcome, dict):  # the execution was stopped, or the time ran out
            sync_resolver.stop()
        return outcome

    def failed(self, env: Environment, error: str, cause: str) -> FailureEvent:
        details = TaskFailedEventDetails(
            resource=self._get_sfn_resource(), resourceType=self._get_sfn_resource_type(), error=error, cause=cause
        )
        return FailureEvent(
            env=env,
            error_name=ErrorName(error),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )


class BatchTask(SyncTask, state_task_service_batch.StateTaskServiceBatch):
    """`batch:submitJob`, also with `.sync`."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__()
        self.cloud = cloud

    def _get_supported_parameters(self) -> set[str]:
        return set(operation_model(self.cloud, "batch", "SubmitJob").input_shape.members) | {
            name[:1].upper() + name[1:]
            for name in operation_model(self.cloud, "batch", "SubmitJob").input_shape.members
        }

    def _attach_aws_environment_variables(self, parameters: dict[str, Any]) -> None:
        """Batch refuses container overrides for a job of several nodes."""
        batch, asked = self.cloud.client("batch"), parameters["JobDefinition"]
        found = batch.describe_job_definitions(jobDefinitions=[asked])["jobDefinitions"]
        if not found or found[0]["type"] != "multinode":
            super()._attach_aws_environment_variables(parameters)

    def _build_sync_resolver(self, env: Environment, **_: Any) -> Work:
        batch, job_id = self.cloud.client("batch"), env.stack.pop()["JobId"]
        shape = operation_model(self.cloud, "batch", "DescribeJobs").output_shape.members["jobs"].member

        def poll() -> Any:
            job = batch.describe_jobs(jobs=[job_id])["jobs"][0]
            if job["status"] not in ("SUCCEEDED", "FAILED"):
                return None
            described = to_state(shape, job)
            if job["status"] == "SUCCEEDED":
                return described
            raise FailureEventException(self.failed(env, TASK_FAILED, json.dumps(described)))

        return Work(poll, lambda: batch.terminate_job(jobId=job_id, reason=STOPPED_BY_STATES))


class SageMakerTask(SyncTask):
    """`sagemaker:createTrainingJob` with `.sync`, and the calls that do not wait."""

    def __init__(self, cloud: Cloud) -> None:
        waits = {ResourceCondition.Sync, ResourceCondition.WaitForTaskToken}  # moto waits for both on one object
        super().__init__(supported_integration_patterns=waits)
        self.cloud = cloud

    def _get_supported_parameters(self) -> set[str]:
        action = self.resource.api_action
        return set(operation_model(self.cloud, "sagemaker", action[:1].upper() + action[1:]).input_shape.members)

    def _eval_service_task(self, env: Environment, normalised_parameters: dict[str, Any], **_: Any) -> None:
        answer = getattr(self.cloud.client("sagemaker"), self._get_boto_service_action())(**normalised_parameters)
        answer.pop("ResponseMetadata", None)
        env.stack.append(answer)

    def _build_sync_resolver(self, env: Environment, normalised_parameters: dict[str, Any], **_: Any) -> Work:
        if self.resource.api_action != "createTrainingJob":
            raise ValueError(f"sagemaker:{self.resource.api_action}.sync: the local cloud waits for training jobs only")
        env.stack.pop()
        sagemaker, name = self.cloud.client("sagemaker"), normalised_parameters["TrainingJobName"]
        shape = operation_model(self.cloud, "sagemaker", "DescribeTrainingJob").output_shape

        def poll() -> Any:
            job = sagemaker.describe_training_job(TrainingJobName=name)
            job.pop("ResponseMetadata")
            if job["TrainingJobStatus"] not in ("Completed", "Failed", "Stopped"):
                return None
            described = to_state(shape, job, epoch_milliseconds)
            if job["TrainingJobStatus"] == "Completed":
                return described
            raise FailureEventException(self.failed(env, TASK_FAILED, json.dumps(described)))

        return Work(poll, lambda: sagemaker.stop_training_job(TrainingJobName=name))

    def _from_error(self, env: Environment, ex: Exception) -> FailureEvent:
        if isinstance(ex, ClientError):
            code = ex.response["Error"]["Code"]
            name = code if code.startswith("Resource") else "AmazonSageMakerException"
            name = name if name.endswith("Exception") else f"{name}Exception"
            return self.failed(env, f"SageMaker.{name}", str(ex))
        return super()._from_error(env=env, ex=ex)


class SdkTask(state_task_service_aws_sdk.StateTaskServiceAwsSdk):
    """`aws-sdk:service:action`."""

    @staticmethod
    def _normalise_service_error_name(service_name: str) -> str:
        names = {"dynamodb": "DynamoDb", "sfn": "Sfn", "s3": "S3", "sagemaker": "SageMaker", "sns": "Sns", "sqs": "Sqs"}
        return names.get(service_name.lower(), service_name[:1].upper() + service_name[1:])


def operation_model(cloud: Cloud, service: str, operation: str) -> Any:
    return cloud.client(service).meta.service_model.operation_model(operation)


def service_factory(cloud: Cloud) -> Callable[[str], StateTaskService]:
    """By the service's name in a task's resource ARN."""
    ours = {
        "batch": lambda: BatchTask(cloud),
        "sagemaker": lambda: SageMakerTask(cloud),
        "aws-sdk": SdkTask,
    }
    original = state_task_service_factory.state_task_service_for

    def service_for(service_name: str) -> StateTaskService:
        return ours[service_name]() if service_name in ours else original(service_name)

    return service_for


def normalise_parameters(
    cloud: Cloud, task: StateTaskService, parameters: dict[str, Any], *names: str | None, **named: str | None
) -> None:
    """In place, before the call."""
    model = _operation_of(cloud, task, *names, **named)
    if model.input_shape is not None:
        arguments = to_arguments(model.input_shape, parameters)
        parameters.clear()
        parameters.update(arguments)


def normalise_response(
    cloud: Cloud, task: StateTaskService, response: Any, *names: str | None, **named: str | None
) -> None:
    """In place, after the call."""
    if not isinstance(response, dict):
        return
    model = _operation_of(cloud, task, *names, **named)
    time = iso_timestamp if isinstance(task, SdkTask) else epoch_milliseconds
    answer = to_state(model.output_shape, response, time)
    response.clear()
    response.update(answer)


def _operation_of(
    cloud: Cloud, task: StateTaskService, boto_service_name: str | None = None, service_action_name: str | None = None
) -> Any:
    client = cloud.client(task._get_boto_service_name(boto_service_name))
    operation = client.meta.method_to_api_mapping[task._get_boto_service_action(service_action_name)]
    return client.meta.service_model.operation_model(operation)
