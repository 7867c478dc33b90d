"""Where personal data stands: spans of bytes, sorted, never overlapping."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers
from tunesmith.contracts.preparation import PiiType

TYPES = tuple(PiiType)
CODES = {kind: code for code, kind in enumerate(TYPES)}

Found = tuple[int, int, PiiType]
"""First byte, byte after the last, what it is."""

Ranked = tuple[int, int, int, PiiType]
"""Rank, first byte, byte after the last, what it is."""


@dataclass(frozen=True, slots=True)
class Spans:
    """Span i is `buffer[start[i]:end[i]]`, in text `text[i]`, and is a TYPES[code[i]]."""

    text: Integers
    start: Integers
    end: Integers
    code: Bytes

    def __len__(self) -> int:
        return len(self.start)

    def __iter__(self) -> Iterator[Found]:
        for start, end, code in zip(self.start.tolist(), self.end.tolist(), self.code.tolist(), strict=True):
            yield start, end, TYPES[code]

    @classmethod
    def of(cls, found: Sequence[Found], offsets: Integers) -> "Spans":
        start = np.array([start for start, _, _ in found], np.int64)
        return cls(
            np.searchsorted(offsets, start, side="right") - 1,
            start,
            np.array([end for _, end, _ in found], np.int64),
            np.array([CODES[kind] for _, _, kind in found], np.uint8),
        )


def without_overlaps(ranked: Sequence[Ranked]) -> list[Found]:
    """Of those that overlap the lowest rank stays, and of equal ranks the longest; sorted.

    A span that only begins inside a better one keeps nothing: what remains of it is no value.
    """
    in_order = sorted((start, end, kind) for _, start, end, kind in ranked)
    if all(before[1] <= after[0] for before, after in pairwise(in_order)):
        return in_order
    kept: list[Found] = []
    starts: list[int] = []
    ends: list[int] = []
    for _, start, end, kind in sorted(ranked, key=lambda span: (span[0], span[1] - span[2], span[1])):
        place = bisect_right(starts, start)
        if (place and ends[place - 1] > start) or (place < len(starts) and starts[place] < end):
            continue
        starts.insert(place, start)
        ends.insert(place, end)
        kept.append((start, end, kind))
    return sorted(kept)
