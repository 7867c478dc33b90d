"""The race's corpus is the same bytes every time, and its scorer says what was kept, caught, leaked and lost."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.bench.measuring import Sample
from tests.bench.prepare.cores import HEADER as CORES_HEADER
from tests.bench.prepare.cores import Case, with_tools
from tests.bench.prepare.corpus import SCORED, TUNED, truth_file, write_corpus
from tests.bench.prepare.entries import ROOT
from tests.bench.prepare.inputs import chat_rows, text_rows, write
from tests.bench.prepare.scoring import read_truths, score, score_texts
from tests.bench.prepare.steps.race import ENTRIES, HEADER, Entry, run_steps
from tests.bench.prepare.steps.timing import read

TRUTHS = [
    {"id": "a", "kind": "ok"},
    {"id": "b", "kind": "exact", "of": "a"},
    {"id": "c", "kind": "ok", "pii": [["email", "x@y.org"]]},
    {"id": "d", "kind": "near", "of": "c", "rate": 0.01},
    {"id": "e", "kind": "ok", "decoys": ["v1.2.3"]},
    {"id": "f", "kind": "broken"},
    {"id": "g", "kind": "foreign"},
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    write_corpus(file, 1.0)
    return file


def test_same_bytes_in_another_process(corpus: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    environment = os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "tests.bench.prepare.corpus", str(again), "--megabytes", "1"]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    assert again.read_bytes() == corpus.read_bytes()
    assert truth_file(again).read_bytes() == truth_file(corpus).read_bytes()
    assert hashlib.sha256(corpus.read_bytes()).hexdigest() in told


def test_another_seed_has_other_texts(corpus: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    assert SCORED != TUNED
    write_corpus(other, 0.2, TUNED)
    assert not set(corpus.read_bytes().splitlines()) & set(other.read_bytes().splitlines())


def test_every_kind_is_planted_and_told(corpus: Path) -> None:
    truths, lines = read_truths(corpus), corpus.read_bytes().splitlines()
    assert len(truths) == len(lines)
    kinds = {truth["kind"] for truth in truths}
    assert kinds == {"ok", "exact", "normalised", "near", "foreign", "low_quality", "broken"}
    assert {kind for truth in truths for kind, _ in truth.get("pii", ())} == {
        "email",
        "phone",
        "card",
        "ssn",
        "ip",
        "key",
    }
    for truth, line in zip(truths, lines, strict=True):
        if truth["kind"] != "broken":
            row = json.loads(line)
            assert row["id"] == truth["id"]
            text = json.dumps(row["messages"], ensure_ascii=False)
            assert all(value in text for _, value in truth.get("pii", ()))


def test_who_keeps_all_has_caught_nothing_and_leaks_all() -> None:
    texts = {truth["id"]: "write to x@y.org about v1.2.3" for truth in TRUTHS}
    found = score_texts(TRUTHS, texts)
    assert (found.exact_recall, found.near_recall, found.removed, found.broken_kept) == (0.0, 0.0, 0, 1)
    assert (found.pii_leaked, found.decoys_lost) == ({"email": 1.0}, 0.0)


def test_who_removes_what_was_planted_is_perfect() -> None:
    found = score_texts(TRUTHS, {"a": "", "c": "write to <EMAIL>", "e": "v1.2.3", "g": "bonjour"})
    assert (found.exact_recall, found.near_recall, found.precision) == (1.0, 1.0, 1.0)
    assert (found.pii_leaked, found.decoys_lost, found.near_recall_by_rate) == ({"email": 0.0}, 0.0, {"1.0%": 1.0})


def test_removing_a_row_without_a_twin_costs_precision_and_redacting_look_alikes_is_seen() -> None:
    assert score_texts(TRUTHS, {"a": "", "c": ""}).precision == pytest.approx(2 / 3)
    assert score_texts(TRUTHS, {"e": "<IP>"}).decoys_lost == 1.0


def test_rows_are_known_by_their_line_where_the_output_has_no_id(tmp_path: Path) -> None:
    corpus, folder = tmp_path / "corpus.jsonl", tmp_path / "out"
    truth_file(corpus).write_text("".join(json.dumps(truth) + "\n" for truth in TRUTHS))
    folder.mkdir()
    messages = [[{"role": "user", "content": "write to x@y.org"}], [{"role": "user", "content": "hello"}]]
    pq.write_table(pa.table({"messages": messages, "line": [3, 1]}), folder / "rows.parquet")
    found = score(corpus, folder)
    assert (found.kept, found.exact_recall, found.pii_leaked) == (2, 1.0, {"email": 1.0})


def test_steps_are_given_texts_without_broken_rows_and_system_prompts(corpus: Path, tmp_path: Path) -> None:
    sound = [truth["id"] for truth in read_truths(corpus) if truth["kind"] != "broken"]
    assert [row["id"] for row in text_rows(corpus)] == [row["id"] for row in chat_rows(corpus)] == sound
    assert any(message["role"] == "system" for row in chat_rows(corpus) for message in row["messages"])
    assert not any("You are a helpful assistant." in row["text"] for row in text_rows(corpus))
    file = tmp_path / "texts.jsonl"
    megabytes = write(text_rows(corpus), file, at_most_megabytes=0.05)
    assert megabytes == sum(len(row["text"].encode()) for row in read(file)) / 1e6
    assert 0.05 <= megabytes < 0.07


def test_a_step_runs_beside_a_peer_and_names_an_environment_that_is_not_there(corpus: Path, tmp_path: Path) -> None:
    ours = _entry("quality", "ours")
    nowhere = Entry("quality", "ours", "nobody", "texts", "quality", ".venv-of-nobody")
    told = [dict(zip(HEADER, row, strict=True)) for row in run_steps(corpus, tmp_path, 1, (ours, nowhere))]
    assert float(str(told[0]["planted rows found"])) > 0.5 > 0.05 > float(str(told[0]["other rows dropped"]))
    assert told[0]["ours is faster by"] == "1.00"
    assert ".venv-of-nobody is not there" in str(told[1]["CPU s"])


@pytest.mark.parametrize("name", ["cheap", "filters"])
def test_a_peer_of_the_quality_step_drops_noise(name: str, tmp_path: Path) -> None:
    entry = _entry("quality", name)
    python = ROOT / entry.environment / "bin/python"
    if not python.exists():
        pytest.skip(f"{entry.environment} is not there: scripts/bench --peers")
    rows, answer = tmp_path / "rows.jsonl", tmp_path / "answer.json"
    texts = ["!!!! ???? ####" * 9, "The cat and the dog have to be with the people that live in the house. " * 4]
    rows.write_text("".join(json.dumps({"id": str(at), "text": text}) + "\n" for at, text in enumerate(texts)))
    module = f"tests.bench.prepare.steps.{entry.program}"
    subprocess.run([python, "-m", module, name, rows, rows, answer], check=True, capture_output=True)
    told = json.loads(answer.read_text())
    assert told["cpu_seconds"] > 0
    assert "0" in told["dropped"]


def _entry(step: str, name: str) -> Entry:
    return next(entry for entry in ENTRIES if (entry.step, entry.name) == (step, name))


def test_rows_with_tools_are_good_and_broken_ones_stay_broken(corpus: Path, tmp_path: Path) -> None:
    lines = corpus.read_text(errors="ignore").splitlines(keepends=True)
    file = tmp_path / "tools.jsonl"
    file.write_text("".join(with_tools(line, number) for number, line in enumerate(lines)))
    command = [str(Path(sys.executable).with_name("tunesmith")), "data", "check", str(file), "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True).stdout)
    broken = sum(truth["kind"] == "broken" for truth in read_truths(corpus))
    assert told["rows_in"] == len(lines) and 0 < told["quarantined"] <= broken
    assert "weather_of" in file.read_text()


def test_two_cores_stand_beside_one() -> None:
    case = Case("chats", Path(__file__))
    for cores, clock in ((1, 3.0), (2, 2.0)):
        case.samples[cores] = [Sample(4.0, clock, 100.0)] * 3
    assert dict(zip(CORES_HEADER, case.row(), strict=True))["faster by"] == "1.50"
