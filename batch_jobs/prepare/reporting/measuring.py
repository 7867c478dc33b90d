"""Numbers of each row, column by column, from a row group of a dataset version's Parquet files."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Integers, Texts
from batch_jobs.prepare.compiling import compiled

TURNS = ("messages", "chosen", "rejected")
COUNTED = ("language", "label", "label_origin", "source")
SIGNALS = ("quality", "toxicity")
COLUMNS = (
    *("item_id", "trained", *COUNTED, *SIGNALS),
    *(f"{turns}.list.element.{name}" for turns in TURNS for name in ("role", "content", "tool_calls")),
)
"""What a profile reads."""

NO_BYTES = np.empty(0, np.uint8)
NO_BYTES.flags.writeable = False  # as Arrow's are: compiled code is made once per kind of array


@dataclass(slots=True)
class Measured:
    """Of the rows of one row group."""

    numbers: dict[str, NDArray[np.float64]]
    """Per row; NaN where a row has none."""
    roles: Counter[str] = field(default_factory=Counter)
    """Turns."""
    role_characters: Counter[str] = field(default_factory=Counter)


def measure(table: pa.Table) -> Measured:
    """`table` has some of COLUMNS."""
    characters, words, turns = (np.zeros(table.num_rows, np.int64) for _ in range(3))
    measured = Measured({})
    for column in TURNS:
        if column not in table.column_names:
            continue
        lists = _whole(table[column])
        first = _bounds(lists)
        texts = texts_of(pc.struct_field(lists.flatten(), "content"))
        found = np.zeros((2, len(texts)), np.int64)
        _count(texts.buffer, texts.offsets, found[0], found[1])
        characters += _sums(found[0], first)
        words += _sums(found[1], first)
        turns += np.diff(first)
        _by_role(pc.struct_field(lists.flatten(), "role"), found[0], measured)
    measured.numbers = {"characters": characters.astype(float), "words": words.astype(float), "turns": turns * 1.0}
    for name in SIGNALS:
        if name in table.column_names:
            values = pc.cast(_whole(table[name]), pa.float64())
            measured.numbers[name] = pc.fill_null(values, float("nan")).to_numpy(zero_copy_only=False)
    return measured


def hashes(ids: pa.Array | pa.ChunkedArray) -> NDArray[np.uint64]:
    """A number for each item id, which says nothing of the split that the row is in."""
    texts = texts_of(_whole(ids))
    found = np.empty(len(texts), np.uint64)
    _hash(texts.buffer, texts.offsets, found)
    return found


def texts_of(array: pa.Array) -> Texts:
    """The strings as they lie in memory; null is the empty text."""
    array = pc.fill_null(array, "")
    _, bounds, content = array.buffers()
    offsets = np.frombuffer(bounds, np.int32)[array.offset : array.offset + len(array) + 1] if bounds else np.zeros(1)
    buffer = np.frombuffer(content, np.uint8) if content and content.size else NO_BYTES
    return Texts(buffer, offsets.astype(np.int64))


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    whole = column.combine_chunks()
    return whole if isinstance(whole, pa.Array) else pa.concat_arrays(whole.chunks)


def _bounds(lists: pa.ListArray) -> Integers:
    """Per row and one more: its first turn. A null list has none."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _sums(values: Integers, first: Integers) -> Integers:
    totals = np.concatenate([[0], np.cumsum(values)])
    return totals[first[1:]] - totals[first[:-1]]


def _by_role(roles: pa.Array, characters: Integers, measured: Measured) -> None:
    coded = pc.fill_null(roles, "").dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False)
    names = coded.dictionary.to_pylist()
    turns = np.bincount(codes, minlength=len(names)).tolist()
    sums = np.bincount(codes, characters, len(names)).astype(np.int64).tolist()
    measured.roles.update(dict(zip(names, turns, strict=True)))
    measured.role_characters.update(dict(zip(names, sums, strict=True)))


@compiled
def _count(buffer, offsets, characters, words):
    """Code points, and words as `str.split` sees them."""
    for text in range(len(offsets) - 1):
        at, end = offsets[text], offsets[text + 1]
        count, found, inside = 0, 0, False
        while at < end:
            byte = buffer[at]
            length = 1
            if byte < 0x80:
                space = byte == 32 or 9 <= byte <= 13 or 28 <= byte <= 31
            elif byte < 0xE0:
                length = 2
                space = byte == 0xC2 and (buffer[at + 1] == 0xA0 or buffer[at + 1] == 0x85)
            elif byte < 0xF0:
                length = 3
                point = (
                    (np.int64(byte) & 0xF) << 12
                    | (np.int64(buffer[at + 1]) & 0x3F) << 6
                    | (np.int64(buffer[at + 2]) & 0x3F)
                )
                space = (
                    0x2000 <= point <= 0x200A
                    or point == 0x2028
                    or point == 0x2029
                    or point == 0x202F
                    or point == 0x205F
                    or point == 0x3000
                    or point == 0x1680
                )
            else:
                length, space = 4, False
            if space:
                inside = False
            elif not inside:
                found, inside = found + 1, True
            at += length
            count += 1
        characters[text], words[text] = count, found


@compiled
def _hash(buffer, offsets, found):
    """FNV-1a (Fowler, Noll, Vo) of the bytes, mixed once more as SplitMix64 does."""
    for text in range(len(offsets) - 1):
        value = np.uint64(0xCBF29CE484222325)
        for at in range(offsets[text], offsets[text + 1]):
            value = (value ^ np.uint64(buffer[at])) * np.uint64(0x100000001B3)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found[text] = value ^ (value >> np.uint64(31))
