"""`tunesmith data preflight`: what people see, and what machines read."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from tests.support import edges
from tests.support.tiny_model import write_tiny_base
from tunesmith.adapters import datasets, dynamo
from tunesmith.contracts.artifacts import base_pointer_key
from tunesmith.contracts.datasets import DatasetVersion, Source, SourceKind
from tunesmith.contracts.platform import Platform
from tunesmith_cli.main import app
from tunesmith_cli.preflight import find, locate

GOOD = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}
LONG = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "\u00e9\u00df" * 400}]}


def run(*words: Any) -> Result:
    return CliRunner().invoke(app, ["data", "preflight", *map(str, words)], catch_exceptions=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "tiny"
    write_tiny_base(folder)
    return folder


def write(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_people_see_what_is_learnt_and_what_it_takes(tmp_path: Path, base: Path) -> None:
    result = run(write(tmp_path / "rows.jsonl", GOOD, LONG), "--base", base, "--show-mask", 1)
    assert result.exit_code == 0
    assert "[[hi<|im_end|>]]⏎" in result.stdout and "rows.jsonl:1:" in result.stdout
    assert "ROW_TOO_LONG  1 row" in result.stdout and "USD on m5.2xlarge" in result.stdout
    assert "Ready to train" in result.stdout


def test_machines_read_ids_tokens_and_mask(tmp_path: Path, base: Path) -> None:
    result = run(write(tmp_path / "rows.jsonl", GOOD), "--base", base, "--show-mask", 1, "--json")
    (shown,) = json.loads(result.stdout)["shown"]
    assert len(shown["ids"]) == len(shown["tokens"]) == len(shown["mask"])
    assert [token for token, learnt in zip(shown["tokens"], shown["mask"], strict=True) if learnt][-1] == "<|im_end|>"


def test_training_that_would_go_wrong_exits_with_1(tmp_path: Path, base: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("finetune: {sequence_length: 4096}\n")
    result = run(write(tmp_path / "rows.jsonl", GOOD), "--base", base, "--recipe", recipe)
    assert result.exit_code == 1
    assert "SEQUENCE_BEYOND_CONTEXT" in result.stdout and "do: set finetune.sequence_length to 2048" in result.stdout


def test_folder_that_is_no_base_is_a_sentence(tmp_path: Path) -> None:
    result = run(write(tmp_path / "rows.jsonl", GOOD), "--base", tmp_path / "nothing")
    assert result.exit_code == 1 and "is no folder of a base model" in result.output


def test_base_by_name_is_found_in_the_models_bucket(platform: Platform) -> None:
    manifest = edges.BASE
    boto3.client("s3").put_object(Bucket="models", Key=base_pointer_key("far"), Body=manifest.model_dump_json())
    assert find("far") == f"s3://models/bases/{manifest.digest}/#{manifest.digest}"
    with pytest.raises(typer.Exit):
        find("nobodys")


def test_dataset_version_is_found_by_the_beginning_of_its_digest(platform: Platform, tmp_path: Path) -> None:
    version = DatasetVersion(
        project="demo",
        dataset="tickets",
        version="ab" * 32,
        sources=[Source(kind=SourceKind.UPLOAD, source_id="c" * 64, uri="s3://uploads/x", version_id="v1")],
        recipe_version_id=None,
        created_at="2026-11-24T06:00:00.000Z",
    )
    assert dynamo.put(datasets.new_version(platform.tables["datasets"], version, dynamo.owner_token()))
    assert locate("abababab") == f"s3://artifacts/datasets/demo/tickets/{'ab' * 32}/"
    (tmp_path / "rows.jsonl").touch()
    assert locate(str(tmp_path / "rows.jsonl")) == str(tmp_path / "rows.jsonl")
    for nothing in ("0123456789", str(tmp_path / "columns.jsonl")):
        with pytest.raises(typer.Exit):
            locate(nothing)
