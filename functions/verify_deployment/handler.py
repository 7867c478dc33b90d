"""STATE MACHINE, after `shift_traffic`: say whether the endpoint serves what it was asked to, by asking it."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import deployments, endpoints
from tunesmith.contracts.deployments import Deployment, DeploymentStatus
from tunesmith.contracts.environment import VerifyDeploymentEnv
from tunesmith.contracts.errors import IntegrityError
from tunesmith.contracts.lifecycle import VerifyRequest
from tunesmith.domain import deploying
from tunesmith.entry.observability import logger

env = cache(VerifyDeploymentEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    asked = VerifyRequest.model_validate(event).deployment
    deployment = verify_deployment(asked, env().deployments_table)
    logger.info("deployment looked at", **deployment.model_dump())
    return deployment.model_dump(mode="json")


def verify_deployment(asked: Deployment, table: str) -> Deployment:
    row = deployments.get(table, asked.endpoint)
    found = endpoints.describe(asked.endpoint)
    progress = deploying.progress(asked, found, row.configuration if row else None)
    if progress.status is not DeploymentStatus.IN_SERVICE:
        return progress
    try:
        verified = deploying.verified(progress, endpoints.served_model(asked.endpoint))
    except IntegrityError as error:
        return deploying.failed(progress, str(error))
    if verified.status is DeploymentStatus.VERIFIED:
        deployments.mark_verified(table, verified)
    return verified
