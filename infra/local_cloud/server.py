"""The AWS API of the local cloud: moto's server on a free port, with every plug-in in place."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from moto.core.common_models import BaseModel

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.patching import replace
from infra.local_cloud.processes import Processes

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
PLUG_INS = (
    "trail",
    "locks",
    "cloudformation",
    "lambdas",
    "event_sources",
    "table_transactions",
    "s3",
    "batch",
    "sagemaker",
    "step_functions",
    "events",
    "notifications",
    "schedules",
    "alarms",
    "emf",
    "service_metrics",
)
"""Modules of this package, in the order of their `install(cloud)`."""


class PortTaken(Exception):
    """Somebody else listens on the port that was asked for."""


@contextmanager
def running(state_dir: Path, port: int = 0, job_environment: dict[str, str] | None = None) -> Iterator[Cloud]:
    """An empty account that serves the AWS API until the block ends, with all the processes that it started."""
    port = free_port(port)
    _point_at(port)
    cloud = Cloud(
        url=f"http://{HOST}:{port}",
        state_dir=state_dir,
        processes=Processes(state_dir),
        job_environment=job_environment or {},
    )
    try:
        install(cloud)
        server = _serve(port)
        try:
            yield cloud
        finally:
            server.stop()
    finally:
        stop(cloud)


def install(cloud: Cloud) -> None:
    """Put every plug-in in its place in moto."""
    _keep_no_instances(cloud)
    for name in PLUG_INS:
        import_module(f"infra.local_cloud.{name}").install(cloud)


def _keep_no_instances(cloud: Cloud) -> None:
    """moto remembers every object, message and record that it ever made, for the sake of tests; a cloud that runs for
    days must not."""
    replace(cloud, BaseModel, "__new__", lambda cls, *_, **__: object.__new__(cls))


def stop(cloud: Cloud) -> None:
    """End the processes first, so that no thread waits for one of them."""
    cloud.stopping.set()
    cloud.processes.stop()
    for undo in reversed(cloud.on_stop):
        undo()
    cloud.pool.shutdown(wait=False, cancel_futures=True)


def free_port(wanted: int = 0) -> int:
    """The wanted port, or any for 0. Raises PortTaken: moto's server would wait for ever where it cannot listen."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise PortTaken(f"port {wanted} of {HOST} is taken; name another, or 0 for a free one") from error
        port: int = probe.getsockname()[1]
        return port


def _point_at(port: int) -> None:
    """Where moto, which calls itself by HTTP here and there, finds itself; and who it says it is."""
    os.environ |= {
        "MOTO_PORT": str(port),
        "MOTO_HOST": f"http://{HOST}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MOTO_IAM_LOAD_MANAGED_POLICIES": "true",
    }
    os.environ.pop("AWS_PROFILE", None)


def _serve(port: int) -> "ThreadedMotoServer":  # noqa: F821
    from moto.core.config import default_user_config
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    server = ThreadedMotoServer(ip_address=HOST, port=port, verbose=False)
    server.start()
    return server
