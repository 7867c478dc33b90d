"""Requests at the same time: conditions hold, and nobody waits for somebody else's long poll."""

import time
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from infra.local_cloud import locks, s3
from infra.local_cloud.cloud import Cloud

PLUGINS = [locks, s3]


def test_one_of_many_conditional_writers_wins(cloud: Cloud) -> None:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="rows",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def write(number: int) -> bool:
        try:
            dynamodb.put_item(
                TableName="rows",
                Item={"id": {"S": f"row-{number // 8}"}, "writer": {"N": str(number)}},
                ConditionExpression="attribute_not_exists(id)",
            )
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(write, range(160))) == 20


def test_message_is_delivered_to_one_of_many_receivers(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="shared")["QueueUrl"]
    for number in range(40):
        sqs.send_message(QueueUrl=url, MessageBody=str(number))

    def receive(_: int) -> list[str]:
        return [message["Body"] for message in sqs.receive_message(QueueUrl=url).get("Messages", [])]

    with ThreadPoolExecutor(16) as pool:
        bodies = [body for found in pool.map(receive, range(80)) for body in found]
    assert sorted(bodies, key=int) == [str(number) for number in range(40)]


def test_long_poll_gets_a_message_that_is_sent_meanwhile(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="polled")["QueueUrl"]
    with ThreadPoolExecutor(1) as pool:
        polling = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        time.sleep(0.5)
        began = time.monotonic()
        sqs.send_message(QueueUrl=url, MessageBody="hello")
        assert polling.result(10)["Messages"][0]["Body"] == "hello"
    assert time.monotonic() - began < 3


def test_object_that_is_overwritten_all_the_time_is_always_readable(cloud: Cloud) -> None:
    client = cloud.client("s3")
    client.create_bucket(Bucket="busy")
    client.put_object(Bucket="busy", Key="key", Body=b"0" * 10_000)

    def work(number: int) -> int:
        if number % 2:
            client.put_object(Bucket="busy", Key="key", Body=str(number % 10).encode() * 10_000)
            return 1
        return len(set(client.get_object(Bucket="busy", Key="key")["Body"].read()))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(200))) == {1}
