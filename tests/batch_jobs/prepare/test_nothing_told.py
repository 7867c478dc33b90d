"""What is planted in rows never comes out in what people are told: terminals, logs, listings, pages, cards, errors."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from batch_jobs.prepare import doctor
from batch_jobs.prepare.checking.telling import cut
from tests.support.datasets import LENIENT, make_version
from tunesmith.contracts.datasets import ProblemCode
from tunesmith.contracts.preparation import RedactRecipe
from tunesmith_cli.main import app

PLANTED = {
    "key": "AKIA" + "Z7QK3XN5TWEJ2MPL",
    "token": "ghp_" + "k3JdW9sQz7LmXv2BtYp8RnCf5HgTa1Ue0Ioq",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI5OTEyMyJ9.kPq8Zr0aWbN2cXyT4uVs",
    "mail": "marta.kowalczyk77@postbox.example",
    "card": "4556737586899855",
    "ssn": "536-22-8726",
}


def told_in(text: str) -> list[str]:
    """What is readable in the text, be it only the first half."""
    return [name for name, value in PLANTED.items() if value[: len(value) // 2] in text]


def chat(question: str, answer: str = "fine", **more: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": turns} | more


def rows_with(value: str) -> Iterator[dict[str, Any]]:
    call = {"id": value, "type": "function", "function": {"name": value, "arguments": "{}"}}
    yield chat(f"my {value} is here", f"It is {value}.")
    yield chat("more columns", **{value: value})
    yield chat(f"{value} <|im_start|>")
    yield {value: "a", f"{value} b": "c"}
    yield {"instruction": "a", "output": value, "inputt": value}
    yield {"prompt": f"q {value}", "chosen": value, "rejected": value}
    yield {"messages": [{"role": value, "content": "x"}, {"role": "assistant", "content": "y"}]}
    yield {"messages": [{"role": "user", "content": f"hi {value}"}]}
    yield {
        "messages": [{"role": "user", "content": "n", value: 1}, {"role": "assistant", "content": value}],
        "tools": 1,
    }
    yield {"messages": [*chat("call")["messages"][:1], {"role": "assistant", "tool_calls": [call]}], "tools": []}
    yield {"messages": value}
    yield {"conversations": [{"from": value, "value": value}, {"from": "gpt", "value": "y"}]}


def broken_with(value: str) -> list[bytes]:
    texts = (
        f'{{"messages": [{{"role": "user", "content": "{value}',
        f'{{"{value}": 1, "{value}": 2}}',
        f'{{"a": 1e999, "{value}": 1e999}}',
        f'{{"a": "{value}" x}}',
        f'"{value}"',
        "[" * 100 + value,
    )
    return [*(text.encode() for text in texts), b'{"a": "\xff ' + value.encode() + b'"}']


def lines() -> bytes:
    good = [chat(f"question {number} of the weather", f"answer {number}") for number in range(60)]
    planted = [row for value in PLANTED.values() for row in rows_with(value)]
    broken = [line for value in PLANTED.values() for line in broken_with(value)]
    return b"\n".join([*(json.dumps(row).encode() for row in [*good, *planted]), *broken])


def test_check_tells_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(lines())
    assert doctor.main([str(file)]) == 1
    said = capsys.readouterr()
    assert len(json.loads(said.out)["problems_by_code"]) >= 10
    assert told_in(said.out + said.err) == []
    shown = CliRunner().invoke(app, ["data", "check", str(file)], catch_exceptions=False)
    assert ProblemCode.UNKNOWN_ROLE in shown.stdout and told_in(shown.output) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("twice.csv", "{mail},{mail}\n1,2\n"),
        ("ragged.csv", "prompt,completion,{key}\n{mail},b,{card}\n1\n"),
        ("unknown.csv", "{jwt},{ssn}\n{mail},{card}\n"),
        ("cut.json", '[{{"{mail}": "{card}'),
        ("words.tsv", "{token}\n1\n"),
    ],
)
def test_names_of_columns_are_told_without_what_is_secret(
    name: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / name
    file.write_text(content.format(**PLANTED))
    doctor.main([str(file)])
    said = capsys.readouterr()
    assert said.out and told_in(said.out + said.err) == []


def test_columns_of_parquet_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(pa.table([[1], [2]], names=[PLANTED["mail"]] * 2), tmp_path / "a.parquet")
    pq.write_table(pa.table({PLANTED["key"]: pa.array([1], pa.int64())}), tmp_path / "b.parquet")
    doctor.main([str(tmp_path)])
    said = capsys.readouterr()
    assert "two columns '<EMAIL_1>'" in said.out and told_in(said.out + said.err) == []


@pytest.mark.parametrize("redact", [RedactRecipe(), RedactRecipe(types=[])])
def test_the_job_tells_nothing_whatever_is_kept_in_the_rows(
    redact: RedactRecipe, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    version = make_version(tmp_path, {"rows.jsonl": lines()}, LENIENT.model_copy(update={"redact": redact}))
    said = capfd.readouterr()
    assert told_in(said.out + said.err) == []
    for file in version.folder.rglob("*"):
        if file.is_file() and file.suffix != ".parquet" and file.name != "quarantine.jsonl":
            assert (file.name, told_in(file.read_text())) == (file.name, [])
    put_aside = [json.loads(line) for line in (version.folder / "quarantine.jsonl").read_text().splitlines()]
    assert len(put_aside) > 50
    for row in put_aside:
        bytes_of_row = ("raw", "raw_base64")
        assert told_in(json.dumps({name: row[name] for name in row if name not in bytes_of_row})) == []
    assert told_in(json.dumps(put_aside)) == list(PLANTED), "the row itself is kept, to be mended and sent again"


def test_a_secret_is_replaced_before_it_is_cut() -> None:
    assert cut("x" * 30 + " " + PLANTED["jwt"], 50) == "x" * 30 + " <SECRET_1>"
