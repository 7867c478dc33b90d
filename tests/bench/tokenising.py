"""Chats into token ids and masks: rows per CPU-second beside `apply_chat_template`, and work by the number of turns.

python -m tests.bench.tokenising [--rows 2000] [--repetitions 5]

The rows are pairs of code and docstring (the demo's task), two to a chat of four turns, rendered with SmolLM2's own
template. tunesmith also says which tokens are learnt, and that no content forges a special token; the peers do neither.
Every repetition begins with nothing remembered: shapes and words are learnt within what is measured.
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from batch_jobs.modeling import templates
from batch_jobs.modeling.loading import load_tokenizer
from batch_jobs.modeling.templates import Conversation, Message, TrainingExample, training_batch
from batch_jobs.modeling.words import word_encoder
from tests.bench.measuring import in_turns, run_here, table
from tests.bench.training import BASE
from tunesmith_cli.demo.docstring_task import docstring_pairs

BATCH = 512
TURNS = (100, 200, 400, 800, 1_600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--repetitions", type=int, default=5)
    asked = parser.parse_args()
    measure_rows(asked.rows, asked.repetitions)
    measure_turns(asked.repetitions)


def measure_rows(count: int, repetitions: int) -> None:
    tokenizer = load_tokenizer(BASE)
    told = []
    for name, rows in (("as they are", chats(count, "")), ("with an é in every turn", chats(count, " é"))):
        ours = {"tunesmith, ids and masks": lambda rows=rows: tokenise(tokenizer, rows)}
        peers = {
            "apply_chat_template, one row at a time, ids": lambda rows=rows: one_by_one(tokenizer, rows),
            f"apply_chat_template, batches of {BATCH}, ids": lambda rows=rows: in_batches(tokenizer, rows),
        }
        check(tokenizer, rows)
        works = {case: lambda work=work: run_here(work) for case, work in (ours | peers).items()}
        for case, samples in in_turns(works, repetitions).items():
            slow, fast = (f"{len(rows) / cpu:,.0f}" for cpu in reversed(samples.range))
            told.append([name, case, f"{len(rows) / samples.cpu:,.0f}", f"{slow} to {fast}"])
    sizes = [len(example.ids) for example in tokenise(tokenizer, chats(count, ""))]
    print(f"{len(sizes):,} rows of 4 turns, {sum(sizes) / len(sizes):,.0f} tokens on average\n")
    table(["rows", "way", "rows per CPU-second", "least to most"], told)


def measure_turns(repetitions: int) -> None:
    tokenizer = load_tokenizer(BASE)
    rows = {str(turns): long_chat(turns) for turns in TURNS}
    works: dict[str, Callable[[], Any]] = {
        turns: lambda row=row: tokenise(tokenizer, [row]) for turns, row in rows.items()
    }
    measured = in_turns({turns: lambda work=work: run_here(work) for turns, work in works.items()}, repetitions)
    print()
    table(["turns", "CPU ms, of a shape never met"], [[turns, f"{s.cpu * 1e3:.1f}"] for turns, s in measured.items()])


def chats(count: int, ending: str) -> list[list[Message]]:
    messages = [
        Message(role=message["role"], content=message["content"] + ending)
        for pair in docstring_pairs()
        for message in pair.row["messages"]
    ]
    return [messages[start : start + 4] for start in range(0, len(messages) - 3, 4)][:count]


def long_chat(turns: int) -> list[Message]:
    roles = ("user", "assistant")
    return [Message(role=roles[turn % 2], content=f"This is turn {turn} of many.") for turn in range(turns)]


def tokenise(tokenizer: Any, rows: Sequence[Sequence[Message]]) -> list[TrainingExample]:
    word_encoder.cache_clear()
    templates._skeleton.cache_clear()
    found = []
    for start in range(0, len(rows), BATCH):
        found += training_batch(tokenizer, [Conversation(row) for row in rows[start : start + BATCH]])
    return [example for example in found if isinstance(example, TrainingExample)]


def one_by_one(tokenizer: Any, rows: Sequence[Sequence[Message]]) -> list[list[int]]:
    return [tokenizer.apply_chat_template(row, tokenize=True, return_dict=False) for row in rows]


def in_batches(tokenizer: Any, rows: Sequence[Sequence[Message]]) -> list[list[int]]:
    found = []
    for start in range(0, len(rows), BATCH):
        found += tokenizer.apply_chat_template(rows[start : start + BATCH], tokenize=True, return_dict=False)
    return found


def check(tokenizer: Any, rows: Sequence[Sequence[Message]]) -> None:
    """Both give the same text; ids may differ where a turn's first letters would merge with its opening."""
    ours, theirs = tokenise(tokenizer, rows[:200]), one_by_one(tokenizer, rows[:200])
    same = sum(example.ids == ids for example, ids in zip(ours, theirs, strict=True))
    if [tokenizer.decode(example.ids) for example in ours] != [tokenizer.decode(ids) for ids in theirs]:
        raise SystemExit("tunesmith and apply_chat_template give other texts: there is nothing to compare")
    print(f"of 200 rows, {same} have the same ids in both ways; all have the same text\n")


if __name__ == "__main__":
    main()
