"""What a job is given besides its params: storage, a private folder, and ways to tell how it goes and to stop."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batch_jobs.harness.fencing import Fence
from batch_jobs.harness.progress import ProgressReport
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.errors import Interrupted
from tunesmith.contracts.jobs import JobName


class JobContext:
    """One attempt of one job."""

    def __init__(
        self, job: JobName, run_id: str, storage: Storage, workdir: Path, fence: Fence, report: ProgressReport
    ):
        self.job, self.run_id = job, run_id
        self.storage, self.workdir, self.fence = storage, workdir, fence
        self._report = report
        self._interrupted = False

    def log(self, message: str, **facts: Any) -> None:
        """One line of JSON on stdout; facts are numbers and names, never rows of data."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"timestamp": at, "job": self.job, "run_id": self.run_id, "message": message, **facts}
        print(json.dumps(line, default=str), flush=True)

    def progress(self, done: float, total: float, unit: str, note: str = "") -> None:
        """Tell those who watch; cheap enough to call for every step."""
        self._report.update(done, total, unit, note)

    def interrupt(self) -> None:
        """Ask the job to stop at its next safe point; safe to call from a signal handler."""
        self._interrupted = True

    @property
    def interrupted(self) -> bool:
        return self._interrupted

    def check_interrupted(self) -> None:
        """Raises Interrupted where the machine is being taken away. For jobs whose work is cheap to do again."""
        if self._interrupted:
            raise Interrupted(f"{self.job} of {self.run_id} was asked to stop (SIGTERM); starting it again is safe")


Job = Callable[[Any, JobContext], Any]
"""`(params, context) -> result`."""
