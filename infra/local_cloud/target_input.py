"""What a target of an EventBridge rule receives: the event, a constant, a part of the event, or a filled template."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+|\*|'[^']*')\]")
MISSING = object()


@dataclass(frozen=True)
class Sender:
    """The rule that sends."""

    rule_name: str
    rule_arn: str


def target_input(target: Mapping[str, Any], event: Mapping[str, Any], sender: Sender) -> str:
    """JSON text."""
    if target.get("Input") is not None:
        return str(target["Input"])
    if target.get("InputPath"):
        found = at_path(event, target["InputPath"])
        return json.dumps(None if found is MISSING else found)
    if target.get("InputTransformer"):
        transformer = target["InputTransformer"]
        paths = transformer.get("InputPathsMap") or {}
        return filled(transformer["InputTemplate"], values(paths, event, sender))
    return json.dumps(event)


def values(paths: Mapping[str, str], event: Mapping[str, Any], sender: Sender) -> dict[str, Any]:
    """What the placeholders of a template stand for; a path that leads nowhere makes no value."""
    found = {name: at_path(event, path) for name, path in paths.items()}
    reserved = {
        "aws.events.rule-arn": sender.rule_arn,
        "aws.events.rule-name": sender.rule_name,
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {key: value for key, value in event.items() if key != "detail"},
        "aws.events.event.json": dict(event),
    }
    return {name: value for name, value in found.items() if value is not MISSING} | reserved


def at_path(document: Any, path: str) -> Any:
    """The JSONPath of EventBridge: `$`, names, numbers and `[*]`."""
    found = document
    for name, index in STEP.findall(path.removeprefix("$")):
        if index == "*":
            if not isinstance(found, list):
                return MISSING
            continue
        found = _step(found, name or index.strip("'"))
        if found is MISSING:
            return MISSING
    return found


def _step(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return value.get(key, MISSING)
    if isinstance(value, list) and key.isdigit() and int(key) < len(value):
        return value[int(key)]
    return MISSING


def filled(template: str, replacements: Mapping[str, Any]) -> str:
    """A value that stands alone becomes JSON; inside a string it becomes text, escaped so that the result is JSON."""
    parts: list[str] = []
    end = 0
    for match in PLACEHOLDER.finditer(template):
        parts.append(template[end : match.start()])
        value = replacements.get(match[1], "")
        parts.append(_inside(value) if _in_string(template, match.start()) else json.dumps(value))
        end = match.end()
    return "".join([*parts, template[end:]])


def _inside(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1]


def _in_string(template: str, position: int) -> bool:
    """Whether an odd number of unescaped quotes stands before."""
    return len(re.findall(r'(?<!\\)"', template[:position])) % 2 == 1
