"""Parquet files of a split, written as `prepare` writes them but without going through it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from batch_jobs.prepare.batches import RowBatch
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.columns import RowColumns
from batch_jobs.prepare.deduplicating.fingerprints import fingerprints
from batch_jobs.prepare.facts import RowFacts
from batch_jobs.prepare.writing import Part, Piece, write_part
from tunesmith.contracts.datasets import KIND_OF, RowFormat, Split


def chat(*turns: tuple[str, str]) -> Row:
    """A chat whose assistant's turns are all trained."""
    return Row(RowFormat.CHAT, tuple(Turn(role, content, role == "assistant") for role, content in turns))


def write_split(folder: Path, split: Split, rows: Sequence[Row]) -> str:
    """The name of the split's one file in the folder."""
    batch = RowBatch.of(rows, range(1, len(rows) + 1))
    count = len(rows)
    facts = RowFacts(
        source=np.zeros(count, np.int32),
        fingerprint=fingerprints(batch).row,
        **{
            name: np.zeros(count, kind)
            for name, kind in RowFacts.__annotations__.items()
            if name not in ("source", "fingerprint")
            for kind in [np.float32 if name in ("quality", "toxicity") else np.int64]
        },
    )
    part = Part(split, f"{split}-00000-of-00001.parquet", [[Piece(0, np.arange(count), 0)]] if rows else [])
    kind = KIND_OF[rows[0].format if rows else RowFormat.CHAT]
    write_part(part, lambda _: batch, RowColumns(facts, ["rows.jsonl"], [], False), kind, folder / part.name)
    return part.name
