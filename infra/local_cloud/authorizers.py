"""Lambda authorizers: who calls is asked once per credential and lifetime, what they may call at each request."""

import json
import threading
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from infra.local_cloud.api_routes import FUNCTION

DEFAULT_LIFETIME_SECONDS = 300
EXPLICITLY_DENIED = "User is not authorized to access this resource with an explicit deny"


class Refused(Exception):
    """The request goes no further. `response_type` is the gateway response to it."""

    def __init__(self, response_type: str, message: str | None = None):
        super().__init__(message or response_type)
        self.response_type, self.message = response_type, message


@dataclass(frozen=True)
class Admission:
    """What an authorizer said of a credential."""

    policy: dict[str, Any]
    context: dict[str, str]
    usage_key: str | None

    def check(self, method_arn: str) -> None:
        """Raises Refused where the policy does not allow the method."""
        effects = {
            statement["Effect"]
            for statement in _listed(self.policy["Statement"])
            if any(_matches(action, "execute-api:Invoke") for action in _listed(statement["Action"]))
            and any(_matches(resource, method_arn) for resource in _listed(statement["Resource"]))
        }
        if "Deny" in effects:
            raise Refused("ACCESS_DENIED", EXPLICITLY_DENIED)
        if "Allow" not in effects:
            raise Refused("ACCESS_DENIED")


class Authorizer:
    """One authorizer of an API, with what it said lately."""

    def __init__(self, settings: dict[str, Any], lambdas: Any):
        self._settings, self._lambdas = settings, lambdas
        self._cache: dict[tuple[str, ...], tuple[float, Admission]] = {}
        self._lock = threading.Lock()

    def admit(self, request: dict[str, Any], method_arn: str) -> Admission:
        """Who sends the request. Raises Refused."""
        identity = self._identity(request)
        lifetime = float(self._settings.get("authorizerResultTtlInSeconds", DEFAULT_LIFETIME_SECONDS))
        with self._lock:
            until, kept = self._cache.get(identity, (0.0, None))
        if kept is None or time.monotonic() >= until:
            kept = self._ask(request, method_arn, identity)
            if lifetime:
                with self._lock:
                    self._cache[identity] = (time.monotonic() + lifetime, kept)
        kept.check(method_arn)
        return kept

    def _identity(self, request: dict[str, Any]) -> tuple[str, ...]:
        """Values of the identity sources. One that is missing is a 401, before anyone is asked."""
        sources = [source.strip() for source in (self._settings.get("identitySource") or "").split(",") if source]
        values = [_value(source, request) for source in sources]
        if any(not value for value in values):
            raise Refused("UNAUTHORIZED")
        return tuple(str(value) for value in values)

    def _ask(self, request: dict[str, Any], method_arn: str, identity: tuple[str, ...]) -> Admission:
        function = FUNCTION.search(self._settings["authorizerUri"])
        assert function, f"the authorizer {self._settings['name']} leads to no function"
        if self._settings["type"] == "TOKEN":
            event = {"type": "TOKEN", "methodArn": method_arn, "authorizationToken": identity[0]}
        else:
            event = request | {"type": "REQUEST", "methodArn": method_arn}
        answer = self._lambdas.invoke(FunctionName=function[1], Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            unauthorized = payload.get("errorMessage") == "Unauthorized"
            raise Refused("UNAUTHORIZED" if unauthorized else "AUTHORIZER_FAILURE")
        return _admission(payload)


def _admission(payload: Any) -> Admission:
    """Raises Refused where the answer is not what API Gateway takes."""
    try:
        context = {name: _text(value) for name, value in (payload.get("context") or {}).items()}
        admission = Admission(
            payload["policyDocument"],
            context | {"principalId": payload["principalId"]},
            payload.get("usageIdentifierKey"),
        )
        for statement in _listed(admission.policy["Statement"]):
            _ = statement["Effect"], statement["Action"], statement["Resource"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refused("AUTHORIZER_CONFIGURATION_ERROR") from error
    return admission


def _text(value: Any) -> str:
    """API Gateway takes scalars only, and hands them on as text."""
    if isinstance(value, dict | list):
        raise ValueError(f"the authorizer's context holds {value}; only scalars pass")
    return value if isinstance(value, str) else json.dumps(value)


def _value(source: str, request: dict[str, Any]) -> str | None:
    """As in `method.request.header.Authorization`."""
    kind, _, name = source.removeprefix("method.request.").partition(".")
    found = {
        "header": {key.lower(): value for key, value in request["headers"].items()}.get(name.lower()),
        "querystring": (request["queryStringParameters"] or {}).get(name),
        "stageVariables": (request["stageVariables"] or {}).get(name),
        "context": request["requestContext"].get(name),
    }
    return found.get(kind)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    """IAM's wildcards; a bracket is nothing special there."""
    return fnmatchcase(text, pattern.replace("[", "[[]"))
