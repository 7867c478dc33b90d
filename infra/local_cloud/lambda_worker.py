"""One execution environment of a Lambda function: a warm Python process that runs the handler, request by request.

Stands in for AWS's runtime. Started by `lambda_workers.py` as a script, with nothing of ours importable but what the
function ships. Reads requests as JSON lines from one inherited descriptor, answers on another; stdout and stderr are
the function's log. Ends when its requests end.
"""

import importlib
import json
import os
import signal
import sys
import sysconfig
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any


class Context:
    """What AWS hands to a handler beside the event."""

    def __init__(self, request: dict[str, Any]):
        self.aws_request_id = request["request_id"]
        self.invoked_function_arn = request["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = self.client_context = self.tenant_id = None
        self._deadline = time.monotonic() + request["timeout"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def error_answer(name: str, message: str, place: TracebackType | None = None) -> dict[str, Any]:
    """A failed request, as the runtime reports it."""
    frames = traceback.format_list(traceback.extract_tb(place)) if place else []
    return {"failed": True, "payload": json.dumps({"errorMessage": message, "errorType": name, "stackTrace": frames})}


def load_handler() -> Callable[[Any, Context], Any] | dict[str, Any]:
    """The function's handler, or the answer to its requests where it cannot be loaded."""
    spelled = os.environ["_HANDLER"]
    module_name, _, name = spelled.rpartition(".")
    try:
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        traceback.print_exc()
        return error_answer("Runtime.ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except Exception as error:  # the function's own code, at its boundary
        traceback.print_exc()
        return error_answer(type(error).__name__, str(error), error.__traceback__)
    if not hasattr(module, name):
        return error_answer("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module_name}'")
    handler: Callable[[Any, Context], Any] = getattr(module, name)
    return handler


def run(handler: Callable[[Any, Context], Any], request: dict[str, Any]) -> dict[str, Any]:
    os.environ["_X_AMZN_TRACE_ID"] = request["trace_id"]
    try:
        result = handler(json.loads(request["event"]), Context(request))
    except Exception as error:  # the function's own code, at its boundary
        traceback.print_exc()
        return error_answer(type(error).__name__, str(error), error.__traceback__)
    try:
        return {"failed": False, "payload": json.dumps(result, ensure_ascii=False)}
    except (TypeError, ValueError) as error:
        return error_answer("Runtime.MarshalError", f"Unable to marshal response: {error}")


def see_only_what_ships(roots: list[str]) -> None:
    """Put the function's folders first on sys.path, and leave out the working tree: an editable install has put it
    there, and a module that the function forgot to ship would be found after all."""
    installed = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    base = Path(sysconfig.get_path("stdlib"))
    kept = [path for path in sys.path if path and any(Path(path) == Path(root) for root in installed)]
    kept += [
        path for path in sys.path if path and Path(path).name in ("lib-dynload", f"{base.name.replace('.', '')}.zip")
    ]
    sys.path[:] = roots + kept


def main(requests_fd: int, answers_fd: int, roots: list[str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the local cloud, which ends its workers
    see_only_what_ships(roots)
    with os.fdopen(requests_fd) as requests, os.fdopen(answers_fd, "w") as answers:
        handler = load_handler()
        print(json.dumps({"ready": True}), file=answers, flush=True)
        for line in requests:
            answer = run(handler, json.loads(line)) if callable(handler) else handler
            sys.stdout.flush()
            sys.stderr.flush()
            print(json.dumps(answer), file=answers, flush=True)
            if not callable(handler):
                break  # AWS starts a new environment after a failed start


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
