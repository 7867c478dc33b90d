"""Preference pairs that contradict each other: the same prompt and answers, once one way round and once the other.

Where a share p of the labels is the wrong way round, two labels of one pair differ with probability 2p(1 - p). So the
share c of repeated pairs that contradict tells p = (1 - sqrt(1 - 2c)) / 2, without knowing which label is right.
"""

import hashlib
import math
from array import array

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.checking.shapes import seen
from tunesmith.contracts.datasets import SwapEstimate

ENOUGH = 20
"""Pairs that came twice, below which their share says nothing."""


class Swaps:
    """Collects pairs, 9 bytes each, and tells at the end which of them contradict an earlier one."""

    def __init__(self) -> None:
        self._keys = array("Q")
        self._sides = array("B")

    def add(self, row: Row) -> None:
        """The pairs of a preference; rows of other kinds are none and must not be added."""
        before, better, worse = (_print(turns) for turns in (row.turns, row.chosen, row.rejected))
        self._keys.append(_mix(before + min(better, worse) + max(better, worse)))
        self._sides.append(better < worse)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self) -> tuple[NDArray[np.int64], NDArray[np.int64], SwapEstimate]:
        """Which pairs (as they came) contradict the first of their like, that first one of each, and the estimate."""
        keys, sides = np.frombuffer(self._keys, np.uint64), np.frombuffer(self._sides, np.uint8)
        _, first, group = np.unique(keys, return_index=True, return_inverse=True)
        earlier = first[group]
        repeated = int((earlier != np.arange(len(keys))).sum())
        contradicting = np.flatnonzero(sides != sides[earlier])
        return contradicting, earlier[contradicting], estimate(repeated, len(contradicting))


def estimate(repeated: int, contradicting: int) -> SwapEstimate:
    """The share of swapped labels; None where too few pairs came twice. Half of them contradict where labels are coin
    tosses: more than that tells no more."""
    if repeated < ENOUGH:
        return SwapEstimate(repeated_pairs=repeated, contradicting_pairs=contradicting, swap_rate=None)
    share = min(contradicting / repeated, 0.5)
    rate = (1 - math.sqrt(1 - 2 * share)) / 2
    return SwapEstimate(repeated_pairs=repeated, contradicting_pairs=contradicting, swap_rate=round(rate, 6))


def _print(turns: tuple[Turn, ...]) -> bytes:
    return hashlib.blake2b(repr([seen(turn) for turn in turns]).encode(), digest_size=16).digest()


def _mix(facts: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(facts, digest_size=8).digest())
