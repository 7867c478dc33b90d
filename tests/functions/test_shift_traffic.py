"""`shift_traffic` against moto: the alarms first, then the endpoint, and nothing secret in what is asked for."""

import json
from types import SimpleNamespace

import boto3
import pytest
from moto.sagemaker.models import sagemaker_backends

from functions.shift_traffic.handler import lambda_handler
from tests.support.promotion import (
    ROLE,
    TOPIC,
    as_event,
    model_version,
    run_request,
    sagemaker,
    set_environment,
)
from tunesmith.adapters import alarms, deployments, endpoints
from tunesmith.adapters.registry import Aliases, Versions
from tunesmith.contracts.deployments import Deployment, DeploymentStatus
from tunesmith.contracts.environment import ServeEnv
from tunesmith.contracts.errors import Conflict, MissingRollbackAlarms, NotApproved
from tunesmith.contracts.lifecycle import ShiftRequest
from tunesmith.contracts.models import ApprovalStatus, Candidate

ENDPOINT = "tunesmith-docs-docs"
ROLLBACK_ALARMS = {f"{ENDPOINT}-rollback-{kind}" for kind in ("errors", "latency", "model-errors")}
WRITES = ("Create", "Update", "Put")


@pytest.fixture
def versions(tables, buckets, monkeypatch):
    set_environment(monkeypatch, tables)
    return Versions(tables["models"])


@pytest.fixture
def shift(versions, context):
    def shifted(version, request=None, restore=False) -> Deployment:
        asked = ShiftRequest(request=request or run_request(), version=version, restore=restore)
        return Deployment.model_validate(lambda_handler(as_event(asked), context))

    return shifted


def registered(versions, name="first", **options):
    return versions.register(Candidate(**model_version(name, **options).model_dump(exclude={"version"})))


def crown(tables, version):
    """Make the version the champion."""
    aliases = Aliases(tables["aliases"])
    aliases.move("champion", version, cause=version.run_id, reason="test", moved_at=version.created_at)


def endpoint():
    return sagemaker().describe_endpoint(EndpointName=ENDPOINT)


def endpoint_names():
    return [found["EndpointName"] for found in sagemaker().list_endpoints()["Endpoints"]]


def set_status(status):
    """Put moto's endpoint into a state that moto itself never reaches."""
    sagemaker_backends["123456789012"]["us-east-1"].endpoints[ENDPOINT].endpoint_status = status


def set_pending(configuration):
    """What moto leaves out of its answer: the configuration that the endpoint is on its way to."""
    found = sagemaker_backends["123456789012"]["us-east-1"].endpoints[ENDPOINT]
    found.pending_deployment_summary = {"EndpointConfigName": configuration}


@pytest.fixture
def updates(monkeypatch):
    """UpdateEndpoint, which moto lacks: the requests that came, each checked against the service's own model."""
    sent = []

    def answer(params, model, **_):
        if model.name != "UpdateEndpoint":
            return None
        sent.append(json.loads(params["body"]))
        return SimpleNamespace(status_code=200), {"EndpointArn": f"arn:aws:sagemaker:::endpoint/{ENDPOINT}"}

    endpoints.client.cache_clear()
    endpoints.client().meta.events.register("before-call.sagemaker.UpdateEndpoint", answer)
    return sent


def test_approved_version_is_asked_for_with_its_files_and_the_recipes_machine(versions, event, context):
    version = registered(versions)
    deployment = Deployment.model_validate(lambda_handler(event("shift_traffic/approved.json"), context))
    assert (deployment.endpoint, deployment.model_digest) == (ENDPOINT, version.adapter.digest)
    assert deployment.status is DeploymentStatus.CREATING
    assert endpoint()["EndpointConfigName"] == deployment.endpoint_config
    [variant] = sagemaker().describe_endpoint_config(EndpointConfigName=deployment.endpoint_config)[
        "ProductionVariants"
    ]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.m5.xlarge", 1)
    model = sagemaker().describe_model(ModelName=variant["ModelName"])
    container = model["PrimaryContainer"]
    assert model["ExecutionRoleArn"] == ROLE
    folder = {"S3DataType": "S3Prefix", "CompressionType": "None"}
    assert container["ModelDataSource"]["S3DataSource"] == {"S3Uri": version.adapter.uri} | folder
    [base] = container["AdditionalModelDataSources"]
    assert base == {"ChannelName": "base", "S3DataSource": {"S3Uri": version.base.uri} | folder}


def test_alarms_stand_before_the_endpoint_and_tell_the_topic(versions, shift):
    shift(registered(versions))
    found = {alarm["AlarmName"]: alarm for alarm in boto3.client("cloudwatch").describe_alarms()["MetricAlarms"]}
    assert set(found) == ROLLBACK_ALARMS | {"tunesmith-quality/docs/docs"}
    for name in ROLLBACK_ALARMS:
        assert found[name]["AlarmActions"] == [TOPIC]
        assert {"Name": "EndpointName", "Value": ENDPOINT} in found[name]["Dimensions"]
    quality = found["tunesmith-quality/docs/docs"]
    assert (quality["Namespace"], quality["MetricName"], quality["Statistic"]) == (
        "tunesmith",
        "NegativeFeedback",
        "Average",
    )
    assert quality["AlarmActions"] == [] and quality["TreatMissingData"] == "notBreaching"


def test_endpoint_without_its_alarms_is_not_created(versions, shift, monkeypatch):
    put = alarms.put
    monkeypatch.setattr(alarms, "put", lambda alarm, notify=None: "latency" in alarm.name or put(alarm, notify))
    with pytest.raises(MissingRollbackAlarms, match="rollback-latency"):
        shift(registered(versions))
    assert endpoint_names() == []


def test_request_to_create_names_the_alarms_that_roll_it_back(versions, shift):
    sent = []
    endpoints.client().meta.events.register(
        "provide-client-params.sagemaker.CreateEndpoint", lambda params, **_: sent.append(params)
    )
    shift(registered(versions))
    [request] = sent
    config = request["DeploymentConfig"]
    assert {a["AlarmName"] for a in config["AutoRollbackConfiguration"]["Alarms"]} == ROLLBACK_ALARMS
    assert config["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"


def test_asking_twice_is_asking_once(versions, tables, shift):
    version = registered(versions)
    first, row = shift(version), deployments.get(tables["deployments"], ENDPOINT)
    assert shift(version) == first
    assert deployments.get(tables["deployments"], ENDPOINT) == row
    assert len(sagemaker().list_models()["Models"]) == 1


@pytest.mark.parametrize("status", [ApprovalStatus.PENDING, ApprovalStatus.REJECTED])
def test_version_that_the_registry_does_not_approve_is_not_served(versions, shift, status):
    claims_to_be_approved = registered(versions, status=status).model_copy(update={"status": ApprovalStatus.APPROVED})
    with pytest.raises(NotApproved, match=status):
        shift(claims_to_be_approved)
    assert endpoint_names() == []


def test_version_whose_evidence_is_about_an_older_champion_is_not_served(versions, tables, shift):
    crown(tables, registered(versions))
    with pytest.raises(NotApproved, match="retry the run"):
        shift(registered(versions, "second"))
    assert endpoint_names() == []


def test_version_that_a_person_approved_meanwhile_is_served(versions, shift):
    pending = registered(versions, status=ApprovalStatus.PENDING)
    versions.decide("docs", "docs", 1, ApprovalStatus.APPROVED, "ada approved it")
    assert shift(pending).status is DeploymentStatus.CREATING


@pytest.mark.parametrize(("instances", "routing"), [(1, "ALL_AT_ONCE"), (2, "CANARY")])
def test_next_version_updates_the_endpoint_watched_by_its_alarms(versions, tables, shift, updates, instances, routing):
    old = shift(registered(versions))
    request = run_request("second", serve={"instance_type": "ml.m5.xlarge", "instance_count": instances})
    deployment = shift(registered(versions, "second"), request)
    [update] = updates
    assert (update["EndpointName"], update["EndpointConfigName"]) == (ENDPOINT, deployment.endpoint_config)
    config = update["DeploymentConfig"]
    assert {a["AlarmName"] for a in config["AutoRollbackConfiguration"]["Alarms"]} == ROLLBACK_ALARMS
    assert config["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["Type"] == routing
    assert sagemaker().describe_endpoint_config(EndpointConfigName=old.endpoint_config)
    assert deployments.get(tables["deployments"], ENDPOINT).configuration == deployment.endpoint_config


def test_endpoint_whose_alarms_were_removed_is_not_updated(versions, shift, updates, monkeypatch):
    shift(registered(versions))
    boto3.client("cloudwatch").delete_alarms(AlarmNames=sorted(ROLLBACK_ALARMS))
    monkeypatch.setattr(alarms, "put", lambda alarm, notify=None: None)
    with pytest.raises(MissingRollbackAlarms):
        shift(registered(versions, "second"))
    assert updates == []


def test_endpoint_that_is_still_changing_is_not_changed_again(versions, shift):
    shift(registered(versions))
    set_status("Updating")
    with pytest.raises(Conflict, match="Updating"):
        shift(registered(versions, "second"))


def test_change_that_is_under_way_is_not_asked_for_again(versions, shift, updates):
    """While SageMaker changes an endpoint, it still names the old configuration, and the new one as pending."""
    shift(registered(versions))
    second = registered(versions, "second")
    deployment = shift(second)
    set_status("Updating")
    set_pending(deployment.endpoint_config)
    assert shift(second) == deployment
    assert len(updates) == 1


def test_failed_endpoint_is_deleted_and_made_anew(versions, shift):
    shift(registered(versions))
    set_status("Failed")
    assert shift(registered(versions, "second")).endpoint_config == endpoint()["EndpointConfigName"]
    assert endpoint()["EndpointStatus"] == "InService"


def test_restore_without_a_champion_removes_the_endpoint(versions, shift, event, context):
    shift(registered(versions))
    deployment = Deployment.model_validate(lambda_handler(event("shift_traffic/restore.json"), context))
    assert deployment.status is DeploymentStatus.FAILED and "no version was in production" in deployment.reason
    assert endpoint_names() == []
    assert shift(versions.get("docs", "docs", 1), restore=True) == deployment


@pytest.mark.parametrize(("status", "tried_again"), [("Creating", True), ("RollingBack", True), ("Deleting", False)])
def test_restore_waits_for_an_endpoint_that_cannot_be_deleted_yet(versions, shift, status, tried_again):
    """SageMaker deletes no endpoint that it is changing: the state machine tries a Conflict again, and nothing else."""
    refused = {"Error": {"Code": "ValidationException", "Message": "Cannot update in-progress endpoint."}}
    endpoints.client().meta.events.register(
        "before-call.sagemaker.DeleteEndpoint", lambda **_: (SimpleNamespace(status_code=400), refused)
    )
    version = registered(versions)
    shift(version)
    set_status(status)
    if tried_again:
        with pytest.raises(Conflict, match=status):
            shift(version, restore=True)
    else:
        assert shift(version, restore=True).status is DeploymentStatus.FAILED


def test_container_has_no_network(versions, shift):
    sent = []
    endpoints.client().meta.events.register(
        "provide-client-params.sagemaker.CreateModel", lambda params, **_: sent.append(params)
    )
    shift(registered(versions))
    assert [model["EnableNetworkIsolation"] for model in sent] == [True]


def test_restore_leaves_what_another_run_has_asked_for_since(versions, tables, shift):
    """Two first uploads: the run that lost the endpoint must not take the other's rollout down with its own."""
    first, second = registered(versions), registered(versions, "second")
    shift(first)
    set_status("Failed")
    rival = shift(second, run_request("second"))
    given_up = shift(first, restore=True)
    assert given_up.status is DeploymentStatus.FAILED and run_request("second").run_id in given_up.reason
    assert endpoint()["EndpointConfigName"] == rival.endpoint_config
    assert deployments.get(tables["deployments"], ENDPOINT).configuration == rival.endpoint_config


def test_restore_of_a_run_that_asked_for_nothing_changes_nothing(versions, tables, shift):
    version = registered(versions)
    assert shift(version, restore=True).status is DeploymentStatus.FAILED
    assert endpoint_names() == [] and deployments.get(tables["deployments"], ENDPOINT) is None


def test_restore_asks_for_the_champion_as_it_was_verified(versions, tables, shift):
    champion = registered(versions)
    first = shift(champion)
    deployments.mark_verified(tables["deployments"], first)
    crown(tables, champion)
    set_status("Failed")
    failing = run_request("second", serve={"instance_type": "ml.m5.2xlarge"})
    bad = shift(registered(versions, "second", champion="first"), failing)
    assert endpoint()["EndpointConfigName"] == bad.endpoint_config
    set_status("Failed")
    restored = shift(versions.get("docs", "docs", 2), failing, restore=True)
    assert restored.endpoint_config == first.endpoint_config == endpoint()["EndpointConfigName"]
    assert restored.model_digest == champion.adapter.digest


def test_restore_after_sagemaker_rolled_back_by_itself_changes_nothing(versions, tables, shift):
    champion = registered(versions)
    first = shift(champion)
    crown(tables, champion)
    assert shift(champion, restore=True) == first


def test_recipe_bounds_what_the_container_answers(versions, shift):
    request = run_request(serve={"instance_type": "ml.m5.xlarge", "max_new_tokens": 77})
    deployment = shift(registered(versions), request)
    told = sagemaker().describe_model(ModelName=deployment.endpoint_config)["PrimaryContainer"]["Environment"]
    assert ServeEnv.load(told).max_new_tokens == "77"


def test_no_request_carries_a_secret_or_the_environment(versions, shift, updates, monkeypatch):
    """Whatever a process knows stays there: CVE-2026-1777 was a key in a training job's environment."""
    secrets = {"TUNESMITH_TEST_SECRET": "s3cr3t-in-the-environment", "AWS_SECRET_ACCESS_KEY": "s3cr3t-of-this-role"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    sent = []
    for client in (endpoints.client(), alarms.client()):
        client.meta.events.register(
            "provide-client-params.*.*", lambda params, model, **_: sent.append((model.name, json.dumps(params)))
        )
    shift(registered(versions))
    shift(registered(versions, "second"))
    writes = [(name, body) for name, body in sent if name.startswith(WRITES)]
    expected = {"CreateModel", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint", "PutMetricAlarm"}
    assert {name for name, _ in writes} == expected
    for name, body in writes:
        told = json.loads(body).get("PrimaryContainer", {}).get("Environment", {})
        assert set(told) <= {"MAX_NEW_TOKENS"} and body.count("Environment") == bool(told), name
        assert "DataCapture" not in body, name
        assert not [value for value in secrets.values() if value in body], name
