"""`@compiled`: a loop over bytes as machine code. It runs without the GIL, so that threads use all cores.

The code is kept under NUMBA_CACHE_DIR, or beside the source, or in the user's cache, so only the first run waits for
the compiler. It is kept by the digest of all sources of the job: a compiled loop holds what it calls, and numba would
not see that a function of another file has changed.
"""

import hashlib
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

import numba

HERE = Path(__file__).parent
KEPT_SECONDS = 7 * 24 * 3_600


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


def cache_folder(parent: Path, digest: str) -> Path:
    """Where loops of these sources are kept. Before the first of them are, those of other sources go that were made
    more than a week ago."""
    folder = parent / f"loops-{digest}"
    if not folder.is_dir():
        for other in parent.glob("loops-*"):
            with suppress(FileNotFoundError):  # another process may be doing the same
                if time.time() - other.stat().st_mtime > KEPT_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
    return folder


def _parent() -> Path:
    beside = HERE / "__pycache__"
    own = beside if os.access(beside if beside.is_dir() else HERE, os.W_OK) else Path.home() / ".cache/tunesmith"
    return Path(os.environ.get("NUMBA_CACHE_DIR") or own)


def _sources_digest() -> str:
    seen = hashlib.sha256()
    for folder, folders, names in os.walk(HERE):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(names):
            if name.endswith((".py", ".npz", ".tsv")):
                seen.update(Path(folder, name).read_bytes())
    return seen.hexdigest()[:16]


SOURCES = _sources_digest()
"""Names this code and its weights: what they made is not taken for what others make."""
_start_numba()
numba.config.CACHE_DIR = str(cache_folder(_parent(), SOURCES))
compiled = numba.njit(cache=True, nogil=True, fastmath=False, boundscheck=False)
