"""Rows between the two passes: in memory while they fit, on disk from then on.

The first pass reads and cleans every row; only after the last one is it known which rows stay. A spool holds them
until the second pass writes them.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from batch_jobs.prepare.batches import Extras, RowBatch, Texts
from batch_jobs.prepare.canonical import Turn

MEMORY = 256 << 20
"""Bytes of text kept in memory; what comes after is spilled."""


@dataclass(frozen=True, slots=True)
class _Spilled:
    file: Path
    layout: tuple[tuple[str, int], ...]
    """Of each array, in the file's order: its dtype and length."""


class Spool:
    """Batches in the order in which they were added; any of them can be read again, from any thread."""

    def __init__(self, folder: Path, memory: int = MEMORY):
        self._folder, self._memory = folder, memory
        self._held = 0
        self._batches: list[RowBatch | _Spilled] = []

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def spilled(self) -> int:
        """Batches that lie on disk."""
        return sum(isinstance(batch, _Spilled) for batch in self._batches)

    def add(self, batch: RowBatch) -> None:
        if self._held + batch.texts.buffer.nbytes <= self._memory:
            self._held += batch.texts.buffer.nbytes
            self._batches.append(batch)
        else:
            self._batches.append(_spill(batch, self._folder / f"{len(self._batches):06d}.rows"))

    def __getitem__(self, index: int) -> RowBatch:
        found = self._batches[index]
        return found if isinstance(found, RowBatch) else _read(found)


def _spill(batch: RowBatch, file: Path) -> _Spilled:
    arrays = _arrays(batch)
    with file.open("wb") as out:
        for array in arrays:
            np.ascontiguousarray(array).tofile(out)
    return _Spilled(file, tuple((array.dtype.str, len(array)) for array in arrays))


def _read(spilled: _Spilled) -> RowBatch:
    memory, at, arrays = np.fromfile(spilled.file, np.uint8), 0, []
    for dtype, length in spilled.layout:
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
