"""A batch of records handed to a function by an event source mapping, and what the function says of it."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from moto.awslambda.models import EventSourceMapping
from moto.events.models import EventPattern

from infra.local_cloud.cloud import Cloud

logger = logging.getLogger(__name__)

REPORTS_ITEM_FAILURES = "ReportBatchItemFailures"


@dataclass(frozen=True)
class Outcome:
    """Of one invocation with a batch."""

    failed: frozenset[str]
    """Ids of the records that the function did not handle."""
    error: str | None = None
    """Where the invocation itself failed, and with it every record."""


def hand_over(cloud: Cloud, mapping: EventSourceMapping, ids: Sequence[str], records: Sequence[Any]) -> Outcome:
    """Invoke the mapping's function with the records."""
    body = json.dumps({"Records": list(records)})
    try:
        answer = cloud.client("lambda").invoke(FunctionName=mapping.function_name, Payload=body)
    except ClientError as error:
        return Outcome(frozenset(ids), str(error))
    payload = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        return Outcome(frozenset(ids), payload)
    if REPORTS_ITEM_FAILURES not in (mapping.function_response_types or []):
        return Outcome(frozenset())
    return _reported(ids, json.loads(payload or "null"))


def _reported(ids: Sequence[str], report: Any) -> Outcome:
    """A report that names no record of the batch, or that is no report, counts against the whole batch."""
    if report is None:
        return Outcome(frozenset())
    failures = report.get("batchItemFailures", ()) if isinstance(report, dict) else None
    named = [entry.get("itemIdentifier") if isinstance(entry, dict) else None for entry in failures or ()]
    if failures is None or not set(named) <= set(ids):
        return Outcome(frozenset(ids), f"not a report of batch item failures: {report}")
    return Outcome(frozenset(str(name) for name in named))


def wanted(mapping: EventSourceMapping, record: dict[str, Any]) -> bool:
    """Whether the mapping's filters let a record through; any one of them is enough."""
    filters = (mapping.filter_criteria or {}).get("Filters") or []
    patterns = [json.loads(entry["Pattern"]) for entry in filters]
    return not patterns or any(EventPattern(None, pattern).matches_event(record) for pattern in patterns)
