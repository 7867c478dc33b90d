"""Chats into the tokens that the preflight counts: tunesmith beside `apply_chat_template`, both with SmolLM2's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from batch_jobs.modeling.loading import load_tokenizer
from batch_jobs.modeling.templates import Message
from batch_jobs.prepare.canonical import Row, Turn
from batch_jobs.prepare.preflight.bases import read_base
from batch_jobs.prepare.preflight.examination import PlacedRow, preflight
from tests.bench import tokenising
from tests.bench.prepare.steps.timing import Contestant, Work, read, run
from tests.bench.training import BASE
from tunesmith.contracts.datasets import RowFormat
from tunesmith.contracts.preparation import ReportRecipe
from tunesmith.contracts.recipes import PrepareRecipe, Recipe

Way = Callable[[Any, Sequence[Sequence[Message]]], object]


def by(way: Way) -> Contestant:
    """One of the ways that `tests.bench.tokenising` compares."""

    def contestant(file: Path) -> Work:
        tokenizer, chats = load_tokenizer(BASE), [row["messages"] for row in read(file)]

        def work() -> None:
            way(tokenizer, chats)

        return work

    return contestant


def whole_preflight(file: Path) -> Work:
    """All that the report says of a training: lengths, what is learnt, ends of turns, the prompt as it is served."""
    base, rows = read_base(BASE), [_row(row["messages"]) for row in read(file)]
    recipe = Recipe(prepare=PrepareRecipe(report=ReportRecipe(sample_rows=max(100, len(rows)))))

    def work() -> None:
        preflight((PlacedRow(row, str(number)) for number, row in enumerate(rows)), base, recipe)

    return work


def _row(messages: list[dict[str, str]]) -> Row:
    return Row(RowFormat.CHAT, tuple(Turn(message["role"], message["content"]) for message in messages))


CONTESTANTS: dict[str, Contestant] = {
    "ours": by(tokenising.tokenise),
    "ours-preflight": whole_preflight,
    "one-by-one": by(tokenising.one_by_one),
    "in-batches": by(tokenising.in_batches),
}

if __name__ == "__main__":
    run(CONTESTANTS)
