"""What stands for a value: a typed placeholder that agrees in a row, or a keyed pseudonym that agrees everywhere."""

import hashlib
import hmac
import re
from collections import Counter

import numpy as np

from batch_jobs.prepare.batches import Flags, Integers, RowBatch, Texts
from batch_jobs.prepare.cleaning.pii.placeholders import NUMBERED, may_have_some
from batch_jobs.prepare.cleaning.pii.spans import TYPES, Spans
from tunesmith.contracts.preparation import PiiType, RedactStyle

FIRST = [f"<{kind.value.upper()}_1>".encode() for kind in TYPES]
"""By a type's code: what stands for a row's only value of it."""
NOT_IN_PHONES, ABROAD, SEPARATORS = re.compile(r"[^\d+x]"), re.compile(r"^00"), re.compile(r"[\W_]")


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
            for name, number in NUMBERED.findall(text):
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
        return ABROAD.sub("+", NOT_IN_PHONES.sub("", value.lower()))
    if kind in (PiiType.CREDIT_CARD, PiiType.IBAN, PiiType.US_SSN, PiiType.NATIONAL_ID, PiiType.MAC_ADDRESS):
        return SEPARATORS.sub("", value.lower())
    return " ".join(value.lower().split())


class RowReplacements:
    """Those of each row of a batch, of whose texts the spans were found first."""

    def __init__(self, batch: RowBatch, spans: Spans, style: RedactStyle, key: bytes | None = None) -> None:
        self._batch, self._spans, self._style = batch, spans, style
        self._rows = rows_of(batch, spans)
        self._everywhere = Replacements(style, key)
        self._by_row: dict[int, Replacements] = {}

    def of_row(self, row: int) -> Replacements:
        if self._style is RedactStyle.PSEUDONYM:
            return self._everywhere
        if row not in self._by_row:
            found = self._by_row[row] = Replacements(self._style)
            start, end = self._batch.texts.offsets[self._batch.first[row : row + 2]]
            found.spare(self._batch.texts.buffer[start:end].tobytes())
            for span in range(*np.searchsorted(self._rows, [row, row + 1]).tolist()):
                self._of_span(found, self._batch.texts, self._spans, span)
        return self._by_row[row]

    def of_first(self) -> list[bytes]:
        """What stands for each span that was found first."""
        new = [FIRST[code] for code in self._spans.code.tolist()]
        for span in np.flatnonzero(~self._is_plain()).tolist():
            new[span] = self._of_span(self.of_row(int(self._rows[span])), self._batch.texts, self._spans, span)
        return new

    def of_later(self, texts: Texts, spans: Spans) -> list[bytes]:
        """What stands for spans that were found in texts without those before."""
        rows = rows_of(self._batch, spans).tolist()
        return [self._of_span(self.of_row(row), texts, spans, span) for span, row in enumerate(rows)]

    def _is_plain(self) -> Flags:
        """Whether a span's value is its row's only one of its type, and the row had no placeholder before."""
        if self._style is RedactStyle.PSEUDONYM:
            return np.zeros(len(self._spans), np.bool_)
        _, place, times = np.unique(self._rows * len(TYPES) + self._spans.code, return_inverse=True, return_counts=True)
        bounds = self._batch.texts.offsets[self._batch.first]
        used = may_have_some(self._batch.texts.buffer, bounds[self._rows], bounds[self._rows + 1])
        return (times[place] == 1) & ~used

    @staticmethod
    def _of_span(found: Replacements, texts: Texts, spans: Spans, span: int) -> bytes:
        value = texts.buffer[spans.start[span] : spans.end[span]].tobytes()
        return found.of(TYPES[spans.code[span]], value.decode("utf-8", "replace"))


def rows_of(batch: RowBatch, spans: Spans) -> Integers:
    """The row in which each span lies."""
    return np.searchsorted(batch.first, spans.text, side="right") - 1
