"""Replaces what was found: by typed placeholders that agree within a row, or by keyed pseudonyms that agree everywhere.

The texts are rewritten by one compiled copy. Strings among the extras (tool definitions, arguments of tool calls, kept
columns, names) are few, and go through plain Python, with the numbers of their row.
"""

import hashlib
import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from batch_jobs.prepare.batches import Extras, Flags, Integers, RowBatch, Texts, take_texts
from batch_jobs.prepare.canonical import Turn
from batch_jobs.prepare.cleaning.pii.detector import Detector
from batch_jobs.prepare.cleaning.pii.spans import Found, Spans
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import copy_bytes
from tunesmith.contracts.preparation import PiiType, RedactStyle

LONGEST_NAMED = 400
"""Characters of a value that its name may tell to be personal."""
TELLING = re.compile(
    "(?i)key|token|secret|pass|pwd|auth|phone|tel|mob|cell|fax|sms|card|ssn|social|number|tax|national|ident|person|id$"
)
"""What a name has that may tell what its value is, where the value alone does not."""
PLAIN_KEY = re.compile("[A-Za-z_$ ]{0,24}")
"""Keys that hold nothing: most do not, and each would cost as much as a text."""
USED = re.compile(rb"<([A-Z_]{2,20})_(\d{1,9})>")


class Replacements:
    """What stands for each value: one object per row of placeholders, or one for all of pseudonyms."""

    def __init__(self, style: RedactStyle, key: bytes | None = None) -> None:
        if style is RedactStyle.PSEUDONYM and not key:
            raise ValueError("pseudonyms need a key: give the bytes of prepare.redact.key_secret")
        self._style, self._key = style, key or b""
        self._numbers: dict[tuple[PiiType, str], int] = {}
        self._last: Counter[str] = Counter()

    def spare(self, text: bytes) -> None:
        """Do not give out again the numbers of placeholders that stand in the text already."""
        if b"<" in text:
            for name, number in USED.findall(text):
                self._last[name.decode()] = max(self._last[name.decode()], int(number))

    def of(self, kind: PiiType, value: str) -> bytes:
        """The placeholder of this value, which another spelling of it shares."""
        value = canonical_value(kind, value)
        name = kind.value.upper()
        if self._style is RedactStyle.PSEUDONYM:
            message = f"{kind.value}\0{value}".encode()
            return f"<{name}_{hmac.new(self._key, message, hashlib.sha256).hexdigest()[:8]}>".encode()
        number = self._numbers.get((kind, value))
        if number is None:
            self._last[name] += 1
            number = self._numbers[kind, value] = self._last[name]
        return f"<{name}_{number}>".encode()


def canonical_value(kind: PiiType, value: str) -> str:
    """One spelling of a value: case and separators that do not matter are left out."""
    if kind in (PiiType.SECRET, PiiType.URL_CREDENTIALS, PiiType.CRYPTO_ADDRESS):
        return value
    if kind is PiiType.PHONE:
        return re.sub(r"^00", "+", re.sub(r"[^\d+x]", "", value.lower()))
    if kind in (PiiType.CREDIT_CARD, PiiType.IBAN, PiiType.US_SSN, PiiType.NATIONAL_ID, PiiType.MAC_ADDRESS):
        return re.sub(r"[\W_]", "", value.lower())
    return " ".join(value.lower().split())


def redact(
    batch: RowBatch, detector: Detector, style: RedactStyle = RedactStyle.PLACEHOLDER, key: bytes | None = None
) -> tuple[RowBatch, Counter[PiiType], Flags]:
    """The batch without what the detector finds, how many of each type were found, and which rows had any.

    A batch in which nothing is found is returned itself. Redacting again changes nothing. Raises ValueError for
    pseudonyms without a key.
    """
    everywhere = Replacements(style, key)
    spans = detector.find(batch.texts)
    counts: Counter[PiiType] = Counter()
    flags = np.zeros(len(batch), np.bool_)
    by_row: dict[int, Replacements] = {}

    def replacements(row: int) -> Replacements:
        if style is RedactStyle.PSEUDONYM:
            return everywhere
        if row not in by_row:
            by_row[row] = Replacements(style)
            start, end = batch.texts.offsets[batch.first[row]], batch.texts.offsets[batch.first[row + 1]]
            by_row[row].spare(batch.texts.buffer[start:end].tobytes())
        return by_row[row]

    texts = batch.texts
    while len(spans):
        rows = np.searchsorted(batch.first, spans.text, side="right") - 1
        flags[rows] = True
        new = []
        for (start, end, kind), row in zip(spans, rows.tolist(), strict=True):
            value = texts.buffer[start:end].tobytes().decode("utf-8", "replace")
            new.append(replacements(row).of(kind, value))
            counts[kind] += 1
        texts = _rewritten(texts, spans, new)
        spans = _find_in(texts, np.unique(spans.text), detector)
    extras = dict(batch.extras)
    for row, found in batch.extras.items():
        rewriter = _Rewriter(detector, replacements(row))
        rewritten = rewriter.extras(found)
        if rewriter.counts:
            extras[row], flags[row] = rewritten, True
            counts.update(rewriter.counts)
    if not counts:
        return batch, counts, flags
    return replace(batch, texts=texts, extras=extras), counts, flags


def redact_text(text: str, detector: Detector) -> str:
    """One text for people to read, with placeholders."""
    return _Rewriter(detector, Replacements(RedactStyle.PLACEHOLDER)).string(text)


class _Rewriter:
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
    """Every text of a document that `_Rewriter` may look at, and with the name before it where that may tell."""
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


def _find_in(texts: Texts, chosen: Integers, detector: Detector) -> Spans:
    """What is found in these texts only: a value that stood close to another may be told once that one is gone."""
    part = take_texts(texts, chosen)
    spans = detector.find(part)
    moved = texts.offsets[chosen[spans.text]] - part.offsets[spans.text]
    return Spans(chosen[spans.text], spans.start + moved, spans.end + moved, spans.code)


def _rewritten(texts: Texts, spans: Spans, new: list[bytes]) -> Texts:
    if not new:
        return texts
    bounds = np.cumsum([0, *map(len, new)], dtype=np.int64)
    growth = np.zeros(len(texts) + 1, np.int64)
    np.add.at(growth, spans.text + 1, np.diff(bounds) - (spans.end - spans.start))
    low = texts.offsets[0]
    offsets = texts.offsets - low + np.cumsum(growth)
    buffer = np.empty(offsets[-1], np.uint8)
    replaced = np.frombuffer(bytearray().join(new), np.uint8)
    _gather(texts.buffer, low, texts.offsets[-1], spans.start, spans.end, replaced, bounds, buffer)
    return Texts(buffer, offsets)


@compiled
def _gather(source, low, high, start: Integers, end: Integers, new, bounds, buffer):
    """Copy what lies between the spans, and the new bytes in their places."""
    at = 0
    for span in range(len(start)):
        copy_bytes(source, low, buffer, at, start[span] - low)
        at += start[span] - low
        size = bounds[span + 1] - bounds[span]
        copy_bytes(new, bounds[span], buffer, at, size)
        at += size
        low = end[span]
    copy_bytes(source, low, buffer, at, high - low)
