"""CSV and TSV: each record becomes a JSON object of strings, by the names in the header.

Records are those of RFC 4180 and of Python's `csv` in its strict mode: quotes count where they begin a field, `""` is a
quote, fields may hold line breaks. A record whose quotes are broken leaves open where the next one begins: all of its
lines are refused, and reading goes on with the line after the one on which it was noticed.
"""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from batch_jobs.prepare.batches import Bytes, Flags, Integers
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.telling import quoted
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.reading.blocks import BLOCK_LINES, BOM, EXCERPT, Block, Refusal, Spans, too_long
from batch_jobs.prepare.reading.file_types import TypeMismatch
from batch_jobs.prepare.reading.spans import COMMON, LINE, MARK, NOTHING, START, START_LINE, Found, spans
from batch_jobs.prepare.reading.writing_json import GROWTH, room_for, write_byte, write_bytes
from tunesmith.contracts.datasets import ProblemCode
from tunesmith.contracts.errors import InvalidInput

DELIMITERS = ",;\t|"
"""In the order in which they are preferred."""
SNIFFED_RECORDS = 50
CR = 13
PHASE, DELIMITER, CR_ENDS, OPENED_LINE, SIZE = range(COMMON, COMMON + 5)
FIELD, PLAIN, QUOTED, QUOTE, BROKEN, RETURN = range(6)
"""At the beginning of a field, in one, in quotes, after a quote in quotes, after something broken, after a CR."""
_QUOTE_OR_BREAK = re.compile(rb'"|\r\n|\r|\n')


@dataclass(frozen=True, slots=True)
class Dialect:
    delimiter: str
    cr_ends: bool
    """Whether a CR alone ends a record, as it does the first one."""

    @classmethod
    def of(cls, head: bytes, uri: str, is_tsv: bool) -> "Dialect":
        """Told by the beginning of the file. Raises InvalidInput where a TSV file is none."""
        text = head.removeprefix(BOM).lstrip(b"\r\n")
        shares = {delimiter: _share_of_equal(text, delimiter) for delimiter in DELIMITERS}
        best = max(DELIMITERS, key=lambda delimiter: shares[delimiter])
        if is_tsv and shares[best] and not shares["\t"]:
            raise TypeMismatch(f"{uri}: TYPE_MISMATCH: its header has no tab, but {best!r}; name the file .csv")
        return cls("\t" if is_tsv else best, _first_break(text) == b"\r")


def _first_break(text: bytes) -> bytes | None:
    """What ends the first record: the first line break that is not in quotes."""
    is_quoted = False
    for found in _QUOTE_OR_BREAK.finditer(text):
        if found[0] == b'"':
            is_quoted = not is_quoted
        elif not is_quoted:
            return found[0]
    return None


def _share_of_equal(text: bytes, delimiter: str) -> float:
    """The share of the first records with as many fields as the header; 0 where the header is one field."""
    sizes: list[int] = []
    try:
        for record in csv.reader(io.StringIO(text.decode(errors="replace"), newline=""), delimiter=delimiter):
            sizes += [len(record)] if record else []
            if len(sizes) == SNIFFED_RECORDS:
                break
    except csv.Error:  # a line that is no CSV; what comes before it counts
        pass
    return Counter(sizes)[sizes[0]] / len(sizes) if sizes and sizes[0] > 1 else 0.0


def table_blocks(
    head: bytes, pieces: Iterable[tuple[bytes, int]], uri: str, is_tsv: bool, max_row_bytes: int
) -> Iterator[Block]:
    """The records after the header as blocks; numbers count them. `head`: the text that the pieces begin with.

    Raises InvalidInput where the header is no header, or a quote is never closed.
    """
    dialect = Dialect.of(head, uri, is_tsv)
    table: Table | None = None
    taken = 0
    for found, marks in spans(pieces, TableScan(uri, dialect), max_row_bytes):
        if table is None:
            filled = np.flatnonzero(found.lengths)
            if not len(filled):
                continue
            header = int(filled[0])
            table = Table.of(found.take(np.array([header])), int(marks[header]), uri, dialect, max_row_bytes)
            found, marks = found.take(np.arange(header + 1, len(marks))), marks[header + 1 :]
        records = Records.of(found, marks, taken, uri, max_row_bytes)
        taken += int(records.counts.sum())
        yield from table.blocks(records)


class TableScan:
    def __init__(self, uri: str, dialect: Dialect):
        self._uri = uri
        self.state = np.zeros(SIZE, np.int64)
        self.state[[START, LINE, MARK]] = NOTHING, 1, NOTHING
        self.state[[DELIMITER, CR_ENDS]] = ord(dialect.delimiter), dialect.cr_ends

    def step(self, column: Bytes, at: int, base: int, found: Found) -> tuple[int, int]:
        return _find_records(column, at, base, self.state, found.starts, found.ends, found.lines, found.marks)

    def finish(self, size: int) -> int | None:
        state = self.state
        if state[START] == NOTHING:
            return None
        if state[PHASE] == QUOTED:
            raise InvalidInput(
                f"{self._uri}: BAD_QUOTES: the quote that opens on line {state[OPENED_LINE]}, in the record that "
                f"begins on line {state[START_LINE]}, is never closed: the rest of the file would be one field. "
                "Close it, or upload the whole file"
            )
        return size - (state[PHASE] == RETURN)


@dataclass(frozen=True, slots=True)
class Records:
    """Records as they were found, and which of them can be no row."""

    spans: Spans
    marks: Integers
    broken: Flags
    long: Flags
    counts: Integers
    """How many rows each is: a broken one is as many as it has lines."""

    @classmethod
    def of(cls, found: Spans, marks: Integers, taken: int, uri: str, max_row_bytes: int) -> "Records":
        """`taken`: how many rows came before. Raises InvalidInput where a broken record is too long to be told."""
        broken, long = marks != NOTHING, found.lengths > max_row_bytes
        if (broken & long).any():
            raise _endless(found, int(np.flatnonzero(broken & long)[0]), uri)
        counts = np.ones(len(marks), np.int64)
        for row in np.flatnonzero(broken).tolist():
            counts[row] += found.text.count(b"\n", int(found.starts[row]), int(found.ends[row]))
            if counts[row] > BLOCK_LINES:
                raise _endless(found, row, uri)
        numbers = taken + np.cumsum(counts) - counts + 1
        return cls(replace(found, numbers=numbers), marks, broken, long, counts)

    def next_block(self, first: int) -> int:
        """Where the block that begins with record `first` must end, so that it has at most 2 * BLOCK_LINES rows."""
        return first + max(1, int(np.searchsorted(np.cumsum(self.counts[first:]), BLOCK_LINES)))

    def refusals(self, row: int, before: int) -> Iterator[Refusal]:
        """What a broken record is refused as: each of its lines."""
        found, start = self.spans, int(self.spans.starts[row])
        at = int(self.marks[row] - found.offsets[row])
        what = "a carriage return outside quotes" if found.text[start + at] == CR else "text after a closing quote"
        reason = f"{found.place(row)}: {what} at byte {at + 1} of the record"
        assert found.lines is not None
        number, offset, line = int(found.numbers[row]), int(found.offsets[row]), int(found.lines[row])
        for place, raw in enumerate(found.text[start : int(found.ends[row])].split(b"\n")):
            message = f"{reason}; this is its line {place + 1}" if place else reason
            problem = BadRow(ProblemCode.BAD_QUOTES, message)
            yield Refusal(before, number + place, offset, problem, raw[:EXCERPT], len(raw), line + place)
            offset += len(raw) + 1


def _endless(found: Spans, row: int, uri: str) -> InvalidInput:
    assert found.lines is not None
    return InvalidInput(
        f"{uri}: BAD_QUOTES: the record that begins on line {found.lines[row]} goes on for {found.lengths[row]} bytes "
        "to a quote inside a field: a quote before it is not closed"
    )


@dataclass(frozen=True, slots=True)
class Table:
    """What the header says, and records as JSON by it."""

    delimiter: int
    keys: Bytes
    """What stands before each value: `{"name":"`, then `","other":"`."""
    bounds: Integers

    @classmethod
    def of(cls, header: Spans, mark: int, uri: str, dialect: Dialect, max_row_bytes: int) -> "Table":
        """Raises InvalidInput where the header is none."""
        names = _names(header, mark, uri, dialect.delimiter, max_row_bytes)
        keys = [
            (b'","' if place else b'{"') + json.dumps(name).encode()[1:] + b':"' for place, name in enumerate(names)
        ]
        bounds = np.cumsum([0, *map(len, keys)], dtype=np.int64)
        return cls(ord(dialect.delimiter), np.frombuffer(bytearray().join(keys), np.uint8), bounds)

    def blocks(self, records: Records) -> Iterator[Block]:
        found = records.spans
        column = np.frombuffer(found.text, np.uint8)
        lengths = np.where(records.long | records.broken, 0, found.lengths)
        out = room_for(lengths, len(self.keys) + 2)
        fields = np.where(records.long | records.broken, NOTHING, 0)
        begun, ended = np.zeros(len(lengths), np.int64), np.zeros(len(lengths), np.int64)
        first = 0
        while first < len(lengths):
            last = _write_records(
                column,
                found.starts[: records.next_block(first)],
                found.ends,
                fields,
                first,
                self.delimiter,
                self.keys,
                self.bounds,
                out,
                begun,
                ended,
            )
            yield self._block(records, fields, (first, last), out, begun, ended)
            first = last

    def _block(
        self, records: Records, fields: Integers, rows: tuple[int, int], out: Bytes, begun: Integers, ended: Integers
    ) -> Block:
        part, found = slice(*rows), records.spans
        columns = len(self.bounds) - 1
        good = (fields[part] == columns) | ((fields[part] == 0) & (found.lengths[part] == 0))
        before = np.cumsum(good)
        refusals: list[Refusal] = []
        for place in np.flatnonzero(~good).tolist():
            row = rows[0] + place
            if records.broken[row]:
                refusals += records.refusals(row, int(before[place]))
            elif records.long[row]:
                refusals.append(found.refuse(row, int(before[place]), too_long(found, row)))
            else:
                told = f"{found.place(row)}: {fields[row]} fields, the header has {columns}"
                problem = BadRow(ProblemCode.RAGGED_ROW, told)
                refusals.append(found.refuse(row, int(before[place]), problem))
        return found.written(part, good, out, (begun, ended), refusals)


def _names(header: Spans, mark: int, uri: str, delimiter: str, max_row_bytes: int) -> list[str]:
    assert header.lines is not None
    place = f"{uri}: line {header.lines[0]}: the header"
    if header.lengths[0] > max_row_bytes or mark != NOTHING:
        raise InvalidInput(f"{place} has broken quotes, or is longer than prepare.max_line_bytes")
    raw = header.text[header.starts[0] : header.ends[0]]
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{place} is no UTF-8 (byte {error.start + 1}); save the file as UTF-8") from None
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    (names,) = csv.reader([text], delimiter=delimiter) if "\n" not in text else [_split(text, delimiter)]
    if names[0].startswith("sep="):
        raise InvalidInput(f"{place} is a line for Excel ({names[0]}...); remove it: the delimiter is told without it")
    if "" in names:
        raise InvalidInput(
            f"{place} has no name for column {names.index('') + 1} of {len(names)}; the first line names every column "
            "(pandas: write with index=False)"
        )
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise InvalidInput(f"{place} names two columns {quoted(twice)}; rename one of them")
    return names


def _split(text: str, delimiter: str) -> list[str]:
    """A header with line breaks inside its names."""
    (names,) = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    return names


@compiled
def _find_records(column, at, base, state, starts, ends, lines, marks):
    """See Scan.step. A mark is the offset at which the record's quotes are broken."""
    phase, delimiter, cr_ends, line = state[PHASE], state[DELIMITER], state[CR_ENDS], state[LINE]
    begun, begun_line, mark, opened = state[START], state[START_LINE], state[MARK], state[OPENED_LINE]
    count, size, end = 0, len(column), -1
    while at < size:
        byte = column[at]
        if begun < 0:
            begun, begun_line, mark, phase = base + at, line, -1, FIELD
        if phase == QUOTED:
            if byte == 34:
                phase = QUOTE
            elif byte == 10 or (cr_ends and byte == 13):
                line += 1
            at += 1
            continue
        if phase == RETURN:
            if byte == 10 or cr_ends:
                end = base + at - 1
                at += byte == 10
            else:
                mark = base + at - 1 if mark < 0 else mark
                phase = BROKEN
        elif byte == 10:
            end = base + at
            at += 1
        if end >= 0:
            starts[count], ends[count], lines[count], marks[count] = begun, end, begun_line, mark
            count += 1
            line += 1
            begun, end = -1, -1
            if count == len(starts):
                break
            continue
        if byte == 13:
            phase = RETURN
        elif phase == FIELD:
            if byte == 34:
                phase, opened = QUOTED, line
            elif byte != delimiter:
                phase = PLAIN
        elif phase == PLAIN:
            if byte == delimiter:
                phase = FIELD
        elif phase == QUOTE:
            if byte == 34:
                phase = QUOTED
            elif byte == delimiter:
                phase = FIELD
            else:
                mark, phase = base + at, BROKEN
        at += 1
    state[PHASE], state[LINE], state[START], state[START_LINE] = phase, line, begun, begun_line
    state[MARK], state[OPENED_LINE] = mark, opened
    return at, count


@compiled
def _write_records(column, starts, ends, fields, first, delimiter, keys, bounds, out, begun, ended):
    """Write records from `first` on while there is room; the one that comes next. Fills in how many fields each has,
    but for those of which that is known to be NOTHING; those that have too few or too many are not written."""
    columns, place = len(bounds) - 1, 0
    for row in range(first, len(starts)):
        begun[row] = ended[row] = place
        at, end = starts[row], ends[row]
        if fields[row] < 0 or at == end:
            continue
        if place + GROWTH * (end - at) + len(keys) + 2 > len(out):
            return row
        count, to = 0, place
        while True:
            if count < columns:
                to = write_bytes(keys, bounds[count], bounds[count + 1], out, to)
            is_quoted = at < end and column[at] == 34
            at += is_quoted
            while at < end:
                byte = column[at]
                if is_quoted:
                    if byte == 34:
                        if at + 1 == end or column[at + 1] != 34:
                            at += 1
                            break
                        at += 1
                elif byte == delimiter:
                    break
                if count < columns:
                    to = write_byte(byte, out, to)
                at += 1
            count += 1
            if at >= end:
                break
            at += 1  # the delimiter
        fields[row] = count
        if count == columns:
            out[to], out[to + 1] = 34, 125
            place = ended[row] = to + 2
    return len(starts)
