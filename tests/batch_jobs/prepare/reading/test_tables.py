"""CSV and TSV against Python's csv module: the same rows, each with its place, and nothing guessed of broken quotes."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.tables import table_blocks
from tunesmith.contracts.datasets import ProblemCode
from tunesmith.contracts.errors import InvalidInput

DATA = Path(__file__).parents[5] / "shared/data"
FIELDS = st.text(st.sampled_from(list('ab,;\t"\n\r\\\0\x1f é\u2028😀')), max_size=6)


def _read(text: bytes, step: int = 1 << 20, is_tsv: bool = False, limit: int = 4_000) -> Iterator[Block]:
    """In pieces, and with so small blocks that rows lie in several."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batch_jobs.prepare.reading.spans.BLOCK_BYTES", step)
        patch.setattr("batch_jobs.prepare.reading.spans.BLOCK_LINES", 3)
        pieces = ((text[at : at + step], at + step) for at in range(0, len(text), step))
        yield from table_blocks(text[: 1 << 16], pieces, "f.csv", is_tsv, limit)


def _rows(blocks: Iterator[Block]) -> list[dict[str, str]]:
    return [json.loads(block.line(i)) for block in blocks for i in range(len(block)) if block.line(i)]


def _refusals(text: bytes) -> list[tuple[ProblemCode, int, int, bytes, str]]:
    return [
        (r.problem.code, r.number, r.offset, r.raw, r.problem.message) for block in _read(text) for r in block.refusals
    ]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(FIELDS, min_size=2, max_size=2), max_size=6),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 40),
)
def test_written_rows_are_read(rows: list[list[str]], delimiter: str, line_break: str, step: int) -> None:
    out = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if line_break == "\r\n" else csv.QUOTE_ALL  # minimal leaves the other break unquoted
    csv.writer(out, delimiter=delimiter, lineterminator=line_break, quoting=quoting).writerows([["key", "wert"], *rows])
    text = out.getvalue().encode()
    found = _rows(_read(text, step, is_tsv=delimiter == "\t"))
    assert found == [{"key": key, "wert": value} for key, value in rows]


@settings(max_examples=400, deadline=None)
@given(st.text(st.sampled_from(list('a,"\n')), max_size=24), st.integers(1, 9))
def test_any_text_is_read_as_csv_does_or_refused(body: str, step: int) -> None:
    """D11"""
    text = "x,y\n" + body
    blocks, error = [], None
    try:
        blocks = list(_read(text.encode(), step))
    except InvalidInput as raised:
        error = str(raised)
    refused = [r for block in blocks for r in block.refusals]
    try:
        expected = [record for record in csv.reader(io.StringIO(text, newline=""), strict=True)][1:]
    except csv.Error:
        assert error or any(r.problem.code is ProblemCode.BAD_QUOTES for r in refused)
        return
    assert error is None
    assert _rows(iter(blocks)) == [dict(zip("xy", record, strict=True)) for record in expected if len(record) == 2]
    assert sum(block.rows for block in blocks) == len(expected)
    assert len(refused) == sum(len(record) not in (0, 2) for record in expected)


def test_places_are_records_lines_and_offsets() -> None:
    text = b'\xef\xbb\xbfa,b\n"x\ny",1\n\nz,2'
    found = [
        (int(block.numbers[i]), int(block.lines[i]), int(block.offsets[i]), block.line(i))
        for block in _read(text)
        for i in range(len(block))
        if block.lines is not None
    ]
    assert found == [(1, 2, 7, b'{"a":"x\\ny","b":"1"}'), (2, 4, 15, b""), (3, 5, 16, b'{"a":"z","b":"2"}')]


def test_a_ragged_row_is_named_by_record_and_line() -> None:
    assert _refusals(b'a,b\n"x\ny",1\n1,2,3\n4\n5,6\n') == [
        (ProblemCode.RAGGED_ROW, 2, 12, b"1,2,3", "record 2, line 4: 3 fields, the header has 2"),
        (ProblemCode.RAGGED_ROW, 3, 18, b"4", "record 3, line 5: 1 fields, the header has 2"),
    ]


def test_of_a_record_with_broken_quotes_every_line_is_refused_and_reading_goes_on() -> None:
    text = b'a,b\n"open,1\n2,3\n"4",5\n6,7\n'
    assert [row[:4] for row in _refusals(text)] == [
        (ProblemCode.BAD_QUOTES, 1, 4, b'"open,1'),
        (ProblemCode.BAD_QUOTES, 2, 12, b"2,3"),
        (ProblemCode.BAD_QUOTES, 3, 16, b'"4",5'),
    ]
    assert "record 1, line 2: text after a closing quote at byte 14" in _refusals(text)[0][4]
    assert _rows(_read(text)) == [{"a": "6", "b": "7"}]
    assert "carriage return" in _refusals(b"a,b\n1\r2,3\n4,5\n")[0][4]


def test_a_quote_that_is_never_closed_is_the_files_error() -> None:
    with pytest.raises(
        InvalidInput, match="the quote that opens on line 4, in the record that begins on line 3, is never"
    ):
        list(_read(b'a,b\n1,2\n"3\n4","5\n6,7\n'))


def test_a_file_cut_at_any_byte_loses_no_row_in_silence() -> None:
    text = b'a,b\r\n"1 ""x""",2\r\n3,"4\r\n5"\r\n6,7'
    whole = _rows(_read(text))
    assert len(whole) == 3
    for cut in range(4, len(text)):
        try:
            blocks = list(_read(text[:cut]))
        except InvalidInput as error:
            assert "is never closed" in str(error)
            continue
        rows = _rows(iter(blocks))
        assert rows[: len(rows) - 1] == whole[: max(0, len(rows) - 1)]
        assert sum(block.rows for block in blocks) <= 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b",text\n1,2\n", "line 1: the header has no name for column 1 of 2"),
        (b"sep=;\na;b\n", "is a line for Excel"),
        (b"a,a\n1,2\n", "names two columns 'a'"),
        (b"caf\xe9,b\n", "the header is no UTF-8 .byte 4."),
        (b'"a"b,c\n', "has broken quotes"),
        (b"a,b" + b"x" * 5_000, "longer than prepare.max_line_bytes"),
    ],
)
def test_a_header_that_is_none(text: bytes, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        list(_read(text, limit=4_000))


def test_the_delimiter_is_that_under_which_rows_have_as_many_fields_as_the_header() -> None:
    assert _rows(_read(b"a;b\n1,5;2\n3;4,5\n")) == [{"a": "1,5", "b": "2"}, {"a": "3", "b": "4,5"}]
    assert _rows(_read(b"text\nhello; world\n")) == [{"text": "hello; world"}]
    with pytest.raises(InvalidInput, match="TYPE_MISMATCH: its header has no tab, but ','"):
        list(_read(b"a,b\n1,2\n", is_tsv=True))


def test_a_long_record_is_refused_and_the_next_one_read() -> None:
    text = b'a,b\n1,"' + b"x\n" * 9_000 + b'"\n3,4\n'
    for step in (700, 1 << 20):
        blocks = list(_read(text, step))
        (refusal,) = [r for block in blocks for r in block.refusals]
        assert (refusal.problem.code, refusal.length, len(refusal.raw)) == (ProblemCode.LINE_TOO_LONG, 18_004, 1_000)
        assert _rows(iter(blocks)) == [{"a": "3", "b": "4"}]
        assert [int(line) for block in blocks if block.lines is not None for line in block.lines] == [9_003]


def test_a_header_of_long_names_does_not_multiply_in_memory() -> None:
    names = ",".join(f"{index:01000d}" for index in range(300))
    text = (names + "\n" + ("," * 299 + "\n") * 200).encode()
    blocks = list(table_blocks(text, [(text, len(text))], "f.csv", False, 1_000_000))
    assert sum(len(block) for block in blocks) == 200 and all(len(block.data) < 32 << 20 for block in blocks)


@pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside the repository")
@pytest.mark.parametrize("name", ["banking77/train.sample300.csv", "nab/ec2_cpu_utilization_825cc2.csv"])
def test_real_tables_are_read_as_csv_reads_them(name: str) -> None:
    text = (DATA / name).read_bytes()
    expected = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    assert _rows(_read(text, 1_000)) == expected and len(expected) >= 300


@pytest.mark.parametrize("text", [b'"' * 100_001, b'"' * 100_000 + b"\n", b"a,b\n" + b'"' * 99_999, b"," * 100_000])
def test_a_head_of_quotes_or_delimiters_is_told_at_once(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        list(_read(text))


def test_broken_records_of_many_lines_are_held_a_block_at_a_time() -> None:
    record = b'"' + b"x\n" * 50_000 + b'"y\n'
    text = b"a,b\n" + record * 4
    blocks = list(table_blocks(text, [(text, len(text))], "f.csv", False, 1_000_000))
    assert sum(block.rows for block in blocks) == 4 * 50_001
    assert all(block.rows <= 2 << 16 for block in blocks)
    with pytest.raises(InvalidInput, match="BAD_QUOTES: the record that begins on line 2 goes on for 140003 bytes"):
        text = b'a,b\n"' + b"x\n" * 70_000 + b'"y\n1,2\n'
        list(table_blocks(text, [(text, len(text))], "f.csv", False, 1_000_000))
