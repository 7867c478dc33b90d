"""Lambda, for real: every way to invoke a function runs its handler in a warm worker process.

moto keeps functions, layers, versions and aliases; its own invocations need Docker, or echo the payload. Faithful here:
payloads, errors, timeouts, logs, throttling by reserved concurrency, retries of asynchronous invocations. Not: memory
limits (recorded only), the architecture, IAM.
"""

import base64
import json
import logging
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.awslambda.utils import get_backend

from infra.local_cloud.asynchronous_invocations import Asynchronous
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.lambda_workers import Answer, Workers
from infra.local_cloud.log_streams import LogStream
from infra.local_cloud.patching import replace
from infra.local_cloud.service_metrics import count_invocation

logger = logging.getLogger(__name__)

MOST_BYTES = 6 * 1024 * 1024
"""Of a synchronous request, and of any answer."""
MOST_ASYNCHRONOUS_BYTES = 1024 * 1024


class Throttled(LambdaClientError):
    code = 429

    def __init__(self) -> None:
        super().__init__("TooManyRequestsException", "Rate Exceeded.")


class RequestTooLarge(LambdaClientError):
    code = 413

    def __init__(self, size: int, most: int) -> None:
        super().__init__(
            "RequestTooLargeException",
            f"Request must be smaller than {most} bytes for the InvokeFunction operation, it has {size}.",
        )


class Functions:
    """Runs functions of one cloud."""

    def __init__(self, cloud: Cloud):
        self._cloud, self._workers = cloud, Workers(cloud)
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()

    def run(self, function: LambdaFunction, event: str, request_id: str | None = None) -> Answer:
        """One invocation. Raises Throttled where the reserved concurrency is used up."""
        if not str(function.run_time).startswith("python"):
            raise LambdaClientError(
                "InvalidRuntimeException",
                f"{function.function_name} is written for {function.run_time}; the local cloud runs Python only.",
            )
        request_id = request_id or str(uuid.uuid4())
        try:
            with self._counted(function), self._workers.borrowed(function) as worker:
                answer = worker.run(event, request_id, function.function_arn, float(function.timeout))
        except Throttled:
            self._report(function, error=False, throttled=True, milliseconds=0.0)
            raise
        answer = _within_limit(answer)
        self._log(function, worker.stream, request_id, answer)
        self._report(function, error=answer.failed, throttled=False, milliseconds=answer.milliseconds)
        return answer

    def _report(self, function: LambdaFunction, *, error: bool, throttled: bool, milliseconds: float) -> None:
        name = function.function_name
        count_invocation(self._cloud, name, error=error, throttled=throttled, milliseconds=milliseconds)

    def start(self, function: LambdaFunction) -> None:
        self._workers.start(function)

    @contextmanager
    def _counted(self, function: LambdaFunction) -> Iterator[None]:
        name = function.function_name
        reserved = get_backend(function.account_id, function.region).get_function(name).reserved_concurrency
        with self._lock:
            if reserved is not None and self._running[name] >= int(reserved):
                raise Throttled
            self._running[name] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[name] -= 1

    def _log(self, function: LambdaFunction, stream_name: str, request_id: str, answer: Answer) -> None:
        stream = LogStream(self._cloud, function.logs_group_name, stream_name)
        for line in log_lines(function, request_id, answer):
            stream.write(line)


def log_lines(function: LambdaFunction, request_id: str, answer: Answer) -> list[str]:
    """The function's own lines between those of the platform."""
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {answer.milliseconds:.2f} ms\t"
        f"Billed Duration: {int(answer.milliseconds) + 1} ms\tMemory Size: {function.memory_size} MB"
    )
    if answer.init_milliseconds is not None:
        report += f"\tInit Duration: {answer.init_milliseconds:.2f} ms"
    lines = [f"START RequestId: {request_id} Version: {function.version}", *answer.lines]
    if answer.failed and (message := json.loads(answer.payload)["errorMessage"]).startswith("Task timed out"):
        lines.append(f"{request_id} {message}")
    return [*lines, f"END RequestId: {request_id}", report]


def _within_limit(answer: Answer) -> Answer:
    if len(answer.payload.encode()) <= MOST_BYTES:
        return answer
    error = {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": f"Response payload size exceeded maximum allowed payload size ({MOST_BYTES} bytes).",
    }
    return Answer(json.dumps(error), True, answer.lines, answer.milliseconds, answer.init_milliseconds)


def functions_of(cloud: Cloud) -> Functions:
    found: Functions = cloud.services["lambdas"]
    return found


def install(cloud: Cloud) -> None:
    functions = cloud.services["lambdas"] = Functions(cloud)
    asynchronous = Asynchronous(cloud, functions.run)

    def invoke(self: Any) -> tuple[int, dict[str, str], bytes]:
        """The Invoke API."""
        name = unquote(self.path.rsplit("/", 2)[-2])
        function = self.backend.get_function(name, self.querystring.get("Qualifier", [None])[0])
        return _invoked(functions, asynchronous, function, self.body or "{}", self.headers)

    def invoke_function(self: LambdaFunction, body: str, request_headers: Any, response_headers: Any) -> bytes:
        """What other parts of moto call."""
        _, headers, payload = _invoked(functions, asynchronous, self, body or "{}", request_headers)
        response_headers.update(headers)
        return payload

    def invoke_lambda(self: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
        answer = functions.run(self, json.dumps(event or {}))
        return answer.payload, answer.failed, "\n".join(answer.lines)

    replace(cloud, LambdaResponse, "invoke", invoke)
    replace(cloud, LambdaFunction, "invoke", invoke_function)
    replace(cloud, LambdaFunction, "_invoke_lambda", invoke_lambda)
    _keep_more_of_a_function(cloud)


def _invoked(
    functions: Functions, asynchronous: Asynchronous, function: LambdaFunction, body: str, headers: Any
) -> tuple[int, dict[str, str], bytes]:
    kind = headers.get("X-Amz-Invocation-Type") or headers.get("x-amz-invocation-type") or "RequestResponse"
    size, most = len(body.encode()), MOST_ASYNCHRONOUS_BYTES if kind == "Event" else MOST_BYTES
    if size > most:
        raise RequestTooLarge(size, most)
    _require_json(body)
    if kind == "DryRun":
        return 204, {"status": "204"}, b""
    if kind == "Event":
        asynchronous.accept(function, body)
        return 202, {"status": "202"}, b""
    answer = functions.run(function, body)
    found = {"content-type": "application/json", "X-Amz-Executed-Version": str(function.version)}
    if answer.failed:
        found["X-Amz-Function-Error"] = "Unhandled"
    if headers.get("X-Amz-Log-Type") == "Tail":
        found["X-Amz-Log-Result"] = base64.b64encode("\n".join(answer.lines).encode()[-4096:]).decode()
    return 200, found, answer.payload.encode()


def _require_json(body: str) -> None:
    try:
        json.loads(body)
    except ValueError as error:
        message = f"Could not parse request body into json: {error}"
        raise LambdaClientError("InvalidRequestContentException", message) from error


def _keep_more_of_a_function(cloud: Cloud) -> None:
    """moto forgets a function's log group and dead-letter queue."""

    def init(self: LambdaFunction, account_id: str, spec: dict[str, Any], *args: Any, **options: Any) -> None:
        motos_init(self, account_id, spec, *args, **options)
        self.dead_letter_arn = None
        _keep(self, spec)

    def update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        _keep(self, config_updates)
        found: dict[str, Any] = motos_update(self, config_updates)
        return found

    motos_init = replace(cloud, LambdaFunction, "__init__", init)
    motos_update = replace(cloud, LambdaFunction, "update_configuration", update_configuration)


def _keep(function: LambdaFunction, spec: dict[str, Any]) -> None:
    if group := (spec.get("LoggingConfig") or {}).get("LogGroup"):
        function.logs_group_name = group
    if "DeadLetterConfig" in spec:
        function.dead_letter_arn = spec["DeadLetterConfig"].get("TargetArn") or None
