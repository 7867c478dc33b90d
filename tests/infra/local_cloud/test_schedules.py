"""Schedules: when an expression is due, and that it fires."""

import json
from datetime import UTC, datetime

import pytest

from infra.local_cloud import events, schedules
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.schedule_expressions import next_time
from tests.support.local_cloud import eventually

PLUGINS = [events, schedules]
CLOUD = {"speed": 120.0}
NOW = datetime(2026, 3, 14, 10, 30, 20, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(5 minutes)", datetime(2026, 3, 14, 10, 35, 20)),
        ("rate(1 day)", datetime(2026, 3, 15, 10, 30, 20)),
        ("cron(0/15 * * * ? *)", datetime(2026, 3, 14, 10, 45)),
        ("cron(0 9 * * ? *)", datetime(2026, 3, 15, 9, 0)),
        ("cron(15 10 ? * MON-FRI *)", datetime(2026, 3, 16, 10, 15)),
        ("cron(0 8 1 * ? *)", datetime(2026, 4, 1, 8, 0)),
        ("cron(0 8 L * ? *)", datetime(2026, 3, 31, 8, 0)),
        ("cron(0 8 ? * 2#1 *)", datetime(2026, 4, 6, 8, 0)),
        ("cron(0 8 ? * 6L *)", datetime(2026, 3, 27, 8, 0)),
        ("cron(0 0 1 JAN ? 2028)", datetime(2028, 1, 1)),
        ("at(2026-03-14T11:00:00)", datetime(2026, 3, 14, 11, 0)),
        ("at(2026-03-14T09:00:00)", None),
    ],
)
def test_schedule_is_due_at_the_next_matching_time(expression: str, expected: datetime | None) -> None:
    assert next_time(expression, NOW) == (expected and expected.replace(tzinfo=UTC))


def test_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is no schedule"):
        next_time("every day", NOW)


def test_rule_and_schedule_fire_again_and_again(cloud: Cloud) -> None:
    sqs = cloud.client("sqs")
    url = sqs.create_queue(QueueName="ticks")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:ticks"
    bus = cloud.client("events")
    bus.put_rule(Name="minutely", ScheduleExpression="rate(1 minute)")
    bus.put_targets(Rule="minutely", Targets=[{"Id": "1", "Arn": arn}])
    cloud.client("scheduler").create_schedule(
        Name="minutely",
        ScheduleExpression="rate(1 minute)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": arn, "RoleArn": "arn:aws:iam::123456789012:role/r", "Input": '{"source": "mine"}'},
    )
    seen: list[str] = []

    def look() -> bool:
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        seen.extend(json.loads(message["Body"])["source"] for message in messages)
        return seen.count("aws.events") >= 2 and seen.count("mine") >= 2

    assert eventually(look)
