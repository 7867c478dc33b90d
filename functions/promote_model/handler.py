"""STATE MACHINE, when a deployment is verified: move `champion` to the version that is being served."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters.clock import now
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.environment import PromoteModelEnv
from tunesmith.contracts.errors import NotApproved
from tunesmith.contracts.lifecycle import PromoteRequest
from tunesmith.contracts.models import CHAMPION, Alias
from tunesmith.domain import deploying
from tunesmith.entry.observability import logger

env = cache(PromoteModelEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    asked = PromoteRequest.model_validate(event)
    alias = promote_model(asked)
    logger.info("model promoted", run_id=asked.run_id, version=alias.version, revision=alias.revision)
    return alias.model_dump(mode="json")


def promote_model(asked: PromoteRequest) -> Alias:
    """Refused unless what serves is this version, and the registry says that this version is approved."""
    project, model, aliases = asked.version.project, asked.version.model, Aliases(env().aliases_table)
    done = aliases.moved_by(project, model, CHAMPION, asked.run_id)
    if done is not None:
        return done
    version = Versions(env().models_table).get(project, model, asked.version.version)
    champion = aliases.get(project, model, CHAMPION)
    problem = deploying.serving_problem(version, champion) or deploying.promotion_problem(version, asked.deployment)
    if problem:
        raise NotApproved(f"{CHAMPION} of {project}/{model} stays where it is: {problem}")
    return aliases.move(
        CHAMPION,
        version,
        cause=asked.run_id,
        reason=deploying.promotion_reason(asked.run_id, champion),
        moved_at=now(),
        expected_revision=champion.revision if champion else 0,
    )
