"""Rows between the two passes: in memory while they fit, on disk from then on.

The first pass reads and cleans every row; only after the last one is it known which rows stay. A spool holds them
until the second pass writes them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from batch_jobs.prepare.batches import Extras, RowBatch, Texts
from batch_jobs.prepare.canonical import Turn

MEMORY = 256 << 20
"""Bytes of text kept in memory; what comes after is spilled."""


DTYPES = (np.int64, np.int64, np.int64, np.uint8, np.uint8, np.bool_, np.bool_, np.uint8, np.uint8, np.uint8)
"""Of the arrays of a batch, as `_arrays` gives them."""


class Spool:
    """Batches in the order in which they were added; any of them can be read again, from any thread."""

    def __init__(self, folder: Path, memory: int = MEMORY):
        self._folder, self._memory = folder, memory
        self._held = 0
        self._batches: list[RowBatch | Path] = []

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def spilled(self) -> int:
        """Batches that lie on disk."""
        return sum(isinstance(batch, Path) for batch in self._batches)

    def add(self, batch: RowBatch) -> None:
        if self._held + batch.texts.buffer.nbytes <= self._memory:
            self._held += batch.texts.buffer.nbytes
            self._batches.append(batch)
        else:
            file = self._folder / f"{len(self._batches):06d}.rows"
            write_rows(batch, file)
            self._batches.append(file)

    def __getitem__(self, index: int) -> RowBatch:
        found = self._batches[index]
        return found if isinstance(found, RowBatch) else read_rows(found)


def write_rows(batch: RowBatch, file: Path) -> None:
    """The batch's arrays one after the other, the lengths of all before them."""
    arrays = _arrays(batch)
    with naming(file), file.open("wb") as out:
        for array in (np.array([len(array) for array in arrays], np.int64), *arrays):
            out.write(np.ascontiguousarray(array).data)  # numpy's `tofile` loses the number of an error


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """What cannot be written says where: a full disk does not know which file it was."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise


def read_rows(file: Path) -> RowBatch:
    """What `write_rows` wrote."""
    memory, arrays = np.fromfile(file, np.uint8), []
    at = 8 * len(DTYPES)
    for dtype, length in zip(DTYPES, memory[:at].view(np.int64).tolist(), strict=True):
        size = np.dtype(dtype).itemsize * length
        arrays.append(memory[at : at + size].view(dtype))
        at += size
    offsets, first, line, role, part, trained, learnable, formats, extras, buffer = arrays
    found = {int(row): _extras(facts) for row, facts in json.loads(extras.tobytes()).items()}
    return RowBatch(Texts(buffer, offsets), role, part, trained, first, formats, line, found, learnable)


def _arrays(batch: RowBatch) -> list[np.ndarray]:
    """Those of eight bytes an item first, so that they lie aligned."""
    extras = json.dumps({row: asdict(extras) for row, extras in batch.extras.items()}).encode()
    text = batch.texts.buffer[: int(batch.texts.offsets[-1])]
    wide = [batch.texts.offsets, batch.first, batch.line]
    learnable = batch.trained if batch.learnable is None else batch.learnable
    narrow = [batch.role, batch.part, batch.trained, learnable, batch.format]
    return [*wide, *narrow, np.frombuffer(extras, np.uint8), text]


def _extras(facts: dict) -> Extras:
    turns = {int(place): Turn(**turn) for place, turn in facts["turns"].items()}
    return Extras(facts["tools"], facts["label"], facts["columns"], turns)
