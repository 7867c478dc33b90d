"""API Gateway's data plane, by HTTP: what reaches the function, what comes back, and who is refused how."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from infra.local_cloud import cloudformation, lambdas, locks
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.front_door import FrontDoor
from tests.support.lambda_functions import role

PLUGINS = [locks, cloudformation, lambdas]
BACKEND = """
import base64, json, time
def handler(event, context):
    path = event["path"]
    if path.endswith("/fail"): raise ValueError("no luck")
    if path.endswith("/malformed"): return {"answer": 42}
    if path.endswith("/slow"): time.sleep(5)
    if path.endswith("/image"):
        return {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "isBase64Encoded": True,
                "body": base64.b64encode(bytes(range(256))).decode()}
    if path.endswith("/cookies"):
        return {"statusCode": 418, "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}, "body": "short"}
    return {"statusCode": 200, "headers": {"X-Mine": "yes"}, "body": json.dumps(event)}
"""
AUTHORIZER = """
import boto3, os
def handler(event, context):
    token = {name.lower(): value for name, value in event["headers"].items()}["authorization"]
    asked = boto3.client("sqs")
    asked.send_message(QueueUrl=asked.get_queue_url(QueueName="asked")["QueueUrl"], MessageBody=token)
    if token == "unknown": raise Exception("Unauthorized")
    if token == "broken": raise ValueError("oh")
    if token == "odd": return {"principalId": "x"}
    api, stage = event["methodArn"].split("/")[:2]
    resource = f"{api}/{stage}/GET/v1/allowed" if token == "narrow" else f"{api}/{stage}/*"
    effect = "Deny" if token == "denied" else "Allow"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"principalId": token, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": {"project": "demo", "count": 3, "ok": True},
            "usageIdentifierKey": "throttled-project-key" if token == "busy" else "project-key-of-the-caller"}
"""


def function(cloud: Cloud, source: str) -> dict[str, Any]:
    properties = {"Runtime": "python3.11", "Handler": "index.handler", "Role": role(cloud), "Timeout": 20}
    return {"Type": "AWS::Lambda::Function", "Properties": properties | {"Code": {"ZipFile": source}}}


def uri(name: str) -> dict[str, Any]:
    prefix = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
    return {"Fn::Join": ["", [prefix, {"Fn::GetAtt": [name, "Arn"]}, "/invocations"]]}


def throttled(name: str, rate: float, burst: int, value: str) -> dict[str, Any]:
    """A key, its plan, and what binds them."""
    plan = {"UsagePlanName": name, "Throttle": {"RateLimit": rate, "BurstLimit": burst}}
    stages = [{"ApiId": {"Ref": "Api"}, "Stage": {"Ref": "Stage"}}]
    bound = {"KeyId": {"Ref": f"{name}Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": f"{name}Plan"}}
    return {
        f"{name}Plan": {"Type": "AWS::ApiGateway::UsagePlan", "Properties": plan | {"ApiStages": stages}},
        f"{name}Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": True, "Value": value}},
        f"{name}Bound": {"Type": "AWS::ApiGateway::UsagePlanKey", "Properties": bound},
    }


def template(cloud: Cloud) -> dict[str, Any]:
    api = {"RestApiId": {"Ref": "Api"}}
    proxy = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": uri("Backend")}
    guarded = {"AuthorizationType": "CUSTOM", "AuthorizerId": {"Ref": "Authorizer"}, "ApiKeyRequired": True}
    cors = {
        "Type": "MOCK",
        "RequestTemplates": {"application/json": "{ statusCode: 200 }"},
        "IntegrationResponses": [
            {"StatusCode": "204", "ResponseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"}}
        ],
    }

    def resource(parent: Any, part: str) -> dict[str, Any]:
        return {"Type": "AWS::ApiGateway::Resource", "Properties": api | {"ParentId": parent, "PathPart": part}}

    def method(resource_name: str, verb: str, integration: dict[str, Any], **settings: Any) -> dict[str, Any]:
        place = {"ResourceId": {"Ref": resource_name}, "HttpMethod": verb, "AuthorizationType": "NONE"}
        properties = api | place | {"Integration": integration} | settings
        return {"Type": "AWS::ApiGateway::Method", "Properties": properties}

    resources = {
        "Backend": function(cloud, BACKEND),
        "Asks": function(cloud, AUTHORIZER),
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {"Name": "door", "ApiKeySourceType": "AUTHORIZER", "BinaryMediaTypes": ["image/*"]},
        },
        "Authorizer": {
            "Type": "AWS::ApiGateway::Authorizer",
            "Properties": api
            | {
                "Type": "REQUEST",
                "AuthorizerUri": uri("Asks"),
                "IdentitySource": "method.request.header.Authorization",
                "AuthorizerResultTtlInSeconds": 300,
            },
        },
        "V1": resource({"Fn::GetAtt": ["Api", "RootResourceId"]}, "v1"),
        "Open": resource({"Ref": "V1"}, "open"),
        "OpenProxy": resource({"Ref": "Open"}, "{proxy+}"),
        "Item": resource({"Ref": "Open"}, "{id}"),
        "Guarded": resource({"Ref": "V1"}, "{proxy+}"),
        "OpenAny": method("OpenProxy", "ANY", proxy),
        "ItemGet": method("Item", "GET", proxy),
        "GuardedAny": method("Guarded", "ANY", proxy, **guarded),
        "Cors": method("Guarded", "OPTIONS", cors),
        "Unauthorized": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": api
            | {
                "ResponseType": "UNAUTHORIZED",
                "ResponseTemplates": {"application/json": '{"error": {"message": $context.error.messageString}}'},
                "ResponseParameters": {"gatewayresponse.header.Access-Control-Allow-Origin": "'*'"},
            },
        },
        "Deployment": {
            "Type": "AWS::ApiGateway::Deployment",
            "Properties": api,
            "DependsOn": ["OpenAny", "ItemGet", "GuardedAny", "Cors"],
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": api | {"StageName": "live", "DeploymentId": {"Ref": "Deployment"}},
        },
    }
    plans = throttled("Wide", 1000, 1000, "project-key-of-the-caller") | throttled(
        "Narrow", 0.001, 2, "throttled-project-key"
    )
    return {"Resources": resources | plans}


@pytest.fixture(scope="module")
def door(cloud: Cloud) -> FrontDoor:
    cloud.client("sqs").create_queue(QueueName="asked")
    cloud.client("cloudformation").create_stack(StackName="door", TemplateBody=json.dumps(template(cloud)))
    return FrontDoor(cloud)


def call(door: FrontDoor, path: str, token: str | None = None, method: str = "GET", **options: Any) -> Any:
    headers = options.pop("headers", {}) | ({"Authorization": token} if token else {})
    return requests.request(method, door.url + path, headers=headers, timeout=40, **options)


def asked(cloud: Cloud) -> list[str]:
    """Tokens that the authorizer was asked about since the last look."""
    sqs = cloud.client("sqs")
    url = sqs.get_queue_url(QueueName="asked")["QueueUrl"]
    tokens = []
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        tokens += [message["Body"] for message in found]
    return tokens


def test_function_gets_the_whole_request(door: FrontDoor) -> None:
    response = call(
        door, "/v1/open/a%20b/c?x=1&x=2&y=%C3%BC", method="POST", json={"n": 1}, headers={"X-Some": "thing"}
    )
    event = response.json()
    assert (event["resource"], event["httpMethod"], event["path"]) == ("/v1/open/{proxy+}", "POST", "/v1/open/a b/c")
    assert event["pathParameters"] == {"proxy": "a b/c"}
    assert event["queryStringParameters"] == {"x": "2", "y": "ü"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": ["ü"]}
    assert event["headers"]["X-Some"] == "thing" and event["multiValueHeaders"]["X-Some"] == ["thing"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"n": 1}', False)
    context = event["requestContext"]
    assert (context["stage"], context["path"], context["resourcePath"]) == (
        "live",
        "/live/v1/open/a b/c".replace(" ", "%20"),
        "/v1/open/{proxy+}",
    )
    assert response.headers["X-Mine"] == "yes" and response.headers["x-amzn-RequestId"] == context["requestId"]


def test_stage_may_lead_the_path_or_be_left_out(door: FrontDoor) -> None:
    assert call(door, "/live/v1/open/a/b").json()["path"] == call(door, "/v1/open/a/b").json()["path"]


def test_more_specific_route_wins(door: FrontDoor) -> None:
    assert call(door, "/v1/open/7").json()["pathParameters"] == {"id": "7"}
    assert call(door, "/v1/open/7/x").json()["pathParameters"] == {"proxy": "7/x"}


def test_status_and_repeated_headers_come_back_as_the_function_gave_them(door: FrontDoor) -> None:
    response = call(door, "/v1/open/x/cookies")
    assert (response.status_code, response.text) == (418, "short")
    assert response.raw.headers.getlist("Set-Cookie") == ["a=1", "b=2"]


def test_binary_bodies_pass_unharmed_in_both_directions(door: FrontDoor) -> None:
    assert call(door, "/v1/open/x/image").content == bytes(range(256))
    event = call(door, "/v1/open/x/y", method="POST", data=b"\xff\x00", headers={"Content-Type": "image/png"}).json()
    assert event["isBase64Encoded"] and base64.b64decode(event["body"]) == b"\xff\x00"


@pytest.mark.parametrize("path", ["/v1/open/x/fail", "/v1/open/x/malformed"])
def test_function_that_fails_or_answers_nonsense_is_a_502(door: FrontDoor, path: str) -> None:
    response = call(door, path)
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})


def test_function_that_takes_too_long_is_a_504(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, door: FrontDoor) -> None:
    monkeypatch.setattr("infra.local_cloud.front_door.TIMEOUT_SECONDS", 1)
    impatient = FrontDoor(cloud)
    response = call(impatient, "/v1/open/x/slow")
    assert (response.status_code, response.json()) == (504, {"message": "Endpoint request timed out"})


def test_body_beyond_the_limit_is_a_413(door: FrontDoor) -> None:
    response = call(door, "/v1/open/x/y", method="POST", data=b"x" * (10 * 1024 * 1024 + 1))
    assert (response.status_code, response.json()) == (413, {"message": "Request Too Long"})


def test_route_that_does_not_exist_is_a_403(door: FrontDoor) -> None:
    response = call(door, "/nowhere")
    assert (response.status_code, response.json()) == (403, {"message": "Missing Authentication Token"})


def test_preflight_is_answered_without_authorization(door: FrontDoor) -> None:
    response = call(door, "/v1/models", method="OPTIONS")
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (204, "*")


def test_caller_is_known_to_the_function_as_text(door: FrontDoor) -> None:
    context = call(door, "/v1/models", "good").json()["requestContext"]["authorizer"]
    assert context == {"principalId": "good", "project": "demo", "count": "3", "ok": "true"}


def test_request_without_credential_is_a_401_before_anyone_is_asked(cloud: Cloud, door: FrontDoor) -> None:
    asked(cloud)
    response = call(door, "/v1/models")
    assert (response.status_code, response.json()) == (401, {"error": {"message": "Unauthorized"}})
    assert response.headers["Access-Control-Allow-Origin"] == "*" and asked(cloud) == []


@pytest.mark.parametrize(
    ("token", "status"), [("unknown", 401), ("denied", 403), ("narrow", 403), ("broken", 500), ("odd", 500)]
)
def test_refused_credential_gets_its_status(door: FrontDoor, token: str, status: int) -> None:
    assert call(door, "/v1/models", token).status_code == status


def test_authorizer_is_asked_once_and_its_policy_applied_to_every_request(cloud: Cloud, door: FrontDoor) -> None:
    asked(cloud)
    token = "narrow"
    statuses = [call(door, path, token).status_code for path in ("/v1/allowed", "/v1/other", "/v1/allowed")]
    assert statuses == [200, 403, 200] and len(asked(cloud)) <= 1


def test_project_that_calls_too_often_is_a_429_and_others_are_not(door: FrontDoor) -> None:
    statuses = [call(door, "/v1/models", "busy").status_code for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert call(door, "/v1/models", "good").status_code == 200


def test_connection_is_kept_and_requests_run_at_the_same_time(door: FrontDoor) -> None:
    with requests.Session() as session, ThreadPoolExecutor(4) as pool:
        assert session.get(f"{door.url}/v1/open/a/b", timeout=20).headers.get("Connection") != "close"
        list(pool.map(lambda _: call(door, "/v1/open/a/b"), range(8)))
        began = time.monotonic()
        assert session.get(f"{door.url}/v1/open/a/b", timeout=20).status_code == 200
        assert time.monotonic() - began < 2


def test_errors_of_the_api_are_counted(cloud: Cloud, door: FrontDoor) -> None:
    call(door, "/v1/open/x/fail")
    counted = cloud.client("cloudwatch").list_metrics(Namespace="AWS/ApiGateway", MetricName="5XXError")["Metrics"]
    assert counted and counted[0]["Dimensions"] == [{"Name": "ApiName", "Value": "door"}]
