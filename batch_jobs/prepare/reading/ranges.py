"""JSON lines of one file in ranges, so that processes can read it side by side: each begins and ends with a line."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from batch_jobs.prepare.reading.blocks import BLOCK_BYTES, Block
from batch_jobs.prepare.reading.file_types import may_be_cut
from batch_jobs.prepare.reading.files import HEAD_BYTES
from batch_jobs.prepare.reading.inflating import PLAIN_BYTES
from batch_jobs.prepare.reading.json_lines import line_blocks, line_breaks

SEARCHED = 1 << 16
"""Bytes that are looked at for a line break at a time, where a line is longer than a block."""


class Range(NamedTuple):
    """Bytes of a file: whole lines of it, no more of them than a block may have."""

    file: Path
    start: int
    end: int
    number: int
    """Of the first line, from 1."""


def has_ranges(file: Path, uri: str) -> bool:
    """Whether the file, which is called as `uri` ends, can be read from any line on.

    Raises InvalidInput where it is of another type than its name says.
    """
    with file.open("rb") as stream:
        return may_be_cut(stream.read(HEAD_BYTES), uri)


def line_ranges(file: Path) -> Iterator[Range]:
    """All of the file, in its order, a block at a time; a longer line is a range of its own."""
    buffer = np.empty(BLOCK_BYTES, np.uint8)
    start, number = 0, 1
    with file.open("rb") as stream:
        while size := stream.readinto(buffer):
            column = buffer[:size]
            column.flags.writeable = False  # as where blocks are read: a loop is compiled for each kind of array
            breaks = line_breaks(column, 0)
            whole = len(breaks) - (breaks[-1] == size)  # the last line may go on
            end = start + int(breaks[whole - 1]) + 1 if whole else _end_of_line(stream, start + size)
            yield Range(file, start, end, number)
            start, number = end, number + max(1, whole)
            stream.seek(start)


def _end_of_line(stream: BinaryIO, at: int) -> int:
    """Where the line that is open at byte `at` ends, with its line break, or the file does."""
    stream.seek(at)
    while found := stream.read(SEARCHED):
        if (place := found.find(b"\n")) >= 0:
            return at + place + 1
        at += len(found)
    return at


def range_blocks(asked: Range, max_line_bytes: int) -> Iterator[Block]:
    """The lines of a range, with their numbers and offsets in the file."""
    return line_blocks(_pieces(asked), max_line_bytes, asked.start, asked.number)


def _pieces(asked: Range) -> Iterator[tuple[bytes, int]]:
    with asked.file.open("rb") as stream:
        at = stream.seek(asked.start)
        while at < asked.end and (piece := stream.read(min(PLAIN_BYTES, asked.end - at))):
            at += len(piece)
            yield piece, at
