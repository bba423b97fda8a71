"""What may be spent: reserved before a request leaves, settled when its price is known."""

from typing import Literal

CloseReason = Literal["max_credits", "stopped"]


class Budget:
    """Credits that may be spent, None without a limit.

    The price of a request is known only afterwards, so the highest one seen is reserved (at
    least 1), and a request that may have been charged without an answer keeps its reservation.

    Attributes:
        spent: Credits confirmed, or counted because they may have been charged.
        reserved: Credits held by requests that are on the wire.
        closed: Why nothing more may be reserved, once that is so.
    """

    __slots__ = ("_limit", "_price", "closed", "reserved", "spent")

    def __init__(self, limit: int | None = None) -> None:
        self._limit = limit
        self._price = 1
        self.spent = 0
        self.reserved = 0
        self.closed: CloseReason | None = None

    def reserve(self) -> int:
        """Set the price of one request aside and return it; 0 while it may not leave."""
        if self.closed is not None or not self.affords():
            return 0
        self.reserved += self._price
        return self._price

    def affords(self) -> bool:
        """Whether the limit allows one more request beside those on the wire."""
        return self._limit is None or self.spent + self.reserved + self._price <= self._limit

    def settle(self, reserved: int, cost: int) -> None:
        """Replace a reservation by what the request cost, which is 0 if it was not charged."""
        self.reserved -= reserved
        self.spent += cost
        self._price = max(self._price, cost)
