"""The adapter against a runtime that listens, and its view of what goes wrong."""

import socket
from collections.abc import Iterator

import pytest

from tests.support.sagemaker_runtime import sagemaker_runtime
from tunesmith.adapters.inference import Inference
from tunesmith.contracts.errors import ContextLengthExceeded, EndpointUnavailable, InvalidInput

TOO_LONG = b'{"error": {"message": "2,048 tokens", "type": "invalid_request_error", "code": "context_length_exceeded"}}'
MALFORMED = b'{"error": {"message": "no such field", "type": "invalid_request_error", "code": "invalid_input"}}'


@pytest.fixture
def inference(aws, monkeypatch) -> Iterator[Inference]:
    endpoints = {
        "echo": lambda body: (200, [body[:2], body[2:]]),
        "too-long": lambda body: (400, [TOO_LONG]),
        "malformed": lambda body: (400, [MALFORMED]),
        "foreign": lambda body: (400, [b"<html>Bad Request</html>"]),
        "broken": lambda body: (500, [b"Traceback"]),
    }
    with sagemaker_runtime(endpoints) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        yield Inference()


def test_whole_answer_and_stream_carry_the_same_bytes(inference: Inference) -> None:
    assert inference.complete("echo", b"hello") == b"hello"
    assert list(inference.stream("echo", b"hello")) == [b"he", b"llo"]


@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("too-long", ContextLengthExceeded),
        ("malformed", InvalidInput),
        ("broken", EndpointUnavailable),
        ("foreign", EndpointUnavailable),
        ("unknown", EndpointUnavailable),
    ],
)
def test_failure_is_told_apart(inference: Inference, endpoint: str, kind: type[Exception]) -> None:
    for answer in (lambda: inference.complete(endpoint, b"x"), lambda: list(inference.stream(endpoint, b"x"))):
        with pytest.raises(kind) as caught:
            answer()
        assert type(caught.value) is kind


def test_runtime_that_nobody_listens_at_is_unavailable(aws, monkeypatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"http://127.0.0.1:{port}")
    with pytest.raises(EndpointUnavailable):
        Inference().complete("echo", b"x")
