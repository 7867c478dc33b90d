"""A step of the state machine: how far a run has come is written into its row, and never backwards."""

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import clock, runs
from tunesmith.contracts.environment import RecordStateEnv
from tunesmith.contracts.lifecycle import StateRecord
from tunesmith.contracts.metrics import MetricName
from tunesmith.contracts.runs import RunStatus
from tunesmith.domain.runs import advance
from tunesmith.entry.counting import count
from tunesmith.entry.observability import logger

env = cache(RecordStateEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    record = StateRecord.model_validate(event)
    run = runs.move(env().runs_table, record.run_id, partial(advance, record=record, now=clock.now()))
    if run is None:
        return logger.info("late or repeated, nothing to do", run_id=record.run_id, stage=record.stage)
    if run.status is RunStatus.FAILED:
        count(MetricName.RUNS_FAILED)
    logger.info("run moved", run_id=record.run_id, status=run.status, stage=run.stage, reasons=run.reasons)
