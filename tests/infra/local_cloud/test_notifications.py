"""SNS: what queues and functions are told, and where it goes when they cannot be."""

import json
import time
from typing import Any

import pytest
from moto.sns.models import Subscription, Topic, sns_backends

from infra.local_cloud import notifications
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.notifications import Notification, lambda_event
from tests.support.local_cloud import eventually

PLUGINS = [notifications]
ARN = "arn:aws:{}:us-east-1:123456789012:{}"
ATTRIBUTES = {"kind": {"DataType": "String", "StringValue": "failure"}}


@pytest.fixture
def topic(cloud: Cloud) -> str:
    return str(cloud.client("sns").create_topic(Name=f"topic-{time.time_ns()}")["TopicArn"])


def queue(cloud: Cloud, name: str) -> str:
    cloud.client("sqs").create_queue(QueueName=name)
    return ARN.format("sqs", name)


def receive(cloud: Cloud, arn: str) -> dict[str, Any]:
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    found = eventually(lambda: sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages"))
    return dict(found[0])


def test_queue_gets_the_envelope_with_attributes(cloud: Cloud, topic: str) -> None:
    arn = queue(cloud, "enveloped")
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    sent = cloud.client("sns").publish(TopicArn=topic, Message="m", Subject="s", MessageAttributes=ATTRIBUTES)
    told = json.loads(receive(cloud, arn)["Body"])
    assert {name: told[name] for name in ("Type", "MessageId", "TopicArn", "Message", "Subject")} == {
        "Type": "Notification",
        "MessageId": sent["MessageId"],
        "TopicArn": topic,
        "Message": "m",
        "Subject": "s",
    }
    assert told["MessageAttributes"] == {"kind": {"Type": "String", "Value": "failure"}}
    assert told["Timestamp"].endswith("Z") and not told["Timestamp"].startswith("1970")


def test_raw_delivery_is_the_message_alone(cloud: Cloud, topic: str) -> None:
    arn = queue(cloud, "raw")
    attributes = {"RawMessageDelivery": "true"}
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    cloud.client("sns").publish(TopicArn=topic, Message="m", MessageAttributes=ATTRIBUTES)
    message = receive(cloud, arn)
    assert (message["Body"], message["MessageAttributes"]["kind"]["StringValue"]) == ("m", "failure")


def test_filter_keeps_other_messages_away(cloud: Cloud, topic: str) -> None:
    arn = queue(cloud, "filtered")
    attributes = {"FilterPolicy": json.dumps({"kind": ["failure"]})}
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    cloud.client("sns").publish(TopicArn=topic, Message="other")
    cloud.client("sns").publish(TopicArn=topic, Message="wanted", MessageAttributes=ATTRIBUTES)
    assert json.loads(receive(cloud, arn)["Body"])["Message"] == "wanted"


def test_subscriber_that_is_not_there_is_a_dead_letter(cloud: Cloud, topic: str) -> None:
    letters = queue(cloud, "letters")
    attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": letters})}
    missing = ARN.format("sqs", "missing")
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=missing, Attributes=attributes)
    cloud.client("sns").publish(TopicArn=topic, Message="m")
    assert json.loads(receive(cloud, letters)["Body"])["Message"] == "m"


def test_function_gets_a_record_about_this_topic_and_message() -> None:
    topic = Topic("alarms", sns_backends["123456789012"]["us-east-1"])
    subscription = Subscription("123456789012", topic, ARN.format("lambda", "function:f"), "lambda")
    [record] = lambda_event(subscription, Notification("m", "id-1", None, {}, "2026-01-01T00:00:00.000Z"))["Records"]
    sns = record["Sns"]
    assert (record["EventSource"], record["EventSubscriptionArn"]) == ("aws:sns", subscription.arn)
    assert (sns["TopicArn"], sns["MessageId"], sns["Subject"], sns["MessageAttributes"]) == (
        topic.arn,
        "id-1",
        None,
        {},
    )
    assert {"SigningCertUrl", "UnsubscribeUrl", "Signature", "Timestamp"} <= set(sns)
