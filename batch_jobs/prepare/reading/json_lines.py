"""JSON lines become blocks without a loop over lines: numpy finds the line breaks of a piece at once."""

from collections.abc import Iterable, Iterator

import numpy as np

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.reading.blocks import BLOCK_BYTES, BLOCK_LINES, Block, Refusal
from batch_jobs.prepare.reading.lines import BOM, EXCERPT
from tunesmith.contracts.datasets import ProblemCode

LF, CR = 10, 13


def line_blocks(pieces: Iterable[tuple[bytes, int]], max_line_bytes: int) -> Iterator[Block]:
    """Blocks of the text in `pieces` (bytes, stored bytes so far).

    Holds BLOCK_BYTES + one piece + one line of at most `max_line_bytes`; of a longer line, its beginning only.
    """
    held, size, offset, number, skipped, stored = bytearray(), 0, 0, 1, 0, 0
    for piece, stored in pieces:
        held += piece
        if len(held) < BLOCK_BYTES + size:
            continue
        cut = held.rfind(b"\n") + 1
        if cut:
            yield from _blocks(bytes(held[:cut]), offset, number, skipped, max_line_bytes, stored)
            number += held.count(b"\n", 0, cut)
            offset, skipped = offset + cut + skipped, 0
            del held[:cut]
        if len(held) > max_line_bytes + EXCERPT:
            skipped += len(held) - max_line_bytes - EXCERPT
            del held[max_line_bytes + EXCERPT :]
        size = len(held)
    if held:
        yield from _blocks(bytes(held), offset, number, skipped, max_line_bytes, stored)


def _blocks(text: bytes, offset: int, number: int, skipped: int, limit: int, stored: int) -> Iterator[Block]:
    """`skipped`: bytes left out of the first line, which is too long then."""
    column = np.frombuffer(text, np.uint8)
    breaks = np.flatnonzero(column == LF)
    if not text.endswith(b"\n"):
        breaks = np.append(breaks, len(text))
    starts = np.concatenate([np.zeros(1, np.int64), breaks[:-1] + 1])
    ends = breaks - ((breaks > starts) & (column[breaks - 1] == CR))
    offsets = starts + offset
    offsets[1:] += skipped
    if offset == 0 and text.startswith(BOM):
        starts[0] = len(BOM)
    lengths = ends - starts
    lengths[0] += skipped
    numbers = np.arange(number, number + len(starts), dtype=np.int64)
    for first in range(0, len(starts), BLOCK_LINES):
        part = slice(first, first + BLOCK_LINES)
        fits = lengths[part] <= limit
        refusals = [
            Refusal(
                int(fits[:at].sum()),
                int(numbers[part][at]),
                int(offsets[part][at]),
                BadRow(ProblemCode.LINE_TOO_LONG, f"{lengths[part][at]} bytes"),
                text[starts[part][at] : starts[part][at] + EXCERPT],
                int(lengths[part][at]),
            )
            for at in np.flatnonzero(~fits)
        ]
        yield Block(
            text, starts[part][fits], ends[part][fits], numbers[part][fits], offsets[part][fits], refusals, stored
        )
