"""A container's command as a process of this machine, logged and ended the way ECS does it.

No container runs here: the command finds the repository as its working directory and this Python as `python`.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from infra.local_cloud.cloud import REPOSITORY, Cloud
from infra.local_cloud.processes import Child

POLL_SECONDS = 0.05
DRAIN_SECONDS = 5


@dataclass(frozen=True)
class Ending:
    """How a container ended."""

    exit_code: int
    """As Docker reports it: 128 + the signal if one killed the process."""
    timed_out: bool
    stopped: bool


@dataclass(frozen=True)
class Limits:
    """What ends a container from outside."""

    stop: threading.Event
    timeout_seconds: float | None = None
    stop_timeout_seconds: float = 120
    """Between SIGTERM and SIGKILL."""


def local_argv(cloud: Cloud, command: Sequence[str], image: str = "") -> list[str]:
    """The command with this machine's Python; the entry point of a job's image where the command names none."""
    if command and command[0] in ("python", "python3"):
        return [cloud.python, *command[1:]]
    job = job_of_image(cloud, image)
    return [cloud.python, "-m", f"batch_jobs.{job}", *command] if job else list(command)


def job_of_image(cloud: Cloud, image: str) -> str | None:
    """Name of the job in `batch_jobs` whose container the image is."""
    separator = "@" if "@" in image else ":"
    return cloud.images.get(image) or cloud.images.get(image.rpartition(separator)[2])


def run(
    cloud: Cloud, argv: Sequence[str], environment: Mapping[str, str], log: Callable[[str], None], limits: Limits
) -> Ending:
    """Run to the end, passing on each line of stdout and stderr as it comes."""
    child = cloud.processes.start(
        argv,
        env=cloud.environment() | cloud.job_environment | dict(environment),
        name=" ".join(argv[-3:]),
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    reader = threading.Thread(target=_pass_lines, args=(child, log), daemon=True)
    reader.start()
    timed_out = _wait(child, limits)
    reader.join(DRAIN_SECONDS)
    code = child.wait()
    return Ending(exit_code=code if code >= 0 else 128 - code, timed_out=timed_out, stopped=limits.stop.is_set())


def _pass_lines(child: Child, log: Callable[[str], None]) -> None:
    if child.stdout is None:
        raise ValueError("a container's process has no stdout: start it with a pipe")
    with child.stdout:
        for line in child.stdout:
            log(line.decode("utf-8", "replace"))


def _wait(child: Child, limits: Limits) -> bool:
    """Wait for the end or bring it about; answers whether the time ran out."""
    deadline = None if limits.timeout_seconds is None else time.monotonic() + limits.timeout_seconds
    while child.poll() is None:
        overdue = deadline is not None and time.monotonic() > deadline
        if overdue or limits.stop.is_set():
            child.stop(limits.stop_timeout_seconds)
            return overdue
        time.sleep(POLL_SECONDS)
    return False
