"""The RUNS table: one row per run, moved forward only by writes that name the revision they saw."""

import json
from collections.abc import Callable, Iterator

from tunesmith.adapters import dynamo
from tunesmith.adapters.dynamo import Put, Row
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.models import UNRESOLVED
from tunesmith.contracts.runs import Run, RunRequest, RunStatus
from tunesmith.contracts.tables import RUNS

KEY = ("run_id",)
ATTEMPTS = 10
"""Writers of one run are few: its state machine and the people who watch it."""


def new_run(table: str, run: Run, owner: str) -> Put:
    """The row of a run that must not be there yet, to be written with what it is about.

    Raises Conflict for a queued run whose request was once refused: it could only fail, or train by another recipe.
    """
    if run.status is RunStatus.QUEUED and run.request.base == UNRESOLVED:
        raise Conflict(
            f"{run.request.run_id} has no usable recipe or no base model: mend the recipe, then upload the file again"
        )
    return Put.new(table, _row(run, owner, revision=1), KEY)


def find_run(table: str, run_id: str) -> Run | None:
    """The run as of now, or None."""
    row = dynamo.get(table, {"run_id": run_id})
    return run_of(row) if row else None


def get_run(table: str, run_id: str) -> Run:
    """The run as of now. Raises NotFound."""
    return run_of(_existing(table, run_id))


def runs_of_project(table: str, project: str) -> Iterator[Run]:
    """Newest first, for people: the index may lag behind."""
    yield from map(run_of, dynamo.query_index(table, RUNS.indexes[0].name, ("project", project)))


def unfinished(table: str) -> Iterator[Run]:
    """Every run that has not ended, as of now."""
    yield from (run for run in map(run_of, dynamo.scan(table)) if not run.status.is_final)


def move(table: str, run_id: str, change: Callable[[Run], Run | None], task_token: str | None = None) -> Run | None:
    """Write what `change` makes of the run as it is; None where it makes nothing of it.

    Reads again and tries again where somebody else wrote first. The task token, where given, is kept beside the run.
    """
    for _ in range(ATTEMPTS):
        row = _existing(table, run_id)
        changed = change(run_of(row))
        if changed is None:
            return None
        if dynamo.put(_next(table, row, changed, task_token or row.get("task_token"))):
            return changed
    raise Conflict(f"run {run_id} was changed by others {ATTEMPTS} times in a row; try again")


def task_token(table: str, run_id: str) -> str:
    """What lets a waiting run go on. Never log it."""
    row = _existing(table, run_id)
    if row["status"] != RunStatus.WAITING or "task_token" not in row:
        raise Conflict(f"run {run_id} waits for nobody: it is {row['status']}")
    return str(row["task_token"])


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


def _existing(table: str, run_id: str) -> Row:
    row = dynamo.get(table, {"run_id": run_id})
    if row is None:
        raise NotFound(f"no run {run_id}: `tunesmith runs list` shows those that there are")
    return row


def _next(table: str, row: Row, changed: Run, token: str | None) -> Put:
    revision = int(row["revision"])
    following = _row(changed, dynamo.owner_token(), revision + 1) | {"task_token": token}
    return Put(table, following, KEY, condition="revision = :seen", values={":seen": revision})


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
