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
    """Which of the hashes are in `ordered`, which is sorted. A search among those with the same first bits: a fifth of
    `np.searchsorted`'s time for a million hashes, of which `np.isin` takes seconds. Few hashes tell few
    first bits apart, since that costs time too."""
    found = np.zeros(len(hashes), np.bool_)
    if len(ordered):
        bits = min(len(hashes), len(ordered)).bit_length()
        heads = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits)
        bounds = np.append(np.searchsorted(ordered, heads), len(ordered))
        _look_up(np.ascontiguousarray(hashes), ordered, bounds, np.uint64(64 - bits), found)
    return found


@compiled
def _look_up(hashes, ordered, bounds, shift, found):
    for place in range(len(hashes)):
        sought = hashes[place]
        head = np.int64(sought >> shift)
        low, high = bounds[head], bounds[head + 1]
        while low < high:
            middle = (low + high) >> 1
            if ordered[middle] < sought:
                low = middle + 1
            else:
                high = middle
        found[place] = low < len(ordered) and ordered[low] == sought
