"""A file of any type that may be uploaded, plain or compressed (gzip, zstd), as blocks of rows."""

from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path

from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.documents import document_blocks, documents_of
from batch_jobs.prepare.reading.file_types import FileType, type_of
from batch_jobs.prepare.reading.inflating import inflated_pieces, is_packed
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.json_values import value_blocks
from batch_jobs.prepare.reading.parquet import parquet_blocks
from batch_jobs.prepare.reading.tables import table_blocks
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.recipes import PrepareRecipe

HEAD_BYTES = 1 << 20
"""By so much of its text a file's type is told, and by no more: whoever reads it must be told the same."""

Pieces = Generator[tuple[bytes, int], None, None]


def read_blocks(file: Path, uri: str, recipe: PrepareRecipe) -> Iterator[Block]:
    """The rows of a file, which is called as `uri` ends.

    Raises InvalidInput where it is empty, of another type than its name says, broken, cut off or a bomb: a file that
    breaks off has given blocks before, and is refused as a whole all the same.
    """
    pieces = inflated_pieces(file, uri, recipe)
    head = _head(pieces)
    text = b"".join(piece for piece, _ in head)
    found, every, limit = type_of(text[:HEAD_BYTES], uri, is_packed(file)), chain(head, pieces), recipe.max_line_bytes
    match found:
        case FileType.JSON_LINES:
            yield from line_blocks(every, limit)
        case FileType.JSON_ARRAY | FileType.JSON_OBJECTS:
            yield from value_blocks(every, uri, found is FileType.JSON_ARRAY, limit)
        case FileType.CSV | FileType.TSV:
            yield from table_blocks(text, every, uri, found is FileType.TSV, limit)
        case FileType.TEXT:
            yield from document_blocks(every, documents_of(uri, recipe.read), limit)
        case FileType.PARQUET:
            pieces.close()
            yield from parquet_blocks(file, uri, recipe)


def read_lines(file: Path, uri: str, recipe: PrepareRecipe) -> Iterator[Block]:
    """The lines of a file that is known to hold JSON lines: a piece of a larger one may begin with anything."""
    yield from line_blocks(inflated_pieces(file, uri, recipe), recipe.max_line_bytes)


def check_size(size: int, uri: str, recipe: PrepareRecipe) -> None:
    """Raises InvalidInput where the file, `size` bytes as it is stored, is too large to be fetched at all."""
    limit = recipe.read.max_file_bytes
    if size > limit:
        raise InvalidInput(f"{uri}: {size} bytes are more than prepare.read.max_file_bytes ({limit}); split the file")


def _head(pieces: Pieces) -> list[tuple[bytes, int]]:
    head: list[tuple[bytes, int]] = []
    size = 0
    while size < HEAD_BYTES and (piece := next(pieces, None)):
        head.append(piece)
        size += len(piece[0])
    return head
