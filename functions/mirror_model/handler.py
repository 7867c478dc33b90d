"""STATE MACHINE, after `register_model`: show the version in SageMaker's model registry, with its approval."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import packages
from tunesmith.adapters.registry import Versions
from tunesmith.contracts.environment import MirrorModelEnv
from tunesmith.contracts.lifecycle import MirroredPackage
from tunesmith.contracts.models import ModelVersion
from tunesmith.entry.observability import logger

env = cache(MirrorModelEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    named = ModelVersion.model_validate(event)
    version = Versions(env().models_table).get(named.project, named.model, named.version)
    arn = packages.mirror(env().model_package_group, version, env().serving_image)
    logger.info("model mirrored", run_id=version.run_id, version=version.version, model_package_arn=arn)
    return MirroredPackage(model_package_arn=arn).model_dump(mode="json")
