"""`tunesmith data show` on real dataset versions and on uploads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.cli.conftest import Command
from tests.cli.data.test_versions import put_version
from tests.support.datasets import LENIENT, Version, make_version
from tunesmith.contracts.artifacts import dataset_prefix
from tunesmith.contracts.platform import Platform
from tunesmith.contracts.preparation import LabelRecipe, ReadRecipe
from tunesmith_cli.data.conversations import seen

RULES = LENIENT.model_copy(update={"label": LabelRecipe(column="topic"), "read": ReadRecipe(keep_columns=["topic"])})


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    rows = [
        {
            "prompt": f"Where is parcel {n} of my order?",
            "completion": "On its way.",
            "topic": "even" if n % 2 == 0 else "odd",
        }
        for n in range(40)
    ]
    content = "\n".join(map(json.dumps, rows)).encode()
    return make_version(tmp_path_factory.mktemp("shown"), {"parcels.jsonl": content}, RULES)


def test_rows_that_are_asked_for(version: Version, answer: Callable[..., Any]) -> None:
    told = answer("data", "show", str(version.folder), "--search", "PARCEL 17 OF", "--label", "odd", "--limit", "9")
    [one] = told["rows"]
    assert (told["total"], told["matched"], one["line"], one["label"]) == (40, 1, 18, "odd")
    assert [turn["trained"] for turn in one["turns"]] == [False, True]
    assert one["turns"][0]["content"] == "Where is parcel 17 of my order?"


def test_conversation_in_the_terminal(version: Version, command: Command) -> None:
    shown = command("data", "show", str(version.folder), "-s", "parcel 3 of").output
    assert "parcels.jsonl:4" in shown and "[odd]" in shown and "On its way." in shown
    assert "1 of 1 that match, of 40 rows." in shown


def test_upload_that_is_no_version_yet(tmp_path: Path, command: Command) -> None:
    file = tmp_path / "new.jsonl"
    file.write_text(
        '{"prompt": "a\\u001b[31m", "completion": "b"}\n{"prompt": ""}\n{"prompt": "c", "completion": "d"}\n'
    )
    assert "2 are bad" in command("data", "show", str(file)).output
    assert command("data", "show", str(file), "--label", "x").exit_code == 1


def test_nothing_moves_the_cursor() -> None:
    assert seen("a\x1b[31m\u202e\nb") == "a\\x1b[31m\\u202e\nb"


def test_what_is_no_dataset_is_named(tmp_path: Path, command: Command) -> None:
    refused = command("data", "show", str(tmp_path))
    assert refused.exit_code == 1 and "no manifest.json" in refused.stderr
    missing = command("data", "show", "tickets-of-may")
    assert missing.exit_code == 1 and "there is no file or folder tickets-of-may" in missing.stderr
    assert "tunesmith data versions" in missing.stderr


def test_nothing_that_matches_is_said(version: Version, command: Command) -> None:
    kept = version.manifest.counts.kept
    assert f"None of {kept:,} rows matches." in command("data", "show", str(version.folder), "--label", "x").output


def test_page_of_a_version_in_s3_is_saved(
    platform: Platform, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put_version(platform, "a", "2026-11-24T06:00:00.000Z")
    assert command("data", "show", "aaaaaaaa", "--report").exit_code == 1
    key = dataset_prefix("demo", "rows", "a" * 64) + "report.html"
    boto3.client("s3").put_object(Bucket=platform.artifacts_bucket, Key=key, Body=b"<p>page")
    assert command("data", "show", "aaaaaaaa", "--report").exit_code == 0
    assert (tmp_path / "aaaaaaaaaaaa-report.html").read_bytes() == b"<p>page"
