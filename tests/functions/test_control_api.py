"""Feedback, runs and versions: recorded requests against rows as the platform writes them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from functions.control_api import handler
from tests.support.production import CREATED_AT, add_run, api_event, promote, register
from tunesmith.adapters.storage import Storage
from tunesmith.adapters.traffic import Traffic
from tunesmith.contracts.identity import digest
from tunesmith.contracts.keys import Scope
from tunesmith.contracts.openai import Usage
from tunesmith.contracts.traffic import Exchange

DOWN = {"completion_id": "chatcmpl-1", "rating": "down"}


@pytest.fixture
def platform(tables, buckets, monkeypatch) -> dict[str, str]:
    for name in ("runs", "models", "feedback"):
        monkeypatch.setenv(f"{name.upper()}_TABLE", tables[name])
    monkeypatch.setenv("ARTIFACTS_BUCKET", buckets["artifacts"])
    handler.env.cache_clear()
    handler.storage.cache_clear()
    answer_given("demo", "chatcmpl-1")
    return tables


def answer_given(project: str, completion_id: str) -> None:
    exchange = Exchange(
        completion_id=completion_id,
        project=project,
        model="docs",
        version=1,
        model_digest=digest("good"),
        key_id="0123456789ab",
        messages=[{"role": "user", "content": "Summarise."}],
        answer="It adds.",
        finish_reason="stop",
        usage=Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5),
        latency_seconds=0.1,
        created_at=CREATED_AT,
    )
    Traffic("artifacts", Storage()).capture(exchange)


@pytest.fixture
def call(platform, context) -> Callable[..., tuple[int, Any]]:
    def call(event: dict[str, Any]) -> tuple[int, Any]:
        response = handler.lambda_handler(event, context)
        return response["statusCode"], json.loads(response["body"])

    return call


def give(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    return api_event("POST", "/tunesmith/feedback", body, **options)


def judge(feedback_id: str, status: str, **options: Any) -> dict[str, Any]:
    body = {"status": status, "reviewer": "ada"}
    return api_event("POST", f"/tunesmith/feedback/{feedback_id}/review", body, **options)


def negative_feedback(lines: str) -> list[float]:
    found = [json.loads(line) for line in lines.splitlines()]
    return [value for line in found if "_aws" in line for value in line["NegativeFeedback"]]


def test_feedback_is_staged_with_the_conversation_it_is_about(call, event) -> None:
    status, feedback = call(event("control_api/feedback.json"))
    assert (status, feedback["status"], feedback["project"], feedback["model"]) == (200, "staged", "demo", "docs")
    assert (feedback["answer"], feedback["correction"]) == ("It adds.", "Add two numbers.")
    assert feedback["messages"] == [{"role": "user", "content": "Summarise."}]


@pytest.mark.parametrize(("rating", "value"), [("down", 1), ("up", 0)])
def test_feedback_is_measured_once_however_often_it_comes(call, capsys, rating: str, value: int) -> None:
    first = call(give({"completion_id": "chatcmpl-1", "rating": rating}))
    again = call(give({"rating": rating, "completion_id": "chatcmpl-1"}))
    assert first == again
    assert negative_feedback(capsys.readouterr().out) == [value]


def test_other_feedback_on_the_same_answer_is_another(call, capsys) -> None:
    one, two = call(give(DOWN))[1], call(give(DOWN | {"correction": "Better."}))[1]
    assert one["feedback_id"] != two["feedback_id"]
    assert negative_feedback(capsys.readouterr().out) == [1, 1]


def test_metric_has_the_dimensions_that_the_quality_alarm_asks_for(call, capsys, monkeypatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "control_api")
    call(give(DOWN))
    line = next(line for line in capsys.readouterr().out.splitlines() if "_aws" in line)
    written = json.loads(line)
    assert written["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["project", "model"]]
    assert (written["project"], written["model"]) == ("demo", "docs")


@pytest.mark.parametrize("completion_id", ["chatcmpl-2", "chatcmpl-other"])
def test_feedback_on_an_answer_that_was_not_given_to_the_project_is_refused(call, capsys, completion_id: str) -> None:
    answer_given("other", "chatcmpl-other")
    assert call(give(DOWN | {"completion_id": completion_id}))[0] == 404
    assert negative_feedback(capsys.readouterr().out) == []


def test_completion_id_that_could_be_a_path_is_refused(call) -> None:
    for completion_id in ("../chatcmpl-1", "chatcmpl-../../x", "chatcmpl-", "chatcmpl-%2e%2e", "chatcmpl-1\x00", 7):
        status, answer = call(give(DOWN | {"completion_id": completion_id}))
        assert (status, answer["error"]["param"]) == (400, "completion_id"), completion_id


def test_feedback_that_no_row_can_hold_is_a_400(call) -> None:
    status, answer = call(give(DOWN | {"correction": "\N{GRINNING FACE}" * 100_000, "comment": "x" * 10_000}))
    assert (status, answer["error"]["code"]) == (400, "invalid_input")


def test_malformed_feedback_is_a_400(call) -> None:
    for body in ({}, DOWN | {"rating": "meh"}, DOWN | {"extra": 1}, DOWN | {"correction": ""}):
        assert call(give(body))[0] == 400, body


def test_review_decides_once_and_a_repeat_changes_nothing(call) -> None:
    feedback_id = call(give(DOWN))[1]["feedback_id"]
    status, approved = call(judge(feedback_id, "approved"))
    assert (status, approved["status"], approved["reviewer"]) == (200, "approved", "ada")
    assert call(judge(feedback_id, "approved")) == (200, approved)
    assert call(judge(feedback_id, "rejected"))[0] == 409
    assert call(judge(feedback_id, "approved")) == (200, approved)


def test_feedback_given_again_after_its_review_stays_reviewed(call) -> None:
    feedback_id = call(give(DOWN))[1]["feedback_id"]
    call(judge(feedback_id, "rejected"))
    assert call(give(DOWN))[1]["status"] == "rejected"


@pytest.mark.parametrize(("status", "expected"), [("staged", 400), ("wonderful", 400)])
def test_review_that_decides_nothing_is_refused(call, status: str, expected: int) -> None:
    feedback_id = call(give(DOWN))[1]["feedback_id"]
    assert call(judge(feedback_id, status))[0] == expected


def test_review_of_unknown_feedback_is_a_404(call, event) -> None:
    assert call(event("control_api/review.json"))[0] == 404


def test_feedback_is_listed_by_status(call) -> None:
    first = call(give(DOWN))[1]["feedback_id"]
    second = call(give(DOWN | {"comment": "hm"}))[1]["feedback_id"]
    call(judge(first, "approved"))

    def listed(**query: str) -> list[str]:
        found = call(api_event("GET", "/tunesmith/feedback", query=query or None))[1]
        return sorted(feedback["feedback_id"] for feedback in found["data"])

    assert listed(status="approved") == [first]
    assert listed(status="staged") == [second]
    assert listed() == sorted([first, second])


def test_runs_are_listed_and_retrieved(call, platform, event) -> None:
    run = add_run(platform, "demo", "one")
    add_run(platform, "other", "two")
    listed = call(event("control_api/list_runs.json"))[1]
    assert [found["request"]["run_id"] for found in listed["data"]] == [run.run_id]
    assert call(api_event("GET", f"/tunesmith/runs/{run.run_id}"))[1]["status"] == "queued"


def test_run_of_another_project_is_told_as_one_that_does_not_exist(call, platform) -> None:
    foreign, unknown = add_run(platform, "other", "two").run_id, "run-" + "0" * 32
    hidden = call(api_event("GET", f"/tunesmith/runs/{foreign}"))
    absent = call(api_event("GET", f"/tunesmith/runs/{unknown}"))
    assert hidden[0] == absent[0] == 404
    assert str(hidden[1]).replace(foreign, "") == str(absent[1]).replace(unknown, "")


def test_runs_come_in_pages(call, platform) -> None:
    ids = {add_run(platform, "demo", name).run_id for name in "abc"}
    first = call(api_event("GET", "/tunesmith/runs", query={"limit": "2"}))[1]
    assert first["has_more"] is True
    rest = call(api_event("GET", "/tunesmith/runs", query={"limit": "2", "after": first["last_id"]}))[1]
    assert rest["has_more"] is False
    assert {run["request"]["run_id"] for run in first["data"] + rest["data"]} == ids


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "many"}, {"order": "asc"}])
def test_unknown_query_is_a_400(call, query: dict[str, str]) -> None:
    assert call(api_event("GET", "/tunesmith/runs", query=query))[0] == 400


def test_versions_of_the_project_are_listed(call, platform) -> None:
    promote(platform, "demo", "docs", "first")
    register(platform, "demo", "docs", "second")
    register(platform, "demo-2", "docs", "foreign")
    listed = call(api_event("GET", "/tunesmith/models"))[1]
    assert [(version["model"], version["version"]) for version in listed["data"]] == [("docs", 1), ("docs", 2)]


ROUTES = [(route.method, route.path, route.scope) for route in handler.api.routes]


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_refuses_a_key_without_its_scope(call, method: str, path: str, scope: Scope) -> None:
    target = path.replace("<run_id>", "run-x").replace("<feedback_id>", "fb-x")
    for scopes in ([], [other for other in Scope if other is not scope]):
        status, answer = call(api_event(method, target, DOWN, scopes=scopes))
        assert (status, answer["error"]["code"]) == (403, "not_authorized")


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_refuses_a_request_that_no_authorizer_saw(call, method: str, path: str, scope: Scope) -> None:
    event = api_event(method, path.replace("<run_id>", "run-x").replace("<feedback_id>", "fb-x"), DOWN)
    del event["requestContext"]["authorizer"]
    assert call(event)[0] == 403


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_every_route_shows_a_project_nothing_of_another(call, platform, method: str, path: str, scope: Scope) -> None:
    run = add_run(platform, "demo", "secret")
    register(platform, "demo", "docs", "hidden")
    feedback_id = call(give(DOWN))[1]["feedback_id"]
    target = path.replace("<run_id>", run.run_id).replace("<feedback_id>", feedback_id)
    body = {"status": "approved", "reviewer": "eve"} if path.endswith("review") else DOWN
    status, answer = call(api_event(method, target, body if method == "POST" else None, project="intruder"))
    assert status == 404 or (status == 200 and answer["data"] == [])
