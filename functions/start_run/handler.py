"""The RUNS table's stream: a run that was written as queued gets its execution, under its own name."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import pipeline, runs, suites
from tunesmith.adapters.dynamo import unpack
from tunesmith.adapters.runs import run_of
from tunesmith.contracts.environment import StartRunEnv
from tunesmith.contracts.events import StreamRecord, parse_stream
from tunesmith.contracts.runs import RunRequest, RunStatus
from tunesmith.domain.runs import start_document
from tunesmith.entry.observability import logger

env = cache(StartRunEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    """An error fails the whole batch, which is delivered again: starting twice is a no-op."""
    for request in filter(None, map(queued_request, parse_stream(event))):
        start(request)


def queued_request(record: StreamRecord) -> RunRequest | None:
    """The request of a row that is new and queued; later changes of a run start nothing."""
    if record.event_name != "INSERT" or record.change.new_image is None:
        return None
    run = run_of(unpack(record.change.new_image))
    return run.request if run.status is RunStatus.QUEUED else None


def start(request: RunRequest) -> None:
    """The record tells of the row as it was: a run that was cancelled since is not started."""
    now = runs.get_run(env().runs_table, request.run_id)
    if now.status.is_final:
        return logger.info("run has ended before it was started", run_id=request.run_id, status=now.status)
    suite = suites.pinned(env().datasets_table, request.project, request.dataset)
    document = start_document(request, suite, env().artifacts_bucket)
    started = pipeline.start(env().state_machine_arn, document)
    logger.info("run started" if started else "run was started before", run_id=request.run_id)
