"""Finds personal data and secrets in many texts at once."""

import re
from collections.abc import Sequence

import numpy as np

from batch_jobs.prepare.batches import Texts
from batch_jobs.prepare.cleaning.pii import shapes
from batch_jobs.prepare.cleaning.pii.anchors import find_anchors, prefixed_places
from batch_jobs.prepare.cleaning.pii.checking import Check
from batch_jobs.prepare.cleaning.pii.kinds import Kind, announcing, kinds
from batch_jobs.prepare.cleaning.pii.placeholders import PLACEHOLDER, may_have_some
from batch_jobs.prepare.cleaning.pii.spans import Found, Ranked, Spans, without_overlaps
from tunesmith.contracts.preparation import PiiType

CONTEXT = 64
AROUND = 40
"""Bytes before and after a value among which a placeholder may lie that it is a part of."""
ENDLESS, LONGEST_KEY = shapes.BLOCK | shapes.JWT, 320
WORDS = re.compile(rb"[A-Za-z\x80-\xff]")
NO_VALUE = re.compile(rb"[A-Za-z\x80-\xff]{6}")
"""A word with more letters than values have in a row that need be announced."""
NUMBER_BEFORE, NUMBER_BEHIND = re.compile(rb"\d \Z"), re.compile(rb" \d")
LONGEST_AFTER = 12
"""Bytes of the longest word that may announce a value from behind, with what stands between."""
GUESSED = (PiiType.PERSON, PiiType.ADDRESS)


class Detector:
    """Finds these types. May be used by several threads at once: it holds nothing of the texts."""

    def __init__(self, types: Sequence[PiiType]) -> None:
        self.types = frozenset(types)
        self._kinds = [(rank, kind) for rank, kind in enumerate(kinds()) if kind.type in self.types]
        self._asked = 0
        for _, kind in self._kinds:
            self._asked |= kind.shape | kind.announcing
        self._possible: dict[int, list[tuple[int, Kind]]] = {}
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
        return Spans.of(_unless_redacted(without_overlaps(_lifted(ranked)), texts), texts.offsets)

    def _structured(self, texts: Texts) -> list[Ranked]:
        starts, ends, possible = find_anchors(texts, announcing(), self._asked)
        possible &= self._asked
        chosen = np.flatnonzero(possible)
        if not len(chosen):
            return []
        starts, ends, possible = starts[chosen], ends[chosen], possible[chosen]
        indices = np.searchsorted(texts.offsets, starts, side="right") - 1
        lows, highs = texts.offsets[indices], texts.offsets[indices + 1]
        found: list[Ranked] = []
        at, text, content = -1, texts.buffer[:0], b""
        for start, end, told, low, high in zip(
            starts.tolist(), ends.tolist(), possible.tolist(), lows.tolist(), highs.tolist(), strict=True
        ):
            searched = self._possible.get(told)
            if searched is None:
                searched = self._possible[told] = self._of_shapes(told)
            if not searched:
                continue
            if low != at:
                at, text = low, texts.buffer[low:high]
                content = text.tobytes()
            places = prefixed_places(text, start - low, end - low) if told & shapes.PREFIX else []
            for rank, kind in searched:
                spans = (
                    _matches_at(places, kind, content)
                    if kind.is_prefixed
                    else _matches(kind, content, start - low, end - low)
                )
                found += ((rank, low + first, low + last, kind.type) for first, last in spans)
        return found

    def _of_shapes(self, told: int) -> list[tuple[int, Kind]]:
        return [
            (rank, kind)
            for rank, kind in self._kinds
            if kind.shape & told and (not kind.announcing or kind.announcing & told)
        ]


def _matches(kind: Kind, content: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """A window is wider than any value that its anchor belongs to, but for keys and JWTs, which may run on."""
    found: list[tuple[int, int]] = []
    if kind.words and not _may_be_announced(kind.words, content, start, end):
        return found
    limit = end
    if kind.type is PiiType.SECRET:
        limit = len(content) if kind.shape & ENDLESS else end + LONGEST_KEY
    at = start
    while (match := kind.pattern.search(content, at, limit)) and match.start() < end:
        span = _checked(kind, content, *match.span(kind.group))
        if span:
            found.append(span)
        at = max(span[1] if span else match.start() + 1, match.start() + 1)
        if not span:
            at = _next_word(content, at, end)
    return found


def _matches_at(places: list[int], kind: Kind, content: bytes) -> list[tuple[int, int]]:
    """Its values among those that may begin at the places."""
    found = []
    for place in places:
        match = kind.pattern.match(content, place)
        span = _checked(kind, content, *match.span(kind.group)) if match else None
        if span and (not found or span[0] >= found[-1][1]):
            found.append(span)
    return found


def _checked(kind: Kind, content: bytes, start: int, end: int) -> tuple[int, int] | None:
    if kind.context and not (
        _is_announced(kind, kind.context, content, start)
        or (kind.after and kind.after.match(content, end))
        or (kind.alone and _is_alone(kind, content, start, end) and kind.alone(_text(content, start, end)))
    ):
        return None
    if kind.check is None:
        return start, end
    if kind.type is PiiType.IBAN:
        return _shortened(kind.check, content, start, end)
    return (start, end) if kind.check(_text(content, start, end)) else None


def _lifted(ranked: list[Ranked]) -> list[Ranked]:
    """A secret in which another one stands, such as a password that ends with a token, has the better one's rank."""
    secrets = sorted((found for found in ranked if found[3] is PiiType.SECRET), key=lambda found: (found[1], -found[2]))
    if len(secrets) < 2:
        return ranked
    lifted: list[Ranked] = []
    for found in secrets:
        rank, start, end, kind = lifted[-1] if lifted else found
        if lifted and found[2] <= end:
            lifted[-1] = (min(rank, found[0]), start, end, kind)
        else:
            lifted.append(found)
    return [found for found in ranked if found[3] is not PiiType.SECRET] + lifted


def _may_be_announced(words: re.Pattern[bytes], content: bytes, start: int, end: int) -> bool:
    """Whether one of the words stands around the window, or the text may have no words at all."""
    if words.search(content, max(0, start - CONTEXT), end + LONGEST_AFTER):
        return True
    return len(content) <= 2 * CONTEXT and not NO_VALUE.search(content)


def _is_announced(kind: Kind, context: re.Pattern[bytes], content: bytes, start: int) -> bool:
    low = max(0, start - CONTEXT)
    if kind.words and not kind.words.search(content, low, start):
        return False
    return context.search(content, low, start) is not None


def _is_alone(kind: Kind, content: bytes, start: int, end: int) -> bool:
    """Whether the text is short and has no words besides, nor a number that one blank parts from what may be a
    telephone: that is a row of numbers."""
    if len(content) > 2 * CONTEXT:
        return False
    before, behind = content[:start], content[end:]
    if kind.type is PiiType.PHONE and (NUMBER_BEFORE.search(before[-2:]) or NUMBER_BEHIND.match(behind)):
        return False
    return not WORDS.search(before + b" " + behind)


def _text(content: bytes, start: int, end: int) -> str:
    return content[start:end].decode("utf-8", "replace")


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
    bounds = np.array([(start, end) for start, end, _ in found], np.int64)
    near = may_have_some(texts.buffer, np.maximum(bounds[:, 0] - AROUND, 0), bounds[:, 1])
    return [span for span, may in zip(found, near.tolist(), strict=True) if not may or not _is_redacted(span, texts)]


def _is_redacted(span: Found, texts: Texts) -> bool:
    """Whether it lies within a placeholder, in whole or in part."""
    start, end, _ = span
    low = max(0, start - AROUND)
    around = texts.buffer[low : end + AROUND].tobytes()
    marks = PLACEHOLDER.finditer(around)
    return any(low + mark.start() < end and start < low + mark.end() for mark in marks)
