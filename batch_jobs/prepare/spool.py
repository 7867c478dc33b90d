"""Rows between the two passes: in memory while they fit, on disk from then on.

The first pass reads and cleans every row; only after the last one is it known which rows stay. A spool holds them
until the second pass writes them. Processes that scan rows lay them down themselves, each in a corner of its own.
"""

import mmap
from pathlib import Path

import numpy as np

from batch_jobs.prepare.batches import Bytes, RowBatch
from batch_jobs.prepare.flat_rows import batch_of, flat, read_rows, write_arrays, write_rows

MEMORY = 256 << 20
"""Bytes of rows kept in memory, most of them text; what comes after is spilled."""


class Spool:
    """Batches in the order in which they were added; any of them can be read again, from any thread."""

    def __init__(self, folder: Path, memory: int = MEMORY):
        self._folder, self._memory = folder, memory
        self._held = 0
        self._batches: list[RowBatch | Bytes | Path] = []

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def spilled(self) -> int:
        """Batches that lie on disk."""
        return sum(isinstance(batch, Path) for batch in self._batches)

    @property
    def has_room(self) -> bool:
        """Whether more may be kept in memory."""
        return self._held < self._memory

    def add(self, batch: RowBatch) -> None:
        if self._held + batch.texts.buffer.nbytes <= self._memory:
            self._held += batch.texts.buffer.nbytes
            self._batches.append(batch)
        else:
            file = self._folder / f"{len(self._batches):06d}.rows"
            write_rows(batch, file)
            self._batches.append(file)

    def corners(self, count: int) -> list["Corner"]:
        """Places for `count` processes that are forked from this one afterwards."""
        return [Corner(self._folder, number, _shared(self._memory // count)) for number in range(count)]

    def add_laid(self, rows: Bytes | Path) -> None:
        """Add what a process has laid in its corner."""
        self._held += 0 if isinstance(rows, Path) else rows.nbytes
        self._batches.append(rows)

    def __getitem__(self, index: int) -> RowBatch:
        found = self._batches[index]
        if isinstance(found, RowBatch):
            return found
        return read_rows(found) if isinstance(found, Path) else batch_of(found)


class Corner:
    """Where one process lays rows for another: in memory that both see, then in files."""

    def __init__(self, folder: Path, number: int, memory: Bytes):
        self.memory = memory
        self._folder, self._number = folder, number
        self._used = self._files = 0

    def lay(self, batch: RowBatch, in_memory: bool) -> slice | Path:
        """Where in the corner's memory the rows lie, if they may and there is room, or in which file."""
        arrays = flat(batch)
        size = sum(array.nbytes for array in arrays)
        if not in_memory or self._used + size > len(self.memory):
            file = self._folder / f"{self._number}-{self._files:06d}.rows"
            self._files += 1
            write_arrays(arrays, file)
            return file
        start = at = self._used
        for array in arrays:
            self.memory[at : at + array.nbytes] = array.view(np.uint8)
            at += array.nbytes
        self._used = -(-at // 8) * 8  # the next one is aligned as this one is
        return slice(start, at)

    def laid(self, place: slice | Path) -> Bytes | Path:
        """What `lay` has laid, for the process that forked the one which did it."""
        return place if isinstance(place, Path) else self.memory[place]


def _shared(size: int) -> Bytes:
    return np.frombuffer(mmap.mmap(-1, max(1, size)), np.uint8, size)
