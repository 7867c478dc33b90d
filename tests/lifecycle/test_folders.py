"""Files that are one dataset, pushed by the command: prepared without a training, appended to, or only recorded."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.loop import RECIPE, Loop, dataset
from tunesmith.contracts.datasets import DatasetManifest, DatasetVersion
from tunesmith.contracts.runs import Outcome, Run, Stage

PROJECT = "folders"


def push(loop: Loop, folder: Path, *words: str, project: str = PROJECT, **recipe: Any) -> Any:
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump(RECIPE | recipe))
    return loop.cli("data", "push", *words, "-p", project, "--recipe", str(file))


def versions(loop: Loop) -> list[DatasetVersion]:
    rows = [row for row in loop.rows("datasets") if row["dataset"] == f"{PROJECT}/tickets"]
    found = [DatasetVersion.model_validate_json(row["document"]) for row in rows if row["entry"].startswith("version#")]
    return sorted(found, key=lambda version: version.created_at)


def manifest(loop: Loop, run: Run) -> DatasetManifest:
    folder = loop.params(run, "prepare")["output_uri"]
    return DatasetManifest.model_validate_json(loop.read(f"{folder}manifest.json"))


def names(sources: list[Any]) -> list[str]:
    return [source.uri.rpartition("/")[2] for source in sources]


@pytest.fixture(scope="module")
def tickets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty rows in one file, and twenty others, compressed, in another."""
    folder = tmp_path_factory.mktemp("files") / "tickets"
    folder.mkdir()
    lines = dataset(70).splitlines(keepends=True)
    (folder / "a.jsonl").write_bytes(b"".join(lines[:40]))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"".join(lines[40:60])))
    (folder.parent / "c.jsonl").write_bytes(b"".join(lines[60:]))
    return folder


@pytest.fixture(scope="module")
def prepared(loop: Loop, tickets: Path) -> Run:
    pushed = push(loop, tickets.parent, str(tickets), on_upload="prepare")
    run = loop.succeeded(PROJECT)
    assert pushed["run_id"] == run.request.run_id
    return run


def test_folder_becomes_one_prepared_version_of_both_files(loop: Loop, prepared: Run) -> None:
    assert (prepared.stage, prepared.outcome, prepared.version) == (Stage.DONE, Outcome.PREPARED, None)
    made = manifest(loop, prepared)
    assert names(versions(loop)[0].sources) == names(made.sources) == ["a.jsonl", "b.jsonl.gz"]
    assert (made.counts.rows_in, made.counts.kept) == (60, 60)
    assert made.dataset_version == versions(loop)[0].version


def test_appended_file_makes_a_version_of_all_three(loop: Loop, prepared: Run, tickets: Path) -> None:
    third = str(tickets.parent / "c.jsonl")
    pushed = push(loop, tickets.parent, third, "-d", "tickets", "--append", on_upload="prepare")
    run = loop.succeeded(PROJECT, 2)
    assert (run.request.run_id, run.outcome) == (pushed["run_id"], Outcome.PREPARED)
    made = manifest(loop, run)
    assert names(made.sources) == ["a.jsonl", "b.jsonl.gz", "c.jsonl"]
    assert (made.counts.rows_in, made.counts.kept) == (70, 70)
    assert push(loop, tickets.parent, third, "-d", "tickets", "--append", on_upload="prepare")["repeated"]
    assert len(versions(loop)) == 2


def test_nothing_on_upload_is_a_record_alone(loop: Loop, tickets: Path) -> None:
    pushed = push(loop, tickets.parent, str(tickets), project="kept", on_upload="nothing")
    assert pushed["run_id"] is None and loop.runs("kept") == []
    [document] = [row["document"] for row in loop.rows("uploads") if '"project":"kept"' in row["document"]]
    assert json.loads(document)["version_id"] == pushed["version_id"]
    assert not [row for row in loop.rows("datasets") if row["dataset"].startswith("kept/")]
