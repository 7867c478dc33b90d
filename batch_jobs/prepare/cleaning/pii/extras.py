"""Personal data in the strings among a row's extras: tool definitions, arguments of tool calls, kept columns, names.

One search of all of a batch's finds the rows that hold something (`rows_with_some`). Those are few, so they go through
plain Python, with the replacements of their row.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache

import numpy as np

from batch_jobs.prepare.batches import Extras, Texts
from batch_jobs.prepare.canonical import Turn
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.replacements import Replacements
from batch_jobs.prepare.cleaning.pii.spans import Found
from tunesmith.contracts.preparation import PiiType

LONGEST_NAMED = 400
"""Characters of a value that its name may tell to be personal."""
TELLING = re.compile(
    "(?i)key|token|secret|pass|pwd|auth|phone|tel|mob|cell|fax|sms|card|ssn|social|number|tax|national|ident|person|id$"
)
"""What a name has that may tell what its value is, where the value alone does not."""
may_tell = lru_cache(maxsize=4096)(TELLING.search)
PLAIN_KEY = re.compile("[A-Za-z_$ ]{0,24}")
"""Keys that hold nothing: most do not, and each would cost as much as a text."""


def rows_with_some(extras: Mapping[int, Extras], detector: Detector) -> list[int]:
    """Rows in whose extras something may be found that `ExtrasRewriter` would replace; no other row has any."""
    readings: list[bytes] = []
    rows: list[list[int]] = []
    seen: dict[str, list[int]] = {}
    for row, found in extras.items():
        for document in _documents(found):
            if document in seen:  # many rows have the same tools
                seen[document].append(row)
            else:
                seen[document] = [row]
                _read(json.loads(document), "", readings)
                rows += [seen[document]] * (len(readings) - len(rows))  # one list: of rows that come later too
        _read_besides(found, readings)
        rows += [[row]] * (len(readings) - len(rows))
    return sorted({row for text in set(detector.find(_texts(readings)).text.tolist()) for row in rows[text]})


def _documents(extras: Extras) -> Iterator[str]:
    """The strings among the extras that are JSON."""
    if extras.tools is not None:
        yield extras.tools
    for turn in extras.turns.values():
        if turn.tool_calls is not None:
            yield turn.tool_calls


def _read_besides(extras: Extras, readings: list[bytes]) -> None:
    for name, value in extras.columns.items():
        _read(value, name, readings)
    for turn in extras.turns.values():
        for text in (turn.name, turn.tool_call_id):
            if text:
                readings.append(text.encode("utf-8", "surrogatepass"))


class ExtrasRewriter:
    """Rewrites the strings in the extras of one row, and counts what it replaced."""

    def __init__(self, detector: Detector, replacements: Replacements) -> None:
        self._detector, self._replacements = detector, replacements
        self.counts: Counter[PiiType] = Counter()

    def extras(self, extras: Extras) -> Extras:
        return Extras(
            self._json(extras.tools),
            extras.label,
            {name: self._value(value, name) for name, value in extras.columns.items()},
            {place: self._turn(turn) for place, turn in extras.turns.items()},
        )

    def _turn(self, turn: Turn) -> Turn:
        """A call's id that is a secret gets the same placeholder in the call and in its answer."""
        name, answered = (text and self.string(text) for text in (turn.name, turn.tool_call_id))
        return replace(turn, name=name, tool_call_id=answered, tool_calls=self._json(turn.tool_calls))

    def _json(self, document: str | None) -> str | None:
        """Canonical JSON stays canonical; what is not touched keeps its bytes."""
        if document is None:
            return None
        value = json.loads(document)
        readings: list[bytes] = []
        _read(value, "", readings)
        if not self._is_found_in(readings):
            self._replacements.spare(document.encode("utf-8", "surrogatepass"))
            return document
        before = sum(self.counts.values())
        value = self._value(value)
        if sum(self.counts.values()) == before:
            return document
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def _value(self, value: object, name: str = "") -> object:
        """`name` is the key before the value, which may say what it is: `{"password": ...}`."""
        if isinstance(value, str):
            return self._arguments(value) if name == "arguments" else self._named(name, value)
        if isinstance(value, list):
            return [self._value(item, name) for item in value]
        if isinstance(value, dict):
            return self._object(value)
        if isinstance(value, int) and not isinstance(value, bool):
            told = self._after_name(name, str(value))
            return value if told is None else told
        return value

    def _object(self, value: dict[str, object]) -> dict[str, object]:
        """Keys may be values too. Two that would become one stay apart."""
        found: dict[str, object] = {}
        for key, item in value.items():
            new = base = key if PLAIN_KEY.fullmatch(key) else self.string(key)
            again = 1
            while new in found:
                again += 1
                new = f"{base} ({again})"
            found[new] = self._value(item, key)
        return found

    def _named(self, name: str, value: str) -> str:
        after = self.string(value)
        if after != value or not may_tell(name):
            return after
        return self._after_name(name, value) or value

    def _after_name(self, name: str, value: str) -> str | None:
        """What is left of a value that its name tells to be personal, or None."""
        if not name or len(value) > LONGEST_NAMED:
            return None
        before = len(f"{name}: ".encode("utf-8", "surrogatepass"))
        content = f"{name}: {value}".encode("utf-8", "surrogatepass")
        spans = [span for span in self._found(content) if span[0] >= before]
        if not spans:
            return None
        return self._replaced(content, spans)[before:].decode("utf-8", "surrogatepass")

    def _arguments(self, value: str) -> str:
        """Arguments of a call are JSON in a string, and must remain so."""
        try:
            json.loads(value)
        except ValueError:
            return self.string(value)
        return self._json(value) or value

    def string(self, value: str) -> str:
        content = value.encode("utf-8", "surrogatepass")
        self._replacements.spare(content)
        while (after := self._replaced(content, self._found(content))) != content:
            content = after
        return content.decode("utf-8", "surrogatepass")

    def _is_found_in(self, readings: list[bytes]) -> bool:
        """One search of all costs as much as of one, and most documents hold nothing."""
        return len(self._detector.find(_texts(readings))) > 0

    def _found(self, content: bytes) -> list[Found]:
        return list(self._detector.find(_texts([content])))

    def _replaced(self, content: bytes, spans: list[Found]) -> bytes:
        parts, at = [], 0
        for start, end, kind in spans:
            parts += [content[at:start], self._replacements.of(kind, content[start:end].decode("utf-8", "replace"))]
            self.counts[kind] += 1
            at = end
        return b"".join([*parts, content[at:]])


def _texts(readings: Sequence[bytes]) -> Texts:
    offsets = np.cumsum([0, *map(len, readings)], dtype=np.int64)
    return Texts(np.frombuffer(bytearray().join(readings), np.uint8), offsets)


def _read(value: object, name: str, readings: list[bytes]) -> None:
    """Add every text of a value that `ExtrasRewriter` may look at, and with the name before it where that may tell."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not PLAIN_KEY.fullmatch(key):
                readings.append(key.encode("utf-8", "surrogatepass"))
            _read(item, key, readings)
    elif isinstance(value, list):
        for item in value:
            _read(item, name, readings)
    elif isinstance(value, str):
        readings.append(value.encode("utf-8", "surrogatepass"))
        if name and may_tell(name):
            readings.append(f"{name}: {value}".encode("utf-8", "surrogatepass"))
        if name == "arguments":
            _read_arguments(value, readings)
    elif isinstance(value, int) and not isinstance(value, bool) and name:
        readings.append(f"{name}: {value}".encode("utf-8", "surrogatepass"))


def _read_arguments(value: str, readings: list[bytes]) -> None:
    with suppress(ValueError):
        _read(json.loads(value), "", readings)
