"""Which policies allow which methods, which keys may call when, and which route a path belongs to."""

from typing import Any

import pytest

from infra.local_cloud.api_routes import Api, Route
from infra.local_cloud.authorizers import Admission, Refused
from infra.local_cloud.gateway_responses import gateway_response
from infra.local_cloud.throttling import TokenBucket

METHOD = "arn:aws:execute-api:us-east-1:123456789012:api/live/GET/v1/models"


def statement(effect: str, resource: Any, action: Any = "execute-api:Invoke") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([statement("Allow", METHOD)], True),
        ([statement("Allow", "*")], True),
        (statement("Allow", ["arn:aws:execute-api:*:*:api/live/GET/v1/*"]), True),
        ([statement("Allow", METHOD.replace("models", "model?"))], True),
        ([statement("Allow", "*", ["execute-api:*"])], True),
        ([statement("Allow", METHOD.replace("GET", "POST"))], False),
        ([statement("Allow", "*", "execute-api:Manage")], False),
        ([statement("Allow", "*"), statement("Deny", METHOD)], False),
        ([statement("Deny", "*")], False),
        ([], False),
    ],
)
def test_policy_allows_what_iam_would(statements: Any, allowed: bool) -> None:
    admission = Admission({"Statement": statements}, {}, None)
    if allowed:
        admission.check(METHOD)
        return
    with pytest.raises(Refused) as refusal:
        admission.check(METHOD)
    assert refusal.value.response_type == "ACCESS_DENIED"


def test_bucket_allows_a_burst_and_then_its_rate() -> None:
    now = [0.0]
    bucket = TokenBucket(rate=2, burst=3, clock=lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now[0] += 0.5
    assert [bucket.take(), bucket.take()] == [True, False]
    now[0] += 100
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def api(*routes: tuple[str, str], responses: dict[str, Any] | None = None) -> Api:
    found = [Route(resource, str(number), method, {}) for number, (method, resource) in enumerate(routes)]
    return Api(
        id="api",
        name="api",
        stage="live",
        deployment="1",
        takes_key_from_authorizer=True,
        binary_types=(),
        stage_variables={},
        routes=tuple(sorted(found, key=lambda route: route.specificity)),
        authorizers={},
        gateway_responses=responses or {},
    )


ROUTES = api(
    ("ANY", "/v1/{proxy+}"),
    ("GET", "/v1/models"),
    ("GET", "/v1/{kind}"),
    ("POST", "/v1/models/{id}"),
    ("ANY", "/v1/tunesmith/{proxy+}"),
    ("GET", "/"),
)


@pytest.mark.parametrize(
    ("method", "path", "resource", "parameters"),
    [
        ("GET", "/v1/models", "/v1/models", {}),
        ("GET", "/v1/models/", "/v1/models", {}),
        ("GET", "/live/v1/models", "/v1/models", {}),
        ("POST", "/v1/models", "/v1/{proxy+}", {"proxy": "models"}),
        ("GET", "/v1/other", "/v1/{kind}", {"kind": "other"}),
        ("POST", "/v1/models/a%2Fb", "/v1/models/{id}", {"id": "a/b"}),
        ("GET", "/v1/models/a/b", "/v1/{proxy+}", {"proxy": "models/a/b"}),
        ("DELETE", "/v1/tunesmith/runs/1", "/v1/tunesmith/{proxy+}", {"proxy": "runs/1"}),
        ("GET", "/", "/", {}),
    ],
)
def test_path_belongs_to_the_most_specific_route(
    method: str, path: str, resource: str, parameters: dict[str, str]
) -> None:
    match = ROUTES.match(method, path)
    assert match and (match.route.resource, match.parameters) == (resource, parameters)


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/models"), ("GET", "/v1"), ("POST", "/")])
def test_path_of_no_route_matches_none(method: str, path: str) -> None:
    assert ROUTES.match(method, path) is None


def test_refusal_without_settings_has_api_gateway_s_own_body() -> None:
    response = gateway_response(api(), "UNAUTHORIZED", "id-1")
    assert (response.status, response.body) == (401, b'{"message":"Unauthorized"}')
    assert ("x-amzn-ErrorType", "UnauthorizedException") in response.headers


def test_refusal_takes_the_settings_of_its_type_before_those_of_its_class() -> None:
    def settings(word: str, **more: Any) -> dict[str, Any]:
        template = f'{{"{word}": $context.error.messageString, "id": "$context.requestId"}}'
        return {"responseTemplates": {"application/json": template}} | more

    door = api(responses={"DEFAULT_4XX": settings("any"), "THROTTLED": settings("slow", statusCode="430")})
    assert gateway_response(door, "THROTTLED", "1").body == b'{"slow": "Too Many Requests", "id": "1"}'
    assert gateway_response(door, "THROTTLED", "1").status == 430
    assert gateway_response(door, "INVALID_API_KEY", "1").body == b'{"any": "Forbidden", "id": "1"}'
    assert gateway_response(door, "DEFAULT_5XX", "1").body == b'{"message":"Internal server error"}'
