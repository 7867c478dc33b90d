"""`@compiled`: a loop over bytes as machine code. It runs without the GIL, so that threads use all cores.

The code is kept beside the source, or in NUMBA_CACHE_DIR where that is not writable, so only the first run waits for
the compiler.
"""

import sys

import numba


def _start_numba() -> None:
    """numba asks scipy for BLAS when it starts, which takes 0.3 s; no loop here does linear algebra."""
    held = sys.modules.get("scipy.linalg")
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # how Python is told that there is none
    try:
        import numba.np.arraymath  # noqa: F401
    finally:
        if held is None:
            del sys.modules["scipy.linalg"]
        else:
            sys.modules["scipy.linalg"] = held


_start_numba()
compiled = numba.njit(cache=True, nogil=True, fastmath=False, boundscheck=False)
