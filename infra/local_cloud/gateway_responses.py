"""What API Gateway answers by itself, where no function is reached or its answer is of no use."""

import json
import re
from dataclasses import dataclass
from typing import Any

from infra.local_cloud.api_routes import Api

VARIABLE = re.compile(r"\$context\.([\w.]+)")


@dataclass(frozen=True)
class Standard:
    status: int
    message: str
    error_type: str


STANDARD = {
    "ACCESS_DENIED": Standard(403, "User is not authorized to access this resource", "AccessDeniedException"),
    "AUTHORIZER_CONFIGURATION_ERROR": Standard(500, "Internal server error", "AuthorizerConfigurationException"),
    "AUTHORIZER_FAILURE": Standard(500, "Internal server error", "AuthorizerFailureException"),
    "BAD_REQUEST_BODY": Standard(400, "Invalid request body", "BadRequestException"),
    "API_CONFIGURATION_ERROR": Standard(500, "Internal server error", "InternalServerErrorException"),
    "DEFAULT_5XX": Standard(502, "Internal server error", "InternalServerErrorException"),
    "INTEGRATION_TIMEOUT": Standard(504, "Endpoint request timed out", "InternalServerErrorException"),
    "INVALID_API_KEY": Standard(403, "Forbidden", "ForbiddenException"),
    "MISSING_AUTHENTICATION_TOKEN": Standard(
        403, "Missing Authentication Token", "MissingAuthenticationTokenException"
    ),
    "QUOTA_EXCEEDED": Standard(429, "Limit Exceeded", "LimitExceededException"),
    "REQUEST_TOO_LARGE": Standard(413, "Request Too Long", "RequestTooLargeException"),
    "THROTTLED": Standard(429, "Too Many Requests", "TooManyRequestsException"),
    "UNAUTHORIZED": Standard(401, "Unauthorized", "UnauthorizedException"),
}


@dataclass(frozen=True)
class Response:
    """What goes back to the client."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def gateway_response(api: Api, response_type: str, request_id: str, message: str | None = None) -> Response:
    """The response of a type, as the API's own settings have it: those of the type, else the default of its class."""
    standard = STANDARD[response_type]
    chosen = _chosen(api, response_type, standard.status)
    status = int(chosen.get("statusCode") or standard.status)
    values = {
        "error.message": message or standard.message,
        "error.messageString": json.dumps(message or standard.message),
        "error.responseType": response_type,
        "requestId": request_id,
        "stage": api.stage,
    }
    template = (chosen.get("responseTemplates") or {}).get(
        "application/json", '{"message":$context.error.messageString}'
    )
    headers = [("Content-Type", "application/json"), ("x-amzn-RequestId", request_id)]
    headers.append(("x-amzn-ErrorType", standard.error_type))
    headers += literal_headers(chosen.get("responseParameters") or {}, "gatewayresponse.header.")
    return Response(status, tuple(headers), VARIABLE.sub(lambda it: values.get(it[1], ""), template).encode())


def _chosen(api: Api, response_type: str, status: int) -> dict[str, Any]:
    default = "DEFAULT_5XX" if status >= 500 else "DEFAULT_4XX"
    return api.gateway_responses.get(response_type) or api.gateway_responses.get(default) or {}


def literal_headers(parameters: dict[str, str], prefix: str) -> list[tuple[str, str]]:
    """Headers that a mapping sets to literals, which are spelt in single quotes."""
    return [
        (name.removeprefix(prefix), value[1:-1])
        for name, value in parameters.items()
        if name.startswith(prefix) and value.startswith("'") and value.endswith("'")
    ]
