"""Which row lies in which file depends on the rows alone, and what is read back is what went in."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from batch_jobs.prepare.batches import RowBatch, take_rows
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.columns import RowColumns
from batch_jobs.prepare.facts import NO_FACTS, RowFacts
from batch_jobs.prepare.writing import plan_parts, write_part
from tunesmith.contracts.datasets import DatasetKind, RowFormat, Split

ROWS = 90


def made() -> RowBatch:
    rows = [
        Row(
            RowFormat.CHAT,
            (
                Turn("user", f"ask {n}", False),
                Turn("assistant", "é" * n, True, tool_calls="[]" if n % 7 == 0 else None),
            ),
            tools="[]" if n % 5 == 0 else None,
            columns={"n": n} if n % 3 == 0 else {},
        )
        for n in range(ROWS)
    ]
    return RowBatch.of(rows, range(1, ROWS + 1))


def facts() -> RowFacts:
    found = RowFacts(
        **{
            column.name: np.zeros(
                (ROWS, *getattr(NO_FACTS, column.name).shape[1:]), getattr(NO_FACTS, column.name).dtype
            )
            for column in fields(RowFacts)
        }
    )
    found.fingerprint[:, 0] = np.arange(ROWS)
    return found


def written(folder: Path, cuts: list[int]) -> dict[str, bytes]:
    """The files' bytes where the rows came in batches that end at the cuts."""
    whole, bounds = made(), [0, *cuts, ROWS]
    batches = [take_rows(whole, np.arange(start, end)) for start, end in zip(bounds, bounds[1:], strict=False)]
    split = np.where(np.arange(ROWS) % 9 == 4, -1, 0).astype(np.int8)
    sizes = np.diff(whole.texts.offsets[whole.first])
    columns = RowColumns(facts(), ["a.jsonl"], [], measured=False)
    folder.mkdir()
    for part in plan_parts(split, sizes, [len(batch) for batch in batches], part_bytes=1_000):
        write_part(part, batches.__getitem__, columns, DatasetKind.CHAT, folder / part.name)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("cuts", [[1], [45], [0, 30, 30, 60], list(range(1, ROWS))])
def test_files_are_the_same_bytes_however_rows_are_batched(tmp_path: Path, cuts: list[int]) -> None:
    one = written(tmp_path / "one", [])
    assert len(one) > 5
    assert written(tmp_path / "other", cuts) == one
    tables = [pq.read_table(tmp_path / "one" / name).to_pylist() for name in one if name.startswith("train")]
    rows = [row for table in tables for row in table]
    kept = [n for n in range(ROWS) if n % 9 != 4]
    assert [row["line"] for row in rows] == [n + 1 for n in kept]
    assert [row["messages"][1]["content"] for row in rows] == ["é" * n for n in kept]
    assert [row["messages"][1]["tool_calls"] for row in rows] == ["[]" if n % 7 == 0 else None for n in kept]
    assert [row["extra"] for row in rows] == [f'{{"n": {n}}}' if n % 3 == 0 else None for n in kept]
    assert all(row["trained"] == [False, True] for row in rows)


def test_training_split_is_cut_before_the_row_that_begins_another_part_and_held_out_splits_are_not() -> None:
    sizes = np.array([40, 60, 1, 99, 250, 10, 300, 300], np.int64)
    split = np.array([0, 0, 0, 0, 0, -1, 1, 1], np.int8)
    parts = plan_parts(split, sizes, [3, 5], part_bytes=100)
    assert [(part.name, part.rows) for part in parts] == [
        ("train-00000-of-00003.parquet", 2),
        ("train-00001-of-00003.parquet", 2),
        ("train-00002-of-00003.parquet", 1),
        ("validation-00000-of-00001.parquet", 2),
        ("test-00000-of-00001.parquet", 0),
    ]
    [pieces] = parts[1].groups
    assert [(piece.batch, piece.rows.tolist(), piece.start) for piece in pieces] == [(0, [2], 0), (1, [0], 3)]
    assert [part.split for part in parts] == [Split.TRAIN] * 3 + [Split.VALIDATION, Split.TEST]
