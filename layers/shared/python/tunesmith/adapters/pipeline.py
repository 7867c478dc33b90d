"""The lifecycle's executions in Step Functions: one per run, under the run's own name."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.events import ExecutionEnded
from tunesmith.contracts.lifecycle import LifecycleState

ANSWERED = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
"""How Step Functions says that nobody waits for this token any more."""

ENDED_BADLY = {"FAILED", "TIMED_OUT", "ABORTED"}


@cache
def client() -> Any:
    """The process's one Step Functions client."""
    return boto3.client("stepfunctions")


def execution_arn(state_machine_arn: str, run_id: str) -> str:
    return f"{state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"


def start(state_machine_arn: str, state: LifecycleState) -> bool:
    """Start the run's execution. False where it was started before, by whomever: its name is the guard.

    Step Functions answers a repeat with the same input as if it were new, as long as the execution is running.
    """
    document = state.model_dump_json(include={"request", "prepare", "approval"})
    try:
        client().start_execution(stateMachineArn=state_machine_arn, name=state.request.run_id, input=document)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        return False
    return True


def describe(arn: str) -> dict[str, Any] | None:
    """Step Functions' own description of an execution, or None where there is none."""
    try:
        found: dict[str, Any] = client().describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        return None
    return found


def ended_badly(arn: str) -> ExecutionEnded | None:
    """How an execution ended, where it failed, timed out or was stopped; None where it did not, or there is none."""
    found = describe(arn)
    if found is None or found["status"] not in ENDED_BADLY:
        return None
    return ExecutionEnded(
        execution_arn=arn,
        run_id=found["name"],
        status=found["status"],
        error=found.get("error"),
        cause=found.get("cause"),
    )


def stop(arn: str, reason: str) -> None:
    """Stop an execution; one that has ended stays as it is. Raises NotFound where there is none."""
    try:
        client().stop_execution(executionArn=arn, error="Cancelled", cause=reason)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        raise NotFound(f"no execution {arn}") from error


def approve(task_token: str) -> None:
    """Let a run that waits for a person go on. Raises Conflict where it no longer waits."""
    with _answering():
        client().send_task_success(taskToken=task_token, output="{}")


def reject(task_token: str, reason: str) -> None:
    """End a run that waits for a person. Raises Conflict where it no longer waits."""
    with _answering():
        client().send_task_failure(taskToken=task_token, error="Rejected", cause=reason)


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in ANSWERED:
            raise
        raise Conflict("the run no longer waits for this answer: it was given, or the run has ended") from error
