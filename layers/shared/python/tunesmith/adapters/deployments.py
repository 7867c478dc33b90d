"""What each endpoint was last asked to serve, by which run, and what it was last verified to serve."""

from dataclasses import dataclass, replace

from tunesmith.adapters import dynamo
from tunesmith.adapters.dynamo import Put, Row
from tunesmith.contracts.deployments import Deployment, DeploymentRequest
from tunesmith.contracts.errors import Conflict
from tunesmith.domain.deploying import Serving

KEY = ("endpoint",)


@dataclass(frozen=True)
class Asked:
    """The row of an endpoint."""

    endpoint: str
    configuration: str
    request: DeploymentRequest
    last_verified: DeploymentRequest | None
    revision: int


def get(table: str, endpoint: str) -> Asked | None:
    """What the endpoint was last asked to serve, as of now."""
    row = dynamo.get(table, {"endpoint": endpoint})
    if row is None:
        return None
    verified = row.get("verified")
    return Asked(
        endpoint=endpoint,
        configuration=row["endpoint_config"],
        request=DeploymentRequest.model_validate_json(row["document"]),
        last_verified=DeploymentRequest.model_validate_json(verified) if verified else None,
        revision=int(row["revision"]),
    )


def record(table: str, serving: Serving) -> None:
    """Write down what is about to be asked, before it is. A repeat of the same run's request is a no-op.

    Raises Conflict where another run asked at the same time.
    """
    before = get(table, serving.endpoint)
    if before is not None and (before.request, before.configuration) == (serving.request, serving.configuration):
        return
    after = Asked(
        endpoint=serving.endpoint,
        configuration=serving.configuration,
        request=serving.request,
        last_verified=before.last_verified if before else None,
        revision=before.revision + 1 if before else 1,
    )
    _replace(table, before, after)


def mark_verified(table: str, deployment: Deployment) -> None:
    """Write down that the endpoint serves what it was last asked for; what a rollback goes back to."""
    now = get(table, deployment.endpoint)
    if now is None or now.configuration != deployment.endpoint_config:
        raise Conflict(f"{deployment.endpoint} was asked for another configuration while this one was verified")
    if now.last_verified != now.request:
        _replace(table, now, replace(now, last_verified=now.request, revision=now.revision + 1))


def _replace(table: str, before: Asked | None, after: Asked) -> None:
    """Write the row, if it is still as it was read."""
    row: Row = {
        "endpoint": after.endpoint,
        "endpoint_config": after.configuration,
        "model_digest": (after.request.adapter or after.request.base).digest,
        "run_id": after.request.run_id,
        "revision": after.revision,
        "document": after.request.model_dump_json(),
        "verified": after.last_verified.model_dump_json() if after.last_verified else None,
        "owner": dynamo.owner_token(),
    }
    if before is None:
        write = Put.new(table, row, KEY)
    else:
        write = Put(table, row, KEY, condition="revision = :was", values={":was": before.revision})
    if not dynamo.put(write):
        raise Conflict(f"{after.endpoint} was asked for something else at the same moment; run the step again")
