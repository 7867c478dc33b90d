"""Run the local cloud until SIGTERM or Ctrl-C.

    python -m infra.local_cloud --state-dir .tunesmith/cloud [--port 0] [--api-port 0]

Writes `state.json` into its folder when everything is deployed and ready, and `cloud.log` all along.
"""

import argparse
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psutil

from infra.local_cloud import platform_setup, server, state
from infra.local_cloud.assembly import Assembly, synthesized
from infra.local_cloud.cloud import REPOSITORY, Cloud
from infra.local_cloud.deployment import deploy
from infra.local_cloud.front_door import FrontDoor

logger = logging.getLogger(__name__)

JOB_ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
"""Of jobs and serving containers: threads that wait must sleep, or jobs that share the cores stand still."""
QUIET = ("botocore", "boto3", "urllib3", "s3transfer", "werkzeug")


def main() -> None:
    arguments = _arguments()
    state_dir: Path = arguments.state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    _log_to(state_dir / "cloud.log")
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background has Ctrl-C ignored: not here
        signal.signal(number, signal.default_int_handler)
    with _only_one_in(state_dir):
        status = _run_to_the_end(arguments, state_dir)
    logging.shutdown()
    os._exit(status)  # threads that are left wait for answers that nobody gives any more


def _run_to_the_end(arguments: argparse.Namespace, state_dir: Path) -> int:
    """The process's exit status."""
    try:
        _run(arguments, state_dir)
    except KeyboardInterrupt:
        logger.info("stopped")
        return 0
    except Exception as error:  # the process's own boundary
        logger.exception("the local cloud could not go on")
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return 1
    finally:
        state.remove(state_dir)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.local_cloud", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--state-dir", type=Path, default=Path(".tunesmith/cloud"), help="its folder")
    parser.add_argument("--port", type=int, default=0, help="of the AWS API; 0 takes a free one")
    parser.add_argument("--api-port", type=int, default=0, help="of the platform's API; 0 takes a free one")
    parser.add_argument(
        "--bases", type=Path, default=REPOSITORY / ".tunesmith/bases", help="folder of imported base models"
    )
    parser.add_argument("--assembly", type=Path, help="a synthesized app to deploy instead of the platform")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, state_dir: Path) -> None:
    began = time.monotonic()
    server.free_port(arguments.api_port)  # before anything is started
    environment = JOB_ENVIRONMENT | {"TUNESMITH_CACHE": str(state_dir.parent / "cache")}
    with server.running(state_dir, arguments.port, environment) as cloud:
        door = FrontDoor(cloud, arguments.api_port)
        logger.info("serving at %s, the API at %s, after %.1f s", cloud.url, door.url, time.monotonic() - began)
        api_key = _deploy(cloud, arguments, f"{door.url}/v1")
        _ready(cloud, f"{door.url}/v1", api_key).write()
        logger.info("ready after %.1f s", time.monotonic() - began)
        threading.Event().wait()


def _deploy(cloud: Cloud, arguments: argparse.Namespace, api_base_url: str) -> str | None:
    """Deploy the platform, or the app that was asked for; answers the platform's first API key."""
    if arguments.assembly:
        deploy(cloud, Assembly(arguments.assembly, cloud.account, cloud.region))
        return None
    deploy(cloud, synthesized(cloud))
    platform = platform_setup.announce(cloud, api_base_url)
    bases = sorted(arguments.bases.glob("*")) if arguments.bases else []
    platform_setup.upload_bases(cloud, platform, bases)
    key = platform_setup.create_key(cloud, platform)
    platform_setup.warm_up(cloud, platform)
    return key


def _ready(cloud: Cloud, api_base_url: str, api_key: str | None) -> state.State:
    return state.State(
        endpoint_url=cloud.url,
        api_base_url=api_base_url,
        api_key=api_key,
        console_url=None,
        state_dir=str(cloud.state_dir),
        pid=os.getpid(),
        started_at=psutil.Process().create_time(),
        ready_at=datetime.now(UTC).isoformat(timespec="seconds"),
        region=cloud.region,
    )


@contextmanager
def _only_one_in(state_dir: Path) -> Iterator[None]:
    """Refuse to share a folder with another local cloud."""
    with (state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"a local cloud runs in {state_dir} already: `tunesmith local status` shows it")
        state.remove(state_dir)
        yield


def _log_to(file: Path) -> None:
    logging.basicConfig(
        filename=file, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    main()
