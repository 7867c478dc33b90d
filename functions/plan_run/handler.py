"""STATE MACHINE, after `prepare`: decide whether to train, at what cost, and exactly what to run."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import bases, suites
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.adapters.storage import Storage, beside
from tunesmith.contracts.artifacts import result_key, s3_uri
from tunesmith.contracts.environment import PlanRunEnv
from tunesmith.contracts.jobs import JobName, PrepareResult
from tunesmith.contracts.lifecycle import LifecycleState, Plan
from tunesmith.contracts.models import CHAMPION, BaseModelManifest, ModelReference, ModelVersion
from tunesmith.contracts.runs import RunRequest
from tunesmith.domain import planning, sizing
from tunesmith.entry.observability import logger

env = cache(PlanRunEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    state = LifecycleState.model_validate(event)
    plan = plan_run(state)
    logger.info("run planned", run_id=state.request.run_id, decision=plan.decision, reasons=plan.reasons)
    return plan.model_dump(mode="json")


def plan_run(state: LifecycleState) -> Plan:
    """The checks in order, each of which can refuse the run, from the cheapest to know to the dearest to get wrong."""
    request, storage = state.request, Storage()
    result = PrepareResult.model_validate_json(
        storage.read(s3_uri(env().artifacts_bucket, result_key(request.run_id, JobName.PREPARE)))
    )
    if poor := planning.quality_problems(result, request.recipe.prepare):
        return planning.refused(request, poor, None, None)
    only_prepared = planning.is_only_prepared(request)
    if not only_prepared and (unfit := planning.kind_problems(result.kind, request.recipe.finetune)):
        return planning.refused(request, unfit, None, None)
    suite = suites.pin_first(env().datasets_table, request.project, request.dataset, planning.suite_of(request, result))
    untrusted = planning.suite_problems(suite, state.prepare, result)
    if suite is None or untrusted:
        return planning.refused(request, untrusted, suite, None)
    if only_prepared:
        return planning.prepared_only(request, suite)
    context_length = bases.context_length(storage, request.base.uri)
    if too_long := planning.context_problems(context_length, request.recipe.finetune):
        return planning.refused(request, too_long, suite, None)
    champion = current_champion(request)
    if incomparable := planning.champion_problems(champion, request):
        return planning.refused(request, incomparable, suite, None)
    opponents = len(planning.contenders(champion))
    estimate = sizing.estimate(
        request.recipe, result, suite, parameters=parameters_of(request.base, storage), opponents=opponents
    )
    if dear := planning.budget_problems(estimate, request.recipe):
        return planning.refused(request, dear, suite, estimate)
    buckets = {"artifacts_bucket": env().artifacts_bucket, "models_bucket": env().models_bucket}
    return planning.training(request, result, suite, champion, estimate, **buckets)


def current_champion(request: RunRequest) -> ModelVersion | None:
    alias = Aliases(env().aliases_table).get(request.project, request.model, CHAMPION)
    return Versions(env().models_table).get(request.project, request.model, alias.version) if alias else None


def parameters_of(base: ModelReference, storage: Storage) -> int:
    manifest = BaseModelManifest.model_validate_json(storage.read(beside(base.uri, "manifest.json")))
    return manifest.parameters
