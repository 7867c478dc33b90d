"""Folders against moto: one dataset when its list lands, once, of exactly the versions that it names."""

import json

import boto3
import pytest

from functions.accept_upload.handler import lambda_handler
from functions.reconcile_uploads.handler import lambda_handler as reconcile
from tests.support.edges import eventbridge, open_edges, sqs
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.datasets import DatasetVersion
from tunesmith.contracts.runs import RunStatus

FOLDER = "uploads/docs/docstrings/november/"
LIST = FOLDER + "_dataset.json"


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


def put_list(edges, *files, **more) -> str:
    return edges.upload(LIST, json.dumps({"files": list(files)} | more).encode())


def run(edges):
    [row] = edges.rows("runs")
    return run_of(row)


def test_files_wait_for_the_list_and_become_one_dataset(edges, context):
    first, second = edges.upload(FOLDER + "a.jsonl"), edges.upload(FOLDER + "more/b é.jsonl")
    for key, version in ((FOLDER + "a.jsonl", first), (FOLDER + "more/b é.jsonl", second)):
        lambda_handler(eventbridge(version, key), context)
    assert edges.row_counts() == (0, 0, 0)
    told = put_list(edges, {"path": "a.jsonl", "bytes": 3}, {"path": "more/b é.jsonl"}, license="MIT")
    lambda_handler(eventbridge(told, LIST), context)
    assert [source.version_id for source in run(edges).request.sources] == [first, second]
    [version] = edges.rows("datasets")
    assert DatasetVersion.model_validate_json(version["document"]).sources == run(edges).request.sources
    assert run(edges).status is RunStatus.QUEUED


def test_listed_version_is_used_and_not_the_newest(edges, context):
    old, _ = edges.upload(FOLDER + "a.jsonl", b"1"), edges.upload(FOLDER + "a.jsonl", b"2")
    lambda_handler(eventbridge(put_list(edges, {"path": "a.jsonl", "versionId": old}), LIST), context)
    assert [source.version_id for source in run(edges).request.sources] == [old]


def test_repeats_after_a_file_changed_are_the_same_run(edges, context):
    edges.upload(FOLDER + "a.jsonl")
    told = eventbridge(put_list(edges, {"path": "a.jsonl"}), LIST)
    lambda_handler(told, context)
    before = edges.rows("runs")
    edges.upload(FOLDER + "a.jsonl", b"later")
    lambda_handler(sqs(told, told), context)
    assert edges.rows("runs") == before and edges.row_counts() == (1, 1, 1)


def test_same_list_uploaded_again_is_another_version(edges, context):
    edges.upload(FOLDER + "a.jsonl")
    for _ in range(2):
        lambda_handler(eventbridge(put_list(edges, {"path": "a.jsonl"}), LIST), context)
    assert edges.row_counts() == (2, 2, 2)


def test_reconciler_finds_a_lost_list_and_leaves_the_files(edges, context):
    edges.upload(FOLDER + "a.jsonl")
    put_list(edges, {"path": "a.jsonl"})
    assert reconcile({}, context)["accepted"] == 1
    assert edges.row_counts() == (1, 1, 1)
    assert reconcile({}, context)["accepted"] == 0


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b'{"files": [], "files": []}', "twice"),
        (b'{"files": []}', "files"),
        (b'{"files": [{"path": "a.jsonl"}], "licence": "MIT"}', "licence"),
        (b'{"files": [{"path": "a.jsonl"}, {"path": "a.jsonl"}]}', "more than once"),
        (b'{"files": [{"path": "../secret.jsonl"}]}', "below the folder"),
        (b'{"files": [{"path": "/a.jsonl"}]}', "below the folder"),
        (b'{"files": [{"path": "missing.jsonl"}]}', "missing.jsonl"),
        (b'{"files": [{"path": "a.jsonl", "versionId": "none"}]}', "version none"),
        (b'{"files": [{"path": "a.jsonl", "bytes": 4}]}', "the list says 4"),
        (b" " * (2 << 20), "at most"),
    ],
)
def test_list_that_cannot_be_followed_is_a_recorded_refusal(edges, context, body, named):
    edges.upload(FOLDER + "a.jsonl")
    lambda_handler(eventbridge(edges.upload(LIST, body), LIST), context)
    assert run(edges).status is RunStatus.FAILED
    assert named in run(edges).reasons[0] and LIST in run(edges).reasons[0]
    assert edges.row_counts() == (1, 0, 1)


def test_more_than_a_run_can_carry_is_refused(edges, context):
    names = [f"{'x' * 400}-{number}.jsonl" for number in range(150)]
    for name in names:
        edges.upload(FOLDER + name)
    lambda_handler(eventbridge(put_list(edges, *({"path": name} for name in names)), LIST), context)
    assert "join files" in run(edges).reasons[0] and edges.row_counts() == (1, 0, 1)


def test_deleted_file_is_missing(edges, context):
    edges.upload(FOLDER + "a.jsonl")
    boto3.client("s3").delete_object(Bucket="uploads", Key=FOLDER + "a.jsonl")
    lambda_handler(eventbridge(put_list(edges, {"path": "a.jsonl"}), LIST), context)
    assert "no object" in run(edges).reasons[0]
