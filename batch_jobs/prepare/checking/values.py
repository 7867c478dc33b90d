"""Values of a row by their type: the value, or a BadRow that names the field and what stands there instead."""

import json
from collections.abc import Container, Iterable, Mapping
from typing import Any, NoReturn

from batch_jobs.prepare.checking.decoding import decode_value, json_type
from batch_jobs.prepare.checking.problems import BadRow
from tunesmith.contracts.datasets import ProblemCode

QUESTIONS = ("question", "query", "input", "inputs", "user", "human", "context", "problem")
REPLIES = ("answer", "response", "output", "reply", "assistant", "bot", "target", "targets", "solution")
ANSWERED = ("response", "responses", "output", "reply", "completions", "text")
"""Beside a prompt these are its completion under another name; `answer` or `solution` may be the truth for a reward."""
MEANT = {
    "prompt": QUESTIONS,
    "instruction": QUESTIONS,
    "input": ("context",),
    "completion": (*REPLIES, *(key for key in ANSWERED if key not in REPLIES)),
    "output": REPLIES,
    "system": ("system_prompt", "system_message"),
    "chosen": ("chosen_messages", "chosen_response", "messages", "completion", *REPLIES),
    "rejected": ("rejected_messages", "rejected_response"),
}
"""What people call a format's key otherwise."""
TOGETHER = {
    **dict.fromkeys(("prompt", "completion"), ("prompt", "completion", "system")),
    **dict.fromkeys(("instruction", "output"), ("instruction", "input", "output", "system")),
    **dict.fromkeys(("chosen", "rejected"), ("prompt", "chosen", "rejected", "system")),
}
"""Beside which keys of its format a key stands."""
CONVERSATIONS = ("conversations", "conversation", "messages")
LABELS = ("label", "kto_tag")
"""Whether an answer is wanted: TRL's key, and LLaMA-Factory's."""
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def columns_for(row: Container[str], wanted: Iterable[str]) -> dict[str, str]:
    """Which of the row's columns are meant for the wanted keys that it lacks: column -> key, as in
    `prepare.read.columns`."""
    wanted, found = tuple(wanted), dict[str, str]()
    for key in wanted:
        if key not in row:
            meant = (name for name in MEANT[key] if name in row and name not in found and name not in wanted)
            if (name := next(meant, None)) is not None:
                found[name] = key
    return found


def text_of(owner: Mapping[str, Any], key: str, place: str) -> str:
    value = owner.get(key)
    if type(value) is not str:
        _refuse(owner, key, place, "a string")
    return value


def array_of(owner: Mapping[str, Any], key: str, place: str) -> list[Any]:
    """An array; a table writes it as JSON in a text."""
    value = owner.get(key)
    if type(value) is str and value.lstrip().startswith("["):
        value = json_in(value, place, ProblemCode.WRONG_TYPE)
    if type(value) is not list:
        _refuse(owner, key, place, "an array")
    return value


def flag_of(owner: Mapping[str, Any], key: str, place: str) -> bool:
    """A boolean; a table writes it as text."""
    value = owner.get(key)
    if is_flag(value):
        return value if type(value) is bool else value.lower() == "true"
    _refuse(owner, key, place, "true or false")


def is_flag(value: Any) -> bool:
    return type(value) is bool or (type(value) is str and value.lower() in ("true", "false"))


def canonical_json(value: Any) -> str:
    """The same value is the same text: keys in order, no spaces."""
    return _encode(value)


def json_in(text: str, place: str, code: ProblemCode) -> Any:
    """The value that a string holds as JSON. Raises BadRow with this code, whatever is wrong with it."""
    try:
        return decode_value(text.encode())
    except BadRow as bad:
        reason = bad.message.replace("the line", "the string")
        raise BadRow(code, f"the string is no JSON ({reason})", field=place) from None


def spelt(columns: Mapping[str, str]) -> str:
    """The columns as a recipe writes them."""
    return "{" + ", ".join(f"{name}: {meant}" for name, meant in columns.items()) + "}"


def wrong_type(expected: str, found: Any, place: str) -> BadRow:
    return BadRow(ProblemCode.WRONG_TYPE, f"expected {expected}, found {json_type(found)}", field=place)


def _refuse(owner: Mapping[str, Any], key: str, place: str, expected: str) -> NoReturn:
    if key not in owner:
        columns = columns_for(owner, TOGETHER.get(key, ()))
        known = next((name for name, meant in columns.items() if meant == key), None)
        advice = f"; prepare.read.columns: {spelt(columns)} takes {known!r} for it" if known else ""
        raise BadRow(ProblemCode.MISSING_FIELD, f"no {key!r}{advice}", field=place)
    raise wrong_type(expected, owner[key], place)
