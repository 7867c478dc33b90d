"""From API Gateway's event to a real model and back: the handler, the runtime's wire, the serving app, a tiny Llama."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from starlette.testclient import TestClient

from batch_jobs.serve.app import create_app
from batch_jobs.serve.served import BASE_FOLDER, MODEL_FOLDER, Served, load_served
from functions.inference_api import handler
from tests.support.production import api_event, promote
from tests.support.sagemaker_runtime import Container, sagemaker_runtime
from tests.support.tiny_adapter import write_tiny_adapter
from tests.support.tiny_model import CONTEXT_LENGTH, write_tiny_base
from tunesmith.contracts.deployments import endpoint_name

ASKED = {"model": "docs", "messages": [{"role": "user", "content": "Grüße 🙂"}], "temperature": 1, "seed": 5}
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    root = tmp_path_factory.mktemp("ml")
    base = write_tiny_base(root / BASE_FOLDER)
    write_tiny_adapter(root / MODEL_FOLDER, root / BASE_FOLDER, base)
    return load_served(root)


@pytest.fixture
def ask(served, tables, buckets, monkeypatch, context) -> Iterator[Ask]:
    for name in ("runs", "models", "aliases", "deployments"):
        monkeypatch.setenv(f"{name.upper()}_TABLE", tables[name])
    monkeypatch.setenv("ARTIFACTS_BUCKET", buckets["artifacts"])
    for cached in (handler.env, handler.inference, handler.storage, handler.is_captured):
        cached.cache_clear()
    promote(tables, "demo", "docs", "tuned", adapter=served.identity.model_digest)
    with sagemaker_runtime({endpoint_name("demo", "docs"): container_of(served)}) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        yield lambda **more: handler.lambda_handler(api_event("POST", "/chat/completions", ASKED | more), context)
    handler.inference.cache_clear()


def container_of(served: Served) -> Container:
    client = TestClient(create_app(served, max_new_tokens=16), raise_server_exceptions=False)

    def invoke(body: bytes) -> tuple[int, list[bytes]]:
        response = client.post("/invocations", content=body)
        return response.status_code, [response.content]

    return invoke


def test_plain_answer_is_what_the_openai_client_reads(ask: Ask, served: Served) -> None:
    response = ask()
    answer = ChatCompletion.model_validate_json(response["body"])
    assert (response["statusCode"], answer.model) == (200, "docs")
    assert answer.system_fingerprint == served.identity.model_digest
    assert answer.usage is not None and answer.usage.completion_tokens > 0


def test_stream_is_what_the_openai_client_reads_and_says_the_same(ask: Ask) -> None:
    plain = ChatCompletion.model_validate_json(ask()["body"])
    *lines, done, _ = ask(stream=True)["body"].split("\n\n")
    chunks = [ChatCompletionChunk.model_validate_json(line.removeprefix("data: ")) for line in lines]
    assert "".join(part.delta.content or "" for chunk in chunks for part in chunk.choices) == (
        plain.choices[0].message.content
    )
    assert done == "data: [DONE]"


def test_prompt_longer_than_the_context_is_a_400_with_the_limit(ask: Ask) -> None:
    for stream in (False, True):
        response = ask(messages=[{"role": "user", "content": "word " * CONTEXT_LENGTH}], stream=stream)
        error = json.loads(response["body"])["error"]
        assert (response["statusCode"], error["code"]) == (400, "context_length_exceeded")
        assert str(CONTEXT_LENGTH) in error["message"]
