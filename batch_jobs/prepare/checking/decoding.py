"""One line of JSON, decoded strictly: what Python's and most other parsers let pass silently is an error here.

The fast path is one msgspec decode and one walk over the few values of a row. Only a line that fails, or that may
have a key twice, is read a second time by the slow parser that can say why.
"""

import json
import math
import re
from typing import Any, NoReturn

import msgspec

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.telling import cut, quoted
from tunesmith.contracts.datasets import ProblemCode

MAX_DEPTH = 32
HALF_PAIR = re.compile("[\ud800-\udfff]")
_decode = msgspec.json.Decoder().decode


def decode_object(raw: bytes) -> dict[str, Any]:
    """The object that the line holds. Raises BadRow."""
    value = decode_value(raw)
    if not isinstance(value, dict):
        raise BadRow(ProblemCode.NOT_AN_OBJECT, f"expected a JSON object, found {json_type(value)}")
    return value


def decode_value(raw: bytes) -> Any:
    """Any value, held to the same rules. Raises BadRow."""
    try:
        value = _decode(raw)
    except RecursionError:
        raise _too_deep() from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        _diagnose(raw)
    strings = _check_values([value])
    if strings * 2 != raw.count(b'"') - raw.count(b'\\"') or b'\\\\"' in raw:
        _reject_duplicate_keys(raw)  # unequal for a lost key, and for some escapes; \\" makes the count worthless
    return value


def json_type(value: Any) -> str:
    """What JSON calls the value."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _check_values(values: list[Any]) -> int:
    """How many strings, keys included, the values hold. Raises BadRow for what is too deep or too large."""
    strings, pending = 0, [(values, 0)]
    while pending:
        container, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise _too_deep()
        if type(container) is dict:
            strings += len(container)
        for item in container.values() if type(container) is dict else container:
            kind = type(item)
            if kind is str:
                strings += 1
            elif kind is dict or kind is list:
                pending.append((item, depth + 1))
            elif kind is int and not -(2**63) <= item < 2**64:
                raise BadRow(ProblemCode.NUMBER_RANGE, f"a whole number of {len(str(item))} digits")
    return strings


def _diagnose(raw: bytes) -> NoReturn:
    """Why the fast decoder refused the line."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadRow(ProblemCode.NOT_UTF8, f"byte {error.start + 1} of the line is no valid UTF-8") from None
    value = _slow_decode(text, strict=False)
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        message = f"a raw control character (U+{ord(text[error.pos]):04X}) at character {error.pos + 1} of the line"
        raise BadRow(ProblemCode.BAD_CHARACTER, message) from None
    place, found = _half_pair(value)
    message = f"half a surrogate pair (U+{ord(found[0]):04X}) at character {found.start() + 1}"
    raise BadRow(ProblemCode.BAD_CHARACTER, message, field=_writable(place) or None)


def _half_pair(value: Any) -> tuple[str, re.Match[str]]:
    """Where the first string with half a surrogate pair stands, and that half."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        place, item = pending.pop()
        if isinstance(item, str) and (found := HALF_PAIR.search(item)):
            return place, found
        if isinstance(item, dict):
            inner = [(f"{place}.{key}".lstrip("."), text) for key, value in item.items() for text in (key, value)]
            pending += reversed(inner)
        elif isinstance(item, list):
            pending += reversed([(f"{place}[{index}]", value) for index, value in enumerate(item)])
    raise AssertionError("the fast decoder refused what the slow one takes")


def _writable(place: str) -> str:
    """Half a surrogate pair could not be written."""
    return place.encode(errors="backslashreplace").decode()


def _reject_duplicate_keys(raw: bytes) -> None:
    _slow_decode(raw.decode(), strict=True)


def _slow_decode(text: str, strict: bool) -> Any:
    """Decode once more, for the BadRow that it raises."""
    try:
        return json.loads(
            text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique_keys, strict=strict
        )
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        place = (
            f"character {error.pos + 1} of the line" if error.pos < len(text) else "the end of the line: is it cut off?"
        )
        raise BadRow(ProblemCode.NOT_JSON, f"{error.msg.removesuffix(' at')} at {place}") from None
    except ValueError:  # Python refuses to convert whole numbers of more than 4,300 digits
        raise BadRow(ProblemCode.NUMBER_RANGE, "a whole number of thousands of digits") from None


def _no_constant(name: str) -> NoReturn:
    raise BadRow(ProblemCode.NUMBER_RANGE, f"{name} is no JSON number")


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise BadRow(ProblemCode.NUMBER_RANGE, f"{text[:40]} is larger than any 64-bit number")
    return float(text)


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            message = f"the key {quoted(key)} stands twice in one object"
            raise BadRow(ProblemCode.DUPLICATE_KEY, message, field=_writable(cut(key, 80)))
        found[key] = value
    return found


def _too_deep() -> BadRow:
    return BadRow(ProblemCode.TOO_DEEP, f"nested more than {MAX_DEPTH} levels deep")
