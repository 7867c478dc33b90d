"""Fencing: of all attempts of one job, only the newest may publish.

Batch and a person may start a job while an older attempt still runs (a lost machine that comes back). Each attempt
takes the next number in the job's row; whoever finds another owner there before it publishes must write nothing more.
"""

import os

from tunesmith.adapters import dynamo
from tunesmith.contracts.environment import JobEnv
from tunesmith.contracts.errors import Conflict, Fenced, InvalidInput

ATTEMPTS = 20


class Fence:
    """A held fence number; `table` None: nothing to fence, because everything is a local path."""

    def __init__(self, table: str | None, job_id: str, number: int, owner: str):
        self._table, self._job_id, self.number, self._owner = table, job_id, number, owner

    def check(self) -> None:
        """Raises Fenced where a newer attempt has taken over."""
        if self._table is None:
            return
        row = dynamo.get(self._table, {"job_id": self._job_id})
        if row is None or row["owner"] != self._owner:
            newer = row["fence"] if row else "none"
            raise Fenced(
                f"{self._job_id}: this is attempt {self.number}, attempt {newer} has taken over; stopping here"
            )


def fencing_table(params_uri: str) -> str | None:
    """The table of this machine. Raises InvalidInput where a job that works in S3 was given none."""
    if "JOBS_TABLE" in os.environ:
        return JobEnv.load().jobs_table
    if params_uri.startswith("s3://"):
        raise InvalidInput(
            "JOBS_TABLE is not set: a job whose params lie in S3 needs the table that fences its attempts"
        )
    return None


def take_fence(table: str | None, job_id: str) -> Fence:
    """Become the newest attempt of the job."""
    owner = dynamo.owner_token()
    if table is None:
        return Fence(None, job_id, 1, owner)
    for _ in range(ATTEMPTS):
        found = dynamo.get(table, {"job_id": job_id})
        number = int(found["fence"]) + 1 if found else 1
        row = {"job_id": job_id, "fence": number, "owner": owner}
        if dynamo.put(_next(table, row, found)):
            return Fence(table, job_id, number, owner)
    raise Conflict(f"{job_id}: {ATTEMPTS} other attempts started in the same moment; find out who starts them")


def _next(table: str, row: dynamo.Row, found: dynamo.Row | None) -> dynamo.Put:
    if found is None:
        return dynamo.Put.new(table, row, ("job_id",))
    return dynamo.Put(table, row, ("job_id",), condition="fence = :found", values={":found": found["fence"]})
