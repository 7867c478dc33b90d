"""The machines of one multi-node job of AWS Batch, as a Ray cluster for as long as the job runs.

Batch starts the same command on every machine and tells each which one it is. The main one begins a Ray cluster, waits
for the others and does the job; the others lend their cores until the main one is gone. On one machine nothing of this
happens, and neither Ray nor Daft is imported.

https://docs.aws.amazon.com/batch/latest/userguide/multi-node-parallel-jobs.html
"""

import contextlib
import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tunesmith.contracts.errors import InvalidInput, NodesMissing
from tunesmith.contracts.jobs import ExitCode
from tunesmith.contracts.nodes import FIRST_PORT, FIRST_PORT_NAME, MOST_NODES, PORTS_PER_NODE

JOIN_SECONDS = 900.0
"""Machines of one job start together, but not at the same moment; each pulls the image first."""
LEAVE_SECONDS = 10.0
POLL_SECONDS = 0.5
HEAD_LOST_SECONDS = 10
"""Ray's own limit, 60 s, would keep the other machines, and their cost, a minute longer."""
FIRST_WORKER_PORT = 10
"""Of a node's range: the ports before it are those of Ray's own processes."""


@dataclass(frozen=True)
class Nodes:
    """Which of how many machines this is."""

    count: int
    index: int
    main: int
    main_address: str | None
    """IPv4; Batch tells it to all but the main node."""
    token: str
    """Without it Ray answers nobody: the random id of the job, which its nodes know and their neighbours do not."""
    first_port: int = FIRST_PORT

    @classmethod
    def told(cls, variables: Mapping[str, str] = os.environ) -> "Nodes | None":
        """What Batch told this process; None where it is the only one. Raises InvalidInput where it was told half."""
        count = _number(variables, "NUM_NODES", default=1)
        if count == 1:
            return None
        if count > MOST_NODES:
            raise InvalidInput(f"the job has {count} nodes, at most {MOST_NODES} have ports: submit it with fewer")
        index, main = _number(variables, "NODE_INDEX"), _number(variables, "MAIN_NODE_INDEX")
        address = variables.get(f"{TOLD}MAIN_NODE_PRIVATE_IPV4_ADDRESS")
        if index != main and not address:
            raise InvalidInput(
                f"{TOLD}MAIN_NODE_PRIVATE_IPV4_ADDRESS is missing: node {index} cannot find the main node {main}"
            )
        job = variables.get(f"{TOLD}ID", "").partition("#")[0]
        if not job:
            raise InvalidInput(f"{TOLD}ID is missing: AWS Batch sets it on every node")
        first_port = int(variables.get(FIRST_PORT_NAME, FIRST_PORT))
        return cls(count, index, main, address, hashlib.sha256(job.encode()).hexdigest(), first_port)

    @property
    def settings(self) -> dict[str, str]:
        """Environment of Ray's processes and of those that speak with them."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": str(HEAD_LOST_SECONDS),
        }

    @property
    def is_main(self) -> bool:
        return self.index == self.main

    def ports(self, index: int) -> range:
        start = self.first_port + index * PORTS_PER_NODE
        return range(start, start + PORTS_PER_NODE)

    @property
    def main_port(self) -> int:
        return self.ports(self.main)[0]


TOLD = "AWS_BATCH_JOB_"


def lend_cores(nodes: Nodes, join_seconds: float = JOIN_SECONDS) -> int:
    """What a node that is not the main one does: join the cluster, and work until it ends. The exit code of its
    process: DONE when the main node is gone, FAILED when this one broke while the main one still works."""
    assert nodes.main_address is not None
    address = (nodes.main_address, nodes.main_port)
    if not _until(lambda: _answers(*address), join_seconds):
        print(_no_main(nodes, join_seconds), file=sys.stderr, flush=True)
        return ExitCode.FAILED
    with _ray(nodes, f"--address={address[0]}:{address[1]}") as ray:
        ray.wait()
    if _until(lambda: not _answers(*address), LEAVE_SECONDS):
        return ExitCode.DONE
    print(f"node {nodes.index}: Ray ended with {ray.returncode} while the main node works", file=sys.stderr, flush=True)
    return ExitCode.FAILED


@contextmanager
def cluster(
    nodes: Nodes, join_seconds: float = JOIN_SECONDS, check_interrupted: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """On the main node: a Ray cluster of all nodes, on which Daft runs what is done inside. A node that dies later is
    done without: what it was doing is done again by the others.

    Raises NodesMissing where nodes do not come: starting the job again may help. While it waits for them it asks
    `check_interrupted`, which raises to end the waiting.
    """
    os.environ |= nodes.settings
    with _ray(nodes, "--head", f"--port={nodes.main_port}") as head:
        _await_head(nodes, head, join_seconds)
        import daft
        import ray

        address = f"{_own_address(nodes)}:{nodes.main_port}"
        with _same_answer_to_sigterm():
            ray.init(address=address, log_to_driver=False, logging_level="WARNING")
        try:
            _await_nodes(nodes, join_seconds, check_interrupted)
            daft.set_runner_ray(address)
            yield
        finally:
            ray.shutdown()


@contextmanager
def _ray(nodes: Nodes, *place: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`ray start --block` as a child that leads a group of its own, and no process of that group left behind."""
    ports = nodes.ports(nodes.index)
    command = [
        *(str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats", *place),
        *(f"--node-manager-port={ports[1]}", f"--object-manager-port={ports[2]}"),
        *(f"--runtime-env-agent-port={ports[3]}", f"--dashboard-agent-listen-port={ports[4]}"),
        *(f"--dashboard-agent-grpc-port={ports[5]}", f"--metrics-export-port={ports[6]}"),
        *(f"--min-worker-port={ports[FIRST_WORKER_PORT]}", f"--max-worker-port={ports[-1]}"),
        "--include-log-monitor=false",
    ]
    if "--head" in place:
        command += ["--include-dashboard=false", f"--ray-client-server-port={ports[7]}"]
    process = subprocess.Popen(
        command, env=os.environ | nodes.settings, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        _end_group(process)


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the leader, which ends its children in order; then whatever is left of the group is killed."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LEAVE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _await_head(nodes: Nodes, head: "subprocess.Popen[bytes]", seconds: float) -> None:
    ready = _until(lambda: head.poll() is not None or _answers(_own_address(nodes), nodes.main_port), seconds)
    if head.poll() is not None or not ready:
        raise NodesMissing(
            f"Ray did not start on the main node (exit status {head.poll()}, port {nodes.main_port}): "
            "its output is in the lines above; starting the job again is safe"
        )


def _await_nodes(nodes: Nodes, seconds: float, check_interrupted: Callable[[], None]) -> None:
    def all_are_here() -> bool:
        check_interrupted()
        return _joined() >= nodes.count

    if not _until(all_are_here, seconds):
        raise NodesMissing(
            f"{_joined()} of {nodes.count} nodes joined within {seconds:.0f} s: see the logs of the other nodes, and "
            f"whether their security group lets ports {nodes.first_port} and up through; starting again is safe"
        )


def _joined() -> int:
    import ray

    return sum(bool(node["Alive"]) for node in ray.nodes())


def _no_main(nodes: Nodes, seconds: float) -> str:
    return (
        f"node {nodes.index}: the main node did not answer at {nodes.main_address}:{nodes.main_port} within "
        f"{seconds:.0f} s: see its log"
    )


@contextmanager
def _same_answer_to_sigterm() -> Iterator[None]:
    """Ray answers SIGTERM by leaving at once; a job is asked to stop instead."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # only the main thread may set handlers
            signal.signal(signal.SIGTERM, before)


def _own_address(nodes: Nodes) -> str:
    import ray

    return nodes.main_address or str(ray.util.get_node_ip_address())


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=2):
        return True
    return False


def _until(is_so: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (found := is_so()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return found


def _number(variables: Mapping[str, str], name: str, default: int | None = None) -> int:
    told = variables.get(f"{TOLD}{name}")
    if told is None and default is not None:
        return default
    if told is None or not told.isdecimal():
        raise InvalidInput(f"{TOLD}{name} is {told!r}: expected a whole number, as AWS Batch sets it on every node")
    return int(told)
