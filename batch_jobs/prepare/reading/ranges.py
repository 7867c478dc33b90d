"""JSON lines of one file in ranges, so that processes can read it side by side: each begins and ends with a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from batch_jobs.prepare.reading.blocks import BLOCK_BYTES, Block
from batch_jobs.prepare.reading.file_types import may_be_cut
from batch_jobs.prepare.reading.files import HEAD_BYTES
from batch_jobs.prepare.reading.inflating import PLAIN_BYTES
from batch_jobs.prepare.reading.json_lines import line_blocks

SEARCHED = 1 << 16
"""Bytes that are looked at for a line break at a time."""
RANGE_BYTES = BLOCK_BYTES - SEARCHED
"""With what is left of its last line, a range is one block."""


class Range(NamedTuple):
    """Bytes of a file."""

    file: Path
    start: int
    end: int


def has_ranges(file: Path, uri: str) -> bool:
    """Whether the file, which is called as `uri` ends, can be read from any line on.

    Raises InvalidInput where it is of another type than its name says.
    """
    with file.open("rb") as stream:
        return may_be_cut(stream.read(HEAD_BYTES), uri)


def line_ranges(file: Path) -> Iterator[Range]:
    """All of the file, in its order, in ranges that end with the line in which they have RANGE_BYTES."""
    with file.open("rb") as stream:
        end, start = stream.seek(0, 2), 0
        while start < end:
            stop = _next_line(stream, min(end, start + RANGE_BYTES) - 1, end)
            yield Range(file, start, stop)
            start = stop


def _next_line(stream: BinaryIO, at: int, end: int) -> int:
    """Where the line that is open at byte `at` ends, with its line break."""
    stream.seek(at)
    while found := stream.read(SEARCHED):
        if (place := found.find(b"\n")) >= 0:
            return at + place + 1
        at += len(found)
    return end


def range_blocks(asked: Range, max_line_bytes: int) -> Iterator[Block]:
    """The lines of a range, with the offsets of the file; their numbers count from the range's first line."""
    return line_blocks(_pieces(asked), max_line_bytes, asked.start)


def _pieces(asked: Range) -> Iterator[tuple[bytes, int]]:
    with asked.file.open("rb") as stream:
        at = stream.seek(asked.start)
        while at < asked.end and (piece := stream.read(min(PLAIN_BYTES, asked.end - at))):
            at += len(piece)
            yield piece, at
