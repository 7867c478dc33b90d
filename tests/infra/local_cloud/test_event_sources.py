"""Queues and table streams that feed functions: batches, failures, retries, filters, and writers that never wait."""

import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local_cloud import event_sources, lambdas, locks
from infra.local_cloud.cloud import Cloud
from tests.support.lambda_functions import create
from tests.support.local_cloud import eventually

PLUGINS = [locks, lambdas, event_sources]
FORWARD = """
    import boto3, json, os
    def handler(event, context):
        boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event["Records"]))
        {verdict}
"""
REFUSE_BAD = """
    import boto3, json, os
    def handler(event, context):
        records = event["Records"]
        boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(records))
        id = lambda record: record.get("messageId") or record["dynamodb"]["SequenceNumber"]
        return {"batchItemFailures": [{"itemIdentifier": id(r)} for r in records if "bad" in json.dumps(r)]}
"""


class Inbox:
    """A queue to which functions forward what they were given."""

    def __init__(self, cloud: Cloud):
        self._sqs = cloud.client("sqs")
        self.name = f"queue-{time.time_ns()}"
        self.url = self._sqs.create_queue(QueueName=self.name, Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:123456789012:{self.name}"

    def next(self, seconds: float = 15) -> Any:
        def look() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = self._sqs.receive_message(QueueUrl=self.url).get("Messages", [])
            return found

        (message,) = eventually(look, seconds)
        self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    def is_empty(self) -> bool:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return all(counts[name] == "0" for name in names)


@pytest.fixture
def source(cloud: Cloud) -> Inbox:
    return Inbox(cloud)


@pytest.fixture
def seen(cloud: Cloud) -> Inbox:
    return Inbox(cloud)


@pytest.fixture
def table(cloud: Cloud) -> str:
    """A table with a stream."""
    name = f"table-{time.time_ns()}"
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    return name


def forwarding(cloud: Cloud, seen: Inbox, source: str) -> str:
    return create(cloud, source, Environment={"Variables": {"SEEN": seen.url}})


def feed(cloud: Cloud, source_arn: str, function: str, **settings: Any) -> None:
    cloud.client("lambda").create_event_source_mapping(EventSourceArn=source_arn, FunctionName=function, **settings)


def stream_of(cloud: Cloud, table: str) -> str:
    arn: str = cloud.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
    return arn


def put(cloud: Cloud, table: str, key: str, **attributes: str) -> None:
    item = {"id": {"S": key}} | {name: {"S": value} for name, value in attributes.items()}
    cloud.client("dynamodb").put_item(TableName=table, Item=item)


def test_message_arrives_in_its_true_shape_and_is_deleted(cloud: Cloud, source: Inbox, seen: Inbox) -> None:
    feed(cloud, source.arn, forwarding(cloud, seen, FORWARD.format(verdict="return None")))
    sent = cloud.client("sqs").send_message(
        QueueUrl=source.url,
        MessageBody="hello",
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "greeting"}},
    )
    (record,) = seen.next()
    assert record["messageId"] == sent["MessageId"] and record["md5OfBody"] == sent["MD5OfMessageBody"]
    assert (record["body"], record["eventSource"], record["eventSourceARN"]) == ("hello", "aws:sqs", source.arn)
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert abs(int(record["attributes"]["SentTimestamp"]) / 1000 - time.time()) < 60
    assert record["messageAttributes"]["kind"]["stringValue"] == "greeting"
    eventually(source.is_empty)


def test_only_the_messages_that_failed_come_again(cloud: Cloud, source: Inbox, seen: Inbox) -> None:
    sqs = cloud.client("sqs")
    for body in ("good", "bad"):
        sqs.send_message(QueueUrl=source.url, MessageBody=body)
    feed(cloud, source.arn, forwarding(cloud, seen, REFUSE_BAD), FunctionResponseTypes=["ReportBatchItemFailures"])
    first, second = seen.next(), seen.next()
    assert {record["body"] for record in first} == {"good", "bad"}
    assert [record["body"] for record in second] == ["bad"]
    assert second[0]["attributes"]["ApproximateReceiveCount"] == "2"


def test_message_that_keeps_failing_ends_in_the_dead_letter_queue(cloud: Cloud, source: Inbox, seen: Inbox) -> None:
    letters = Inbox(cloud)
    policy = json.dumps({"deadLetterTargetArn": letters.arn, "maxReceiveCount": 2})
    cloud.client("sqs").set_queue_attributes(QueueUrl=source.url, Attributes={"RedrivePolicy": policy})
    feed(cloud, source.arn, forwarding(cloud, seen, FORWARD.format(verdict="raise ValueError")))
    cloud.client("sqs").send_message(QueueUrl=source.url, MessageBody='"poison"')
    assert letters.next() == "poison"
    assert len([seen.next(), seen.next()]) == 2 and seen.is_empty()


def test_unwanted_messages_never_reach_the_function(cloud: Cloud, source: Inbox, seen: Inbox) -> None:
    pattern = json.dumps({"body": {"kind": ["wanted"]}})
    function = forwarding(cloud, seen, FORWARD.format(verdict="return None"))
    feed(cloud, source.arn, function, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    for kind in ("other", "wanted"):
        cloud.client("sqs").send_message(QueueUrl=source.url, MessageBody=json.dumps({"kind": kind}))
    (record,) = seen.next()
    assert json.loads(record["body"]) == {"kind": "wanted"}
    eventually(source.is_empty)


def test_change_arrives_in_its_true_shape(cloud: Cloud, table: str, seen: Inbox) -> None:
    function = forwarding(cloud, seen, FORWARD.format(verdict="return None"))
    feed(cloud, stream_of(cloud, table), function, StartingPosition="TRIM_HORIZON")
    put(cloud, table, "a", word="old")
    (inserted,) = seen.next()
    assert (inserted["eventName"], inserted["eventSource"]) == ("INSERT", "aws:dynamodb")
    assert inserted["eventSourceARN"] == stream_of(cloud, table)
    assert inserted["dynamodb"]["Keys"] == {"id": {"S": "a"}}
    assert inserted["dynamodb"]["NewImage"] == {"id": {"S": "a"}, "word": {"S": "old"}}
    assert abs(inserted["dynamodb"]["ApproximateCreationDateTime"] - time.time()) < 60
    put(cloud, table, "a", word="new")
    (modified,) = seen.next()
    images = modified["dynamodb"]["OldImage"]["word"], modified["dynamodb"]["NewImage"]["word"]
    assert (modified["eventName"], images) == ("MODIFY", ({"S": "old"}, {"S": "new"}))
    cloud.client("dynamodb").delete_item(TableName=table, Key={"id": {"S": "a"}})
    (removed,) = seen.next()
    assert removed["eventName"] == "REMOVE" and "NewImage" not in removed["dynamodb"]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in (inserted, modified, removed)]
    assert numbers == sorted(set(numbers))


def test_write_that_changes_nothing_and_rolled_back_transaction_leave_no_record(
    cloud: Cloud, table: str, seen: Inbox
) -> None:
    put(cloud, table, "a")
    function = forwarding(cloud, seen, FORWARD.format(verdict="return None"))
    feed(cloud, stream_of(cloud, table), function, StartingPosition="LATEST")
    put(cloud, table, "a")
    conditions = [{}, {"ConditionExpression": "attribute_not_exists(id)"}]
    with pytest.raises(ClientError):
        cloud.client("dynamodb").transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": {"id": {"S": key}}} | condition}
                for key, condition in zip(("b", "a"), conditions, strict=True)
            ]
        )
    put(cloud, table, "c")
    assert [record["dynamodb"]["Keys"]["id"]["S"] for record in seen.next()] == ["c"]


def test_item_made_by_an_update_is_one_insert(cloud: Cloud, table: str, seen: Inbox) -> None:
    function = forwarding(cloud, seen, FORWARD.format(verdict="return None"))
    feed(cloud, stream_of(cloud, table), function, StartingPosition="LATEST")
    cloud.client("dynamodb").update_item(
        TableName=table,
        Key={"id": {"S": "a"}},
        UpdateExpression="SET word = :word",
        ExpressionAttributeValues={":word": {"S": "x"}},
    )
    (record,) = seen.next()
    assert record["dynamodb"]["NewImage"] == {"id": {"S": "a"}, "word": {"S": "x"}}


def test_failing_function_is_not_the_writer_s_problem_and_ends_at_the_destination(
    cloud: Cloud, table: str, seen: Inbox
) -> None:
    reports = Inbox(cloud)
    feed(
        cloud,
        stream_of(cloud, table),
        forwarding(cloud, seen, FORWARD.format(verdict="raise ValueError")),
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": reports.arn}},
    )
    began = time.monotonic()
    put(cloud, table, "a")
    assert time.monotonic() - began < 1
    report = reports.next()
    assert report["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert report["requestContext"]["approximateInvokeCount"] == 3
    assert report["DDBStreamBatchInfo"]["batchSize"] == 1
    assert len([seen.next(), seen.next(), seen.next()]) == 3 and seen.is_empty()


def test_stream_goes_on_from_the_record_that_failed(cloud: Cloud, table: str, seen: Inbox) -> None:
    for key in ("a", "bad", "c"):
        put(cloud, table, key)
    feed(
        cloud,
        stream_of(cloud, table),
        forwarding(cloud, seen, REFUSE_BAD),
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    batches = [[record["dynamodb"]["Keys"]["id"]["S"] for record in seen.next()] for _ in range(2)]
    assert batches == [["a", "bad", "c"], ["bad", "c"]]


def test_bisected_batch_isolates_the_record_that_fails(cloud: Cloud, table: str, seen: Inbox) -> None:
    verdict = "assert not any('bad' in json.dumps(record) for record in event['Records'])"
    for key in ("a", "b", "bad", "d"):
        put(cloud, table, key)
    reports = Inbox(cloud)
    feed(
        cloud,
        stream_of(cloud, table),
        forwarding(cloud, seen, FORWARD.format(verdict=verdict)),
        StartingPosition="TRIM_HORIZON",
        MaximumRetryAttempts=0,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": reports.arn}},
    )
    assert reports.next()["DDBStreamBatchInfo"]["batchSize"] == 1
    eventually(lambda: seen.next()[-1]["dynamodb"]["Keys"]["id"]["S"] == "d")


def test_disabled_mapping_feeds_nothing_until_it_is_enabled(cloud: Cloud, table: str, seen: Inbox) -> None:
    function = forwarding(cloud, seen, FORWARD.format(verdict="return None"))
    feed(cloud, stream_of(cloud, table), function, StartingPosition="TRIM_HORIZON", Enabled=False)
    put(cloud, table, "a")
    time.sleep(1)
    assert seen.is_empty()
    client = cloud.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    assert len(seen.next()) == 1
