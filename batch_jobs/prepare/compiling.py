"""`@compiled`: a loop over bytes as machine code. It runs without the GIL, so that threads use all cores.

The code is kept under NUMBA_CACHE_DIR, or beside the source, or in the user's cache, so only the first run waits for
the compiler. It is kept by the digest of all sources of the job: a compiled loop holds what it calls, and numba would
not see that a function of another file has changed.
"""

import hashlib
import os
import sys
from pathlib import Path

import numba

HERE = Path(__file__).parent


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


def _cache_folder() -> Path:
    beside = HERE / "__pycache__"
    own = beside if os.access(beside if beside.is_dir() else HERE, os.W_OK) else Path.home() / ".cache/tunesmith"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or own) / f"loops-{SOURCES}"


def _sources_digest() -> str:
    seen = hashlib.sha256()
    for file in sorted(file for kind in ("*.py", "*.npz", "*.tsv") for file in HERE.rglob(kind)):
        seen.update(file.read_bytes())
    return seen.hexdigest()[:16]


SOURCES = _sources_digest()
"""Names this code and its weights: what they made is not taken for what others make."""
_start_numba()
numba.config.CACHE_DIR = str(_cache_folder())
compiled = numba.njit(cache=True, nogil=True, fastmath=False, boundscheck=False)
