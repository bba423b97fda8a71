"""So many requests per second: `--rate`, and the share of it that an attempt at a shard has."""

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType


class Pace(AbstractAsyncContextManager[None]):
    """A client's limiter: requests begin at even intervals, in the order in which they came.

    Args:
        rate: Requests per second.
    """

    def __init__(self, rate: float) -> None:
        self._interval = 1 / rate
        self._next = 0.0

    async def __aenter__(self) -> None:
        now = asyncio.get_running_loop().time()
        turn = max(self._next, now)
        self._next = turn + self._interval
        await asyncio.sleep(turn - now)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing: only the beginnings of requests are paced."""
