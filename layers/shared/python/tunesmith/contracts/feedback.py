"""Feedback: what people said of an answer. It never trains before somebody has reviewed it."""

from enum import StrEnum

from pydantic import Field

from tunesmith.contracts.base import Contract, Name, Timestamp


class Rating(StrEnum):
    UP = "up"
    DOWN = "down"


class ReviewStatus(StrEnum):
    STAGED = "staged"
    APPROVED = "approved"
    REJECTED = "rejected"


class FeedbackRequest(Contract):
    """Body of POST /v1/tunesmith/feedback."""

    completion_id: str = Field(pattern=r"^chatcmpl-[A-Za-z0-9-]{1,64}$", description="`id` of the answer")
    rating: Rating
    correction: str | None = Field(default=None, min_length=1, max_length=100_000, description="the better answer")
    comment: str | None = Field(default=None, max_length=10_000)


class ReviewRequest(Contract):
    """Body of POST /v1/tunesmith/feedback/{id}/review."""

    status: ReviewStatus
    reviewer: str = Field(min_length=1, max_length=200)


class Feedback(Contract):
    project: Name
    model: Name
    feedback_id: str
    completion_id: str
    rating: Rating
    messages: list[dict[str, str]] = Field(description="the conversation up to the answer")
    answer: str
    correction: str | None
    comment: str | None
    status: ReviewStatus
    reviewer: str | None
    created_at: Timestamp
    reviewed_at: Timestamp | None
