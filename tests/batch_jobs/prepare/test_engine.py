"""The whole job, whatever the rows are, whatever runs it, and whatever stops it."""

import json
from pathlib import Path
from typing import Any

import pytest

from batch_jobs.prepare.canonical import Row, Turn
from tests.support.preparing import EASY, Workplace, jsonl
from tunesmith.contracts.datasets import DatasetKind, RowFormat, Split
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.preparation import ReadRecipe

ROWS = 100
ROOMY = EASY.model_copy(update={"max_line_bytes": 100_000})


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **more}


def asked(number: int) -> Turn:
    return Turn("user", f"Wie groß ist {number}?", False)


def answered(text: str) -> Turn:
    return Turn("assistant", text, True)


def explicit(n: int) -> tuple[dict[str, Any], Row]:
    pair = {"prompt": asked(n).content, "chosen": f"👍 {n}", "rejected": f"👎 {n}"}
    return pair, Row(RowFormat.PREFERENCE, (asked(n),), (answered(f"👍 {n}"),), (answered(f"👎 {n}"),))


def implicit(n: int) -> tuple[dict[str, Any], Row]:
    history = [user("hello"), assistant("Yes?"), user(f"number {n}")]
    sides = {"chosen": [*history, assistant(f"good {n}")], "rejected": [*history, assistant(f"bad {n}")]}
    turns = (Turn("user", "hello", False), Turn("assistant", "Yes?", False), Turn("user", f"number {n}", False))
    return sides, Row(RowFormat.PREFERENCE, turns, (answered(f"good {n}"),), (answered(f"bad {n}"),))


def openai(n: int) -> tuple[dict[str, Any], Row]:
    pair = {
        "input": {"messages": [{"role": "system", "content": "Be brief."}, user(f"number {n}")]},
        "preferred_output": [assistant(f"good {n}")],
        "non_preferred_output": [assistant(f"bad {n}")],
    }
    turns = (Turn("system", "Be brief.", False), Turn("user", f"number {n}", False))
    return pair, Row(RowFormat.PREFERENCE, turns, (answered(f"good {n}"),), (answered(f"bad {n}"),))


def unpaired(n: int) -> tuple[dict[str, Any], Row]:
    said = {"prompt": asked(n).content, "completion": f"answer {n}", "label": n % 2 == 0}
    turns = (asked(n), answered(f"answer {n}"))
    return said, Row(RowFormat.UNPAIRED_PREFERENCE, turns, label=n % 2 == 0)


def prompt_only(n: int) -> tuple[dict[str, Any], Row]:
    columns = {"solution": {"value": n, "steps": ["é", None]}, "level": n / 4}
    shots = [user("2?"), assistant("two")]
    turns = (Turn("user", "2?", False), Turn("assistant", "two", True), asked(n))
    return {"prompt": [*shots, user(asked(n).content)], **columns}, Row(RowFormat.PROMPT_ONLY, turns, columns=columns)


def plain_text(n: int) -> tuple[dict[str, Any], Row]:
    return {"text": f"Chapter {n}.\nIt rained."}, Row(
        RowFormat.TEXT, (Turn("text", f"Chapter {n}.\nIt rained.", True),)
    )


def tool_chat(n: int) -> tuple[dict[str, Any], Row]:
    tools = [{"type": "function", "function": {"name": "size_of", "parameters": {"type": "object"}}}]
    call = {"id": f"call_{n}", "type": "function", "function": {"name": "size_of", "arguments": f'{{"n": {n}}}'}}
    messages = [
        user(f"How large is {n}?") | {"name": "ann"},
        assistant(None, tool_calls=[call]),
        {"role": "tool", "tool_call_id": f"call_{n}", "content": ""},
        assistant("Unclear.", weight=0),
        user("And now?"),
        assistant(f"It is {n}."),
    ]
    turns = (
        Turn("user", f"How large is {n}?", False, name="ann"),
        Turn("assistant", "", True, tool_calls=json.dumps([call])),
        Turn("tool", "", False, tool_call_id=f"call_{n}"),
        Turn("assistant", "Unclear.", False),
        Turn("user", "And now?", False),
        Turn("assistant", f"It is {n}.", True),
    )
    return {"messages": messages, "tools": tools}, Row(RowFormat.CHAT, turns, tools=json.dumps(tools))


MADE = {
    "explicit": (explicit, DatasetKind.PREFERENCE),
    "implicit": (implicit, DatasetKind.PREFERENCE),
    "openai": (openai, DatasetKind.PREFERENCE),
    "unpaired": (unpaired, DatasetKind.UNPAIRED_PREFERENCE),
    "prompt_only": (prompt_only, DatasetKind.PROMPT_ONLY),
    "text": (plain_text, DatasetKind.TEXT),
    "tool_chat": (tool_chat, DatasetKind.CHAT),
}


def comparable(row: Row) -> tuple:
    """JSON columns by what they say."""

    def turns(part: tuple[Turn, ...]) -> list[tuple]:
        return [
            (turn.role, turn.content, turn.trained, turn.name, turn.tool_call_id, json.loads(turn.tool_calls or "null"))
            for turn in part
        ]

    sides = [turns(part) for part in (row.turns, row.chosen, row.rejected)]
    return (row.kind, *sides, row.label, json.loads(row.tools or "null"), row.columns)


@pytest.mark.parametrize("name", MADE)
def test_rows_of_every_kind_are_in_the_files_as_they_were_uploaded(place: Workplace, name: str) -> None:
    make, kind = MADE[name]
    uploaded, expected = zip(*map(make, range(ROWS)), strict=True)
    kept = ReadRecipe(keep_columns=["solution", "level"])
    recipe = ROOMY.model_copy(update={"read": kept, "group_by": "chat"})  # grouped, no turn in the middle is held out
    params = place.params(place.source("a.jsonl", jsonl(uploaded)), recipe=recipe)
    manifest = place.manifest(params)
    assert (manifest.kind, manifest.counts.kept) == (kind, ROWS)
    assert all(manifest.splits[split].rows for split in Split)
    found = place.kept(params, manifest)
    assert {where: comparable(row) for where, row in found.items()} == {
        f"a.jsonl:{number}": comparable(row) for number, row in enumerate(expected, 1)
    }


def test_pairs_without_a_common_prompt_are_split_by_what_they_say(place: Workplace) -> None:
    pairs = [{"chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(ROWS)]
    manifest = place.manifest(place.params(place.source("a.jsonl", jsonl(pairs)), recipe=ROOMY))
    assert [entry.rows > 0 for entry in manifest.splits.values()] == [True] * 3
    assert manifest.counts.kept == ROWS


def test_files_of_different_kinds_are_refused_with_what_they_hold(
    place: Workplace, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, texts = (jsonl(make(n)[0] for n in range(ROWS)) for make in (explicit, plain_text))
    params = place.params(place.source("a.jsonl", pairs), place.source("b.jsonl", texts))
    assert place.run(params) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert f"{ROWS} rows of preference" in error and f"{ROWS} rows of language_modeling" in error
    assert "one kind" in error and not (Path(params.output_uri) / "manifest.json").exists()


def test_test_split_of_pairs_is_a_frozen_suite_for_the_next_version(place: Workplace) -> None:
    pairs = [implicit(n)[0] for n in range(ROWS)]
    first = place.params(place.source("a.jsonl", jsonl(pairs)), recipe=ROOMY, name="first")
    frozen = place.frozen(first, place.manifest(first))
    for pair in pairs:
        pair["rejected"][-1] = assistant("anything else")
    moved = ROOMY.model_copy(update={"seed": 1})
    second = place.params(place.source("b.jsonl", jsonl(pairs)), recipe=moved, name="second", **frozen)
    place.manifest(second)
    held_out, trained = (
        {row["messages"][-1]["content"] for row in place.rows(params, split)}
        for params, split in ((first, Split.TEST), (second, Split.TRAIN))
    )
    assert held_out and trained and not held_out & trained


@pytest.mark.parametrize("name", ["explicit", "implicit", "unpaired"])
def test_answers_to_one_prompt_are_all_in_one_split(place: Workplace, name: str) -> None:
    """Four rows a prompt, which differ in their answers alone."""

    def varied(n: int, k: int) -> dict[str, Any]:
        row = MADE[name][0](n)[0]
        if name == "implicit":
            row["chosen"][-1] = assistant(f"better {k}")
        else:
            row["chosen" if name == "explicit" else "completion"] = f"better {k}"
        return row

    content = jsonl(varied(n, k) for n in range(ROWS) for k in range(4))
    params = place.params(place.source("a.jsonl", content), recipe=ROOMY)
    manifest = place.manifest(params)
    asked_in = [
        {tuple(m["content"] for m in row["messages"] if m["role"] == "user") for row in place.rows(params, split)}
        for split in Split
    ]
    assert all(manifest.splits[split].rows for split in Split)
    assert sum(map(len, asked_in)) == ROWS == len(set.union(*asked_in))
