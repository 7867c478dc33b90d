"""The functions at the loop's edges in moto: environment, an imported base model, a state machine, and events."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from functions.accept_upload import handler as accept_upload
from functions.decide_retrain import handler as decide_retrain
from functions.reconcile_uploads import handler as reconcile_uploads
from functions.record_state import handler as record_state
from functions.request_approval import handler as request_approval
from functions.start_run import handler as start_run
from tunesmith.adapters import dynamo
from tunesmith.contracts.artifacts import base_pointer_key, recipe_key
from tunesmith.contracts.datasets import DatasetVersion
from tunesmith.contracts.identity import digest
from tunesmith.contracts.models import BaseModelManifest
from tunesmith.contracts.recipes import Recipe
from tunesmith.contracts.tables import TABLES

EVENTS = Path(__file__).parents[2] / "events"
HANDLERS = (accept_upload, decide_retrain, reconcile_uploads, record_state, request_approval, start_run)
KEY = "uploads/docs/docstrings/train.jsonl"
BASE = BaseModelManifest(
    name=Recipe().base_model,
    source="made for tests",
    licence="none",
    files=[],
    digest=digest("base"),
    template_hash=digest("template"),
    parameters=1,
)


@dataclass(frozen=True)
class Edges:
    """What a test does to the platform from outside, and what it sees of it."""

    state_machine_arn: str

    def upload(self, key: str = KEY, body: bytes = b"{}\n") -> str:
        """Put an object; its version."""
        return boto3.client("s3").put_object(Bucket="uploads", Key=key, Body=body)["VersionId"]

    def write_recipe(self, text: str, project: str = "docs") -> str:
        return self.upload(recipe_key(project), text.encode())

    def rows(self, table: str) -> list[dict[str, Any]]:
        return list(dynamo.scan(table))

    def row_counts(self) -> tuple[int, int, int]:
        """Uploads, dataset versions and runs."""
        return len(self.rows("uploads")), len(self.versions()), len(self.rows("runs"))

    def versions(self) -> list[DatasetVersion]:
        """Of all datasets, the oldest first."""
        rows = [row for row in self.rows("datasets") if row["entry"].startswith("version#")]
        found = [DatasetVersion.model_validate_json(row["document"]) for row in rows]
        return sorted(found, key=lambda version: version.created_at)

    def executions(self) -> list[str]:
        """Names of all executions that were ever started."""
        pages = (
            boto3.client("stepfunctions")
            .get_paginator("list_executions")
            .paginate(stateMachineArn=self.state_machine_arn)
        )
        return [execution["name"] for page in pages for execution in page["executions"]]


def open_edges(patch: pytest.MonkeyPatch) -> Edges:
    """The six functions over moto's empty tables and buckets."""
    definition = json.dumps({"StartAt": "wait", "States": {"wait": {"Type": "Wait", "Seconds": 60, "End": True}}})
    arn = boto3.client("stepfunctions").create_state_machine(
        name="lifecycle", definition=definition, roleArn="arn:aws:iam::123456789012:role/lifecycle"
    )["stateMachineArn"]
    variables = {f"{spec.name.upper()}_TABLE": spec.name for spec in TABLES}
    variables |= {f"{bucket.upper()}_BUCKET": bucket for bucket in ("uploads", "artifacts", "models")}
    for name, value in (variables | {"STATE_MACHINE_ARN": arn}).items():
        patch.setenv(name, value)
    for handler in HANDLERS:
        handler.env.cache_clear()
    pointer = base_pointer_key(BASE.name)
    boto3.client("s3").put_object(Bucket="models", Key=pointer, Body=BASE.model_dump_json())
    return Edges(arn)


def eventbridge(version_id: str, key: str = KEY, sequencer: str = "006408CAD69598B05E") -> dict[str, Any]:
    """The recorded event, about this object version."""
    event = json.loads((EVENTS / "accept_upload/eventbridge.json").read_text())
    event["detail"]["object"].update({"key": key, "version-id": version_id, "sequencer": sequencer})
    return event


def notification(version_id: str, encoded_key: str = KEY) -> dict[str, Any]:
    event = json.loads((EVENTS / "accept_upload/notification.json").read_text())
    event["Records"][0]["s3"]["object"].update({"key": encoded_key, "versionId": version_id})
    return event


def sqs(*bodies: dict[str, Any] | str) -> dict[str, Any]:
    """A batch whose messages have these bodies and the ids `message-0`, `message-1`, ..."""
    event = json.loads((EVENTS / "accept_upload/sqs.json").read_text())
    [record] = event["Records"]
    event["Records"] = [
        record | {"messageId": f"message-{number}", "body": body if isinstance(body, str) else json.dumps(body)}
        for number, body in enumerate(bodies)
    ]
    return event


def stream(*rows: dict[str, Any], name: str = "INSERT") -> dict[str, Any]:
    """A DynamoDB stream event about these rows, in the recorded shape."""
    event = json.loads((EVENTS / "start_run/queued.json").read_text())
    record = event["Records"][0]
    event["Records"] = [
        record | {"eventName": name, "dynamodb": record["dynamodb"] | {"NewImage": dynamo.pack(row)}} for row in rows
    ]
    return event
