"""Contract of the private names of moto that jobs, state machines, events, alarms and SageMaker lean on.

When moto is upgraded, this says which of them moved; the tests of each plug-in say whether they still mean the same.
"""

import importlib
import inspect
from typing import Any

import pytest
from moto.batch.utils import JobStatus

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import put, replace

PLUGINS: list[Any] = []
TASKS = "moto.stepfunctions.parser.asl.component.state.exec.state_task"
CALLED = [
    ("moto.batch.models:BatchBackend.cancel_job", "self job_id reason"),
    ("moto.batch.models:Job.describe", "self"),
    ("moto.batch.models:Job.run", "self"),
    ("moto.batch.models:Job.terminate", "self reason"),
    ("moto.batch.models:Job._get_attempt_duration", "self"),
    ("moto.batch.models:Job._get_container_property", "self p default"),
    ("moto.batch.responses:BatchResponse.submitjob", "self"),
    ("moto.cloudwatch.models:Alarm.update_state", "self reason reason_data state_value"),
    ("moto.cloudwatch.models:CloudWatchBackend.put_metric_data", "self namespace metric_data"),
    ("moto.cloudwatch.responses:CloudWatchResponse.put_metric_alarm", "self"),
    ("moto.events.models:Rule.send_to_targets", "self original_event transform_input"),
    ("moto.events.models:EventPattern.get_pattern", "self"),
    ("moto.events.models:EventPattern.matches_event", "self event"),
    ("moto.s3.notifications:_send_event_bridge_message", "account_id bucket event_name key"),
    (
        "moto.sns.models:Subscription.publish",
        "self message message_id subject message_attributes group_id deduplication_id message_structure",
    ),
    ("moto.sns.models:Subscription._parse_message_structure", "self message protocol"),
    ("moto.sagemakerruntime.responses:SageMakerRuntimeResponse.invoke_endpoint", "self"),
    ("moto.logs.models:LogsBackend.put_log_events", "self log_group_name log_stream_name log_events"),
    ("moto.logs.models:LogsBackend.ensure_log_group", "self log_group_name"),
    ("moto.logs.models:LogsBackend.ensure_log_stream", "self log_group_name log_stream_name"),
    ("moto.stepfunctions.responses:StepFunctionResponse.start_execution", "self"),
    ("moto.stepfunctions.responses:StepFunctionResponse.stop_execution", "self"),
    ("moto.stepfunctions.responses:StepFunctionResponse.describe_execution", "self"),
    ("moto.stepfunctions.responses:StepFunctionResponse.send_task_failure", "self"),
    ("moto.stepfunctions.responses:StepFunctionResponse.get_execution_history", "self"),
    ("moto.stepfunctions.parser.backend.execution:Execution.start", "self"),
    ("moto.stepfunctions.parser.backend.execution:Execution.stop", "self stop_date error cause"),
    ("moto.stepfunctions.parser.backend.execution:Execution.to_describe_output", "self"),
    ("moto.stepfunctions.parser.backend.execution:BaseExecutionWorkerCommunication.terminated", "self"),
    ("moto.stepfunctions.parser.backend.execution_worker:ExecutionWorker._execution_logic", "self"),
    (
        f"{TASKS}.service.state_task_service:StateTaskService._normalise_parameters",
        "self parameters boto_service_name service_action_name",
    ),
    (
        f"{TASKS}.service.state_task_service:StateTaskService._normalise_response",
        "self response boto_service_name service_action_name",
    ),
    (f"{TASKS}.service.state_task_service:StateTaskService._get_boto_service_name", "self boto_service_name"),
    (f"{TASKS}.service.state_task_service:StateTaskService._get_boto_service_action", "self service_action_name"),
    (
        f"{TASKS}.service.state_task_service_callback:StateTaskServiceCallback._eval_sync",
        "self env sync_resolver timeout_seconds callback_endpoint heartbeat_endpoint",
    ),
    (
        f"{TASKS}.service.state_task_service_callback:StateTaskServiceCallback._build_sync_resolver",
        "self env resource_runtime_part normalised_parameters state_credentials",
    ),
    (f"{TASKS}.state_task_factory:state_task_service_for", "service_name"),
    ("moto.stepfunctions.parser.asl.utils.boto_client:boto_client_for", "region service state_credentials"),
    ("moto.core.responses:BaseResponse._get_param", "self param_name if_none"),
]
JOB_ARGUMENTS = {
    "name",
    "job_def",
    "job_queue",
    "backend",
    "log_backend",
    "container_overrides",
    "eks_properties_override",
    "depends_on",
    "parameters",
    "all_jobs",
    "timeout",
    "array_properties",
    "provided_job_id",
    "tags",
}


def found(place: str) -> Any:
    module, _, path = place.partition(":")
    thing: Any = importlib.import_module(module)
    for part in path.split("."):
        thing = getattr(thing, part)
    return thing


@pytest.mark.parametrize(("place", "parameters"), CALLED, ids=[place.rpartition(":")[2] for place, _ in CALLED])
def test_moto_still_has_the_name_with_these_parameters(place: str, parameters: str) -> None:
    assert " ".join(inspect.signature(found(place)).parameters) == parameters


def test_job_still_takes_what_submissions_give_it() -> None:
    assert set(inspect.signature(found("moto.batch.models:Job.__init__")).parameters) - {"self"} == JOB_ARGUMENTS


def test_job_still_has_the_statuses_of_batch() -> None:
    wanted = ["FAILED", "PENDING", "RUNNABLE", "RUNNING", "STARTING", "SUBMITTED", "SUCCEEDED"]
    assert JobStatus.job_statuses() == wanted


def test_interpreter_still_polls_at_a_pace_that_can_be_set() -> None:
    assert found(f"{TASKS}.service.state_task_service_callback:_DELAY_SECONDS_SYNC_CONDITION_CHECK") == 0.5


class Owner:
    value = 1


class Heir(Owner):
    pass


@pytest.fixture
def undo(cloud: Cloud) -> Any:
    """Undo what was patched since."""
    before = len(cloud.on_stop)

    def run() -> None:
        while len(cloud.on_stop) > before:
            cloud.on_stop.pop()()

    return run


@pytest.mark.parametrize("owner", [Owner, Heir])
def test_replaced_name_comes_back(cloud: Cloud, undo: Any, owner: type[Owner]) -> None:
    assert replace(cloud, owner, "value", 2) == 1
    assert owner.value == 2
    undo()
    assert (owner.value, "value" in vars(Heir)) == (1, False)


def test_name_that_moto_lost_is_an_error(cloud: Cloud) -> None:
    with pytest.raises(AttributeError, match="moto has no Owner.gone"):
        replace(cloud, Owner, "gone", None)


def test_name_that_moto_gained_is_an_error(cloud: Cloud, undo: Any) -> None:
    put(cloud, Owner, "fresh", 1)
    with pytest.raises(AttributeError, match="moto has Owner.fresh now"):
        put(cloud, Owner, "fresh", 2)
    undo()
    assert not hasattr(Owner, "fresh")
