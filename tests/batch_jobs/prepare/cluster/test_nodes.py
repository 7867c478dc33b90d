"""Machines of a multi-node job as one cluster: two real nodes of Ray on this machine, told what Batch tells them."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batch_jobs.prepare.cluster.nodes import Nodes
from tests.batch_jobs.prepare.cluster.test_distributed import on_one_machine
from tunesmith.contracts.errors import InvalidInput
from tunesmith.contracts.nodes import FIRST_PORT, FIRST_PORT_NAME, LAST_PORT, MOST_NODES, PORTS_PER_NODE

ROOT = Path(__file__).parents[4]
JOB_ID = "6f3ab0d2-0c6e-4a3c-9b0e-3c1f8d1f7a51"
MAIN = {
    "AWS_BATCH_JOB_ID": f"{JOB_ID}#0",
    "AWS_BATCH_JOB_NUM_NODES": "2",
    "AWS_BATCH_JOB_NODE_INDEX": "0",
    "AWS_BATCH_JOB_MAIN_NODE_INDEX": "0",
}
OTHER = MAIN | {
    "AWS_BATCH_JOB_ID": f"{JOB_ID}#1",
    "AWS_BATCH_JOB_NODE_INDEX": "1",
    "AWS_BATCH_JOB_MAIN_NODE_PRIVATE_IPV4_ADDRESS": "127.0.0.1",
}


def test_one_machine_is_told_nothing() -> None:
    assert Nodes.told({}) is None
    assert Nodes.told({"AWS_BATCH_JOB_NUM_NODES": "1", "AWS_BATCH_JOB_NODE_INDEX": "0"}) is None


def test_nodes_know_their_place() -> None:
    main, other = Nodes.told(MAIN), Nodes.told(OTHER)
    assert main and other
    assert (main.is_main, other.is_main, other.main_address) == (True, False, "127.0.0.1")
    assert main.token == other.token and JOB_ID not in main.token


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"AWS_BATCH_JOB_NUM_NODES": "2"}, "AWS_BATCH_JOB_NODE_INDEX"),
        ({"AWS_BATCH_JOB_NUM_NODES": "two"}, "AWS_BATCH_JOB_NUM_NODES"),
        (MAIN | {"AWS_BATCH_JOB_NODE_INDEX": "1"}, "MAIN_NODE_PRIVATE_IPV4_ADDRESS"),
        (MAIN | {"AWS_BATCH_JOB_NUM_NODES": "9"}, "at most 8"),
    ],
)
def test_what_batch_did_not_tell_is_named(told: dict[str, str], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        Nodes.told(told)


def test_ports_of_all_nodes_differ_and_are_those_that_the_security_group_opens() -> None:
    ports = [
        port for index in range(MOST_NODES) for port in Nodes(MOST_NODES, index, 0, "10.0.0.1", "token").ports(index)
    ]
    assert ports == list(range(FIRST_PORT, LAST_PORT + 1))


MAIN_JOB = """
import json, sys
from pathlib import Path
from batch_jobs.prepare.cluster.nodes import Nodes, cluster
nodes = Nodes.told()
with cluster(nodes, float(sys.argv[2])):
    import daft, ray
    from tests.batch_jobs.prepare.cluster.test_distributed import on_a_cluster
    _, found = on_a_cluster(Path(sys.argv[1]))
    assert daft.get_or_infer_runner_type() == "ray"
    print(json.dumps({"files": found, "nodes": len({node["NodeID"] for node in ray.nodes() if node["Alive"]})}))
"""
LENDING = """
import sys
from batch_jobs.prepare.cluster.nodes import Nodes, lend_cores
sys.exit(lend_cores(Nodes.told(), float(sys.argv[1])))
"""


@contextmanager
def node(told: dict[str, str], first_port: int, source: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """A node as Batch starts it."""
    command = [sys.executable, "-c", source, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), FIRST_PORT_NAME: str(first_port)} | told
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def first_port() -> int:
    """Where ranges of two nodes are free."""
    for start in range(21_000, 31_000, 2 * PORTS_PER_NODE):
        if all(_is_free(port) for port in range(start, start + 2 * PORTS_PER_NODE)):
            return start
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def processes_at(first_port: int) -> list[str]:
    """Command lines that name the port: what is left of Ray."""
    lines = [_command_line(folder) for folder in Path("/proc").glob("[0-9]*")]
    return [line for line in lines if f"={first_port}" in line or f":{first_port}" in line]


def _command_line(folder: Path) -> str:
    try:
        return (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:  # it ended just now
        return ""


@pytest.mark.slow
def test_two_nodes_give_the_bytes_of_one_machine_and_end_together(tmp_path: Path, first_port: int) -> None:
    _, expected = on_one_machine(tmp_path)
    with (
        node(OTHER, first_port, LENDING, 60) as other,
        node(MAIN, first_port, MAIN_JOB, tmp_path, 60) as main,
    ):
        output, problems = main.communicate(timeout=240)
        assert main.returncode == 0, problems[-3000:]
        told = json.loads(output.splitlines()[-1])
        assert (told["files"], told["nodes"]) == (expected, 2)
        assert other.wait(60) == 0, other.communicate()[1][-3000:]
    assert processes_at(first_port) == []


@pytest.mark.slow
def test_main_node_does_not_wait_for_ever(tmp_path: Path, first_port: int) -> None:
    with node(MAIN, first_port, MAIN_JOB, tmp_path, 15) as main:
        _, problems = main.communicate(timeout=120)
    assert main.returncode == 1
    assert "1 of 2 nodes joined within 15 s" in problems
    assert processes_at(first_port) == []


def test_other_node_says_that_nobody_answers(first_port: int) -> None:
    with node(OTHER, first_port, LENDING, 0) as other:
        _, problems = other.communicate(timeout=60)
    assert (other.returncode, problems.strip()) == (
        1,
        f"node 1: the main node did not answer at 127.0.0.1:{first_port} within 0 s: see its log",
    )
