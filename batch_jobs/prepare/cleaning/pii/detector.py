"""Finds personal data and secrets in many texts at once."""

import re
from collections.abc import Sequence

import numpy as np

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii.anchors import LONG, find_anchors
from batch_jobs.prepare.cleaning.pii.checking import Check
from batch_jobs.prepare.cleaning.pii.kinds import PREFIXES, Kind, kinds
from batch_jobs.prepare.cleaning.pii.spans import Found, Spans, without_overlaps
from tunesmith.contracts.preparation import PiiType

CONTEXT = 64
PLACEHOLDER = re.compile(rb"<[A-Z_]{2,20}_(?:\d{1,9}|[0-9a-f]{8})>")
"""What redaction leaves behind, and does not redact again."""
WORDS = re.compile(rb"[A-Za-z\x80-\xff]")
GUESSED = (PiiType.PERSON, PiiType.ADDRESS)


class Detector:
    """Finds these types. May be used by several threads at once: it holds nothing of the texts."""

    def __init__(self, types: Sequence[PiiType]) -> None:
        self.types = frozenset(types)
        self._kinds = [
            (rank, kind, kind.least_digits, kind.needs_prefix)
            for rank, kind in enumerate(kinds())
            if kind.type in self.types
        ]
        self._tagger = None
        if self.types & set(GUESSED):
            from batch_jobs.prepare.cleaning.pii.tagger import Tagger

            self._tagger = Tagger.packaged()

    def find(self, texts: Texts) -> Spans:
        """All that is found: sorted, on whole characters, none overlapping another or crossing a text's end."""
        ranked = self._structured(texts) if self._kinds else []
        if self._tagger is not None:
            guessed = self._tagger.find(texts)
            ranked += [(1_000, start, end, kind) for start, end, kind in guessed if kind in self.types]
        if not ranked:
            return Spans.of([], texts.offsets)
        return Spans.of(_unless_redacted(without_overlaps(ranked), texts), texts.offsets)

    def _structured(self, texts: Texts) -> list[tuple[int, int, int, PiiType]]:
        starts, ends, anchors = find_anchors(texts)
        if not len(starts):
            return []
        indices = np.searchsorted(texts.offsets, starts, side="right") - 1
        found: list[tuple[int, int, int, PiiType]] = []
        of_text, content, low = -1, b"", 0
        for start, end, anchor, index in zip(
            starts.tolist(), ends.tolist(), anchors.tolist(), indices.tolist(), strict=True
        ):
            if index != of_text:
                low = int(texts.offsets[index])
                of_text, content = index, texts.buffer[low : texts.offsets[index + 1]].tobytes()
            window = content[start - low : end - low]
            digits = len(window) - len(window.translate(None, b"0123456789"))
            has_prefix = anchor & LONG and PREFIXES.search(window)
            for rank, kind, least_digits, needs_prefix in self._kinds:
                if kind.anchors & anchor and digits >= least_digits and (has_prefix or not needs_prefix):
                    found += (
                        (rank, low + first, low + last, kind.type)
                        for first, last in _matches(kind, content, start - low, end - low)
                    )
        return found


def _matches(kind: Kind, content: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """A window is wider than any value that its anchor belongs to, but for keys and JWTs, which may run on."""
    found = []
    limit = len(content) if kind.type is PiiType.SECRET else end
    at = start
    while (match := kind.pattern.search(content, at, limit)) and match.start() < end:
        group = "value" if "value" in kind.pattern.groupindex else 0
        span = _checked(kind, content, *match.span(group))
        if span:
            found.append(span)
        at = max(span[1] if span else match.start() + 1, match.start() + 1)
        if not span:
            at = _next_word(content, at, end)
    return found


def _checked(kind: Kind, content: bytes, start: int, end: int) -> tuple[int, int] | None:
    if kind.context and not (
        kind.context.search(content, max(0, start - CONTEXT), start)
        or (kind.after and kind.after.match(content, end))
        or (len(content) <= 2 * CONTEXT and not WORDS.search(content[:start] + b" " + content[end:]))
    ):
        return None
    if kind.check is None:
        return start, end
    if kind.type is PiiType.IBAN:
        return _shortened(kind.check, content, start, end)
    return (start, end) if kind.check(content[start:end].decode("utf-8", "replace")) else None


def _shortened(check: Check, content: bytes, start: int, end: int) -> tuple[int, int] | None:
    """An IBAN written in groups may be followed by a word: take groups off until it is one."""
    while end - start >= 15:
        if check(content[start:end].decode("ascii")):
            return start, end
        cut = max(content.rfind(b" ", start, end), content.rfind(b"-", start, end))
        if cut < 0:
            return None
        end = cut
    return None


def _next_word(content: bytes, at: int, end: int) -> int:
    while at < end and chr(content[at]).isalnum() and content[at] < 128 and content[at - 1] not in b" -.:/@=(":
        at += 1
    return at


def _unless_redacted(found: list[Found], texts: Texts) -> list[Found]:
    kept = []
    for start, end, kind in found:
        around = texts.buffer[max(0, start - 40) : end + 40].tobytes()
        offset = max(0, start - 40)
        inside = (offset + mark.start() < end and start < offset + mark.end() for mark in PLACEHOLDER.finditer(around))
        if not any(inside):
            kept.append((start, end, kind))
    return kept
