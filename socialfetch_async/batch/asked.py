"""What is asked of a batch, checked."""

import math
import time
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

from socialfetch_async import _arguments as arguments
from socialfetch_async.journal import Refresh, Wanted


class Order(NamedTuple):
    """What to fetch, and how much it may cost.

    Attributes:
        starts: The handles, each with the cursor to begin at. `duplicates`: those given again.
        older_than: Refresh only lists that were read longer ago, in seconds.
        max_credits: The most for one piece of work, all runs together.
    """

    starts: dict[str, str | None]
    duplicates: int
    concurrency: int = 10
    max_credits: int | None = None
    max_followers: int | None = None
    max_pages: int | None = None
    refresh: Refresh | None = None
    older_than: float | None = None
    trim: bool = False

    def first_pages(self) -> "Order":
        """Return what an estimate buys: the first page of each list that has none."""
        return self._replace(max_pages=1, max_followers=None)

    def wanted(self, work: str) -> Wanted:
        """Return what is wanted in a piece of work."""
        before = None if self.older_than is None else time.time() - self.older_than
        return Wanted(work, self.refresh, self.max_pages, self.max_followers, before)


def order(
    handles: Iterable[str] | Mapping[str, str | None],
    *,
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    refresh: Refresh | None = None,
    older_than: float | timedelta | None = None,
    trim: bool = False,
) -> Order:
    """Check what is asked of a batch.

    Raises:
        InvalidHandleError: One of the handles is invalid.
        ValueError: Another argument that cannot be.
        TypeError: An argument of another type.
    """
    starts, duplicates = arguments.starts(handles)
    if refresh not in {None, "new", "all"}:
        raise ValueError(f'refresh must be "new", "all" or None, not {refresh!r}')
    if isinstance(older_than, timedelta):
        older_than = older_than.total_seconds()
    if older_than is not None:
        if refresh is None:
            raise ValueError("older_than is for a refresh: give refresh as well")
        if isinstance(older_than, bool) or not isinstance(older_than, int | float):
            raise TypeError(
                f"older_than must be seconds or a timedelta, not {type(older_than).__name__}"
            )
        if not 0 <= older_than < math.inf:
            raise ValueError(f"older_than must be 0 seconds or more, not {older_than}")
    return Order(
        starts,
        duplicates,
        arguments.required("concurrency", concurrency),
        arguments.positive("max_credits", max_credits),
        arguments.positive("max_followers_per_handle", max_followers_per_handle),
        arguments.positive("max_pages_per_handle", max_pages_per_handle),
        refresh,
        older_than,
        arguments.flag("trim", trim),
    )
