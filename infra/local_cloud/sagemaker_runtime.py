"""InvokeEndpoint, whole and streamed: handed to the container that has the endpoint's traffic, and measured."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.sagemaker import urls as sagemaker_urls
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from infra.local_cloud import event_stream
from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace
from infra.local_cloud.sagemaker_api import Refused
from infra.local_cloud.sagemaker_hosting import Endpoints
from infra.local_cloud.serving_containers import ServingContainer

STREAM_PATH = "{0}/endpoints/(?P<name>[^/]+)/invocations-response-stream$"
WHOLE_SECONDS, STREAM_SECONDS = 60, 480
PASSED = ("Content-Type", "Accept", "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id")
UNREACHABLE = 500
TARGET_VARIANT = "X-Amzn-SageMaker-Target-Variant"


class ModelError(Refused):
    """Raised when the container answers with anything but success."""

    code = "ModelError"

    def __init__(self, status: int, message: str, log_group: str) -> None:
        kind = "client" if status < 500 else "server"
        super().__init__(
            f'Received {kind} error ({status}) from primary with message "{message}". '
            f"See {log_group} in CloudWatch for more information."
        )
        self.OriginalStatusCode, self.OriginalMessage, self.LogStreamArn = status, message, log_group


@dataclass(frozen=True)
class Invocation:
    """One request for a container."""

    endpoint: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def variant(self) -> str | None:
        return self.headers.get(TARGET_VARIANT)


class Runtime:
    def __init__(self, cloud: Cloud, endpoints: Endpoints) -> None:
        self._cloud, self._endpoints = cloud, endpoints

    def invoke(self, invocation: Invocation) -> TYPE_RESPONSE:
        container = self._endpoints.container(invocation.endpoint, invocation.variant)
        response = self._post(container, invocation, WHOLE_SECONDS, stream=False)
        headers = {"x-Amzn-Invoked-Production-Variant": container.plan.variant}
        headers["Content-Type"] = response.headers.get("Content-Type", "application/octet-stream")
        return response.status_code, headers, response.content

    def stream(self, invocation: Invocation) -> TYPE_RESPONSE:
        container = self._endpoints.container(invocation.endpoint, invocation.variant)
        response = self._post(container, invocation, STREAM_SECONDS, stream=True)
        headers = {
            "Content-Type": "application/vnd.amazon.eventstream",
            "X-Amzn-SageMaker-Content-Type": response.headers.get("Content-Type", "application/octet-stream"),
            "x-Amzn-Invoked-Production-Variant": container.plan.variant,
        }
        return 200, headers, _parts(response)

    def _post(
        self, container: ServingContainer, invocation: Invocation, seconds: float, *, stream: bool
    ) -> requests.Response:
        """Raises ModelError for every answer that is no success."""
        headers = {name: invocation.headers[name] for name in PASSED if name in invocation.headers}
        began = time.monotonic()
        try:
            response = requests.post(
                f"{container.url}/invocations", data=invocation.body, headers=headers, timeout=seconds, stream=stream
            )
        except requests.RequestException as error:
            self._measure(container, UNREACHABLE, time.monotonic() - began)
            self._cloud.pool.submit(container.revive)
            raise self._error(container, UNREACHABLE, f"the container did not answer: {error}") from error
        self._measure(container, response.status_code, time.monotonic() - began)
        if not response.ok:
            raise self._error(container, response.status_code, response.text)
        return response

    def _error(self, container: ServingContainer, status: int, message: str) -> ModelError:
        return ModelError(status, message, f"/aws/sagemaker/Endpoints/{container.plan.endpoint}")

    def _measure(self, container: ServingContainer, status: int, seconds: float) -> None:
        dimensions = [
            {"Name": "EndpointName", "Value": container.plan.endpoint},
            {"Name": "VariantName", "Value": container.plan.variant},
        ]
        values = {
            "Invocations": (1.0, "None"),
            "ModelLatency": (seconds * 1e6, "Microseconds"),
            "Invocation4XXErrors": (float(400 <= status < 500), "None"),
            "Invocation5XXErrors": (float(status >= 500), "None"),
        }
        data = [
            {"MetricName": name, "Value": value, "Unit": unit, "Dimensions": dimensions}
            for name, (value, unit) in values.items()
        ]
        client = self._cloud.client("cloudwatch")
        self._cloud.pool.submit(client.put_metric_data, Namespace="AWS/SageMaker", MetricData=data)


def _parts(response: requests.Response) -> Iterator[bytes]:
    """Chunks as the container sends them; an end before its time is told to the client."""
    try:
        with response:
            for chunk in response.iter_content(chunk_size=None):
                yield event_stream.event("PayloadPart", chunk)
    except requests.RequestException as error:
        told = {"Message": f"The stream of the model container broke: {error}", "ErrorCode": "StreamBroken"}
        yield event_stream.exception("ModelStreamError", json.dumps(told).encode())


def install(cloud: Cloud, endpoints: Endpoints) -> None:
    runtime = Runtime(cloud, endpoints)

    def invoke_endpoint(response: SageMakerRuntimeResponse) -> TYPE_RESPONSE:
        return runtime.invoke(_invocation(response))

    def invoke_endpoint_with_response_stream(request: Any, full_url: str, headers: Any) -> TYPE_RESPONSE:
        response = SageMakerRuntimeResponse()
        response.setup_class(request, full_url, headers)
        try:
            return runtime.stream(_invocation(response))
        except Refused as error:
            return response.serialized(ActionResult(error))

    replace(cloud, SageMakerRuntimeResponse, "invoke_endpoint", invoke_endpoint)
    sagemaker_urls.url_paths[STREAM_PATH] = invoke_endpoint_with_response_stream
    cloud.on_stop.append(lambda: sagemaker_urls.url_paths.pop(STREAM_PATH) and None)


def _invocation(response: SageMakerRuntimeResponse) -> Invocation:
    endpoint = response.path.split("/")[2]
    body = response.body if isinstance(response.body, bytes) else response.body.encode()
    return Invocation(endpoint, body, response.headers)
