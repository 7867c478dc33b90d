"""EventBridge: which rules an event reaches, what their targets receive, and where it goes if they cannot be
reached."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local_cloud import batch, events, step_functions
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.target_input import Sender, target_input
from tests.support.batch_environment import create_queue, define_job
from tests.support.local_cloud import eventually

PLUGINS = [batch, events, step_functions]
ARN = "arn:aws:{}:us-east-1:123456789012:{}"
EVENT = {
    "version": "0",
    "id": "e1",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-01-01T00:00:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:s3:::uploads"],
    "detail": {"bucket": {"name": "uploads"}, "object": {"key": 'a "b".jsonl', "size": 3}, "parts": [{"n": 1}]},
}
SENDER = Sender("uploads", ARN.format("events", "rule/uploads"))
Receive = Callable[[], str]


@pytest.fixture
def inbox(cloud: Cloud) -> tuple[str, Receive]:
    """ARN of a new queue, and how to wait for its next message."""
    name = f"inbox-{time.time_ns()}"
    url = cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"]

    def receive() -> str:
        found = eventually(lambda: cloud.client("sqs").receive_message(QueueUrl=url).get("Messages"))
        return str(found[0]["Body"])

    return ARN.format("sqs", name), receive


@pytest.fixture
def rule(cloud: Cloud) -> Callable[..., str]:
    """Put a rule for events of a source of its own; answers the source."""

    def put(target: dict[str, Any], **options: Any) -> str:
        name = f"source{time.time_ns()}"
        pattern = options.pop("pattern", {"source": [name]})
        client = cloud.client("events")
        client.put_rule(Name=name, EventPattern=json.dumps(pattern), **options)
        client.put_targets(Rule=name, Targets=[{"Id": "1"} | target])
        return name

    return put


def emit(cloud: Cloud, source: str, detail: dict[str, Any]) -> None:
    entry = {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail), "Resources": ["arn:r"]}
    cloud.client("events").put_events(Entries=[entry])


def received(target: dict[str, Any]) -> Any:
    return json.loads(target_input(target, EVENT, SENDER))


def transformed(template: str, **paths: str) -> Any:
    return received({"InputTransformer": {"InputPathsMap": paths, "InputTemplate": template}})


def test_event_reaches_the_target_of_a_matching_rule_whole(
    cloud: Cloud, inbox: tuple[str, Receive], rule: Callable[..., str]
) -> None:
    arn, receive = inbox
    source = rule({"Arn": arn})
    emit(cloud, source, {"n": 1})
    event = json.loads(receive())
    assert (event["source"], event["detail-type"], event["detail"], event["resources"]) == (
        source,
        "Test",
        {"n": 1},
        ["arn:r"],
    )
    assert event["time"].endswith("Z") and set(event) == set(EVENT)


def test_rule_with_only_a_schedule_matches_no_event(cloud: Cloud, inbox: tuple[str, Receive]) -> None:
    arn, _ = inbox
    client = cloud.client("events")
    client.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    client.put_targets(Rule="hourly", Targets=[{"Id": "1", "Arn": arn}])
    emit(cloud, "anything", {})
    time.sleep(0.5)
    url = cloud.client("sqs").get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    assert "Messages" not in cloud.client("sqs").receive_message(QueueUrl=url)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, EVENT),
        ({"Input": '{"constant": true}'}, {"constant": True}),
        ({"InputPath": "$.detail.object.key"}, 'a "b".jsonl'),
        ({"InputPath": "$.detail.parts[0].n"}, 1),
    ],
    ids=["nothing", "constant", "path", "path into an array"],
)
def test_target_receives_the_event_a_constant_or_a_part(target: dict[str, Any], expected: Any) -> None:
    assert received(target) == expected


def test_template_places_values_as_json_and_inside_strings() -> None:
    template = '{"key": <key>, "text": "is <key>: <size>", "all": <object>, "list": <res>}'
    paths = {"key": "$.detail.object.key", "size": "$.detail.object.size", "object": "$.detail.object"}
    found = transformed(template, **paths, res="$.resources")
    assert found == {
        "key": 'a "b".jsonl',
        "text": 'is a "b".jsonl: 3',
        "all": EVENT["detail"]["object"],  # type: ignore[index]
        "list": EVENT["resources"],
    }


def test_template_may_be_one_string() -> None:
    assert transformed('"<bucket> got an object"', bucket="$.detail.bucket.name") == "uploads got an object"


def test_template_knows_the_whole_event_and_the_rule() -> None:
    template = '{"event": <aws.events.event.json>, "rule": <aws.events.rule-arn>, "name": "<aws.events.rule-name>"}'
    assert transformed(template) == {"event": EVENT, "rule": SENDER.rule_arn, "name": "uploads"}


def test_execution_is_started_with_the_transformed_input(cloud: Cloud, rule: Callable[..., str]) -> None:
    states = cloud.client("stepfunctions")
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})
    arn = states.create_state_machine(name="target", definition=definition, roleArn="arn:aws:iam::123456789012:role/r")[
        "stateMachineArn"
    ]
    emit(cloud, rule({"Arn": arn, "InputPath": "$.detail"}), {"n": 7})
    [execution] = eventually(lambda: states.list_executions(stateMachineArn=arn)["executions"])
    assert json.loads(states.describe_execution(executionArn=execution["executionArn"])["input"]) == {"n": 7}


def test_job_is_submitted_with_parameters_from_the_input(cloud: Cloud, rule: Callable[..., str]) -> None:
    queue = create_queue(cloud, "events")
    definition = define_job(cloud, "target", ["python", "-c", "import sys; sys.exit(int(sys.argv[1]))", "Ref::code"])
    template = {"InputPathsMap": {"code": "$.detail.code"}, "InputTemplate": '{"Parameters": {"code": <code>}}'}
    parameters = {"JobDefinition": definition, "JobName": "from-event"}
    emit(cloud, rule({"Arn": queue, "BatchParameters": parameters, "InputTransformer": template}), {"code": 4})
    list_jobs = cloud.client("batch").list_jobs
    [job] = eventually(lambda: list_jobs(jobQueue=queue, jobStatus="FAILED")["jobSummaryList"])
    assert (job["jobName"], job["container"]["exitCode"]) == ("from-event", 4)


def test_topic_and_other_bus_pass_the_event_on(
    cloud: Cloud, inbox: tuple[str, Receive], rule: Callable[..., str]
) -> None:
    arn, receive = inbox
    topic = cloud.client("sns").create_topic(Name="passing")["TopicArn"]
    cloud.client("sns").subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
    )
    bus = cloud.client("events").create_event_bus(Name="other")["EventBusArn"]
    source = rule({"Arn": bus})
    client = cloud.client("events")
    client.put_rule(Name="second", EventBusName="other", EventPattern=json.dumps({"source": [source]}))
    client.put_targets(Rule="second", EventBusName="other", Targets=[{"Id": "1", "Arn": topic}])
    emit(cloud, source, {"n": 2})
    assert json.loads(receive())["detail"] == {"n": 2}


def test_group_of_a_fifo_queue_is_kept(cloud: Cloud, rule: Callable[..., str]) -> None:
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = cloud.client("sqs").create_queue(QueueName="ordered.fifo", Attributes=attributes)["QueueUrl"]
    target = {"Arn": ARN.format("sqs", "ordered.fifo"), "SqsParameters": {"MessageGroupId": "g1"}}
    emit(cloud, rule(target), {})

    def receive() -> list[dict[str, Any]] | None:
        found = cloud.client("sqs").receive_message(QueueUrl=url, AttributeNames=["MessageGroupId"])
        return found.get("Messages")

    assert eventually(receive)[0]["Attributes"]["MessageGroupId"] == "g1"


def test_event_that_cannot_be_delivered_goes_to_the_dead_letter_queue(
    cloud: Cloud, inbox: tuple[str, Receive], rule: Callable[..., str]
) -> None:
    arn, receive = inbox
    target = {"Arn": ARN.format("states", "stateMachine:none"), "DeadLetterConfig": {"Arn": arn}}
    emit(cloud, rule(target), {"n": 3})
    assert json.loads(receive())["detail"] == {"n": 3}


def test_disabled_rule_sends_nothing(cloud: Cloud, inbox: tuple[str, Receive], rule: Callable[..., str]) -> None:
    arn, receive = inbox
    emit(cloud, rule({"Arn": arn}, State="DISABLED"), {"n": 1})
    emit(cloud, rule({"Arn": arn}), {"n": 2})
    assert json.loads(receive())["detail"] == {"n": 2}


def test_object_created_names_the_version_and_the_unencoded_key(
    cloud: Cloud, inbox: tuple[str, Receive], rule: Callable[..., str]
) -> None:
    arn, receive = inbox
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="watched")
    s3.put_bucket_versioning(Bucket="watched", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_notification_configuration(
        Bucket="watched", NotificationConfiguration={"EventBridgeConfiguration": {}}
    )
    pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"bucket": {"name": ["watched"]}}}
    rule({"Arn": arn}, pattern=pattern)
    versions = [s3.put_object(Bucket="watched", Key="a b+ü.jsonl", Body=b"123") for _ in range(2)]
    found = sorted((json.loads(receive())["detail"] for _ in range(2)), key=lambda d: d["object"]["sequencer"])
    assert [detail["object"]["version-id"] for detail in found] == [version["VersionId"] for version in versions]
    assert found[0]["object"]["sequencer"] < found[1]["object"]["sequencer"]
    assert {k: found[0]["object"][k] for k in ("key", "size", "etag")} == {
        "key": "a b+ü.jsonl",
        "size": 3,
        "etag": versions[0]["ETag"].strip('"'),
    }
    assert found[0]["reason"] == "PutObject"
