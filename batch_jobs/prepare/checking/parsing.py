"""A row of any format as the canonical row: columns renamed, the format told, its fields checked."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from batch_jobs.prepare.canonical import Row
from batch_jobs.prepare.checking.detection import FormatOfFile
from batch_jobs.prepare.checking.formats.chat import parse_chat
from batch_jobs.prepare.checking.formats.preferences import (
    parse_implicit_preference,
    parse_openai_preference,
    parse_preference,
    parse_unpaired_preference,
)
from batch_jobs.prepare.checking.formats.prompts import parse_alpaca, parse_prompt_completion, parse_prompt_only
from batch_jobs.prepare.checking.formats.sharegpt import parse_sharegpt
from batch_jobs.prepare.checking.formats.text import parse_text
from batch_jobs.prepare.checking.problems import BadRow
from batch_jobs.prepare.checking.texts import TextChecks
from batch_jobs.prepare.checking.unread import check_columns
from tunesmith.contracts.datasets import ProblemCode, RowFormat
from tunesmith.contracts.recipes import PrepareRecipe

PARSERS: dict[RowFormat, Callable[[dict[str, Any], TextChecks], Row]] = {
    RowFormat.CHAT: parse_chat,
    RowFormat.PROMPT_COMPLETION: parse_prompt_completion,
    RowFormat.ALPACA: parse_alpaca,
    RowFormat.SHAREGPT: parse_sharegpt,
    RowFormat.OPENAI_PREFERENCE: parse_openai_preference,
    RowFormat.PREFERENCE: parse_preference,
    RowFormat.IMPLICIT_PREFERENCE: parse_implicit_preference,
    RowFormat.UNPAIRED_PREFERENCE: parse_unpaired_preference,
    RowFormat.PROMPT_ONLY: parse_prompt_only,
    RowFormat.TEXT: parse_text,
}


@dataclass(frozen=True, slots=True)
class RowColumns:
    """Which of a row's keys are called otherwise, and which stay with it."""

    renamed: dict[str, str]
    kept: tuple[str, ...]

    @classmethod
    def of(cls, recipe: PrepareRecipe) -> "RowColumns":
        kept = dict.fromkeys([*recipe.read.keep_columns, recipe.group_by, recipe.label.column])
        return cls(dict(recipe.read.columns), tuple(key for key in kept if key is not None))

    def rename(self, row: dict[str, Any]) -> dict[str, Any]:
        """The row with the keys that formats know. Raises BadRow where two would have one name."""
        if not self.renamed:
            return row
        named: dict[str, Any] = {}
        for key, value in row.items():
            new = self.renamed.get(key, key)
            if new in named:
                reason = f"prepare.read.columns makes a second {new!r} of a row that has one"
                raise BadRow(ProblemCode.DUPLICATE_KEY, reason, field=new)
            named[new] = value
        return named

    def keep(self, row: dict[str, Any]) -> dict[str, Any]:
        """The values that stay with the row, by the names that the recipe gives them."""
        found = {}
        for key in self.kept:
            place = key if key in row else self.renamed.get(key, key)
            if place in row:
                found[key] = row[place]
        return found


def parse_row(row: dict[str, Any], format_of_file: FormatOfFile, columns: RowColumns, checks: TextChecks) -> Row:
    """The canonical row. `row` has its own keys still. Raises BadRow."""
    named = columns.rename(row)
    name = format_of_file.of_row(named)
    check_columns(named, name, columns.kept)
    parsed = PARSERS[name](named, checks)
    if columns.kept and (kept := columns.keep(named)):
        return replace(parsed, columns=kept)
    return parsed
