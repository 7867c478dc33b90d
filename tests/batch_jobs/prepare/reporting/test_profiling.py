"""The profile counts every row once, and is the same however rows lie in files."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_jobs.prepare.reporting.profiling import build_profile
from batch_jobs.prepare.writing import schema
from tunesmith.contracts.datasets import DatasetKind, Split
from tunesmith.contracts.preparation import ReportRecipe

RECIPE = ReportRecipe(sample_rows=100, examples=3)


def written(path: Path, first: int, end: int, **more: object) -> Path:
    """Rows first..end, of which row i has an answer of i + 1 words."""
    names = {"name": None, "tool_calls": None, "tool_call_id": None}
    rows = [
        {
            "item_id": f"{i:064x}",
            "messages": [
                {"role": "user", "content": "ünïcode?"} | names,
                {"role": "assistant", "content": " ".join(["<b>"] * (i + 1))} | names,
            ],
            "trained": [False, True],
            "source": "a.jsonl",
            "line": i + 1,
        }
        | more
        for i in range(first, end)
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema(DatasetKind.CHAT)), path)
    return path


def test_every_row_is_counted_once(tmp_path: Path) -> None:
    parts = {Split.TRAIN: [written(tmp_path / "a", 0, 150, language="en", quality=1.0, label="x")]}
    profile = build_profile(parts, RECIPE, str.upper)
    assert profile.rows == {Split.TRAIN: 150, Split.VALIDATION: 0, Split.TEST: 0}
    assert profile.roles == {"assistant": 150, "user": 150}
    assert profile.languages == {"en": 150} and profile.labels == {"x": 150} and profile.sources == {"a.jsonl": 150}
    assert profile.words and sum(profile.words.counts) == 150 and profile.sampled_rows == 100
    assert profile.quality and profile.quality.counts[-1] == 150
    assert profile.toxicity is None
    assert [turn.content for turn in profile.examples[0].turns][0] == "ÜNÏCODE?"


def test_files_make_no_difference(tmp_path: Path) -> None:
    one = build_profile({Split.TRAIN: [written(tmp_path / "a", 0, 150)]}, RECIPE, str)
    halves = [written(tmp_path / "c", 70, 150), written(tmp_path / "b", 0, 70)]
    assert build_profile({Split.TRAIN: halves}, RECIPE, str) == one


@pytest.mark.parametrize("files", [0, 1])
def test_nothing_kept_has_a_profile(tmp_path: Path, files: int) -> None:
    parts = {Split.TRAIN: [written(tmp_path / "a", 0, 0)] * files}
    profile = build_profile(parts, RECIPE, str)
    assert profile.characters is None and profile.examples == [] and profile.sampled_rows == 0
