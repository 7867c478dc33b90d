"""CloudFormation's API Gateway types: moto's own know neither authorizers, keys, stages nor mock integrations."""

from typing import Any

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.resources import Made, Wanted, creates, deletes, updates


@creates("AWS::ApiGateway::RestApi", "Name")
def rest_api(wanted: Wanted) -> Made:
    request = wanted.properties | {"Name": wanted.name, "ApiKeySource": wanted.properties.get("ApiKeySourceType")}
    api = wanted.call("apigateway", "create_rest_api", request)["id"]
    for media_type in wanted.properties.get("BinaryMediaTypes") or []:  # moto's CreateRestApi leaves them out
        path = f"/binaryMediaTypes/{media_type.replace('/', '~1')}"
        operation = {"op": "add", "path": path, "value": media_type}
        wanted.cloud.client("apigateway").update_rest_api(restApiId=api, patchOperations=[operation])
    return Made(api, {"RestApiId": api, "RootResourceId": _root(wanted.cloud, api)})


def _root(cloud: Cloud, api: str) -> str:
    resources = cloud.client("apigateway").get_resources(restApiId=api)["items"]
    root: str = next(resource["id"] for resource in resources if resource["path"] == "/")
    return root


@updates("AWS::ApiGateway::RestApi")
def changed_rest_api(_: Wanted, made: Made) -> Made:
    """Its routes are resources of their own, and what else there is to change has no effect here."""
    return made


@creates("AWS::ApiGateway::Method")
def method(wanted: Wanted) -> Made:
    place = {name: wanted.properties[name] for name in ("RestApiId", "ResourceId", "HttpMethod")}
    wanted.call("apigateway", "put_method")
    for response in wanted.properties.get("MethodResponses") or []:
        wanted.call("apigateway", "put_method_response", response | place)
    if integration := wanted.properties.get("Integration"):
        _integrate(wanted, integration, place)
    return Made("-".join(place.values()))


def _integrate(wanted: Wanted, integration: dict[str, Any], place: dict[str, str]) -> None:
    wanted.call("apigateway", "put_integration", integration | place)
    for response in integration.get("IntegrationResponses") or []:
        wanted.call("apigateway", "put_integration_response", response | place)


@creates("AWS::ApiGateway::Authorizer", "Name")
def authorizer(wanted: Wanted) -> Made:
    made = wanted.call("apigateway", "create_authorizer", wanted.properties | {"Name": wanted.name})
    return Made(made["id"], {"AuthorizerId": made["id"]})


@creates("AWS::ApiGateway::RequestValidator", "Name")
def request_validator(wanted: Wanted) -> Made:
    made = wanted.call("apigateway", "create_request_validator", wanted.properties | {"Name": wanted.name})
    return Made(made["id"], {"RequestValidatorId": made["id"]})


@creates("AWS::ApiGateway::Model", "Name")
def model(wanted: Wanted) -> Made:
    request = {"ContentType": "application/json"} | wanted.properties | {"Name": wanted.name}
    wanted.call("apigateway", "create_model", request)
    return Made(wanted.name)


@creates("AWS::ApiGateway::GatewayResponse")
def gateway_response(wanted: Wanted) -> Made:
    wanted.call("apigateway", "put_gateway_response")
    return Made(wanted.name, {"Id": wanted.name})


@creates("AWS::ApiGateway::Deployment")
def deployment(wanted: Wanted) -> Made:
    made = wanted.call("apigateway", "create_deployment")
    return Made(made["id"], {"DeploymentId": made["id"]})


@creates("AWS::ApiGateway::Stage")
def stage(wanted: Wanted) -> Made:
    wanted.call("apigateway", "create_stage")
    return Made(wanted.properties["StageName"])


@updates("AWS::ApiGateway::Stage")
def changed_stage(wanted: Wanted, made: Made) -> Made:
    wanted.cloud.client("apigateway").update_stage(
        restApiId=wanted.properties["RestApiId"],
        stageName=made.id,
        patchOperations=[{"op": "replace", "path": "/deploymentId", "value": wanted.properties["DeploymentId"]}],
    )
    return made


@creates("AWS::ApiGateway::ApiKey", "Name")
def api_key(wanted: Wanted) -> Made:
    made = wanted.call("apigateway", "create_api_key", wanted.properties | {"Name": wanted.name})
    return Made(made["id"], {"APIKeyId": made["id"]})


@creates("AWS::ApiGateway::UsagePlan", "UsagePlanName")
def usage_plan(wanted: Wanted) -> Made:
    made = wanted.call("apigateway", "create_usage_plan", wanted.properties | {"Name": wanted.name})
    return Made(made["id"], {"Id": made["id"]})


@creates("AWS::ApiGateway::UsagePlanKey")
def usage_plan_key(wanted: Wanted) -> Made:
    wanted.call("apigateway", "create_usage_plan_key")
    key, plan = wanted.properties["KeyId"], wanted.properties["UsagePlanId"]
    return Made(f"{key}:{plan}", {"Id": f"{key}:{plan}"})


@deletes("AWS::ApiGateway::UsagePlanKey")
def delete_usage_plan_key(cloud: Cloud, made: Made) -> None:
    key, plan = made.id.split(":")
    cloud.client("apigateway").delete_usage_plan_key(keyId=key, usagePlanId=plan)
