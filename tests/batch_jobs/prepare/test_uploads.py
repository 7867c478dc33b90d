"""Files of every type are one dataset; where one breaks off or is too large, nothing is published."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
import zstandard
from pyarrow import parquet as pq

from tests.support.preparing import EASY, Workplace
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.preparation import ReadRecipe


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def _rows(name: str) -> list[dict[str, str]]:
    return [{"prompt": f"{name} question {number}?", "completion": f"answer {number}"} for number in range(12)]


def _table(rows: list[dict[str, str]], delimiter: str) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, ["prompt", "completion"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _parquet(rows: list[dict[str, str]]) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue().to_pybytes()


FILES = {
    "a.jsonl.gz": gzip.compress("\n".join(json.dumps(row) for row in _rows("lines")).encode()),
    "b.json": json.dumps(_rows("array"), indent=2).encode(),
    "c.csv.zst": zstandard.compress(_table(_rows("comma"), ",")),
    "d.tsv": _table(_rows("tab"), "\t"),
    "e.parquet": _parquet(_rows("columns")),
}


def test_every_type_is_a_part_of_the_dataset(place: Workplace) -> None:
    manifest = place.manifest(place.params(*(place.source(name, content) for name, content in FILES.items())))
    assert manifest.counts.rows_in == manifest.counts.kept == 60
    assert {counts.kept for counts in manifest.counts_by_source.values()} == {12}


@pytest.mark.parametrize("name", ["a.jsonl.gz", "b.json", "c.csv.zst", "e.parquet"])
def test_a_file_that_breaks_off_publishes_nothing(
    name: str, place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    good = place.source("good.jsonl", "\n".join(json.dumps(row) for row in _rows("good")).encode())
    params = place.params(good, place.source(name, FILES[name][:-5]))
    assert place.run(params) == ExitCode.BAD_INPUT
    assert name in capsys.readouterr().err
    assert not Path(params.output_uri + "manifest.json").exists()


def test_a_file_that_is_too_large_publishes_nothing(place: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """D25"""
    recipe = EASY.model_copy(update={"read": ReadRecipe(max_file_bytes=1_000)})
    params = place.params(place.source("b.json", FILES["b.json"] + b" " * 1_000), recipe=recipe)
    assert place.run(params) == ExitCode.BAD_INPUT
    assert "prepare.read.max_file_bytes (1000)" in capsys.readouterr().err


def test_a_bad_element_of_an_array_is_put_aside_as_one_line(place: Workplace) -> None:
    rows = [*_rows("array"), {"prompt": "no answer"}]
    params = place.params(place.source("b.json", json.dumps(rows, indent=2).encode()))
    assert place.manifest(params).counts.quarantined == 1
    bad = json.loads(Path(params.output_uri + "quarantine.jsonl").read_text())
    assert json.loads(bad["raw"]) == rows[-1] and "\n" not in bad["raw"]
    assert bad["line"] == 2 + 4 * 12 and bad["message"].startswith("record 13: ")
