"""Rows as columns: what the compiled steps work on. All text of a batch lies in one buffer of UTF-8.

    texts.buffer   H i   t h e r e H e l l o ! ...
    texts.offsets  0   2           7           13      segment s is buffer[offsets[s]:offsets[s + 1]]
    first          0               2                   row r has segments first[r]:first[r + 1], in order

A segment is the content of one turn. What few rows have (tools, tool calls, names, kept columns) lies in `extras`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.compiling import compiled
from batch_jobs.prepare.lanes import copy_bytes
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
    """Texts back to back: `buffer` is valid UTF-8, text i is `buffer[offsets[i]:offsets[i + 1]]`.

    Buffers are writable arrays, although nobody writes to them: compiled code is made once per kind of array.
    """

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
        return cls(np.frombuffer(bytearray().join(encoded), np.uint8), offsets)


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
    extras: Mapping[int, Extras] = field(default_factory=dict)
    """By row."""
    learnable: Flags | None = None
    """Per segment: what of `trained` may be learnt in the training split; None: all of it."""

    def __len__(self) -> int:
        return len(self.first) - 1

    def __post_init__(self) -> None:
        assert len(self.texts) == len(self.role) == self.first[-1]

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


def take_rows(batch: RowBatch, rows: Integers) -> RowBatch:
    """These rows of the batch, in this order."""
    segments, first = _segments_of(batch.first, rows)
    extras = {}
    if batch.extras:
        extras = {new: batch.extras[old] for new, old in enumerate(rows.tolist()) if old in batch.extras}
    return RowBatch(
        take_texts(batch.texts, segments),
        batch.role[segments],
        batch.part[segments],
        batch.trained[segments],
        first,
        batch.format[rows],
        batch.line[rows],
        extras,
        None if batch.learnable is None else batch.learnable[segments],
    )


def take_texts(texts: Texts, chosen: Integers) -> Texts:
    """These texts, in this order."""
    offsets = np.zeros(len(chosen) + 1, np.int64)
    np.cumsum((texts.offsets[1:] - texts.offsets[:-1])[chosen], out=offsets[1:])
    buffer = np.empty(offsets[-1], np.uint8)
    _copy(texts.buffer, texts.offsets, chosen, offsets, buffer)
    return Texts(buffer, offsets)


def join(batches: Sequence[RowBatch]) -> RowBatch:
    """The rows of all, one batch after the other."""
    if len(batches) == 1:
        return batches[0]
    rows_before = np.cumsum([0, *map(len, batches)]).tolist()
    extras = {
        before + row: extras
        for before, batch in zip(rows_before, batches, strict=False)
        for row, extras in batch.extras.items()
    }
    has_learnable = any(batch.learnable is not None for batch in batches)
    return RowBatch(
        join_texts([batch.texts for batch in batches]),
        np.concatenate([batch.role for batch in batches]),
        np.concatenate([batch.part for batch in batches]),
        np.concatenate([batch.trained for batch in batches]),
        _join_bounds([batch.first for batch in batches]),
        np.concatenate([batch.format for batch in batches]),
        np.concatenate([batch.line for batch in batches]),
        extras,
        np.concatenate([batch.trained if batch.learnable is None else batch.learnable for batch in batches])
        if has_learnable
        else None,
    )


def join_texts(several: Sequence[Texts]) -> Texts:
    buffers = [texts.buffer[texts.offsets[0] : texts.offsets[-1]] for texts in several]
    return Texts(np.concatenate(buffers), _join_bounds([texts.offsets for texts in several]))


def _join_bounds(several: Sequence[Integers]) -> Integers:
    """Bounds that each begin anywhere, as bounds of all their items one after the other, from 0."""
    lengths = np.concatenate([np.zeros(1, np.int64), *(np.diff(bounds) for bounds in several)])
    return np.cumsum(lengths, dtype=np.int64)


def replace_texts(texts: Texts, replaced: dict[int, bytes]) -> Texts:
    """The texts with some of them replaced (index -> UTF-8)."""
    if not replaced:
        return texts
    places = np.array(sorted(replaced), np.int64)
    new = [replaced[place] for place in places.tolist()]
    added = Texts(np.frombuffer(bytearray().join(new), np.uint8), np.cumsum([0, *map(len, new)], dtype=np.int64))
    both = join_texts([texts, added])
    chosen = np.arange(len(texts))
    chosen[places] = np.arange(len(texts), len(texts) + len(places))
    return take_texts(both, chosen)


@compiled
def _segments_of(first, rows):
    count = 0
    for row in rows:
        count += first[row + 1] - first[row]
    segments, starts = np.empty(count, np.int64), np.empty(len(rows) + 1, np.int64)
    starts[0] = count = 0
    for place in range(len(rows)):
        for segment in range(first[rows[place]], first[rows[place] + 1]):
            segments[count] = segment
            count += 1
        starts[place + 1] = count
    return segments, starts


@compiled
def _copy(source, bounds, chosen, offsets, buffer):
    """Copy the chosen texts; neighbours in the source go in one piece."""
    place = 0
    while place < len(chosen):
        last = place
        while last + 1 < len(chosen) and chosen[last + 1] == chosen[last] + 1:
            last += 1
        to, start = offsets[place], bounds[chosen[place]]
        copy_bytes(source, start, buffer, to, offsets[last + 1] - to)
        place = last + 1


def _extras_of(row: Row) -> Extras | None:
    more = {
        place: turn
        for place, turn in enumerate(row.all_turns)
        if turn.name is not None or turn.tool_calls is not None or turn.tool_call_id is not None
    }
    if not more and row.tools is None and row.label is None and not row.columns:
        return None
    return Extras(row.tools, row.label, dict(row.columns), more)
