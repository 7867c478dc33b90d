"""Ranges hold every line of a file once, wherever they are cut, and blocks of them say where in the file they stand."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.reading import json_lines, ranges
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.files import HEAD_BYTES, read_blocks
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.ranges import Range, has_ranges, line_ranges, range_blocks
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe

LINES = st.lists(st.sampled_from([b"a", b"bcd", b"\n", b"\r\n", b"\xef\xbb\xbf", b"x" * 40])).map(b"".join)


@settings(max_examples=200, deadline=None)
@given(LINES, st.integers(1, 60), st.integers(1, 9), st.integers(1, 5))
def test_lines_are_those_of_the_whole_file(text: bytes, size: int, searched: int, most: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "BLOCK_BYTES", size)
        patch.setattr(ranges, "SEARCHED", searched)
        patch.setattr(json_lines, "BLOCK_LINES", most)
        file = Path(folder) / "a.jsonl"
        file.write_bytes(text)
        cut = list(line_ranges(file))
        assert [0, *(asked.end for asked in cut)] == [*(asked.start for asked in cut), len(text)]
        blocks = [list(range_blocks(asked, 30)) for asked in cut]
        assert all(sum(block.rows for block in found) <= most for found in blocks)
        found = places(block for found in blocks for block in found)
    assert found == places(line_blocks([(text, 0)], 30))


def places(blocks: Iterable[Block]) -> list[tuple[int, int, bytes | int]]:
    """Number and offset of each line, and the line or, where it was refused, its length."""
    found: list[tuple[int, int, bytes | int]] = []
    for block in blocks:
        found += [(int(block.numbers[i]), int(block.offsets[i]), block.line(i)) for i in range(len(block))]
        found += [(refusal.number, refusal.offset, refusal.length) for refusal in block.refusals]
    return sorted(found, key=lambda place: place[0])


def test_what_is_read_is_the_range_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b"one\ntwo\nthree\n")
    (block,) = range_blocks(Range(file, 4, 8, 2), 100)
    assert (block.line(0), block.consumed, block.offsets.tolist(), block.numbers.tolist()) == (b"two", 8, [4], [2])


@pytest.mark.parametrize("before", [70_000, HEAD_BYTES + 1])
@pytest.mark.parametrize("junk", [b" \n", b"x\n"])
def test_a_file_is_told_to_be_the_same_by_whoever_reads_it(tmp_path: Path, before: int, junk: bytes) -> None:
    """Whether an array or lines, or neither, follow what stands before."""
    file = tmp_path / "a.jsonl"
    file.write_bytes(junk * (before // 2) + b'[\n{"prompt": "a", "completion": "b"}\n]\n')
    told = []
    for reads in (has_ranges, lambda file, uri: next(read_blocks(file, uri, PrepareRecipe())).lines is None):
        try:
            told.append(str(reads(file, "a.jsonl")))
        except InvalidInput as refused:
            told.append(str(refused))
    assert told[0] == told[1]


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
