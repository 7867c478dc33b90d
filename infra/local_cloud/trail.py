"""Who called what: each different call of a function or a job, once, as a line of `calls.jsonl`.

Functions and jobs say who they are by the SDK's own application id. The lifecycle's tests hold these calls against the
policies of their roles: on AWS, a permission that is missing shows only when the call is made.
"""

import json
import re
import threading
from pathlib import Path
from typing import Any

from moto.core.authorization import ActionAuthenticatorMixin
from moto.core.responses import BaseResponse

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace

FILE = "calls.jsonl"
APPLICATION = re.compile(r"(?:^| )app/(\S+)")
LONGEST_APPLICATION = 50
"""Of an application id: the SDK warns about a longer one."""


def application(name: str) -> dict[str, str]:
    """The environment by which a process says that it is `name`."""
    return {"AWS_SDK_UA_APP_ID": name[-LONGEST_APPLICATION:]}


class Trail:
    """The calls so far."""

    def __init__(self, file: Path):
        self._file, self._seen, self._lock = file, set[str](), threading.Lock()

    def add(self, caller: str, action: str, resource: str) -> None:
        line = json.dumps({"caller": caller, "action": action, "resource": resource})
        with self._lock:
            if line in self._seen:
                return
            self._seen.add(line)
            with self._file.open("a") as file:
                file.write(line + "\n")


def install(cloud: Cloud) -> None:
    trail = Trail(cloud.state_dir / FILE)

    def authorize(response: BaseResponse, iam_request_class: type, resource: str = "*") -> None:
        if found := APPLICATION.search(response.headers.get("User-Agent", "")):
            for named in _resources(cloud, response, resource):
                trail.add(found[1], f"{response.service_name}:{response._get_action()}", named)

    replace(cloud, ActionAuthenticatorMixin, "_authenticate_and_authorize_action", authorize)


def _resources(cloud: Cloud, response: Any, resource: str) -> list[str]:
    """The table of a call to DynamoDB, the object of one to S3; of others, what moto makes of it."""
    if response.service_name != "dynamodb":
        return [resource]
    tables = re.findall(r'"TableName":\s*"([^"]+)"', _text(response.raw_body))
    named = [f"arn:aws:dynamodb:{cloud.region}:{cloud.account}:table/{name}" for name in dict.fromkeys(tables)]
    return named or [resource]


def _text(body: Any) -> str:
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
