"""A row as a conversation: three formats in, one shape out, with every fault named by its field.

OpenAI chat is canonical: `developer` becomes `system`, text parts are joined, `name` is tolerated, `weight: 0` marks an
assistant turn that is context only. Tool calls and images are refused, not dropped: without them the row means
something else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from batch_jobs.prepare.checking.decoding import json_type
from batch_jobs.prepare.checking.problems import BadRow
from tunesmith.contracts.datasets import ProblemCode, RowFormat

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
UNSUPPORTED = ("tool_calls", "function_call", "tool_call_id", "audio")
UNSUPPORTED_IN_ROW = ("tools", "functions")
INVISIBLE = "\u00ad\u115f\u1160\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2800\u3164\ufeff\uffa0"
WHITESPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
NOTHING_TO_SEE = INVISIBLE + WHITESPACE

CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
BAD_UNICODE = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
    "|(?<![\U0001f3f4\U000e0020-\U000e007e])[\U000e0000-\U000e007f]"  # tag characters, but for the flags that use them
)
CHAT_MARKER = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>")


@dataclass(frozen=True, slots=True)
class Turn:
    role: str
    content: str
    trained: bool = True
    """For the assistant: whether this turn is learnt (`weight` in OpenAI's format)."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Turns that end with an assistant's answer to something."""

    format: RowFormat
    turns: tuple[Turn, ...]

    @property
    def characters(self) -> int:
        return sum(len(turn.content) for turn in self.turns)


def parse_conversation(row: dict[str, Any]) -> Conversation:
    """The conversation that the row holds. Raises BadRow."""
    for key in UNSUPPORTED_IN_ROW:
        if row.get(key):
            raise BadRow(ProblemCode.UNKNOWN_FORMAT, f"{key} are not supported yet", field=key)
    for key, (name, parse) in FORMATS.items():
        if key in row:
            conversation = Conversation(name, parse(row))
            _check_shape(conversation.turns)
            return conversation
    keys = ", ".join(sorted(row)[:8])[:120] or "none"
    raise BadRow(ProblemCode.UNKNOWN_FORMAT, f"no known format has only these keys: {keys}")


def _parse_chat(row: dict[str, Any]) -> tuple[Turn, ...]:
    messages = row["messages"]
    if not isinstance(messages, list):
        raise BadRow(ProblemCode.WRONG_TYPE, f"expected an array, found {json_type(messages)}", field="messages")
    return tuple(_parse_message(message, f"messages[{index}]") for index, message in enumerate(messages))


def _parse_message(message: Any, place: str) -> Turn:
    if not isinstance(message, dict):
        raise BadRow(ProblemCode.WRONG_TYPE, f"expected an object, found {json_type(message)}", field=place)
    for key in UNSUPPORTED:
        if message.get(key):
            raise BadRow(ProblemCode.UNKNOWN_FORMAT, f"{key} is not supported yet", field=f"{place}.{key}")
    role = _text(message, "role", f"{place}.role")
    if role not in ROLES:
        raise BadRow(ProblemCode.UNKNOWN_ROLE, f"unknown role {role[:40]!r}", field=f"{place}.role")
    content = _content(message, f"{place}.content")
    return Turn(ROLES[role], _check_text(content, f"{place}.content", role), _is_trained(message, place))


def _content(message: dict[str, Any], place: str) -> str:
    """The text: a string, or OpenAI's list of text parts."""
    parts = message.get("content")
    if not isinstance(parts, list):
        return _text(message, "content", place)
    texts = []
    for index, part in enumerate(parts):
        kind = part.get("type") if isinstance(part, dict) else json_type(part)
        if kind != "text":
            raise BadRow(ProblemCode.WRONG_TYPE, f"expected a text part, found {kind}", field=f"{place}[{index}].type")
        texts.append(_text(part, "text", f"{place}[{index}].text"))
    return "".join(texts)


def _is_trained(message: dict[str, Any], place: str) -> bool:
    weight = message.get("weight", 1)
    if weight not in (0, 1) or isinstance(weight, bool):
        raise BadRow(ProblemCode.WRONG_TYPE, "expected 0 or 1", field=f"{place}.weight")
    return bool(weight)


def _parse_prompt_completion(row: dict[str, Any]) -> tuple[Turn, ...]:
    return (_turn(row, "prompt", "user"), _turn(row, "completion", "assistant"))


def _parse_alpaca(row: dict[str, Any]) -> tuple[Turn, ...]:
    instruction = _turn(row, "instruction", "user").content
    extra = _text(row, "input", "input") if row.get("input") is not None else ""
    if not is_blank(extra):
        instruction = f"{instruction}\n\n{_check_text(extra, 'input', 'user')}"
    return (Turn("user", instruction), _turn(row, "output", "assistant"))


def _turn(row: dict[str, Any], key: str, role: str) -> Turn:
    return Turn(role, _check_text(_text(row, key, key), key, role))


def _text(owner: dict[str, Any], key: str, place: str) -> str:
    if key not in owner:
        raise BadRow(ProblemCode.MISSING_FIELD, f"no {key!r}", field=place)
    if not isinstance(owner[key], str):
        raise BadRow(ProblemCode.WRONG_TYPE, f"expected a string, found {json_type(owner[key])}", field=place)
    return str(owner[key])


def _check_text(text: str, place: str, role: str) -> str:
    if is_blank(text) and role in ("user", "assistant"):
        raise BadRow(ProblemCode.BLANK_CONTENT, "nothing visible in this text", field=place)
    if found := CONTROL.search(text) or (not text.isascii() and BAD_UNICODE.search(text)):
        message = f"U+{ord(found[0]):04X} at character {found.start() + 1}"
        raise BadRow(ProblemCode.BAD_CHARACTER, message, field=place)
    if "<|" in text and (found := CHAT_MARKER.search(text)):
        message = f"the chat marker {found[0]} at character {found.start() + 1}: was a template applied already?"
        raise BadRow(ProblemCode.SPECIAL_TOKEN, message, field=place)
    return text


def is_blank(text: str) -> bool:
    """Whether there is nothing to see in the text, invisible characters included."""
    return not text.strip(NOTHING_TO_SEE)


def _check_shape(turns: tuple[Turn, ...]) -> None:
    """A conversation teaches something only where an assistant's turn answers something."""
    roles = [turn.role for turn in turns]
    if not roles or roles[-1] != "assistant":
        found = f"the last turn is {roles[-1]}'s" if roles else "there are no turns"
        raise BadRow(ProblemCode.NO_ASSISTANT_TURN, f"{found}: there is no answer to learn", field="messages")
    if set(roles) == {"assistant"}:
        raise BadRow(ProblemCode.NO_ASSISTANT_TURN, "nothing stands before the answer", field="messages")
    if not any(turn.trained for turn in turns[1:] if turn.role == "assistant"):  # a greeting answers nothing
        raise BadRow(ProblemCode.NO_ASSISTANT_TURN, "every answer has weight 0", field="messages")


FORMATS: dict[str, tuple[RowFormat, Callable[[dict[str, Any]], tuple[Turn, ...]]]] = {
    "messages": (RowFormat.CHAT, _parse_chat),
    "completion": (RowFormat.PROMPT_COMPLETION, _parse_prompt_completion),
    "prompt": (RowFormat.PROMPT_COMPLETION, _parse_prompt_completion),
    "instruction": (RowFormat.ALPACA, _parse_alpaca),
}
"""By the key that gives a format away."""
