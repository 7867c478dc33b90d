"""Parquet through its child: every type has a JSON form, and no file crashes, starves or hangs the job."""

import datetime
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from batch_jobs.prepare.reading import parquet
from batch_jobs.prepare.reading.files import read_blocks
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe


def _write(file: Path, columns: dict[str, Any], **how: Any) -> Path:
    pq.write_table(pa.table(columns), file, **how)
    return file


def _raw(file: Path) -> list[bytes]:
    blocks = read_blocks(file, f"s3://b/{file.name}", PrepareRecipe())
    return [block.line(i) for block in blocks for i in range(len(block))]


def _rows(file: Path) -> list[Any]:
    return [json.loads(raw) for raw in _raw(file)]


def test_rows_come_as_they_were_written_and_count_from_one(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": f"ü\n{index}"}], "n": index} for index in range(3_000)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=700)
    assert _rows(tmp_path / "a.parquet") == rows
    blocks = list(read_blocks(tmp_path / "a.parquet", "a.parquet", PrepareRecipe()))
    assert [int(number) for block in blocks for number in block.numbers] == list(range(1, 3_001))


def test_every_type_has_a_json_form(tmp_path: Path) -> None:
    moment = datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.UTC)
    columns = {
        "date": pa.array([moment.date()]),
        "time": pa.array(
            [moment.astimezone(datetime.timezone(datetime.timedelta(hours=2)))], pa.timestamp("ms", "UTC")
        ),
        "nested": pa.array([[{"at": moment.replace(tzinfo=None)}]]),
        "decimal": pa.array([Decimal("1.50")]),
        "binary": pa.array([b"\x00\xff"]),
        "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "label": pa.array(["yes"]).dictionary_encode(),
        "big": pa.array([2**63], pa.uint64()),
        "nothing": pa.array([None], pa.string()),
        "half": pa.array([0.5], pa.float32()),
        "span": pa.array([datetime.timedelta(seconds=1)], pa.duration("s")),
    }
    assert _rows(_write(tmp_path / "a.parquet", columns)) == [
        {
            "date": "2024-05-01",
            "time": "2024-05-01 12:00:00.000",
            "nested": [{"at": "2024-05-01 12:00:00.000000"}],
            "decimal": "1.50",
            "binary": "AP8=",
            "map": [["k", 1]],
            "label": "yes",
            "big": 2**63,
            "nothing": None,
            "half": 0.5,
            "span": 1,
        }
    ]


def test_what_is_no_number_or_no_text_stays_for_the_checks_to_refuse(tmp_path: Path) -> None:
    assert _raw(_write(tmp_path / "a.parquet", {"x": [1.0, float("nan")]})) == [b'{"x": 1.0}', b'{"x": NaN}']
    texts = pa.array([b"good", b"caf\xe9"]).view(pa.string())
    raw = _raw(_write(tmp_path / "b.parquet", {"text": texts, "list": pa.array([["a"], ["b"]])}))
    assert json.loads(raw[0]) == {"text": "good", "list": ["a"]} and b"caf\xe9" in raw[1]


@pytest.mark.parametrize("codec", ["snappy", "gzip", "zstd", "brotli", "lz4", "none"])
def test_every_codec_is_read(codec: str, tmp_path: Path) -> None:
    assert _rows(_write(tmp_path / "a.parquet", {"text": ["a"] * 50}, compression=codec)) == [{"text": "a"}] * 50


def _damaged(good: bytes) -> Iterator[tuple[str, bytes]]:
    footer = int.from_bytes(good[-8:-4], "little")
    yield "no footer", good[: len(good) // 2]
    yield "cut", good[:-1]
    yield "footer that is longer than the file", good[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1"
    yield "footer of zeros", good[: -8 - footer] + bytes(footer) + good[-8:]
    yield "data of zeros", good[:4] + bytes(len(good) - 12 - footer) + good[-8 - footer :]
    yield "only magic", b"PAR1PAR1"


def test_damage_is_named_with_the_file(tmp_path: Path) -> None:
    """D13"""
    good = _write(tmp_path / "good.parquet", {"text": [f"row {index}" for index in range(500)]}).read_bytes()
    for _, damaged in _damaged(good):
        (tmp_path / "a.parquet").write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"s3://b/a\.parquet: Parquet .*(again|damaged)"):
            _raw(tmp_path / "a.parquet")


def test_a_file_cut_at_any_place_is_an_error(tmp_path: Path) -> None:
    """D13"""
    good = _write(tmp_path / "good.parquet", {"text": ["a", "ü"]}).read_bytes()
    for cut in (1, 3, 4, 5, len(good) // 3, len(good) - 9, len(good) - 8, len(good) - 4, len(good) - 1):
        (tmp_path / "a.parquet").write_bytes(good[:cut])
        with pytest.raises(InvalidInput, match=r"^s3://b/a\.parquet: "):
            _raw(tmp_path / "a.parquet")


def test_a_footer_that_promises_more_rows_is_an_error(tmp_path: Path) -> None:
    """num_rows of the footer is a zigzag varint: 500 becomes 2**40 or so."""
    good = _write(tmp_path / "good.parquet", {"text": ["a"] * 500}).read_bytes()
    footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    place = good.index(b"\xe8\x07", footer)  # the first is the file's own
    for rows in (b"\xfe\xff\xff\xff\xff\x1f", b"\x02"):
        changed = good[:place] + rows + good[place + 2 :]
        size = int.from_bytes(good[-8:-4], "little") + len(rows) - 2
        (tmp_path / "a.parquet").write_bytes(changed[:-8] + size.to_bytes(4, "little") + b"PAR1")
        with pytest.raises(InvalidInput, match="Parquet .*damaged|again"):
            _raw(tmp_path / "a.parquet")


def test_changed_bits_end_in_rows_or_in_an_error_that_names_the_file(tmp_path: Path) -> None:
    """D13"""
    columns = {"text": [f"row {index % 7}" for index in range(60)], "n": list(range(60))}
    good = _write(tmp_path / "good.parquet", columns).read_bytes()
    chance = random.Random(0)
    outcomes = set()
    for _ in range(12):
        changed = bytearray(good)
        changed[chance.randrange(4, len(good) - 8)] ^= 1 << chance.randrange(8)
        (tmp_path / "a.parquet").write_bytes(changed)
        try:
            outcomes.add(len(_raw(tmp_path / "a.parquet")))
        except InvalidInput as error:
            assert str(error).startswith("s3://b/a.parquet: ")
            outcomes.add(-1)
    assert outcomes <= {60, -1}


def test_a_dictionary_bomb_is_stopped_by_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D13"""
    monkeypatch.setattr(parquet, "MEMORY_BYTES", 1 << 30)
    indices = pa.array(np.zeros(100_000, np.int32))
    column = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * 3_500_000]))
    file = _write(tmp_path / "a.parquet", {"text": column})
    assert file.stat().st_size < 1 << 20
    with pytest.raises(InvalidInput, match="needs more than 1024 MiB|max_inflation"):
        _raw(file)


def test_a_child_that_dies_or_falls_silent_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = _write(tmp_path / "a.parquet", {"text": ["a"]})
    monkeypatch.setattr(parquet, "MEMORY_BYTES", 100 << 20)
    with pytest.raises(InvalidInput, match="Parquet that .*100 MiB|cannot be read"):
        _raw(file)
    monkeypatch.undo()
    monkeypatch.setattr(parquet, "CPU_SECONDS", 0)
    with pytest.raises(InvalidInput, match="takes too long"):
        _raw(file)
    monkeypatch.undo()
    monkeypatch.setattr(parquet, "SILENT_SECONDS", 0.001)
    with pytest.raises(InvalidInput, match="came no further"):
        _raw(file)


def test_columns_that_json_cannot_name_are_refused(tmp_path: Path) -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    pq.write_table(twice, tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match="two columns 'a'"):
        _raw(tmp_path / "a.parquet")
    assert _raw(_write(tmp_path / "b.parquet", {"text": pa.array([], pa.string())})) == []


def test_the_child_ends_when_nobody_reads_on(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.parquet", {"text": [f"{index:0900d}" for index in range(40_000)]})
    others = children()
    blocks = read_blocks(file, "a.parquet", PrepareRecipe())
    next(blocks)
    reading = children() - others
    blocks.close()
    assert reading and not children() & reading


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}
