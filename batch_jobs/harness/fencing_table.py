"""Fences in DynamoDB: a row for each job, with the number and the owner of its newest attempt."""

from tunesmith.adapters import dynamo
from tunesmith.contracts.errors import Conflict, Fenced

ATTEMPTS = 20


class HeldFence:
    """The number that this attempt took."""

    def __init__(self, table: str, job_id: str, number: int, owner: str):
        self._table, self._job_id, self.number, self._owner = table, job_id, number, owner

    def check(self) -> None:
        """Raises Fenced where a newer attempt has taken over."""
        row = dynamo.get(self._table, {"job_id": self._job_id})
        if row is None or row["owner"] != self._owner:
            newer = row["fence"] if row else "none"
            raise Fenced(
                f"{self._job_id}: this is attempt {self.number}, attempt {newer} has taken over; stopping here"
            )


def take_next(table: str, job_id: str) -> HeldFence:
    """Become the newest attempt of the job. Raises Conflict where too many others do at the same moment."""
    owner = dynamo.owner_token()
    for _ in range(ATTEMPTS):
        found = dynamo.get(table, {"job_id": job_id})
        number = int(found["fence"]) + 1 if found else 1
        row = {"job_id": job_id, "fence": number, "owner": owner}
        if dynamo.put(_next(table, row, found)):
            return HeldFence(table, job_id, number, owner)
    raise Conflict(f"{job_id}: {ATTEMPTS} other attempts started in the same moment; find out who starts them")


def _next(table: str, row: dynamo.Row, found: dynamo.Row | None) -> dynamo.Put:
    if found is None:
        return dynamo.Put.new(table, row, ("job_id",))
    return dynamo.Put(table, row, ("job_id",), condition="fence = :found", values={":found": found["fence"]})
