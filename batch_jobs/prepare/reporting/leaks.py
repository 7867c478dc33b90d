"""Rows that were dropped since they share a run of words with an evaluation set, as the report lists them: which row,
which item of which set, and the words that both have.

A scan only tells that a row has one of the sets' runs. So the first rows that were dropped, and then the sets until
each of these rows has its item, are read once more.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Integers, RowBatch, Texts, join_texts
from batch_jobs.prepare.deduplicating.contamination import EvaluationRuns, TextRuns
from batch_jobs.prepare.reporting.reading_again import read_again

LISTED = 50
"""Rows, the first in the order of files and lines."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of one text that belongs to a run."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FoundLeak:
    row: int
    """Of the dataset."""
    line: int
    against: str
    """URI of the evaluation set."""
    item: int
    """Its line."""
    words: int
    pieces: list[Piece]
    """The shared run: one text, or several where it goes on from one turn to the next."""


def find_leaks(
    rows: Integers,
    read: Callable[[int], RowBatch],
    lengths: Sequence[int],
    items: Iterable[tuple[str, RowBatch]],
    length: int,
) -> list[FoundLeak]:
    """`rows` are those that were dropped, ascending; `items` the sets' URIs and items; runs have `length` words.

    Each row is told with the first item that it shares a run with, and with the first of the runs that both have.
    """
    chosen = read_again(rows[:LISTED], read, lengths)
    suspects = {row: _Suspect.of(batch, place, length) for row, batch, place in chosen}
    found: dict[int, FoundLeak] = {}
    for uri, batch in items if suspects else ():
        for row, leak in _leaks_into(suspects, uri, batch, length):
            found[row] = leak
            del suspects[row]
        if not suspects:
            break
    return [found[row] for row in sorted(found)]


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A row whose item is not found yet."""

    line: int
    segments: Texts
    runs: TextRuns

    @classmethod
    def of(cls, batch: RowBatch, place: int, length: int) -> "_Suspect":
        first, last = int(batch.first[place]), int(batch.first[place + 1])
        segments = join_texts([Texts(batch.texts.buffer, batch.texts.offsets[first : last + 1])])
        whole = Texts(segments.buffer, segments.offsets[[0, -1]])  # as scans look at it
        return cls(int(batch.line[place]), segments, TextRuns.of(whole, 0, length))

    def shared_with(self, item: NDArray[np.uint64]) -> tuple[int, int] | None:
        """The first run that the item has as well: at which of the row's words it begins, and how many runs follow
        each other in both from there."""
        own = self.runs.hashes
        shared = np.isin(own, item)
        if not shared.any():
            return None
        first = int(np.argmax(shared))
        theirs = item[np.flatnonzero(item == own[first])[0] :]
        both = min(len(own) - first, len(theirs))
        differs = own[first : first + both] != theirs[:both]
        return first, int(np.argmax(differs)) if differs.any() else both

    def pieces(self, first: int, last: int) -> list[Piece]:
        """What the row's texts have from one word to another."""
        start, end = int(self.runs.words[first, 0]), int(self.runs.words[last, 1])
        bounds = self.segments.offsets.tolist()
        return [
            self._piece(segment, max(start, low) - low, min(end, high) - low)
            for segment, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False))
            if max(start, low) < min(end, high)
        ]

    def _piece(self, segment: int, start: int, end: int) -> Piece:
        text = self.segments[segment]
        content = text.encode()  # words begin and end with whole characters
        return Piece(text, len(content[:start].decode()), len(content[:end].decode()))


def _leaks_into(
    suspects: Mapping[int, _Suspect], uri: str, batch: RowBatch, length: int
) -> Iterator[tuple[int, FoundLeak]]:
    """Which of the rows share a run with one of these items, each with the first that it does."""
    texts, left = batch.row_texts, dict(suspects)
    wanted = EvaluationRuns.of_hashes(np.concatenate([suspect.runs.hashes for suspect in left.values()]), length)
    for place in np.flatnonzero(wanted.are_in(texts)).tolist():
        item = TextRuns.of(texts, place, length).hashes
        for row, suspect in list(left.items()):
            shared = suspect.shared_with(item)
            if shared:
                first, words = shared[0], shared[1] + length - 1
                pieces = suspect.pieces(first, first + words - 1)
                yield row, FoundLeak(row, suspect.line, uri, int(batch.line[place]), words, pieces)
                del left[row]
        if not left:
            return
