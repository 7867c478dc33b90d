"""`@compiled`: a loop over bytes as machine code. It runs without the GIL, so that threads use all cores.

The code is kept beside the source, or in NUMBA_CACHE_DIR where that is not writable, so only the first run waits for
the compiler.
"""

import numba

compiled = numba.njit(cache=True, nogil=True, fastmath=False, boundscheck=False)
