"""The demo on a person's own file: what it asks later, what it uploads, and how its recipe fits the size."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from tunesmith.adapters.recipes import parse_recipe
from tunesmith_cli.demo.dataset import own_data, question_of
from tunesmith_cli.demo.recipe import SHIPPED, recipe_for

SYSTEM, ASK, ANSWER = (
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "q", "name": "ann"},
    {"role": "assistant", "content": "a", "weight": 1},
)


def write(file: Path, rows: list[Any]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize("turns", [[SYSTEM, ASK], [ASK, ANSWER, ASK]])
def test_question_keeps_the_turns_before_it(turns: list[dict[str, Any]]) -> None:
    question = question_of(json.dumps({"messages": [*turns, ANSWER]}).encode())
    assert question and question.prompt == "q" and question.reference == "a"
    assert question.messages == tuple({"role": turn["role"], "content": turn["content"]} for turn in turns)


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 20_000,
        json.dumps({"messages": [ANSWER]}).encode(),
        json.dumps({"messages": [{"role": "tool", "content": "42"}, ASK, ANSWER]}).encode(),
        json.dumps({"messages": [ASK, ANSWER, ANSWER]}).encode(),
    ],
)
def test_row_that_nobody_could_ask_has_no_question(line: bytes) -> None:
    assert question_of(line) is None


def test_own_file_is_left_alone_even_inside_the_demos_folder(tmp_path: Path) -> None:
    rows = [{"messages": [SYSTEM, ASK | {"content": f"q{number}"}, ANSWER]} for number in range(50)]
    file = write(tmp_path / "tickets.jsonl", rows)
    before = file.read_bytes()
    prepared = own_data(file, tmp_path)
    assert file.read_bytes() == before
    assert len(prepared.questions) == 5 and prepared.rows == 45 == len(prepared.file.read_text().splitlines())


def test_file_without_any_question_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(typer.Exit):
        own_data(write(tmp_path / "a.jsonl", [{"text": "x"}] * 50), tmp_path)


@pytest.mark.parametrize(("rows", "questions"), [(36, 4), (54, 6), (90, 10), (180, 20)])
def test_recipe_of_a_small_file_asks_for_no_more_than_it_has(rows: int, questions: int) -> None:
    recipe = parse_recipe(recipe_for(rows, questions), "the demo's recipe")
    assert recipe.gate.min_items < rows * recipe.prepare.test_fraction
    assert recipe.retrain.min_new_rows <= questions / 2
    assert recipe.finetune.epochs * rows * (1 - recipe.prepare.test_fraction) < 200
    assert recipe.finetune.epochs == 1 or rows < 180


def test_recipe_of_a_large_file_is_the_shipped_one() -> None:
    assert parse_recipe(recipe_for(220, 24), "a") == parse_recipe(SHIPPED.read_bytes(), "b")
