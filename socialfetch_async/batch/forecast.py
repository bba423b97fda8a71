"""What a batch is still going to cost, as far as the counts of the API say. Pure."""

import math
from collections.abc import Iterable

from socialfetch_async.batch.estimate import HandleEstimate
from socialfetch_async.events import HandleDone
from socialfetch_async.models import FollowersPage


class Forecast:
    """The credits left to buy, list by list.

    Args:
        handles: How many handles the batch has, finished ones included.
        left: What was known when it began, of the unfinished ones.
        max_pages: Pages after which a list is not read further.
        max_followers: Followers after which it is not.

    Attributes:
        credits_left: To buy, together, of all lists whose length is known.
        unknown: Lists whose length is not known: most of them have not begun.
    """

    def __init__(
        self,
        handles: int,
        left: Iterable[HandleEstimate],
        max_pages: int | None = None,
        max_followers: int | None = None,
    ) -> None:
        self._handles = handles
        self._max_pages = max_pages
        self._max_followers = max_followers
        self._left = {entry.handle: entry.credits_left for entry in left}
        self._spent = dict.fromkeys(self._left, 0)
        self._shares = handles - len(self._left) + 0.0
        self.credits_left = sum(known or 0 for known in self._left.values())
        self.unknown = sum(known is None for known in self._left.values())

    @property
    def share(self) -> float:
        """How much of all lists is there, from 0 to 1: each list is one part of the whole."""
        return self._shares / self._handles if self._handles else 1.0

    def page(self, page: FollowersPage) -> None:
        """Count a page that arrived."""
        known = self._left.get(page.handle)
        price = max(1, page.credits_charged)
        left = self._first(page, price) if known is None else max(0, known - price)
        self._set(page.handle, left if page.has_more else 0, price)

    def done(self, done: HandleDone) -> None:
        """Count a handle that ended, however: nothing more is bought for it now."""
        self._set(done.handle, 0, 0)

    def _first(self, page: FollowersPage, price: int) -> int | None:
        """Return what is left of a list after its first page, in credits."""
        rows = len(page.followers)
        ends = [n for n in (page.total_followers, self._max_followers) if n is not None]
        pages = [math.ceil(min(ends) / rows)] if ends and rows else []
        pages += [] if self._max_pages is None else [self._max_pages]
        return max(0, min(pages) - 1) * price if pages else None

    def _set(self, handle: str, left: int | None, spent: int) -> None:
        before = self._left.get(handle, 0)
        self._shares -= self._share_of(handle)
        self.credits_left += (left or 0) - (before or 0)
        self.unknown += (left is None) - (before is None)
        self._left[handle] = left
        self._spent[handle] = self._spent.get(handle, 0) + spent
        self._shares += self._share_of(handle)

    def _share_of(self, handle: str) -> float:
        left, spent = self._left.get(handle, 0), self._spent.get(handle, 0)
        if left is None:
            return 0.0
        return spent / (spent + left) if left else 1.0
