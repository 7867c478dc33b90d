"""The preflight of a dataset version: what a real prepare job wrote, from a folder and from S3."""

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest

from batch_jobs.modeling import folders
from batch_jobs.prepare.preflight.__main__ import main
from tests.support import chat_templates
from tests.support.preparing import Workplace
from tests.support.tiny_model import tiny_tokenizer, write_tiny_base
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.datasets import Split
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.preflight import Preflight, PreflightCode

TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}


def chat(number: int) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"What comes after {number}?"},
            {"role": "assistant", "content": f"It is {number + 1}, by counting."},
        ]
    }


def pair(number: int) -> dict[str, Any]:
    return {"prompt": f"What comes after {number}?", "chosen": f"{number + 1} does", "rejected": "I cannot say"}


CALLING = {
    "messages": [
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "content": "wet", "tool_call_id": "call_1"},
        {"role": "assistant", "content": "Yes, take an umbrella."},
    ],
    "tools": TOOLS,
}


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(folders, "cache_folder", lambda: tmp_path / "cache")
    write_tiny_base(tmp_path / "base")
    return tmp_path / "base"


def prepared(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """The folder that a whole prepare job makes of the rows."""
    place = Workplace(folder)
    params = place.params(place.source("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode()))
    assert place.run(params) == ExitCode.DONE
    return Path(params.output_uri)


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Preflight:
    capsys.readouterr()
    code = main(list(words))
    found = Preflight.model_validate_json(capsys.readouterr().out)
    assert code == (1 if found.errors else 0)
    return found


def test_training_split_is_read_with_places_in_the_upload(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = prepared(tmp_path, [chat(number) for number in range(40)])
    manifest = json.loads((version / "manifest.json").read_bytes())
    found = told(capsys, "--base", str(base), "--show-mask", "1", str(version))
    assert found.rows == manifest["splits"][Split.TRAIN]["rows"] < 40
    assert (found.rows, found.findings) == (found.looked_at, [])
    (shown,) = found.shown
    line = int(shown.place.removeprefix("rows.jsonl:"))
    learnt = "".join(token for token, counts in zip(shown.tokens, shown.mask, strict=True) if counts)
    assert learnt == f"It is {line}, by counting.<|im_end|>", "line n of the upload asks what comes after n - 1"


def test_tools_of_a_version_reach_the_template(tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = chat_templates.WITH_TOOLS
    aware = tmp_path / "aware"
    shutil.copytree(base, aware)
    tokenizer.save_pretrained(aware)
    rows = [
        CALLING | {"messages": [{"role": "user", "content": f"Rain {n}?"}, *CALLING["messages"][1:]]} for n in "abc"
    ]
    version = prepared(tmp_path, rows + [chat(number) for number in range(20)])
    assert PreflightCode.TOOLS_IGNORED in {
        finding.code for finding in told(capsys, "--base", str(base), str(version)).errors
    }
    assert told(capsys, "--base", str(aware), str(version)).errors == []


def test_preferences_are_said_not_to_be_trained_on(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    version = prepared(tmp_path, [pair(number) for number in range(20)])
    found = told(capsys, "--base", str(base), str(version))
    (error,) = found.errors
    assert (error.code, error.rows) == (PreflightCode.KIND_NOT_TRAINED, found.rows)
    assert "a dataset of preferences: finetune.method lora trains chats" in error.message


def test_damaged_part_is_an_error(tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = prepared(tmp_path, [chat(number) for number in range(20)])
    (part,) = version.glob("train-*.parquet")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    assert main(["--base", str(base), str(version)]) == 2
    assert "sha256" in capsys.readouterr().err


def test_folder_with_another_manifest_is_an_upload(
    tmp_path: Path, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "upload").mkdir()
    (tmp_path / "upload/manifest.json").write_text(json.dumps(chat(1)) + "\n")
    assert told(capsys, "--base", str(base), str(tmp_path / "upload")).rows == 1


def test_version_and_base_in_s3(
    tmp_path: Path, base: Path, buckets: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    version = prepared(tmp_path, [chat(number) for number in range(40)])
    storage, client = Storage(), boto3.client("s3")
    for folder, uri in ((version, "s3://artifacts/datasets/demo/rows/v/"), (base, "s3://models/bases/tiny/")):
        for file in folder.iterdir():
            if file.is_file() and file.suffix != ".safetensors":
                storage.upload(file, uri + file.name)
    digest = json.loads((base / "manifest.json").read_bytes())["digest"]
    local = told(capsys, "--base", str(base), str(version))
    remote = told(capsys, "--base", f"s3://models/bases/tiny/#{digest}", "s3://artifacts/datasets/demo/rows/v/")
    assert remote == local
    assert not [o for o in client.list_objects_v2(Bucket="models")["Contents"] if o["Key"].endswith(".safetensors")]
