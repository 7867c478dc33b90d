"""The lines of a file with their numbers and byte offsets, in bounded memory whatever the file holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from tunesmith.contracts.errors import InvalidInput

CHUNK = 1 << 20
EXCERPT = 1_000
BOM = b"\xef\xbb\xbf"
FOREIGN = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "PDF",
    b"PAR1": "Parquet",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
    b"{\x00": "UTF-16 text",
    b"\x00{": "UTF-16 text",
    b"\x80\x04\x95": "a Python pickle",
}


@dataclass(frozen=True, slots=True)
class Line:
    number: int
    offset: int
    raw: bytes
    """Without its line break; of a line that is too long, the beginning only."""
    length: int
    is_whole: bool


def read_lines(stream: BinaryIO, max_line_bytes: int) -> Iterator[Line]:
    """Every line; one longer than `max_line_bytes` comes as its beginning and is skipped without being held."""
    offset, number = 0, 0
    while found := stream.readline(max_line_bytes + 2):
        number += 1
        body = _body(found)
        if len(body) <= max_line_bytes:
            taken = len(found)
            yield Line(number, offset, body, len(body), is_whole=True)
        else:
            taken = len(found) + (0 if found.endswith(b"\n") else _skip_rest(stream))
            yield Line(number, offset, found[:EXCERPT], taken, is_whole=False)
        offset += taken


def check_text(head: bytes, uri: str) -> None:
    """Raises InvalidInput where the file's first bytes are those of another type, or there are none."""
    if not head:
        raise InvalidInput(f"{uri}: the file is empty; expected JSON lines, one training example per line")
    for magic, name in FOREIGN.items():
        if head.startswith(magic):
            raise InvalidInput(f"{uri}: TYPE_MISMATCH: this is {name}; upload uncompressed JSON lines (UTF-8) instead")


def _body(found: bytes) -> bytes:
    """The line without its line break, be it LF or CRLF."""
    return found.removesuffix(b"\n").removesuffix(b"\r")


def _skip_rest(stream: BinaryIO) -> int:
    skipped = 0
    while chunk := stream.readline(CHUNK):
        skipped += len(chunk)
        if chunk.endswith(b"\n"):
            break
    return skipped
