"""STATE MACHINE, when a version is approved: ask the endpoint to serve it, or to serve the champion again."""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tunesmith.adapters import alarms, deployments, endpoints
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.deployments import Deployment, endpoint_name
from tunesmith.contracts.environment import ShiftTrafficEnv
from tunesmith.contracts.errors import NotApproved
from tunesmith.contracts.lifecycle import ShiftRequest
from tunesmith.contracts.models import CHAMPION
from tunesmith.domain import deploying
from tunesmith.entry.observability import logger

env = cache(ShiftTrafficEnv.load)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    asked = ShiftRequest.model_validate(event)
    deployment = restore(asked) if asked.restore else shift(asked)
    logger.info("traffic shifted", run_id=asked.request.run_id, restore=asked.restore, **deployment.model_dump())
    return deployment.model_dump(mode="json")


def shift(asked: ShiftRequest) -> Deployment:
    """Serve the version that the run registered, as the registry has it now: a person may have decided meanwhile."""
    project, model = asked.version.project, asked.version.model
    version = Versions(env().models_table).get(project, model, asked.version.version)
    if problem := deploying.serving_problem(version, Aliases(env().aliases_table).get(project, model, CHAMPION)):
        raise NotApproved(problem)
    return serve(deploying.serving(deploying.deployment_request(asked.request, version), env().serving_image))


def restore(asked: ShiftRequest) -> Deployment:
    """Serve the champion again; where there is none yet, nothing: the base model never answers in its place.

    What another run has asked for since is not this run's to take back.
    """
    request = asked.request
    endpoint = endpoint_name(request.project, request.model)
    row = deployments.get(env().deployments_table, endpoint)
    if row is None or row.request.run_id != request.run_id:
        asker = row.request.run_id if row else "nobody"
        return deploying.failed(own_rollout(asked), f"nothing to take back, {asker} was the last to ask for something")
    alias = Aliases(env().aliases_table).get(request.project, request.model, CHAMPION)
    if alias is None:
        endpoints.delete(endpoint)
        return deploying.failed(own_rollout(asked), "deleted, because no version was in production before this one")
    champion = Versions(env().models_table).get(request.project, request.model, alias.version)
    again = deploying.restored(request, champion, row.last_verified)
    return serve(deploying.serving(again, env().serving_image))


def own_rollout(asked: ShiftRequest) -> Deployment:
    """What the run itself would ask for."""
    request = deploying.deployment_request(asked.request, asked.version)
    return deploying.serving(request, env().serving_image).asked()


def serve(serving: deploying.Serving) -> Deployment:
    """First the alarms that can take it back, then the record of what is asked, then the endpoint itself."""
    for alarm in deploying.rollback_alarms(serving.endpoint):
        alarms.put(alarm, notify=env().notifications_topic_arn)
    alarms.put(deploying.quality_alarm(serving.request))
    deployments.record(env().deployments_table, serving)
    endpoints.serve(serving, env().serving_role_arn)
    return serving.asked()
