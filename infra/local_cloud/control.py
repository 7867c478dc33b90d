"""Start, find and stop a local cloud that runs in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local_cloud import state
from infra.local_cloud.cloud import REPOSITORY
from infra.local_cloud.state import State

START_SECONDS = 900.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1


class StartFailed(Exception):
    """The local cloud ended, or was not ready in time. Says what its log ends with."""


def status(state_dir: Path) -> State | None:
    """The local cloud that runs in this folder, or None."""
    return state.read(state_dir)


def start(
    state_dir: Path,
    port: int = 0,
    api_port: int = 0,
    bases: Path | None = None,
    assembly: Path | None = None,
    timeout: float = START_SECONDS,
) -> State:
    """Start one in the background and wait until it is ready. One that runs already is left alone."""
    if running := status(state_dir):
        return running
    state_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "infra.local_cloud", "--state-dir", str(state_dir.resolve())]
    command += ["--port", str(port), "--api-port", str(api_port)]
    command += ["--bases", str(bases.resolve())] if bases else []
    command += ["--assembly", str(assembly.resolve())] if assembly else []
    with (state_dir / "output.log").open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return _wait_until_ready(state_dir, process, timeout)


def _wait_until_ready(state_dir: Path, process: "subprocess.Popen[bytes]", timeout: float) -> State:
    end = time.monotonic() + timeout
    try:
        while process.poll() is None and time.monotonic() < end:
            found = status(state_dir)
            if found and found.pid == process.pid:
                return found
            time.sleep(POLL_SECONDS)
    except BaseException:  # whoever waits was interrupted: nobody would know of the process that is starting
        _end(process.pid, state.started_at(process.pid))
        raise
    why = "was not ready in time" if process.poll() is None else f"ended with status {process.returncode}"
    if process.poll() is None:
        _end(process.pid, state.started_at(process.pid))
    raise StartFailed(f"the local cloud {why}; {state_dir / 'cloud.log'} has more:\n{_last_words(state_dir)}")


def _last_words(state_dir: Path, lines: int = 15) -> str:
    text = (state_dir / "output.log").read_text(errors="replace")
    return "\n".join(text.splitlines()[-lines:])


def stop(state_dir: Path) -> bool:
    """Stop the one that runs in this folder, with all its processes. False where none runs."""
    running = status(state_dir)
    if running is None:
        return False
    _end(running.pid, running.started_at)
    return True


def _end(pid: int, started_at: float | None) -> None:
    """SIGTERM, then SIGKILL; only to the process that started then."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if started_at is None or state.started_at(pid) != started_at:
            return
        os.kill(pid, number)
        end = time.monotonic() + STOP_SECONDS
        while state.started_at(pid) == started_at and time.monotonic() < end:
            _bury(pid)
            time.sleep(POLL_SECONDS)


def _bury(pid: int) -> None:
    """Where it is our own child, take its exit status, so that it does not stay behind as a zombie."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


@contextmanager
def local_cloud(state_dir: Path, bases: Path | None = None, assembly: Path | None = None) -> Iterator[State]:
    """A local cloud for the length of a block, in a process of its own."""
    try:
        yield start(state_dir, bases=bases, assembly=assembly)
    finally:
        stop(state_dir)
