"""Fixtures for all tests: AWS as moto, tables and buckets as the platform has them, recorded events."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest
from moto import mock_aws

from tunesmith.adapters import dynamo
from tunesmith.contracts.tables import TABLES, TableSpec

EVENTS = Path(__file__).parents[1] / "events"
ACCOUNT, REGION = "123456789012", "us-east-1"
SERVICE_MODELS = botocore.loaders.create_loader()
"""Read once for all tests: parsing them costs most of what a test with AWS takes."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files stay whole when tests run in parallel, and the lifecycle's share one running platform."""
    for item in items:
        place = item.path.relative_to(Path(__file__).parent)
        group = "lifecycle" if place.parts[0] == "lifecycle" else place.as_posix()
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fresh, empty account."""
    with fresh_account(monkeypatch):
        yield


@contextmanager
def fresh_account(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """What `aws` is, for fixtures that live longer than one test."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        patch.setenv(name, "testing")
    patch.setenv("AWS_DEFAULT_REGION", REGION)
    patch.delenv("AWS_ENDPOINT_URL", raising=False)
    patch.delenv("AWS_PROFILE", raising=False)
    dynamo.client.cache_clear()
    with mock_aws():
        session = botocore.session.get_session()
        session.register_component("data_loader", SERVICE_MODELS)
        boto3.setup_default_session(botocore_session=session)
        yield
    dynamo.client.cache_clear()


def create_table(spec: TableSpec) -> str:
    """Make the table that `spec` describes; its physical name is the spec's own."""
    indexes = [
        {
            "IndexName": index.name,
            "KeySchema": [
                {"AttributeName": index.partition_key, "KeyType": "HASH"},
                {"AttributeName": index.sort_key, "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "ALL"},
        }
        for index in spec.indexes
    ]
    dynamo.client().create_table(
        TableName=spec.name,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in spec.key_schema],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in spec.attribute_names],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    return spec.name


@pytest.fixture
def tables(aws: None) -> dict[str, str]:
    """Every table of the platform: TableSpec.name -> physical name."""
    return {spec.name: create_table(spec) for spec in TABLES}


@pytest.fixture
def buckets(aws: None) -> dict[str, str]:
    """The platform's three buckets, versioned: uploads, artifacts, models."""
    return create_buckets()


def create_buckets() -> dict[str, str]:
    s3 = boto3.client("s3")
    for name in ("uploads", "artifacts", "models"):
        s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return {name: name for name in ("uploads", "artifacts", "models")}


@pytest.fixture
def event() -> Callable[[str], dict[str, Any]]:
    """A recorded event: `event("accept_upload/eventbridge.json")`."""
    return lambda path: json.loads((EVENTS / path).read_text())


class LambdaContext:
    function_name, memory_limit_in_mb = "test", 128
    invoked_function_arn, aws_request_id = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:test", "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@pytest.fixture
def context() -> LambdaContext:
    return LambdaContext()
