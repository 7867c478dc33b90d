"""A local cloud with only the plug-ins that a test is about."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import requests
from moto.server import ThreadedMotoServer

from infra.local_cloud.cloud import Cloud
from infra.local_cloud.processes import Processes
from infra.local_cloud.server import free_port

Found = TypeVar("Found")


@contextmanager
def running_cloud(state_dir: Path, plugins: Sequence[ModuleType], **options: Any) -> Iterator[Cloud]:
    port = free_port()
    processes = Processes(state_dir)
    cloud = Cloud(f"http://127.0.0.1:{port}", state_dir, processes, **options)
    for plugin in plugins:
        plugin.install(cloud)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    try:
        yield cloud
    finally:
        cloud.stopping.set()
        processes.stop(1)
        cloud.pool.shutdown(cancel_futures=True)
        requests.post(f"{cloud.url}/moto-api/reset", timeout=10)
        server.stop()
        for undo in reversed(cloud.on_stop):
            undo()


def eventually(look: Callable[[], Found], seconds: float = 10) -> Found:
    """What `look` answers as soon as it answers something true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{look} answered {found!r} for {seconds} s")
        time.sleep(0.05)
    return found
