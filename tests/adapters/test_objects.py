"""Object versions in moto's S3: pinned, listed without the deleted, written once."""

import boto3
import pytest

from tunesmith.adapters import objects
from tunesmith.contracts.errors import NotFound, SourceGone


@pytest.fixture
def s3(buckets):
    return boto3.client("s3")


def put(s3, key, body=b"x"):
    return s3.put_object(Bucket="uploads", Key=key, Body=body)["VersionId"]


def test_size_is_the_pinned_versions_own(s3):
    first, _ = put(s3, "a", b"1"), put(s3, "a", b"12345")
    assert objects.size_of("uploads", "a", first) == 1


def test_removed_version_and_deleted_key_are_gone(s3):
    removed, deleted = put(s3, "a"), put(s3, "b")
    s3.delete_object(Bucket="uploads", Key="a", VersionId=removed)
    s3.delete_object(Bucket="uploads", Key="b")
    for key, version in (("a", removed), ("b", deleted)):
        with pytest.raises(SourceGone):
            objects.size_of("uploads", key, version)


def test_absent_object_is_not_found(s3):
    with pytest.raises(NotFound):
        objects.read_current("uploads", "absent")


def test_listing_has_every_version_but_those_of_deleted_keys(s3):
    kept = {put(s3, "u/a"), put(s3, "u/a"), put(s3, "u/c")}
    put(s3, "u/b")
    s3.delete_object(Bucket="uploads", Key="u/b")
    put(s3, "elsewhere")
    assert {stored.version_id for stored in objects.versions_under("uploads", "u/")} == kept


def test_key_written_again_after_its_deletion_is_listed(s3):
    put(s3, "u/a")
    s3.delete_object(Bucket="uploads", Key="u/a")
    again = put(s3, "u/a")
    assert again in {stored.version_id for stored in objects.versions_under("uploads", "u/")}


def test_second_write_of_the_same_content_is_the_first_version(s3):
    first = objects.write_once("artifacts", "k", b"rows", "application/jsonl")
    assert objects.write_once("artifacts", "k", b"rows", "application/jsonl") == first
    assert [stored.version_id for stored in objects.versions_under("artifacts", "k")] == [first]
