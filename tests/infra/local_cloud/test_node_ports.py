"""Ranges of ports for the nodes of a job: nobody else's, and given back."""

import socket

import pytest

from infra.local_cloud import node_ports
from infra.local_cloud.node_ports import NodePorts
from tunesmith.contracts.nodes import MOST_NODES, PORTS_PER_NODE


def test_jobs_that_run_at_once_have_ranges_of_their_own() -> None:
    ports = NodePorts()
    with ports.lent(2) as one, ports.lent(MOST_NODES) as other:
        assert abs(one - other) >= MOST_NODES * PORTS_PER_NODE
    with ports.lent(2) as again:
        assert again == one


def test_range_in_which_somebody_listens_is_passed_over() -> None:
    ports = NodePorts()
    with ports.lent(1) as start:
        pass
    with socket.create_server(("127.0.0.1", start + PORTS_PER_NODE - 1)), ports.lent(1) as other:
        assert other != start


def test_where_no_range_is_left_the_job_fails_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_ports, "LAST_START", node_ports.FIRST_PORT)
    with pytest.raises(OSError, match="no 200 free ports in a row"), NodePorts().lent(2):
        pass
