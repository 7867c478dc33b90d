"""The actions of SageMaker that this package answers itself, in the place of moto's."""

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.sagemaker.responses import SageMakerResponse

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import put, replace

Request = dict[str, Any]
Answer = dict[str, Any]
Action = Callable[[Request], Answer]


class Refused(ServiceException):
    """Raised with the code and the message of SageMaker's own error. (moto takes an error's model from the module that
    its class is in, so that none of moto's own classes will do.)"""


def now() -> datetime:
    return datetime.now(UTC)


def not_found(what: str) -> Refused:
    """What SageMaker says of most things that are not there."""
    return Refused("ValidationException", f"Could not find {what}.")


def taken(what: str) -> Refused:
    return Refused("ValidationException", f"Cannot create already existing {what}.")


def arn(cloud: Cloud, kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{cloud.region}:{cloud.account}:{kind}/{name}"


def answer(cloud: Cloud, actions: Mapping[str, Action]) -> None:
    """Let each function answer its action, as in {"CreateModel": create_model}."""
    for action, function in actions.items():
        name = xform_name(action)
        change = replace if hasattr(SageMakerResponse, name) else put
        change(cloud, SageMakerResponse, name, _method(function))


def _method(function: Action) -> Callable[[SageMakerResponse], ActionResult]:
    return lambda response: ActionResult(function(dict(response.params)))


class Shelf:
    """Documents by name, changed one at a time."""

    def __init__(self, kind: str) -> None:
        self.kind, self._lock = kind, threading.RLock()
        self._documents: dict[str, Answer] = {}

    def add(self, name: str, document: Answer) -> None:
        with self._lock:
            if name in self._documents:
                raise taken(f'{self.kind} "{name}"')
            self._documents[name] = document

    def get(self, name: str) -> Answer:
        """The document itself; it is changed only inside `changing`."""
        with self._lock:
            if name not in self._documents:
                raise not_found(f'{self.kind} "{name}"')
            return self._documents[name]

    @contextmanager
    def changing(self, name: str) -> Any:
        with self._lock:
            document = self.get(name)
            yield document
            document["LastModifiedTime"] = now()

    def remove(self, name: str) -> Answer:
        with self._lock:
            self.get(name)
            return self._documents.pop(name)

    def all(self) -> list[Answer]:
        with self._lock:
            return list(self._documents.values())


def shown(document: Mapping[str, Any]) -> Answer:
    """A document as Describe answers it: without what was not given."""
    return {key: value for key, value in document.items() if value is not None}


def page(request: Request, key: str, items: Iterable[Answer], by: str = "CreationTime") -> Answer:
    """List...: sorted, filtered by NameContains and cut into pages."""
    newest_first = request.get("SortOrder", "Descending") == "Descending"
    ordered = sorted(items, key=lambda item: item[by], reverse=newest_first)
    first, size = int(request.get("NextToken") or 0), int(request.get("MaxResults") or 100)
    answer: Answer = {key: ordered[first : first + size]}
    if first + size < len(ordered):
        answer["NextToken"] = str(first + size)
    return answer
