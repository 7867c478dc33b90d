"""What CloudWatch says when an alarm changes its state: to EventBridge, to a function, to a topic."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import Alarm, Dimension

from infra.local_cloud.cloud import Cloud

NO_DATA = "Insufficient Data:"


@dataclass(frozen=True)
class AlarmState:
    value: str
    reason: str
    reason_data: str | None
    time: datetime

    @classmethod
    def of(cls, alarm: Alarm) -> "AlarmState":
        moment = alarm.state_updated_timestamp
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return cls(alarm.state_value, alarm.state_reason, alarm.state_reason_data, aware)

    def described(self) -> dict[str, str]:
        described = {"value": self.value, "reason": self.reason, "timestamp": timestamp(self.time)}
        return described | ({"reasonData": self.reason_data} if self.reason_data else {})


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def alarm_data(alarm: Alarm, before: AlarmState) -> dict[str, Any]:
    """The detail of the event, which a function called by the alarm gets as well."""
    return {
        "alarmName": alarm.name,
        "state": AlarmState.of(alarm).described(),
        "previousState": before.described(),
        "configuration": _configuration(alarm),
    }


def lambda_event(cloud: Cloud, alarm: Alarm, before: AlarmState) -> dict[str, Any]:
    return {
        "source": "aws.cloudwatch",
        "alarmArn": alarm.alarm_arn,
        "accountId": cloud.account,
        "time": timestamp(AlarmState.of(alarm).time),
        "region": cloud.region,
        "alarmData": alarm_data(alarm, before),
    }


def topic_message(cloud: Cloud, alarm: Alarm, before: AlarmState) -> str:
    now = AlarmState.of(alarm)
    message = {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": cloud.account,
        "AlarmConfigurationUpdatedTimestamp": timestamp(alarm.configuration_updated_timestamp),
        "NewStateValue": now.value,
        "NewStateReason": now.reason,
        "StateChangeTime": timestamp(now.time),
        "Region": cloud.region,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before.value,
        "OKActions": alarm.ok_actions,
        "AlarmActions": alarm.alarm_actions,
        "InsufficientDataActions": alarm.insufficient_data_actions,
    }
    return json.dumps(message | ({"AlarmRule": alarm.rule} if alarm.rule else {"Trigger": _trigger(alarm)}))


def _configuration(alarm: Alarm) -> dict[str, Any]:
    if alarm.rule is not None:
        return {"description": alarm.description, "alarmRule": alarm.rule}
    metric = {"namespace": alarm.namespace, "name": alarm.metric_name, "dimensions": _by_name(alarm.dimensions)}
    stat = alarm.statistic or alarm.extended_statistic
    query = {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, alarm.alarm_arn)),
        "metricStat": {"metric": metric, "period": int(alarm.period), "stat": stat},
        "returnData": True,
    }
    return {"description": alarm.description, "metrics": [query]}


def _trigger(alarm: Alarm) -> Mapping[str, Any]:
    return {
        "MetricName": alarm.metric_name,
        "Namespace": alarm.namespace,
        "StatisticType": "Statistic" if alarm.statistic else "ExtendedStatistic",
        "Statistic": str(alarm.statistic or alarm.extended_statistic).upper(),
        "Unit": alarm.unit,
        "Dimensions": [{"value": dimension.value, "name": dimension.name} for dimension in alarm.dimensions],
        "Period": int(alarm.period),
        "EvaluationPeriods": int(alarm.evaluation_periods),
        "DatapointsToAlarm": int(alarm.datapoints_to_alarm or alarm.evaluation_periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }


def _by_name(dimensions: list[Dimension]) -> dict[str, str]:
    return {str(dimension.name): str(dimension.value) for dimension in dimensions}
