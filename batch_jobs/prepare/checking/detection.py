"""Which format a row has, told by its keys; and which format a file has: that of most of its first rows."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.telling import cut, quoted
from batch_jobs.prepare.checking.values import (
    ANSWERED,
    CONVERSATIONS,
    LABELS,
    QUESTIONS,
    TOGETHER,
    columns_for,
    is_flag,
    spelt,
)
from tunesmith.contracts.datasets import KIND_OF, ProblemCode, RowFormat
from tunesmith.contracts.preparation import MixedFormats, ReadRecipe

LOOKED_AT = 100
"""Recognisable rows from which a file's format is told."""

REQUIRED = {
    RowFormat.CHAT: ("messages",),
    RowFormat.PROMPT_COMPLETION: ("prompt", "completion"),
    RowFormat.ALPACA: ("instruction", "output"),
    RowFormat.SHAREGPT: ("conversations",),
    RowFormat.OPENAI_PREFERENCE: ("input", "preferred_output", "non_preferred_output"),
    RowFormat.PREFERENCE: ("prompt", "chosen", "rejected"),
    RowFormat.IMPLICIT_PREFERENCE: ("chosen", "rejected"),
    RowFormat.UNPAIRED_PREFERENCE: ("prompt", "completion", "label"),
    RowFormat.PROMPT_ONLY: ("prompt",),
    RowFormat.TEXT: ("text",),
}
"""The keys of each format as it is usually written."""

SUGGESTED = (RowFormat.PREFERENCE, RowFormat.IMPLICIT_PREFERENCE, RowFormat.ALPACA, RowFormat.PROMPT_COMPLETION)
"""Formats whose keys are looked for under other names, in this order."""


def detect(row: dict[str, Any]) -> RowFormat | None:
    """The format that the row's keys give away, whole or not; None where no key does."""
    if "preferred_output" in row or "non_preferred_output" in row:
        return RowFormat.OPENAI_PREFERENCE
    if "chosen" in row or "rejected" in row:
        return _pair(row)
    is_conversation = any(key in row for key in CONVERSATIONS)
    if is_conversation and ("rejected_response" in row or "rejected_messages" in row):
        return RowFormat.PREFERENCE if "rejected_response" in row else RowFormat.IMPLICIT_PREFERENCE
    is_judged = any(is_flag(row.get(key)) for key in LABELS)
    if is_conversation:
        return RowFormat.UNPAIRED_PREFERENCE if is_judged else _conversation(row)
    if "completion" in row:
        return RowFormat.UNPAIRED_PREFERENCE if is_judged else RowFormat.PROMPT_COMPLETION
    if "instruction" in row:
        return RowFormat.UNPAIRED_PREFERENCE if is_judged else RowFormat.ALPACA
    if isinstance(row.get("input"), dict) and "messages" in row["input"]:
        return RowFormat.OPENAI_PREFERENCE
    if "prompt" in row:
        return RowFormat.PROMPT_COMPLETION if any(key in row for key in ANSWERED) else RowFormat.PROMPT_ONLY
    return RowFormat.TEXT if "text" in row else None


def _pair(row: dict[str, Any]) -> RowFormat:
    """Explicit where a prompt stands beside the answers, unless these are whole conversations."""
    chosen = row.get("chosen")
    first = chosen[0] if isinstance(chosen, list) and chosen else None
    begins = first.get("role", first.get("from")) if isinstance(first, dict) else None
    is_whole = begins in ("user", "human", "system", "developer")
    prompts = ("prompt", "instruction", *CONVERSATIONS, *QUESTIONS)  # the last ones: under another name
    return (
        RowFormat.PREFERENCE if any(key in row for key in prompts) and not is_whole else RowFormat.IMPLICIT_PREFERENCE
    )


def _conversation(row: dict[str, Any]) -> RowFormat:
    if "messages" not in row:
        return RowFormat.SHAREGPT
    messages = row["messages"]
    first = messages[0] if isinstance(messages, list) and messages else None
    is_sharegpt = isinstance(first, dict) and "from" in first and "role" not in first
    return RowFormat.SHAREGPT if is_sharegpt else RowFormat.CHAT


@dataclass(frozen=True, slots=True)
class FormatOfFile:
    """What a file's rows are, and what becomes of rows that are something else."""

    format: RowFormat | None
    """None: none of the rows that were looked at is known."""
    is_given: bool
    """Whether the recipe says so."""
    takes_others: bool
    """Whether rows of another format of the same kind are converted."""

    @classmethod
    def of(cls, rows: Iterable[dict[str, Any]], recipe: ReadRecipe) -> "FormatOfFile":
        """Told by the first rows of the file, their columns renamed already."""
        takes_others = recipe.mixed_formats is MixedFormats.CONVERT
        if recipe.format is not None:
            return cls(recipe.format, True, takes_others)
        return cls(most_common(rows), False, takes_others)

    def of_row(self, row: dict[str, Any]) -> RowFormat:
        """The format to parse the row as. Raises BadRow where it is unknown, or another than the file's."""
        found = detect(row)
        if found is self.format and found is not None:
            return found
        if self.is_given and self.format and (found is None or all(key in row for key in REQUIRED[self.format])):
            return self.format  # what is missing, its parser says
        if found is None:
            raise BadRow(ProblemCode.UNKNOWN_FORMAT, _unknown(frozenset(row)) + _rows_inside(row))
        if self.format is None:
            raise BadRow(
                ProblemCode.MIXED_FORMAT,
                f"this row is {found}, but no row at the beginning of the file has a known format; "
                f"set prepare.read.format: {found} if that is what the file holds",
            )
        if _is_part_of(found, self.format):
            return self.format
        if self.takes_others and KIND_OF[found] is KIND_OF[self.format]:
            return found
        raise BadRow(ProblemCode.MIXED_FORMAT, self._told(found))

    def _told(self, found: RowFormat) -> str:
        assert self.format is not None
        if KIND_OF[found] is KIND_OF[self.format]:
            return f"the file is {self.format}, this row is {found}"
        kinds = f"{KIND_OF[self.format]} and {KIND_OF[found]}"
        return f"the file is {self.format}, this row is {found}: two kinds of dataset ({kinds}), never mixed"


@lru_cache(maxsize=16)  # rows of a file have the same keys, which may be long
def _unknown(row: frozenset[str]) -> str:
    """What the row with these keys has, and the columns that would make it a format that is known."""
    keys = cut(", ".join(sorted(row)[:8]), 120).encode(errors="backslashreplace").decode() or "none"
    found = f"no known format has only these keys: {keys}"
    for name in SUGGESTED:
        columns = columns_for(row, TOGETHER[REQUIRED[name][0]])
        needed = {*REQUIRED[name], "input"} if name is RowFormat.ALPACA else set(REQUIRED[name])
        if needed <= set(columns.values()):
            return f"{found}; prepare.read.columns: {spelt(columns)} would make it {name}"
    return found


def _rows_inside(row: dict[str, Any]) -> str:
    """Of a whole dataset that came as one object: where its rows are."""
    for key, value in row.items():
        if isinstance(value, list) and value and isinstance(value[0], dict) and detect(value[0]) is not None:
            return f"; its rows seem to stand in {quoted(key)}: upload that array alone"
    return ""


def most_common(rows: Iterable[dict[str, Any]]) -> RowFormat | None:
    """The format of most of the first recognisable rows; of several that are as frequent, the one that came first."""
    counts: Counter[RowFormat] = Counter()
    for row in rows:
        found = detect(row)
        if found is not None:
            counts[found] += 1
            if counts.total() == LOOKED_AT:
                break
    return counts.most_common(1)[0][0] if counts else None


def _is_part_of(found: RowFormat, whole: RowFormat) -> bool:
    """Whether a row that looks like `found` is one of `whole` that lacks a field: a prompt alone, or no label."""
    if found is RowFormat.PROMPT_ONLY:
        return "prompt" in REQUIRED[whole]
    return whole is RowFormat.UNPAIRED_PREFERENCE and KIND_OF[found] is KIND_OF[RowFormat.CHAT]
