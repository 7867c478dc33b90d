"""What the jobs that run at once may use together, handed out in the order in which each queue got them."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    vcpus: float = 1
    gpus: int = 0


class Capacity:
    """The compute environments of this machine."""

    def __init__(self, vcpus: float, gpus: int) -> None:
        self._total = Need(vcpus, gpus)
        self._vcpus, self._gpus = vcpus, gpus
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[object]] = defaultdict(deque)

    @contextmanager
    def reserved(self, queue: str, need: Need, stop: threading.Event) -> Iterator[bool]:
        """Hold what the job needs; False if it was stopped while it waited."""
        need = Need(min(need.vcpus, self._total.vcpus), min(need.gpus, self._total.gpus))
        granted = self._take(queue, need, stop)
        try:
            yield granted
        finally:
            if granted:
                self._give_back(need)

    def _take(self, queue: str, need: Need, stop: threading.Event) -> bool:
        ticket = object()
        with self._changed:
            self._waiting[queue].append(ticket)
            while not stop.is_set():
                if self._waiting[queue][0] is ticket and need.vcpus <= self._vcpus and need.gpus <= self._gpus:
                    break
                self._changed.wait(0.1)
            self._waiting[queue].remove(ticket)
            self._changed.notify_all()
            if stop.is_set():
                return False
            self._vcpus -= need.vcpus
            self._gpus -= need.gpus
            return True

    def _give_back(self, need: Need) -> None:
        with self._changed:
            self._vcpus += need.vcpus
            self._gpus += need.gpus
            self._changed.notify_all()
