"""The RUNS table: one row per run, moved forward only by writes that name the revision they saw."""

import builtins
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tunesmith.adapters import clock, dynamo
from tunesmith.adapters.dynamo import Put, Row
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.runs import Run, RunRequest, RunStatus
from tunesmith.contracts.tables import RUNS
from tunesmith.domain import runs

KEY = ("run_id",)
ATTEMPTS = 10
"""Writers of one run are few: its state machine and the people who watch it."""


@dataclass(frozen=True)
class Runs:
    """The runs of all projects."""

    table: str

    def new(self, run: Run, owner: str) -> Put:
        """The row of a run that must not be there yet, to be written with what it is about."""
        return Put.new(self.table, _row(run, owner, revision=1), KEY)

    def find(self, run_id: str) -> Run | None:
        """The run as of now, or None."""
        row = dynamo.get(self.table, {"run_id": run_id})
        return run_of(row) if row else None

    def get(self, run_id: str) -> Run:
        """The run as of now. Raises NotFound."""
        return run_of(self._existing(run_id))

    def list(self, project: str | None = None) -> builtins.list[Run]:
        """Newest first, for people: of one project from an index that may lag behind, or of all."""
        if project is None:
            return sorted(map(run_of, dynamo.scan(self.table)), key=lambda run: run.request.created_at, reverse=True)
        return [run_of(row) for row in dynamo.query_index(self.table, RUNS.indexes[0].name, ("project", project))]

    def unfinished(self) -> Iterator[Run]:
        """Every run that has not ended, as of now."""
        yield from (run for run in map(run_of, dynamo.scan(self.table)) if not run.status.is_final)

    def move(self, run_id: str, change: Callable[[Run], Run | None], task_token: str | None = None) -> Run | None:
        """Write what `change` makes of the run as it is; None where it makes nothing of it.

        Reads again and tries again where somebody else wrote first. The task token, where given, is kept beside it.
        """
        for _ in range(ATTEMPTS):
            row = self._existing(run_id)
            changed = change(run_of(row))
            if changed is None:
                return None
            if dynamo.put(self._next(row, changed, task_token or row.get("task_token"))):
                return changed
        raise Conflict(f"run {run_id} was changed by others {ATTEMPTS} times in a row; try again")

    def cancel(self, run_id: str) -> None:
        """Mark a run as cancelled; one that has ended stays as it is."""
        self.move(run_id, lambda run: runs.cancelled(run, clock.now()))

    def retry(self, run_id: str) -> str:
        """Queue the same request as its next attempt; the id of the new run."""
        request = self.get(run_id).request
        while True:
            request = runs.next_attempt(request, run_id, clock.now())
            run = Run(request=request, updated_at=request.created_at)
            if dynamo.put(self.new(run, dynamo.owner_token())):
                return request.run_id

    def task_token(self, run_id: str) -> str:
        """What lets a waiting run go on. Never log it."""
        row = self._existing(run_id)
        if row["status"] != RunStatus.WAITING or "task_token" not in row:
            raise Conflict(f"run {run_id} waits for nobody: it is {row['status']}")
        return str(row["task_token"])

    def _existing(self, run_id: str) -> Row:
        row = dynamo.get(self.table, {"run_id": run_id})
        if row is None:
            raise NotFound(f"no run {run_id}: `tunesmith runs list` shows those that there are")
        return row

    def _next(self, row: Row, changed: Run, token: str | None) -> Put:
        revision = int(row["revision"])
        following = _row(changed, dynamo.owner_token(), revision + 1) | {"task_token": token}
        return Put(self.table, following, KEY, condition="revision = :seen", values={":seen": revision})


def run_of(row: Row) -> Run:
    """The run that a row tells of."""
    return Run(
        request=RunRequest.model_validate_json(row["document"]),
        status=row["status"],
        stage=row["stage"],
        outcome=row.get("outcome"),
        reasons=json.loads(row["reasons"]),
        version=row.get("version"),
        execution_arn=row.get("execution_arn"),
        updated_at=row["updated_at"],
    )


def _row(run: Run, owner: str, revision: int) -> Row:
    return {
        "run_id": run.request.run_id,
        "project": run.request.project,
        "created_at": run.request.created_at,
        "document": run.request.model_dump_json(),
        "status": run.status.value,
        "stage": run.stage.value,
        "outcome": run.outcome.value if run.outcome else None,
        "reasons": json.dumps(run.reasons),
        "version": run.version,
        "execution_arn": run.execution_arn,
        "updated_at": run.updated_at,
        "owner": owner,
        "revision": revision,
    }
