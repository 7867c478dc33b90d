"""CloudFormation custom resources: the template's own function is invoked, and answers by a PUT to a URL.

Unlike moto's, this waits for the answer before the next resource is made, and a function that fails fails the stack.
"""

import json
import threading
import uuid
from concurrent.futures import Future
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.resources import Made, ResourceType, Wanted

TIMEOUT_SECONDS = 300.0


def resource_type() -> ResourceType:
    """The one that makes every custom resource, whatever its type is called."""
    return ResourceType("", _create, _update)


def _create(wanted: Wanted) -> Made:
    answer = _ask(wanted, {"RequestType": "Create"})
    attributes = {name: _text(value) for name, value in (answer.get("Data") or {}).items()}
    return Made(answer.get("PhysicalResourceId") or wanted.name, attributes)


def _update(wanted: Wanted, made: Made) -> Made:
    answer = _ask(
        wanted,
        {
            "RequestType": "Update",
            "PhysicalResourceId": made.id,
            "OldResourceProperties": _strings(made.properties),
        },
    )
    attributes = {name: _text(value) for name, value in (answer.get("Data") or {}).items()}
    return replace(made, id=answer.get("PhysicalResourceId") or made.id, attributes=attributes)


def _ask(wanted: Wanted, request: dict[str, Any]) -> dict[str, Any]:
    """Invoke the resource's function and wait for what it sends back."""
    mailbox, request_id = _mailbox(), str(uuid.uuid4())
    event = request | {
        "RequestId": request_id,
        "ResponseURL": mailbox.url(request_id),
        "StackId": wanted.stack or wanted.arn("cloudformation", "stack/updated/0"),
        "ServiceToken": wanted.properties["ServiceToken"],
        "LogicalResourceId": wanted.logical_id,
        "ResourceType": wanted.type,
        "ResourceProperties": _strings(wanted.properties),
    }
    answered = mailbox.expect(request_id)
    _invoke(wanted.cloud, wanted.properties["ServiceToken"], event)
    answer: dict[str, Any] = answered.result(float(wanted.properties.get("ServiceTimeout", TIMEOUT_SECONDS)))
    if answer["Status"] != "SUCCESS":
        raise RuntimeError(f"its function answered {answer['Status']}: {answer.get('Reason')}")
    return answer


def _invoke(cloud: Cloud, function: str, event: dict[str, Any]) -> None:
    answer = cloud.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    if "FunctionError" in answer:
        raise RuntimeError(f"its function {function} failed: {answer['Payload'].read().decode()}")


def _strings(value: Any) -> Any:
    """CloudFormation hands custom resources strings only."""
    if isinstance(value, dict):
        return {name: _strings(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_strings(entry) for entry in value]
    return _text(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class _Mailbox:
    """Where functions PUT their answers, each under the id of its request."""

    def __init__(self) -> None:
        self._expected: dict[str, Future[dict[str, Any]]] = {}
        expected = self._expected

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:  # noqa: N802
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answered = expected.pop(self.path.lstrip("/"), None)
                self.send_response(200 if answered else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if answered:
                    answered.set_result(body)

            def log_message(self, *_: object) -> None:
                """Requests here are not worth a line."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True, name="custom-resources").start()

    def url(self, request_id: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{request_id}"

    def expect(self, request_id: str) -> "Future[dict[str, Any]]":
        return self._expected.setdefault(request_id, Future())


@cache
def _mailbox() -> _Mailbox:
    return _Mailbox()
