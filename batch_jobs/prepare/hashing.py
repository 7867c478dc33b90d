"""What 64-bit hashes are made and looked up with."""

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.compiling import compiled


@compiled
def mix(value):
    """MurmurHash3's 64-bit finaliser (Appleby, public domain)."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


def are_among(hashes: NDArray[np.uint64], ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of the hashes are in `ordered`, which is sorted. (`np.isin` takes seconds for a million hashes.)"""
    if not len(ordered):
        return np.zeros(len(hashes), np.bool_)
    places = np.minimum(np.searchsorted(ordered, hashes), len(ordered) - 1)
    return ordered[places] == hashes
