"""Step Functions: moto's interpreter runs state machines, and this makes it run them as AWS does.

Executions always have a name, end even when the interpreter breaks, and announce each change of status.
"""

import logging
import sys
import threading
import traceback
import uuid
from datetime import UTC, datetime
from functools import cache
from types import ModuleType
from typing import Any

import boto3
from botocore.config import Config
from moto.core.config import default_user_config
from moto.core.responses import ActionResult, EmptyResult
from moto.stepfunctions.parser.api import ExecutionStatus
from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_callback
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import StateTaskService
from moto.stepfunctions.parser.backend.execution import BaseExecutionWorkerCommunication, Execution
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.responses import StepFunctionResponse

from infra.local_cloud import events, service_metrics, step_functions_errors, step_functions_tasks
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2
STATUS_CHANGE = "Step Functions Execution Status Change"


def install(cloud: Cloud) -> None:
    _quiet(cloud)
    _interpret(cloud)
    step_functions_errors.install(cloud)
    _clients(cloud)
    _executions(cloud)
    _api(cloud)


def _quiet(cloud: Cloud) -> None:
    """moto logs the whole parsed state with each failed task; the history of the execution says it better."""
    talkative = logging.getLogger("moto.stepfunctions.parser.asl.component.eval_component")
    level = talkative.level
    talkative.setLevel(logging.CRITICAL)
    cloud.on_stop.append(lambda: talkative.setLevel(level))


def _interpret(cloud: Cloud) -> None:
    """Run state machines at all, with our tasks among moto's."""
    settings = default_user_config["stepfunctions"]
    before = settings.get("execute_state_machine", False)
    settings["execute_state_machine"] = True
    cloud.on_stop.append(lambda: settings.update(execute_state_machine=before))
    replace(cloud, state_task_factory, "state_task_service_for", step_functions_tasks.service_factory(cloud))
    replace(cloud, state_task_service_callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", POLL_SECONDS)
    for name in ("parameters", "response"):
        normalise = getattr(step_functions_tasks, f"normalise_{name}")
        replace(cloud, StateTaskService, f"_normalise_{name}", _bound(normalise, cloud))


def _bound(function: Any, cloud: Cloud) -> Any:
    """As a method: `partial` would not bind `self`."""
    return lambda *arguments, **named: function(cloud, *arguments, **named)


def _clients(cloud: Cloud) -> None:
    """Tasks call this cloud; moto makes a client per call, which costs more than the call."""

    @cache
    def client(service: str, region: str) -> Any:
        config = Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            read_timeout=86_400,
            max_pool_connections=64,
        )
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        return boto3.client(service, endpoint_url=cloud.url, region_name=region, config=config, **keys)

    for module in _modules_with("boto_client_for"):
        replace(
            cloud, module, "boto_client_for", lambda region, service, state_credentials=None: client(service, region)
        )


def _modules_with(name: str) -> list[ModuleType]:
    found = [module for path, module in sys.modules.items() if path.startswith("moto.stepfunctions.parser.")]
    return [module for module in found if name in vars(module)]


def _executions(cloud: Cloud) -> None:
    """Say when an execution starts and ends, and let none hang."""

    def start(execution: Execution) -> None:
        _announce(cloud, execution, ExecutionStatus.RUNNING)  # before: it may end at once
        original_start(execution)

    def terminated(communication: BaseExecutionWorkerCommunication) -> None:
        execution, state = communication.execution, communication.execution.exec_worker.env.program_state()
        execution.error = getattr(state, "error", None) if isinstance(getattr(state, "error", None), str) else None
        execution.cause = getattr(state, "cause", None)
        original_terminated(communication)
        _announce(cloud, execution, execution.exec_status)

    def run(worker: ExecutionWorker) -> None:
        try:
            original_run(worker)
        except Exception as error:  # the interpreter's own defect: the execution must end all the same
            logger.exception("the interpreter broke")
            _fail(cloud, worker._execution_communication.execution, error)

    original_start = replace(cloud, Execution, "start", start)
    original_terminated = replace(cloud, BaseExecutionWorkerCommunication, "terminated", terminated)
    original_run = replace(cloud, ExecutionWorker, "_execution_logic", run)


def _fail(cloud: Cloud, execution: Execution, error: Exception) -> None:
    execution.stop_date = datetime.now(UTC)
    execution.error, execution.cause = "States.Runtime", "".join(traceback.format_exception_only(error)).strip()
    execution.exec_status = ExecutionStatus.FAILED
    _announce(cloud, execution, ExecutionStatus.FAILED)


def _announce(cloud: Cloud, execution: Execution, status: ExecutionStatus) -> None:
    described = execution.to_describe_output()
    detail = {
        "executionArn": execution.exec_arn,
        "stateMachineArn": execution.state_machine.arn,
        "name": execution.name,
        "status": status.value,
        "startDate": int(execution.start_date.timestamp() * 1000),
        "stopDate": int(execution.stop_date.timestamp() * 1000) if execution.stop_date else None,
        "input": execution.execution_input,
        "output": described.get("output"),
        "error": described.get("error"),
        "cause": described.get("cause"),
    }
    events.publish(cloud, "aws.states", STATUS_CHANGE, detail, [execution.exec_arn])
    service_metrics.count_execution(cloud, execution.state_machine.arn, status.value)


def _api(cloud: Cloud) -> None:
    """What moto's responses lose on the way."""
    starting = threading.Lock()

    def start_execution(response: StepFunctionResponse) -> ActionResult:
        name = response._get_param("name") or str(uuid.uuid4())
        with starting:  # two calls with one name must not both win
            execution = response.stepfunction_backend.start_execution(
                response._get_param("stateMachineArn"), name, response._get_param("input", if_none="{}")
            )
        return ActionResult({"executionArn": execution.execution_arn, "startDate": execution.start_date})

    def stop_execution(response: StepFunctionResponse) -> ActionResult:
        execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))
        _stop(execution, response._get_param("error"), response._get_param("cause"))
        return ActionResult({"stopDate": execution.stop_date or datetime.now(UTC)})

    def describe_execution(response: StepFunctionResponse) -> ActionResult:
        execution = response.stepfunction_backend.describe_execution(response._get_param("executionArn"))
        described = execution.to_describe_output() | {"input": execution.execution_input}
        return ActionResult({key: value for key, value in described.items() if value is not None})

    def send_task_failure(response: StepFunctionResponse) -> ActionResult:
        token, error, cause = (response._get_param(name) for name in ("taskToken", "error", "cause"))
        response.stepfunction_backend.send_task_failure(token, error=error, cause=cause)
        return EmptyResult()

    def get_execution_history(response: StepFunctionResponse) -> ActionResult:
        history = response.stepfunction_backend.get_execution_history(response._get_param("executionArn"))
        return ActionResult(_page(history["events"], response))

    for function in (start_execution, stop_execution, describe_execution, send_task_failure, get_execution_history):
        replace(cloud, StepFunctionResponse, function.__name__, function)


def _stop(execution: Execution, error: str | None, cause: str | None) -> None:
    """Once the interpreter has begun, which it does on a thread of its own."""
    if execution.exec_status != ExecutionStatus.RUNNING:
        return
    while execution.exec_worker.env is None:
        threading.Event().wait(0.01)
    execution.stop(stop_date=datetime.now(UTC), error=error, cause=cause)


def _page(history: list[Any], response: StepFunctionResponse) -> dict[str, Any]:
    ordered = list(reversed(history)) if response._get_param("reverseOrder") else list(history)
    first, size = int(response._get_param("nextToken") or 0), int(response._get_param("maxResults") or 1000)
    page: dict[str, Any] = {"events": ordered[first : first + size]}
    if first + size < len(ordered):
        page["nextToken"] = str(first + size)
    return page
