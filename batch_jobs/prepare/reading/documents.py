"""Plain text: documents one after the other, each a row `{"text": ...}`.

Where one ends, the recipe says (`prepare.read.documents`); by default a blank line ends a document of a .txt file, as
in the files that BERT was trained from, and a Markdown file is one document. A form feed ends one anyway.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from batch_jobs.prepare.batches import Bytes
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.reading.blocks import Block, Spans, too_long
from batch_jobs.prepare.reading.file_types import is_markdown
from batch_jobs.prepare.reading.spans import COMMON, LINE, MARK, NOTHING, START, START_LINE, Found, spans
from batch_jobs.prepare.reading.writing_json import GROWTH, room_for, write_byte, write_bytes
from tunesmith.contracts.preparation import Documents, ReadRecipe

BREAKS, IS_BLANK, END, SIZE = range(COMMON, COMMON + 4)
"""How many line breaks end a document (0: none does), whether the line is blank so far, where the last word ended."""
LINE_BREAKS = {Documents.LINE: 1, Documents.PARAGRAPH: 2, Documents.PAGE: 0}
KEY = np.frombuffer(bytearray(b'{"text":"'), np.uint8)


def documents_of(uri: str, recipe: ReadRecipe) -> Documents:
    """What ends a document of this file."""
    return recipe.documents or (Documents.PAGE if is_markdown(uri) else Documents.PARAGRAPH)


def document_blocks(pieces: Iterable[tuple[bytes, int]], documents: Documents, max_row_bytes: int) -> Iterator[Block]:
    """The documents as blocks, without the white space around them; numbers count documents."""
    for found, _ in spans(pieces, DocumentScan(documents), max_row_bytes):
        yield from _blocks(found, max_row_bytes)


class DocumentScan:
    def __init__(self, documents: Documents):
        self.state = np.zeros(SIZE, np.int64)
        self.state[[START, LINE, MARK, BREAKS, IS_BLANK]] = NOTHING, 1, NOTHING, LINE_BREAKS[documents], True

    def step(self, column: Bytes, at: int, base: int, found: Found) -> tuple[int, int]:
        return _find_documents(column, at, base, self.state, found.starts, found.ends, found.lines)

    def finish(self, size: int) -> int | None:
        return None if self.state[START] == NOTHING else int(self.state[END])


def _blocks(found: Spans, max_row_bytes: int) -> Iterator[Block]:
    column = np.frombuffer(found.text, np.uint8)
    fits = found.lengths <= max_row_bytes
    out = room_for(np.where(fits, found.lengths, 0), len(KEY) + 2)
    begun, ended = np.zeros(len(fits), np.int64), np.zeros(len(fits), np.int64)
    first = 0
    while first < len(fits):
        last = _write_documents(column, found.starts, found.ends, fits, first, KEY, out, begun, ended)
        part = slice(first, last)
        good, before = fits[part], np.cumsum(fits[part])
        long = [first + place for place in np.flatnonzero(~good).tolist()]
        refusals = [found.refuse(row, int(before[row - first]), too_long(found, row)) for row in long]
        yield found.written(part, good, out, (begun, ended), refusals)
        first = last


@compiled
def _find_documents(column, at, base, state, starts, ends, lines):
    """See Scan.step."""
    line, begun, begun_line, breaks = state[LINE], state[START], state[START_LINE], state[BREAKS]
    is_blank, end = state[IS_BLANK], state[END]
    count, size = 0, len(column)
    while at < size:
        byte = column[at]
        at += 1
        is_over = byte == 12
        if byte == 10:
            is_over |= breaks == 1 or (breaks == 2 and is_blank)
            line += 1
            is_blank = 1
        elif byte != 32 and byte != 9 and byte != 13 and byte != 12:
            is_blank = 0
            if begun < 0:
                begun, begun_line = base + at - 1, line
            end = base + at
        if is_over and begun >= 0:
            starts[count], ends[count], lines[count] = begun, end, begun_line
            count += 1
            begun = -1
            if count == len(starts):
                break
    state[LINE], state[START], state[START_LINE], state[IS_BLANK], state[END] = line, begun, begun_line, is_blank, end
    return at, count


@compiled
def _write_documents(column, starts, ends, fits, first, key, out, begun, ended):
    """Write documents from `first` on while there is room; the one that comes next."""
    at = 0
    for row in range(first, len(starts)):
        begun[row] = ended[row] = at
        if not fits[row]:
            continue
        if at + GROWTH * (ends[row] - starts[row]) + len(key) + 2 > len(out):
            return row
        at = write_bytes(key, 0, len(key), out, at)
        for place in range(starts[row], ends[row]):
            at = write_byte(column[place], out, at)
        out[at], out[at + 1] = 34, 125
        at += 2
        ended[row] = at
    return len(starts)
