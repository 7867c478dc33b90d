"""What a bucket notifies by itself: queues, topics and functions get S3's own shape, after the request that caused it.

moto leaves out version, sequencer and requester, and delivers inside the request. (Events for EventBridge are made in
`events.py`.) Bucket policies are stored and not enforced: moto's evaluator ignores conditions, so that the usual "deny
without TLS" would deny everything.
"""

import json
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

from moto.s3 import notifications
from moto.s3.models import FakeBucket, FakeKey

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.events import SEQUENCERS
from infra.local_cloud.patching import replace

logger = logging.getLogger(__name__)

PRINCIPAL = "AWS:AIDALOCALCLOUD"


def install(cloud: Cloud) -> None:
    replace(cloud, notifications, "_get_s3_event", notification)
    replace(cloud, notifications, "_invoke_awslambda", _later(cloud, _to_function))
    replace(cloud, notifications, "_send_sqs_message", _later(cloud, _to_queue))
    replace(cloud, notifications, "_send_sns_message", _later(cloud, _to_topic))
    replace(cloud, FakeBucket, "get_permission", lambda self, action, resource: None)
    replace(cloud, FakeKey, "dispose", dispose)


def dispose(self: FakeKey, garbage: bool = False) -> None:
    """Free an object's content when nobody reads it any more, not already when another takes its place."""
    if garbage:
        self._value_buffer.close()


def notification(event_name: str, bucket: Any, version: Any, configuration_id: str) -> dict[str, Any]:
    """What a queue, topic or function gets for one object version."""
    request = uuid.uuid4().hex[:16].upper()
    entity = {
        "key": quote_plus(version.name, safe="/"),
        "size": version.size,
        "eTag": version.etag.strip('"'),
        "sequencer": SEQUENCERS.of(version),
    }
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
        "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "eventName": event_name.removeprefix("s3:"),
        "userIdentity": {"principalId": PRINCIPAL},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": request, "x-amz-id-2": request},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {"name": bucket.name, "ownerIdentity": {"principalId": PRINCIPAL}, "arn": bucket.arn},
            "object": entity | ({"versionId": version.version_id} if bucket.is_versioned else {}),
        },
    }
    return {"Records": [record]}


def _later(cloud: Cloud, deliver: Callable[[Cloud, str, str], None]) -> Callable[..., None]:
    """moto's signature of a delivery, done by another thread. Nobody waits for its outcome, so that a failure is
    logged."""

    def attempt(target: str, body: str) -> None:
        try:
            deliver(cloud, target, body)
        except Exception:
            logger.exception("an S3 notification could not be delivered to %s: %s", target, body)

    return lambda _account, event, target, _region: cloud.pool.submit(attempt, target, json.dumps(event)) and None


def _to_function(cloud: Cloud, arn: str, body: str) -> None:
    cloud.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=body)


def _to_queue(cloud: Cloud, name: str, body: str) -> None:
    sqs = cloud.client("sqs")
    sqs.send_message(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], MessageBody=body)


def _to_topic(cloud: Cloud, arn: str, body: str) -> None:
    cloud.client("sns").publish(TopicArn=arn, Message=body, Subject="Amazon S3 Notification")
