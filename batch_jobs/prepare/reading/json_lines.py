"""JSON lines become blocks without a loop over lines: numpy finds the line breaks of a piece at once."""

from collections.abc import Iterable, Iterator

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers
from batch_jobs.prepare.reading.blocks import BLOCK_BYTES, BLOCK_LINES, BOM, EXCERPT, Block, Spans

LF, CR = 10, 13
WINDOW = 1 << 16
"""Line breaks are looked for in so many bytes at a time: a text of nothing else costs no more memory than any other."""


def line_blocks(pieces: Iterable[tuple[bytes, int]], max_line_bytes: int) -> Iterator[Block]:
    """Blocks of the text in `pieces` (bytes, stored bytes so far).

    Holds at most 3 * (BLOCK_BYTES + one piece + one line of `max_line_bytes`) and 8 MiB of bounds, whatever the text;
    of a longer line, its beginning only.
    """
    held, size, offset, number, skipped, stored = bytearray(), 0, 0, 1, 0, 0
    for piece, stored in pieces:
        held += piece
        if len(held) < BLOCK_BYTES + size:
            continue
        cut = held.rfind(b"\n", size) + 1
        if cut:
            with memoryview(held) as view:
                text = bytes(view[:cut])
            del held[:cut]
            yield from _blocks(text, offset, number, skipped, max_line_bytes, stored)
            number += text.count(b"\n")
            offset, skipped = offset + cut + skipped, 0
        if len(held) > max_line_bytes + EXCERPT:
            skipped += len(held) - max_line_bytes - EXCERPT
            del held[max_line_bytes + EXCERPT :]
        size = len(held)
    if held:
        yield from _blocks(bytes(held), offset, number, skipped, max_line_bytes, stored)


def _blocks(text: bytes, offset: int, number: int, skipped: int, limit: int, stored: int) -> Iterator[Block]:
    """Blocks of at most BLOCK_LINES + WINDOW lines. `skipped`: bytes left out of the first line, which is too long."""
    column = np.frombuffer(text, np.uint8)
    begin = 0
    for breaks in _breaks(column):
        starts = np.concatenate([np.array([begin]), breaks[:-1] + 1])
        ends = breaks - ((breaks > starts) & (column[breaks - 1] == CR))
        offsets = starts + offset
        offsets[1:] += skipped
        if offset == begin == 0 and text.startswith(BOM):
            starts[0] = len(BOM)
        lengths = ends - starts
        lengths[0] += skipped
        numbers = np.arange(number, number + len(starts), dtype=np.int64)
        yield Spans(text, starts, ends, lengths, numbers, offsets, stored).block(limit)
        begin, number = int(breaks[-1]) + 1, number + len(breaks)
        offset, skipped = offset + skipped, 0


def _breaks(column: Bytes) -> Iterator[Integers]:
    """Where lines end, in parts; the last one may end with the text."""
    found: list[Integers] = []
    for at in range(0, len(column), WINDOW):
        found.append(np.flatnonzero(column[at : at + WINDOW] == LF) + at)
        if sum(map(len, found)) >= BLOCK_LINES:
            yield np.concatenate(found)
            found = []
    if len(column) and column[-1] != LF:
        found.append(np.array([len(column)]))
    if sum(map(len, found)):
        yield np.concatenate(found)
