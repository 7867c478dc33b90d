"""JSON lines become blocks without a loop over lines: their breaks are found 64 bytes at a time."""

from collections.abc import Iterable, Iterator

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import LANES, lowest, mask_of
from batch_jobs.prepare.reading.blocks import BLOCK_BYTES, BLOCK_LINES, BOM, EXCERPT, Block, Spans

LF, CR = 10, 13


def line_blocks(
    pieces: Iterable[tuple[bytes, int]], max_line_bytes: int, offset: int = 0, number: int = 1
) -> Iterator[Block]:
    """Blocks of the text in `pieces` (bytes, stored bytes so far), which begins at byte `offset` of the file, with its
    line `number`.

    Holds at most 3 * (BLOCK_BYTES + one piece + one line of `max_line_bytes`) and 8 MiB of bounds, whatever the text;
    of a longer line, its beginning only.
    """
    held: list[bytes] = []
    size = begun = skipped = stored = 0
    for piece, stored in pieces:
        held.append(piece)
        size += len(piece)
        if size < BLOCK_BYTES + begun:
            continue
        text = b"".join(held)
        cut = text.rfind(b"\n", begun) + 1
        for block in _blocks(text, cut, offset, number, skipped, max_line_bytes, stored):
            number += block.rows
            yield block
        if cut:
            offset, skipped = offset + cut + skipped, 0
        text = text[cut:]
        skipped += max(0, len(text) - max_line_bytes - EXCERPT)
        held = [text[: max_line_bytes + EXCERPT]]
        size = begun = len(held[0])
    text = b"".join(held)
    yield from _blocks(text, size, offset, number, skipped, max_line_bytes, stored)


def _blocks(text: bytes, size: int, offset: int, number: int, skipped: int, limit: int, stored: int) -> Iterator[Block]:
    """Blocks of at most BLOCK_LINES lines of the text's first `size` bytes. `skipped`: bytes that were left out of the
    first line, which is too long."""
    column = np.frombuffer(text, np.uint8)[:size]
    begin = 0
    while begin < size:
        breaks = line_breaks(column, begin)
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


def line_breaks(column: Bytes, begin: int) -> Integers:
    """Where the next lines end, BLOCK_LINES of them at most; the last one may end with the text."""
    found = np.empty(BLOCK_LINES, np.int64)
    return found[: _find_breaks(column, begin, found)]


_is_break = mask_of("\n")


@compiled
def _find_breaks(column, at, found):
    count = 0
    while at + LANES <= len(column):
        breaks = _is_break(column, at)
        while breaks:
            found[count] = at + lowest(breaks)
            count += 1
            if count == len(found):
                return count
            breaks &= breaks - np.uint64(1)
        at += LANES
    for rest in range(at, len(column)):
        if column[rest] == LF:
            found[count] = rest
            count += 1
            if count == len(found):
                return count
    if len(column) and column[-1] != LF:
        found[count] = len(column)
        count += 1
    return count
