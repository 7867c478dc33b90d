"""EventBridge: what is published reaches the targets of every rule that it matches, asynchronously.

moto keeps buses and rules and matches patterns. A rule that has only a schedule matches no event here, as on AWS.
"""

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.events.models import EventBus, EventsBackend, Rule, events_backends
from moto.s3 import notifications

from infra.local_cloud import targets
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace

DETAIL_TYPES = {"ObjectCreated": "Object Created", "ObjectRemoved": "Object Deleted"}
REASONS = {
    "ObjectCreated:Put": "PutObject",
    "ObjectCreated:Post": "POST Object",
    "ObjectCreated:Copy": "CopyObject",
    "ObjectCreated:CompleteMultipartUpload": "CompleteMultipartUpload",
    "ObjectRemoved:Delete": "DeleteObject",
    "ObjectRemoved:DeleteMarkerCreated": "DeleteObject",
}


@dataclass(frozen=True)
class Sequencers:
    """Strictly increasing hexadecimal numbers, one for each object version however often it is asked for."""

    _lock: threading.Lock
    _last: list[int]

    def of(self, version: Any) -> str:
        with self._lock:
            if not hasattr(version, "sequencer"):
                self._last[0] = max(self._last[0] + 1, time.time_ns())
                version.sequencer = f"{self._last[0]:018X}"
            return str(version.sequencer)


SEQUENCERS = Sequencers(threading.Lock(), [0])


def iso_time(when: float | None = None) -> str:
    moment = datetime.now(UTC) if when is None else datetime.fromtimestamp(when, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def envelope(
    cloud: Cloud, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str]
) -> dict[str, Any]:
    """An event as targets see it."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": detail_type,
        "source": source,
        "account": cloud.account,
        "time": iso_time(),
        "region": cloud.region,
        "resources": list(resources),
        "detail": dict(detail),
    }


def publish(
    cloud: Cloud, source: str, detail_type: str, detail: Mapping[str, Any], resources: Sequence[str] = ()
) -> None:
    """Put an event of an AWS service on the default bus."""
    event = json.loads(json.dumps(envelope(cloud, source, detail_type, detail, resources), default=str))
    for rule in list(default_bus(cloud).rules.values()):
        send_if_matched(cloud, rule, event)


def default_bus(cloud: Cloud) -> EventBus:
    backend: EventsBackend = events_backends[cloud.account][cloud.region]
    return backend.event_buses["default"]


def send_if_matched(cloud: Cloud, rule: Rule, event: Mapping[str, Any]) -> None:
    """To all targets of the rule, each on its own."""
    if rule.state == "DISABLED" or not rule.event_pattern.get_pattern() or not rule.event_pattern.matches_event(event):
        return
    send(cloud, rule, event)


def send(cloud: Cloud, rule: Rule, event: Mapping[str, Any]) -> None:
    sender = targets.Sender(rule.name, rule.arn)
    for target in list(rule.targets):
        cloud.pool.submit(targets.deliver, cloud, sender, target, event)


def install(cloud: Cloud) -> None:
    replace(cloud, Rule, "send_to_targets", lambda rule, event, *_, **__: _send_from_moto(cloud, rule, event))
    replace(cloud, notifications, "_send_event_bridge_message", lambda *about: _send_s3_event(cloud, *about))


def _send_from_moto(cloud: Cloud, rule: Rule, event: Mapping[str, Any]) -> None:
    """From moto's PutEvents, whose events carry times as numbers."""
    cleaned = {key: value for key, value in event.items() if key != "ingestion-time"}
    if not isinstance(cleaned["time"], str):
        cleaned["time"] = iso_time(float(cleaned["time"]))
    send_if_matched(cloud, rule, cleaned)


def _send_s3_event(cloud: Cloud, account: str, bucket: Any, event_name: str, version: Any) -> None:
    """From a bucket that has EventBridge notifications on."""
    family, _, _ = event_name.removeprefix("s3:").partition(":")
    if family not in DETAIL_TYPES:
        return
    detail = {
        "version": "0",
        "bucket": {"name": bucket.name},
        "object": _described_object(bucket, family, version),
        "request-id": uuid.uuid4().hex[:16].upper(),
        "requester": account,
        "source-ip-address": "127.0.0.1",
        "reason": REASONS.get(event_name.removeprefix("s3:"), "PutObject"),
    }
    if family == "ObjectRemoved":
        permanent = event_name.endswith(":Delete")
        detail["deletion-type"] = "Permanently Deleted" if permanent else "Delete Marker Created"
    publish(cloud, "aws.s3", DETAIL_TYPES[family], detail, [f"arn:aws:s3:::{bucket.name}"])


def _described_object(bucket: Any, family: str, version: Any) -> dict[str, Any]:
    """Keys are not URL-encoded here, unlike in direct S3 notifications."""
    described = {"key": version.name, "sequencer": SEQUENCERS.of(version)}
    if family == "ObjectCreated":
        described |= {"size": version.size, "etag": version.etag.strip('"')}
    if bucket.is_versioned:
        described["version-id"] = version.version_id
    return described
