"""The child processes of the local cloud. None outlives it, however it ends.

Each child leads a process group of its own, and as with a container the group ends with its leader. When the server
stops in order, the groups get SIGTERM and then SIGKILL. When it is killed, a watchdog process sees the end of a pipe
and kills the groups that were still running; on Linux the kernel ends the leaders as well (PR_SET_PDEATHSIG).
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

HERE = Path(__file__).parent
ISOLATED = (sys.executable, "-I", "-S")
"""A Python that starts in milliseconds: no site-packages, no environment."""


class Child:
    """A running child process and its group. Only its reaper waits for it, so that its id stays its own until the
    whole group is gone."""

    def __init__(self, process: "subprocess.Popen[bytes]", name: str):
        self._process, self.name = process, name
        self._ended = threading.Event()
        self.pid = process.pid
        self.stdin: IO[bytes] | None = process.stdin
        self.stdout: IO[bytes] | None = process.stdout
        self.stderr: IO[bytes] | None = process.stderr

    @property
    def returncode(self) -> int | None:
        """None while it runs; minus the signal's number where one ended it."""
        return self._process.returncode if self._ended.is_set() else None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(self._process.args, timeout or 0.0)
        return self._process.returncode

    def signal(self, number: int) -> None:
        """Send a signal to the whole group."""
        if not self._ended.is_set():
            kill_group(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def stop(self, grace: float = 5.0) -> int:
        """SIGTERM to the group, SIGKILL after `grace` seconds."""
        self.signal(signal.SIGTERM)
        if not self._ended.wait(grace):
            self.kill()
        return self.wait()

    def reap(self) -> None:
        """Wait for the leader, end what is left of its group, and only then give its id back."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        kill_group(self.pid, signal.SIGKILL)
        self._process.wait()
        self._ended.set()


class Processes:
    """All child processes of one local cloud."""

    def __init__(self, state_dir: Path):
        self.state_dir = state_dir
        self._children: dict[int, Child] = {}
        self._lock = threading.Lock()
        self._stopped = False
        self._watchdog = subprocess.Popen(
            [*ISOLATED, str(HERE / "watchdog.py")], stdin=subprocess.PIPE, start_new_session=True
        )
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")

    def start(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        name: str = "",
        cwd: Path | None = None,
        stdin: int | IO[bytes] | None = subprocess.DEVNULL,
        stdout: int | IO[bytes] | None = None,
        stderr: int | IO[bytes] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Child:
        """Start a child in a process group of its own; `env` is all of its environment."""
        options: dict[str, Any] = {"env": dict(env), "cwd": cwd, "pass_fds": tuple(pass_fds)}
        options |= {"stdin": stdin, "stdout": stdout, "stderr": stderr, "start_new_session": True}
        child = self._spawner.submit(self._spawn, list(command), name or command[0], options).result()
        threading.Thread(target=self._reap, args=(child,), daemon=True, name=f"reaper-{child.pid}").start()
        return child

    def running(self) -> list[Child]:
        with self._lock:
            return list(self._children.values())

    def stop(self, grace: float = 5.0) -> None:
        """End all children and accept no more."""
        with self._lock:
            self._stopped = True
            children = list(self._children.values())
        for child in children:
            child.signal(signal.SIGTERM)
        with ThreadPoolExecutor(max(1, len(children))) as stoppers:
            list(stoppers.map(lambda child: child.stop(grace), children))
        self._spawner.shutdown()
        assert self._watchdog.stdin
        self._watchdog.stdin.close()
        self._watchdog.wait()

    def _spawn(self, command: list[str], name: str, options: dict[str, Any]) -> Child:
        """Runs on one thread that lives as long as the server: PR_SET_PDEATHSIG follows the thread that forked."""
        launched = [*ISOLATED, str(HERE / "launcher.py"), str(os.getpid()), *command]
        with self._lock:
            if self._stopped:
                raise RuntimeError(f"cannot start {name}: the local cloud is stopping")
            child = Child(subprocess.Popen(launched, **options), name)
            self._children[child.pid] = child
            self._tell_watchdog(f"+{child.pid}")
        return child

    def _reap(self, child: Child) -> None:
        child.reap()
        with self._lock:
            self._children.pop(child.pid)
            self._tell_watchdog(f"-{child.pid}")

    def _tell_watchdog(self, line: str) -> None:
        assert self._watchdog.stdin
        with contextlib.suppress(
            BrokenPipeError, ValueError
        ):  # the watchdog was killed, or told to go: we stop in order
            self._watchdog.stdin.write(f"{line}\n".encode())
            self._watchdog.stdin.flush()


def kill_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
        os.killpg(group, number)
