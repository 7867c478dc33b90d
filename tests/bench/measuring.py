"""Measuring: fresh processes or functions, in turns, so that a busy machine disturbs all of them alike; medians.

CPU-seconds rather than the clock wherever the machine is shared.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """What one repetition took."""

    cpu_seconds: float
    wall_seconds: float
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Samples:
    each: list[Sample]

    @property
    def cpu(self) -> float:
        return median(sample.cpu_seconds for sample in self.each)

    @property
    def wall(self) -> float:
        return median(sample.wall_seconds for sample in self.each)

    @property
    def peak_mb(self) -> float:
        return median(sample.peak_mb for sample in self.each)

    @property
    def range(self) -> tuple[float, float]:
        """Least and most CPU of any repetition."""
        figures = [sample.cpu_seconds for sample in self.each]
        return min(figures), max(figures)


def run_python(arguments: Sequence[str], environment: dict[str, str] | None = None) -> Sample:
    """One process of this Python. Raises RuntimeError where it fails."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | (environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    told = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} exited {process.returncode}: {told.decode()[-2000:]}")
    return Sample(usage.ru_utime + usage.ru_stime, time.monotonic() - started, usage.ru_maxrss / 1024)


def run_here(work: Callable[[], object]) -> Sample:
    """One call in this process; its threads count."""
    started, cpu = time.monotonic(), time.process_time()
    work()
    return Sample(time.process_time() - cpu, time.monotonic() - started)


def in_turns(cases: dict[str, Callable[[], Sample]], repetitions: int, warm_up: int = 1) -> dict[str, Samples]:
    """Every case once, then every case again; the first rounds only fill caches."""
    for _ in range(warm_up):
        for case in cases.values():
            case()
    found: dict[str, list[Sample]] = {name: [] for name in cases}
    for _ in range(repetitions):
        for name, case in cases.items():
            found[name].append(case())
    return {name: Samples(samples) for name, samples in found.items()}


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table as Markdown has it."""
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(_text(cell) for cell in row) + " |")
    print(flush=True)


def _text(cell: object) -> str:
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:,.0f}" if abs(cell) >= 100 else f"{cell:.3g}"
