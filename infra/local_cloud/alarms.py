"""CloudWatch alarms are evaluated each second, and a change of state reaches topics, functions and EventBridge."""

import json
import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from infra.local_cloud import alarm_messages, alarm_rules, events, metrics
from infra.local_cloud.alarm_messages import AlarmState
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.metrics import MetricKey, MetricStore
from infra.local_cloud.patching import put, replace

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
STATE_CHANGE = "CloudWatch Alarm State Change"
NEW = "Unchecked: Initial alarm creation"


class Evaluator:
    """Looks at every alarm of the account, again and again."""

    def __init__(self, cloud: Cloud, store: MetricStore) -> None:
        self._cloud, self._store = cloud, store

    def run(self) -> None:
        while not self._cloud.stopping.wait(POLL_SECONDS):
            alarms = list(cloudwatch_backends[self._cloud.account][self._cloud.region].alarms.values())
            for alarm in alarms:
                self._look_at(alarm, alarms)

    def _look_at(self, alarm: Alarm, alarms: list[Alarm]) -> None:
        try:
            if alarm.rule is None:
                self.evaluate(alarm, time.time())
            else:
                self._evaluate_composite(alarm, alarms)
        except Exception:  # one broken alarm must not silence the others
            logger.exception("alarm %s cannot be evaluated", alarm.name)

    def evaluate(self, alarm: Alarm, now: float) -> None:
        """By the periods that are over: half a period says nothing yet."""
        if not alarm.metric_name:
            return  # metric math: docs/limits.md
        rule, starts = _rule(alarm), _period_starts(alarm, now)
        values = [self._value(alarm, start) for start in starts]
        found = alarm_rules.state(rule, values, alarm.state_value)
        if found != alarm.state_value:
            alarm.update_state(_reason(rule, alarm, starts, values, found), _reason_data(alarm, starts, values), found)

    def _value(self, alarm: Alarm, start: float) -> float | None:
        dimensions = frozenset((str(d.name), str(d.value)) for d in alarm.dimensions)
        key = MetricKey(alarm.namespace, alarm.metric_name, dimensions)
        samples = self._store.between(key, start, start + int(alarm.period), alarm.unit)
        return metrics.statistic(str(alarm.statistic or alarm.extended_statistic), samples) if samples else None

    def _evaluate_composite(self, alarm: Alarm, alarms: list[Alarm]) -> None:
        found = alarm_rules.composite_state(str(alarm.rule), {other.name: other.state_value for other in alarms})
        if found != alarm.state_value:
            alarm.update_state(f"The rule {alarm.rule} is {found == alarm_rules.ALARM}", "{}", found)


def _rule(alarm: Alarm) -> alarm_rules.Rule:
    periods = int(alarm.evaluation_periods)
    return alarm_rules.Rule(
        comparison=alarm.comparison_operator,
        threshold=float(alarm.threshold),
        evaluation_periods=periods,
        datapoints_to_alarm=int(alarm.datapoints_to_alarm or periods),
        missing=alarm.treat_missing_data or "missing",
    )


def _period_starts(alarm: Alarm, now: float) -> list[float]:
    period, count = int(alarm.period), int(alarm.evaluation_periods) + alarm_rules.EXTRA_PERIODS
    end = now // period * period
    return [end - period * back for back in range(count, 0, -1)]


def _reason(rule: alarm_rules.Rule, alarm: Alarm, starts: list[float], values: list[float | None], found: str) -> str:
    known = [(start, value) for start, value in zip(starts, values, strict=True) if value is not None]
    recent = known[-rule.evaluation_periods :]
    if not recent:
        return f"{alarm_messages.NO_DATA} {rule.evaluation_periods} datapoints were unknown."
    wanted = [(start, value) for start, value in recent if rule.breaches(value) == (found == alarm_rules.ALARM)]
    shown = ", ".join(f"{value} ({datetime.fromtimestamp(start, UTC):%d/%m/%y %H:%M:%S})" for start, value in wanted)
    crossed = "was" if found == alarm_rules.ALARM else "was not"
    return (
        f"Threshold Crossed: {len(wanted)} out of the last {rule.evaluation_periods} datapoints [{shown}] {crossed} "
        f"{alarm_rules.COMPARISONS[rule.comparison][1]} the threshold ({rule.threshold}) (minimum "
        f"{rule.datapoints_to_alarm} datapoint for {alarm.state_value} -> {found} transition)."
    )


def _reason_data(alarm: Alarm, starts: list[float], values: list[float | None]) -> str:
    known = [(start, value) for start, value in zip(starts, values, strict=True) if value is not None]
    data = {
        "version": "1.0",
        "queryDate": alarm_messages.timestamp(datetime.now(UTC)),
        "startDate": alarm_messages.timestamp(datetime.fromtimestamp(starts[0], UTC)),
        "statistic": alarm.statistic or alarm.extended_statistic,
        "period": int(alarm.period),
        "recentDatapoints": [value for _, value in known],
        "threshold": float(alarm.threshold),
        "evaluatedDatapoints": [
            {"timestamp": alarm_messages.timestamp(datetime.fromtimestamp(start, UTC)), "value": value}
            for start, value in reversed(known)
        ],
    }
    return json.dumps(data)


def install(cloud: Cloud) -> None:
    store = metrics.install(cloud)
    cloud.on_stop.append(store.clear)

    def update_state(alarm: Alarm, reason: str, reason_data: str, state_value: str) -> None:
        before = AlarmState.of(alarm)
        original_update(alarm, reason, reason_data, state_value)
        if before.value != state_value:
            cloud.pool.submit(announce, cloud, alarm, before)

    def put_metric_alarm(backend: CloudWatchBackend, name: str, *arguments: Any, **options: Any) -> Alarm:
        before = backend.alarms.get(name)
        alarm: Alarm = original_put(backend, name, *arguments, **options)
        _keep_state(alarm, before)
        return alarm

    original_update = replace(cloud, Alarm, "update_state", update_state)
    original_put = replace(cloud, CloudWatchBackend, "put_metric_alarm", put_metric_alarm)
    put(cloud, CloudWatchResponse, "put_composite_alarm", _put_composite_alarm)
    threading.Thread(target=Evaluator(cloud, store).run, daemon=True, name="alarms").start()


def _keep_state(alarm: Alarm, before: Alarm | None) -> None:
    """A new alarm knows nothing yet; a changed one stays as it is until it is looked at."""
    if before is None:
        alarm.state_value, alarm.state_reason = alarm_rules.INSUFFICIENT, NEW
        return
    for name in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
        setattr(alarm, name, getattr(before, name))


def _put_composite_alarm(response: CloudWatchResponse) -> ActionResult:
    """Takes the arguments of PutMetricAlarm that a composite alarm has; the rule makes it one."""
    answer: ActionResult = response.put_metric_alarm()
    return answer


def announce(cloud: Cloud, alarm: Alarm, before: AlarmState) -> None:
    """The event always, the actions of the new state if actions are enabled."""
    data = alarm_messages.alarm_data(alarm, before)
    events.publish(cloud, "aws.cloudwatch", STATE_CHANGE, data, [alarm.alarm_arn])
    if not alarm.actions_enabled:
        return
    chosen = {alarm_rules.ALARM: alarm.alarm_actions, alarm_rules.OK: alarm.ok_actions}
    for action in chosen.get(alarm.state_value, alarm.insufficient_data_actions):
        try:
            _act(cloud, action, alarm, before)
        except Exception:  # the other actions must still be taken
            logger.exception("alarm %s cannot take its action %s", alarm.name, action)


def _act(cloud: Cloud, action: str, alarm: Alarm, before: AlarmState) -> None:
    service = action.split(":")[2]
    if service == "sns":
        subject = f'{alarm.state_value}: "{alarm.name}" in {cloud.region}'[:100]
        message = alarm_messages.topic_message(cloud, alarm, before)
        cloud.client("sns").publish(TopicArn=action, Subject=subject, Message=message)
    elif service == "lambda":
        payload = json.dumps(alarm_messages.lambda_event(cloud, alarm, before))
        cloud.client("lambda").invoke(FunctionName=action, InvocationType="Event", Payload=payload)
    else:
        logger.error("alarm %s: the local cloud takes no action %s", alarm.name, action)
