"""Feedback: what it is about, what makes two of the same one, and how a review decides. Pure."""

from tunesmith.contracts.base import Timestamp
from tunesmith.contracts.errors import Conflict, InvalidInput
from tunesmith.contracts.feedback import Feedback, FeedbackRequest, Rating, ReviewRequest, ReviewStatus
from tunesmith.contracts.identity import digest
from tunesmith.contracts.traffic import Exchange
from tunesmith.domain.paging import PageRequest


class FeedbackQuery(PageRequest):
    """Query parameters of the listing of feedback."""

    status: ReviewStatus | None = None


LARGEST_BYTES = 380_000
"""A row of DynamoDB holds 400 KiB, of which the document is all but the keys."""


def stage(request: FeedbackRequest, exchange: Exchange, now: Timestamp) -> Feedback:
    """Feedback on an answer that was given, waiting for its review. Saying the same again is the same feedback.

    Raises InvalidInput where it is, with its conversation, larger than a row can be.
    """
    feedback = Feedback(
        project=exchange.project,
        model=exchange.model,
        feedback_id=f"fb-{digest(request.model_dump(mode='json'))[:32]}",
        completion_id=exchange.completion_id,
        rating=request.rating,
        messages=exchange.messages,
        answer=exchange.answer,
        correction=request.correction,
        comment=request.comment,
        status=ReviewStatus.STAGED,
        reviewer=None,
        created_at=now,
        reviewed_at=None,
    )
    size = len(feedback.model_dump_json().encode())
    if size > LARGEST_BYTES:
        raise InvalidInput(
            f"the feedback and the conversation that it is about take {size} bytes, and {LARGEST_BYTES} can be kept: "
            "shorten the correction or the comment"
        )
    return feedback


def review(feedback: Feedback, request: ReviewRequest, now: Timestamp) -> Feedback:
    """The feedback, reviewed; unchanged where the same was decided before.

    Raises InvalidInput for a review that decides nothing, Conflict where the other was decided.
    """
    if request.status is ReviewStatus.STAGED:
        raise InvalidInput("status: a review says approved or rejected")
    if feedback.status is request.status:
        return feedback
    if feedback.status is not ReviewStatus.STAGED:
        raise Conflict(f"feedback {feedback.feedback_id} was {feedback.status} by {feedback.reviewer} already")
    return feedback.model_copy(update={"status": request.status, "reviewer": request.reviewer, "reviewed_at": now})


def negativity(feedback: Feedback) -> int:
    """1 for a thumb down, 0 for a thumb up: averaged, the share of negative feedback."""
    return int(feedback.rating is Rating.DOWN)
