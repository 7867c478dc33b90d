"""The kept rows as Parquet: the training split in parts, each held-out split in one file; the same bytes every time.

Parts are cut by the bytes of their text, so which row lies in which file depends on the rows alone, and parts are
written side by side.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from batch_jobs.prepare.arrow_arrays import flags, named, numbers, strings
from batch_jobs.prepare.batches import CHOSEN, PROMPT, REJECTED, ROLES, Integers, RowBatch, join, take_rows, take_texts
from batch_jobs.prepare.columns import RowColumns
from batch_jobs.prepare.flat_rows import naming
from tunesmith.contracts.datasets import DatasetKind, Split

PART_BYTES = 32 << 20
"""Of text, before compression."""
GROUP_BYTES = 8 << 20
"""Of text in a row group: what a reader holds at once."""

MESSAGES = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.string()),
            ("name", pa.string()),
            ("tool_calls", pa.string()),
            ("tool_call_id", pa.string()),
        ]
    )
)
PARTS_OF_ROW = {"messages": PROMPT, "chosen": CHOSEN, "rejected": REJECTED}


def schema(kind: DatasetKind) -> pa.Schema:
    """Columns of a dataset version. `tools` and `tool_calls` are JSON, so that tools of any shape fit into one column;
    `extra` is a JSON object of the kept columns."""
    pair = [pa.field("chosen", MESSAGES), pa.field("rejected", MESSAGES)] if kind is DatasetKind.PREFERENCE else []
    label = [pa.field("desirable", pa.bool_())] if kind is DatasetKind.UNPAIRED_PREFERENCE else []
    return pa.schema(
        [
            pa.field("item_id", pa.string(), nullable=False),
            pa.field("messages", MESSAGES, nullable=False),
            *pair,
            *label,
            pa.field("trained", pa.list_(pa.bool_()), nullable=False),
            pa.field("tools", pa.string()),
            pa.field("source", pa.string(), nullable=False),
            pa.field("line", pa.int64(), nullable=False),
            pa.field("language", pa.string()),
            pa.field("quality", pa.float32()),
            pa.field("toxicity", pa.float32()),
            pa.field("label", pa.string()),
            pa.field("label_confidence", pa.float32()),
            pa.field("label_origin", pa.string()),
            pa.field("extra", pa.string()),
        ]
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of one batch."""

    batch: int
    rows: Integers
    """Within the batch."""
    start: int
    """Index of the batch's first row in the dataset."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file to write: its name in the folder, and its rows in order."""

    split: Split
    name: str
    groups: list[list[Piece]]
    """The pieces of each row group."""

    @property
    def rows(self) -> int:
        return sum(len(piece.rows) for pieces in self.groups for piece in pieces)


def plan_parts(
    split_of_rows: NDArray[np.int8], sizes: Integers, batch_lengths: list[int], part_bytes: int = PART_BYTES
) -> list[Part]:
    """Which rows go into which file. `split_of_rows` is -1 for rows that are dropped, else an index into Split; `sizes`
    are bytes of text."""
    starts = np.concatenate([[0], np.cumsum(batch_lengths, dtype=np.int64)])
    parts = []
    for code, split in enumerate(Split):
        rows = np.flatnonzero(split_of_rows == code)
        cuts = _cuts(sizes[rows], part_bytes) if split is Split.TRAIN else np.empty(0, np.int64)
        chunks = np.split(rows, cuts)
        for number, chunk in enumerate(chunks):
            name = f"{split}-{number:05d}-of-{len(chunks):05d}.parquet"
            groups = np.split(chunk, _cuts(sizes[chunk], GROUP_BYTES)) if len(chunk) else []
            parts.append(Part(split, name, [_pieces(group, starts) for group in groups]))
    return parts


def write_part(part: Part, read: Callable[[int], RowBatch], columns: RowColumns, kind: DatasetKind, file: Path) -> None:
    """`read` gives a batch of the spool by its index."""
    plain = ["item_id", "trained.list.element", "line"]
    coded = [name for name in schema(kind).names if name in ("source", "language", "label", "label_origin")]
    roles = [f"{name}.list.element.role" for name in PARTS_OF_ROW if name in schema(kind).names]
    with (
        naming(file),
        pq.ParquetWriter(
            file,
            schema(kind),
            compression="zstd",
            compression_level=1,
            use_dictionary=coded + roles,
            write_statistics=plain[2:] + coded,
        ) as writer,
    ):
        for pieces in part.groups:
            batch = join([take_rows(read(piece.batch), piece.rows) for piece in pieces])
            rows = np.concatenate([piece.rows + piece.start for piece in pieces])
            if part.split is Split.TRAIN and batch.learnable is not None:
                batch = replace(batch, trained=batch.learnable)
            writer.write_table(_table(batch, rows, columns, kind), row_group_size=1 << 30)


def _cuts(sizes: Integers, part_bytes: int) -> Integers:
    """Where to cut: before each row with which another `part_bytes` of text begin."""
    begun = np.concatenate([[0], np.cumsum(sizes)[:-1]]) // part_bytes if len(sizes) else np.empty(0, np.int64)
    return np.flatnonzero(np.diff(begun)) + 1


def _pieces(rows: Integers, starts: Integers) -> list[Piece]:
    bounds = np.searchsorted(rows, starts)
    return [
        Piece(batch, rows[bounds[batch] : bounds[batch + 1]] - starts[batch], int(starts[batch]))
        for batch in range(len(starts) - 1)
        if bounds[batch + 1] > bounds[batch]
    ]


def _table(batch: RowBatch, rows: Integers, columns: RowColumns, kind: DatasetKind) -> pa.Table:
    shape = schema(kind)
    made: dict[str, Any] = {name: _messages(batch, part) for name, part in PARTS_OF_ROW.items() if name in shape.names}
    if "desirable" in shape.names:
        made["desirable"] = [batch.extras[row].label if row in batch.extras else None for row in range(len(batch))]
    made |= {
        "trained": pa.ListArray.from_arrays(numbers(batch.first.astype(np.int32), pa.int32()), flags(batch.trained)),
        "tools": _sparse(batch, lambda extras: extras.tools),
        "extra": _sparse(batch, lambda extras: _json(extras.columns) if extras.columns else None),
        "line": numbers(batch.line, pa.int64()),
    }
    made |= columns.arrays(rows)
    return pa.table([made[name] for name in shape.names], schema=shape)


def _messages(batch: RowBatch, part: int) -> pa.ListArray:
    """The turns of one part of the rows; in a chat that is all of them."""
    segments = np.flatnonzero(batch.part == part)
    texts = batch.texts if len(segments) == len(batch.part) else take_texts(batch.texts, segments)
    first = np.searchsorted(segments, batch.first).astype(np.int32)
    fields = [named(batch.role[segments], ROLES), strings(texts), *_turn_extras(batch, segments)]
    struct = pa.StructArray.from_arrays(fields, fields=list(MESSAGES.value_type))
    return pa.ListArray.from_arrays(numbers(first, pa.int32()), struct)


def _turn_extras(batch: RowBatch, segments: Integers) -> list[pa.Array]:
    """name, tool_calls and tool_call_id of each turn."""
    found = {
        int(batch.first[row]) + place: turn
        for row, extras in batch.extras.items()
        for place, turn in extras.turns.items()
    }
    if not found:
        return [pa.nulls(len(segments), pa.string())] * 3
    turns = [found.get(segment) for segment in segments.tolist()]
    return [
        pa.array([getattr(turn, name) if turn else None for turn in turns], pa.string())
        for name in ("name", "tool_calls", "tool_call_id")
    ]


def _sparse(batch: RowBatch, value: Callable[[Any], str | None]) -> pa.Array:
    if not batch.extras:
        return pa.nulls(len(batch), pa.string())
    return pa.array(
        [value(batch.extras[row]) if row in batch.extras else None for row in range(len(batch))], pa.string()
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
