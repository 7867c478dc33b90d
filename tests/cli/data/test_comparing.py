"""`tunesmith data diff`: every row of both versions is the same, added, removed or moved."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command
from tests.support.datasets import LENIENT, Version, make_version

ROWS = [{"prompt": f"What does number {n} stand for here?", "completion": f"For {n} things."} for n in range(60)]


def content(rows: list[dict[str, str]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Version, Version]:
    """Of the second, one row is answered otherwise, three are gone, and a file has come; another seed splits it."""
    folder = tmp_path_factory.mktemp("compared")
    recipe = LENIENT.model_copy(update={"deduplicate": LENIENT.deduplicate.model_copy(update={"near": False})})
    before = make_version(folder, {"a.jsonl": content(ROWS)}, recipe, "before")
    changed = [*ROWS[:10], ROWS[10] | {"completion": "For ten."}, *ROWS[11:57]]
    more = [{"prompt": f"And letter {n}, what is it for?", "completion": f"For {n}."} for n in range(5)]
    files = {"a.jsonl": content(changed), "b.jsonl": content(more)}
    return before, make_version(folder, files, recipe.model_copy(update={"seed": 9}), "after")


def test_every_row_is_accounted_for(versions: tuple[Version, Version], answer: Callable[..., Any]) -> None:
    before, after = versions
    told = answer("data", "diff", str(before.folder), str(after.folder))
    moved = sum(move["rows"] for move in told["moved"])
    added, removed = sum(told["added"].values()), sum(told["removed"].values())
    assert (added, removed, told["changed"]) == (6, 4, 1) and moved > 0
    assert told["same"] + moved + removed == before.manifest.counts.kept
    assert told["same"] + moved + added == after.manifest.counts.kept
    [pair] = told["changed_rows"]
    assert pair["before"]["line"] == pair["after"]["line"] == 11
    assert [pair[side]["turns"][1]["content"] for side in ("before", "after")] == ["For 10 things.", "For ten."]
    assert [setting["key"] for setting in told["recipe"]] == ["prepare.seed"]
    assert [source.rpartition("/")[2] for source in told["sources_added"]] == ["b.jsonl (1)"]
    assert {count["name"]: (count["before"], count["after"]) for count in told["counts"]}["rows in"] == (60, 62)


def test_screen(versions: tuple[Version, Version], command: Command) -> None:
    before, after = versions
    shown = command("data", "diff", str(before.folder), str(after.folder)).output
    assert "prepare.seed" in shown and "+ " in shown and "changed rows, before and after" in shown


def test_version_beside_itself(versions: tuple[Version, Version], command: Command) -> None:
    same = str(versions[0].folder)
    assert "The same 60 rows in the same splits." in command("data", "diff", same, same).output


def test_folder_without_version_is_named(versions: tuple[Version, Version], command: Command, tmp_path: Path) -> None:
    refused = command("data", "diff", str(versions[0].folder), str(tmp_path))
    assert refused.exit_code == 1 and "no manifest.json" in refused.stderr
