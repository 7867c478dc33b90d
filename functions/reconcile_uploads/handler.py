"""On a schedule: what events lost is found. Uploads without a row are accepted, queued runs without an execution
are started, and runs whose execution ended without a word are recorded as ended."""

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import clock, pipeline, runs, suites, uploads
from tunesmith.contracts.environment import ReconcileUploadsEnv
from tunesmith.contracts.errors import InvalidInput, PlatformError
from tunesmith.contracts.events import ObjectCreated
from tunesmith.contracts.metrics import MetricName
from tunesmith.contracts.runs import RunRequest, RunStatus
from tunesmith.domain.runs import advance, ending, start_document
from tunesmith.entry.counting import count
from tunesmith.entry.observability import logger

env = cache(ReconcileUploadsEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    region = context.invoked_function_arn.split(":")[3]
    accepted = sum([accept(found) for found in uploads.unaccepted(env(), region)])
    unfinished = list(runs.unfinished(env().runs_table))
    ended = sum([end(run.request) for run in unfinished])
    started = sum([start(run.request) for run in unfinished if run.status is RunStatus.QUEUED])
    if accepted + started + ended:
        count(MetricName.RECONCILED, accepted + started + ended)
    logger.info("reconciled", accepted=accepted, started=started, ended=ended)
    return {"accepted": accepted, "started": started, "ended": ended}


def accept(found: ObjectCreated) -> bool:
    """An upload that cannot be accepted is told in the log and must not keep the others waiting; one that never can be
    is recorded, so that it is told once."""
    try:
        outcome = uploads.accept(env(), found, clock.now())
    except PlatformError as error:
        logger.error("upload refused", key=found.key, version_id=found.version_id, code=error.code, reason=str(error))
        if isinstance(error, InvalidInput):
            uploads.record_unusable(env(), found, str(error), clock.now())
        return False
    if outcome.refusal:
        count(MetricName.RUNS_FAILED)
    return not outcome.repeated


def end(request: RunRequest) -> bool:
    """Whether the run's execution had ended and its row did not know."""
    ended = pipeline.ended_badly(pipeline.execution_arn(env().state_machine_arn, request.run_id))
    if ended is None:
        return False
    moved = runs.move(env().runs_table, request.run_id, partial(advance, record=ending(ended), now=clock.now()))
    if moved and moved.status is RunStatus.FAILED:
        count(MetricName.RUNS_FAILED)
    return moved is not None


def start(request: RunRequest) -> bool:
    if pipeline.describe(pipeline.execution_arn(env().state_machine_arn, request.run_id)):
        return False
    suite = suites.pinned(env().datasets_table, request.project, request.dataset)
    return pipeline.start(env().state_machine_arn, start_document(request, suite, env().artifacts_bucket))
