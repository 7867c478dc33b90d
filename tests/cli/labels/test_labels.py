"""Labels over HTTP from a real server, and their review: what is asked, kept, counted, refused."""

import csv
import json
import math
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typer.testing import CliRunner

from tunesmith.contracts.errors import InvalidInput
from tunesmith_cli.labels.asking import agree, read_label
from tunesmith_cli.labels.reviewing import import_reviews
from tunesmith_cli.labels.rows import LabelledRow, check_labels, read_rows
from tunesmith_cli.main import app

WORDS = {"praise": ("great", "thanks"), "complaint": ("broken", "angry")}


@dataclass
class Model:
    """A small model behind OpenAI's wire: it sorts by words, and each of its names has another temper."""

    seen: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)
    url: str = ""

    async def complete(self, request: Request) -> JSONResponse:
        body = await request.json()
        self.seen["requests"] += 1
        self.keys.add(request.headers.get("authorization", ""))
        model, text = body["model"], body["messages"][-1]["content"]
        if model == "busy" and self.seen["requests"] % 2:
            return JSONResponse({"error": {"message": "slow down"}}, 429, {"retry-after": "0.01"})
        if model == "locked":
            return JSONResponse({"error": {"message": "no such key"}}, 401)
        if "immense" in text:
            return JSONResponse({"error": {"message": "too long"}}, 400)
        if model == "old" and "response_format" in body:
            self.seen["refused"] += 1
            return JSONResponse({"error": {"message": "unknown parameter"}}, 400)
        label = next((name for name, words in WORDS.items() if any(word in text for word in words)), None)
        if label is None:
            label = ["praise", "complaint", "complaint"][body["seed"] % 3]  # it wavers
        if model == "chatty":
            content = "That depends on how one looks at it."
        else:
            content = label if model == "old" else json.dumps({"label": label})
        choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": content}}
        if body.get("logprobs") and model == "sure":
            choice["logprobs"] = {"content": [{"token": label, "logprob": math.log(0.9)}]}
        return JSONResponse({"choices": [choice], "usage": {"total_tokens": 100}})


@pytest.fixture(scope="module")
def served() -> Iterator[Model]:
    model = Model()
    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=[Route("/v1/chat/completions", model.complete, methods=["POST"])]), log_level="error"
        )
    )
    listener = socket.create_server(("127.0.0.1", 0))
    model.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield model
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def model(served: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    served.seen.clear()
    served.keys.clear()
    return served


ROWS = [
    {"messages": [{"role": "user", "content": "It is great"}, {"role": "assistant", "content": "Glad to hear"}]},
    {"prompt": "The thing is broken", "completion": "Sorry"},
    {"prompt": "Where is it?", "completion": "Here"},
]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


@pytest.fixture
def ask(model: Model) -> Callable[..., dict[str, Any]]:
    def run(file: Path, *words: str, name: str = "plain") -> dict[str, Any]:
        fixed = ["--labels", "praise,complaint", "--base-url", model.url, "--model", name, "--json"]
        result = CliRunner().invoke(app, ["data", "label", str(file), *fixed, *words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        answer: dict[str, Any] = json.loads(result.stdout)
        assert answer["rows"] == sum(answer["labelled"].values()) + sum(answer["unlabelled"].values())
        return answer

    return run


def written(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(answer["file"]).read_text().splitlines()]


def test_agreement_of_samples_is_confidence(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    answer = ask(rows)
    assert answer["labelled"] == {"praise": 1, "complaint": 2}
    labels = [(row["label"], row["label_confidence"], row["label_origin"]) for row in written(answer)]
    assert labels == [("praise", 1.0, "llm"), ("complaint", 1.0, "llm"), ("complaint", 0.6667, "llm")]
    assert [{key: row[key] for key in old} for row, old in zip(written(answer), ROWS, strict=True)] == ROWS


def test_log_probabilities_weigh_each_sample(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    confidences = [row["label_confidence"] for row in written(ask(rows, "--samples", "2", name="sure"))[:2]]
    assert confidences == [0.9, 0.9]


def test_samples_that_disagree_evenly_are_no_label(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    answer = ask(rows, "--samples", "2")
    assert answer["unlabelled"] == {"the samples disagree": 1}
    assert written(answer)[2]["label"] is None


def test_nonsense_is_no_label(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    answer = ask(rows, name="chatty")
    assert (answer["labelled"], answer["unlabelled"]) == ({}, {"the model's answer is none of the labels": 3})


def test_server_without_schemas_is_asked_plainly(ask: Callable[..., dict[str, Any]], rows: Path, model: Model) -> None:
    assert ask(rows, "--concurrency", "1", name="old")["labelled"] == {"praise": 1, "complaint": 2}
    assert model.seen["refused"] == 1


def test_busy_server_is_asked_again(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    assert ask(rows, "--samples", "1", "--concurrency", "1", name="busy")["labelled"].keys() == {"praise", "complaint"}


def test_second_run_asks_nothing(ask: Callable[..., dict[str, Any]], rows: Path, model: Model) -> None:
    first = ask(rows)
    asked = model.seen["requests"]
    second = ask(rows)
    assert model.seen["requests"] == asked == 9 and second["from_cache"] == 3
    assert second["labelled"] == first["labelled"]
    cache = Path(f"{second['file']}.cache")
    cache.write_bytes(cache.read_bytes()[:-20])  # as a machine that was switched off leaves it
    assert (ask(rows)["from_cache"], ask(rows)["from_cache"]) == (2, 3)


def test_rows_that_all_have_a_label_are_not_asked_about(rows: Path, tmp_path: Path, model: Model) -> None:
    file = tmp_path / "known.jsonl"
    file.write_text("".join(json.dumps(row | {"label": "praise"}) + "\n" for row in ROWS))
    words = ["data", "label", str(file), "--labels", "praise,complaint", "--base-url", model.url, "--model", "plain"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0 and "--relabel asks about them too" in " ".join(result.output.split())


def test_other_question_is_not_answered_from_the_cache(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    ask(rows)
    assert ask(rows, "--instructions", "Praise is rare.")["from_cache"] == 0


def test_spent_budget_stops_and_a_larger_one_goes_on(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    answer = ask(rows, "--max-tokens", "300", "--concurrency", "1")
    assert (answer["labelled"], answer["unlabelled"]) == ({"praise": 1}, {"budget spent": 2})
    assert ask(rows, "--max-tokens", "600")["from_cache"] == 1


def test_lines_that_are_no_rows_are_handed_on(ask: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    file.write_bytes(
        b'{"prompt": "great", "label": "old"}\n{"cut": \n\n[1]\n{"n": 1}\n{"prompt": "thanks \\ud800"}\r\n'
    )
    answer = ask(file)
    assert answer["unlabelled"] == {"labelled before": 1, "no JSON object": 2, "no text": 1}
    lines = Path(answer["file"]).read_bytes().splitlines()
    assert lines[:3] == [b'{"prompt": "great", "label": "old"}', b'{"cut": ', b"[1]"]
    assert ask(file, "--relabel")["labelled"] == {"praise": 2}


def test_row_that_the_endpoint_refuses_does_not_stop_the_others(
    ask: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text('{"prompt": "great"}\n{"prompt": "an immense thing"}\n{"prompt": "broken"}\n')
    answer = ask(file, "--concurrency", "1")
    assert answer["labelled"] == {"praise": 1, "complaint": 1}
    assert answer["unlabelled"] == {"the endpoint refuses the row (400)": 1}


def test_preference_is_no_label(ask: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "kto.jsonl"
    file.write_text('{"prompt": "great", "completion": "x", "label": true}\n')
    answer = ask(file, "--relabel")
    assert answer["unlabelled"] == {"its label says whether the answer is wanted": 1}
    assert Path(answer["file"]).read_bytes() == file.read_bytes()
    assert review(file, tmp_path / "review.csv") == []


def test_more_rows_than_are_held_at_once_stay_in_order(ask: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"great {n}"}) + "\n" for n in range(1100)))
    answer = ask(file, "--samples", "1", "--concurrency", "16")
    assert [row["prompt"] for row in written(answer)] == [f"great {n}" for n in range(1100)]


def test_rate_is_kept(ask: Callable[..., dict[str, Any]], rows: Path) -> None:
    started = time.monotonic()
    ask(rows, "--samples", "1", "--rate", "20")
    assert time.monotonic() - started >= 0.1


def refused(*words: str) -> str:
    with pytest.raises(InvalidInput) as caught:
        CliRunner().invoke(app, ["data", *words], catch_exceptions=False)
    return str(caught.value)


def test_key_goes_to_the_endpoint_and_nowhere_else(
    ask: Callable[..., dict[str, Any]], rows: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-quiet")
    answer = ask(rows)
    assert model.keys == {"Bearer sk-quiet"}
    assert all(b"sk-quiet" not in file.read_bytes() for file in Path(answer["file"]).parent.iterdir())
    told = refused("label", str(rows), "--labels", "a,b", "--base-url", "http://example.com/v1", "--model", "m")
    assert "unencrypted" in told and "sk-quiet" not in told


def test_refusals_say_what_to_do(rows: Path, model: Model) -> None:
    at = ["--base-url", model.url, "--model", "locked"]
    assert "401: no such key" in refused("label", str(rows), "--labels", "a,b", *at)
    assert not rows.with_name("rows.labelled.jsonl").exists()
    assert "two or more labels" in refused("label", str(rows), "--labels", "a", *at)
    assert "is the file that is read" in refused("label", str(rows), "--labels", "a,b", *at, "-o", str(rows))
    assert "no address" in refused("label", str(rows), "--labels", "a,b", "--base-url", "here", "--model", "m")


@pytest.mark.parametrize(
    ("content", "label"),
    [
        ('{"label": "a b"}', "a b"),
        ('```json\n{"label": "A B"}\n```', "a b"),
        ("a b.", "a b"),
        ('"c"', "c"),
        ("It is a b", None),
        ('{"label": ["c"]}', None),
        ("[" * 9999, None),
        ("", None),
        (None, None),
    ],
)
def test_one_label_or_none_is_read(content: Any, label: str | None) -> None:
    assert read_label(content, ["a b", "c"]) == label


def test_nonsense_among_samples_lowers_confidence() -> None:
    answers = [{"message": {"content": content}} for content in ("a", "a", "what?", "a")]
    assert agree(answers, ["a", "b"]).confidence == 0.75


def test_labels_must_differ() -> None:
    assert check_labels([" a ", "b", ""]) == ["a", "b"]
    with pytest.raises(InvalidInput, match="differ only in case"):
        check_labels(["Yes", "yes"])


HOSTILE = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", '"quoted", text', "  =1", "line\nbreak", "=\u202e"]


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    file = tmp_path / "labelled.jsonl"
    file.write_text(
        "".join(
            json.dumps({"text": text, "label": label, "label_confidence": confidence}) + "\n"
            for text, label, confidence in [
                ("sure", "a", 0.99),
                ("unsure", "b", 0.4),
                ("none", None, None),
                *[(text, "a", 0.9) for text in HOSTILE],
            ]
        )
    )
    return file


def review(file: Path, out: Path, *words: str) -> list[dict[str, str]]:
    result = CliRunner().invoke(app, ["data", "review", "export", str(file), "-o", str(out), *words])
    assert result.exit_code == 0, result.output
    with out.open(newline="", encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


def test_least_certain_rows_are_reviewed_first(labelled: Path, tmp_path: Path) -> None:
    table = review(labelled, tmp_path / "review.csv", "--limit", "3")
    assert [row["text"].split(": ")[1] for row in table[:2]] == ["none", "unsure"] and len(table) == 3


def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    """D12"""
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"": text, "label": text, "label_origin": text}) + "\n" for text in HOSTILE))
    for row in review(file, tmp_path / "review.csv"):
        assert not any(re.match(r"\s*[=+\-@]", cell) for name, cell in row.items() if name != "confidence"), row


def test_reviewed_labels_come_back(labelled: Path, tmp_path: Path) -> None:
    table = review(labelled, tmp_path / "review.csv")
    for row in table:
        row["new_label"] = {"none": "b", "sure": "'=a"}.get(row["text"].removeprefix("text: "), "")
    with (tmp_path / "done.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(table[0]))
        writer.writeheader()
        writer.writerows(table)
    merged = tmp_path / "merged.jsonl"
    assert import_reviews(tmp_path / "done.csv", labelled, merged, [], "ana") == {"b": 1, "=a": 1}
    before, after = list(read_rows(labelled)), list(read_rows(merged))
    assert [row.text for row in before] == [row.text for row in after]
    assert after[2].row == {
        "text": "none",
        "label": "b",
        "label_confidence": 1.0,
        "label_origin": "person",
        "label_reviewer": "ana",
    }
    assert [row.raw for row in after[3:]] == [row.raw for row in before[3:]]


def test_review_without_a_label_says_so(labelled: Path, tmp_path: Path) -> None:
    review(labelled, tmp_path / "review.csv")
    words = ["data", "review", "import", str(tmp_path / "review.csv"), str(labelled), "-o", str(tmp_path / "out.jsonl")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0 and "no new_label is filled in" in " ".join(result.output.split())
    assert (tmp_path / "out.jsonl").read_bytes() == labelled.read_bytes()


def test_reviews_as_json_lines(labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "review.jsonl"
    assert CliRunner().invoke(app, ["data", "review", "export", str(labelled), "-o", str(out)]).exit_code == 0
    records = [json.loads(line) | {"new_label": "c"} for line in out.read_text().splitlines()]
    out.write_text("\n".join(map(json.dumps, records)))
    words = ["data", "review", "import", str(out), str(labelled), "-o", str(tmp_path / "merged.jsonl"), "--json"]
    answer = json.loads(CliRunner().invoke(app, [*words, "--reviewer", "bo"]).stdout)
    assert answer["labels"] == {"c": 12} and answer["reviewed"] == 12


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("", "is empty"),
        ("line,label\n1,a\n", "line 1: no column row, new_label"),
        ("line;row;new_label\n1;x;a\n", "separated by commas"),
        ("line,row,new_label\n1,{row1},a\nx,{row1},a\n", "line 3: line 'x' is no line number"),
        ("line,row,new_label\n1,{row1},a\n1,{row1},b\n", "line 3: row 1 was reviewed in .* line 2 already"),
        ("line,row,new_label\n1,other,a\n", "line 2: line 1 .* is not the row that was exported"),
        ("line,row,new_label\n99,{row1},a\n", "line 2: .* has no row on line 99"),
        ("line,row,new_label\n1,{row1}\n", "line 2: 2 cells, expected 3"),
        ("line,row,new_label\n1,{row1},z\n", "line 2: new_label 'z' is none of a, b"),
        ('line,row,new_label\n1,{row1},"a\n', "unexpected end of data"),
        ("line,row,new_label\n1,{row1},\xff\n", "is not UTF-8"),
    ],
)
def test_bad_review_is_refused_and_nothing_written(labelled: Path, tmp_path: Path, table: str, told: str) -> None:
    first = next(iter(read_rows(labelled))).digest
    (tmp_path / "review.csv").write_bytes(table.replace("{row1}", first).encode("latin-1"))
    with pytest.raises(InvalidInput, match=told):
        import_reviews(tmp_path / "review.csv", labelled, tmp_path / "merged.jsonl", ["a", "b"], "ana")
    assert not (tmp_path / "merged.jsonl").exists()


def test_label_is_no_part_of_what_a_row_is() -> None:
    row = LabelledRow(1, b"", {"text": "x"})
    assert LabelledRow(1, b"", json.loads(row.labelled(label="a", label_origin="person"))).digest == row.digest
