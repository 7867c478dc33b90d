"""One generation at a time: a model on one machine gains nothing from two, and memory must not depend on the crowd."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tunesmith.contracts.errors import Overloaded


class Turns:
    """A queue with few places. Who finds none is told at once, rather than after a wait that helps nobody."""

    def __init__(self, waiting_places: int):
        self._places = waiting_places + 1
        self._taken = 0
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises Overloaded where all places are taken."""
        if self._taken >= self._places:
            raise Overloaded(f"one request is being answered and {self._places - 1} wait already; try again soon")
        self._taken += 1
        try:
            async with self._lock:
                yield
        finally:
            self._taken -= 1
