"""CloudWatch alarms, made by the same description every time: putting one again changes nothing."""

from functools import cache
from typing import Any

import boto3

from tunesmith.domain.deploying import MetricAlarm


@cache
def client() -> Any:
    """The process's one CloudWatch client."""
    return boto3.client("cloudwatch")


def put(alarm: MetricAlarm, notify: str | None = None) -> None:
    """Make the alarm, or make it as described. `notify` is the topic that hears of it."""
    client().put_metric_alarm(
        AlarmName=alarm.name,
        AlarmDescription=alarm.description,
        Namespace=alarm.namespace,
        MetricName=alarm.metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in alarm.dimensions],
        Statistic=alarm.statistic,
        Threshold=alarm.threshold,
        ComparisonOperator="GreaterThanOrEqualToThreshold" if alarm.or_equal else "GreaterThanThreshold",
        Period=alarm.period_seconds,
        EvaluationPeriods=alarm.evaluation_periods,
        TreatMissingData="notBreaching",
        AlarmActions=[notify] if notify else [],
    )


def missing(names: list[str]) -> list[str]:
    """Those of the names that no alarm has."""
    found = client().describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm"])["MetricAlarms"]
    return sorted(set(names) - {alarm["AlarmName"] for alarm in found})
