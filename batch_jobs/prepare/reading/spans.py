"""Rows that are not lines: a scanner walks the bytes once, piece by piece, and says where each row begins and ends."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers
from batch_jobs.prepare.reading.blocks import BLOCK_BYTES, BLOCK_LINES, BOM, EXCERPT, Spans

START, LINE, START_LINE, MARK, COMMON = range(5)
"""Places of a scanner's state that are the same for all: where the open row begins (-1: none is open), the line that
is being read, the line on which the open row begins, the row's mark. A scanner keeps its own state from COMMON on."""
NOTHING = -1


@dataclass(frozen=True, slots=True)
class Found:
    """Where rows begin and end in the file, for a scanner to fill in."""

    starts: Integers
    ends: Integers
    lines: Integers
    marks: Integers
    """What is to be said of the row later: a byte offset, or NOTHING."""

    @classmethod
    def empty(cls, size: int) -> "Found":
        return cls(*(np.empty(size, np.int64) for _ in range(4)))

    def first(self, count: int) -> "Found":
        """Those that were filled in, for keeps."""
        return Found(*(column[:count].copy() for column in (self.starts, self.ends, self.lines, self.marks)))


class Scan(Protocol):
    """One walk over one file."""

    state: Integers

    def step(self, column: Bytes, at: int, base: int, found: Found) -> tuple[int, int]:
        """Walk on from `at` until the bytes end or `found` is full; `column` begins at byte `base` of the file.

        Returns (where the walk stands, how many rows were found). Raises InvalidInput.
        """

    def finish(self, size: int) -> int | None:
        """Where the open row ends, now that the file has ended after `size` bytes; None: there is none.

        Raises InvalidInput where the file must not end here.
        """


def spans(pieces: Iterable[tuple[bytes, int]], scan: Scan, max_row_bytes: int) -> Iterator[tuple[Spans, Integers]]:
    """The rows that `scan` finds, and their marks. Holds 3 * (BLOCK_BYTES + one piece) + 2 rows of
    `max_row_bytes` and 2 MiB of bounds, whatever the text; of a longer row, its beginning only."""
    found, rest, base, number, stored = Found.empty(BLOCK_LINES), b"", 0, 1, 0
    for text, stored in gathered(pieces):
        at = 0
        if base == 0 and text.startswith(BOM):
            base, text = len(BOM), text[len(BOM) :]
        column, whole = np.frombuffer(text, np.uint8), rest + text
        while at < len(text):
            at, count = scan.step(column, at, base, found)
            if count:
                yield _spans(whole, found.first(count), base - len(rest), number, stored)
                number += count
        begun = int(scan.state[START])
        rest = b"" if begun == NOTHING else whole[max(0, begun - base + len(rest)) :]
        base += len(text)
        if len(rest) > max_row_bytes + EXCERPT:
            rest = rest[:EXCERPT]
        del text, column, whole  # not held while the next ones are gathered
    end = scan.finish(base)
    if end is not None:
        last = Found(
            *(np.array([value]) for value in (scan.state[START], end, scan.state[START_LINE], scan.state[MARK]))
        )
        yield _spans(rest, last, base - len(rest), number, stored)


def _spans(text: bytes, found: Found, base: int, number: int, stored: int) -> tuple[Spans, Integers]:
    """`base`: where in the file the text would begin if the first row had been held whole."""
    lengths = found.ends - found.starts
    numbers = np.arange(number, number + len(lengths), dtype=np.int64)
    starts = np.maximum(0, found.starts - base)
    return Spans(text, starts, found.ends - base, lengths, numbers, found.starts, stored, found.lines), found.marks


def gathered(pieces: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """Small pieces as large ones."""
    held: list[bytes] = []
    size, stored = 0, 0
    for piece, stored in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            text, held, size = b"".join(held), [], 0
            yield text, stored
            del text  # not held while the next one is gathered
    if size:
        yield b"".join(held), stored
