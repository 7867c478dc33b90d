"""Model containers: the real serving code as a process on a port of its own, healthy before it gets traffic."""

import logging
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tarfile import TarError
from typing import Any

import requests
from botocore.exceptions import ClientError

from infra.local_cloud import containers
from infra.local_cloud.cloud import REPOSITORY, Cloud
from infra.local_cloud.log_streams import LogStream
from infra.local_cloud.model_data import ObjectFiles
from infra.local_cloud.processes import Child
from infra.local_cloud.server import free_port

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
PING_SECONDS = 2
DEFAULT_HEALTH_SECONDS = 600
STOP_SECONDS = 30


class ContainerFailed(Exception):
    """Raised when a container cannot start or does not become healthy; says why."""


@dataclass(frozen=True)
class ContainerPlan:
    """One container of an endpoint."""

    endpoint: str
    variant: str
    definition: Mapping[str, Any]
    """The PrimaryContainer of the model."""
    health_seconds: float = DEFAULT_HEALTH_SECONDS


class ServingContainer:
    """A running model container."""

    def __init__(self, cloud: Cloud, files: ObjectFiles, plan: ContainerPlan) -> None:
        self._cloud, self._files, self.plan = cloud, files, plan
        self._base = cloud.state_dir / "endpoints" / plan.endpoint / uuid.uuid4().hex
        self._log = LogStream(cloud, f"/aws/sagemaker/Endpoints/{plan.endpoint}", f"{plan.variant}/{self._base.name}")
        self._last_line = ""
        self._child: Child | None = None
        self._starting = threading.Lock()
        self._stopped = False
        self.url = ""

    def start(self) -> None:
        """Returns when the container answers /ping with 200. Raises ContainerFailed."""
        try:
            self._lay_out()
            self._launch()
        except (OSError, ValueError, ClientError, TarError) as error:
            raise ContainerFailed(str(error)) from error
        self._wait_healthy()

    def revive(self) -> None:
        """Start it again if it ended by itself, as SageMaker does with a container that died."""
        with self._starting:
            if self._stopped or self.is_running():
                return
            try:
                self._launch()
                self._wait_healthy()
            except ContainerFailed:
                logger.exception("the container of endpoint %s does not come back", self.plan.endpoint)

    def stop(self) -> None:
        """Finish what is being answered, then end; its folder goes too."""
        self._stopped = True
        if self._child is not None:
            self._child.stop(STOP_SECONDS)
        shutil.rmtree(self._base, ignore_errors=True)

    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def _lay_out(self) -> None:
        """/opt/ml as a model container finds it."""
        definition = self.plan.definition
        source = (definition.get("ModelDataSource") or {}).get("S3DataSource")
        (self._base / "model").mkdir(parents=True)
        if source:
            self._place(source, self._base / "model")
        elif definition.get("ModelDataUrl"):
            self._files.place_archive(definition["ModelDataUrl"], self._base / "model")
        for more in definition.get("AdditionalModelDataSources") or ():
            folder = self._base / "additional-model-data-sources" / more["ChannelName"]
            self._place(more["S3DataSource"], folder)

    def _place(self, source: Mapping[str, Any], folder: Path) -> None:
        if source.get("CompressionType") == "Gzip":
            self._files.place_archive(source["S3Uri"], folder)
        else:
            self._files.place_prefix(source["S3Uri"], folder)

    def _launch(self) -> None:
        definition, cloud = self.plan.definition, self._cloud
        image = definition.get("Image", "")
        if containers.job_of_image(cloud, image) is None:
            raise ValueError(f"{image or 'the model'} is no image of a job of this deployment")
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        own = {"SAGEMAKER_BASE_DIR": str(self._base), "SAGEMAKER_BIND_TO_PORT": str(port)}
        self._child = cloud.processes.start(
            containers.local_argv(cloud, ["serve"], image),
            env=cloud.environment() | cloud.job_environment | dict(definition.get("Environment") or {}) | own,
            name=f"endpoint {self.plan.endpoint}",
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        threading.Thread(target=self._pass_lines, args=(self._child,), daemon=True).start()

    def _pass_lines(self, child: Child) -> None:
        if child.stdout is None:
            raise ValueError("a container's process has no stdout: start it with a pipe")
        with child.stdout:
            for line in child.stdout:
                text = line.decode("utf-8", "replace")
                self._last_line = text.strip() or self._last_line
                self._log.write(text)

    def _wait_healthy(self) -> None:
        deadline = time.monotonic() + self.plan.health_seconds
        while not self._answers_ping():
            if not self.is_running():
                raise ContainerFailed(f"The primary container ended before it was healthy: {self._last_line}")
            if time.monotonic() > deadline or self._cloud.stopping.is_set():
                raise ContainerFailed(
                    f"The primary container for production variant {self.plan.variant} did not pass the ping health "
                    "check. Please check CloudWatch logs for this endpoint."
                )
            time.sleep(POLL_SECONDS)

    def _answers_ping(self) -> bool:
        try:
            return requests.get(f"{self.url}/ping", timeout=PING_SECONDS).status_code == 200
        except requests.RequestException:
            return False
