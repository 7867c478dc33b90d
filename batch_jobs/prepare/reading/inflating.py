"""The bytes of a stored file, inflated where it is gzip or zstd, in pieces of bounded size."""

import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe

GZIP = (b"\x1f\x8b",)
ZSTD = (b"\x28\xb5\x2f\xfd", *(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60)))
"""A frame with content, or one to skip (RFC 8878, 3.1)."""
PACKED = (*GZIP, *ZSTD)
PACKED_NAMES = (".gz", ".gzip", ".zst", ".zstd")
PLAIN_BYTES = 8 << 20
"""As large as a block, so that a line is copied once."""
PACKED_BYTES = 1 << 10
"""zstd cannot be told when to pause, and 1 KiB of it inflates to 32 MiB at worst (RFC 8878: 128 KiB per block)."""
MAX_WINDOW = 128 << 20
FREE_BYTES = 16 << 20
"""Small files may be as repetitive as they like."""


def is_packed(file: Path) -> bool:
    """Whether the file is compressed: its first bytes count, whatever it is called."""
    with file.open("rb") as stream:
        return stream.read(4).startswith(PACKED)


def inflated_pieces(file: Path, uri: str, recipe: PrepareRecipe) -> Generator[tuple[bytes, int], None, None]:
    """Pieces of at most 32 MiB, and how many stored bytes were read up to each. Raises InvalidInput."""
    with file.open("rb") as stream:
        magic = stream.read(4)
        stream.seek(0)
        if len(magic) < 4 and uri.lower().endswith(PACKED_NAMES) and any(known.startswith(magic) for known in PACKED):
            raise InvalidInput(f"{uri}: the file is cut off after {len(magic)} bytes; upload it again")
        if not magic.startswith(PACKED):
            while piece := stream.read(PLAIN_BYTES):
                yield piece, stream.tell()
            return
        total = 0
        try:
            for piece in _members(stream, magic.startswith(GZIP)):
                total += len(piece)
                refuse_bomb(total, stream.tell(), uri, recipe)
                yield piece, stream.tell()
        except (zlib.error, zstandard.ZstdError, EOFError) as error:
            raise InvalidInput(
                f"{uri}: the compressed file is broken after {total} inflated bytes ({error}); upload it again"
            ) from error


def _members(stream: BinaryIO, is_gzip: bool) -> Iterator[bytes]:
    """Every member is a file of its own (RFC 1952, 2.2); zeros after one are padding, as gzip takes them."""
    zstd = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
    member: Any = None
    while packed := stream.read(PACKED_BYTES):
        while packed:
            if member is None:
                if is_gzip and not (packed := packed.lstrip(b"\0")):
                    break
                member = zlib.decompressobj(31) if is_gzip else zstd.decompressobj()
            yield member.decompress(packed)
            packed = member.unused_data if member.eof else b""
            member = None if member.eof else member
    if member is not None:
        raise EOFError("its last member is cut off")


def refuse_bomb(total: int, stored: int, uri: str, recipe: PrepareRecipe) -> None:
    if total > recipe.read.max_inflated_bytes:
        raise InvalidInput(f"{uri}: inflates to more than prepare.read.max_inflated_bytes; split the file")
    if total > max(FREE_BYTES, stored * recipe.read.max_inflation):
        raise InvalidInput(f"{uri}: inflates more than {recipe.read.max_inflation} times (prepare.read.max_inflation)")
