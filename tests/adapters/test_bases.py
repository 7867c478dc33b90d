"""Base models by name: the pointer says which folder, and a broken pointer is no base model."""

import boto3
import pytest

from tests.support.edges import BASE
from tunesmith.adapters.bases import context_length, find_base
from tunesmith.adapters.storage import Storage
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


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ('{"max_position_embeddings": 2048}', 2048),
        ('{"text_config": {"max_position_embeddings": 512}}', 512),
        ('{"max_position_embeddings": null}', None),
        ('{"text_config": "none"}', None),
        ("[]", None),
        (None, None),
    ],
)
def test_context_of_a_base_is_what_its_configuration_says(buckets, config, tokens):
    if config is not None:
        Storage().write("s3://models/bases/x/config.json", config)
    assert context_length(Storage(), "s3://models/bases/x/") == tokens


def test_configuration_that_is_no_json_is_an_error_with_its_place(buckets):
    Storage().write("s3://models/bases/x/config.json", "{")
    with pytest.raises(IntegrityError, match=r"bases/x/config.json"):
        context_length(Storage(), "s3://models/bases/x/")
