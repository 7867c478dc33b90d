"""Ports for the nodes of jobs of several machines, which are all this machine here: each job has a range of its own."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tunesmith.contracts.nodes import FIRST_PORT, MOST_NODES, PORTS_PER_NODE

LAST_START = 32_000
"""The system gives ports above to whoever asks for any."""


class NodePorts:
    """Ranges as long as the largest job needs. Those that other programs listen in are passed over."""

    def __init__(self) -> None:
        self._lent: set[int] = set()
        self._lock = threading.Lock()

    @contextmanager
    def lent(self, nodes: int) -> Iterator[int]:
        """The first port of a range. Raises OSError where there is none left."""
        with self._lock:
            start = self._free(nodes * PORTS_PER_NODE)
            self._lent.add(start)
        try:
            yield start
        finally:
            with self._lock:
                self._lent.remove(start)

    def _free(self, length: int) -> int:
        for start in range(FIRST_PORT, LAST_START, MOST_NODES * PORTS_PER_NODE):
            if start not in self._lent and all(_is_free(port) for port in range(start, start + length)):
                return start
        raise OSError(f"no {length} free ports in a row between {FIRST_PORT} and {LAST_START} for the nodes of a job")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
