"""Lines of a file: their numbers, their offsets, and what is no text at all."""

import io
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch_jobs.prepare.reading.lines import check_text, read_lines
from tunesmith.contracts.errors import InvalidInput


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=12).filter(lambda raw: b"\n" not in raw), max_size=8), st.booleans())
def test_lines_know_their_number_and_offset(bodies: list[bytes], ended: bool) -> None:
    content = b"\n".join(bodies) + (b"\n" if ended and bodies else b"")
    for line in read_lines(io.BytesIO(content), max_line_bytes=8):
        assert content[line.offset :].startswith(line.raw)
        assert content[: line.offset].count(b"\n") == line.number - 1
        assert line.is_whole == (len(content[line.offset :].split(b"\n")[0].removesuffix(b"\r")) <= 8)


class Endless(io.RawIOBase):
    """64 MB without a line break, then one more row, without holding either."""

    def __init__(self) -> None:
        self._left = 64 << 20

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            return 0
        size = min(len(buffer), self._left)
        self._left -= size
        buffer[:size] = b"x" * size
        if self._left == 0:
            buffer[size - 4 : size] = b"\n{}\n"
        return size


def test_giant_line_is_skipped_in_bounded_memory_and_the_next_one_read() -> None:
    tracemalloc.start()
    lines = list(read_lines(io.BufferedReader(Endless()), max_line_bytes=100_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(line.number, line.is_whole) for line in lines] == [(1, False), (2, True)]
    assert lines[1].raw == b"{}" and lines[1].offset == (64 << 20) - 3
    assert peak < 4 << 20


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\x1f\x8b\x08", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b"PAR1", "Parquet"),
        (b"\xff\xfea\x00", "UTF-16"),
        ("{}".encode("utf-16-le"), "UTF-16"),
        ("{}".encode("utf-16-be"), "UTF-16"),
        (b"", "empty"),
    ],
)
def test_file_of_another_type_is_refused_by_name(head: bytes, name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        check_text(head, "data.jsonl")
