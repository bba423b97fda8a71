"""FollowersRun: many handles side by side, fairly, each page delivered once."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import repeat
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from socialfetch_async._exchange.shared_budget import SharedBudget
from socialfetch_async._protocol.ending import ended
from socialfetch_async._protocol.endpoints import PageRequests
from socialfetch_async._workers import Guide, Workers
from socialfetch_async.errors import IncompleteRunError
from socialfetch_async.events import HandleDone
from socialfetch_async.models import Account, Follower, FollowersPage, FollowingPage
from socialfetch_async.stream import Fetch

Item = TypeVar("Item")
PageT = TypeVar("PageT", bound=FollowersPage | FollowingPage)


class BaseRun(Generic[PageT, Item]):
    """Many handles, concurrently.

    `async with` starts and ends the workers. `async for` delivers each page that was charged
    (except one that repeats the page before it) and, last for each started handle, its
    `HandleDone`. A page counts as handled when the loop takes the next event; `pending()` is exact
    at any moment, also after the loop was left early.

    What would fail for every handle ends the run with that error, and all handles that are not
    finished stay in `pending()`. Such errors are a 401, 402 or 403; five charged responses, from
    at least three handles, that cannot be read, with few between them that can; and ten handles in
    a row with the same failure that is not about them.

    Pages in flight, and received pages that the loop has not yet taken, are together never more
    than `concurrency`, so a slow loop slows the requests down.

    Attributes:
        outcomes: The `HandleDone` of every handle that has ended.
        handles_total: Different handles given. `duplicates`: the ones given again.
        concurrency: Pages that may be in flight or not yet taken, together.
        origin: The base URL of the API.
    """

    def __init__(
        self,
        fetch: Fetch[PageT],
        requests_of: Callable[[str], PageRequests[PageT]],
        starts: Mapping[str, str | None],
        *,
        duplicates: int,
        concurrency: int,
        max_rows: int | None = None,
        max_pages: int | None,
        budget: SharedBudget,
        origin: str | None = None,
    ) -> None:
        self._workers: Workers[PageT] = Workers(
            fetch,
            requests_of,
            starts,
            concurrency=concurrency,
            max_rows=max_rows,
            max_pages=max_pages,
            budget=budget,
        )
        self._pending = dict(starts)
        self._entered = self._left = False
        self._pulling = False
        self._delivered: PageT | None = None
        self._rest: Iterator[tuple[str, Item]] = iter(())  # of the page in hand
        self.outcomes: dict[str, HandleDone] = {}
        self.handles_total = len(starts)
        self.duplicates = duplicates
        self.concurrency = concurrency
        self.origin = origin

    @property
    def handles_done(self) -> int:
        """Handles that have ended."""
        return len(self.outcomes)

    @property
    def pages_fetched(self) -> int:
        """Pages that arrived."""
        return self._workers.pages_fetched

    @property
    def credits_charged(self) -> int:
        """Credits confirmed for the pages that arrived."""
        return self._workers.credits_charged

    @property
    def maybe_charged(self) -> int:
        """Upper bound, in credits, of what failed or cancelled attempts may also have cost."""
        return self._workers.budget.maybe_charged

    @property
    def retries(self) -> int:
        """Further attempts at pages whose request had failed."""
        return self._workers.budget.retries

    @property
    def reserved(self) -> int:
        """Credits reserved for requests in flight."""
        return self._workers.budget.reserved

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a run is used once: make another from run.pending()")
        self._entered = True
        self._workers.start(min(self.concurrency, self.handles_total))
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        await self._workers.cancel()

    def stop(self) -> None:
        """Send no new request. The loop still delivers every page already requested, then ends."""
        self._workers.stop()

    def save_to(self, save: Callable[[PageT | HandleDone], None]) -> None:
        """Pass each event to a function when it arrives, even if the loop never takes it.

        A journal uses it: at any moment it has every page that arrived. Earlier events are passed
        immediately. The function may call `stop()`, and never raises.
        """
        for event in self._workers.events:
            save(event)
        self._workers.save = save

    def guide_with(self, guide: Guide) -> None:
        """Ask a function before each page whether to buy it.

        It gets the handle and its walk, which it may move past pages that are known, and returns
        how the list ends there, or None to continue.
        """
        self._workers.guide = guide

    def learn_price(self, credits_: int) -> None:
        """Take what a page has cost before, which the first page would otherwise have to tell.

        Args:
            credits_: The most that a page has cost, in credits.
        """
        self._workers.budget.price.seen(credits_)

    def pending(self) -> dict[str, str | None]:
        """Return every handle that is not finished, with the cursor to resume from.

        It can be saved as JSON, and the method that made this run takes it. `complete`,
        `unavailable` and `missing_cursor` are finished; `failed`, `stopped`, `max_followers`,
        `max_pages` and `max_credits` are not.
        """
        return dict(self._pending)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PageT | HandleDone:
        if not self._entered or self._left:
            raise RuntimeError(
                "iterate over a run inside its `async with`: "
                "async with client.iter_..._many(...) as run: async for event in run: ..."
            )
        if self._pulling:
            raise RuntimeError("another task is iterating over this run already")
        self._handled()
        self._pulling = True
        try:
            event = await self._workers.next_event()
        finally:
            self._pulling = False
        if isinstance(event, HandleDone):
            self._finish(event)
        else:
            self._delivered = event
        return event

    async def _next_row(self) -> tuple[str, Item]:
        while True:
            for pair in self._rest:  # an iterator: the loop takes one and leaves the others
                return pair
            try:
                event = await anext(self)
            except StopAsyncIteration:
                self._raise_if_incomplete()
                raise
            if not isinstance(event, HandleDone):
                self._rest = zip(repeat(event.handle), cast("list[Item]", event.rows))

    def _raise_if_incomplete(self) -> None:
        failed = [done for done in self.outcomes.values() if done.error is not None]
        if failed:
            first = failed[0]
            assert first.error is not None
            raise IncompleteRunError(
                f"{len(failed)} of {self.handles_total} handles failed; the first of them, "
                f"{first.handle!r}, because {first.error.summary}",
                outcomes=self.outcomes,
                pending=self.pending(),
            )

    def _handled(self) -> None:
        """Count the page delivered last as handled: the next event is asked for."""
        page, self._delivered = self._delivered, None
        self._rest = iter(())
        if page is None:
            return
        if ended(page) is None:
            self._pending[page.handle] = page.next_cursor
        else:
            self._pending.pop(page.handle, None)

    def _finish(self, done: HandleDone) -> None:
        self.outcomes[done.handle] = done
        if done.finished:
            self._pending.pop(done.handle, None)

    def __repr__(self) -> str:
        if not hasattr(self, "origin"):  # half made: a traceback of the constructor shows it
            return f"<{type(self).__name__}>"
        return (
            f"<{type(self).__name__} handles_done={self.handles_done}/{self.handles_total} "
            f"pages_fetched={self.pages_fetched} credits_charged={self.credits_charged}>"
        )


class FollowersRun(BaseRun[FollowersPage, Follower]):
    """The followers of many profiles; made by `client.iter_followers_many()`."""

    def followers(self) -> AsyncIterator[tuple[str, Follower]]:
        """Iterate over (handle, follower) instead of pages and outcomes.

        The position is the run's: after `break` or a cancellation another iteration continues with
        the next follower.

        Raises:
            IncompleteRunError: After the last follower, if any handle failed.
        """
        return _Rows(self)


class FollowingRun(BaseRun[FollowingPage, Account]):
    """The accounts that many profiles follow; made by `client.iter_following_many()`."""

    def accounts(self) -> AsyncIterator[tuple[str, Account]]:
        """Iterate over (handle, account) instead of pages and outcomes, as `followers()` does.

        Raises:
            IncompleteRunError: After the last account, if any handle failed.
        """
        return _Rows(self)


class _Rows(Generic[Item]):
    """A run, row by row. It has no position of its own."""

    def __init__(self, run: BaseRun[Any, Item]) -> None:
        self._run = run

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, Item]:
        return await self._run._next_row()  # noqa: SLF001 - two halves of one thing

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`. The run is left with its `async with`."""
