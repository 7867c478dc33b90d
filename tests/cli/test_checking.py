"""`tunesmith data check` and `convert`: what people see, and what machines read."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tunesmith_cli.checking import printable
from tunesmith_cli.main import app

GOOD = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}
CUT = {"messages": GOOD["messages"][:1]}


def run(*words: Any) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)], catch_exceptions=False)


def write(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_check_shows_where_what_and_what_to_do(tmp_path: Path) -> None:
    result = run("check", write(tmp_path / "rows.jsonl", GOOD, *[CUT] * 5, {"instruction": "a", "output": "b"}))
    text = " ".join(result.stdout.split())
    assert result.exit_code == 1
    assert "NO_ASSISTANT_TURN 5 rows line 2 messages: the last turn is user's" in text
    assert "do: End the conversation with the assistant's answer" in text and "and 2 more" in text
    assert "MIXED_FORMAT 1 row line 7 the file is chat, this row is alpaca" in text
    assert "6 of 7 rows are bad." in text


def test_check_of_good_rows_succeeds(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", GOOD)
    write(tmp_path / "b.jsonl", GOOD)
    result = run("check", tmp_path)
    assert result.exit_code == 0
    assert "1 of 2 rows are good to train on." in result.stdout and "1 exact duplicate" in result.stdout


def test_check_answers_machines_in_one_document(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", GOOD, CUT)
    result = run("check", file, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["rows_in"], told["kept"], told["quarantined"], told["dropped"]) == (2, 1, 1, {})
    (problem,) = told["problems"]
    assert (problem["file"], problem["line"], problem["field"], problem["severity"]) == (
        str(file),
        2,
        "messages",
        "error",
    )
    assert problem["offset"] == len(json.dumps(GOOD)) + 1


def test_file_that_is_gone_fails_and_is_named(tmp_path: Path) -> None:
    result = run("check", tmp_path / "gone.jsonl")
    assert result.exit_code == 1 and "there is no file" in " ".join(result.stdout.split())


def test_folder_without_files_fails(tmp_path: Path) -> None:
    assert run("check", tmp_path).exit_code == 1


def test_of_many_files_those_are_shown_in_which_most_is_wrong(tmp_path: Path) -> None:
    for number in range(50):
        write(tmp_path / f"part-{number:05}-of-00050-of-the-export-of-november.jsonl", GOOD, *[CUT] * (number % 25))
    shown = run("check", tmp_path).stdout
    lines = [line.split() for line in shown.splitlines()]
    files = [int(line[4]) for line in lines if line and line[0].endswith("november.jsonl") and len(line) > 4]
    assert len(files) == 20 and min(files) == 15 and ["30", "more"] in lines
    assert "part-00001-of...ovember.jsonl:2" in shown and "600 of 650 rows are bad." in shown


def test_a_refused_file_is_told_in_one_sentence(tmp_path: Path) -> None:
    result = run("check", write(tmp_path / "a.csv"), tmp_path / "gone.jsonl")
    assert "2 of 2 files are refused." in result.stdout and "rows are bad" not in result.stdout
    (tmp_path / "b.csv").write_text("prompt,completion\n")
    result = run("check", tmp_path / "b.csv")
    assert result.exit_code == 1 and "The files are no dataset." in result.stdout


def test_convert_writes_one_format(tmp_path: Path) -> None:
    file, output = write(tmp_path / "in.jsonl", {"question": "hello", "answer": "hi"}), tmp_path / "out.jsonl"
    result = run("convert", file, "-o", output, "--columns", "question=prompt", "--columns", "answer=completion")
    assert result.exit_code == 0 and json.loads(output.read_text()) == GOOD
    back = run("convert", output, "-o", tmp_path / "back.jsonl", "--to", "sharegpt", "--json")
    assert json.loads(back.stdout)["output"] == str(tmp_path / "back.jsonl")
    assert json.loads((tmp_path / "back.jsonl").read_text())["conversations"][0] == {"from": "human", "value": "hello"}


def test_rows_cannot_move_the_cursor(tmp_path: Path) -> None:
    result = run("check", write(tmp_path / "rows.jsonl", {"\x1b[2J\u202ekey": 1}))
    assert "\x1b[2J" not in result.stdout and "\u202e" not in result.stdout and r"\x1b[2J" in result.stdout


@pytest.mark.parametrize(
    ("text", "shown"), [("a\x1b[31m", r"a\x1b[31m"), ("a\u200b", r"a\u200b"), ("café 🎉", "café 🎉")]
)
def test_what_nobody_sees_is_spelt(text: str, shown: str) -> None:
    assert printable(text) == shown
