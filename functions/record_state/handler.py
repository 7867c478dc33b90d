"""A step of the state machine: how far a run has come is written into its row, and never backwards.

Step Functions' own event about an execution that failed, timed out or was stopped comes here as well: where the
execution could not record its end, this does.
"""

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import clock, failures, runs
from tunesmith.contracts.environment import RecordStateEnv
from tunesmith.contracts.events import is_execution_status, parse_execution_ended
from tunesmith.contracts.lifecycle import StateRecord
from tunesmith.contracts.metrics import MetricName
from tunesmith.contracts.runs import RunStatus
from tunesmith.domain.runs import advance, ending
from tunesmith.entry.counting import count
from tunesmith.entry.observability import logger

env = cache(RecordStateEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    record = with_the_jobs_words(record_of(event))
    run = runs.move(env().runs_table, record.run_id, partial(advance, record=record, now=clock.now()))
    if run is None:
        return logger.info("late or repeated, nothing to do", run_id=record.run_id, stage=record.stage)
    if run.status is RunStatus.FAILED:
        count(MetricName.RUNS_FAILED)
    logger.info("run moved", run_id=record.run_id, status=run.status, stage=run.stage, reasons=run.reasons)


def with_the_jobs_words(record: StateRecord) -> StateRecord:
    """A job that fails says why better than its exit code does."""
    if record.failure is None:
        return record
    told = failures.told_by_job(env().artifacts_bucket, record.run_id, record.stage)
    return record.model_copy(update={"reasons": [*record.reasons, told]}) if told else record


def record_of(event: dict[str, Any]) -> StateRecord:
    return ending(parse_execution_ended(event)) if is_execution_status(event) else StateRecord.model_validate(event)
