"""The routes of a REST API, read from what was deployed into moto."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from infra.local_cloud.cloud import Cloud

FUNCTION = re.compile(r"functions/(arn:[^/]+)/invocations")
PLACEHOLDER = re.compile(r"\{([\w.-]+)(\+?)\}")
ANY = "ANY"


@dataclass(frozen=True)
class Route:
    """One method of one resource."""

    resource: str
    """As in `/v1/{proxy+}`."""
    resource_id: str
    method: str
    settings: dict[str, Any]
    """The method, as API Gateway describes it."""

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = []
        for segment in self.resource.strip("/").split("/"):
            placeholder = PLACEHOLDER.fullmatch(segment)
            parts.append(f"({'.+' if placeholder[2] else '[^/]+'})" if placeholder else re.escape(segment))
        return re.compile("/" + "/".join(parts))

    @property
    def specificity(self) -> tuple[int, ...]:
        """Sorts the route that API Gateway prefers first: words before placeholders before greedy ones."""
        kinds = []
        for segment in self.resource.strip("/").split("/"):
            placeholder = PLACEHOLDER.fullmatch(segment)
            kinds.append(0 if not placeholder else 2 if placeholder[2] else 1)
        return (*kinds, 0 if self.method != ANY else 1)

    def parameters(self, path: str) -> dict[str, str] | None:
        """Values of the placeholders; None where the path is none of this route's."""
        found = self.pattern.fullmatch(path)
        if not found:
            return None
        names = [name for name, _ in PLACEHOLDER.findall(self.resource)]
        return {name: unquote(value) for name, value in zip(names, found.groups(), strict=True)}

    @property
    def integration(self) -> dict[str, Any]:
        found: dict[str, Any] = self.settings.get("methodIntegration") or {}
        return found

    @property
    def function(self) -> str:
        """ARN of the function behind it. Raises ValueError where there is none."""
        found = FUNCTION.search(self.integration.get("uri") or "")
        if not found:
            raise ValueError(f"{self.method} {self.resource}: integration {self.integration} leads to no function")
        return found[1]


@dataclass(frozen=True)
class Match:
    route: Route
    path: str
    """Below the stage."""
    parameters: dict[str, str]


@dataclass(frozen=True)
class Api:
    """One deployed stage of one REST API."""

    id: str
    name: str
    stage: str
    deployment: str
    takes_key_from_authorizer: bool
    binary_types: tuple[str, ...]
    stage_variables: dict[str, str]
    routes: tuple[Route, ...]
    """The preferred ones first."""
    authorizers: dict[str, dict[str, Any]]
    gateway_responses: dict[str, dict[str, Any]]

    def match(self, method: str, path: str) -> Match | None:
        """The route of a request. The stage's name may lead the path, as in AWS, or be left out."""
        below = path.removeprefix(f"/{self.stage}") if path.startswith(f"/{self.stage}/") else path
        for candidate in dict.fromkeys((path, below)):
            for route in self.routes:
                parameters = route.parameters(candidate.rstrip("/") or "/")
                if parameters is not None and route.method in (method, ANY):
                    return Match(route, candidate, parameters)
        return None


def deployments(cloud: Cloud) -> dict[str, tuple[str, str]]:
    """Deployed APIs: id -> (stage, deployment)."""
    apigateway = cloud.client("apigateway")
    found = {}
    for api in apigateway.get_rest_apis()["items"]:
        for stage in apigateway.get_stages(restApiId=api["id"])["item"]:
            found[api["id"]] = (stage["stageName"], stage["deploymentId"])
    return found


def read_api(cloud: Cloud, api: str, stage: str) -> Api:
    apigateway = cloud.client("apigateway")
    about = apigateway.get_rest_api(restApiId=api)
    stage_settings = apigateway.get_stage(restApiId=api, stageName=stage)
    resources = apigateway.get_resources(restApiId=api, limit=500)["items"]
    routes = [
        Route(
            resource=resource["path"],
            resource_id=resource["id"],
            method=method,
            settings=apigateway.get_method(restApiId=api, resourceId=resource["id"], httpMethod=method),
        )
        for resource in resources
        for method in resource.get("resourceMethods") or {}
    ]
    return Api(
        id=api,
        name=about["name"],
        stage=stage,
        deployment=stage_settings["deploymentId"],
        takes_key_from_authorizer=about.get("apiKeySource") == "AUTHORIZER",
        binary_types=tuple(about.get("binaryMediaTypes") or ()),
        stage_variables=stage_settings.get("variables") or {},
        routes=tuple(sorted(routes, key=lambda route: route.specificity)),
        authorizers={item["id"]: item for item in apigateway.get_authorizers(restApiId=api)["items"]},
        gateway_responses={
            item["responseType"]: item for item in apigateway.get_gateway_responses(restApiId=api)["items"]
        },
    )
