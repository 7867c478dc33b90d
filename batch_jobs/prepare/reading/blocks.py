"""A block: consecutive rows of one file as JSON lines, each with its place in the file.

Whatever a file is, its rows reach the checks as JSON: those of JSON lines and JSON arrays are the file's own bytes,
untouched (an element of an array may have line breaks); those of a table or a text are written as one line each.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.checking.problems import BadRow
from tunesmith.contracts.datasets import ProblemCode

BLOCK_BYTES = 8 << 20
"""Small enough for a processor's cache and for several at once in memory, large enough that nothing is paid per row."""

BLOCK_LINES = 1 << 16
"""A block of tiny lines ends earlier: every one of them may be a problem to hold."""

EXCERPT = 1_000
"""Bytes that are kept of a row that is too long."""

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that could not even be made a line: too long, ragged, with unbalanced quotes."""

    index: int
    """How many lines of the block stand before it."""
    number: int
    offset: int
    problem: BadRow
    raw: bytes
    """As it stands in the file; of a row that is too long, its beginning."""
    length: int
    """Bytes of the row in the file."""
    line: int | None = None
    """The line on which it begins, where that is not its number."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines and where they stand. Line i is `data[starts[i]:ends[i]]`, without its line break; it may be blank."""

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    numbers: NDArray[np.int64]
    """Line (or record) numbers in the file, from 1."""
    offsets: NDArray[np.int64]
    """Byte offsets of the rows in the file, after decompression."""
    refusals: list[Refusal] = field(default_factory=list)
    consumed: int = 0
    """Bytes of the stored file behind this block: for progress."""
    lines: NDArray[np.int64] | None = None
    """Of rows that are counted as records: the line of the file on which each begins. None: what `numbers` says."""

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.ends[index]]

    @property
    def rows(self) -> int:
        """Rows of the file that this block accounts for."""
        return len(self.starts) + len(self.refusals)


@dataclass(frozen=True, slots=True)
class Spans:
    """Rows found in a text, in order. Row i is `text[starts[i]:ends[i]]`, or of a row that was too long to be held
    whole, which only the first can be, begins there and has `lengths[i]` bytes in the file."""

    text: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    lengths: NDArray[np.int64]
    numbers: NDArray[np.int64]
    offsets: NDArray[np.int64]
    stored: int
    lines: NDArray[np.int64] | None = None

    def block(self, max_line_bytes: int) -> Block:
        """The block of these rows, the longer ones refused."""
        fits = self.lengths <= max_line_bytes
        before = np.cumsum(fits)
        return Block(
            self.text,
            self.starts[fits],
            self.ends[fits],
            self.numbers[fits],
            self.offsets[fits],
            [self.refuse(int(row), int(before[row]), too_long(self, int(row))) for row in np.flatnonzero(~fits)],
            self.stored,
            None if self.lines is None else self.lines[fits],
        )

    def written(
        self,
        rows: slice,
        good: NDArray[np.bool_],
        out: NDArray[np.uint8],
        bounds: tuple[NDArray[np.int64], NDArray[np.int64]],
        refusals: list[Refusal],
    ) -> Block:
        """The block of some rows that were written anew, into `out`: `bounds` say of all rows where each begins and
        ends there, and `good` of those in `rows` which are lines; the others are the refusals."""
        begun, ended = bounds
        return Block(
            out[: ended[rows].max(initial=0)].tobytes(),
            begun[rows][good],
            ended[rows][good],
            self.numbers[rows][good],
            self.offsets[rows][good],
            refusals,
            self.stored,
            None if self.lines is None else self.lines[rows][good],
        )

    def take(self, rows: NDArray[np.int64]) -> "Spans":
        """These rows only."""
        columns = (self.starts, self.ends, self.lengths, self.numbers, self.offsets)
        return Spans(
            self.text,
            *(column[rows] for column in columns),
            self.stored,
            None if self.lines is None else self.lines[rows],
        )

    def refuse(self, row: int, before: int, problem: BadRow) -> Refusal:
        """The row as refused, where `before` lines of its block stand before it."""
        start, length = int(self.starts[row]), int(self.lengths[row])
        raw = self.text[start : start + min(length, EXCERPT)]
        line = None if self.lines is None else int(self.lines[row])
        return Refusal(before, int(self.numbers[row]), int(self.offsets[row]), problem, raw, length, line)

    def place(self, row: int) -> str:
        """Where the row stands, for messages."""
        number = int(self.numbers[row])
        return f"line {number}" if self.lines is None else f"record {number}, line {int(self.lines[row])}"


def too_long(spans: Spans, row: int) -> BadRow:
    """Of a line without its number, which the reader of a part of the file does not know."""
    where = "" if spans.lines is None else f"{spans.place(row)}: "
    return BadRow(ProblemCode.LINE_TOO_LONG, f"{where}{spans.lengths[row]} bytes")
