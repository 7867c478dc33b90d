"""The mixing that compiled hashes end with."""

import numpy as np

from batch_jobs.prepare.compiling import compiled


@compiled
def mix(value):
    """MurmurHash3's 64-bit finaliser (Appleby, public domain)."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))
