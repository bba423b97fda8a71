"""What workers are given: shards of the handles, leases of the credits, parts of the rate."""

from collections.abc import Mapping
from typing import Final
from zlib import crc32

# A share of the rate that is smaller than this part of an even one is not worth a worker's time.
_WORTH: Final = 0.5


class Shard:
    """Some of the handles, and how far they are.

    Attributes:
        name: As in the names of its files.
        handles: Those that were not finished when the call began, with their start cursors.
        left: How many of them are not finished now. `failed`: those that failed in this call.
        credits_charged: Credits confirmed by its journals. `maybe_charged`: besides.
        fruitless: Attempts in a row that cost nothing and did not end it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.handles: dict[str, str | None] = {}
        self.left = self.failed = 0
        self.credits_charged = self.maybe_charged = 0
        self.before = 0
        self.fruitless = 0

    @property
    def spent(self) -> int:
        """Credits that it may have cost at most."""
        return self.credits_charged + self.maybe_charged - self.before


def shards_of(handles: Mapping[str, str | None], count: int) -> list[Shard]:
    """Deal handles out: the same handle, however it is spelled, into the same shard each time."""
    shards = [Shard(f"{number:04d}-of-{count:04d}") for number in range(count)]
    for handle, cursor in handles.items():
        shards[crc32(handle.lower().encode()) % count].handles[handle] = cursor
    return shards


class Leases:
    """The one budget, in credits, and what of it is lent to attempts that are running.

    A lease counts as spent until its attempt is settled. Leases shrink with what is left, so that
    at the end no worker sits on credits that another could use, and none is left over.

    Args:
        max_credits: What may be spent; None without a limit.
        spent: What of it is spent already.
        smallest: The smallest lease, while there is enough left for it.
    """

    def __init__(self, max_credits: int | None, spent: int, smallest: int) -> None:
        self.left = None if max_credits is None else max_credits - spent
        self._smallest = smallest

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left to lend now; some may come back."""
        return self.left is not None and self.left < 1

    def lend(self, workers: int) -> int | None:
        """Take a lease out of what is left; None without a limit."""
        if self.left is None:
            return None
        lease = min(self.left, max(self._smallest, self.left // (2 * workers)))
        self.left -= lease
        return lease

    def settle(self, lease: int | None, spent: int) -> None:
        """Give back what an attempt has not spent."""
        if self.left is not None and lease is not None:
            self.left += lease - spent


def share(rate: float, lent: float, workers: int) -> float:
    """Return a worker's part of a rate, of which some is lent; 0 while too little is free."""
    even = rate / workers
    free = min(even, rate - lent)
    return free if free >= _WORTH * even else 0.0
