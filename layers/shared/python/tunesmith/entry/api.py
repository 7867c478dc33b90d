"""The front of a function behind API Gateway: routes, scopes, and errors in OpenAI's envelope.

    api = Api()

    @api.route("GET", "/models", scope=Scope.INFERENCE)
    def list_models(request: ApiRequest) -> ListPage: ...

    lambda_handler = api.handler

There is no way to declare a route without the scope that it takes, and no route is reached without a caller who has
it. Paths are without the `/v1` that the API's URL ends in: whether API Gateway passes it on depends on the
stage's name.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from pydantic import BaseModel

from tunesmith.contracts.errors import NotAuthorized, NotFound
from tunesmith.contracts.keys import Caller, Scope
from tunesmith.domain.keys import require
from tunesmith.domain.refusals import Refusal, parse_body, parse_query, refusal, unknown_route, wrong_method
from tunesmith.entry.observability import logger

JSON = "application/json"
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
"""A browser may read an answer wherever its page is from: only who sent a key got one, and a preflight came before."""
LONGEST_NAME = 200
Shape = TypeVar("Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request by a caller who may make it."""

    caller: Caller
    body: bytes
    query: Mapping[str, str]

    def parse(self, shape: type[Shape]) -> Shape:
        """The body. What does not fit is answered with a 400 that names the field; so with the query."""
        return parse_body(shape, self.body)

    def parse_query(self, shape: type[Shape]) -> Shape:
        return parse_query(shape, self.query)


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    scope: Scope

    def matches(self, path: str) -> bool:
        ours, theirs = self.path.split("/"), path.rstrip("/").split("/")
        return len(ours) == len(theirs) and all(
            our.startswith("<") or our == their for our, their in zip(ours, theirs, strict=True)
        )


Operation = Callable[..., BaseModel | Response[str]]


class Api:
    """The routes of one function."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self._resolver = APIGatewayRestResolver(strip_prefixes=["/v1"])
        self._resolver.not_found(self._no_route)
        self._resolver.exception_handler(Exception)(_refuse)
        self.handler = logger.inject_lambda_context(self._resolver.resolve, clear_state=True)

    def route(self, method: str, path: str, scope: Scope) -> Callable[[Operation], Operation]:
        """Let `operation` answer; parts of the path in angle brackets are its arguments by name."""

        def register(operation: Operation) -> Operation:
            self.routes.append(Route(method, path, scope))

            def guarded(**parts: str) -> Response[str]:
                request = self._request(path, scope)
                return _answer(operation(request, **{name: _named(part) for name, part in parts.items()}))

            self._resolver.route(path, method=method)(guarded)
            return operation

        return register

    def _request(self, path: str, scope: Scope) -> ApiRequest:
        event = self._resolver.current_event.raw_event
        caller = caller_of(event)
        logger.append_keys(project=caller.project, key_id=caller.key_id, route=path)
        require(caller, scope)
        return ApiRequest(caller, body_of(event), event.get("queryStringParameters") or {})

    def _no_route(self, error: Exception) -> Response[str]:
        event = self._resolver.current_event
        method, path = event.http_method.upper(), event.path.removeprefix("/v1")
        allowed = sorted(route.method for route in self.routes if route.matches(path))
        return _refused(wrong_method(method, path, allowed) if allowed else unknown_route(method, path))


def caller_of(event: Mapping[str, Any]) -> Caller:
    """Who the authorizer says it is. Raises NotAuthorized where no authorizer has spoken."""
    context = event.get("requestContext", {}).get("authorizer") or {}
    if not {"project", "key_id", "scopes"} <= context.keys():
        raise NotAuthorized("this request has passed no authorizer")
    return Caller.from_context(context)


def body_of(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def _named(part: str) -> str:
    """What a part of a path names. Raises NotFound for what is longer than any name, and than any table's key."""
    name = unquote(part)
    if len(name) > LONGEST_NAME:
        raise NotFound(f"nothing has a name of {len(name)} characters")
    return name


def _answer(result: BaseModel | Response[str]) -> Response[str]:
    response = result if isinstance(result, Response) else Response(200, JSON, result.model_dump_json())
    response.headers.update(ANY_ORIGIN)
    logger.info("answered", status=response.status_code)
    return response


def _refuse(error: Exception) -> Response[str]:
    told = refusal(error)
    if told.status >= 500:
        logger.exception("failed to answer", status=told.status, code=told.envelope.error.code)
    else:
        logger.info("refused", status=told.status, code=told.envelope.error.code)
    return _refused(told)


def _refused(told: Refusal) -> Response[str]:
    headers: dict[str, str | list[str]] = {**told.headers, **ANY_ORIGIN}
    return Response(told.status, JSON, told.envelope.model_dump_json(), headers)
