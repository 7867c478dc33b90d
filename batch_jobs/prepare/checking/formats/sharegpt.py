"""ShareGPT: `{"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]}`.

`system` and `tools` may stand beside it (LLaMA-Factory's spelling: `function_call` and `observation` are tool calls and
their answers, `tools` is JSON in a string). Items may also be written with `role` and `content`.
"""

from typing import Any

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.formats.chat import conversation
from batch_jobs.prepare.checking.messages import is_trained, parse_messages, with_system
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.telling import quoted
from batch_jobs.prepare.checking.texts import TextChecks
from batch_jobs.prepare.checking.tools import parse_calls
from batch_jobs.prepare.checking.unread import check_message
from batch_jobs.prepare.checking.values import CONVERSATIONS, array_of, canonical_json, json_in, text_of, wrong_type
from tunesmith.contracts.datasets import ProblemCode, RowFormat

SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "observation": "tool",
    "tool": "tool",
    "tool_response": "tool",
    "function_response": "tool",
    "function_call": "call",
    "tool_call": "call",
}


def parse_sharegpt(row: dict[str, Any], checks: TextChecks) -> Row:
    key = conversation_key(row)
    turns = parse_items(array_of(row, key, key), key, checks)
    return conversation(RowFormat.SHAREGPT, with_system(row, turns, checks), row, key)


def conversation_key(row: dict[str, Any]) -> str:
    return next((key for key in CONVERSATIONS if key in row), "conversations")


def parse_items(items: Any, place: str, checks: TextChecks) -> list[Turn]:
    """The turns of ShareGPT's items, or of messages: the first one tells which. Raises BadRow."""
    if not isinstance(items, list):
        raise wrong_type("an array", items, place)
    if items and isinstance(items[0], dict) and "role" in items[0]:
        return parse_messages(items, place, checks)
    return [_parse_item(item, f"{place}[{index}]", checks) for index, item in enumerate(items)]


def parse_either(items: list[Any], place: str, checks: TextChecks) -> list[Turn]:
    """The turns of messages, or of ShareGPT's items where the first one is spoken `from` somebody. Raises BadRow."""
    first = items[0] if items else None
    is_spoken = isinstance(first, dict) and "from" in first and "role" not in first
    return parse_items(items, place, checks) if is_spoken else parse_messages(items, place, checks)


def _parse_item(item: Any, place: str, checks: TextChecks) -> Turn:
    if not isinstance(item, dict):
        raise wrong_type("an object", item, place)
    check_message(item, place)
    speaker = text_of(item, "from", f"{place}.from")
    role = SPEAKERS.get(speaker)
    if role is None:
        raise BadRow(ProblemCode.UNKNOWN_ROLE, f"unknown speaker {quoted(speaker, 40)}", field=f"{place}.from")
    key = "content" if "content" in item and "value" not in item else "value"
    field = f"{place}.{key}"
    text = text_of(item, key, field)
    if role == "call":
        return Turn("assistant", "", is_trained(item, place), tool_calls=_calls(text, field, checks))
    content = checks.any(text, field) if role in ("system", "tool") else checks.visible(text, field)
    return Turn(role, content, role == "assistant" and is_trained(item, place))


def _calls(text: str, place: str, checks: TextChecks) -> str:
    """One call, or an array of them, as JSON in a string."""
    value = json_in(text, place, ProblemCode.TOOL_MISMATCH)
    if isinstance(value, list) and value:
        return canonical_json(parse_calls(value, place, checks))
    if isinstance(value, dict):
        return canonical_json(parse_calls([value], place, checks))
    raise BadRow(ProblemCode.TOOL_MISMATCH, "expected a call, as in {name, arguments}", field=place)
