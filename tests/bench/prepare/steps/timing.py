"""What every program of a step does: everything once on little, so that nothing is loaded later, then once measured."""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Work = Callable[[], list[str] | None]
"""The step itself; the ids of the rows that it would drop, where it is one that drops."""
Contestant = Callable[[Path], Work]
"""Reads the input, which is not counted, and gives the work, which is."""


def run(contestants: Mapping[str, Contestant]) -> None:
    name, file, small, answer = sys.argv[1], *map(Path, sys.argv[2:])
    contestants[name](small)()
    work = contestants[name](file)
    before = _cpu_seconds()
    dropped = work()
    seconds = _cpu_seconds() - before
    answer.write_text(json.dumps({"cpu_seconds": seconds, "dropped": dropped}))


def read(file: Path) -> list[dict[str, Any]]:
    with file.open() as lines:
        return [json.loads(line) for line in lines]


def _cpu_seconds() -> float:
    """Of this process and of its children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime
