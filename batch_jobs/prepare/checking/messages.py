"""Messages: OpenAI's objects with `role` and `content`, as turns.

`developer` becomes `system`, text parts are joined, the older `function_call` becomes `tool_calls` and the role
`function` becomes `tool`. Parts of text may also be spelt as Bedrock, OpenAI's responses and LLaMA-Factory spell them.
Images and audio are refused, not dropped: without them the row means something else.
"""

from typing import Any

from batch_jobs.prepare.canonical import Turn
from batch_jobs.prepare.checking.decoding import json_type
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.telling import quoted
from batch_jobs.prepare.checking.texts import TextChecks, is_blank
from batch_jobs.prepare.checking.tools import parse_calls, parse_function
from batch_jobs.prepare.checking.unread import MEDIA_PARTS, check_message
from batch_jobs.prepare.checking.values import canonical_json, text_of, wrong_type
from tunesmith.contracts.datasets import ProblemCode

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
WEIGHTS = ("weight", "loss_weight", "loss_scale", "loss", "train", "training")
"""OpenAI's and Mistral's; LLaMA-Factory's; ms-swift's two; axolotl's two."""
PARTS = {
    **dict.fromkeys(("text", "input_text", "output_text"), ("text", "value")),
    "refusal": ("refusal",),
}
"""Types of parts that are text, and the keys that it may stand under."""
PLAIN_ROLES = {role: name for role, name in ROLES.items() if name != "tool"}


def parse_messages(messages: Any, place: str, checks: TextChecks) -> list[Turn]:
    """The turns of an array of messages. Raises BadRow."""
    if not isinstance(messages, list):
        raise wrong_type("an array", messages, place)
    turns = []
    for index, message in enumerate(messages):
        if type(message) is dict and len(message) == 2:
            role, content = message.get("role"), message.get("content")
            if type(role) is str and role in PLAIN_ROLES and type(content) is str and checks.is_plain(content):
                turns.append(Turn(PLAIN_ROLES[role], content, role == "assistant"))
                continue
        turns.append(_parse_message(message, f"{place}[{index}]", checks))
    return turns


def _parse_message(message: Any, place: str, checks: TextChecks) -> Turn:
    if not isinstance(message, dict):
        raise wrong_type("an object", message, place)
    check_message(message, place)
    role = text_of(message, "role", f"{place}.role")
    if role not in ROLES:
        raise BadRow(ProblemCode.UNKNOWN_ROLE, f"unknown role {quoted(role, 40)}", field=f"{place}.role")
    calls = _calls(message, ROLES[role], place, checks)
    return Turn(
        ROLES[role],
        _checked_content(message, ROLES[role], calls is not None, place, checks),
        ROLES[role] == "assistant" and is_trained(message, place),
        name=_optional(message, "name", place, checks),
        tool_calls=calls,
        tool_call_id=_answers(message, ROLES[role], place, checks),
    )


def _checked_content(message: dict[str, Any], role: str, has_calls: bool, place: str, checks: TextChecks) -> str:
    """What may be blank: a system turn, a tool's answer, and an assistant's turn that calls tools."""
    if has_calls and message.get("content") is None and not message.get("refusal"):
        return ""
    key = _spoken(message, role, place)
    content, place = _content(message, key, f"{place}.{key}"), f"{place}.{key}"
    may_be_blank = has_calls or role in ("system", "tool")
    return checks.any(content, place) if may_be_blank else checks.visible(content, place)


def _spoken(message: dict[str, Any], role: str, place: str) -> str:
    """The key of what is said: OpenAI writes what the assistant will not do as `refusal` instead of `content`."""
    if role != "assistant" or not message.get("refusal"):
        return "content"
    if message.get("content"):
        reason = "the turn has a text and a refusal: which one counts?"
        raise BadRow(ProblemCode.DUPLICATE_KEY, reason, field=f"{place}.refusal")
    return "refusal"


def _content(owner: dict[str, Any], key: str, place: str) -> str:
    """The text: a string, or a list of text parts (OpenAI's `{"type": "text", "text"}`, Bedrock's `{"text"}`)."""
    parts = owner.get(key)
    if not isinstance(parts, list):
        return text_of(owner, key, place)
    texts = []
    for index, part in enumerate(parts):
        kind = part.get("type", "text") if isinstance(part, dict) else json_type(part)
        kind = kind if isinstance(kind, str) else json_type(kind)
        if kind not in PARTS:
            code = ProblemCode.UNSUPPORTED if kind in MEDIA_PARTS else ProblemCode.WRONG_TYPE
            raise BadRow(code, f"expected a text part, found {kind[:40]}", field=f"{place}[{index}].type")
        name = next((name for name in PARTS[kind] if name in part), PARTS[kind][0])
        texts.append(text_of(part, name, f"{place}[{index}].{name}"))
    return "".join(texts)


def with_system(row: dict[str, Any], turns: list[Turn], checks: TextChecks) -> list[Turn]:
    """The turns after the text of the row's key `system`. Raises BadRow where they begin with another system's turn."""
    before = system_turn(row, checks)
    if not before or not turns or turns[0].role != "system":
        return before + turns
    if turns[0].content == before[0].content:
        return turns
    reason = "the row has a system text beside another system's turn: which one counts?"
    raise BadRow(ProblemCode.DUPLICATE_KEY, reason, field="system")


def system_turn(row: dict[str, Any], checks: TextChecks) -> list[Turn]:
    """The text of the row's key `system`, if it has any."""
    if row.get("system") is None:
        return []
    text = _content(row, "system", "system")
    return [] if is_blank(text) else [Turn("system", checks.any(text, "system"), False)]


def _calls(message: dict[str, Any], role: str, place: str, checks: TextChecks) -> str | None:
    """The turn's tool calls as canonical JSON."""
    key = "tool_calls" if message.get("tool_calls") else "function_call"
    value = message.get(key)
    if not value:
        return None
    field = f"{place}.{key}"
    if role != "assistant":
        raise BadRow(ProblemCode.TOOL_MISMATCH, f"only the assistant calls tools, this turn is {role}'s", field=field)
    if key == "tool_calls":
        return canonical_json(parse_calls(value, field, checks))
    return canonical_json([{"type": "function", "function": parse_function(value, field, checks)}])


def _answers(message: dict[str, Any], role: str, place: str, checks: TextChecks) -> str | None:
    identity = _optional(message, "tool_call_id", place, checks)
    if identity is not None and role != "tool":
        reason = f"only a tool's turn answers a call, this turn is {role}'s"
        raise BadRow(ProblemCode.TOOL_MISMATCH, reason, field=f"{place}.tool_call_id")
    return identity


def _optional(message: dict[str, Any], key: str, place: str, checks: TextChecks) -> str | None:
    value = message.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise wrong_type("a string", value, f"{place}.{key}")
    return None if is_blank(value) else checks.any(value, f"{place}.{key}")


def is_trained(message: dict[str, Any], place: str) -> bool:
    """OpenAI's `weight`, or what others call it: 0 or false makes an assistant's turn context only."""
    return all([_weighs(message, key, place) for key in WEIGHTS if message.get(key) is not None])


def _weighs(message: dict[str, Any], key: str, place: str) -> bool:
    if message[key] not in (0, 1):
        raise BadRow(ProblemCode.WRONG_TYPE, "expected 0 or 1", field=f"{place}.{key}")
    return bool(message[key])
