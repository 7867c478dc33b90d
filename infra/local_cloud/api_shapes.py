"""JSON of a state machine to and from the arguments of an AWS API, guided by the API's own model.

Step Functions writes all names in PascalCase and serialises JSON where the API wants text or bytes; it answers in
PascalCase with JSON only.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape
from botocore.response import StreamingBody


def to_arguments(shape: Shape, value: Any) -> Any:
    """What boto3 takes, for the JSON that a state passes."""
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        members = {_folded(name): name for name in shape.members}
        named = {members.get(_folded(key), key): inner for key, inner in value.items()}
        return {key: _argument(shape.members.get(key), inner) for key, inner in named.items()}
    if kind == "list" and isinstance(value, list):
        return [to_arguments(shape.member, inner) for inner in value]
    if kind == "map" and isinstance(value, dict):
        return {key: to_arguments(shape.value, inner) for key, inner in value.items()}
    if kind == "string" and not isinstance(value, str):
        return _compact(value)
    if kind == "blob" and not isinstance(value, bytes):
        return _compact(value).encode()  # a string too: AWS stores it with its quotes
    return value


def _argument(shape: Shape | None, value: Any) -> Any:
    return value if shape is None else to_arguments(shape, value)


def _folded(name: str) -> str:
    return name.replace("_", "").lower()


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def iso_timestamp(moment: datetime) -> str:
    """How the SDK integrations show a time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def epoch_milliseconds(moment: datetime) -> int:
    """How the optimised integrations show a time."""
    return int(moment.timestamp() * 1000)


def to_state(shape: Shape | None, value: Any, time: Callable[[datetime], Any] = iso_timestamp) -> Any:
    """JSON for a state, of what boto3 answered."""
    if isinstance(value, datetime):
        return time(value)
    if isinstance(value, StreamingBody):
        return value.read().decode()
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, Mapping):
        return _mapping_to_state(shape, value, time)
    if isinstance(value, list):
        member = getattr(shape, "member", None)
        return [to_state(member, inner, time) for inner in value]
    return value


def _mapping_to_state(shape: Shape | None, value: Mapping[str, Any], time: Callable[[datetime], Any]) -> Any:
    if shape is not None and shape.type_name == "structure":
        return {
            key[:1].upper() + key[1:]: to_state(shape.members.get(key), inner, time) for key, inner in value.items()
        }
    inner_shape = getattr(shape, "value", None)
    return {key: to_state(inner_shape, inner, time) for key, inner in value.items()}
