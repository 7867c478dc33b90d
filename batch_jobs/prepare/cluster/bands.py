"""Near duplicates on several machines: each band of the signatures meets on one worker, as one array of bytes a piece.

band, rows: int64, then row numbers: int64[rows], then signatures: uint16[rows, PLACES]
"""

from collections.abc import Sequence

import numpy as np

from batch_jobs.prepare.deduplicating.groups import Members, edges_of_band
from batch_jobs.prepare.deduplicating.signatures import PLACES, Signatures


def cut_bands(signed: Signatures, rows: Members, bands: int) -> list[bytes]:
    """What one piece sends to each band; `rows` number the signatures in the whole dataset."""
    body = rows.astype(np.int64).tobytes() + np.ascontiguousarray(signed).tobytes()
    return [np.array([band, len(rows)], np.int64).tobytes() + body for band in range(bands)]


def band_of(blob: bytes) -> int:
    return int(np.frombuffer(blob, np.int64, 1)[0])


def meet_band(blobs: Sequence[bytes], threshold: float) -> bytes:
    """Edges between rows, int64[n, 2], of all that met."""
    opened = sorted((_open(blob) for blob in blobs), key=lambda found: int(found[0][0]) if len(found[0]) else -1)
    rows = np.concatenate([rows for rows, _ in opened])
    signed = np.concatenate([signed for _, signed in opened])
    places = edges_of_band(signed, np.arange(len(rows)), band_of(blobs[0]), threshold)
    return rows[places].tobytes()


def _open(blob: bytes) -> tuple[Members, Signatures]:
    count = int(np.frombuffer(blob, np.int64, 2)[1])
    rows = np.frombuffer(blob, np.int64, count, offset=16)
    return rows, np.frombuffer(blob, np.uint16, count * PLACES, offset=16 + 8 * count).reshape(count, PLACES)
