"""Rows of a dataset version, as `prepare` wrote them: what a training of it would read."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from pydantic import ValidationError

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.preflight.examination import PlacedRow
from tunesmith.adapters.storage import Storage, is_s3
from tunesmith.contracts.datasets import DatasetKind, DatasetManifest, RowFormat, Split

MANIFEST = "manifest.json"
FORMAT_OF = {
    DatasetKind.CHAT: RowFormat.CHAT,
    DatasetKind.PREFERENCE: RowFormat.PREFERENCE,
    DatasetKind.UNPAIRED_PREFERENCE: RowFormat.UNPAIRED_PREFERENCE,
    DatasetKind.PROMPT_ONLY: RowFormat.PROMPT_ONLY,
    DatasetKind.TEXT: RowFormat.TEXT,
}
"""The format whose rows are canonical already."""
PARTS = ("messages", "chosen", "rejected")


def manifest_at(place: str, storage: Storage) -> DatasetManifest | None:
    """The manifest of the dataset version in a folder (local, or `s3://.../` with its slash); None: there is none."""
    is_folder = place.endswith("/") if is_s3(place) else Path(place).is_dir()
    body = storage.read_if_there(_inside(place, MANIFEST)) if is_folder else None
    if body is None:
        return None
    try:
        return DatasetManifest.model_validate_json(body)
    except ValidationError:
        return None  # people upload files of that name, too


def training_rows(place: str, manifest: DatasetManifest, storage: Storage) -> Iterator[PlacedRow]:
    """The training split, each row with its place in the upload that it came from; one file is held at a time.

    Raises IntegrityError for a file that is not the one that the manifest names.
    """
    for entry in manifest.splits[Split.TRAIN].files:
        with tempfile.TemporaryDirectory(prefix="tunesmith-preflight-") as folder:
            file = storage.download(_inside(place, entry.path), Path(folder) / "part.parquet", sha256=entry.sha256)
            with pq.ParquetFile(file) as rows:
                for batch in rows.iter_batches():
                    yield from (_placed(row, manifest.kind) for row in batch.to_pylist())


def _inside(place: str, name: str) -> str:
    return f"{place.rstrip('/')}/{name}"


def _placed(row: dict[str, Any], kind: DatasetKind) -> PlacedRow:
    flags = iter(row["trained"])
    turns, chosen, rejected = (
        tuple(Turn(trained=next(flags), **message) for message in row.get(part) or ()) for part in PARTS
    )
    made = Row(FORMAT_OF[kind], turns, chosen, rejected, row.get("desirable"), row["tools"])
    return PlacedRow(made, f"{row['source'].rpartition('/')[2]}:{row['line']}")
