"""STATE MACHINE, after the gate: make the candidate an immutable version, approved or rejected, with its evidence."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.register_model.facts import read_facts
from tunesmith.adapters.clock import now
from tunesmith.adapters.registry import Versions
from tunesmith.adapters.storage import Storage
from tunesmith.contracts.artifacts import card_key, s3_uri
from tunesmith.contracts.environment import RegisterModelEnv
from tunesmith.contracts.lifecycle import RegisterRequest
from tunesmith.contracts.models import ModelVersion
from tunesmith.domain.cards import model_card
from tunesmith.domain.registering import candidate_of
from tunesmith.entry.observability import logger

env = cache(RegisterModelEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    version = register_model(RegisterRequest.model_validate(event))
    logger.info("model registered", run_id=version.run_id, version=version.version, status=version.status)
    return version.model_dump(mode="json")


def register_model(asked: RegisterRequest) -> ModelVersion:
    request, storage, versions = asked.request, Storage(), Versions(env().models_table)
    registered = versions.of_run(request.project, request.model, request.run_id)
    if registered is not None:
        return registered
    facts = read_facts(asked, storage)
    card_uri = s3_uri(env().models_bucket, card_key(request.run_id))
    storage.write(card_uri, model_card(facts), content_type="text/markdown; charset=utf-8")
    return versions.register(candidate_of(facts, card_uri, created_at=now()))
