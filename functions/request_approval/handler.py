"""A step of the state machine that waits for a person: the run's row keeps the token that lets it go on."""

from functools import cache, partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import clock, runs
from tunesmith.contracts.environment import RequestApprovalEnv
from tunesmith.contracts.lifecycle import ApprovalRequest
from tunesmith.domain.runs import await_approval
from tunesmith.entry.observability import logger

env = cache(RequestApprovalEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    wanted = ApprovalRequest.model_validate(event)
    change = partial(await_approval, now=clock.now())
    runs.move(env().runs_table, wanted.run_id, change, task_token=wanted.task_token)
    logger.info("run waits for approval", run_id=wanted.run_id)
