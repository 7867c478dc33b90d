"""Personal data in the strings among a row's extras: tool definitions, arguments of tool calls, kept columns, names.

They are few, so they go through plain Python, with the replacements of their row.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

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
PLAIN_KEY = re.compile("[A-Za-z_$ ]{0,24}")
"""Keys that hold nothing: most do not, and each would cost as much as a text."""


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
        if not self._is_found_in(list(_readings(value))):
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
        if after != value or not TELLING.search(name):
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
        offsets = np.cumsum([0, *map(len, readings)], dtype=np.int64)
        texts = Texts(np.frombuffer(bytearray().join(readings), np.uint8), offsets)
        return len(self._detector.find(texts)) > 0

    def _found(self, content: bytes) -> list[Found]:
        texts = Texts(np.frombuffer(bytearray(content), np.uint8), np.array([0, len(content)], np.int64))
        return list(self._detector.find(texts))

    def _replaced(self, content: bytes, spans: list[Found]) -> bytes:
        parts, at = [], 0
        for start, end, kind in spans:
            parts += [content[at:start], self._replacements.of(kind, content[start:end].decode("utf-8", "replace"))]
            self.counts[kind] += 1
            at = end
        return b"".join([*parts, content[at:]])


def _readings(value: object, name: str = "") -> Iterator[bytes]:
    """Every text of a document that `ExtrasRewriter` may look at, and with the name before it where that may tell."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not PLAIN_KEY.fullmatch(key):
                yield key.encode("utf-8", "surrogatepass")
            yield from _readings(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _readings(item, name)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value).encode("utf-8", "surrogatepass")
        if name:
            yield f"{name}: {value}".encode("utf-8", "surrogatepass")
        if name == "arguments" and isinstance(value, str):
            yield from _readings_of_arguments(value)


def _readings_of_arguments(value: str) -> Iterator[bytes]:
    try:
        yield from _readings(json.loads(value))
    except ValueError:
        return
