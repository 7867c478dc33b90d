"""Faults between the SDK and moto, and the lock that makes moto's answers those of one account.

moto's backends are not atomic: two threads may both win a conditional write. One lock around every call mends that.
It is also the right place for faults: what a `before-send` handler returns does not keep moto from executing the call.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, NoReturn

import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

LOCK = threading.RLock()


class Crash(BaseException):
    """The process dies here; nothing but a test catches it."""


class Fault(StrEnum):
    REFUSED = "refused"
    """The service answers 500 and has done nothing."""
    ANSWER_LOST = "answer lost"
    """The service has done it, and the answer never arrives."""
    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"


@dataclass
class Wire:
    """The calls that went over it, by name, and the fault that strikes one of them."""

    at: int | None = None
    """Which call, from 1; None: none."""
    fault: Fault = Fault.REFUSED
    calls: list[str] = field(default_factory=list)
    dead: bool = False
    """The process crashed: whatever thread of it still runs, no call of it leaves any more."""

    def carry(self, execute: Any, event_name: str, request: Any) -> AWSResponse | None:
        if self.dead:
            raise Crash(f"{event_name} of a process that is dead")
        self.calls.append(event_name.removeprefix("before-send."))
        struck = self.fault if len(self.calls) == self.at else None
        if struck is Fault.CRASH_BEFORE:
            self._die()
        if struck is Fault.REFUSED:
            return AWSResponse(request.url, 500, {}, MockRawResponse(b""))
        answer = execute()
        if struck is Fault.CRASH_AFTER:
            self._die()
        if struck is Fault.ANSWER_LOST:
            raise ReadTimeoutError(endpoint_url=request.url)
        return answer

    def _die(self) -> NoReturn:
        """Uploads run in threads of their own, which keep what ends them to themselves: so death must last."""
        self.dead = True
        raise Crash(self.calls[-1])


@contextmanager
def wire(at: int | None = None, fault: Fault = Fault.REFUSED) -> Iterator[Wire]:
    """One locked wire to moto for as long as the block lasts, with a fault at its `at`-th call."""
    original, line = BotocoreStubber.__call__, Wire(at, fault)

    def call(stubber: BotocoreStubber, event_name: str, request: Any, **kwargs: Any) -> AWSResponse | None:
        with LOCK:
            return line.carry(lambda: original(stubber, event_name, request, **kwargs), event_name, request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BotocoreStubber, "__call__", call)
        patch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda seconds: None))
        yield line
