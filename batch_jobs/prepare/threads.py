"""A pool of threads that gives answers in the order of the questions, and never holds more than it can work on."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tunesmith.contracts.environment import VCPUS

T, R = TypeVar("T"), TypeVar("R")


def cores() -> int:
    """Processors that this process may use: no more than its job was given, though it may see all of its machine."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(seen, int(os.environ.get(VCPUS, seen)))


class Workers:
    """Threads for compiled work, which runs without the GIL. Use as a context manager."""

    def __init__(self, count: int | None = None):
        self.count = count or cores()
        self._pool = ThreadPoolExecutor(self.count, "prepare")

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Answers in order; at most two items a thread are taken ahead, so memory stays bounded."""
        if self.count == 1:
            yield from map(function, items)
            return
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(self._pool.submit(function, item))
                if len(waiting) > 2 * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def run(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        return list(self.map(function, items))
