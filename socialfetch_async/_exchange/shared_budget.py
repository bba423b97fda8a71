"""Credit limits that several requests draw on at once, and the switch that ends them."""

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

    Args:
        max_credits: The limit, in credits; None is none.
        within: The client's budget, for the one of a list or run.

    Attributes:
        settled: Is set when a request of any budget of the client has come back.
        waiting: The tasks that wait for something before their request can leave.
        retries: Further attempts at requests that had failed.
    """

    __slots__ = ("retries", "settled", "waiting")

    def __init__(
        self, max_credits: int | None = None, *, within: "SharedBudget | None" = None
    ) -> None:
        super().__init__(max_credits, within=within)
        # One for all budgets of a client: what a list has settled, another may wait for.
        self.settled: asyncio.Event = asyncio.Event() if within is None else within.settled
        self.waiting: set[asyncio.Task[object]] = set()
        self.retries = 0

    def check(self) -> None:
        """See whether a request may leave now or later, without setting anything aside.

        Raises:
            NothingMoreMaySend: A limit is reached, or the switch is off.
        """
        if self.used_up():
            self.close("max_credits")
        if self.closed is not None:
            raise NothingMoreMaySend(self.closed)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Enclose a wait before sending, so that whoever closes the budget can cancel it.

        Raises:
            NothingMoreMaySend: A limit is reached, or the switch is off.
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

        While such requests hold the rest of a limit, one of them may turn out not to be charged
        and free its credit: the limit is to be used to the last. And while one of them asks for
        the price, its page says what the others have to set aside.
        """
        self.settled.clear()
        await self.settled.wait()

    def settle(self, reserved: int, cost: int) -> None:
        """Replace a reservation by the credits that a page cost."""
        super().settle(reserved, cost)
        if self.limited:
            self.settled.set()

    def release(self, reserved: int) -> None:
        """Take back the reservation of a request that was not charged."""
        super().release(reserved)
        if self.limited:
            self.settled.set()

    def close(self, reason: CloseReason) -> None:
        """Let nothing more leave. What is on the wire comes back."""
        self.closed = self.closed or reason
        self.settled.set()
