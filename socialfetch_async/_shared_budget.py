"""A credit limit that several requests draw on at once, and the switch that ends them."""

import asyncio

from socialfetch_async._protocol.budget import Budget


class NothingMoreMaySend(Exception):
    """No request may leave any more. `reason` is `max_credits` or `stopped`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SharedBudget:
    """Every request passes here last before it leaves, and again when its price is known.

    Attributes:
        on_wire: The tasks whose request has left and has not come back.
        closed: Why nothing more may leave, once that is so.
    """

    __slots__ = ("_budget", "_settled", "closed", "on_wire")

    def __init__(self, max_credits: int | None = None) -> None:
        self._budget = Budget(max_credits)
        self._settled = asyncio.Event()
        self.on_wire: set[asyncio.Task[object] | None] = set()
        self.closed: str | None = None

    async def reserve(self) -> int:
        """Return the credits set aside for the request that leaves now.

        While the rest of the limit is held by requests on the wire it waits for them: one that
        turns out not to be charged frees its credit, and the limit is to be used to the last.

        Raises:
            NothingMoreMaySend: The limit is reached, or the switch is off.
        """
        while self.closed is None:
            if reserved := self._budget.reserve():
                self.on_wire.add(asyncio.current_task())
                return reserved
            if not self._budget.reserved:
                self.closed = "max_credits"
                break
            self._settled.clear()
            await self._settled.wait()
        raise NothingMoreMaySend(self.closed)

    def settle(self, reserved: int, cost: int) -> None:
        """Replace a reservation by what the request cost, in credits."""
        self.on_wire.discard(asyncio.current_task())
        self._budget.settle(reserved, cost)
        self._settled.set()

    def close(self, reason: str) -> None:
        """Let nothing more leave. What is on the wire comes back."""
        self.closed = self.closed or reason
        self._settled.set()
