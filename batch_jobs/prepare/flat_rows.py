"""Rows as bytes: for the disk, for another process, for another machine.

A batch is its arrays one after the other, the lengths of all before them. What few rows have (`Extras`) is JSON, a
document for each row, and is read when somebody asks for that row.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from batch_jobs.prepare.batches import Bytes, Extras, Integers, RowBatch, Texts

DTYPES = (*[np.int64] * 5, np.uint8, np.uint8, np.bool_, np.bool_, np.uint8, np.uint8, np.uint8)
"""Of the arrays of a batch, as `flat` gives them."""

_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(Extras).decode


class FlatExtras(Mapping[int, Extras]):
    """The extras of the rows `rows`: document i is `documents[bounds[i]:bounds[i + 1]]`."""

    def __init__(self, rows: Integers, bounds: Integers, documents: Bytes):
        self._places = {row: place for place, row in enumerate(rows.tolist())}
        self._bounds, self._documents = bounds.tolist(), documents

    def __getitem__(self, row: int) -> Extras:
        place = self._places[row]
        return _decode(self._documents[self._bounds[place] : self._bounds[place + 1]])

    def __contains__(self, row: object) -> bool:
        return row in self._places

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def flat(batch: RowBatch) -> list[np.ndarray]:
    """The arrays that stand for the batch: first their lengths, then those of eight bytes an item, so that they lie
    aligned."""
    documents = [_encode(extras) for extras in batch.extras.values()]
    rows = np.fromiter(batch.extras, np.int64, len(batch.extras))
    bounds = np.cumsum([0, *map(len, documents)], dtype=np.int64)
    text = batch.texts.buffer[: int(batch.texts.offsets[-1])]
    wide = [batch.texts.offsets, batch.first, batch.line, rows, bounds]
    learnable = batch.trained if batch.learnable is None else batch.learnable
    narrow = [batch.role, batch.part, batch.trained, learnable, batch.format]
    arrays = [*wide, *narrow, np.frombuffer(b"".join(documents), np.uint8), text]
    return [np.array([len(array) for array in arrays], np.int64), *map(np.ascontiguousarray, arrays)]


def batch_of(memory: Bytes) -> RowBatch:
    """The batch whose arrays lie there; they are not copied."""
    arrays = []
    at = 8 * len(DTYPES)
    for dtype, length in zip(DTYPES, memory[:at].view(np.int64).tolist(), strict=True):
        size = np.dtype(dtype).itemsize * length
        arrays.append(memory[at : at + size].view(dtype))
        at += size
    offsets, first, line, rows, bounds, role, part, trained, learnable, formats, documents, buffer = arrays
    extras = FlatExtras(rows, bounds, documents) if len(rows) else {}
    return RowBatch(Texts(buffer, offsets), role, part, trained, first, formats, line, extras, learnable)


def write_rows(batch: RowBatch, file: Path) -> None:
    write_arrays(flat(batch), file)


def write_arrays(arrays: Sequence[np.ndarray], file: Path) -> None:
    with naming(file), file.open("wb") as out:
        for array in arrays:
            out.write(array.data)  # numpy's `tofile` loses the number of an error


def read_rows(file: Path) -> RowBatch:
    """What `write_rows` wrote. Only what is looked at is read: a held-out split has few rows of each batch."""
    return batch_of(np.asarray(np.memmap(file, np.uint8, "c")))


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """What cannot be written says where: a full disk does not know which file it was."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(file)
        raise
