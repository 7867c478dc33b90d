"""A file in pieces, so that several machines can read it: each line belongs to the piece in which it begins."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batch_jobs.prepare.engine import pinned_version
from batch_jobs.prepare.reading.blocks import BLOCK_BYTES
from batch_jobs.prepare.reading.file_types import may_be_cut
from batch_jobs.prepare.reading.files import HEAD_BYTES
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import Source

PIECE_BYTES = 64 << 20
MORE = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a source; the whole file where `end` is None."""

    source: int
    start: int
    end: int | None


def pieces_of(storage: Storage, index: int, source: Source, size: int, piece_bytes: int) -> Iterator[Piece]:
    """Uncompressed JSON lines are cut; whatever else a file is, and where its digest is to be compared, it is read as
    one. Raises InvalidInput where its beginning is of another type than its name says."""
    if size <= piece_bytes or source.sha256 or not _may_be_cut(storage, source):
        yield Piece(index, 0, None)
        return
    for start in range(0, size, piece_bytes):
        yield Piece(index, start, min(size, start + piece_bytes))


def fetch_piece(storage: Storage, source: Source, piece: Piece, max_line_bytes: int, folder: Path) -> tuple[Path, int]:
    """(the piece's lines as a file, where in the source the first of them begins)."""
    name = source.uri.rpartition("/")[2]
    if piece.end is None:
        return storage.download(source.uri, folder / name, source.sha256, pinned_version(source)), 0
    data, begins = _lines(storage, source, piece, max_line_bytes)
    (folder / name).write_bytes(data)
    return folder / name, begins


def fetch_head(storage: Storage, source: Source, folder: Path) -> Path:
    """The beginning of the source: its first block and more."""
    file = folder / source.uri.rpartition("/")[2]
    file.write_bytes(storage.read_range(source.uri, 0, 2 * BLOCK_BYTES, pinned_version(source)))
    return file


def _may_be_cut(storage: Storage, source: Source) -> bool:
    return may_be_cut(storage.read_range(source.uri, 0, HEAD_BYTES, pinned_version(source)), source.uri)


def _lines(storage: Storage, source: Source, piece: Piece, max_line_bytes: int) -> tuple[bytes, int]:
    assert piece.end is not None
    version = pinned_version(source)
    begun = max(0, piece.start - 1)  # the byte before the piece tells whether a line begins at its first one
    data = storage.read_range(source.uri, begun, piece.end, version)
    if piece.start:
        line_break = data.find(b"\n") + 1
        if not line_break:
            return b"", piece.end
        data, begun = data[line_break:], begun + line_break
    at, longest = piece.end, piece.end + max_line_bytes + MORE
    while data and not data.endswith(b"\n") and at < longest:  # of a line that is too long, enough to tell
        more = storage.read_range(source.uri, at, at + MORE, version)
        if not more:
            break
        data += more[: more.find(b"\n") + 1] if b"\n" in more else more
        at += len(more)
    return data, begun
