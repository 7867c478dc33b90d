"""One contestant, once: a fresh process and its children on chosen cores, their CPU-seconds and memory."""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.bench.measuring import Sample

EVERY_SECONDS = 0.05
"""Between two looks at the memory of the tree; a peak between them is not seen. The kernel's own maximum is of no use:
a child inherits that of whoever started it."""
SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")


class DidNotFinish(Exception):
    """A contestant failed or took longer than it may; the reason is its message."""


def run_pinned(command: Sequence[str], log: Path, cores: int, limit_seconds: float) -> Sample:
    """CPU of the process and all its children, the clock, the peak of their resident memory together (shared pages
    counted in each). Raises DidNotFinish."""
    environment = os.environ | {name: str(cores) for name in SINGLE_THREADED} | {"PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody pays for compiling Python more than once
    started = time.monotonic()
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["taskset", "-c", ",".join(map(str, range(cores))), *command],
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    memory = _Memory(process.pid)
    timer = threading.Timer(limit_seconds, lambda: os.killpg(process.pid, 9))
    timer.start()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    wall, peak = time.monotonic() - started, memory.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise DidNotFinish(_reason(process.returncode, log, limit_seconds))
    return Sample(usage.ru_utime + usage.ru_stime, wall, peak / 1e6)


class _Memory:
    """Watches a tree of processes until it is stopped."""

    def __init__(self, pid: int):
        self._pid, self._peak, self._done = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._done.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._done.wait(EVERY_SECONDS):
            self._peak = max(self._peak, tree_bytes(self._pid))


def tree_bytes(pid: int) -> int:
    try:
        parent = psutil.Process(pid)
        tree = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_resident(process) for process in tree)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _reason(code: int, log: Path, limit_seconds: float) -> str:
    if code == -9:
        return f"stopped after {limit_seconds:.0f} s, or killed for want of memory"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return f"exit {code}: {lines[-1][:200] if lines else 'nothing said'}"
