"""Folders against moto: one dataset when its list lands, once, of exactly the versions that it names."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest

from functions.accept_upload.handler import lambda_handler
from functions.reconcile_uploads.handler import lambda_handler as reconcile
from tests.support.edges import KEY, eventbridge, open_edges, sqs
from tests.support.faults import wire
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.artifacts import upload_key
from tunesmith.contracts.runs import RunStatus

FOLDER = "uploads/docs/docstrings/november/"
LIST = FOLDER + "_dataset.json"


@pytest.fixture
def edges(tables, buckets, monkeypatch):
    return open_edges(monkeypatch)


def put_list(edges, *files, **more) -> str:
    return edges.upload(LIST, json.dumps({"files": list(files)} | more).encode())


def append(edges, context, name: str, path: str = "a.jsonl") -> str:
    """A folder of one file, appended to the dataset; the version of its file."""
    folder = upload_key("docs", "docstrings", f"{name}/")
    version = edges.upload(folder + path, name.encode())
    body = json.dumps({"files": [{"path": path}], "append": True}).encode()
    lambda_handler(eventbridge(edges.upload(folder + "_dataset.json", body), folder + "_dataset.json"), context)
    return version


def newest(edges) -> list[str]:
    """Object versions of the files of the dataset's newest version, in order."""
    [pointer] = [row for row in edges.rows("datasets") if row["entry"] == "newest"]
    [version] = [version for version in edges.versions() if version.version == pointer["version"]]
    return [source.version_id for source in version.sources]


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
    assert [source.size for source in run(edges).request.sources] == [3, 3]
    [version] = edges.versions()
    assert version.sources == run(edges).request.sources
    assert run(edges).status is RunStatus.QUEUED


@pytest.mark.parametrize("case", ["folder_list", "folder_notification"])
def test_list_of_a_folder_with_a_space_is_found_in_both_envelopes(edges, context, event, case):
    folder = upload_key("docs", "docstrings", "november 2026/")
    file = edges.upload(folder + "a.jsonl")
    version = edges.upload(folder + "_dataset.json", b'{"files": [{"path": "a.jsonl"}]}')
    told = json.dumps(event(f"accept_upload/{case}.json")).replace("yd3d4HaWOT2zguDLvIQLU6ptDTwKBnQV", version)
    lambda_handler(json.loads(told), context)
    assert newest(edges) == [file]


def test_member_of_a_folder_is_no_upload(edges, context, event):
    lambda_handler(event("accept_upload/folder_member.json"), context)
    assert edges.row_counts() == (0, 0, 0)


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


def test_appended_files_are_added_to_the_newest_version(edges, context):
    whole = edges.upload(KEY)
    lambda_handler(eventbridge(whole), context)
    first, second = append(edges, context, "first"), append(edges, context, "second")
    assert newest(edges) == [whole, first, second]
    assert {len(run_of(row).request.sources) for row in edges.rows("runs")} == {1, 2, 3}
    assert edges.row_counts() == (3, 3, 3)


def test_first_that_is_appended_is_the_dataset(edges, context):
    first = append(edges, context, "first")
    assert newest(edges) == [first]


def test_what_is_not_appended_is_all_of_the_next_version(edges, context):
    append(edges, context, "first")
    whole = edges.upload(KEY)
    lambda_handler(eventbridge(whole), context)
    assert newest(edges) == [whole]
    second = append(edges, context, "second")
    assert newest(edges) == [whole, second]


def test_object_version_that_is_there_already_is_not_appended_twice(edges, context):
    first = append(edges, context, "first")
    folder = upload_key("docs", "docstrings", "first/")
    body = json.dumps({"files": [{"path": "a.jsonl", "versionId": first}], "append": True}).encode()
    lambda_handler(eventbridge(edges.upload(folder + "_dataset.json", body), folder + "_dataset.json"), context)
    assert newest(edges) == [first]


def test_appending_repeated_later_changes_nothing(edges, context):
    first = append(edges, context, "first")
    second = append(edges, context, "second")
    before, key = edges.rows("datasets"), upload_key("docs", "docstrings", "first/_dataset.json")
    told = boto3.client("s3").head_object(Bucket="uploads", Key=key)["VersionId"]
    lambda_handler(eventbridge(told, key), context)
    assert edges.rows("datasets") == before and newest(edges) == [first, second]


def test_appending_at_once_loses_none(edges, context):
    names = [f"part-{number}" for number in range(8)]
    with wire(), ThreadPoolExecutor(4) as pool:
        versions = list(pool.map(lambda name: append(edges, context, name), names))
    assert sorted(newest(edges)) == sorted(versions)
    assert sorted(len(version.sources) for version in edges.versions()) == list(range(1, 9))


def test_appending_is_refused_before_a_run_cannot_carry_it(edges, context):
    for name in ("first", "second"):
        folder, files = upload_key("docs", "docstrings", f"{name}/"), [f"{'x' * 300}-{n}.jsonl" for n in range(70)]
        for file in files:
            edges.upload(folder + file)
        body = json.dumps({"files": [{"path": file} for file in files], "append": True}).encode()
        lambda_handler(eventbridge(edges.upload(folder + "_dataset.json", body), folder + "_dataset.json"), context)
    reasons = [run_of(row).reasons for row in edges.rows("runs")]
    assert sorted(map(len, reasons)) == [0, 1] and "140 files" in str(reasons)
    assert len(newest(edges)) == 70


def test_digest_that_s3_knows_is_compared_at_once(edges, context):
    boto3.client("s3").put_object(Bucket="uploads", Key=FOLDER + "a.jsonl", Body=b"{}\n", ChecksumAlgorithm="SHA256")
    right, wrong = hashlib.sha256(b"{}\n").hexdigest(), "0" * 64
    lambda_handler(eventbridge(put_list(edges, {"path": "a.jsonl", "sha256": wrong}), LIST), context)
    assert "the list says 0000" in run(edges).reasons[0] and "a.jsonl" in run(edges).reasons[0]
    lambda_handler(eventbridge(put_list(edges, {"path": "a.jsonl", "sha256": right}), LIST), context)
    [version] = edges.versions()
    assert [source.sha256 for source in version.sources] == [None]


def test_digest_that_s3_does_not_know_goes_with_the_source(edges, context):
    edges.upload(FOLDER + "a.jsonl")
    lambda_handler(eventbridge(put_list(edges, {"path": "a.jsonl", "sha256": "0" * 64}), LIST), context)
    assert [source.sha256 for source in run(edges).request.sources] == ["0" * 64]
