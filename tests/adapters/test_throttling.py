"""A project's requests are counted by a key of their own."""

from collections.abc import Iterator

import boto3
import pytest

from tunesmith.adapters import throttling
from tunesmith.contracts.keys import usage_key


@pytest.fixture
def plan_id(aws: None) -> Iterator[str]:
    throttling.client.cache_clear()
    yield boto3.client("apigateway").create_usage_plan(name="other-projects")["id"]
    throttling.client.cache_clear()


def keys_of(plan_id: str) -> list[str]:
    gateway = boto3.client("apigateway")
    values = {key["id"]: key["value"] for key in gateway.get_api_keys(includeValues=True)["items"]}
    return [values[key["id"]] for key in gateway.get_usage_plan_keys(usagePlanId=plan_id)["items"]]


def test_new_project_is_counted_by_the_plan_of_the_others(plan_id: str) -> None:
    assert throttling.admit("support", plan_id)
    assert keys_of(plan_id) == [usage_key("support")]


def test_project_is_admitted_once(plan_id: str) -> None:
    throttling.admit("support", plan_id)
    assert not throttling.admit("support", plan_id)
    assert keys_of(plan_id) == [usage_key("support")]


def test_project_with_a_plan_of_its_own_keeps_it(plan_id: str) -> None:
    own = boto3.client("apigateway").create_usage_plan(name="own")["id"]
    throttling.admit("support", own)
    assert not throttling.admit("support", plan_id)
    assert (keys_of(own), keys_of(plan_id)) == ([usage_key("support")], [])


def test_key_left_without_a_plan_by_a_crash_gets_one(plan_id: str) -> None:
    boto3.client("apigateway").create_api_key(name="x", value=usage_key("support"), enabled=True)
    assert throttling.admit("support", plan_id)
    assert keys_of(plan_id) == [usage_key("support")]
