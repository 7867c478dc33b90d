"""Warm workers for Lambda functions: started on demand, used again, ended when their function changes.

A worker runs one request at a time. A function that gets more requests at once gets more workers, up to a limit that
suits one machine; beyond it, requests wait.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from moto.awslambda.models import LambdaFunction

from infra.local_cloud import trail
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.lambda_code import forget_unused, import_roots

WORKER = Path(__file__).with_name("lambda_worker.py")
START_SECONDS = 60.0
"""AWS gives a function 10 s to start; a laptop that starts many at once needs more."""
MOST_WORKERS = max(4, 2 * (os.cpu_count() or 2))


@dataclass(frozen=True)
class Setup:
    """All that a worker of a function is made of: when any of it changes, another worker is needed."""

    arn: str
    name: str
    version: str
    handler: str
    runtime: str
    memory: int
    log_group: str
    variables: tuple[tuple[str, str], ...]
    code: str
    layers: tuple[str, ...]

    @classmethod
    def of(cls, function: LambdaFunction) -> "Setup":
        return cls(
            arn=function.function_arn,
            name=function.function_name,
            version=str(function.version),
            handler=str(function.handler),
            runtime=str(function.run_time),
            memory=int(function.memory_size),
            log_group=function.logs_group_name,
            variables=tuple(sorted((name, str(value)) for name, value in (function.environment_vars or {}).items())),
            code=function.code_digest,
            layers=tuple(layer["Arn"] for layer in function.layers),
        )


@dataclass(frozen=True)
class Answer:
    """What became of one request."""

    payload: str
    failed: bool
    lines: list[str]
    """What the function logged meanwhile."""
    milliseconds: float
    init_milliseconds: float | None = None
    """Of a worker's first request."""


class Worker:
    """One process that runs one function's handler."""

    def __init__(self, cloud: Cloud, setup: Setup, function: LambdaFunction):
        self.setup = setup
        self.stream = f"{datetime.now(UTC):%Y/%m/%d}/[{setup.version}]{uuid.uuid4().hex}"
        self.alive, self._timed_out = True, False
        self._started, self._init = time.monotonic(), None
        self._log = _appended_file(cloud.state_dir)
        requests_read, requests_write = os.pipe()
        answers_read, answers_write = os.pipe()
        roots = [str(root) for root in import_roots(function, cloud.state_dir / "functions")]
        self._child = cloud.processes.start(
            [cloud.python, "-u", str(WORKER), str(requests_read), str(answers_write), *roots],
            env=cloud.environment() | self._environment(roots[0]),
            name=setup.name,
            cwd=Path(roots[0]),
            stdout=self._log,
            stderr=self._log,
            pass_fds=(requests_read, answers_write),
        )
        os.close(requests_read)
        os.close(answers_write)
        self._requests, self._answers = os.fdopen(requests_write, "w"), os.fdopen(answers_read)

    def _environment(self, root: str) -> dict[str, str]:
        setup = self.setup
        return {
            "_HANDLER": setup.handler,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{setup.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": setup.name,
            "AWS_LAMBDA_FUNCTION_VERSION": setup.version,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(setup.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": setup.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self.stream,
            "AWS_SESSION_TOKEN": "local",
            "LAMBDA_TASK_ROOT": root,
            "PYTHONDONTWRITEBYTECODE": "",
            **trail.application(setup.name),
        } | dict(setup.variables)

    def run(self, event: str, request_id: str, arn: str, timeout: float) -> Answer:
        """One request to its end; a worker that does not end it in time is killed."""
        began = time.monotonic()
        init = self._wait_until_ready()
        if not self.alive:
            return self._answer(began, None, init, timeout)
        began = time.monotonic()
        request = {"event": event, "request_id": request_id, "arn": arn, "timeout": timeout}
        request["trace_id"] = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0"
        try:
            print(json.dumps(request), file=self._requests, flush=True)
        except BrokenPipeError:
            self.end()
            return self._answer(began, None, init, timeout)
        return self._answer(began, self._read(timeout), init, timeout)

    def _wait_until_ready(self) -> float | None:
        """Milliseconds that it took to start, for the first request only."""
        if self._init is not None:
            return None
        self._read(START_SECONDS)
        self._init = (time.monotonic() - self._started) * 1000
        return self._init

    def warm_up(self) -> None:
        self._wait_until_ready()

    def _read(self, timeout: float) -> dict[str, Any] | None:
        """The next line from the worker. None, and the end of the worker, where none comes."""
        ready, _, _ = select.select([self._answers], [], [], timeout)
        line = self._answers.readline() if ready else ""
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        self._timed_out = not ready
        self.end()
        return None

    def _answer(self, began: float, answer: dict[str, Any] | None, init: float | None, timeout: float) -> Answer:
        took = (time.monotonic() - began) * 1000
        lines = self._take_log()
        if answer is not None:
            return Answer(answer["payload"], answer["failed"], lines, took, init)
        if self._timed_out:
            error = {"errorType": "Sandbox.Timedout", "errorMessage": f"Task timed out after {timeout:.2f} seconds"}
        else:
            status = self._exit_status()
            error = {"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited with error: {status}"}
        return Answer(json.dumps(error), True, lines, took, init)

    def _exit_status(self) -> str:
        code = self._child.wait(10)
        return f"signal: {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _take_log(self) -> list[str]:
        self._log.seek(0)
        text = self._log.read().decode(errors="replace")
        self._log.truncate(0)
        return text.splitlines()

    def end(self) -> None:
        """No more requests; what still runs is killed."""
        if not self.alive:
            return
        self.alive = False
        with contextlib.suppress(BrokenPipeError):  # it ended with a request unread
            self._requests.close()
        try:
            self._child.wait(0 if self._timed_out else 1)
        except subprocess.TimeoutExpired:
            self._child.kill()
        self._child.wait(10)
        self._answers.close()


def _appended_file(folder: Path) -> IO[bytes]:
    """A nameless file to which every write appends, so that it may be emptied while the worker has it open."""
    file = tempfile.TemporaryFile("w+b", dir=folder)  # noqa: SIM115  (open as long as its worker)
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return file


class Workers:
    """All workers of one cloud."""

    def __init__(self, cloud: Cloud):
        self._cloud = cloud
        self._idle: dict[str, list[Worker]] = defaultdict(list)
        self._slots: dict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(MOST_WORKERS))
        self._lock = threading.Lock()
        code = cloud.state_dir / "functions"
        code.mkdir(parents=True, exist_ok=True)
        forget_unused(code)

    @contextmanager
    def borrowed(self, function: LambdaFunction) -> Iterator[Worker]:
        """A worker of the function as it is now, for one request."""
        setup = Setup.of(function)
        with self._lock:
            slots = self._slots[setup.arn]
        with slots:
            worker = self._take_idle(setup) or Worker(self._cloud, setup, function)
            try:
                yield worker
            finally:
                self._give_back(worker)

    def start(self, function: LambdaFunction) -> None:
        """Have a warm worker before the first request."""
        with self.borrowed(function) as worker:
            worker.warm_up()

    def _take_idle(self, setup: Setup) -> Worker | None:
        with self._lock:
            idle = self._idle[setup.arn]
            stale = [worker for worker in idle if worker.setup != setup]
            fresh = [worker for worker in idle if worker.setup == setup]
            taken = fresh.pop() if fresh else None
            self._idle[setup.arn] = fresh
        for worker in stale:
            worker.end()
        return taken

    def _give_back(self, worker: Worker) -> None:
        if worker.alive:
            with self._lock:
                self._idle[worker.setup.arn].append(worker)
