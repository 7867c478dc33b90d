"""Rows as columns: what the compiled steps work on. All text of a batch lies in one buffer of UTF-8.

    texts.buffer   H i   t h e r e H e l l o ! ...
    texts.offsets  0   2           7           13      segment s is buffer[offsets[s]:offsets[s + 1]]
    first          0               2                   row r has segments first[r]:first[r + 1], in order

A segment is the content of one turn. What few rows have (tools, tool calls, names, kept columns) lies in `extras`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.canonical import Row, Turn
from tunesmith.contracts.datasets import RowFormat

ROLES = ("system", "user", "assistant", "tool", "text")
PROMPT, CHOSEN, REJECTED = range(3)
"""Which part of a row a segment belongs to; a conversation is all PROMPT."""
FORMATS = tuple(RowFormat)

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts back to back: `buffer` is valid UTF-8, text i is `buffer[offsets[i]:offsets[i + 1]]`."""

    buffer: Bytes
    offsets: Integers

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> str:
        return self.buffer[self.offsets[index] : self.offsets[index + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Texts":
        encoded = [text.encode() for text in texts]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)


@dataclass(slots=True)
class Extras:
    """What most rows do not have."""

    tools: str | None = None
    label: bool | None = None
    columns: dict[str, object] = field(default_factory=dict)
    turns: dict[int, Turn] = field(default_factory=dict)
    """Index of the segment within its row -> the turn with its name or tool calls; its content is not used."""


@dataclass(slots=True)
class RowBatch:
    """Rows of one file, in the file's order."""

    texts: Texts
    """A text per segment."""
    role: Bytes
    """Per segment: index into ROLES."""
    part: Bytes
    """Per segment: PROMPT, CHOSEN or REJECTED."""
    trained: Flags
    """Per segment: whether the recipe lets it be learnt."""
    first: Integers
    """Per row and one more: its first segment."""
    format: Bytes
    """Per row: index into FORMATS."""
    line: Integers
    """Per row: where it stands in its file, from 1."""
    extras: dict[int, Extras] = field(default_factory=dict)
    """By row."""

    def __len__(self) -> int:
        return len(self.first) - 1

    @property
    def row_texts(self) -> Texts:
        """One text per row: its segments back to back."""
        return Texts(self.texts.buffer, self.texts.offsets[self.first])

    def row(self, index: int) -> Row:
        """One row as people and slow steps see it."""
        extras = self.extras.get(index, Extras())
        start, end = self.first[index], self.first[index + 1]
        parts: dict[int, list[Turn]] = {PROMPT: [], CHOSEN: [], REJECTED: []}
        for place, segment in enumerate(range(start, end)):
            more = extras.turns.get(place)
            parts[int(self.part[segment])].append(
                Turn(
                    ROLES[self.role[segment]],
                    self.texts[segment],
                    bool(self.trained[segment]),
                    name=more.name if more else None,
                    tool_calls=more.tool_calls if more else None,
                    tool_call_id=more.tool_call_id if more else None,
                )
            )
        return Row(
            FORMATS[self.format[index]],
            tuple(parts[PROMPT]),
            tuple(parts[CHOSEN]),
            tuple(parts[REJECTED]),
            extras.label,
            extras.tools,
            extras.columns,
        )

    @classmethod
    def of(cls, rows: Sequence[Row], lines: Sequence[int]) -> "RowBatch":
        """The batch of these rows, which stand on these lines."""
        turns = [turn for row in rows for turn in row.all_turns]
        first = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([len(row.all_turns) for row in rows], out=first[1:])
        parts = [
            part for row in rows for part, of_part in enumerate((row.turns, row.chosen, row.rejected)) for _ in of_part
        ]
        extras = {index: found for index, row in enumerate(rows) if (found := _extras_of(row))}
        return cls(
            Texts.of([turn.content for turn in turns]),
            np.array([ROLES.index(turn.role) for turn in turns], np.uint8),
            np.array(parts, np.uint8),
            np.array([turn.trained for turn in turns], np.bool_),
            first,
            np.array([FORMATS.index(row.format) for row in rows], np.uint8),
            np.array(lines, np.int64),
            extras,
        )


def _extras_of(row: Row) -> Extras | None:
    more = {
        place: turn
        for place, turn in enumerate(row.all_turns)
        if turn.name is not None or turn.tool_calls is not None or turn.tool_call_id is not None
    }
    if not more and row.tools is None and row.label is None and not row.columns:
        return None
    return Extras(row.tools, row.label, dict(row.columns), more)
