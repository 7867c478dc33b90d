"""Asynchronous Lambda invocations: accepted at once, tried up to three times, and then handed to whoever asked to know.

AWS waits one and two minutes between the attempts; here it is seconds. What still fails goes to the function's
on-failure destination, with its request and its error, and to its dead-letter queue, as the bare event.
"""

import json
import logging
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.destinations import send
from infra.local_cloud.lambda_workers import Answer

logger = logging.getLogger(__name__)

Run = Callable[[LambdaFunction, str, str], Answer]

RETRY_SECONDS = (1.0, 2.0)
THROTTLED_SECONDS = 0.5
"""A throttled invocation does not use up an attempt."""


class Asynchronous:
    """Accepts events for functions and sees to each on a thread of its own."""

    def __init__(self, cloud: Cloud, run: Run):
        self._cloud, self._run = cloud, run

    def accept(self, function: LambdaFunction, event: str) -> None:
        threading.Thread(target=self._see_to, args=(function, event), daemon=True, name="asynchronous").start()

    def _see_to(self, function: LambdaFunction, event: str) -> None:
        try:
            self._attempt_all(function, event)
        except Exception:  # the boundary of an asynchronous invocation: nobody waits for its outcome
            if not self._cloud.stopping.is_set():
                logger.exception("an asynchronous invocation of %s was lost", function.function_name)

    def _attempt_all(self, function: LambdaFunction, event: str) -> None:
        config = function.event_invoke_config[-1].config if function.event_invoke_config else {}
        retries = min(int(config.get("MaximumRetryAttempts", 2)), 2)
        request_id = str(uuid.uuid4())
        answer = self._attempt(function, event, request_id)
        for attempt in range(retries):
            if not answer.failed or self._cloud.stopping.wait(RETRY_SECONDS[attempt]):
                break
            answer = self._attempt(function, event, request_id)
        self._report(function, event, answer, config.get("DestinationConfig") or {}, request_id, retries + 1)

    def _attempt(self, function: LambdaFunction, event: str, request_id: str) -> Answer:
        while True:
            try:
                return self._run(function, event, request_id)
            except LambdaClientError as error:
                if error.error_type != "TooManyRequestsException" or self._cloud.stopping.wait(THROTTLED_SECONDS):
                    raise

    def _report(
        self,
        function: LambdaFunction,
        event: str,
        answer: Answer,
        destinations: dict[str, Any],
        request_id: str,
        attempts: int,
    ) -> None:
        wanted = destinations.get("OnFailure" if answer.failed else "OnSuccess") or {}
        if arn := wanted.get("Destination"):
            record = destination_record(function, event, answer, request_id, attempts)
            send(self._cloud, arn, json.dumps(record))
        if answer.failed and function.dead_letter_arn:
            send(self._cloud, function.dead_letter_arn, event)


def destination_record(
    function: LambdaFunction, event: str, answer: Answer, request_id: str, attempts: int
) -> dict[str, Any]:
    """What a destination gets."""
    record = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function.function_arn}:{function.version}",
            "condition": "RetriesExhausted" if answer.failed else "Success",
            "approximateInvokeCount": attempts if answer.failed else 1,
        },
        "requestPayload": json.loads(event),
        "responseContext": {"statusCode": 200, "executedVersion": str(function.version)},
        "responsePayload": json.loads(answer.payload),
    }
    if answer.failed:
        record["responseContext"]["functionError"] = "Unhandled"
    return record
