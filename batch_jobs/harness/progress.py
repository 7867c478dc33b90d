"""How far a job has come: `progress.json` for the platform, a bar for a person at a terminal."""

import importlib.util
import sys
import time
from typing import TYPE_CHECKING

from batch_jobs.harness.fencing import Fence
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.jobs import JobName, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

SECONDS_BETWEEN_WRITES = 1.0


class ProgressReport:
    """Writes at most once a second, and the end of the work always; as everything, only for the newest attempt."""

    def __init__(self, storage: Storage, uri: str, job: JobName, fence: Fence):
        self._storage, self._uri, self._job, self._fence = storage, uri, job, fence
        self._written_at = float("-inf")
        self._bar = _bar()

    def update(self, done: float, total: float, unit: str, note: str = "") -> None:
        progress = Progress(job=self._job, done=done, total=total, unit=unit, note=note)
        if self._bar:
            self._draw(self._bar, progress)
        if done >= total or time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            self._fence.check()  # a machine that was given up may work on for hours: here it learns of it
            self._storage.write(self._uri, progress.model_dump_json(), content_type="application/json")
            self._written_at = time.monotonic()

    def close(self) -> None:
        if self._bar:
            self._bar.stop()

    def _draw(self, bar: "Bar", progress: Progress) -> None:
        if not bar.tasks:
            bar.start()
            bar.add_task(self._job)
        text = f"{self._job} {progress.note or progress.unit}"
        bar.update(bar.tasks[0].id, completed=progress.done, total=progress.total, description=text)


def _bar() -> "Bar | None":
    """A progress bar where somebody watches; images come without rich, and nobody watches there."""
    if not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        return None
    from rich.console import Console
    from rich.progress import Progress as Bar

    return Bar(console=Console(stderr=True))
