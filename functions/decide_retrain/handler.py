"""A quality alarm, by EventBridge, through SNS or directly: a policy decides once whether a retraining starts."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import clock, retraining
from tunesmith.contracts.environment import DecideRetrainEnv
from tunesmith.contracts.events import AlarmFired, parse_alarm
from tunesmith.contracts.metrics import MetricName
from tunesmith.domain.retraining import concerns_quality, explain
from tunesmith.entry.counting import count
from tunesmith.entry.observability import logger

env = cache(DecideRetrainEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    for alarm in parse_alarm(event):
        if concerns_quality(alarm):
            decide(alarm)
        else:
            logger.info("nothing to decide", alarm=alarm.alarm_name, state=alarm.state)


def decide(alarm: AlarmFired) -> None:
    outcome = retraining.decide(env(), alarm, clock.now())
    if outcome.repeated:
        count(MetricName.DUPLICATE_EVENT)
    logger.info(explain(outcome.decision), run_id=outcome.decision.run_id, repeated=outcome.repeated)
