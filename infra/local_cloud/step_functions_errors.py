"""Errors that no state can handle: a path that leads nowhere ends an execution at once, as on AWS.

moto lets `States.ALL` catch them, so that a state machine that is broken would seem to recover.
"""

from collections.abc import Callable
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.error_equals_decl import ErrorEqualsDecl
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_dynamodb import (
    StateTaskServiceDynamoDB,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import StateTaskLambda
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils.json_path import NoSuchJsonPathError

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace

RUNTIME = StatesErrorNameType.StatesRuntime
TERMINAL = (RUNTIME, StatesErrorNameType.StatesStatesDataLimitExceeded)


def install(cloud: Cloud) -> None:
    for task in (StateTaskLambda, StateTaskServiceDynamoDB):
        replace(cloud, task, "_from_error", _with_runtime_errors(task._from_error))
    replace(cloud, ErrorEqualsDecl, "_eval_body", _never_terminal(ErrorEqualsDecl._eval_body))


def _with_runtime_errors(original: Callable[..., FailureEvent]) -> Callable[..., FailureEvent]:
    """These tasks call every error their own."""

    def from_error(task: Any, env: Environment, ex: Exception) -> FailureEvent:
        if not isinstance(ex, NoSuchJsonPathError):
            return original(task, env=env, ex=ex)
        details = TaskFailedEventDetails(error=RUNTIME.to_name(), cause=str(ex))
        return FailureEvent(
            env=env,
            error_name=StatesErrorName(typ=RUNTIME),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )

    return from_error


def _never_terminal(original: Callable[[ErrorEqualsDecl, Environment], None]) -> Callable[..., None]:
    """Whether a Retry or a Catch applies: to these errors never."""

    def applies(declared: ErrorEqualsDecl, env: Environment) -> None:
        if any(env.stack[-1] == StatesErrorName(typ=kind) for kind in TERMINAL):
            env.stack.pop()
            env.stack.append(False)
            return
        original(declared, env)

    return applies
