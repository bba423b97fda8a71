"""Streams: the rows of one list, a page at a time, exactly as far as asked."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from operator import length_hint
from typing import Any, ClassVar, Generic, Self, TypeVar

from msgspec.structs import replace

from socialfetch_async._exchange.shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async._log import logger
from socialfetch_async._protocol.endpoints import PageRequests, Request
from socialfetch_async._protocol.walk import Walk
from socialfetch_async.models import (
    Account,
    Follower,
    FollowersPage,
    FollowingPage,
    ItemsPage,
    ListPage,
)

Fetch = Callable[[Request, SharedBudget], Awaitable[Any]]
Item = TypeVar("Item")
PageT = TypeVar("PageT", bound=ListPage)


class BaseStream(Generic[PageT, Item]):
    """Async iterator over one list.

    Nothing runs between pulls: a pull either takes a row of the page in hand or asks for the
    next page. A page counts as handled when the next one is asked for, and `cursor` moves
    only then. After `break`, an error or a cancellation the same stream goes on where it was,
    and a new one made from `cursor` repeats at most the page in hand.

    A list that can not be had and one that leads nowhere end the stream for good: every further
    pull raises the same error and sends nothing.

    Attributes:
        page: The page of the row that came last, with its total, price and request id.
    """

    _rows_field: ClassVar[str]
    """The page's field that holds the rows; the limit on them is named after it."""

    def __init__(
        self,
        fetch: Fetch,
        requests: PageRequests,
        cursor: str | None,
        *,
        max_rows: int | None,
        max_pages: int | None,
        budget: SharedBudget,
    ) -> None:
        self._fetch = fetch
        self._requests = requests
        identity = requests.endpoint.identity
        self._walk = Walk(requests.handle, cursor, identity=identity, max_pages=max_pages)
        self._budget = budget
        self._max_rows = max_rows
        self._rows: Iterator[Item] = iter(())
        self._cut = False  # the limit of rows fell in the middle of the page in hand
        self._taken = 0  # rows up to the end of the page in hand
        self._pulling = False
        self._stop_reason: str | None = None
        self.page: PageT | None = None

    @property
    def cursor(self) -> str | None:
        """Where to go on; None is the first page, or, when `done`, nothing."""
        return self._walk.cursor

    @property
    def done(self) -> bool:
        """Whether nothing is left to fetch."""
        return self._walk.done

    @property
    def stop_reason(self) -> str | None:
        """Why the iteration ended; None while it has not.

        `complete`, `missing_cursor`, `max_pages`, `max_credits`, or the limit of rows:
        `max_followers`, `max_accounts`, `max_items`.
        """
        return self._stop_reason or self._walk.stop_reason

    @property
    def pages_fetched(self) -> int:
        """Pages that arrived."""
        return self._walk.pages

    @property
    def credits_charged(self) -> int:
        """Credits confirmed for the pages that arrived."""
        return self._walk.credits_charged

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        for row in self._rows:  # an iterator: the loop takes one and leaves the rest
            return row
        while await self._turn():
            for row in self._rows:
                return row
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`. Between pulls there is nothing to close."""

    def pages(self) -> AsyncIterator[PageT]:
        """Iterate over pages instead of rows, from the same position within the same limits.

        A page of which some rows were taken already, or that the limit of rows cuts, comes with
        the others only. Raises what the iteration over rows raises.
        """
        return _Pages(self)

    @property
    def _rows_seen(self) -> int:
        return self._taken - length_hint(self._rows)

    async def _next_page(self) -> PageT | None:
        """Return what is left of the page in hand, or the next page; None at the end."""
        rest = list(self._rows)
        if not rest:
            if not await self._turn():
                return None
            rest = list(self._rows)
        page = self.page
        assert page is not None
        whole = len(rest) == len(getattr(page, self._rows_field))
        return page if whole else replace(page, **{self._rows_field: rest})

    async def _turn(self) -> bool:
        """Ask for the next page; False when the iteration has ended."""
        if self._pulling:
            raise RuntimeError(
                "another task is pulling this stream already: the same page would be bought twice"
            )
        if self._stop_reason is not None:
            return False
        walk = self._walk
        if not self._cut:
            walk.leave()
        if self._taken == self._max_rows and not walk.done:
            self._stop_reason = f"max_{self._rows_field}"
            return False
        if not walk.advance():
            self._stop_reason = walk.stop_reason
            if self._stop_reason == "missing_cursor" and self.page is not None:
                warn_missing_cursor(self._requests, self.page.cursor)
            return False
        self._pulling = True
        try:
            page = await self._fetch(self._requests.at(walk.cursor, walk.pages + 1), self._budget)
        except NothingMoreMaySend as limit:
            self._stop_reason = limit.reason
            return False
        finally:
            self._pulling = False
        rows = getattr(page, self._rows_field)
        if page.invalid_rows and not walk.invalid_rows:
            warn_invalid_rows(self._requests, page, len(rows))
        walk.receive(page, rows)
        self.page = page
        self._rows = iter(self._within_limit(rows))
        return True

    def _within_limit(self, rows: Sequence[Item]) -> Sequence[Item]:
        """Cut a page at the limit of rows; its cursor is not left then, so nothing is lost."""
        most = self._max_rows
        if most is not None and self._taken + len(rows) > most:
            rows = rows[: most - self._taken]
            self._cut = True
        self._taken += len(rows)
        return rows

    def __repr__(self) -> str:
        if not hasattr(self, "page"):  # half made: a traceback of the constructor shows it
            return f"<{type(self).__name__}>"
        return (
            f"<{type(self).__name__} {self._requests.name!r} pages_fetched={self.pages_fetched} "
            f"cursor={self.cursor!r} done={self.done}>"
        )


class FollowerStream(BaseStream[FollowersPage, Follower]):
    """Async iterator over one profile's followers; made by `client.iter_followers()`."""

    _rows_field = "followers"

    @property
    def followers_seen(self) -> int:
        """Followers delivered so far."""
        return self._rows_seen


class FollowingStream(BaseStream[FollowingPage, Account]):
    """Async iterator over the accounts a profile follows; made by `client.iter_following()`."""

    _rows_field = "accounts"

    @property
    def accounts_seen(self) -> int:
        """Accounts delivered so far."""
        return self._rows_seen


class ItemStream(BaseStream[ItemsPage[Item], Item]):
    """Async iterator over the rows of any other list; made by `client.iter_items()`."""

    _rows_field = "items"

    @property
    def items_seen(self) -> int:
        """Rows delivered so far."""
        return self._rows_seen


class _Pages(Generic[PageT]):
    """The same stream, a page at a time. It has no position of its own."""

    def __init__(self, stream: BaseStream[PageT, Any]) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PageT:
        page = await self._stream._next_page()  # noqa: SLF001 - two halves of one thing
        if page is None:
            raise StopAsyncIteration
        return page

    async def aclose(self) -> None:
        """Do nothing, as the stream's own."""


def warn_invalid_rows(requests: PageRequests, page: ListPage, rows: int) -> None:
    """Log the first page of a list that has rows which are not as documented."""
    logger.warning(
        "%r, cursor %r: %d of %d rows are not as documented and are left out; the rest was "
        "delivered. Later pages count theirs in invalid_rows.",
        requests.name,
        page.cursor,
        page.invalid_rows,
        page.invalid_rows + rows,
        extra={"handle": requests.handle, "cursor": page.cursor, "request_id": page.request_id},
    )


def warn_missing_cursor(requests: PageRequests, cursor: str | None) -> None:
    """Log that a list ends although the API says that it goes on."""
    logger.warning(
        "%r: the list ends after cursor %r although hasMore is true, because no next cursor "
        "came. It may be incomplete; nothing more can be asked for.",
        requests.name,
        cursor,
        extra={"handle": requests.handle, "cursor": cursor},
    )
