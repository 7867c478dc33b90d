"""DynamoDB streams: what a table's stream holds, and how it feeds a function.

The stream has one shard. A record is there when its write is committed: the reader takes the service's lock, so that it
sees nothing of a transaction that moto may still roll back.
"""

import base64
import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from moto.awslambda.models import EventSourceMapping
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import StreamRecord, StreamShard

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.destinations import send
from infra.local_cloud.event_batches import Outcome, hand_over, wanted
from infra.local_cloud.locks import LOCKS
from infra.local_cloud.patching import replace

WAIT_SECONDS = 2.0
KEPT_RECORDS = 1000
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0

_written = threading.Condition()


def install(cloud: Cloud) -> None:
    replace(cloud, StreamShard, "add", add)


def add(self: StreamShard, old: Any, new: Any) -> None:
    """Append what a write did, and wake the readers. A write that changes nothing leaves no record. moto's UpdateItem
    writes a new item twice, its key first: the second replaces the first."""
    if old is not None and new is not None and old.to_json() == new.to_json():
        return
    kind = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    number = self.starting_sequence_number + len(self.items)
    view = self.table.stream_specification["StreamViewType"]
    record = StreamRecord(self.table, view, kind, old, new, number)
    if kind == "INSERT" and self.items and _same_insert(self.items[-1].record, record.record):
        record.record["dynamodb"]["SequenceNumber"] = self.items[-1].record["dynamodb"]["SequenceNumber"]
        self.items[-1] = record
    else:
        self.items.append(record)
    with _written:
        _written.notify_all()


def _same_insert(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return before["eventName"] == "INSERT" and before["dynamodb"]["Keys"] == after["dynamodb"]["Keys"]


class TableStreamSource:
    """Reads one stream, in order, for one mapping."""

    def __init__(self, cloud: Cloud, mapping: EventSourceMapping):
        self._cloud, self._mapping = cloud, mapping
        self._table = mapping.event_source_arn.split("/")[1]
        self._next = self._first()

    def poll(self) -> None:
        """The next batch, if there is one, to its end: records that fail hold up those behind them."""
        records = self._read(self._mapping.batch_size)
        if not records:
            with _written:
                _written.wait(WAIT_SECONDS)
            return
        chosen = [record for record in records if wanted(self._mapping, record)]
        if chosen:
            self._handle(chosen)
        self._next = int(records[-1]["dynamodb"]["SequenceNumber"]) + 1
        self._forget()

    def _shard(self) -> StreamShard:
        """Of the table as it is now: a rolled back transaction puts a copy in its place."""
        shard = dynamodb_backends[self._cloud.account][self._cloud.region].tables[self._table].stream_shard
        assert shard, f"{self._table} has no stream any more"
        return shard

    def _first(self) -> int:
        with LOCKS["dynamodb"]:
            shard = self._shard()
            past = len(shard.items) if self._mapping.starting_position == "LATEST" else 0
            return int(shard.starting_sequence_number) + past

    def _read(self, most: int) -> list[dict[str, Any]]:
        with LOCKS["dynamodb"]:
            shard = self._shard()
            self._next = max(self._next, shard.starting_sequence_number)
            return [self._record(record) for record in shard.get(self._next, most)]

    def _record(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record, as the function gets it."""
        change = record["dynamodb"]
        created = change["ApproximateCreationDateTime"].replace(tzinfo=UTC)
        change = change | {"ApproximateCreationDateTime": float(int(created.timestamp()))}
        shown = record | {
            "eventVersion": "1.1",
            "awsRegion": self._cloud.region,
            "dynamodb": change,
            "eventSourceARN": self._mapping.event_source_arn,
        }
        found: dict[str, Any] = json.loads(json.dumps(shown, default=lambda raw: base64.b64encode(raw).decode()))
        return found

    def _forget(self) -> None:
        """Drop records long read, so that a stream does not grow for ever."""
        with LOCKS["dynamodb"]:
            shard = self._shard()
            old = self._next - shard.starting_sequence_number - KEPT_RECORDS
            if old > KEPT_RECORDS:
                del shard.items[:old]
                shard.starting_sequence_number += old

    def _handle(self, records: Sequence[dict[str, Any]]) -> None:
        """Until the function has handled all, or the mapping's retries are used up."""
        attempts, pause = 0, FIRST_PAUSE_SECONDS
        while records:
            ids = [record["dynamodb"]["SequenceNumber"] for record in records]
            outcome = hand_over(self._cloud, self._mapping, ids, records)
            if not outcome.failed:
                return
            remaining = _from_first_failure(records, outcome)
            attempts = attempts + 1 if len(remaining) == len(records) else 1
            records = remaining
            if self._mapping.bisect_on_error and len(records) > 1 and outcome.error:
                self._handle(records[: len(records) // 2])
                self._handle(records[len(records) // 2 :])
                return
            if self._exhausted(attempts):
                self._report(records, attempts)
                return
            if self._cloud.stopping.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _exhausted(self, attempts: int) -> bool:
        most = self._mapping.max_retry_attempts
        return most is not None and int(most) >= 0 and attempts > int(most)

    def _report(self, records: Sequence[dict[str, Any]], attempts: int) -> None:
        """To the mapping's failure destination: where the records are, not what they say."""
        destination = ((self._mapping.destination_config or {}).get("OnFailure") or {}).get("Destination")
        if not destination:
            return
        arrivals = [_iso(record["dynamodb"]["ApproximateCreationDateTime"]) for record in records]
        batch = {
            "shardId": self._shard().id,
            "startSequenceNumber": records[0]["dynamodb"]["SequenceNumber"],
            "endSequenceNumber": records[-1]["dynamodb"]["SequenceNumber"],
            "approximateArrivalOfFirstRecord": arrivals[0],
            "approximateArrivalOfLastRecord": arrivals[-1],
            "batchSize": len(records),
            "streamArn": self._mapping.event_source_arn,
        }
        context = {"functionArn": self._mapping.function_arn, "condition": "RetryAttemptsExhausted"}
        record = {
            "version": "1.0",
            "timestamp": _iso(datetime.now(UTC).timestamp()),
            "requestContext": context | {"approximateInvokeCount": attempts},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "DDBStreamBatchInfo": batch,
        }
        send(self._cloud, destination, json.dumps(record))


def _from_first_failure(records: Sequence[dict[str, Any]], outcome: Outcome) -> Sequence[dict[str, Any]]:
    """A stream goes on from the first record that failed."""
    first = next(
        number for number, record in enumerate(records) if record["dynamodb"]["SequenceNumber"] in outcome.failed
    )
    return records[first:]


def _iso(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
