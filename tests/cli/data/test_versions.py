"""`tunesmith data versions` against tables and buckets that hold versions."""

from collections.abc import Callable
from typing import Any

import boto3

from tests.cli.conftest import Command
from tests.domain.test_dataset_cards import MANIFEST
from tunesmith.adapters import dynamo
from tunesmith.contracts.artifacts import dataset_prefix
from tunesmith.contracts.datasets import DatasetVersion
from tunesmith.contracts.platform import Platform


def put_version(platform: Platform, digit: str, created_at: str) -> DatasetVersion:
    version = DatasetVersion(
        project="demo",
        dataset="rows",
        version=digit * 64,
        sources=MANIFEST.sources,
        recipe_version_id=None,
        created_at=created_at,
    )
    entry = {"dataset": "demo/rows", "entry": f"version#{version.version}", "document": version.model_dump_json()}
    boto3.client("dynamodb").put_item(TableName=platform.tables["datasets"], Item=dynamo.pack(entry))
    return version


def test_newest_first_prepared_or_not(platform: Platform, answer: Callable[..., Any], command: Command) -> None:
    put_version(platform, "a", "2026-11-24T06:00:00.000Z")
    put_version(platform, "b", "2026-11-24T07:00:00.000Z")
    key = dataset_prefix("demo", "rows", "a" * 64) + "manifest.json"
    boto3.client("s3").put_object(Bucket=platform.artifacts_bucket, Key=key, Body=MANIFEST.model_dump_json())
    listed = answer("data", "versions")
    assert [one["version"]["version"][0] for one in listed] == ["b", "a"]
    assert listed[0]["manifest"] is None and listed[1]["manifest"]["counts"]["kept"] == 7
    shown = command("data", "versions", "-p", "demo").output
    assert "not prepared" in shown and "5 / 0 / 2" in shown and "a|b<script>.jsonl" in shown
    assert answer("data", "versions", "-p", "other") == []
