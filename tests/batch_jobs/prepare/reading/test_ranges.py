"""Ranges hold every line of a file once, wherever they are cut, and blocks of them say where in the file they stand."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.reading import ranges
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.ranges import Range, has_ranges, line_ranges, range_blocks
from tunesmith.contracts.errors import InvalidInput

LINES = st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n", b"\xef\xbb\xbf", b"x" * 40])).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(LINES, st.integers(1, 60), st.integers(1, 9))
def test_lines_are_those_of_the_whole_file(text: bytes, size: int, searched: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "RANGE_BYTES", size)
        patch.setattr(ranges, "SEARCHED", searched)
        file = Path(folder) / "a.jsonl"
        file.write_bytes(text)
        cut = list(line_ranges(file))
        assert [0, *(asked.end for asked in cut)] == [*(asked.start for asked in cut), len(text)]
        for asked in cut[1:]:
            assert text[asked.start - 1 : asked.start] == b"\n"
        found, before = [], 0
        for asked in cut:
            rows = 0
            for block in range_blocks(asked, 30):
                rows += block.rows
                found += [(before + int(n), int(o)) for n, o in zip(block.numbers, block.offsets, strict=True)]
                found += [(before + refusal.number, refusal.offset, refusal.length) for refusal in block.refusals]
            before += rows
    whole = [block for block in line_blocks([(text, 0)], 30) if block.rows]
    expected = [(int(n), int(o)) for block in whole for n, o in zip(block.numbers, block.offsets, strict=True)]
    expected += [(refusal.number, refusal.offset, refusal.length) for block in whole for refusal in block.refusals]
    assert sorted(found) == sorted(expected)


def test_what_is_read_is_the_range_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"one\ntwo\nthree\n")
    (block,) = range_blocks(Range(file, 4, 8), 100)
    assert (block.line(0), block.consumed, block.offsets.tolist()) == (b"two", 8, [4])


@pytest.mark.parametrize(
    ("name", "content", "can"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": "b"}\n', True),
        ("a.jsonl.gz", b"\x1f\x8b\x08\0", False),
        ("a.jsonl", b"\x1f\x8b\x08\0", False),
        ("a.csv", b"prompt,completion\n", False),
        ("a.json", b'[{"text": "a"}]', False),
        ("a.txt", b"Once upon a time", False),
    ],
)
def test_only_plain_json_lines_can_be_read_from_any_line_on(
    tmp_path: Path, name: str, content: bytes, can: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    assert has_ranges(tmp_path / name, f"s3://b/{name}") is can


def test_a_file_of_another_type_than_its_name_says_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"PAR1 and so on")
    with pytest.raises(InvalidInput, match=r"a\.jsonl"):
        has_ranges(tmp_path / "a.jsonl", "a.jsonl")
