"""The OpenAI API: recorded requests in, answers of a listening endpoint out."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from functions.inference_api import handler
from tests.support.logs import record_logs
from tests.support.production import api_event, ask_for, promote, register
from tests.support.sagemaker_runtime import sagemaker_runtime
from tunesmith.contracts.artifacts import traffic_key
from tunesmith.contracts.identity import digest
from tunesmith.contracts.keys import Scope
from tunesmith.contracts.openai import (
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChunkChoice,
    Delta,
    ErrorBody,
    ErrorEnvelope,
    Usage,
)
from tunesmith.contracts.traffic import Exchange
from tunesmith.domain.completions import END_OF_STREAM, event_of, fold

ENDPOINT = "tunesmith-demo-docs"
TEXT = ["Add ", "two ", "números 🙂."]


class Container:
    """A container's answers without a model: the wire is real, the words are fixed."""

    def __init__(self, served: str):
        self.served, self.breaks_off, self.refusal = served, False, None

    def __call__(self, body: bytes) -> tuple[int, list[bytes]]:
        asked = ChatCompletionRequest.model_validate_json(body)
        if self.refusal:
            status, code = self.refusal
            error = ErrorBody(message=f"told by the container: {code}", type="invalid_request_error", code=code)
            return status, [ErrorEnvelope(error=error).model_dump_json().encode()]
        chunks = list(self._chunks(asked.model))
        if not asked.stream:
            return 200, [fold(chunks).model_dump_json().encode()]
        whole = b"".join(event_of(chunk.model_dump_json()) for chunk in chunks) + END_OF_STREAM
        whole = whole[: len(whole) // 2] if self.breaks_off else whole
        return 200, [whole[at : at + 7] for at in range(0, len(whole), 7)]  # cut through characters and events

    def _chunks(self, model: str) -> Iterator[ChatCompletionChunk]:
        shared: dict[str, Any] = {
            "id": "chatcmpl-1",
            "created": 1,
            "model": model,
            "system_fingerprint": digest(self.served),
        }
        for delta, reason in [*((Delta(content=text), None) for text in TEXT), (Delta(), "stop")]:
            yield ChatCompletionChunk(choices=[ChunkChoice(delta=delta, finish_reason=reason)], **shared)
        usage = Usage(prompt_tokens=9, completion_tokens=4, total_tokens=13)
        yield ChatCompletionChunk(choices=[], usage=usage, **shared)


@pytest.fixture
def container() -> Container:
    return Container("good")


@pytest.fixture
def platform(tables, buckets, monkeypatch, container) -> Iterator[dict[str, str]]:
    for name in ("runs", "models", "aliases", "deployments"):
        monkeypatch.setenv(f"{name.upper()}_TABLE", tables[name])
    monkeypatch.setenv("ARTIFACTS_BUCKET", buckets["artifacts"])
    for cached in (handler.env, handler.inference, handler.storage, handler.is_captured):
        cached.cache_clear()
    with sagemaker_runtime({ENDPOINT: container}) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", url)
        yield tables
    handler.inference.cache_clear()


@pytest.fixture
def call(context) -> Callable[..., tuple[int, Any]]:
    def call(event: dict[str, Any]) -> tuple[int, Any]:
        response = handler.lambda_handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return call


def chat(model: str = "docs", **parameters: Any) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": "canary-prompt"}]} | parameters
    return api_event("POST", "/chat/completions", body)


def captured() -> list[str]:
    return [found["Key"] for found in boto3.client("s3").list_objects_v2(Bucket="artifacts").get("Contents", [])]


def test_champion_answers_a_recorded_request(platform, call, event) -> None:
    promote(platform, "demo", "docs", "good")
    status, answer = call(event("inference_api/chat.json"))
    assert status == 200
    assert answer["id"] == "chatcmpl-1"
    assert answer["model"] == "docs"
    assert answer["choices"][0]["message"]["content"] == "".join(TEXT)
    assert answer["usage"] == {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    assert answer["system_fingerprint"] == digest("good")


def test_stream_is_one_body_of_events(platform, event, context) -> None:
    promote(platform, "demo", "docs", "good")
    response = handler.lambda_handler(event("inference_api/chat_stream.json"), context)
    *lines, done, _ = response["body"].split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines]
    assert response["multiValueHeaders"]["Content-Type"] == ["text/event-stream"]
    assert "".join(part["delta"].get("content", "") for chunk in chunks for part in chunk["choices"]) == "".join(TEXT)
    assert (chunks[-1]["choices"], chunks[-1]["usage"]["total_tokens"]) == ([], 13)
    assert done == "data: [DONE]"


def test_stream_tells_usage_only_where_asked(platform, context) -> None:
    promote(platform, "demo", "docs", "good")
    body = handler.lambda_handler(chat(stream=True), context)["body"]
    assert "total_tokens" not in body and body.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("name", ["docs", "docs@1", "docs:champion"])
def test_every_name_of_the_champion_is_echoed(platform, call, name: str) -> None:
    promote(platform, "demo", "docs", "good")
    assert call(chat(name))[1]["model"] == name


def test_unknown_model_is_a_404_and_nothing_answers_for_it(platform, call) -> None:
    promote(platform, "demo", "docs", "good")
    register(platform, "demo", "docs", "second")
    for name in ("other", "docs@2", "docs@0", "docs:challenger", "smollm2-135m-instruct", "../docs", "docs#1", "DOCS"):
        for stream in (False, True):
            status, answer = call(chat(name, stream=stream))
            assert (status, answer["error"]["code"], answer["error"]["param"]) == (404, "model_not_found", "model"), (
                name
            )


def test_model_of_another_project_is_a_404(platform, call) -> None:
    promote(platform, "other", "docs", "good")
    assert call(chat())[0] == 404


@pytest.mark.parametrize("stream", [False, True])
def test_other_model_behind_the_endpoint_is_a_503(platform, container, call, stream: bool) -> None:
    promote(platform, "demo", "docs", "good")
    container.served = "base"
    status, answer = call(chat(stream=stream))
    assert (status, answer["error"]["code"]) == (503, "endpoint_unavailable")
    assert captured() == []


@pytest.mark.parametrize("stream", [False, True])
def test_version_that_a_rollout_is_putting_in_place_answers_in_its_own_name(
    platform, container, call, stream: bool, context
) -> None:
    promote(platform, "demo", "docs", "good")
    ask_for(platform, register(platform, "demo", "docs", "better"))
    container.served = "better"
    assert handler.lambda_handler(chat(stream=stream), context)["statusCode"] == 200
    body = boto3.client("s3").get_object(Bucket="artifacts", Key=captured()[0])["Body"].read()
    kept = Exchange.model_validate_json(body)
    assert (kept.version, kept.model_digest) == (2, digest("better"))


def test_rollout_does_not_answer_for_a_version_asked_by_number(platform, container, call) -> None:
    promote(platform, "demo", "docs", "good")
    ask_for(platform, register(platform, "demo", "docs", "better"))
    container.served = "better"
    status, answer = call(chat("docs@1"))
    assert (status, captured()) == (503, [])
    assert "version 2 is taking the place" in answer["error"]["message"]


def test_endpoint_that_does_not_exist_is_a_503_to_retry(platform, context) -> None:
    promote(platform, "demo", "unserved", "good")
    response = handler.lambda_handler(chat("unserved"), context)
    assert response["statusCode"] == 503
    assert int(response["multiValueHeaders"]["Retry-After"][0]) > 0


def test_stream_that_breaks_off_is_a_503(platform, container, call) -> None:
    promote(platform, "demo", "docs", "good")
    container.breaks_off = True
    assert call(chat(stream=True))[0] == 503


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("told", "status", "code"),
    [
        ((400, "context_length_exceeded"), 400, "context_length_exceeded"),
        ((400, "invalid_input"), 400, "invalid_input"),
        ((503, "overloaded"), 503, "endpoint_unavailable"),
        ((500, "internal_error"), 503, "endpoint_unavailable"),
    ],
)
def test_refusal_of_the_container_reaches_the_client(platform, container, call, told, status, code, stream) -> None:
    promote(platform, "demo", "docs", "good")
    container.refusal = told
    assert (call(chat(stream=stream))[0], call(chat(stream=stream))[1]["error"]["code"]) == (status, code)


@pytest.mark.parametrize(("stream", "name"), [(False, "docs"), (True, "docs@1")])
def test_exchange_is_captured_under_its_completion(platform, call, context, stream: bool, name: str) -> None:
    promote(platform, "demo", "docs", "good")
    handler.lambda_handler(chat(name, stream=stream), context)
    assert captured() == [traffic_key("demo", "chatcmpl-1")]
    body = boto3.client("s3").get_object(Bucket="artifacts", Key=captured()[0])["Body"].read()
    exchange = Exchange.model_validate_json(body)
    assert exchange.messages == [{"role": "user", "content": "canary-prompt"}]
    assert (exchange.answer, exchange.version, exchange.model) == ("".join(TEXT), 1, "docs")
    assert exchange.usage.total_tokens == 13


def test_answer_that_cannot_be_kept_is_given_and_counted(platform, call, capsys, monkeypatch) -> None:
    promote(platform, "demo", "docs", "good")
    monkeypatch.setenv("ARTIFACTS_BUCKET", "gone")
    handler.env.cache_clear()
    assert call(chat())[0] == 200
    assert '"Name":"CapturesLost"' in capsys.readouterr().out


def test_nothing_is_captured_where_the_recipe_says_so(platform, call) -> None:
    promote(platform, "demo", "docs", "good", capture=False)
    assert call(chat())[0] == 200
    assert captured() == []


def metrics_of(lines: str) -> list[dict[str, Any]]:
    return [found for line in lines.splitlines() if "_aws" in (found := json.loads(line))]


def test_answer_is_measured_by_project_and_model_alone(platform, call, capsys, monkeypatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "inference_api")
    promote(platform, "demo", "docs", "good")
    call(chat())
    (line,) = metrics_of(capsys.readouterr().out)
    assert line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["project", "model"]]
    assert (line["Requests"], line["Errors"]) == ([1], [0])
    assert (line["PromptTokens"], line["CompletionTokens"]) == ([9], [4])
    assert line["Latency"][0] > 0


def test_endpoint_failure_is_measured_as_an_error(platform, container, call, capsys) -> None:
    promote(platform, "demo", "docs", "good")
    container.served = "base"
    call(chat())
    (line,) = metrics_of(capsys.readouterr().out)
    assert (line["Requests"], line["Errors"]) == ([1], [1])


def test_prompts_and_answers_are_never_logged(platform, container, call, capsys, monkeypatch) -> None:
    logs = record_logs(monkeypatch)
    promote(platform, "demo", "docs", "good")
    call(chat())
    container.served = "base"
    call(chat())
    call(chat(temperature="canary-prompt"))
    told = logs.getvalue() + capsys.readouterr().out
    assert all(status in told for status in ('"status":200', '"status":503', '"status":400'))
    assert "canary-prompt" not in told
    assert TEXT[0] not in told


def test_models_are_the_projects_champions(platform, call, event) -> None:
    promote(platform, "demo", "docs", "good")
    promote(platform, "demo", "chat", "chatty")
    register(platform, "demo", "unpromoted", "new")
    promote(platform, "demo2", "foreign", "alien")
    status, listed = call(event("inference_api/list_models.json"))
    assert (status, listed["object"]) == (200, "list")
    assert [model["id"] for model in listed["data"]] == ["chat", "docs"]
    assert {model["owned_by"] for model in listed["data"]} == {"demo"}


def test_model_is_retrieved_by_every_name_it_has(platform, call, event) -> None:
    promote(platform, "demo", "docs", "good")
    assert call(event("inference_api/retrieve_model.json"))[1]["id"] == "docs"
    assert call(api_event("GET", "/models/docs%401"))[0] == 200
    assert call(api_event("GET", "/models/nothing"))[0] == 404


@pytest.mark.parametrize("path", ["/chat/completions", "/models", "/models/docs"])
def test_key_without_the_inference_scope_may_nothing(platform, call, path: str) -> None:
    promote(platform, "demo", "docs", "good")
    method = "POST" if path == "/chat/completions" else "GET"
    scopes = [scope for scope in Scope if scope is not Scope.INFERENCE]
    assert call(api_event(method, path, {}, scopes=scopes))[0] == 403


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "model"), ({"model": "docs", "messages": "hi"}, "messages"), ({"model": "docs", "messages": []}, "messages")],
)
def test_malformed_body_is_a_400_that_names_the_field(platform, call, body: dict[str, Any], param: str) -> None:
    status, answer = call(api_event("POST", "/chat/completions", body))
    assert (status, answer["error"]["type"], answer["error"]["param"]) == (400, "invalid_request_error", param)
