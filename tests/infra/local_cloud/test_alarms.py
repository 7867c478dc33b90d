"""Alarms from the metric that breaches to the subscriber that hears of it."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local_cloud import alarms, emf, events, notifications
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.log_streams import LogStream
from tests.support.local_cloud import eventually

PLUGINS = [events, notifications, alarms, emf]
QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:{}"
Put = Callable[..., str]


@pytest.fixture
def put_alarm(cloud: Cloud) -> Put:
    """An alarm on a metric named like itself."""

    def put(**more: Any) -> str:
        name = more.pop("AlarmName", f"alarm-{time.time_ns()}")
        request = {
            "AlarmName": name,
            "AlarmDescription": "too much",
            "Namespace": "Test",
            "MetricName": name,
            "Dimensions": [{"Name": "Model", "Value": "m"}],
            "Statistic": "Sum",
            "Period": 10,
            "EvaluationPeriods": 1,
            "Threshold": 2.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        cloud.client("cloudwatch").put_metric_alarm(**request | more)
        return str(name)

    return put


@pytest.fixture
def inbox(cloud: Cloud) -> tuple[str, Callable[[], Any]]:
    name = f"inbox-{time.time_ns()}"
    url = cloud.client("sqs").create_queue(QueueName=name)["QueueUrl"]

    def receive() -> Any:
        found = eventually(lambda: cloud.client("sqs").receive_message(QueueUrl=url).get("Messages"), 15)
        return json.loads(found[0]["Body"])

    return QUEUE_ARN.format(name), receive


def put_values(cloud: Cloud, metric: str, *values: float, model: str = "m") -> None:
    dimensions = [{"Name": "Model", "Value": model}]
    data = [
        {"MetricName": metric, "Value": value, "Dimensions": dimensions, "StorageResolution": 1} for value in values
    ]
    cloud.client("cloudwatch").put_metric_data(Namespace="Test", MetricData=data)


def state(cloud: Cloud, name: str) -> str:
    return str(cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])


def test_alarm_knows_nothing_at_first_then_rings_then_is_quiet(cloud: Cloud, put_alarm: Put) -> None:
    name = put_alarm()
    assert state(cloud, name) == "INSUFFICIENT_DATA"
    put_values(cloud, name, 2, 2)
    put_values(cloud, name, 50, model="another")
    eventually(lambda: state(cloud, name) == "ALARM", 15)
    put_alarm(AlarmName=name, Threshold=100.0)
    eventually(lambda: state(cloud, name) == "OK", 5)


def test_metrics_of_a_log_line_ring_the_alarm(cloud: Cloud, put_alarm: Put) -> None:
    name = put_alarm(Statistic="Maximum")
    metric = {"Name": name, "Unit": "Count", "StorageResolution": 1}
    about = {"Namespace": "Test", "Dimensions": [["Model"], []], "Metrics": [metric]}
    record = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [about]}, "Model": "m", name: [1, 9]}
    LogStream(cloud, "/aws/lambda/f", "s").write(json.dumps(record))
    assert eventually(lambda: state(cloud, name) == "ALARM", 15)


def test_line_that_is_no_metric_is_only_a_line(cloud: Cloud) -> None:
    LogStream(cloud, "/aws/lambda/f", "broken").write('{"_aws": {"CloudWatchMetrics": 7}}')
    found = cloud.client("logs").get_log_events(logGroupName="/aws/lambda/f", logStreamName="broken")["events"]
    assert len(found) == 1


def test_topic_hears_the_alarm_as_cloudwatch_tells_it(
    cloud: Cloud, put_alarm: Put, inbox: tuple[str, Callable[[], Any]]
) -> None:
    arn, receive = inbox
    topic = cloud.client("sns").create_topic(Name="operators")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    name = put_alarm(AlarmActions=[topic])
    cloud.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    told = receive()
    message = json.loads(told["Message"])
    assert (told["TopicArn"], told["Subject"]) == (topic, f'ALARM: "{name}" in us-east-1')
    assert (message["AlarmName"], message["NewStateValue"], message["OldStateValue"]) == (
        name,
        "ALARM",
        "INSUFFICIENT_DATA",
    )
    assert message["Trigger"]["Dimensions"] == [{"value": "m", "name": "Model"}]


def test_event_carries_state_previous_state_and_configuration(
    cloud: Cloud, put_alarm: Put, inbox: tuple[str, Callable[[], Any]]
) -> None:
    arn, receive = inbox
    name = f"quality-{time.time_ns()}"
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [{"prefix": name}], "state": {"value": ["ALARM"]}}}
    cloud.client("events").put_rule(Name=name, EventPattern=json.dumps(pattern))
    cloud.client("events").put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])
    put_alarm(AlarmName=name)
    put_values(cloud, name, 7)
    event = receive()
    detail = event["detail"]
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"] == [f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"]
    assert (detail["state"]["value"], detail["previousState"]["value"]) in (
        ("ALARM", "INSUFFICIENT_DATA"),
        ("ALARM", "OK"),
    )
    assert json.loads(detail["state"]["reasonData"])["recentDatapoints"] == [7.0]
    assert "1 out of the last 1 datapoints [7.0 (" in detail["state"]["reason"]
    [metric] = detail["configuration"]["metrics"]
    assert metric["metricStat"] == {
        "metric": {"namespace": "Test", "name": name, "dimensions": {"Model": "m"}},
        "period": 10,
        "stat": "Sum",
    }


def test_repeated_state_is_told_once(cloud: Cloud, put_alarm: Put, inbox: tuple[str, Callable[[], Any]]) -> None:
    arn, receive = inbox
    topic = cloud.client("sns").create_topic(Name=f"once-{time.time_ns()}")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    name = put_alarm(AlarmActions=[topic], OKActions=[topic])
    set_state = cloud.client("cloudwatch").set_alarm_state
    for value in ("ALARM", "ALARM", "OK"):
        set_state(AlarmName=name, StateValue=value, StateReason="test")
    told = [json.loads(receive()["Message"])["NewStateValue"] for _ in range(2)]
    assert sorted(told) == ["ALARM", "OK"]


def test_disabled_actions_are_not_taken(cloud: Cloud, put_alarm: Put, inbox: tuple[str, Callable[[], Any]]) -> None:
    arn, receive = inbox
    topic = cloud.client("sns").create_topic(Name=f"quiet-{time.time_ns()}")["TopicArn"]
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    silent, loud = put_alarm(AlarmActions=[topic], ActionsEnabled=False), put_alarm(AlarmActions=[topic])
    for name in (silent, loud):
        cloud.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")
    assert json.loads(receive()["Message"])["AlarmName"] == loud


def test_composite_alarm_follows_its_rule(cloud: Cloud, put_alarm: Put) -> None:
    name = put_alarm(TreatMissingData="ignore")
    client = cloud.client("cloudwatch")
    client.put_composite_alarm(AlarmName=f"any-{name}", AlarmRule=f"ALARM({name})", AlarmActions=[])
    client.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="test")

    def composite() -> str:
        return str(client.describe_alarms(AlarmNames=[f"any-{name}"])["CompositeAlarms"][0]["StateValue"])

    assert eventually(lambda: composite() == "ALARM")
