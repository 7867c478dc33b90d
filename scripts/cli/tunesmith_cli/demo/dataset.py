"""What the demo uploads, and what it keeps back to ask the model later."""

import json
from dataclasses import dataclass
from pathlib import Path

from tunesmith_cli.console import fail
from tunesmith_cli.demo.client import Question
from tunesmith_cli.demo.docstring_task import docstring_pairs, write_dataset

UPLOADED_PAIRS = 260
QUESTIONS = 24
SMALLEST_FILE = 40


@dataclass(frozen=True)
class DemoData:
    """A file to upload as a dataset, and questions of the same kind whose rows are not in it."""

    file: Path
    dataset: str
    questions: list[Question]


def docstring_data(folder: Path) -> DemoData:
    """Standard-library functions and their documented summaries, with a few bad rows planted."""
    pairs = docstring_pairs()
    file = folder / "docstrings.jsonl"
    write_dataset(file, pairs[:UPLOADED_PAIRS])
    kept_back = pairs[UPLOADED_PAIRS : UPLOADED_PAIRS + QUESTIONS]
    return DemoData(file, "docstrings", [Question(pair.prompt, pair.summary) for pair in kept_back])


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
    file = folder / source.name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(line + b"\n" for number, line in enumerate(lines) if number not in questions))
    name = "".join(letter if letter.isalnum() else "-" for letter in source.stem.lower()).strip("-") or "own"
    return DemoData(file, name[:60], list(questions.values()))


def question_of(line: bytes) -> Question | None:
    """The question of a one-turn row in any of the formats that `prepare` reads; None where it has none."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    match row:
        case {"messages": [{"role": "user", "content": str(prompt)}, {"role": "assistant", "content": str(answer)}]}:
            return _question(prompt, answer)
        case {"prompt": str(prompt), "completion": str(answer)}:
            return _question(prompt, answer)
        case {"instruction": str(instruction), "output": str(answer)}:
            return _question("\n\n".join(filter(None, (instruction, str(row.get("input") or "")))), answer)
    return None


def _question(prompt: str, answer: str) -> Question | None:
    return Question(prompt, answer) if prompt.strip() and answer.strip() else None
