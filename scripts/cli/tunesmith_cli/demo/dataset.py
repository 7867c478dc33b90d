"""What the demo uploads, and what it keeps back to ask the model later."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith_cli.console import fail
from tunesmith_cli.demo.client import Question
from tunesmith_cli.demo.docstring_task import docstring_pairs, write_dataset

UPLOADED_PAIRS = 220
QUESTIONS = 24
SMALLEST_FILE = 40
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class DemoData:
    """A file to upload as a dataset, and questions of the same kind whose rows are not in it."""

    file: Path
    rows: int
    dataset: str
    questions: list[Question]


def docstring_data(folder: Path) -> DemoData:
    """Standard-library functions and their documented summaries, with a few bad rows planted."""
    pairs = docstring_pairs()
    file = folder / "docstrings.jsonl"
    write_dataset(file, pairs[:UPLOADED_PAIRS])
    kept_back = pairs[UPLOADED_PAIRS : UPLOADED_PAIRS + QUESTIONS]
    questions = [question for pair in kept_back if (question := _question(_asked(pair.prompt), pair.summary))]
    return DemoData(file, UPLOADED_PAIRS, "docstrings", questions)


def own_data(source: Path, folder: Path) -> DemoData:
    """The user's JSONL; its last readable rows are kept back as questions (a tenth of it, at most 24)."""
    lines = source.read_bytes().splitlines()
    if len(lines) < SMALLEST_FILE:
        raise fail(
            f"{source} has {len(lines)} lines", f"the demo needs {SMALLEST_FILE} or more to train and to compare"
        )
    wanted = min(QUESTIONS, len(lines) // 10)
    questions: dict[int, Question] = {}
    for number in range(len(lines) - 1, -1, -1):
        if len(questions) < wanted and (question := question_of(lines[number])):
            questions[number] = question
    if not questions:
        raise fail(f"{source} has no row with a question and its answer", "docs/quickstart.md shows the formats")
    file = folder / "upload" / source.name  # never the user's own file, wherever that lies
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(line + b"\n" for number, line in enumerate(lines) if number not in questions))
    name = "".join(letter if letter.isalnum() else "-" for letter in source.stem.lower()).strip("-") or "own"
    return DemoData(file, len(lines) - len(questions), name[:60], list(questions.values()))


def question_of(line: bytes) -> Question | None:
    """What a row in any of the formats that `prepare` reads asks last; None where it has no question."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match row:
        case {"messages": [*turns, {"role": "assistant", "content": str(answer)}]}:
            return _question(turns, answer)
        case {"prompt": str(prompt), "completion": str(answer)}:
            return _question(_asked(prompt), answer)
        case {"instruction": str(instruction), "output": str(answer)}:
            return _question(_asked("\n\n".join(filter(None, (instruction, str(row.get("input") or ""))))), answer)
    return None


def _asked(prompt: str) -> list[Any]:
    return [{"role": "user", "content": prompt}]


def _question(turns: list[Any], answer: str) -> Question | None:
    messages = tuple({"role": str(turn["role"]), "content": turn["content"]} for turn in turns if _is_turn(turn))
    whole = len(messages) == len(turns) > 0 and messages[-1]["role"] == "user"
    return Question(messages, answer) if whole and messages[-1]["content"].strip() and answer.strip() else None


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, dict) and turn.get("role") in ROLES and isinstance(turn.get("content"), str)
