"""SNS: subscribers get the true envelope, each on its own and after the publisher has its answer.

moto delivers inside Publish, and tells functions of an example topic in 1970.
"""

import base64
import json
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from moto.sns.models import Subscription

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace

logger = logging.getLogger(__name__)

RETRIES = 3
FIRST_DELAY_SECONDS = 0.2
UNSIGNED = "not signed by the local cloud"


@dataclass(frozen=True)
class Notification:
    """One message for one subscriber."""

    message: str
    message_id: str
    subject: str | None
    attributes: Mapping[str, Any]
    time: str
    group_id: str | None = None
    deduplication_id: str | None = None


def install(cloud: Cloud) -> None:
    def publish(
        subscription: Subscription,
        message: str,
        message_id: str,
        subject: str | None = None,
        message_attributes: dict[str, Any] | None = None,
        group_id: str | None = None,
        deduplication_id: str | None = None,
        message_structure: str | None = None,
    ) -> None:
        matcher = subscription._filter_policy_matcher
        if matcher is not None and not matcher.matches(message_attributes, message):
            return
        if message_structure == "json":
            message = subscription._parse_message_structure(message, subscription.protocol)
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        notification = Notification(
            message, message_id, subject, message_attributes or {}, moment, group_id, deduplication_id
        )
        cloud.pool.submit(deliver, cloud, subscription, notification)

    replace(cloud, Subscription, "publish", publish)


def deliver(cloud: Cloud, subscription: Subscription, notification: Notification) -> None:
    """Until it succeeds or the retries are used up; then to the subscription's dead-letter queue."""
    for attempt in range(1 + RETRIES):
        try:
            _send(cloud, subscription, notification)
            return
        except (ClientError, BotoCoreError) as error:
            logger.warning("%s cannot be told of %s: %s", subscription.endpoint, subscription.topic.arn, error)
            if cloud.stopping.wait(FIRST_DELAY_SECONDS * 2**attempt):
                return
    _give_up(cloud, subscription, notification)


def _send(cloud: Cloud, subscription: Subscription, notification: Notification) -> None:
    if subscription.protocol == "lambda":
        payload = json.dumps(lambda_event(subscription, notification))
        cloud.client("lambda").invoke(FunctionName=subscription.endpoint, InvocationType="Event", Payload=payload)
    elif subscription.protocol == "sqs":
        _to_queue(cloud, subscription, notification)
    else:
        logger.info("%s by %s: %s", subscription.endpoint, subscription.protocol, notification.message)


def _to_queue(cloud: Cloud, subscription: Subscription, notification: Notification) -> None:
    options: dict[str, Any] = {}
    if notification.group_id:
        options["MessageGroupId"] = notification.group_id
        options["MessageDeduplicationId"] = notification.deduplication_id or notification.message_id
    body = json.dumps(envelope(subscription, notification))
    if str(subscription.attributes.get("RawMessageDelivery")).lower() == "true":
        body = notification.message
        options["MessageAttributes"] = {name: _sqs_attribute(given) for name, given in notification.attributes.items()}
    _queue_message(cloud, subscription.endpoint, body, options)


def _sqs_attribute(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["Type"].startswith("Binary"):
        return {"DataType": given["Type"], "BinaryValue": base64.b64decode(given["Value"])}
    return {"DataType": given["Type"], "StringValue": str(given["Value"])}


def _give_up(cloud: Cloud, subscription: Subscription, notification: Notification) -> None:
    logger.error("%s was never told of %s", subscription.endpoint, notification.message_id)
    policy = json.loads(subscription.attributes.get("RedrivePolicy") or "{}")
    if policy:
        _queue_message(cloud, policy["deadLetterTargetArn"], json.dumps(envelope(subscription, notification)), {})


def _queue_message(cloud: Cloud, arn: str, body: str, options: dict[str, Any]) -> None:
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body, **options)


def envelope(subscription: Subscription, notification: Notification) -> dict[str, Any]:
    """What a queue gets as its message's body."""
    region = subscription.topic.arn.split(":")[3]
    told: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": notification.message_id,
        "TopicArn": subscription.topic.arn,
        "Message": notification.message,
        "Timestamp": notification.time,
        "SignatureVersion": "1",
        "Signature": base64.b64encode(UNSIGNED.encode()).decode(),
        "SigningCertURL": f"https://sns.{region}.amazonaws.com/SimpleNotificationService-{uuid.UUID(int=0).hex}.pem",
        "UnsubscribeURL": f"https://sns.{region}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription.arn}",
    }
    if notification.subject:
        told["Subject"] = notification.subject
    if notification.attributes:
        told["MessageAttributes"] = dict(notification.attributes)
    return told


def lambda_event(subscription: Subscription, notification: Notification) -> dict[str, Any]:
    """Functions get the same with two names spelt otherwise, and nothing left out."""
    told = envelope(subscription, notification)
    renamed = {"SigningCertUrl": told.pop("SigningCertURL"), "UnsubscribeUrl": told.pop("UnsubscribeURL")}
    sns = {"Subject": None, "MessageAttributes": {}} | told | renamed
    record = {
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "EventSource": "aws:sns",
        "Sns": sns,
    }
    return {"Records": [record]}
