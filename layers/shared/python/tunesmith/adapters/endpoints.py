"""SageMaker endpoints. The only place that creates or changes one, and never without its rollback alarms.

SageMaker says ValidationException both for a name that is taken and for one that does not exist, so what is there is
read before and after: a repeat, or a rival with the same request, finds the thing made and is content.
"""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError, WaiterError
from pydantic import ValidationError

from tunesmith.adapters import alarms
from tunesmith.adapters.containers import serving_container, serving_environment
from tunesmith.contracts.deployments import ServedModel
from tunesmith.contracts.errors import Conflict, IntegrityError, MissingRollbackAlarms
from tunesmith.domain.deploying import BROKEN, CHANGING, DELETING, VARIANT, EndpointState, Serving, rollback_alarms

NOT_FOUND = "Could not find"
DELETION_WAIT = {"Delay": 5, "MaxAttempts": 24}
"""Two minutes: what a function can afford to wait."""
TERMINATION_WAIT_SECONDS = 60
BAKE_SECONDS = 120
"""How long the alarms watch the new fleet before the old one goes."""


@cache
def client() -> Any:
    """The process's one SageMaker client."""
    return boto3.client("sagemaker")


@cache
def runtime() -> Any:
    """The process's one client for invoking endpoints."""
    return boto3.client("sagemaker-runtime")


def serve(serving: Serving, role_arn: str) -> None:
    """Ask the endpoint for this model, in this configuration. A repeat is a no-op.

    Raises Conflict while an earlier change is still under way: the same call may succeed later.
    """
    _make_model(serving, role_arn)
    _make_configuration(serving)
    found = describe(serving.endpoint)
    if found is not None and found.status == BROKEN:
        _clear_away(serving.endpoint)
        found = None
    if found is not None and found.target == serving.configuration:
        return
    if found is not None and found.status in CHANGING:
        raise Conflict(
            f"endpoint {serving.endpoint} is {found.status} to {found.target}; "
            f"ask for {serving.configuration} again when that is over"
        )
    _request(serving, exists=found is not None)


def describe(endpoint: str) -> EndpointState | None:
    """What SageMaker says of the endpoint; None where there is none."""
    found = _found(lambda: client().describe_endpoint(EndpointName=endpoint))
    if found is None:
        return None
    return EndpointState(
        status=found["EndpointStatus"],
        configuration=found["EndpointConfigName"],
        pending_configuration=found.get("PendingDeploymentSummary", {}).get("EndpointConfigName"),
        failure_reason=found.get("FailureReason", ""),
    )


def delete(endpoint: str) -> None:
    """Delete the endpoint; one that is not there, or is being deleted, is a no-op.

    Raises Conflict while a change of it is under way: the same call may succeed later.
    """
    try:
        client().delete_endpoint(EndpointName=endpoint)
    except ClientError as error:
        found = describe(endpoint)
        if found is None or found.status == DELETING:
            return
        if found.status in CHANGING:
            raise Conflict(f"endpoint {endpoint} is {found.status}; delete it again when that is over") from error
        raise


def served_model(endpoint: str) -> ServedModel:
    """Ask the container what it serves. Raises IntegrityError where the answer is not a description."""
    body = json.dumps({"describe": True})
    try:
        answer = runtime().invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ModelError":
            raise
        raise IntegrityError(f"its container failed to say what it serves: {error}") from error
    try:
        return ServedModel.model_validate_json(answer["Body"].read())
    except ValidationError as error:
        raise IntegrityError(f"its container did not say what it serves: {error.error_count()} wrong fields") from error


def require_alarms(endpoint: str) -> list[str]:
    """The names of the endpoint's rollback alarms. Raises MissingRollbackAlarms unless CloudWatch has them all."""
    names = [alarm.name for alarm in rollback_alarms(endpoint)]
    missing = alarms.missing(names)
    if missing:
        raise MissingRollbackAlarms(
            f"endpoint {endpoint} is neither made nor changed: CloudWatch has no alarm {', '.join(missing)}"
        )
    return names


def _clear_away(endpoint: str) -> None:
    """Delete a failed endpoint, the one thing that SageMaker lets be done with it, and wait until its name is free."""
    delete(endpoint)
    try:
        client().get_waiter("endpoint_deleted").wait(EndpointName=endpoint, WaiterConfig=DELETION_WAIT)
    except WaiterError as error:
        raise Conflict(f"endpoint {endpoint} had failed and is still being deleted; ask again later") from error


def _request(serving: Serving, *, exists: bool) -> None:
    """Create or change the endpoint, watched by its alarms."""
    names = require_alarms(serving.endpoint)
    arguments = {
        "EndpointName": serving.endpoint,
        "EndpointConfigName": serving.configuration,
        "DeploymentConfig": _deployment_config(serving.request.serve.instance_count, names),
    }
    try:
        if exists:
            client().update_endpoint(**arguments)
        else:
            client().create_endpoint(**arguments)
    except ClientError:
        found = describe(serving.endpoint)
        if found is None or found.target != serving.configuration:
            raise


def _deployment_config(instances: int, alarm_names: list[str]) -> dict[str, Any]:
    """Blue-green: one instance of the new fleet first where there are several, and the old fleet kept while alarms
    watch."""
    routing: dict[str, Any] = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": BAKE_SECONDS}
    if instances > 1:
        routing |= {"Type": "CANARY", "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1}}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": routing,
            "TerminationWaitInSeconds": TERMINATION_WAIT_SECONDS,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarm_names]},
    }


def _make_model(serving: Serving, role_arn: str) -> None:
    """The container gets its files from SageMaker and calls nobody, so it has no network and no credentials."""
    name, request = {"ModelName": serving.configuration}, serving.request
    container = serving_container(serving.image, request.base, request.adapter)
    container["Environment"] = serving_environment(request.serve)
    _make_once(
        lambda: client().describe_model(**name),
        lambda: client().create_model(
            **name, ExecutionRoleArn=role_arn, PrimaryContainer=container, EnableNetworkIsolation=True
        ),
    )


def _make_configuration(serving: Serving) -> None:
    name, machines = {"EndpointConfigName": serving.configuration}, serving.request.serve
    variant = {
        "VariantName": VARIANT,
        "ModelName": serving.configuration,
        "InstanceType": machines.instance_type,
        "InitialInstanceCount": machines.instance_count,
        "InitialVariantWeight": 1.0,
    }
    _make_once(
        lambda: client().describe_endpoint_config(**name),
        lambda: client().create_endpoint_config(**name, ProductionVariants=[variant]),
    )


def _make_once(describe_it: Callable[[], Any], create_it: Callable[[], Any]) -> None:
    """Create what is named by its content, unless it is there."""
    if _found(describe_it) is not None:
        return
    try:
        create_it()
    except ClientError:
        if _found(describe_it) is None:
            raise


def _found(describe_it: Callable[[], Any]) -> dict[str, Any] | None:
    """The answer of a describe call, or None where SageMaker could not find it."""
    try:
        answer: dict[str, Any] = describe_it()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException" or NOT_FOUND not in str(error):
            raise
        return None
    return answer
