"""A queue that feeds a function: batches, partial failures, and messages that come again after their visibility
timeout."""

import base64
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from moto.awslambda.models import EventSourceMapping

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.event_batches import hand_over, wanted

RECEIVED_AT_ONCE = 10
CONCURRENT_BATCHES = 5
LONG_POLL_SECONDS = 2


class QueueSource:
    """Polls one queue for one mapping."""

    def __init__(self, cloud: Cloud, mapping: EventSourceMapping):
        self._cloud, self._mapping, self._sqs = cloud, mapping, cloud.client("sqs")
        self._url = self._sqs.get_queue_url(QueueName=mapping.event_source_arn.split(":")[-1])["QueueUrl"]
        most = int((mapping.scaling_config or {}).get("MaximumConcurrency", CONCURRENT_BATCHES))
        self._free = threading.Semaphore(most)
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="queue-source")

    def poll(self) -> None:
        """One batch, if there is one, given to a thread that handles it."""
        self._free.acquire()
        batch = self._receive_batch()
        if not batch:
            self._free.release()
            return
        self._pool.submit(self._handle, batch).add_done_callback(lambda _: self._free.release())

    def _receive_batch(self) -> list[dict[str, Any]]:
        """Up to the mapping's batch size, waiting for more as long as its window says."""
        batch = self._receive(self._mapping.batch_size, LONG_POLL_SECONDS)
        end = time.monotonic() + float(self._mapping.max_batch_window or 0)
        while batch and len(batch) < self._mapping.batch_size and not self._cloud.stopping.is_set():
            left = end - time.monotonic()
            more = self._receive(self._mapping.batch_size - len(batch), min(LONG_POLL_SECONDS, max(0, int(left))))
            batch += more
            if not more and left <= 0:
                break
        return batch

    def _receive(self, most: int, seconds: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=min(RECEIVED_AT_ONCE, most),
            WaitTimeSeconds=seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        return found

    def _handle(self, batch: list[dict[str, Any]]) -> None:
        """Delete what the function handled and what it does not want; the rest comes again."""
        records = [self._record(message) for message in batch]
        chosen = [record for record in records if wanted(self._mapping, _with_parsed_body(record))]
        ids = [record["messageId"] for record in chosen]
        outcome = hand_over(self._cloud, self._mapping, ids, chosen) if chosen else None
        failed = outcome.failed if outcome else frozenset()
        self._delete([record for record in records if record["messageId"] not in failed])

    def _delete(self, records: list[dict[str, Any]]) -> None:
        for first in range(0, len(records), RECEIVED_AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": record["receiptHandle"]}
                for number, record in enumerate(records[first : first + RECEIVED_AT_ONCE])
            ]
            self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries)

    def _record(self, message: dict[str, Any]) -> dict[str, Any]:
        """A received message, as the function gets it."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": {
                name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
            },
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._mapping.event_source_arn,
            "awsRegion": self._cloud.region,
        }


def _attribute(value: dict[str, Any]) -> dict[str, Any]:
    shown = {"dataType": value["DataType"], "stringListValues": [], "binaryListValues": []}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = base64.b64encode(value["BinaryValue"]).decode()
    return shown


def _with_parsed_body(record: dict[str, Any]) -> dict[str, Any]:
    """Filters look into a body that is JSON."""
    try:
        return record | {"body": json.loads(record["body"])}
    except ValueError:
        return record
