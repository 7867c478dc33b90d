"""Values of a row by their type: the value, or a BadRow that names the field and what stands there instead."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from batch_jobs.prepare.checking.decoding import decode_value, json_type
from batch_jobs.prepare.checking.problems import BadRow
from tunesmith.contracts.datasets import ProblemCode

QUESTIONS = ("question", "query", "input", "user", "context", "problem")
REPLIES = ("answer", "response", "output", "reply", "assistant", "target", "solution")
MEANT = {"prompt": QUESTIONS, "instruction": QUESTIONS, "completion": REPLIES, "output": REPLIES}
"""What people call a format's key otherwise."""


def text_of(owner: Mapping[str, Any], key: str, place: str) -> str:
    value = owner.get(key)
    if type(value) is not str:
        _refuse(owner, key, place, "a string")
    return value


def array_of(owner: Mapping[str, Any], key: str, place: str) -> list[Any]:
    value = owner.get(key)
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
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def json_in(text: str, place: str, code: ProblemCode) -> Any:
    """The value that a string holds as JSON. Raises BadRow with this code, whatever is wrong with it."""
    try:
        return decode_value(text.encode())
    except BadRow as bad:
        raise BadRow(code, f"the string is no JSON ({bad.message})", field=place) from None


def wrong_type(expected: str, found: Any, place: str) -> BadRow:
    return BadRow(ProblemCode.WRONG_TYPE, f"expected {expected}, found {json_type(found)}", field=place)


def _refuse(owner: Mapping[str, Any], key: str, place: str, expected: str) -> NoReturn:
    if key not in owner:
        known = next((other for other in MEANT.get(key, ()) if other in owner), None)
        advice = f"; prepare.read.columns: {{{known}: {key}}} takes {known!r} for it" if known else ""
        raise BadRow(ProblemCode.MISSING_FIELD, f"no {key!r}{advice}", field=place)
    raise wrong_type(expected, owner[key], place)
