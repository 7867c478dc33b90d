"""S3 events against moto: an upload is accepted exactly once, in each shape, and nothing fails silently."""

import json

import boto3
import pytest

from functions.accept_upload.handler import lambda_handler
from tests.support.edges import KEY, eventbridge, notification, open_edges, sqs
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.datasets import Upload
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.runs import RunStatus


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


def metric_names(capsys) -> list[str]:
    """Names of the EMF metrics that were printed."""
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    found = [json.loads(line)["_aws"]["CloudWatchMetrics"][0]["Metrics"] for line in lines]
    return [metric["Name"] for metrics in found for metric in metrics]


@pytest.mark.parametrize("shape", [eventbridge, notification, lambda version: sqs(notification(version))])
def test_upload_in_each_shape_becomes_upload_version_and_queued_run(edges, context, shape):
    version = edges.upload()
    lambda_handler(shape(version), context)
    [upload_row], [made], [run_row] = edges.rows("uploads"), edges.versions(), edges.rows("runs")
    upload, run = Upload.model_validate_json(upload_row["document"]), run_of(run_row)
    assert (upload.key, upload.version_id, upload.size) == (KEY, version, 3)
    assert (run.status, run.request.run_id) == (RunStatus.QUEUED, upload.run_id)
    assert [source.version_id for source in run.request.sources] == [version]
    assert made.version == run.request.dataset_version


def test_repeat_in_another_shape_writes_nothing_and_is_counted(edges, context, capsys):
    version = edges.upload()
    lambda_handler(eventbridge(version), context)
    before = [edges.rows(table) for table in ("uploads", "datasets", "runs")]
    lambda_handler(sqs(notification(version), eventbridge(version)), context)
    assert [edges.rows(table) for table in ("uploads", "datasets", "runs")] == before
    assert metric_names(capsys) == ["DuplicateEvent", "DuplicateEvent"]


def test_repeat_after_the_recipe_changed_is_still_the_same_run(edges, context):
    edges.write_recipe("finetune: {epochs: 2}")
    version = edges.upload()
    lambda_handler(eventbridge(version), context)
    edges.write_recipe("finetune: {epochs: 3}")
    lambda_handler(eventbridge(version), context)
    [run] = edges.rows("runs")
    assert run_of(run).request.recipe.finetune.epochs == 2


def test_recipe_version_is_pinned(edges, context):
    pinned = edges.write_recipe("model: docstrings")
    lambda_handler(eventbridge(edges.upload()), context)
    [upload], [run] = edges.rows("uploads"), edges.rows("runs")
    assert Upload.model_validate_json(upload["document"]).recipe_version_id == pinned
    assert run_of(run).request.model == "docstrings"


def test_each_version_of_one_key_is_a_run_of_its_own(edges, context):
    for version in (edges.upload(body=b"1"), edges.upload(body=b"2")):
        lambda_handler(eventbridge(version), context)
    assert edges.row_counts() == (2, 2, 2)


@pytest.mark.parametrize(
    "recipe", ["finetune: {epoch: 2}", "base_model: no-such-model", "[1, 2", "finetune: {epochs: many}"]
)
def test_recipe_that_cannot_be_used_records_a_failed_run_with_the_reason(edges, context, capsys, recipe):
    edges.write_recipe(recipe)
    lambda_handler(eventbridge(edges.upload()), context)
    [run] = edges.rows("runs")
    assert (run_of(run).status, len(run_of(run).reasons)) == (RunStatus.FAILED, 1)
    assert edges.row_counts() == (1, 0, 1)
    assert metric_names(capsys) == ["RunsFailed"]


def test_on_upload_nothing_records_the_upload_alone(edges, context):
    edges.write_recipe("on_upload: nothing")
    lambda_handler(eventbridge(edges.upload()), context)
    assert edges.row_counts() == (1, 0, 0)


def test_on_upload_prepare_queues_a_run(edges, context):
    edges.write_recipe("on_upload: prepare")
    lambda_handler(eventbridge(edges.upload()), context)
    assert edges.row_counts() == (1, 1, 1)


@pytest.mark.parametrize("field", ["bucket", "account", "region"])
def test_forged_event_is_counted_and_nothing_is_read(edges, context, event, capsys, field):
    lambda_handler(event(f"accept_upload/forged_{field}.json"), context)
    assert metric_names(capsys) == ["ForgedEvent"]
    assert edges.row_counts() == (0, 0, 0)


def test_event_of_an_unversioned_bucket_is_refused_with_what_to_do(edges, context, event):
    with pytest.raises(InvalidInput, match="versioning"):
        lambda_handler(event("accept_upload/unversioned.json"), context)


@pytest.mark.parametrize("case", ["recipe", "test_event"])
def test_event_about_no_upload_is_ignored(edges, context, event, case):
    lambda_handler(event(f"accept_upload/{case}.json"), context)
    assert edges.row_counts() == (0, 0, 0)


@pytest.mark.parametrize(
    "key", ["uploads/lone.jsonl", "uploads/Docs/d/f.jsonl", "uploads/docs/d/..", "uploads/a/B/c/_dataset.json"]
)
def test_upload_under_a_key_that_names_no_dataset_is_refused(edges, context, key):
    with pytest.raises(InvalidInput, match="expected uploads/<project>/<dataset>/<file>"):
        lambda_handler(eventbridge(edges.upload(key), key), context)


def test_version_deleted_before_the_event_is_no_upload_and_no_error(edges, context):
    version = edges.upload()
    boto3.client("s3").delete_object(Bucket="uploads", Key=KEY, VersionId=version)
    lambda_handler(eventbridge(version), context)
    assert edges.row_counts() == (0, 0, 0)


def test_key_deleted_before_the_event_is_no_upload_and_no_error(edges, context):
    version = edges.upload()
    boto3.client("s3").delete_object(Bucket="uploads", Key=KEY)
    lambda_handler(eventbridge(version), context)
    assert edges.row_counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("shape", "told"),
    [(eventbridge, "uploads/docs/d/café +1.jsonl"), (notification, "uploads/docs/d/caf%C3%A9+%2B1.jsonl")],
)
def test_key_is_resolved_to_the_byte_in_both_envelopes(edges, context, shape, told):
    key = "uploads/docs/d/café +1.jsonl"
    lambda_handler(shape(edges.upload(key), told), context)
    [upload] = edges.rows("uploads")
    assert Upload.model_validate_json(upload["document"]).key == key


def test_poison_messages_alone_go_back_to_the_queue(edges, context):
    good = [edges.upload(f"uploads/docs/d/{number}.jsonl") for number in range(2)]
    batch = sqs(
        "{not json",
        eventbridge(good[0], "uploads/docs/d/0.jsonl"),
        {"no": "event"},
        eventbridge(good[1], "uploads/docs/d/1.jsonl"),
        "[]",
    )
    answer = lambda_handler(batch, context)
    returned = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    assert returned == {"message-0", "message-2", "message-4"}
    assert edges.row_counts() == (2, 2, 2)
