"""Batches of SQS messages: each succeeds or fails by itself, and only the failed ones are delivered again."""

from collections.abc import Callable
from typing import Any

from tunesmith.contracts.events import SqsRecord
from tunesmith.entry.observability import logger


def is_batch(event: dict[str, Any]) -> bool:
    """Whether the event comes from an SQS queue."""
    records = event.get("Records") or [{}]
    return bool(records[0].get("eventSource") == "aws:sqs")


def each_message(event: dict[str, Any], handle: Callable[[str], None]) -> dict[str, Any]:
    """Hand the body of each message to `handle`; the answer names those that failed, for whatever reason.

    A message that keeps failing ends in the queue's dead-letter queue, with its body.
    """
    failed = []
    for record in event["Records"]:
        try:
            handle(SqsRecord.model_validate(record).body)
        except Exception:
            logger.exception("message failed and goes back to its queue", message_id=record.get("messageId"))
            failed.append({"itemIdentifier": record.get("messageId")})
    return {"batchItemFailures": failed}
