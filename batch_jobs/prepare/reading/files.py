"""A file of JSON lines, plain or compressed (gzip, zstd), as blocks."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.inflating import inflated_pieces
from batch_jobs.prepare.reading.json_lines import line_blocks
from batch_jobs.prepare.reading.lines import check_text
from tunesmith.contracts.recipes import PrepareRecipe


def read_blocks(file: Path, uri: str, recipe: PrepareRecipe) -> Iterator[Block]:
    """Raises InvalidInput where the file is empty, of another type, broken or a bomb."""
    pieces = (piece for piece in inflated_pieces(file, uri, recipe) if piece[0])
    first = next(pieces, (b"", 0))
    check_text(first[0], uri)
    yield from line_blocks(chain([first], pieces), recipe.max_line_bytes)
