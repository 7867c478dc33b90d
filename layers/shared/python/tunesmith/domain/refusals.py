"""How an error is told to a client of the API: a status and OpenAI's error envelope, and nothing of our insides."""

from dataclasses import dataclass

from pydantic import ValidationError

from tunesmith.contracts.errors import (
    Conflict,
    ContextLengthExceeded,
    EndpointUnavailable,
    InvalidInput,
    ModelNotFound,
    NotAuthorized,
    NotFound,
    Overloaded,
    PlatformError,
)
from tunesmith.contracts.openai import ErrorBody, ErrorEnvelope

INVALID, DENIED, SERVER = "invalid_request_error", "permission_error", "server_error"

STATUSES: dict[type[PlatformError], tuple[int, str]] = {
    InvalidInput: (400, INVALID),
    NotAuthorized: (403, DENIED),
    NotFound: (404, INVALID),
    Conflict: (409, INVALID),
    EndpointUnavailable: (503, SERVER),
    Overloaded: (503, SERVER),
}
PARAMETERS: dict[type[PlatformError], str] = {ContextLengthExceeded: "messages", ModelNotFound: "model"}
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
    if isinstance(error, ValidationError):
        return _malformed(error)
    known = next((kind for kind in type(error).__mro__ if kind in STATUSES), None)
    if known is None or not isinstance(error, PlatformError):
        return refuse(500, SERVER, "the server failed to answer this request; its log says why", "internal_error")
    status, kind = STATUSES[known]
    parameter = PARAMETERS.get(type(error))
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


def _malformed(error: ValidationError) -> Refusal:
    """The first of the problems; what was sent is not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = f"{place}: {first['msg']}" if place else f"the body is not what this route takes: {first['msg']}"
    return refuse(400, INVALID, message, InvalidInput.code, place or None)
