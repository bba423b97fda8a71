"""A credit limit that several requests draw on at once, and the switch that ends them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from socialfetch_async._protocol.budget import Budget, CloseReason


class NothingMoreMaySend(Exception):
    """No request may leave any more. `reason` is `max_credits` or `stopped`."""

    def __init__(self, reason: CloseReason) -> None:
        super().__init__(reason)
        self.reason: CloseReason = reason


class SharedBudget(Budget):
    """A budget that tasks wait at: every request passes here last before it leaves.

    Attributes:
        waiting: The tasks that wait for something before their request can leave.
        maybe_charged: Credits counted for requests that brought no page.
    """

    __slots__ = ("_settled", "maybe_charged", "waiting")

    def __init__(self, max_credits: int | None = None) -> None:
        super().__init__(max_credits)
        self._settled = asyncio.Event()
        self.maybe_charged = 0
        self.waiting: set[asyncio.Task[object]] = set()

    def check(self) -> None:
        """See whether a request may leave now or later, without setting anything aside.

        Raises:
            NothingMoreMaySend: The limit is reached, or the switch is off.
        """
        if not self.reserved and not self.affords():
            self.close("max_credits")
        if self.closed is not None:
            raise NothingMoreMaySend(self.closed)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Enclose a wait before sending, so that whoever closes the budget can cancel it.

        Raises:
            NothingMoreMaySend: The limit is reached, or the switch is off.
        """
        self.check()
        task = asyncio.current_task()
        assert task is not None
        self.waiting.add(task)
        try:
            yield
        finally:
            self.waiting.discard(task)

    async def credit(self) -> None:
        """Wait until a request on the wire has come back.

        While such requests hold the rest of the limit, one of them may turn out not to be charged
        and free its credit: the limit is to be used to the last.
        """
        self._settled.clear()
        await self._settled.wait()

    def settle(self, reserved: int, cost: int) -> None:
        """Replace a reservation by what the request cost, in credits."""
        super().settle(reserved, cost)
        if self.waiting:
            self._settled.set()

    def close(self, reason: CloseReason) -> None:
        """Let nothing more leave. What is on the wire comes back."""
        self.closed = self.closed or reason
        self._settled.set()
