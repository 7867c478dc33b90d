"""Feedback in DynamoDB: staged once, reviewed once."""

import builtins

from tunesmith.adapters import dynamo
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.feedback import Feedback, ReviewStatus

KEY = ("feedback_id", "project")
"""A condition names the first of them, and `project` is one of DynamoDB's reserved words."""


class FeedbackRows:
    """The feedback of all projects; every call names the project that it may see."""

    def __init__(self, table: str):
        self._table = table

    def stage(self, feedback: Feedback) -> bool:
        """Keep new feedback. False where the same was given before; then nothing changes, not even its review."""
        return dynamo.put(dynamo.Put.new(self._table, _row(feedback), KEY))

    def find(self, project: str, feedback_id: str) -> Feedback:
        """Raises NotFound where the project has no such feedback."""
        row = dynamo.get(self._table, {"project": project, "feedback_id": feedback_id})
        if row is None:
            raise NotFound(f"project {project} has no feedback {feedback_id}")
        return _feedback(row)

    def list(self, project: str, status: ReviewStatus | None = None) -> builtins.list[Feedback]:
        """Of one status, or all, in no particular order."""
        found = (_feedback(row) for row in dynamo.query(self._table, ("project", project)))
        return [feedback for feedback in found if status in (None, feedback.status)]

    def decide(self, reviewed: Feedback) -> None:
        """Record a review. Raises Conflict where somebody else has decided first."""
        staged = {":staged": str(ReviewStatus.STAGED)}
        write = dynamo.Put(self._table, _row(reviewed), KEY, "#s = :staged", staged, {"#s": "status"})
        if dynamo.put(write):
            return
        found = self.find(reviewed.project, reviewed.feedback_id)
        if found.status is not reviewed.status:
            raise Conflict(f"feedback {found.feedback_id} was {found.status} by {found.reviewer} already")


def _row(feedback: Feedback) -> dynamo.Row:
    return {
        "project": feedback.project,
        "feedback_id": feedback.feedback_id,
        "model": feedback.model,
        "status": str(feedback.status),
        "created_at": feedback.created_at,
        "document": feedback.model_dump_json(),
        "owner": dynamo.owner_token(),
    }


def _feedback(row: dynamo.Row) -> Feedback:
    return Feedback.model_validate_json(row["document"])
