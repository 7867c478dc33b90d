"""`verify_deployment` against moto: only an endpoint that says it serves the digest that was asked for is verified."""

import json
from io import BytesIO
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.sagemaker.models import sagemaker_backends
from moto.sagemakerruntime import sagemakerruntime_backends

from functions.verify_deployment.handler import lambda_handler
from tests.support.promotion import IMAGE, ROLE, TOPIC, as_event, model_version, run_request, set_environment
from tunesmith.adapters import alarms, deployments, endpoints
from tunesmith.contracts.deployments import Deployment, DeploymentStatus
from tunesmith.contracts.identity import digest
from tunesmith.contracts.lifecycle import VerifyRequest
from tunesmith.domain import deploying

ACCOUNT, REGION = "123456789012", "us-east-1"
REQUEST = deploying.deployment_request(run_request(), model_version())
SERVING = deploying.serving(REQUEST, IMAGE)


@pytest.fixture
def deployed(tables, monkeypatch):
    """An endpoint that was asked for, as `shift_traffic` leaves it."""
    set_environment(monkeypatch, tables)
    for alarm in deploying.rollback_alarms(SERVING.endpoint):
        alarms.put(alarm, TOPIC)
    deployments.record(tables["deployments"], SERVING)
    endpoints.serve(SERVING, ROLE)
    return sagemaker_backends[ACCOUNT][REGION].endpoints[SERVING.endpoint]


@pytest.fixture
def verify(context):
    asked = as_event(VerifyRequest(deployment=SERVING.asked()))
    return lambda: Deployment.model_validate(lambda_handler(asked, context))


def answer_with(body):
    """What the serving container says when it is asked what it serves."""
    queue = sagemakerruntime_backends[ACCOUNT][REGION].results_queue
    queue.append((body if isinstance(body, str) else json.dumps(body), "application/json", "main", ""))


def description(model=SERVING.model_digest):
    return {"model_digest": model, "base_digest": digest("base"), "template_hash": digest("template")}


def test_endpoint_that_serves_what_was_asked_is_verified_and_remembered(deployed, event, context, tables):
    answer_with(description())
    deployment = Deployment.model_validate(lambda_handler(event("verify_deployment/asked.json"), context))
    assert deployment.status is DeploymentStatus.VERIFIED
    assert deployments.get(tables["deployments"], SERVING.endpoint).last_verified == REQUEST


def test_verifying_twice_is_the_same_and_writes_once(deployed, verify, tables):
    answer_with(description())
    first, row = verify(), deployments.get(tables["deployments"], SERVING.endpoint)
    assert verify() == first
    assert deployments.get(tables["deployments"], SERVING.endpoint) == row


def test_endpoint_that_serves_another_model_is_failed_with_both_digests(deployed, verify, tables):
    answer_with(description(digest("another")))
    found = verify()
    assert found.status is DeploymentStatus.FAILED
    assert digest("another") in found.reason and SERVING.model_digest in found.reason
    assert deployments.get(tables["deployments"], SERVING.endpoint).last_verified is None


@pytest.mark.parametrize("body", ["body", {}, {"model_digest": "short"}, []])
def test_endpoint_that_does_not_say_what_it_serves_is_failed(deployed, verify, body):
    answer_with(body)
    found = verify()
    assert found.status is DeploymentStatus.FAILED and "did not say what it serves" in found.reason


@pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack"])
def test_endpoint_that_is_changing_is_waited_for(deployed, verify, status):
    deployed.endpoint_status = status
    assert verify().status is DeploymentStatus.CREATING


def test_failed_endpoint_is_failed_with_sagemakers_reason(deployed, verify):
    deployed.endpoint_status, deployed.failure_reason = "Failed", "the container did not pass the ping"
    found = verify()
    assert found.status is DeploymentStatus.FAILED and "did not pass the ping" in found.reason


def test_silent_rollback_is_seen(deployed, verify):
    answer_with(description())
    deployed.endpoint_config_name = "the-old-configuration"
    found = verify()
    assert found.status is DeploymentStatus.FAILED and "the-old-configuration" in found.reason


def test_endpoint_that_is_gone_is_failed(deployed, verify):
    boto3.client("sagemaker").delete_endpoint(EndpointName=SERVING.endpoint)
    assert verify().status is DeploymentStatus.FAILED


def test_deployment_that_another_run_superseded_is_failed(deployed, verify, tables):
    newer = deploying.deployment_request(run_request("second"), model_version("second", 2))
    deployments.record(tables["deployments"], deploying.serving(newer, IMAGE))
    found = verify()
    assert found.status is DeploymentStatus.FAILED and "meanwhile" in found.reason


def respond(status, error):
    """Make the runtime answer so; moto has no failing container."""
    body = json.dumps({"message": error, "OriginalStatusCode": 500}).encode()
    http = SimpleNamespace(status_code=status, headers={}, raw=BytesIO(body))
    parsed = {"Error": {"Code": error, "Message": "from the container"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    endpoints.runtime().meta.events.register("before-call.sagemaker-runtime.InvokeEndpoint", lambda **_: (http, parsed))


def test_container_that_fails_is_failed(deployed, verify):
    respond(424, "ModelError")
    found = verify()
    assert found.status is DeploymentStatus.FAILED and "failed to say what it serves" in found.reason


def test_throttled_question_is_an_error_and_no_verdict(deployed, verify):
    respond(400, "ThrottlingException")
    with pytest.raises(ClientError):
        verify()
