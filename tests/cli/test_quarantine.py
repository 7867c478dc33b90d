"""Rows that were put aside: seen, mended in an editor, checked again, and appended to the dataset they came from."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cli.conftest import Command
from tunesmith.adapters import datasets, dynamo
from tunesmith.contracts.artifacts import dataset_prefix
from tunesmith.contracts.datasets import DatasetVersion, Problem, ProblemCode
from tunesmith.contracts.errors import InvalidInput, NotFound
from tunesmith.contracts.identity import upload_id
from tunesmith.contracts.platform import Platform
from tunesmith.contracts.runs import Run

CUT = b'{"messages": [{"role": "user", "content": "hello"}]}'
LATIN = b'{"prompt": "caf\xe9", "completion": "x"}'


def line(number: int, code: ProblemCode, raw: bytes, length: int | None = None) -> str:
    """A line of quarantine.jsonl as the prepare job writes it."""
    problem = Problem(
        source="s3://u/t.jsonl", line=number, offset=0, code=code, field=None, message="why", hint="mend it"
    )
    facts = problem.model_dump(mode="json") | {"raw_bytes": length or len(raw)}
    try:
        facts["raw"] = raw.decode()
    except UnicodeDecodeError:
        facts["raw_base64"] = base64.b64encode(raw).decode()
    return json.dumps(facts) + "\n"


ROWS = (
    line(4, ProblemCode.NO_ASSISTANT_TURN, CUT)
    + line(7, ProblemCode.NOT_UTF8, LATIN)
    + line(9, ProblemCode.LINE_TOO_LONG, b'{"mess', length=5_000)
)


@pytest.fixture
def put_aside(tmp_path: Path) -> Path:
    file = tmp_path / "quarantine.jsonl"
    file.write_text(ROWS)
    return file


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An editor that keeps what it was shown and mends the rows."""
    script, shown = tmp_path / "editor", tmp_path / "shown.txt"
    script.write_text(
        f"""#!/bin/sh
cp "$1" {shown}
sed -i 's/hello"}}\\]/hello"}}, {{"role": "assistant", "content": "hi"}}]/; /completion/d' "$1"
"""
    )
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    monkeypatch.delenv("VISUAL", raising=False)
    return shown


def test_rows_are_shown_with_their_places(command: Command, put_aside: Path) -> None:
    result = command("data", "quarantine", str(put_aside), "--code", "NOT_UTF8")
    assert "t.jsonl:7" in result.stdout and r"caf\xe9" in result.stdout and "t.jsonl:4" not in result.stdout


def test_rows_are_listed_for_machines(answer: Callable[..., Any], put_aside: Path) -> None:
    assert [row["code"] for row in answer("data", "quarantine", str(put_aside))] == [
        "NO_ASSISTANT_TURN",
        "NOT_UTF8",
        "LINE_TOO_LONG",
    ]


def test_rows_are_written_for_mending_and_stay_bad_until_they_are_mended(command: Command, put_aside: Path) -> None:
    fixed = put_aside.with_name("fixed.jsonl")
    result = command("data", "requeue", str(put_aside), "-o", str(fixed))
    problems = fixed.with_name("fixed.jsonl.problems.txt").read_text()
    assert result.exit_code == 1 and "bad rows still" in result.output
    assert fixed.read_text().splitlines() == [CUT.decode(), r'{"prompt": "caf\xe9", "completion": "x"}']
    assert "line 1: t.jsonl:4 NO_ASSISTANT_TURN why" in problems and "not here: t.jsonl:9 LINE_TOO_LONG" in problems
    fixed.write_text(json.dumps({"text": "mended"}) + "\n")
    assert command("data", "requeue", str(put_aside), "-o", str(fixed)).exit_code == 0
    assert json.loads(fixed.read_text()) == {"text": "mended"}  # what is there is not overwritten


def test_editor_shows_each_problem_beside_its_row(command: Command, put_aside: Path, editor: Path) -> None:
    fixed = put_aside.with_name("fixed.jsonl")
    result = command("data", "requeue", str(put_aside), "-o", str(fixed), "--edit")
    assert result.exit_code == 0, result.output
    shown = editor.read_text().splitlines()
    assert shown[0].startswith("#| NO_ASSISTANT_TURN messages: ") and shown[1].startswith("#| do: ")
    assert shown[2] == CUT.decode()
    assert [len(json.loads(row)["messages"]) for row in fixed.read_text().splitlines()] == [2]


def put_quarantine(platform: Platform, run: Run) -> None:
    asked = run.request
    key = dataset_prefix(asked.project, asked.dataset, asked.dataset_version) + "quarantine.jsonl"
    boto3.client("s3").put_object(Bucket=platform.artifacts_bucket, Key=key, Body=ROWS.encode())


def accept_uploads(platform: Platform, stop: threading.Event) -> None:
    """What the platform does when an object arrives, as far as the command waits for it."""
    s3 = boto3.client("s3")
    while not stop.is_set():
        for found in s3.list_object_versions(Bucket=platform.uploads_bucket).get("Versions", []):
            identity = upload_id(platform.uploads_bucket, found["Key"], found["VersionId"])
            row = {"upload_id": identity, "owner": "test"}
            dynamo.put(dynamo.Put.new(platform.tables["uploads"], row, ("upload_id",)))
        time.sleep(0.05)


def test_mended_rows_go_to_the_dataset_of_their_run(
    platform: Platform, command: Command, queued_run: Run, editor: Path, tmp_path: Path
) -> None:
    put_quarantine(platform, queued_run)
    fixed, stop = tmp_path / "fixed.jsonl", threading.Event()
    accepting = threading.Thread(target=accept_uploads, args=(platform, stop))
    accepting.start()
    try:
        result = command("data", "requeue", queued_run.request.run_id, "-o", str(fixed), "--edit", "--push")
    finally:
        stop.set()
        accepting.join()
    assert result.exit_code == 0, result.output
    s3 = boto3.client("s3")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=platform.uploads_bucket)["Contents"]]
    listed, file = sorted(keys)
    assert re.fullmatch("uploads/demo/tickets/[0-9a-f]{16}/_dataset.json", listed)
    assert json.loads(s3.get_object(Bucket=platform.uploads_bucket, Key=listed)["Body"].read())["append"] is True
    assert s3.get_object(Bucket=platform.uploads_bucket, Key=file)["Body"].read() == fixed.read_bytes()


def test_rows_of_a_dataset_version_are_shown(platform: Platform, answer: Callable[..., Any], queued_run: Run) -> None:
    put_quarantine(platform, queued_run)
    asked = queued_run.request
    version = DatasetVersion(
        project=asked.project,
        dataset=asked.dataset,
        version=asked.dataset_version,
        sources=asked.sources,
        recipe_version_id=None,
        created_at=asked.created_at,
    )
    assert dynamo.put(datasets.new_version(platform.tables["datasets"], version, dynamo.owner_token()))
    assert len(answer("data", "quarantine", asked.dataset_version[:12])) == 3


def test_run_without_a_quarantine_says_so(command: Command, queued_run: Run) -> None:
    with pytest.raises(NotFound, match="no quarantine is written yet"):
        command("data", "quarantine", queued_run.request.run_id)


def test_file_of_another_kind_is_refused(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(CUT)
    with pytest.raises(InvalidInput, match="line 1: this is no quarantine"):
        command("data", "quarantine", str(file))
