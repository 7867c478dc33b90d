"""The lifecycle's executions in Step Functions: one per run, under the run's own name."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from tunesmith.contracts.errors import Conflict
from tunesmith.contracts.lifecycle import LifecycleState

ANSWERED = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
"""How Step Functions says that nobody waits for this token any more."""
ABSENT = "ExecutionDoesNotExist"


@cache
def client() -> Any:
    """The process's one Step Functions client."""
    return boto3.client("stepfunctions")


@dataclass(frozen=True)
class Pipeline:
    """The state machine that every run goes through."""

    state_machine_arn: str

    def execution_arn(self, run_id: str) -> str:
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{run_id}"

    def start(self, state: LifecycleState) -> bool:
        """Start the run's execution. False where it was started before, by whomever: its name is the guard.

        Step Functions answers a repeat with the same input as if it were new, as long as the execution is running.
        """
        document = state.model_dump_json(include={"request", "prepare", "approval"})
        name = state.request.run_id
        try:
            client().start_execution(stateMachineArn=self.state_machine_arn, name=name, input=document)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            return False
        return True

    def describe(self, run_id: str) -> dict[str, Any] | None:
        """Step Functions' own description of the run's execution, or None where there is none."""
        try:
            found: dict[str, Any] = client().describe_execution(executionArn=self.execution_arn(run_id))
        except ClientError as error:
            if error.response["Error"]["Code"] != ABSENT:
                raise
            return None
        return found

    def stop(self, run_id: str, reason: str = "cancelled by a person") -> bool:
        """Stop the run's execution. False where there is none; one that has ended stays as it is."""
        try:
            client().stop_execution(executionArn=self.execution_arn(run_id), error="Cancelled", cause=reason)
        except ClientError as error:
            if error.response["Error"]["Code"] != ABSENT:
                raise
            return False
        return True

    def approve(self, task_token: str) -> None:
        """Let a run that waits for a person go on. Raises Conflict where it no longer waits."""
        with _answering():
            client().send_task_success(taskToken=task_token, output="{}")

    def reject(self, task_token: str, reason: str) -> None:
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
