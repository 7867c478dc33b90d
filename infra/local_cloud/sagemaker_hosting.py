"""SageMaker models, endpoint configurations and endpoints: what an endpoint serves is the real serving code.

An update is blue/green: the new fleet gets traffic only when it is healthy, and the old one comes back when a rollback
alarm rings while the new one is watched.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.local_cloud import events, sagemaker_api
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.model_data import ObjectFiles
from infra.local_cloud.sagemaker_api import Answer, Refused, Request, Shelf
from infra.local_cloud.serving_containers import (
    DEFAULT_HEALTH_SECONDS,
    ContainerFailed,
    ContainerPlan,
    ServingContainer,
)

WATCH_SECONDS = 0.2
BUSY = ("Creating", "Updating", "RollingBack", "Deleting")


@dataclass
class Fleet:
    """What serves one configuration: a container per production variant."""

    configuration: str
    containers: dict[str, ServingContainer] = field(default_factory=dict)

    def stop(self) -> None:
        for container in self.containers.values():
            container.stop()


class NotDeployed(Exception):
    """Raised when a deployment ends without the new fleet in service; says why."""


class Models:
    """Models and endpoint configurations: documents that an endpoint is made of."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.models, self.configurations = Shelf("model"), Shelf("endpoint configuration")

    def actions(self) -> dict[str, sagemaker_api.Action]:
        return {
            "CreateModel": self.create_model,
            "DescribeModel": lambda request: self.models.get(request["ModelName"]),
            "DeleteModel": lambda request: _nothing(self.models.remove(request["ModelName"])),
            "ListModels": lambda request: sagemaker_api.page(request, "Models", self.models.all()),
            "CreateEndpointConfig": self.create_configuration,
            "DescribeEndpointConfig": lambda request: self.configurations.get(request["EndpointConfigName"]),
            "DeleteEndpointConfig": lambda request: _nothing(self.configurations.remove(request["EndpointConfigName"])),
            "ListEndpointConfigs": lambda request: sagemaker_api.page(
                request, "EndpointConfigs", self.configurations.all()
            ),
        }

    def create_model(self, request: Request) -> Answer:
        name = request["ModelName"]
        if not request.get("PrimaryContainer") and not request.get("Containers"):
            raise Refused("ValidationException", "One of PrimaryContainer or Containers must be given.")
        arn = sagemaker_api.arn(self._cloud, "model", name)
        self.models.add(name, sagemaker_api.shown(request) | {"ModelArn": arn, "CreationTime": sagemaker_api.now()})
        return {"ModelArn": arn}

    def create_configuration(self, request: Request) -> Answer:
        name = request["EndpointConfigName"]
        for variant in request["ProductionVariants"]:
            self.models.get(variant["ModelName"])
        arn = sagemaker_api.arn(self._cloud, "endpoint-config", name)
        document = sagemaker_api.shown(request) | {"EndpointConfigArn": arn, "CreationTime": sagemaker_api.now()}
        self.configurations.add(name, document)
        return {"EndpointConfigArn": arn}


class Endpoints:
    """All endpoints of the account, and the fleets that have their traffic."""

    def __init__(self, cloud: Cloud, files: ObjectFiles, models: Models) -> None:
        self._cloud, self._files, self._models = cloud, files, models
        self._endpoints, self._fleets = Shelf("endpoint"), dict[str, Fleet]()

    def actions(self) -> dict[str, sagemaker_api.Action]:
        return {
            "CreateEndpoint": self.create,
            "UpdateEndpoint": self.update,
            "DescribeEndpoint": self.describe,
            "DeleteEndpoint": self.delete,
            "ListEndpoints": self.list_all,
        }

    def create(self, request: Request) -> Answer:
        name = request["EndpointName"]
        self._models.configurations.get(request["EndpointConfigName"])
        arn, moment = sagemaker_api.arn(self._cloud, "endpoint", name), sagemaker_api.now()
        document = {
            "EndpointName": name,
            "EndpointArn": arn,
            "EndpointConfigName": request["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "LastDeploymentConfig": request.get("DeploymentConfig"),
            "CreationTime": moment,
            "LastModifiedTime": moment,
        }
        self._endpoints.add(name, document)
        self._in_background(self._create, name, request["EndpointConfigName"])
        return {"EndpointArn": arn}

    def update(self, request: Request) -> Answer:
        name, configuration = request["EndpointName"], request["EndpointConfigName"]
        self._models.configurations.get(configuration)
        with self._endpoints.changing(name) as endpoint:
            if endpoint["EndpointStatus"] != "InService":
                raise Refused("ValidationException", f"Cannot update in-progress endpoint {endpoint['EndpointArn']}.")
            endpoint["EndpointStatus"] = "Updating"
            endpoint.pop("FailureReason", None)
            endpoint["PendingDeploymentSummary"] = {
                "EndpointConfigName": configuration,
                "StartTime": sagemaker_api.now(),
            }
            arn = endpoint["EndpointArn"]
        self._in_background(self._update, name, configuration, request.get("DeploymentConfig") or {})
        return {"EndpointArn": arn}

    def describe(self, request: Request) -> Answer:
        document = sagemaker_api.shown(self._endpoints.get(request["EndpointName"]))
        fleet = self._fleets.get(request["EndpointName"])
        if fleet is not None:
            document["ProductionVariants"] = self._described_variants(fleet.configuration)
        return document

    def delete(self, request: Request) -> Answer:
        name = request["EndpointName"]
        with self._endpoints.changing(name) as endpoint:
            if endpoint["EndpointStatus"] in ("Creating", "Updating", "RollingBack"):
                raise Refused("ValidationException", f"Cannot update in-progress endpoint {endpoint['EndpointArn']}.")
            endpoint["EndpointStatus"] = "Deleting"
        self._in_background(self._delete, name)
        return {}

    def list_all(self, request: Request) -> Answer:
        names = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        status, part = request.get("StatusEquals"), request.get("NameContains", "")
        found = [e for e in self._endpoints.all() if part in e["EndpointName"]]
        chosen = [e for e in found if status in (None, e["EndpointStatus"])]
        return sagemaker_api.page(request, "Endpoints", [{n: e[n] for n in names} for e in chosen])

    def container(self, name: str, variant: str | None = None) -> ServingContainer:
        """The one that gets the endpoint's traffic now. Raises what InvokeEndpoint says of a missing endpoint."""
        fleet = self._fleets.get(name)
        if fleet is None:
            raise Refused("ValidationError", f"Endpoint {name} of account {self._cloud.account} not found.")
        if variant is not None and variant not in fleet.containers:
            raise Refused("ValidationError", f"Variant {variant} was not found for endpoint {name}.")
        return fleet.containers[variant] if variant else next(iter(fleet.containers.values()))

    # -- deployments -----------------------------------------------------------------------------------------------

    def _in_background(self, deploy: Any, *arguments: Any) -> None:
        threading.Thread(target=deploy, args=arguments, daemon=True, name=f"endpoint-{arguments[0]}").start()

    def _create(self, name: str, configuration: str) -> None:
        try:
            fleet = self._started(name, configuration)
        except ContainerFailed as error:
            self._turn(name, "Failed", FailureReason=str(error))
            return
        self._fleets[name] = fleet
        self._turn(name, "InService")

    def _update(self, name: str, configuration: str, deployment: Mapping[str, Any]) -> None:
        old = self._fleets[name]
        try:
            self._shift(name, configuration, deployment)
        except (ContainerFailed, NotDeployed) as error:
            self._turn(name, "InService", PendingDeploymentSummary=None, FailureReason=str(error))
            return
        self._turn(
            name,
            "InService",
            EndpointConfigName=configuration,
            PendingDeploymentSummary=None,
            LastDeploymentConfig=deployment or None,
        )
        old.stop()

    def _shift(self, name: str, configuration: str, deployment: Mapping[str, Any]) -> None:
        """Start the new fleet, give it the traffic and watch it."""
        alarms = _rollback_alarms(deployment)
        self._refuse_in_alarm(alarms)
        old, fleet = self._fleets[name], self._started(name, configuration)
        try:
            self._refuse_in_alarm(alarms)
            self._fleets[name] = fleet
            self._watch(alarms, _bake_seconds(deployment))
        except NotDeployed:
            self._fleets[name] = old
            self._turn(name, "RollingBack")
            fleet.stop()
            raise

    def _delete(self, name: str) -> None:
        fleet = self._fleets.pop(name, None)
        if fleet is not None:
            fleet.stop()
        self._endpoints.remove(name)

    def _started(self, name: str, configuration: str) -> Fleet:
        """A healthy fleet, or none at all."""
        fleet = Fleet(configuration)
        try:
            for variant in self._models.configurations.get(configuration)["ProductionVariants"]:
                container = ServingContainer(self._cloud, self._files, self._plan(name, variant))
                fleet.containers[variant["VariantName"]] = container
                container.start()
        except ContainerFailed:
            fleet.stop()
            raise
        return fleet

    def _plan(self, endpoint: str, variant: Mapping[str, Any]) -> ContainerPlan:
        model = self._models.models.get(variant["ModelName"])
        definition = model.get("PrimaryContainer") or model["Containers"][0]
        seconds = variant.get("ContainerStartupHealthCheckTimeoutInSeconds", DEFAULT_HEALTH_SECONDS)
        return ContainerPlan(endpoint, variant["VariantName"], definition, float(seconds))

    def _watch(self, alarms: list[str], seconds: float) -> None:
        waiting = min(seconds, self._cloud.deployment_seconds)
        for _ in range(int(waiting / WATCH_SECONDS) + 1):
            self._refuse_in_alarm(alarms)
            if self._cloud.stopping.wait(WATCH_SECONDS):
                return

    def _refuse_in_alarm(self, alarms: list[str]) -> None:
        if not alarms:
            return
        found = self._cloud.client("cloudwatch").describe_alarms(AlarmNames=alarms)
        known = [*found.get("MetricAlarms", ()), *found.get("CompositeAlarms", ())]
        ringing = [alarm["AlarmName"] for alarm in known if alarm["StateValue"] == "ALARM"]
        if ringing:
            raise NotDeployed(f"Rolled back: alarm {', '.join(ringing)} is in ALARM.")

    def _turn(self, name: str, status: str, **more: Any) -> None:
        with self._endpoints.changing(name) as endpoint:
            endpoint |= {"EndpointStatus": status} | more
            detail = {key: endpoint.get(key) for key in ("EndpointName", "EndpointArn", "EndpointConfigName")}
            detail["EndpointStatus"] = status
        arns = [str(detail["EndpointArn"])]
        events.publish(self._cloud, "aws.sagemaker", "SageMaker Endpoint State Change", detail, arns)

    def _described_variants(self, configuration: str) -> list[Answer]:
        variants = self._models.configurations.get(configuration)["ProductionVariants"]
        return [_described_variant(variant) for variant in variants]


def _nothing(_: Any) -> Answer:
    return {}


def _described_variant(variant: Mapping[str, Any]) -> Answer:
    count, weight = variant.get("InitialInstanceCount", 1), variant.get("InitialVariantWeight", 1.0)
    return {
        "VariantName": variant["VariantName"],
        "CurrentWeight": weight,
        "DesiredWeight": weight,
        "CurrentInstanceCount": count,
        "DesiredInstanceCount": count,
    }


def _rollback_alarms(deployment: Mapping[str, Any]) -> list[str]:
    configured = (deployment.get("AutoRollbackConfiguration") or {}).get("Alarms") or []
    return [alarm["AlarmName"] for alarm in configured]


def _bake_seconds(deployment: Mapping[str, Any]) -> float:
    policy = deployment.get("BlueGreenUpdatePolicy") or {}
    return float((policy.get("TrafficRoutingConfiguration") or {}).get("WaitIntervalInSeconds", 0))
