"""NumPy's columns as Arrow's, where they lie or by one compiled copy.

Not by `pa.array` and `pyarrow.compute`: the one would import pandas, the other takes 0.3 s to start, for a handful of
calls.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Flags, Texts, take_texts
from batch_jobs.prepare.compiling import compiled


def numbers(values: NDArray[Any], kind: pa.DataType, present: Flags | None = None) -> pa.Array:
    """The values; null where they are not `present`."""
    return pa.Array.from_buffers(kind, len(values), [_bits(present), pa.py_buffer(np.ascontiguousarray(values))])


def flags(values: Flags) -> pa.Array:
    """Arrow holds truth values as bits."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def strings(texts: Texts, present: Flags | None = None) -> pa.Array:
    """Texts back to back are what an Arrow string column is; null where they are not `present`."""
    first, last = texts.offsets[0], texts.offsets[-1]
    bounds, data = (texts.offsets - first).astype(np.int32), np.ascontiguousarray(texts.buffer[first:last])
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(bounds), pa.py_buffer(data), _bits(present))


def named(codes: NDArray[Any], names: Sequence[str]) -> pa.Array:
    """The name of each code; below 0 it is null."""
    places = codes.astype(np.int64)
    present = places >= 0
    texts = take_texts(Texts.of([*names, ""]), np.where(present, places, len(names)))
    return strings(texts, None if present.all() else present)


def hexadecimal(hashes: NDArray[np.uint64]) -> pa.Array:
    """32 digits for each row of `hashes` [rows, 2]."""
    digits = np.empty(32 * len(hashes), np.uint8)
    _write_hex(np.ascontiguousarray(hashes), np.frombuffer(bytearray(b"0123456789abcdef"), np.uint8), digits)
    return strings(Texts(digits, np.arange(len(hashes) + 1, dtype=np.int64) * 32))


def _bits(values: Flags | None) -> pa.Buffer | None:
    return None if values is None else pa.py_buffer(np.packbits(values, bitorder="little"))


@compiled
def _write_hex(hashes, alphabet, digits):
    at = 0
    for row in range(len(hashes)):
        for half in range(2):
            value = hashes[row, half]
            for place in range(16):
                digits[at] = alphabet[(value >> np.uint64(60 - 4 * place)) & np.uint64(15)]
                at += 1
