"""Streams: the rows of one list, a page at a time, exactly as far as asked."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from operator import length_hint
from typing import Any, Final, Generic, Literal, Self, TypeVar

import msgspec
from msgspec import Struct

from socialfetch_async import _arguments as arguments
from socialfetch_async._exchange.shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async._log import logger
from socialfetch_async._protocol.ending import is_short
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

Item = TypeVar("Item")
PageT = TypeVar("PageT", bound=ListPage)
RowLimit = TypeVar("RowLimit", bound=str)
Fetch = Callable[[Request[PageT], SharedBudget], Awaitable[PageT]]


class Position(Struct, frozen=True):
    """The position to resume a list from; it cannot mean "start again" by accident.

    A saved `cursor` of None is the first page or, of a list that is done, nothing. Here `done`
    says which.

    Attributes:
        handle: The profile.
        cursor: The page to resume from; None is the first page.
        done: Nothing is left: resuming yields nothing and sends no request.

    Raises:
        ValueError: The handle or the cursor is not valid, or there is a cursor although it is
            done.
        TypeError: A field of another type.
    """

    handle: str
    cursor: str | None
    done: bool

    def __post_init__(self) -> None:
        arguments.clean_handle(self.handle)
        arguments.opaque("cursor", self.cursor)
        if arguments.flag("done", self.done) and self.cursor is not None:
            raise ValueError("a position that is done has no cursor: nothing follows it")

    def to_json(self) -> str:
        """Return it as text, to save it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | bytes) -> "Position":
        """Return what `to_json` wrote.

        Raises:
            ValueError: The text is not a position.
        """
        try:
            return _position.decode(text)
        except (msgspec.DecodeError, UnicodeError) as error:
            why = str(error)
        raise ValueError(
            f"not a saved position: {why}. It is what position.to_json() returned: a JSON object "
            "with handle, cursor and done"
        )


_position: Final = msgspec.json.Decoder(Position)


class ListStep(Generic[PageT]):
    """The one step through a list, for streams and for runs: advance, fetch, receive.

    Attributes:
        requests: What to ask for.
        walk: Where the list is.
    """

    __slots__ = ("_fetch", "_received", "requests", "walk")

    def __init__(self, fetch: Fetch[PageT], requests: PageRequests[PageT], walk: Walk) -> None:
        self._fetch = fetch
        self._received: str | None = None  # the cursor of the page received last
        self.requests = requests
        self.walk = walk

    def advance(self) -> bool:
        """Leave the page received last; False when no further page is to be asked for.

        Raises:
            SocialFetchError: As `Walk.advance`.
        """
        walk = self.walk
        if walk.advance():
            return True
        if walk.stop_reason == "missing_cursor":
            _warn_missing_cursor(self.requests, self._received)
        elif walk.stop_reason == "complete":
            found, total = walk.found, walk.total
            if found is not None and total is not None and is_short(found, total):
                _warn_short(self.requests, found, total)
        return False

    def fetch(self, budget: SharedBudget) -> Awaitable[PageT]:
        """Ask for the page that `advance` wants."""
        walk = self.walk
        return self._fetch(self.requests.at(walk.cursor, walk.pages + 1), budget)

    def receive(self, page: PageT) -> None:
        """Take the page that came. After this it may be delivered.

        Raises:
            SocialFetchError: As `Walk.receive`: it is not to be delivered.
        """
        rows = page.rows
        if page.invalid_rows and not self.walk.invalid_rows:
            _warn_invalid_rows(self.requests, page, len(rows))
        self.walk.receive(page, rows)
        self._received = page.cursor


class BaseStream(Generic[PageT, Item, RowLimit]):
    """Async iterator over one list.

    Nothing runs between two rows: each step takes a row of the current page or requests the next
    page. A page counts as handled when the next one is requested, and `cursor` moves only then.
    After `break`, an error or a cancellation the same stream resumes where it was, and a new one
    made from `cursor` repeats at most the current page.

    `ProfileUnavailableError`, `repeated_cursor` and `no_progress` end the stream for good: every
    further step raises the same error and sends no request.

    Attributes:
        page: The page of the row that came last, with its total, price and request id.
    """

    def __init__(
        self,
        fetch: Fetch[PageT],
        requests: PageRequests[PageT],
        cursor: str | None,
        *,
        done: bool = False,
        max_rows: int | None,
        max_pages: int | None,
        budget: SharedBudget,
    ) -> None:
        identity = requests.endpoint.identity
        self._requests = requests
        self._walk = Walk(requests.handle, cursor, identity=identity, max_pages=max_pages)
        self._step = ListStep(fetch, requests, self._walk)
        self._budget = budget
        self._max_rows = max_rows
        self._rows: Iterator[Item] = iter(())
        self._cut = False  # the limit of rows fell in the middle of the page in hand
        self._taken = 0  # rows up to the end of the page in hand
        self._pulling = False
        self._stop_reason: (
            Literal["complete", "missing_cursor", "max_pages", "max_credits"] | RowLimit | None
        ) = None
        self.page: PageT | None = None
        if done:
            self._walk.done = True
            self._stop_reason = "complete"

    @property
    def cursor(self) -> str | None:
        """The cursor to resume from; None is the first page, or, when `done`, nothing."""
        return self._walk.cursor

    @property
    def done(self) -> bool:
        """Whether nothing is left to fetch."""
        return self._walk.done

    @property
    def stop_reason(
        self,
    ) -> Literal["complete", "missing_cursor", "max_pages", "max_credits"] | RowLimit | None:
        """Why the iteration ended; None while it has not.

        `complete`, `missing_cursor`, `max_pages`, `max_credits`, or the limit of rows:
        `max_followers`, `max_accounts`, `max_items`.
        """
        return self._stop_reason

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
        """Do nothing: for `contextlib.aclosing`. Between two rows there is nothing to close."""

    def pages(self) -> AsyncIterator[PageT]:
        """Iterate over pages instead of rows, from the same position within the same limits.

        If some rows of a page were taken already, or the limit of rows cuts it, the page has only
        the others. The errors are those of the iteration over rows.
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
        return page if len(rest) == len(page.rows) else page.with_rows(rest)

    async def _turn(self) -> bool:
        """Ask for the next page; False when the iteration has ended."""
        if self._pulling:
            raise RuntimeError(
                "another task is pulling this stream already: the same page would be bought twice"
            )
        if self._stop_reason is not None:
            return False
        walk, step = self._walk, self._step
        if not self._cut:
            walk.leave()
        if self._taken == self._max_rows and not walk.done:
            self._stop_reason = self._row_limit
            return False
        if not step.advance():
            assert walk.stop_reason != "max_rows"  # rows are counted here: a page may be cut
            self._stop_reason = walk.stop_reason
            return False
        self._pulling = True
        try:
            page = await step.fetch(self._budget)
        except NothingMoreMaySend:  # nobody stops a stream: a credit limit is reached
            self._stop_reason = "max_credits"
            return False
        finally:
            self._pulling = False
        step.receive(page)
        self.page = page
        self._rows = iter(self._within_limit(page.rows))
        return True

    @property
    @abstractmethod
    def _row_limit(self) -> RowLimit:
        """What the limit of rows is called."""

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


class FollowerStream(BaseStream[FollowersPage, Follower, Literal["max_followers"]]):
    """Async iterator over one profile's followers; made by `client.iter_followers()`."""

    @property
    def total_followers(self) -> int | None:
        """The vendor's count of the list, on the page that came last; None before, or without."""
        return self._walk.total

    @property
    def position(self) -> Position:
        """The position to resume from, by page; `iter_followers(position)` resumes there."""
        handle = self._requests.handle
        assert handle is not None
        return Position(handle, self.cursor, self.done)

    @property
    def followers_seen(self) -> int:
        """Followers delivered so far."""
        return self._rows_seen

    @property
    def _row_limit(self) -> Literal["max_followers"]:
        return "max_followers"


class FollowingStream(BaseStream[FollowingPage, Account, Literal["max_accounts"]]):
    """Async iterator over the accounts a profile follows; made by `client.iter_following()`."""

    @property
    def accounts_seen(self) -> int:
        """Accounts delivered so far."""
        return self._rows_seen

    @property
    def _row_limit(self) -> Literal["max_accounts"]:
        return "max_accounts"


class ItemStream(BaseStream[ItemsPage[Item], Item, Literal["max_items"]]):
    """Async iterator over the rows of any other list; made by `client.iter_items()`."""

    @property
    def items_seen(self) -> int:
        """Rows delivered so far."""
        return self._rows_seen

    @property
    def _row_limit(self) -> Literal["max_items"]:
        return "max_items"


class _Pages(Generic[PageT]):
    """The same stream, a page at a time. It has no position of its own."""

    def __init__(self, stream: BaseStream[PageT, Any, Any]) -> None:
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


def _warn_invalid_rows(requests: PageRequests[PageT], page: ListPage, rows: int) -> None:
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


def _warn_missing_cursor(requests: PageRequests[PageT], cursor: str | None) -> None:
    """Log that a list ends although the API says that it goes on."""
    logger.warning(
        "%r: the list ends after cursor %r although hasMore is true, because no next cursor "
        "came. It may be incomplete; nothing more can be requested.",
        requests.name,
        cursor,
        extra={"handle": requests.handle, "cursor": cursor},
    )


def _warn_short(requests: PageRequests[PageT], found: int, total: int) -> None:
    """Log that a complete list has far fewer rows than the vendor counts."""
    logger.warning(
        "%r: the API says that the list is complete, but it has %d rows and the API counts %d. "
        "The API may not give more of it; nothing more can be requested.",
        requests.name,
        found,
        total,
        extra={"handle": requests.handle},
    )
