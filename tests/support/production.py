"""A model in production, as the registry and the runs table know it, and requests as API Gateway hands them over."""

import json
from collections.abc import Mapping
from typing import Any

from tunesmith.adapters import deployments, dynamo
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.adapters.runs import new_run
from tunesmith.contracts.datasets import Source
from tunesmith.contracts.deployments import DeploymentRequest, endpoint_name
from tunesmith.contracts.identity import digest
from tunesmith.contracts.keys import Caller, Scope
from tunesmith.contracts.models import CHAMPION, ApprovalStatus, Candidate, ModelReference, ModelVersion
from tunesmith.contracts.recipes import MonitorRecipe, Recipe
from tunesmith.contracts.runs import Run, RunRequest, Trigger
from tunesmith.domain.deploying import Serving

CREATED_AT = "2026-11-24T05:00:00.000Z"
BASE = ModelReference(uri="s3://models/bases/base/", digest=digest("base"))


def add_run(tables: Mapping[str, str], project: str, name: str, capture: bool = True) -> RunRequest:
    request = RunRequest(
        run_id=f"run-{digest([project, name])[:32]}",
        project=project,
        dataset="docs",
        dataset_version=digest(name),
        sources=[Source(kind="upload", source_id=digest(name), uri="s3://uploads/x", version_id="v1")],
        model="docs",
        base=BASE,
        recipe=Recipe(monitor=MonitorRecipe(capture=capture)),
        trigger=Trigger.UPLOAD,
        trigger_id=digest(name),
        created_at=CREATED_AT,
    )
    dynamo.put(new_run(tables["runs"], Run(request=request, updated_at=CREATED_AT), dynamo.owner_token()))
    return request


def register(
    tables: Mapping[str, str], project: str, model: str, name: str, capture: bool = True, adapter: str | None = None
) -> ModelVersion:
    """A version out of a run of its own; its adapter's digest is `adapter`, or made of its name."""
    candidate = Candidate(
        project=project,
        model=model,
        adapter=ModelReference(uri=f"s3://models/adapters/{name}/", digest=adapter or digest(name)),
        base=BASE,
        run_id=add_run(tables, project, name, capture).run_id,
        dataset_version=digest(name),
        status=ApprovalStatus.APPROVED,
        reasons=["it gains"],
        metrics={},
        evidence_uri="s3://artifacts/report.json",
        card_uri="s3://models/card.md",
        created_at=CREATED_AT,
    )
    return Versions(tables["models"]).register(candidate)


def promote(
    tables: Mapping[str, str], project: str, model: str, name: str, capture: bool = True, adapter: str | None = None
) -> ModelVersion:
    """Register a version and make it the champion."""
    version = register(tables, project, model, name, capture, adapter)
    Aliases(tables["aliases"]).move(CHAMPION, version, cause=name, reason="it gains", moved_at=CREATED_AT)
    return version


def ask_for(tables: Mapping[str, str], version: ModelVersion) -> None:
    """Write down that a rollout asked the model's endpoint for this version."""
    recipe = Recipe()
    request = DeploymentRequest(
        run_id=version.run_id,
        project=version.project,
        model=version.model,
        version=version.version,
        base=version.base,
        adapter=version.adapter,
        serve=recipe.serve,
        monitor=recipe.monitor,
    )
    endpoint = endpoint_name(version.project, version.model)
    deployments.record(tables["deployments"], Serving(request, "image", endpoint, f"{endpoint}-config"))


def api_event(
    method: str,
    path: str,
    body: Any = None,
    *,
    project: str = "demo",
    scopes: list[Scope] | None = None,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A proxied request of a REST API, after its authorizer has spoken."""
    caller = Caller(project=project, key_id="0123456789ab", scopes=frozenset(Scope if scopes is None else scopes))
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": {"Content-Type": "application/json", "Host": "api.example.com"},
        "multiValueHeaders": {},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path.strip("/")},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/v1{path}",
            "stage": "v1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "accountId": "123456789012",
            "identity": {"sourceIp": "203.0.113.10", "userAgent": "OpenAI/Python"},
            "authorizer": {"principalId": caller.key_id, "integrationLatency": 12} | caller.context(),
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
