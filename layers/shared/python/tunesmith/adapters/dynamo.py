"""Rows in DynamoDB, written so that every write can be repeated and every answer can be lost.

The SDK retries a write whose answer was lost, and the retry meets the row that the first try wrote. So each
conditional write carries an owner
token, and a failed condition is read back: only a row with another owner means that somebody else won.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError

Row = dict[str, Any]

CONTENTION = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


@cache
def client() -> Any:
    """The process's one DynamoDB client; `client.cache_clear()` forgets it."""
    return boto3.client("dynamodb", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def owner_token() -> str:
    """A token that no other writer has."""
    return secrets.token_hex(16)


def pack(row: Row) -> Row:
    """A row in DynamoDB's own spelling; None attributes are left out."""
    return {name: TypeSerializer().serialize(value) for name, value in row.items() if value is not None}


def unpack(item: Row) -> Row:
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


@dataclass(frozen=True)
class Put:
    """A row to write. `condition` and `values` as in DynamoDB's expressions; names may be reserved words
    through `names`."""

    table: str
    row: Row
    key: tuple[str, ...]
    """Names of the key attributes."""
    condition: str | None = None
    values: Row = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls, table: str, row: Row, key: tuple[str, ...]) -> "Put":
        """A row that must not be there yet."""
        return cls(table, row, key, condition=f"attribute_not_exists({key[0]})")

    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"TableName": self.table, "Item": pack(self.row)}
        if self.condition:
            arguments["ConditionExpression"] = self.condition
        if self.values:
            arguments["ExpressionAttributeValues"] = pack(self.values)
        if self.names:
            arguments["ExpressionAttributeNames"] = self.names
        return arguments


def get(table: str, key: Row) -> Row | None:
    """The row as of now (strongly consistent), or None."""
    item = client().get_item(TableName=table, Key=pack(key), ConsistentRead=True).get("Item")
    return unpack(item) if item else None


def put(write: Put) -> bool:
    """Write one row. False where its condition does not hold and the row there is not ours; `row["owner"]` must
    be set."""
    try:
        client().put_item(**write.arguments())
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return is_ours(write)
    return True


def transact(writes: list[Put], attempts: int = 8) -> bool:
    """Write all rows or none. False where a condition does not hold and the rows there are not ours.

    A cancellation by contention alone is tried again: the other transaction may have failed. One row that is ours says
    that all were written: the others may have been written over since.
    """
    for attempt in range(attempts):
        try:
            client().transact_write_items(TransactItems=[{"Put": write.arguments()} for write in writes])
        except ClientError as error:
            if error.response["Error"]["Code"] != "TransactionCanceledException":
                raise
            if any(is_ours(write) for write in writes):
                return True
            if attempt + 1 == attempts or not _only_contention(error):
                return False
        else:
            return True
    return False


def is_ours(write: Put) -> bool:
    """Whether the row that is there now carries the owner token of this write: then it landed, whatever the
    answer said."""
    found = get(write.table, {name: write.row[name] for name in write.key})
    return found is not None and found.get("owner") == write.row["owner"]


def query(table: str, partition: tuple[str, str], sort_prefix: tuple[str, str] | None = None) -> Iterator[Row]:
    """All rows of a partition (strongly consistent) in order of the sort key; optionally those whose sort key
    has a prefix."""
    names, values = {"#p": partition[0]}, {":p": partition[1]}
    condition = "#p = :p"
    if sort_prefix:
        names["#s"], values[":s"] = sort_prefix
        condition += " AND begins_with(#s, :s)"
    yield from _pages(
        "query",
        TableName=table,
        KeyConditionExpression=condition,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=pack(values),
        ConsistentRead=True,
    )


def query_index(table: str, index: str, partition: tuple[str, str], newest_first: bool = True) -> Iterator[Row]:
    """Rows of an index, for listings: they may lag behind the table."""
    yield from _pages(
        "query",
        TableName=table,
        IndexName=index,
        KeyConditionExpression="#p = :p",
        ExpressionAttributeNames={"#p": partition[0]},
        ExpressionAttributeValues=pack({":p": partition[1]}),
        ScanIndexForward=not newest_first,
    )


def scan(table: str) -> Iterator[Row]:
    """Every row of a table, for people and reconcilers; never on a hot path."""
    yield from _pages("scan", TableName=table, ConsistentRead=True)


def _pages(operation: str, **arguments: Any) -> Iterator[Row]:
    for page in client().get_paginator(operation).paginate(**arguments):
        for item in page["Items"]:
            yield unpack(item)


def _only_contention(error: ClientError) -> bool:
    codes = {reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])}
    return bool(codes & CONTENTION) and codes <= CONTENTION | {"None"}
