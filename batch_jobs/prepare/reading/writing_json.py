"""Texts as JSON strings (RFC 8259, 7), byte by byte: bytes that are no UTF-8 stay, and are refused as such later."""

import numpy as np

from batch_jobs.prepare.batches import Bytes, Integers
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.reading.blocks import BLOCK_BYTES

GROWTH = 6
"""A byte takes at most so many: a control character is \\u0000."""
ROOM = 3 * BLOCK_BYTES
HEX = np.frombuffer(bytearray(b"0123456789abcdef"), np.uint8)


@compiled
def write_byte(byte, out, at):
    """One byte of a string; where `out` goes on."""
    if byte >= 32 and byte != 34 and byte != 92:
        out[at] = byte
        return at + 1
    out[at] = 92
    if byte == 34 or byte == 92:
        out[at + 1] = byte
    elif byte == 10:
        out[at + 1] = 110
    elif byte == 13:
        out[at + 1] = 114
    elif byte == 9:
        out[at + 1] = 116
    else:
        out[at + 1], out[at + 2], out[at + 3] = 117, 48, 48
        out[at + 4], out[at + 5] = HEX[byte >> 4], HEX[byte & 15]
        return at + 6
    return at + 2


@compiled
def write_bytes(source, start, end, out, at):
    """Bytes as they are; where `out` goes on."""
    for place in range(start, end):
        out[at] = source[place]
        at += 1
    return at


def room_for(texts: Integers, more: int) -> Bytes:
    """Room for JSON rows of the texts whose lengths these are: for all of them as texts usually are, but no more than
    a few blocks; and for any one as it may be. `more` bytes are written besides the text of each row."""
    usual = min(ROOM, 9 * int(texts.sum()) // 8 + more * len(texts))
    return np.empty(max(usual, GROWTH * int(texts.max(initial=0)) + more), np.uint8)
