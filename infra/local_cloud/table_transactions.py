"""DynamoDB transactions that take no longer the more rows a table has.

moto copies whole tables before a transaction, to put them back if it fails: half a second at a thousand rows. Only the
items that a transaction names can change, so that copies of those are enough; all others are shared.
"""

import copy
import threading
from collections import defaultdict
from functools import wraps
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import put, replace

Keys = dict[str, list[dict[str, Any]]]
"""Table name -> keys of the items that a transaction names."""


class _Running(threading.local):
    keys: Keys | None = None


_running = _Running()


def install(cloud: Cloud) -> None:
    @wraps(DynamoDBBackend.transact_write_items)
    def transact(self: DynamoDBBackend, transact_items: list[dict[str, Any]], *args: Any, **options: Any) -> Any:
        _running.keys = _named(self, transact_items)
        try:
            return motos_transact(self, transact_items, *args, **options)
        finally:
            _running.keys = None

    motos_transact = replace(cloud, DynamoDBBackend, "transact_write_items", transact)
    put(cloud, Table, "__deepcopy__", _copied)


def _named(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> Keys:
    keys: Keys = defaultdict(list)
    for item in transact_items:
        for operation in item.values():
            keys[operation["TableName"]].append(operation.get("Key") or operation.get("Item") or {})
    return keys


def _copied(table: Table, memo: dict[int, Any]) -> Table:
    """A copy of the table: within a transaction one that is good for its rollback, else a deep one."""
    fresh: Table = copy.copy(table)
    memo[id(table)] = fresh
    if _running.keys is None:
        fresh.__dict__.update({name: copy.deepcopy(value, memo) for name, value in vars(table).items()})
        return fresh
    fresh.items = table.items.copy()
    for key in _running.keys[table.name]:
        _set_apart(fresh, key)
    if table.stream_shard is not None:
        fresh.stream_shard = copy.copy(table.stream_shard)
        fresh.stream_shard.items, fresh.stream_shard.table = list(table.stream_shard.items), fresh
    return fresh


def _set_apart(table: Table, key: dict[str, Any]) -> None:
    """Give the table a copy of its own of one item."""
    if table.hash_key_attr not in key:
        return
    hash_key = DynamoType(key[table.hash_key_attr])
    if hash_key not in table.items:
        return
    if table.range_key_attr is None:
        table.items[hash_key] = copy.deepcopy(table.items[hash_key])
        return
    ranges = table.items[hash_key] = table.items[hash_key].copy()
    range_key = DynamoType(key[table.range_key_attr])
    if range_key in ranges:
        ranges[range_key] = copy.deepcopy(ranges[range_key])
