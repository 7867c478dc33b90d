"""Children with real processes: how they start, end, and never outlive the server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.local_cloud.processes import Child, Processes

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
WITH_GRANDCHILD = [
    sys.executable,
    "-c",
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True)\n"
    "sys.stdin.read()",
]
SERVER = """
import os, subprocess, sys
from pathlib import Path
from infra.local_cloud.processes import Processes
processes = Processes(Path(sys.argv[1]))
child = processes.start({command!r}, env=os.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(child.pid, child.stdout.readline().decode().strip(), processes._watchdog.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    processes.stop(grace=0.5)


def start(processes: Processes, command: list[str]) -> Child:
    child = processes.start(command, env=os.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return child


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not within time"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_child_gets_command_environment_and_folder(processes: Processes, tmp_path: Path) -> None:
    code = "import os, sys; print(os.environ['WORD'], os.getcwd(), *sys.argv[1:])"
    child = processes.start(
        [sys.executable, "-c", code, "a b"], env={"WORD": "hello"}, cwd=tmp_path, stdout=subprocess.PIPE
    )
    assert child.stdout and child.stdout.read().decode().strip() == f"hello {tmp_path} a b"
    assert child.wait(10) == 0


def test_child_that_cannot_start_says_why(processes: Processes) -> None:
    child = processes.start(["no-such-command"], env=dict(os.environ), stderr=subprocess.PIPE)
    assert child.stderr and b"cannot run no-such-command" in child.stderr.read()
    assert child.wait(10) == 1


def test_running_child_is_known_until_it_ends(processes: Processes) -> None:
    child = start(processes, SLEEPER)
    assert processes.running() == [child] and child.poll() is None
    child.kill()
    assert child.wait(10) == -signal.SIGKILL
    until(lambda: processes.running() == [])


def test_waiting_for_a_running_child_times_out(processes: Processes) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        start(processes, SLEEPER).wait(0.05)


def test_stop_kills_a_child_that_ignores_sigterm(processes: Processes) -> None:
    child = start(processes, STUBBORN)
    assert child.stdout and child.stdout.readline() == b"up\n"
    assert child.stop(grace=0.2) == -signal.SIGKILL


def test_group_ends_with_its_leader(processes: Processes) -> None:
    child = start(processes, WITH_GRANDCHILD)
    assert child.stdout and child.stdin
    grandchild = int(child.stdout.readline())
    child.stdin.close()
    assert child.wait(10) == 0
    until(lambda: gone(grandchild))


def test_stop_ends_every_group_and_the_watchdog(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    child = start(processes, WITH_GRANDCHILD)
    assert child.stdout
    pids = [child.pid, int(child.stdout.readline()), processes._watchdog.pid]
    processes.stop(grace=1)
    until(lambda: all(gone(pid) for pid in pids))  # what was killed may take a moment to be gone


def test_stopped_processes_start_nothing_more(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.stop()
    with pytest.raises(RuntimeError):
        processes.start(SLEEPER, env=os.environ)


@pytest.mark.parametrize("command", [WITH_GRANDCHILD, STUBBORN])
def test_sigkill_of_the_server_leaves_no_process_behind(tmp_path: Path, command: list[str]) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER.format(command=command), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout
    child, line, watchdog = server.stdout.readline().decode().split()
    pids = [int(word) for word in (child, line, watchdog) if word.isdigit()]
    server.send_signal(signal.SIGKILL)
    server.wait()
    until(lambda: all(gone(pid) for pid in pids))
