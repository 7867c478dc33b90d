"""API Gateway's data plane: a REST API's routes, served over HTTP on a port of its own.

    request -> route -> authorizer -> usage plan -> function or mock -> answer

Everything is buffered, as the REST proxy buffers. Not here: request models, VTL beyond error templates, TLS.
"""

import base64
import json
import logging
import threading
import time
import uuid
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from infra.local_cloud import metrics
from infra.local_cloud.api_routes import Api, Match, deployments, read_api
from infra.local_cloud.authorizers import Admission, Authorizer, Refused
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.gateway_responses import Response, gateway_response, literal_headers
from infra.local_cloud.throttling import UsagePlans

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
MOST_BYTES = 10 * 1024 * 1024
TIMEOUT_SECONDS = 29
RECHECK_SECONDS = 2.0
"""How long a new deployment may stay unseen."""
INTERNAL_ERROR = Response(500, (("Content-Type", "application/json"),), b'{"message":"Internal server error"}')
NOT_FORWARDED = {"connection", "content-length", "date", "keep-alive", "server", "transfer-encoding"}


class Gateway:
    """One deployed stage, with what its requests share."""

    def __init__(self, cloud: Cloud, api: Api, lambdas: Any):
        self.api = api
        self.plans = UsagePlans(cloud, api.id, api.stage)
        self.authorizers = {name: Authorizer(settings, lambdas) for name, settings in api.authorizers.items()}
        self._cloud, self._lambdas = cloud, lambdas

    def answer(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Response:
        began = time.monotonic()
        response = self._answer(method, target, headers, body)
        self._report(response.status, (time.monotonic() - began) * 1000)
        return response

    def _report(self, status: int, milliseconds: float) -> None:
        """The metrics that API Gateway keeps by itself."""
        values = {"Count": 1.0, "4XXError": float(400 <= status < 500), "5XXError": float(status >= 500)}
        dimensions = [{"Name": "ApiName", "Value": self.api.name}]
        data = [{"MetricName": name, "Value": value, "Unit": "Count"} for name, value in values.items()]
        data.append({"MetricName": "Latency", "Value": milliseconds, "Unit": "Milliseconds"})
        metrics.put(self._cloud, "AWS/ApiGateway", [datum | {"Dimensions": dimensions} for datum in data])

    def _answer(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Response:
        request_id, path = str(uuid.uuid4()), urlsplit(target).path
        try:
            if len(body) > MOST_BYTES:
                raise Refused("REQUEST_TOO_LARGE")
            match = self.api.match(method, path)
            if match is None:
                raise Refused("MISSING_AUTHENTICATION_TOKEN")
            if match.route.integration.get("type") == "MOCK":
                return _mock(match)
            event = self._event(request_id, method, target, headers, body, match)
            return self._invoke(match, self._admit(match, event))
        except Refused as refused:
            return gateway_response(self.api, refused.response_type, request_id, refused.message)

    def _admit(self, match: Match, event: dict[str, Any]) -> dict[str, Any]:
        """The event with who calls. Raises Refused."""
        settings, admission = match.route.settings, None
        if authorizer := self.authorizers.get(settings.get("authorizerId", "")):
            asked = {name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")}
            admission = authorizer.admit(asked, self._method_arn(match, event))
            event["requestContext"]["authorizer"] = admission.context
        if settings.get("apiKeyRequired") and (refusal := self.plans.refuse(self._key(event, admission))):
            raise Refused(refusal.response_type)
        return event

    def _key(self, event: dict[str, Any], admission: Admission | None) -> str | None:
        if self.api.takes_key_from_authorizer:
            return admission.usage_key if admission else None
        return {name.lower(): value for name, value in event["headers"].items()}.get("x-api-key")

    def _method_arn(self, match: Match, event: dict[str, Any]) -> str:
        place = f"{self.api.id}/{self.api.stage}/{event['httpMethod']}{match.path}"
        return f"arn:aws:execute-api:{self._cloud.region}:{self._cloud.account}:{place}"

    def _invoke(self, match: Match, event: dict[str, Any]) -> Response:
        try:
            answer = self._lambdas.invoke(FunctionName=match.route.function, Payload=json.dumps(event))
        except ReadTimeoutError as error:
            raise Refused("INTEGRATION_TIMEOUT") from error
        except ClientError as error:
            too_large = error.response["Error"]["Code"] == "RequestTooLargeException"
            raise Refused("REQUEST_TOO_LARGE" if too_large else "DEFAULT_5XX") from error
        payload = answer["Payload"].read()
        if "FunctionError" in answer:
            raise Refused("DEFAULT_5XX")
        return self._proxied(payload, event)

    def _proxied(self, payload: bytes, event: dict[str, Any]) -> Response:
        """What a proxy integration made of the function's answer. Raises Refused where that is malformed."""
        try:
            answer = json.loads(payload)
            status, text = int(answer["statusCode"]), answer.get("body") or ""
            single, multiple = answer.get("headers") or {}, answer.get("multiValueHeaders") or {}
            headers = [(str(name), str(value)) for name, value in single.items() if name not in multiple]
            headers += [(str(name), str(value)) for name, values in multiple.items() for value in values]
            body = base64.b64decode(text) if self._decodes(answer, event, headers) else text.encode()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            logger.warning("malformed answer of a proxy integration: %.500s", payload)
            raise Refused("DEFAULT_5XX") from error
        kept = [(name, value) for name, value in headers if name.lower() not in NOT_FORWARDED]
        if not any(name.lower() == "content-type" for name, _ in kept):
            kept.append(("Content-Type", "application/json"))
        return Response(status, (*kept, ("x-amzn-RequestId", event["requestContext"]["requestId"])), body)

    def _decodes(self, answer: dict[str, Any], event: dict[str, Any], headers: list[tuple[str, str]]) -> bool:
        """API Gateway decodes a body only for types that the API declares binary."""
        if not answer.get("isBase64Encoded"):
            return False
        sent = next((value for name, value in headers if name.lower() == "content-type"), "")
        wished = {name.lower(): value for name, value in event["headers"].items()}.get("accept", "")
        return self._is_binary(sent) or self._is_binary(wished)

    def _is_binary(self, content_type: str) -> bool:
        plain = content_type.split(",")[0].split(";")[0].strip().lower()
        return bool(plain) and any(fnmatchcase(plain, declared) for declared in self.api.binary_types)

    def _event(
        self, request_id: str, method: str, target: str, headers: list[tuple[str, str]], body: bytes, match: Match
    ) -> dict[str, Any]:
        """The proxy integration's event."""
        query = parse_qs(urlsplit(target).query, keep_blank_values=True)
        grouped: dict[str, list[str]] = {}
        for name, value in headers:
            grouped.setdefault(name, []).append(value)
        content_type = {name.lower(): values[-1] for name, values in grouped.items()}.get("content-type", "")
        binary = self._is_binary(content_type)
        text = base64.b64encode(body).decode() if binary else body.decode(errors="replace")
        return {
            "resource": match.route.resource,
            "path": unquote(match.path),
            "httpMethod": method,
            "headers": {name: values[-1] for name, values in grouped.items()},
            "multiValueHeaders": grouped,
            "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
            "multiValueQueryStringParameters": query or None,
            "pathParameters": match.parameters or None,
            "stageVariables": self.api.stage_variables or None,
            "requestContext": self._context(request_id, method, match, grouped),
            "body": text if body else None,
            "isBase64Encoded": binary and bool(body),
        }

    def _context(self, request_id: str, method: str, match: Match, headers: dict[str, list[str]]) -> dict[str, Any]:
        now, lower = time.time(), {name.lower(): values[-1] for name, values in headers.items()}
        return {
            "accountId": self._cloud.account,
            "apiId": self.api.id,
            "deploymentId": self.api.deployment,
            "domainName": f"{self.api.id}.execute-api.{self._cloud.region}.amazonaws.com",
            "domainPrefix": self.api.id,
            "extendedRequestId": base64.b64encode(request_id.encode()).decode()[:16],
            "httpMethod": method,
            "identity": {"sourceIp": HOST, "userAgent": lower.get("user-agent"), "apiKey": lower.get("x-api-key")},
            "path": f"/{self.api.stage}{match.path}",
            "protocol": "HTTP/1.1",
            "requestId": request_id,
            "requestTime": datetime.fromtimestamp(now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now * 1000),
            "resourceId": match.route.resource_id,
            "resourcePath": match.route.resource,
            "stage": self.api.stage,
        }


def _mock(match: Match) -> Response:
    """The mock integration's default response, as CORS preflights use it."""
    responses = match.route.integration.get("integrationResponses") or {}
    chosen = next((it for it in responses.values() if not it.get("selectionPattern")), {})
    headers = literal_headers(chosen.get("responseParameters") or {}, "method.response.header.")
    body = (chosen.get("responseTemplates") or {}).get("application/json") or ""
    return Response(int(chosen.get("statusCode", 200)), tuple(headers), body.encode())


class FrontDoor:
    """The HTTP server. It finds the deployed APIs by itself; a Host header of `<api id>....` chooses among several."""

    def __init__(self, cloud: Cloud, port: int = 0):
        self._cloud = cloud
        self._gateways: dict[str, Gateway] = {}
        self._checked = float("-inf")
        self._lock = threading.Lock()
        self._server = _Server((HOST, port), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True, name="front-door").start()
        cloud.on_stop.append(self._server.shutdown)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._server.server_port}"

    def answer(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Response:
        gateways = self._current()
        host = next((value for name, value in headers if name.lower() == "host"), "").split(".")[0]
        gateway = gateways.get(host) or next(iter(gateways.values()), None)
        if gateway is None:
            return Response(404, (("Content-Type", "application/json"),), b'{"message":"No API is deployed"}')
        return gateway.answer(method, target, headers, body)

    def _current(self) -> dict[str, Gateway]:
        """Gateways of what is deployed now; one lives as long as its deployment."""
        with self._lock:
            if time.monotonic() - self._checked > RECHECK_SECONDS:
                self._gateways = {
                    api: self._kept(api, stage, deployment)
                    for api, (stage, deployment) in deployments(self._cloud).items()
                }
                self._checked = time.monotonic()
            return self._gateways

    def _kept(self, api: str, stage: str, deployment: str) -> Gateway:
        kept = self._gateways.get(api)
        if kept and (kept.api.stage, kept.api.deployment) == (stage, deployment):
            return kept
        return Gateway(self._cloud, read_api(self._cloud, api, stage), self._lambdas)

    @cached_property
    def _lambdas(self) -> Any:
        """A client that waits no longer than API Gateway does, and asks once."""
        return boto3.client(
            "lambda",
            endpoint_url=self._cloud.url,
            region_name=self._cloud.region,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(read_timeout=TIMEOUT_SECONDS, retries={"total_max_attempts": 1}, max_pool_connections=256),
        )


class _Server(ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def _handler(door: FrontDoor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self._chunks() if "chunked" in self.headers.get("Transfer-Encoding", "") else self._read(length)
            try:
                response = door.answer(self.command, self.path, list(self.headers.items()), body)
            except Exception:  # the boundary of a request: the client is answered whatever went wrong
                logger.exception("%s %s could not be answered", self.command, self.path)
                response = INTERNAL_ERROR
            self._send(response)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_HEAD = _answer  # noqa: N815

        def _read(self, length: int) -> bytes:
            """A body that is too long is read to its end, so that the client sees the answer, but not kept."""
            kept = self.rfile.read(min(length, MOST_BYTES + 1))
            for first in range(MOST_BYTES + 1, length, MOST_BYTES):
                self.rfile.read(min(MOST_BYTES, length - first))
            return kept

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body = (body + self.rfile.read(size))[: MOST_BYTES + 1]
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _send(self, response: Response) -> None:
            self.send_response(response.status)
            for name, value in response.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)
            self.wfile.flush()

        def log_message(self, template: str, *values: object) -> None:
            logger.debug(template, *values)

    return Handler
