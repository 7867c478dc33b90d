"""Events of buckets: versions, sequencers and ids of their own, to queues, functions and EventBridge."""

import json
import time
from typing import Any

import pytest

from infra.local_cloud import cloudformation, events, lambdas, locks, s3
from infra.local_cloud.cloud import Cloud
from tests.support.lambda_functions import create
from tests.support.local_cloud import eventually

PLUGINS = [locks, cloudformation, lambdas, events, s3]
ARN = "arn:aws:{}:us-east-1:123456789012:{}"


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A versioned bucket."""
    name = f"bucket-{time.time_ns()}"
    client = cloud.client("s3")
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture
def queue(cloud: Cloud) -> str:
    url: str = cloud.client("sqs").create_queue(QueueName=f"queue-{time.time_ns()}")["QueueUrl"]
    return url


def received(cloud: Cloud, queue: str, count: int) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []

    def look() -> bool:
        for message in cloud.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            bodies.append(json.loads(message["Body"]))
        return len(bodies) >= count

    eventually(look)
    return bodies


def notify(cloud: Cloud, bucket: str, configuration: dict[str, Any]) -> None:
    cloud.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=configuration)


def arn_of(queue: str) -> str:
    return ARN.format("sqs", queue.rsplit("/", 1)[1])


def test_queue_gets_every_version_with_a_sequencer_that_grows(cloud: Cloud, bucket: str, queue: str) -> None:
    notify(cloud, bucket, {"QueueConfigurations": [{"QueueArn": arn_of(queue), "Events": ["s3:ObjectCreated:*"]}]})
    put = [cloud.client("s3").put_object(Bucket=bucket, Key="a dir/ü.jsonl", Body=b"x" * n) for n in (1, 2)]
    records = [body["Records"][0] for body in received(cloud, queue, 3) if "Records" in body]
    found = {record["s3"]["object"]["versionId"]: record["s3"]["object"] for record in records}
    first, second = (found[answer["VersionId"]] for answer in put)
    assert (first["size"], second["size"]) == (1, 2)
    assert first["sequencer"] < second["sequencer"] and len(first["sequencer"]) == len(second["sequencer"])
    assert first["key"] == "a+dir/%C3%BC.jsonl" and first["eTag"] == put[0]["ETag"].strip('"')
    assert {record["eventName"] for record in records} == {"ObjectCreated:Put"}
    assert records[0]["s3"]["bucket"]["name"] == bucket


def test_function_is_notified_after_the_upload_and_its_failure_is_not_the_uploader_s(
    cloud: Cloud, bucket: str, queue: str
) -> None:
    source = """
        import boto3, json, os
        def handler(event, context):
            entity = event["Records"][0]["s3"]
            body = boto3.client("s3").get_object(Bucket=entity["bucket"]["name"], Key=entity["object"]["key"])
            text = json.dumps({"read": body["Body"].read().decode()})
            boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=text)
            raise ValueError("after all")
    """
    function = create(cloud, source, Environment={"Variables": {"SEEN": queue}})
    listener = {"LambdaFunctionArn": ARN.format("lambda", f"function:{function}"), "Events": ["s3:ObjectCreated:*"]}
    notify(cloud, bucket, {"LambdaFunctionConfigurations": [listener]})
    cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=b"content")
    assert received(cloud, queue, 1)[0] == {"read": "content"}


def test_bucket_of_a_template_reaches_event_bridge_once_for_each_upload(cloud: Cloud, queue: str) -> None:
    properties = {
        "VersioningConfiguration": {"Status": "Enabled"},
        "NotificationConfiguration": {"EventBridgeConfiguration": {"EventBridgeEnabled": True}},
    }
    resources = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": properties}}
    client = cloud.client("cloudformation")
    client.create_stack(StackName="notifying", TemplateBody=json.dumps({"Resources": resources}))
    bucket = client.describe_stack_resources(StackName="notifying")["StackResources"][0]["PhysicalResourceId"]
    rules = cloud.client("events")
    rules.put_rule(Name="all-of-s3", EventPattern=json.dumps({"source": ["aws.s3"]}))
    rules.put_targets(Rule="all-of-s3", Targets=[{"Id": "queue", "Arn": arn_of(queue)}])
    put = cloud.client("s3").put_object(Bucket=bucket, Key="key", Body=b"x", Tagging="a=b")
    cloud.client("s3").put_object(Bucket=bucket, Key="last", Body=b"x")
    found = received(cloud, queue, 2)
    time.sleep(0.5)
    assert len(found) == 2
    event = next(event for event in found if event["detail"]["object"]["key"] == "key")
    assert (event["detail-type"], event["detail"]["object"]["version-id"]) == ("Object Created", put["VersionId"])
    assert len({event["id"] for event in found}) == 2


def test_bucket_policy_is_stored_and_not_enforced(cloud: Cloud, bucket: str) -> None:
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    statement |= {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    client = cloud.client("s3")
    client.put_bucket_policy(Bucket=bucket, Policy=policy)
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    assert json.loads(client.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policy)
