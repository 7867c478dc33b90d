"""The checks of one file: what its rows are, and each row against that."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.checking.chat_lines import RESERVED_KEYS, key_hashes
from batch_jobs.prepare.checking.decoding import decode_object
from batch_jobs.prepare.checking.detection import FormatOfFile
from batch_jobs.prepare.checking.parsing import RowColumns, parse_row
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.texts import TextChecks
from batch_jobs.prepare.reading.blocks import Block
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.recipes import PrepareRecipe


@dataclass(frozen=True, slots=True)
class FileChecks:
    format_of_file: FormatOfFile
    columns: RowColumns
    texts: TextChecks
    reserved: NDArray[np.uint64]
    """Hashes of the keys whose lines the compiled path leaves to `row`."""

    @classmethod
    def of(cls, block: Block, uri: str, recipe: PrepareRecipe) -> "FileChecks":
        """Of the file that begins with this block."""
        columns = RowColumns.of(recipe)
        format_of_file = FormatOfFile.of(_rows(block, columns), recipe.read)
        names = {*RESERVED_KEYS, *columns.kept, *columns.renamed, *columns.renamed.values()}
        return cls(format_of_file, columns, TextChecks.of(recipe.normalise), key_hashes(names))

    @property
    def may_be_plain_chats(self) -> bool:
        """Whether the compiled path may take lines of this file: what it takes is chats."""
        return self.format_of_file.format is RowFormat.CHAT

    def row(self, raw: bytes) -> Row:
        """The row that the line holds. Raises BadRow."""
        return parse_row(decode_object(raw), self.format_of_file, self.columns, self.texts)


def _rows(block: Block, columns: RowColumns) -> Iterator[dict[str, Any]]:
    """The block's rows as far as they are JSON objects, with their columns renamed."""
    for index in range(len(block)):
        try:
            yield columns.rename(decode_object(block.line(index)))
        except BadRow:
            continue
