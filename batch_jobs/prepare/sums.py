"""Sums of row hashes: whether the rows that left are those that came in, and not only as many."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.batches import Flags, Integers
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.deduplicating.fingerprints import Hashes, murmur
from batch_jobs.prepare.reading.blocks import Block

MODULUS = 1 << 64


@dataclass(slots=True)
class BlockSums:
    """Of one block; and the hash of each row's line for those who follow it further."""

    rows_in: int
    blank: int
    quarantined: int
    of_rows: Hashes


def join_sums(several: Sequence[BlockSums]) -> BlockSums:
    """Of blocks one after the other."""
    return BlockSums(
        sum(sums.rows_in for sums in several) % MODULUS,
        sum(sums.blank for sums in several) % MODULUS,
        sum(sums.quarantined for sums in several) % MODULUS,
        np.concatenate([np.empty(0, np.uint64), *(sums.of_rows for sums in several)]),
    )


def block_sums(block: Block, good: Integers, is_blank: Flags) -> BlockSums:
    """`good` are the lines that became rows, as indices; `is_blank` tells of each line whether nothing is on it."""
    lines = hash_lines(block)
    refused = sum(_hash(refusal.raw) for refusal in block.refusals)
    bad = ~is_blank
    bad[good] = False
    return BlockSums(
        (total(lines) + refused) % MODULUS, total(lines[is_blank]), (total(lines[bad]) + refused) % MODULUS, lines[good]
    )


def is_blank(block: Block) -> Flags:
    """Which lines hold nothing but JSON's white space."""
    found = np.empty(len(block), np.bool_)
    _look_for_blanks(np.frombuffer(block.data, np.uint8), block.starts, block.ends, found)
    return found


def total(hashes: Hashes) -> int:
    return int(hashes.sum(dtype=np.uint64))  # wraps, as it should


def hash_lines(block: Block) -> Hashes:
    """64 bits of MurmurHash3 of each line as it stands in the block."""
    found = np.empty(len(block), np.uint64)
    _hash_lines(np.frombuffer(block.data, np.uint8), block.starts, block.ends, found)
    return found


def _hash(raw: bytes) -> int:
    bounds = np.array([0, len(raw)], np.int64)
    found = np.empty(1, np.uint64)
    _hash_lines(np.frombuffer(raw, np.uint8), bounds[:1], bounds[1:], found)
    return int(found[0])


@compiled
def _look_for_blanks(data, starts, ends, found):
    for line in range(len(starts)):
        at = starts[line]
        while at < ends[line] and (data[at] == 32 or data[at] == 9 or data[at] == 10 or data[at] == 13):
            at += 1
        found[line] = at == ends[line]


@compiled
def _hash_lines(data, starts, ends, found: NDArray[np.uint64]):
    for line in range(len(starts)):
        found[line], _ = murmur(data, starts[line], ends[line], np.uint64(1))
