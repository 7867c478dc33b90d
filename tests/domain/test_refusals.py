"""Every error of the platform as a client sees it."""

import pytest

from tunesmith.contracts import errors
from tunesmith.contracts.openai import ChatCompletionRequest
from tunesmith.domain.refusals import parse_body, refusal, unknown_route, wrong_method

REASON = "the sentence that says why"


@pytest.mark.parametrize(
    ("error", "status", "code", "param"),
    [
        (errors.InvalidInput(REASON), 400, "invalid_input", None),
        (errors.ContextLengthExceeded(REASON), 400, "context_length_exceeded", "messages"),
        (errors.NotAuthorized(REASON), 403, "not_authorized", None),
        (errors.NotFound(REASON), 404, "not_found", None),
        (errors.ModelNotFound(REASON), 404, "model_not_found", "model"),
        (errors.Conflict(REASON), 409, "conflict", None),
        (errors.EndpointUnavailable(REASON), 503, "endpoint_unavailable", None),
        (errors.Overloaded(REASON), 503, "overloaded", None),
    ],
)
def test_foreseen_error_is_told_with_its_reason(error: Exception, status: int, code: str, param: str | None) -> None:
    told = refusal(error)
    assert (told.status, told.envelope.error.code, told.envelope.error.param) == (status, code, param)
    assert told.envelope.error.message == REASON
    assert ("Retry-After" in told.headers) == (status == 503)


@pytest.mark.parametrize("error", [RuntimeError(REASON), KeyError(REASON), errors.IntegrityError(REASON)])
def test_unforeseen_error_is_a_500_without_its_reason(error: Exception) -> None:
    told = refusal(error)
    assert (told.status, told.envelope.error.type) == (500, "server_error")
    assert REASON not in told.envelope.model_dump_json()


def test_malformed_body_names_the_field_and_repeats_nothing() -> None:
    body = '{"model": "docs", "messages": [{"role": "canary", "content": "x"}]}'
    with pytest.raises(errors.InvalidInput, match="role") as caught:
        parse_body(ChatCompletionRequest, body.encode())
    told = refusal(caught.value)
    assert (told.status, told.envelope.error.param) == (400, "messages.0.role")
    assert "canary" not in told.envelope.model_dump_json()


def test_unknown_route_and_wrong_method_are_told_apart() -> None:
    assert unknown_route("GET", "/nothing").status == 404
    told = wrong_method("DELETE", "/models", ["GET"])
    assert (told.status, "GET" in told.envelope.error.message) == (405, True)
