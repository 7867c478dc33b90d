"""STATE MACHINE, after `evaluate`: say whether the candidate may go into production, and why."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters.evaluations import read_evidence
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.lifecycle import GateRequest
from tunesmith.domain.gating import judge
from tunesmith.entry.observability import logger


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    asked = GateRequest.model_validate(event)
    evaluation = asked.plan.evaluate
    if evaluation is None:
        raise InvalidInput(f"{asked.request.run_id}: the plan has nothing to evaluate, so there is nothing to judge")
    verdict = judge(read_evidence(Storage(), evaluation), evaluation, asked.request.recipe.gate)
    logger.info("candidate judged", run_id=asked.request.run_id, approved=verdict.approved, reasons=verdict.reasons)
    return verdict.model_dump(mode="json")
