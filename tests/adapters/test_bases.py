"""Base models by name: the pointer says which folder, and a broken pointer is no base model."""

import boto3
import pytest

from tests.support.edges import BASE
from tunesmith.adapters.bases import find_base
from tunesmith.contracts.artifacts import base_pointer_key
from tunesmith.contracts.errors import IntegrityError
from tunesmith.contracts.models import ModelReference


def test_name_leads_to_folder_and_digest(buckets):
    boto3.client("s3").put_object(Bucket="models", Key=base_pointer_key("small"), Body=BASE.model_dump_json())
    assert find_base("models", "small") == ModelReference(uri=f"s3://models/bases/{BASE.digest}/", digest=BASE.digest)


def test_name_that_nobody_imported_is_none(buckets):
    assert find_base("models", "small") is None


@pytest.mark.parametrize("body", [b"", b"{}", b"\x00"])
def test_broken_pointer_is_an_error(buckets, body):
    boto3.client("s3").put_object(Bucket="models", Key=base_pointer_key("small"), Body=body)
    with pytest.raises(IntegrityError):
        find_base("models", "small")
