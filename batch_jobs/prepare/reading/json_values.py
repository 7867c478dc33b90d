"""A JSON array, or JSON objects one after the other, in bounded memory: each value becomes a row, its bytes untouched.

Only the frame is read here: strings, escapes, and brackets that match. What is wrong inside a value is the row's
problem; what is wrong around the values leaves open where the next one begins, and is the file's.
Grammar: RFC 8259.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from batch_jobs.prepare.batches import Bytes
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.reading.blocks import Block
from batch_jobs.prepare.reading.spans import COMMON, LINE, MARK, NOTHING, START, START_LINE, Found, spans
from tunesmith.contracts.errors import InvalidInput

PHASE, DEPTH, KINDS, ESCAPED, COUNT, ERROR, ERROR_AT, IS_ARRAY = range(COMMON, COMMON + 8)
OPENING, FIRST, NEXT, INSIDE, STRING, SCALAR, BETWEEN, OVER = range(8)
"""Before the array; before its first value; before a value; in brackets, a string, a number or word; after a value;
after the array."""
NO_VALUE, NO_COMMA, MORE, MISMATCH, OPEN_STRING = range(1, 6)
TRACKED = 60
"""Levels of brackets whose kinds are compared; deeper rows are refused anyway."""
MESSAGES = {
    NO_VALUE: "expected a value",
    NO_COMMA: "expected a comma or the end of the array",
    MORE: "expected nothing more: the array has ended. For several, write one object per line (.jsonl)",
    MISMATCH: "this bracket does not close the one that is open",
    OPEN_STRING: "a line break inside a string: is its closing quote missing?",
}


def value_blocks(pieces: Iterable[tuple[bytes, int]], uri: str, is_array: bool, max_row_bytes: int) -> Iterator[Block]:
    """The values as blocks; numbers count values. Raises InvalidInput where the file breaks off or is no JSON."""
    for found, _ in spans(pieces, ValueScan(uri, is_array), max_row_bytes):
        yield found.block(max_row_bytes)


class ValueScan:
    def __init__(self, uri: str, is_array: bool):
        self._uri = uri
        self.state = np.zeros(IS_ARRAY + 1, np.int64)
        self.state[[START, LINE, MARK]] = NOTHING, 1, NOTHING
        self.state[[PHASE, IS_ARRAY]] = (OPENING, 1) if is_array else (NEXT, 0)

    def step(self, column: Bytes, at: int, base: int, found: Found) -> tuple[int, int]:
        count = 0
        if not self.state[ERROR]:  # an error is raised once the rows before it were taken
            at, count = _find_values(column, at, base, self.state, found.starts, found.ends, found.lines)
        if self.state[ERROR] and not count:
            raise self._broken(column, int(self.state[ERROR_AT]) - base)
        return at, count

    def finish(self, size: int) -> int | None:
        state = self.state
        if state[PHASE] == SCALAR and not state[IS_ARRAY]:
            return size
        if state[PHASE] == (OVER if state[IS_ARRAY] else NEXT):
            return None
        kind = "array" if state[IS_ARRAY] else "object"
        raise InvalidInput(
            f"{self._uri}: the file is cut off after {size} bytes, {self._where()}; "
            f"its {kind} is never closed. Upload the whole file"
        )

    def _broken(self, column: Bytes, at: int) -> InvalidInput:
        found = ascii(column[at : at + 20].tobytes().decode("utf-8", "replace"))
        place = f"line {self.state[LINE]}, byte {self.state[ERROR_AT]}, {self._where()}"
        return InvalidInput(f"{self._uri}: {place}: {MESSAGES[int(self.state[ERROR])]}; found {found}")

    def _where(self) -> str:
        count = int(self.state[COUNT])
        if self.state[START] != NOTHING:
            return f"in record {count + 1}, which begins on line {self.state[START_LINE]}"
        return f"after record {count}" if count else "before the first record"


@compiled
def _find_values(column, at, base, state, starts, ends, lines):
    """See Scan.step."""
    phase, depth, kinds, line = state[PHASE], state[DEPTH], np.uint64(state[KINDS]), state[LINE]
    begun, begun_line, escaped = state[START], state[START_LINE], state[ESCAPED]
    count, error, size, one = 0, 0, len(column), np.uint64(1)
    while at < size and error == 0:
        byte = column[at]
        if phase == STRING:
            if escaped:
                escaped = 0
            elif byte == 92:
                escaped = 1
            elif byte == 34:
                phase = INSIDE
            elif byte == 10:
                error = OPEN_STRING
                break
            at += 1
            if phase == STRING or depth > 0:
                continue
        elif byte == 32 or byte == 9 or byte == 13 or byte == 10:
            if phase != SCALAR:
                line += byte == 10
                at += 1
                continue
        elif phase == INSIDE:
            at += 1
            if byte == 34:
                phase = STRING
                continue
            if byte == 123 or byte == 91:
                if depth < TRACKED:
                    kinds = (kinds << one) | np.uint64(byte == 123)
                depth += 1
                continue
            if byte != 125 and byte != 93:
                continue
            depth -= 1
            if depth < TRACKED:
                if (kinds & one) != np.uint64(byte == 125):
                    error = MISMATCH
                    at -= 1
                    break
                kinds >>= one
            if depth > 0:
                continue
        elif phase == SCALAR:
            if byte != 44 and byte != 93 and byte != 125 and byte != 123 and byte != 91 and byte != 34 and byte != 58:
                at += 1
                continue
        elif phase in (FIRST, NEXT):
            if byte == 93 and phase == FIRST:
                phase = OVER
                at += 1
                continue
            if byte == 44 or byte == 93 or byte == 125 or byte == 58:
                error = NO_VALUE
                break
            begun, begun_line = base + at, line
            if byte == 123 or byte == 91:
                phase, depth, kinds = INSIDE, 1, np.uint64(byte == 123)
            elif byte == 34:
                phase, depth = STRING, 0
            else:
                phase, depth = SCALAR, 0
            at += 1
            continue
        elif phase == BETWEEN:
            if byte == 44:
                phase = NEXT
            elif byte == 93:
                phase = OVER
            else:
                error = NO_COMMA
                break
            at += 1
            continue
        elif phase == OPENING:
            if byte != 91:
                error = NO_VALUE
                break
            phase = FIRST
            at += 1
            continue
        else:
            error = MORE
            break
        # a value has ended before `at`
        starts[count], ends[count], lines[count] = begun, base + at, begun_line
        count += 1
        begun = -1
        phase = BETWEEN if state[IS_ARRAY] else NEXT
        if count == len(starts):
            break
    state[PHASE], state[DEPTH], state[KINDS], state[LINE] = phase, depth, np.int64(kinds), line
    state[START], state[START_LINE], state[ESCAPED] = begun, begun_line, escaped
    state[COUNT] += count
    state[ERROR], state[ERROR_AT] = error, base + at
    return at, count
