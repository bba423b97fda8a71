"""FollowerStream: the followers of one handle, a page at a time, exactly as far as asked."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from operator import length_hint
from typing import Any, Final, Self

from msgspec.structs import replace

from socialfetch_async._protocol.endpoints import FOLLOWERS, PageRequests, Request
from socialfetch_async._protocol.walk import Walk
from socialfetch_async._shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async.models import Follower, FollowersPage

logger: Final = logging.getLogger("socialfetch_async")

Fetch = Callable[[Request, SharedBudget | None], Awaitable[Any]]


class FollowerStream:
    """Async iterator over one profile's followers; made by `client.iter_followers()`.

    Nothing runs between pulls: a pull either takes a follower of the page in hand or asks for
    the next page. A page counts as handled when the next one is asked for, and `cursor` moves
    only then. After `break`, an error or a cancellation the same stream goes on where it was,
    and a new one made from `cursor` repeats at most the page in hand.

    A profile that can not be listed and a list that leads nowhere end the stream for good: every
    further pull raises the same error and sends nothing.

    Attributes:
        page: The page of the follower that came last, with its total, price and request id.
    """

    def __init__(
        self,
        fetch: Fetch,
        requests: PageRequests,
        handle: str,
        cursor: str | None,
        *,
        max_followers: int | None,
        max_pages: int | None,
        max_credits: int | None,
    ) -> None:
        self._fetch = fetch
        self._requests = requests
        self._handle = handle
        self._walk = Walk(handle, cursor, identity=FOLLOWERS.identity, max_pages=max_pages)
        self._budget = SharedBudget(max_credits)
        self._max_followers = max_followers
        self._rows: Iterator[Follower] = iter(())
        self._cut = False  # max_followers fell in the middle of the page in hand
        self._taken = 0  # followers up to the end of the page in hand
        self._pulling = False
        self._stop_reason: str | None = None
        self.page: FollowersPage | None = None

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

        `end`, `missing_cursor`, `max_followers`, `max_pages` or `max_credits`.
        """
        return self._stop_reason or self._walk.stop_reason

    @property
    def pages_fetched(self) -> int:
        """Pages that arrived."""
        return self._walk.pages

    @property
    def followers_seen(self) -> int:
        """Followers delivered so far."""
        return self._taken - length_hint(self._rows)

    @property
    def credits_charged(self) -> int:
        """Credits confirmed for the pages that arrived."""
        return self._walk.credits_charged

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Follower:
        for follower in self._rows:  # an iterator: the loop takes one and leaves the rest
            return follower
        while await self._turn():
            for follower in self._rows:
                return follower
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`. Between pulls there is nothing to close."""

    def pages(self) -> AsyncIterator[FollowersPage]:
        """Iterate over pages instead of followers, from the same position within the same limits.

        A page of which some followers were taken already, or that `max_followers` cuts, comes
        with the others only. Raises what the iteration over followers raises.
        """
        return _Pages(self)

    async def _next_page(self) -> FollowersPage | None:
        """Return what is left of the page in hand, or the next page; None at the end."""
        rest = list(self._rows)
        if rest:
            assert self.page is not None
            return replace(self.page, followers=rest)
        if not await self._turn():
            return None
        rest, page = list(self._rows), self.page
        assert page is not None
        return page if len(rest) == len(page.followers) else replace(page, followers=rest)

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
        if self._taken == self._max_followers and not walk.done:
            self._stop_reason = "max_followers"
            return False
        if not walk.advance():
            self._stop_reason = walk.stop_reason
            if self._stop_reason == "missing_cursor" and self.page is not None:
                warn_missing_cursor(self._handle, self.page.cursor)
            return False
        self._pulling = True
        try:
            page = await self._fetch(self._requests.at(walk.cursor), self._budget)
        except NothingMoreMaySend as limit:
            self._stop_reason = limit.reason
            return False
        finally:
            self._pulling = False
        if page.invalid_rows:
            warn_invalid_rows(walk, page)
        walk.receive(page, page.followers)
        self.page = page
        self._rows = iter(self._within_limit(page.followers))
        return True

    def _within_limit(self, followers: Sequence[Follower]) -> Sequence[Follower]:
        """Cut a page at `max_followers`; its cursor is not left then, so nothing is lost."""
        most = self._max_followers
        if most is not None and self._taken + len(followers) > most:
            followers = followers[: most - self._taken]
            self._cut = True
        self._taken += len(followers)
        return followers

    def __repr__(self) -> str:
        return (
            f"<FollowerStream {self._handle!r} pages_fetched={self.pages_fetched} "
            f"cursor={self.cursor!r} done={self.done}>"
        )


class _Pages:
    """The same stream, a page at a time. It has no position of its own."""

    def __init__(self, stream: FollowerStream) -> None:
        self._stream = stream

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FollowersPage:
        page = await self._stream._next_page()  # noqa: SLF001 - two halves of one thing
        if page is None:
            raise StopAsyncIteration
        return page

    async def aclose(self) -> None:
        """Do nothing, as the stream's own."""


def warn_invalid_rows(walk: Walk, page: FollowersPage) -> None:
    """Log the first page of a walk that has rows which are not followers."""
    if not walk.invalid_rows:
        logger.warning(
            "handle %r, cursor %r: %d of %d rows are not followers as documented and are left "
            "out; the rest was delivered. Later pages count theirs in invalid_rows.",
            page.handle,
            page.cursor,
            page.invalid_rows,
            page.invalid_rows + len(page.followers),
        )


def warn_missing_cursor(handle: str, cursor: str | None) -> None:
    """Log that a list ends although the API says that it goes on."""
    logger.warning(
        "handle %r: the list ends after cursor %r although hasMore is true, because no next "
        "cursor came. It may be incomplete; nothing more can be asked for.",
        handle,
        cursor,
    )
