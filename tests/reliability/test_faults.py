"""The faults are true: each does to the service, and tells the client, exactly what it says."""

from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.support.faults import Crash, Fault, wire
from tunesmith.adapters import dynamo
from tunesmith.adapters.dynamo import Put


def write_once(client, name):
    client.put_item(
        TableName="uploads", Item={"upload_id": {"S": name}}, ConditionExpression="attribute_not_exists(upload_id)"
    )


def is_there(client, name):
    return "Item" in client.get_item(TableName="uploads", Key={"upload_id": {"S": name}})


@pytest.fixture
def client(tables):
    """A client that does not try again."""
    return boto3.client("dynamodb", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))


def test_refused_call_has_no_effect(client):
    with wire(at=1, fault=Fault.REFUSED), pytest.raises(ClientError):
        write_once(client, "a")
    assert not is_there(client, "a")


def test_lost_answer_leaves_the_effect(client):
    with wire(at=1, fault=Fault.ANSWER_LOST), pytest.raises(ReadTimeoutError):
        write_once(client, "a")
    assert is_there(client, "a")


def test_crash_before_has_no_effect_and_crash_after_has_it(client):
    with wire(at=1, fault=Fault.CRASH_BEFORE), pytest.raises(Crash):
        write_once(client, "a")
    with wire(at=1, fault=Fault.CRASH_AFTER), pytest.raises(Crash):
        write_once(client, "b")
    assert (is_there(client, "a"), is_there(client, "b")) == (False, True)


def test_fault_strikes_only_the_call_it_is_meant_for(client):
    with wire(at=2, fault=Fault.CRASH_BEFORE) as line, pytest.raises(Crash):
        write_once(client, "a")
        write_once(client, "b")
    assert (is_there(client, "a"), is_there(client, "b")) == (True, False)
    assert line.calls == ["dynamodb.PutItem", "dynamodb.PutItem"]


def test_process_that_crashed_in_a_thread_of_its_own_makes_no_further_call(buckets, tmp_path):
    """boto3 uploads files in threads, and those tell nobody what ended them."""
    (tmp_path / "file").write_bytes(b"1")
    s3 = boto3.client("s3")
    with wire(at=1, fault=Fault.CRASH_BEFORE), pytest.raises(Crash):
        s3.upload_file(str(tmp_path / "file"), "artifacts", "file")
        s3.put_object(Bucket="artifacts", Key="marker")
    assert "Contents" not in s3.list_objects_v2(Bucket="artifacts")


def test_retry_after_a_lost_answer_meets_its_own_write(tables):
    """The trap that owner tokens are for: without one, the writer concludes that somebody else was first."""
    retrying = boto3.client("dynamodb", config=Config(retries={"mode": "standard", "max_attempts": 3}))
    with wire(at=1, fault=Fault.ANSWER_LOST), pytest.raises(ClientError, match="ConditionalCheckFailed"):
        write_once(retrying, "a")


def test_row_with_an_owner_token_survives_the_lost_answer(tables):
    row = {"upload_id": "a", "owner": dynamo.owner_token()}
    with wire(at=1, fault=Fault.ANSWER_LOST):
        assert dynamo.put(Put.new("uploads", row, ("upload_id",)))


def test_conditional_writes_of_many_threads_have_one_winner_each(tables):
    def wins(attempt):
        row = {"upload_id": str(attempt % 20), "owner": dynamo.owner_token()}
        return dynamo.put(Put.new("uploads", row, ("upload_id",)))

    dynamo.client()
    with wire(), ThreadPoolExecutor(8) as pool:
        winners = sum(pool.map(wins, range(160)))
    assert winners == 20
