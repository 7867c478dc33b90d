"""A JSON array, and objects one after the other: every value with its place, every break named."""

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.json_values import value_blocks
from tunesmith.contracts.datasets import ProblemCode
from tunesmith.contracts.errors import InvalidInput

DATA = Path(__file__).parents[5] / "shared/data"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def _pieces(text: bytes, step: int) -> Iterator[tuple[bytes, int]]:
    return ((text[at : at + step], at + step) for at in range(0, len(text), step))


def _rows(blocks: Iterator[Block]) -> list[tuple[int, int, int, bytes]]:
    return [
        (int(block.numbers[i]), int(block.lines[i]), int(block.offsets[i]), block.line(i))
        for block in blocks
        for i in range(len(block))
        if block.lines is not None
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, max_size=6), st.integers(1, 64), st.sampled_from([None, 0, 2]), st.booleans())
def test_the_rows_are_those_of_json(values: list[object], step: int, indent: int | None, is_ascii: bool) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=is_ascii).encode() + b" \n"
    rows = _rows(_small(text, step, is_array=True))
    assert [json.loads(raw) for *_, raw in rows] == values
    assert [number for number, *_ in rows] == list(range(1, len(values) + 1))
    for _, line, offset, raw in rows:
        assert text[offset : offset + len(raw)] == raw and text[:offset].count(b"\n") == line - 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), VALUES, max_size=3), max_size=5), st.sampled_from(["", "\n", " "]))
def test_objects_follow_each_other(values: list[object], between: str) -> None:
    text = between.join(json.dumps(value, indent=1) for value in values).encode()
    assert [json.loads(raw) for *_, raw in _rows(_small(text, 7, is_array=False))] == values


def _small(text: bytes, step: int, is_array: bool) -> Iterator[Block]:
    """With so small blocks that rows lie in several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batch_jobs.prepare.reading.spans.BLOCK_BYTES", step)
        patch.setattr("batch_jobs.prepare.reading.spans.BLOCK_LINES", 2)
        yield from value_blocks(_pieces(text, step), "f.json", is_array, 4_000)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(list('[]{},:"\\ \n1a') + ['{"a": 1}', '"b"']), max_size=14).map("".join))
def test_what_json_reads_is_read_and_what_breaks_the_frame_is_an_error(inner: str) -> None:
    text = "[" + inner
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    try:
        rows = _rows(_small(text.encode(), 3, is_array=True))
    except InvalidInput:
        assert expected is None
        return
    if expected is not None:
        assert [json.loads(raw) for *_, raw in rows] == expected
    else:  # what is wrong lies within a row
        assert any(not _is_json(raw) for *_, raw in rows)


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("is_array", [True, False])
def test_a_file_cut_at_any_byte_is_an_error(is_array: bool) -> None:
    text = b'[{"a": [1, "x\\""]}, {"b": {}}]' if is_array else b'{"a": [1, "x\\""]}\n{"b": {}}'
    whole = {len(text)} if is_array else {0, text.index(b"\n"), text.index(b"\n") + 1, len(text)}
    for cut in range(len(text) + 1):
        if cut in whole:
            list(value_blocks([(text[:cut], cut)], "f.json", is_array, 4_000))
            continue
        with pytest.raises(InvalidInput, match=r"f\.json: the file is cut off after \d+ bytes"):
            list(value_blocks([(text[:cut], cut)], "f.json", is_array, 4_000))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'[{"a": 1}\n {"b": 2}]', r"line 2, byte 11, after record 1: expected a comma.*found '{"),
        (b'[\n{"a": 1},]', "line 2, byte 11, after record 1: expected a value; found ']'"),
        (b'[{"a": 1}]\n\n{"b": 2}', "line 3, byte 12, after record 1: expected nothing more"),
        (b'[{}, {"a": [1}]', r"line 1, byte 13, in record 2, which begins on line 1: this bracket .* found '}\]'"),
        (b'[{},\n{"a": "1},\n{}]', "line 2, byte 15, in record 2, which begins on line 2: a line break inside"),
        (b"[,]", "line 1, byte 1, before the first record: expected a value"),
    ],
)
def test_a_break_names_its_place_after_the_rows_before_it(text: bytes, told: str) -> None:
    blocks = value_blocks([(text, len(text))], "f.json", True, 4_000)
    with pytest.raises(InvalidInput, match=told):
        for block in blocks:
            assert block.line(0) in (b'{"a": 1}', b"{}")


def test_a_giant_value_is_refused_in_bounded_memory_and_the_next_one_is_read() -> None:
    def pieces() -> Iterator[tuple[bytes, int]]:
        yield b'[\n{"a": 1},\n"', 1
        for _ in range(96):
            yield b"x" * (1 << 20), 1
        yield b'",\n{"b": 2}]', 1

    list(value_blocks([(b"[1]", 3)], "f.json", True, 10))
    tracemalloc.start()
    rows, refusals = [], []
    for block in value_blocks(pieces(), "f.json", True, 1_000_000):
        rows += _rows(iter([block]))
        refusals += block.refusals
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    (refusal,) = refusals
    assert refusal.problem.code is ProblemCode.LINE_TOO_LONG and "line 3" in refusal.problem.message
    assert (refusal.number, refusal.offset, refusal.length) == (2, 12, (96 << 20) + 2)
    assert refusal.raw == b'"' + b"x" * 999
    assert [(number, line, raw) for number, line, _, raw in rows] == [(1, 2, b'{"a": 1}'), (3, 4, b'{"b": 2}')]
    assert peak < 3 * (9 << 20) + 2_000_000 + (4 << 20)


@pytest.mark.parametrize("name", ["fastchat/dummy_conversation", "pii/presidio_research_generated_small"])
@pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside the repository")
def test_real_arrays_are_read_whole(name: str) -> None:
    file = DATA / f"{name}.json"
    rows = _rows(value_blocks(_pieces(file.read_bytes(), 10_000), str(file), True, 4_000_000))
    assert [json.loads(raw) for *_, raw in rows] == json.loads(file.read_bytes())
