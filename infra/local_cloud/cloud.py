"""The running local cloud, as its plug-ins see it."""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local_cloud.processes import Processes

REPOSITORY = Path(__file__).parents[2]
PASSED_THROUGH = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")


@dataclass(frozen=True, repr=False)
class Cloud:
    """One account in one region, on one machine. Each plug-in module has `install(cloud)`, called once before
    the server starts."""

    url: str
    """Of the AWS API, as in http://127.0.0.1:43210."""
    state_dir: Path
    processes: Processes
    region: str = "us-east-1"
    account: str = "123456789012"
    python: str = sys.executable
    job_environment: dict[str, str] = field(default_factory=dict)
    """Added to the environment of jobs and serving containers, as in TUNESMITH_CACHE."""
    images: dict[str, str] = field(default_factory=dict)
    """Image URI, or its tag, -> the job in `batch_jobs` whose container it is."""
    log_listeners: list[Callable[[str, str, str], None]] = field(default_factory=list)
    """Each is told (log group, log stream, line) of every line that a function or a job logs."""
    vcpus: int = field(default_factory=lambda: max(2, os.cpu_count() or 2))
    gpus: int = 1
    """What all jobs that run at once share; a job that asks for more than there is gets all of it."""
    job_stop_seconds: float = 120
    """Between SIGTERM and SIGKILL of a job, as ECS_CONTAINER_STOP_TIMEOUT and SageMaker have it."""
    deployment_seconds: float = 5
    """The longest that a change of an endpoint is watched, however long its policy says."""
    speed: float = 1.0
    """How much faster than real time schedules run."""
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(64, thread_name_prefix="cloud"))
    """Runs what AWS does asynchronously."""
    services: dict[str, Any] = field(default_factory=dict)
    """What plug-ins offer to others in this process, by name of the plug-in."""
    stopping: threading.Event = field(default_factory=threading.Event)
    on_stop: list[Callable[[], None]] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"Cloud({self.url})"

    def client(self, service: str) -> Any:
        """A client of this cloud itself."""
        return _client(service, self.url, self.region)

    def environment(self) -> dict[str, str]:
        """What every process that runs in this cloud finds in its environment."""
        passed = {name: os.environ[name] for name in PASSED_THROUGH if name in os.environ}
        return passed | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@cache
def _client(service: str, url: str, region: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"mode": "standard"}, max_pool_connections=64, read_timeout=900),
    )
