"""Rows read back from the Parquet files that `writing` made."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from batch_jobs.prepare.canonical import Row, Turn
from tunesmith.contracts.datasets import KIND_OF, DatasetKind

FORMAT_OF_KIND = {kind: next(name for name, of in KIND_OF.items() if of is kind) for kind in DatasetKind}
"""Kinds are kept; how a row was written before it was converted is not."""
BATCH_ROWS = 500


def rows_in_part(file: Path, kind: DatasetKind, limit: int | None = None) -> Iterator[tuple[Row, str]]:
    """The first `limit` rows, each with its place in the upload, as in `rows.jsonl:3`."""
    batches = pq.ParquetFile(file).iter_batches(batch_size=BATCH_ROWS)
    found = (found for batch in batches for found in batch.to_pylist())
    for columns in islice(found, limit):
        yield _row(columns, kind), f"{columns['source'].rpartition('/')[2]}:{columns['line']}"


def _row(columns: dict[str, Any], kind: DatasetKind) -> Row:
    parts = [columns.get(name) or [] for name in ("messages", "chosen", "rejected")]
    trained = iter(columns["trained"])
    turns, chosen, rejected = (tuple(_turn(message, next(trained)) for message in part) for part in parts)
    extra = json.loads(columns["extra"]) if columns.get("extra") else {}
    return Row(FORMAT_OF_KIND[kind], turns, chosen, rejected, columns.get("desirable"), columns.get("tools"), extra)


def _turn(message: dict[str, Any], trained: bool) -> Turn:
    return Turn(
        message["role"],
        message["content"],
        trained,
        name=message["name"],
        tool_calls=message["tool_calls"],
        tool_call_id=message["tool_call_id"],
    )
