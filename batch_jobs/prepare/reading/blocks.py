"""A block: consecutive rows of one file as JSON lines, each with its place in the file.

Whatever a file is, its rows reach the checks as JSON lines: of JSONL they are the file's own bytes, untouched; rows of
a JSON array, a table or a text are written as one line each.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.checking.problems import BadRow

BLOCK_BYTES = 8 << 20
"""Small enough for a processor's cache and for several at once in memory, large enough that nothing is paid per row."""

BLOCK_LINES = 1 << 16
"""A block of tiny lines ends earlier: every one of them may be a problem to hold."""


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

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, index: int) -> bytes:
        return self.data[self.starts[index] : self.ends[index]]

    @property
    def rows(self) -> int:
        """Rows of the file that this block accounts for."""
        return len(self.starts) + len(self.refusals)
