"""What two pieces of feedback must share to be one, and what a review may decide."""

import pytest

from tunesmith.contracts.errors import Conflict, InvalidInput
from tunesmith.contracts.feedback import FeedbackRequest, Rating, ReviewRequest, ReviewStatus
from tunesmith.contracts.identity import digest
from tunesmith.contracts.openai import Usage
from tunesmith.contracts.traffic import Exchange
from tunesmith.domain.feedback import negativity, review, stage

EARLY, LATE = "2026-11-24T05:00:00.000Z", "2026-11-24T06:00:00.000Z"
EXCHANGE = Exchange(
    completion_id="chatcmpl-1",
    project="demo",
    model="docs",
    version=1,
    model_digest=digest("model"),
    key_id="0123456789ab",
    messages=[{"role": "user", "content": "Summarise."}],
    answer="It adds.",
    finish_reason="stop",
    usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
    latency_seconds=0.1,
    created_at=EARLY,
)
DOWN = FeedbackRequest(completion_id="chatcmpl-1", rating=Rating.DOWN)
APPROVE = ReviewRequest(status=ReviewStatus.APPROVED, reviewer="ada")
REJECT = ReviewRequest(status=ReviewStatus.REJECTED, reviewer="bob")


def test_same_feedback_later_has_the_same_id() -> None:
    assert stage(DOWN, EXCHANGE, EARLY).feedback_id == stage(DOWN, EXCHANGE, LATE).feedback_id


@pytest.mark.parametrize("change", [{"rating": Rating.UP}, {"correction": "Adds two."}, {"comment": "hm"}])
def test_other_feedback_has_another_id(change: dict[str, str]) -> None:
    other = DOWN.model_copy(update=change)
    assert stage(other, EXCHANGE, EARLY).feedback_id != stage(DOWN, EXCHANGE, EARLY).feedback_id


def test_staged_feedback_waits_for_review_with_its_conversation() -> None:
    staged = stage(DOWN, EXCHANGE, EARLY)
    assert (staged.status, staged.reviewer, staged.messages) == (ReviewStatus.STAGED, None, EXCHANGE.messages)


def test_first_review_decides_and_its_repeat_changes_nothing() -> None:
    approved = review(stage(DOWN, EXCHANGE, EARLY), APPROVE, LATE)
    assert (approved.status, approved.reviewer, approved.reviewed_at) == (ReviewStatus.APPROVED, "ada", LATE)
    assert review(approved, APPROVE, LATE) is approved


def test_review_against_a_decision_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="ada"):
        review(review(stage(DOWN, EXCHANGE, EARLY), APPROVE, LATE), REJECT, LATE)


def test_review_must_decide() -> None:
    with pytest.raises(InvalidInput):
        review(stage(DOWN, EXCHANGE, EARLY), ReviewRequest(status=ReviewStatus.STAGED, reviewer="ada"), LATE)


def test_negativity_averages_to_the_share_of_thumbs_down() -> None:
    up = DOWN.model_copy(update={"rating": Rating.UP})
    assert [negativity(stage(each, EXCHANGE, EARLY)) for each in (DOWN, up)] == [1, 0]
