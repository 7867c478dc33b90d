"""Crash a job before or after its n-th write to storage: every write is real, the process state after it is lost."""

from collections.abc import Callable
from threading import Lock
from typing import Any

import pytest

from tunesmith.adapters.storage import Storage


class Crash(BaseException):
    """What a SIGKILL looks like from inside one process: no handler of ours may catch it."""


class CrashingStorage:
    """Counts the writes of a job and dies at one of them. `at` counts from 1; 0 never dies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.at, self.after, self.writes = 0, False, 0
        self._lock = Lock()
        for name in ("write", "upload"):
            monkeypatch.setattr(Storage, name, self._wrap(getattr(Storage, name)))

    def arm(self, at: int, after: bool) -> None:
        self.at, self.after, self.writes = at, after, 0

    def _wrap(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(storage: Storage, target: Any, *arguments: Any, **named: Any) -> Any:
            if str(target if method.__name__ == "write" else arguments[0]).endswith("progress.json"):
                return method(storage, target, *arguments, **named)  # throttled by the clock, so it cannot be counted
            with self._lock:  # files are uploaded side by side
                self.writes += 1
                is_last = self.writes == self.at
            if is_last and not self.after:
                raise Crash
            result = method(storage, target, *arguments, **named)
            if is_last:
                raise Crash
            return result

        return wrapped
