"""How an error is told to a client of the API: a status and OpenAI's error envelope, and nothing of our insides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tunesmith.contracts.errors import (
    Conflict,
    EndpointUnavailable,
    InvalidInput,
    NotAuthorized,
    NotFound,
    Overloaded,
    PlatformError,
)
from tunesmith.contracts.openai import ErrorBody, ErrorEnvelope

Shape = TypeVar("Shape", bound=BaseModel)
INVALID, DENIED, SERVER = "invalid_request_error", "permission_error", "server_error"

STATUSES: dict[type[PlatformError], tuple[int, str]] = {
    InvalidInput: (400, INVALID),
    NotAuthorized: (403, DENIED),
    NotFound: (404, INVALID),
    Conflict: (409, INVALID),
    EndpointUnavailable: (503, SERVER),
    Overloaded: (503, SERVER),
}
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not a success."""

    status: int
    envelope: ErrorEnvelope
    retry_after: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def refusal(error: Exception) -> Refusal:
    """What to answer for this error. What we did not foresee is told as a 500 without its message."""
    known = next((kind for kind in type(error).__mro__ if kind in STATUSES), None)
    if known is None or not isinstance(error, PlatformError):
        return refuse(500, SERVER, "the server failed to answer this request; its log says why", "internal_error")
    status, kind = STATUSES[known]
    parameter: str | None = getattr(error, "param", None)
    return refuse(status, kind, str(error), error.code, parameter, RETRY_AFTER_SECONDS if error.retryable else None)


def refuse(
    status: int, kind: str, message: str, code: str, param: str | None = None, retry_after: int | None = None
) -> Refusal:
    body = ErrorBody(message=message, type=kind, param=param, code=code)
    return Refusal(status, ErrorEnvelope(error=body), retry_after)


def unknown_route(method: str, path: str) -> Refusal:
    return refuse(404, INVALID, f"unknown route: {method} {path}", "unknown_url")


def wrong_method(method: str, path: str, allowed: list[str]) -> Refusal:
    message = f"{path} does not take {method}; it takes {', '.join(allowed)}"
    return refuse(405, INVALID, message, "method_not_allowed")


def parse_body(shape: type[Shape], body: bytes) -> Shape:
    """What a client sent. Raises InvalidInput, which names the first field that does not fit."""
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise _malformed(error) from error


def parse_query(shape: type[Shape], query: Mapping[str, str]) -> Shape:
    """As `parse_body`, for the parameters of a query."""
    try:
        return shape.model_validate(query)
    except ValidationError as error:
        raise _malformed(error) from error


def _malformed(error: ValidationError) -> InvalidInput:
    """What was sent is not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return InvalidInput(f"{place or 'the body is not what this route takes'}: {first['msg']}", place or None)
