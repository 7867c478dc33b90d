"""Feedback in a table: the first of two reviewers decides, also when both looked before."""

import pytest

from tunesmith.adapters.feedback import FeedbackRows
from tunesmith.contracts.errors import Conflict, NotFound
from tunesmith.contracts.feedback import Feedback, Rating, ReviewStatus

NOW = "2026-11-24T05:00:00.000Z"
STAGED = Feedback(
    project="demo",
    model="docs",
    feedback_id="fb-1",
    completion_id="chatcmpl-1",
    rating=Rating.DOWN,
    messages=[],
    answer="It adds.",
    correction=None,
    comment=None,
    status=ReviewStatus.STAGED,
    reviewer=None,
    created_at=NOW,
    reviewed_at=None,
)
APPROVED = STAGED.model_copy(update={"status": ReviewStatus.APPROVED, "reviewer": "ada", "reviewed_at": NOW})
REJECTED = STAGED.model_copy(update={"status": ReviewStatus.REJECTED, "reviewer": "bob", "reviewed_at": NOW})


@pytest.fixture
def rows(tables) -> FeedbackRows:
    rows = FeedbackRows(tables["feedback"])
    assert rows.stage(STAGED)
    return rows


def test_feedback_is_staged_once(rows: FeedbackRows) -> None:
    assert not rows.stage(STAGED.model_copy(update={"created_at": "2026-11-24T06:00:00.000Z"}))
    assert rows.find("demo", "fb-1") == STAGED


def test_second_reviewer_who_disagrees_learns_of_the_first(rows: FeedbackRows) -> None:
    rows.decide(APPROVED)
    rows.decide(APPROVED.model_copy(update={"reviewer": "bob"}))
    with pytest.raises(Conflict, match="ada"):
        rows.decide(REJECTED)
    assert rows.find("demo", "fb-1") == APPROVED


def test_feedback_of_another_project_is_not_found(rows: FeedbackRows) -> None:
    with pytest.raises(NotFound):
        rows.find("other", "fb-1")
    assert rows.list("other") == []
