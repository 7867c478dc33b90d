"""Transactions: all or nothing, and no slower for the rows that they do not name."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import locks, table_transactions
from infra.local_cloud.cloud import Cloud

PLUGINS = [locks, table_transactions]
TABLES = {"plain": ["id"], "ranged": ["id", "entry"]}


@pytest.fixture(params=sorted(TABLES))
def table(cloud: Cloud, request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    """A new table and its key attributes."""
    keys, name = TABLES[request.param], f"table-{time.time_ns()}"
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    return name, keys


def key(keys: list[str], value: str) -> dict[str, Any]:
    return {"id": {"S": value}} | ({"entry": {"S": "e"}} if "entry" in keys else {})


def words(cloud: Cloud, name: str) -> dict[str, str]:
    return {row["id"]["S"]: row["word"]["S"] for row in cloud.client("dynamodb").scan(TableName=name)["Items"]}


def operations(name: str, keys: list[str], condition: str) -> list[dict[str, Any]]:
    """Change a row, make one, remove one, and check a fourth."""
    changed = {"UpdateExpression": "SET word = :new", "ExpressionAttributeValues": {":new": {"S": "new"}}}
    at = {"TableName": name}
    return [
        {"Update": at | changed | {"Key": key(keys, "changed")}},
        {"Put": at | {"Item": key(keys, "made") | {"word": {"S": "new"}}}},
        {"Delete": at | {"Key": key(keys, "removed")}},
        {"ConditionCheck": at | {"Key": key(keys, "checked"), "ConditionExpression": condition}},
    ]


@pytest.fixture
def filled(cloud: Cloud, table: tuple[str, list[str]]) -> tuple[str, list[str]]:
    for value in ("changed", "removed", "checked", "untouched"):
        item = key(table[1], value) | {"word": {"S": "old"}}
        cloud.client("dynamodb").put_item(TableName=table[0], Item=item)
    return table


def test_transaction_that_holds_does_all(cloud: Cloud, filled: tuple[str, list[str]]) -> None:
    cloud.client("dynamodb").transact_write_items(TransactItems=operations(*filled, "attribute_exists(id)"))
    assert words(cloud, filled[0]) == {"changed": "new", "made": "new", "checked": "old", "untouched": "old"}


def test_transaction_that_fails_does_nothing_and_leaves_the_table_as_writable_as_before(
    cloud: Cloud, filled: tuple[str, list[str]]
) -> None:
    dynamodb, before = cloud.client("dynamodb"), words(cloud, filled[0])
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            dynamodb.transact_write_items(TransactItems=operations(*filled, "attribute_not_exists(id)"))
        reasons = error.value.response["CancellationReasons"]
        assert [reason["Code"] for reason in reasons] == ["None", "None", "None", "ConditionalCheckFailed"]
        assert words(cloud, filled[0]) == before
    dynamodb.transact_write_items(TransactItems=operations(*filled, "attribute_exists(id)"))
    assert words(cloud, filled[0])["changed"] == "new"


def test_rows_that_a_transaction_does_not_name_cost_it_little(cloud: Cloud, filled: tuple[str, list[str]]) -> None:
    dynamodb, (name, keys) = cloud.client("dynamodb"), filled

    def transact() -> float:
        began = time.perf_counter()
        for _ in range(5):
            with pytest.raises(ClientError):
                dynamodb.transact_write_items(TransactItems=operations(name, keys, "attribute_not_exists(id)"))
        return time.perf_counter() - began

    few = transact()
    for first in range(0, 1000, 25):
        puts = [
            {"PutRequest": {"Item": key(keys, str(number)) | {"word": {"S": "x" * 200}}}}
            for number in range(first, first + 25)
        ]
        dynamodb.batch_write_item(RequestItems={name: puts})
    assert transact() < 5 * few + 0.5
