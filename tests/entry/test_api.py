"""The front of a function: routes, scopes, errors."""

import base64
import json
from typing import Any

import pytest
from pydantic import BaseModel

from tests.support.logs import record_logs
from tests.support.production import api_event
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.keys import Scope
from tunesmith.entry.api import Api, ApiRequest


class Echo(BaseModel):
    said: str
    project: str


class Said(BaseModel):
    said: str


@pytest.fixture
def api() -> Api:
    api = Api()

    @api.route("POST", "/echo/<name>", scope=Scope.READ)
    def echo(request: ApiRequest, name: str) -> Echo:
        return Echo(said=f"{request.parse(Said).said} {name}", project=request.caller.project)

    @api.route("GET", "/refuses", scope=Scope.READ)
    def refuses(request: ApiRequest) -> Echo:
        raise InvalidInput("the sentence that says why")

    @api.route("GET", "/breaks", scope=Scope.READ)
    def breaks(request: ApiRequest) -> Echo:
        raise RuntimeError("secret inside")

    return api


def call(api: Api, event: dict[str, Any], context: Any) -> tuple[int, Any]:
    response = api.handler(event, context)
    return response["statusCode"], json.loads(response["body"])


@pytest.mark.parametrize("path", ["/echo/a%20b", "/v1/echo/a%20b"])
def test_operation_gets_caller_body_and_path(api: Api, context: Any, path: str) -> None:
    answer = call(api, api_event("POST", path, {"said": "héllo"}), context)
    assert answer == (200, {"said": "héllo a b", "project": "demo"})


@pytest.mark.parametrize("name", ["x" * 3_000, "%F0%9F%98%80" * 1_000])
def test_name_that_no_table_could_hold_is_a_404(api: Api, context: Any, name: str) -> None:
    status, answer = call(api, api_event("POST", f"/echo/{name}", {"said": "hi"}), context)
    assert (status, answer["error"]["code"]) == (404, "not_found")


def test_body_in_base64_is_read(api: Api, context: Any) -> None:
    event = api_event("POST", "/echo/x")
    event |= {"body": base64.b64encode(b'{"said": "hi"}').decode(), "isBase64Encoded": True}
    assert call(api, event, context)[1]["said"] == "hi x"


@pytest.mark.parametrize("body", [None, "", "{", "[]", '{"said": 1}'])
def test_body_that_does_not_fit_is_a_400(api: Api, context: Any, body: str | None) -> None:
    status, answer = call(api, api_event("POST", "/echo/x") | {"body": body}, context)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


def test_unknown_route_is_a_404_envelope(api: Api, context: Any) -> None:
    for path in ("/", "/nothing", "/echo", "/echo/a/b", "/../echo/x", "//echo/x"):
        status, answer = call(api, api_event("GET", path), context)
        assert (status, answer["error"]["code"]) == (404, "unknown_url"), path


def test_wrong_method_is_a_405_that_names_the_right_one(api: Api, context: Any) -> None:
    for path in ("/echo/x", "/v1/echo/x"):
        status, answer = call(api, api_event("DELETE", path), context)
        assert (status, answer["error"]["code"]) == (405, "method_not_allowed")
        assert "POST" in answer["error"]["message"]


def test_foreseen_error_is_told_and_unforeseen_is_not(api: Api, context: Any) -> None:
    assert call(api, api_event("GET", "/refuses"), context)[0] == 400
    status, answer = call(api, api_event("GET", "/breaks"), context)
    assert (status, answer["error"]["type"]) == (500, "server_error")
    assert "secret" not in json.dumps(answer)


def test_page_of_any_origin_may_read_answers_and_refusals(api: Api, context: Any) -> None:
    for event in (api_event("POST", "/echo/x", {"said": "hi"}), api_event("GET", "/breaks"), api_event("GET", "/")):
        assert api.handler(event, context)["multiValueHeaders"]["Access-Control-Allow-Origin"] == ["*"]


def test_every_answer_is_logged_with_who_asked_for_what(api: Api, context: Any, monkeypatch) -> None:
    logs = record_logs(monkeypatch)
    for event in (
        api_event("POST", "/echo/x", {"said": "hi"}),
        api_event("GET", "/refuses"),
        api_event("GET", "/breaks"),
        api_event("GET", "/breaks", scopes=[]),
    ):
        call(api, event, context)
    lines = [json.loads(line) for line in logs.getvalue().splitlines()]
    assert [line["status"] for line in lines] == [200, 400, 500, 403]
    assert {line["project"] for line in lines} == {"demo"}
    assert [line["route"] for line in lines] == ["/echo/<name>", "/refuses", "/breaks", "/breaks"]
