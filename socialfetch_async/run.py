"""FollowersRun: many handles side by side, fairly, each page delivered once."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import repeat
from types import TracebackType
from typing import Final, Self

from socialfetch_async._protocol.endpoints import FOLLOWERS, PageRequests
from socialfetch_async._protocol.walk import Walk
from socialfetch_async._shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async.errors import (
    AuthenticationError,
    IncompleteRunError,
    InsufficientCreditsError,
    PermissionDeniedError,
    ProfileUnavailableError,
    SocialFetchError,
)
from socialfetch_async.models import Follower, FollowersPage, HandleDone
from socialfetch_async.stream import Fetch, warn_invalid_rows, warn_missing_cursor

logger: Final = logging.getLogger("socialfetch_async")

# Pages a handle has before it queues behind the others: small enough that a handle which has not
# begun waits for a few pages and never for a whole big list.
PAGES_PER_TURN: Final = 5

# Seconds after which a loop is one that works on its pages.
_BUSY: Final = 0.0005

# They concern the account and not the handle, so no other handle would fare better.
_ENDS_THE_RUN: Final = (AuthenticationError, InsufficientCreditsError, PermissionDeniedError)


class FollowersRun:
    """Many handles at once; made by `client.iter_followers_many()`.

    `async with` starts and ends the workers, `async for` delivers a `FollowersPage` for each page
    that was paid for and, last for each started handle, its `HandleDone`. A page counts as
    handled when the next event is asked for; `pending()` is exact at any moment, also after the
    run was left early.

    What is on its way and what is not yet taken by the loop are together never more than
    `concurrency` pages, so that a slow loop slows the buying down.

    Attributes:
        outcomes: The `HandleDone` of every handle that has ended.
        handles_total: Different handles given. `duplicates`: the ones given again.
        handles_done: How many have ended.
        pages_fetched: Pages that arrived.
        credits_charged: Credits confirmed for them.
        concurrency: Pages that may be on their way or not yet taken, together.
    """

    def __init__(
        self,
        fetch: Fetch,
        requests_of: Callable[[str], PageRequests],
        starts: Mapping[str, str | None],
        *,
        duplicates: int,
        concurrency: int,
        max_pages: int | None,
        max_credits: int | None,
    ) -> None:
        self._fetch = fetch
        self._requests_of = requests_of
        self._max_pages = max_pages
        self.concurrency = concurrency
        self._pending = dict(starts)
        self._unstarted = iter(starts.items())
        self._queue: deque[_Lane] = deque()  # started handles between two turns
        self._events: deque[FollowersPage | HandleDone] = deque()
        self._event_came = asyncio.Event()
        self._pages_allowed = asyncio.Semaphore(concurrency)
        self._budget = SharedBudget(max_credits)
        self._workers: set[asyncio.Task[None]] = set()
        self._entered = self._left = False
        self._pulling = self._awaited = False
        self._returned_at = -math.inf
        self._begin_next = False  # whether it is the turn of a handle that has not begun
        self._slot_freed = False  # for the page that is the next event
        self._fatal: Exception | None = None
        self._delivered: FollowersPage | None = None
        self._rest: Iterator[tuple[str, Follower]] = iter(())  # of the page in hand
        self.outcomes: dict[str, HandleDone] = {}
        self.handles_total = len(starts)
        self.duplicates = duplicates
        self.pages_fetched = 0
        self.credits_charged = 0

    @property
    def handles_done(self) -> int:
        """Handles that have ended."""
        return len(self.outcomes)

    @property
    def maybe_charged(self) -> int:
        """Upper bound, in credits, of what failed or cancelled attempts may have cost besides."""
        return self._budget.maybe_charged

    # -- the caller's side ------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._entered:
            raise RuntimeError("a run is used once: make another from run.pending()")
        self._entered = True
        for _ in range(min(self.concurrency, self.handles_total)):
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._worker_ended)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._left = True
        self._budget.close("stopped")
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    def stop(self) -> None:
        """Send no new request. The loop still delivers every page that is paid for, then ends."""
        self._budget.close("stopped")
        self._end_waits()

    def _end_waits(self) -> None:
        # A worker whose request is on the wire goes on until its answer is here.
        for worker in self._budget.waiting:
            worker.cancel()

    def pending(self) -> dict[str, str | None]:
        """Return every handle that is not finished, with the cursor to go on from.

        JSON can hold it, and `iter_followers_many` takes it. `hidden`, `private`, `not_found` and
        `missing_cursor` are finished; `failed`, `stopped`, `max_pages`, `max_credits` are not.
        """
        return dict(self._pending)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FollowersPage | HandleDone:
        if not self._entered or self._left:
            raise RuntimeError(
                "iterate over a run inside its `async with`: "
                "async with client.iter_followers_many(...) as run: async for event in run: ..."
            )
        if self._pulling:
            raise RuntimeError("another task is iterating over this run already")
        self._handled()
        self._pulling = True
        try:
            while not self._events:
                if not self._workers:
                    if self._fatal is not None:
                        raise self._fatal.with_traceback(None)
                    raise StopAsyncIteration
                self._event_came.clear()
                self._awaited = True
                await self._event_came.wait()
            if isinstance(self._events[0], FollowersPage) and not self._slot_freed:
                self._pages_allowed.release()
                self._slot_freed = True  # should the next line be cancelled
                if time.monotonic() - self._returned_at > _BUSY:
                    # A loop that works and never awaits would keep the request that may leave
                    # now waiting until it has finished this page.
                    await asyncio.sleep(0)
        finally:
            self._pulling = self._awaited = False
        event = self._events.popleft()
        self._slot_freed = False
        if isinstance(event, FollowersPage):
            self._delivered = event
        else:
            self._finish(event)
        self._returned_at = time.monotonic()
        return event

    def followers(self) -> AsyncIterator[tuple[str, Follower]]:
        """Iterate over (handle, follower) instead of pages and outcomes.

        The position is the run's: after `break` or a cancellation another iteration goes on with
        the follower that is next.

        Raises:
            IncompleteRunError: After the last follower, if any handle failed.
        """
        return _Followers(self)

    async def _next_follower(self) -> tuple[str, Follower]:
        while True:
            for pair in self._rest:  # an iterator: the loop takes one and leaves the others
                return pair
            try:
                event = await anext(self)
            except StopAsyncIteration:
                self._raise_if_incomplete()
                raise
            if isinstance(event, FollowersPage):
                self._rest = zip(repeat(event.handle), event.followers)

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
        if page.has_more and page.next_cursor:
            self._pending[page.handle] = page.next_cursor
        else:
            self._pending.pop(page.handle, None)

    def _finish(self, done: HandleDone) -> None:
        self.outcomes[done.handle] = done
        if done.status not in {"failed", "stopped", "max_pages", "max_credits"}:
            self._pending.pop(done.handle, None)

    # -- the workers' side ------------------------------------------------------------------

    async def _work(self) -> None:
        """Take a handle, give it a turn, put it back; until nothing may or need be sent."""
        while (lane := self._next_lane()) is not None:
            try:
                again = await self._turn(lane)
            except NothingMoreMaySend as closed:
                self._end(lane, closed.reason)
                self._end_waits()
            except asyncio.CancelledError:
                # _end_waits() cancels workers that wait; leaving the run cancels them all.
                if self._left or self._budget.closed is None:
                    raise
                self._end(lane, self._budget.closed)
            except ProfileUnavailableError as error:
                self._end(lane, error.lookup_status)
            except SocialFetchError as error:
                self._end(lane, "failed", error)
                if isinstance(error, _ENDS_THE_RUN):
                    self._abort(error)
            except Exception as error:  # noqa: BLE001 - the client was closed, or a defect of ours
                self._end(lane, "stopped")
                self._abort(error)
            else:
                if again:
                    self._queue.append(lane)

    def _next_lane(self) -> "_Lane | None":
        """Return whose turn it is; None when there is nobody or nothing may be sent.

        Handles that have begun and handles that have not take turns, so that neither a huge one
        nor a long list of new ones keeps the others waiting.
        """
        if self._budget.closed is not None:
            return None
        self._begin_next = not self._begin_next
        if self._queue and not self._begin_next:
            return self._queue.popleft()
        for handle, cursor in self._unstarted:
            return _Lane(
                self._requests_of(handle),
                Walk(handle, cursor, identity=FOLLOWERS.identity, max_pages=self._max_pages),
                handle,
            )
        return self._queue.popleft() if self._queue else None

    async def _turn(self, lane: "_Lane") -> bool:
        """Fetch some pages of one handle; return whether it wants another turn."""
        try:
            for _ in range(PAGES_PER_TURN):
                if not self._wants_more(lane):
                    return False
                if not lane.has_slot:
                    await self._take_slot()
                    lane.has_slot = True
                page = await self._fetch(lane.requests.at(lane.walk.cursor), self._budget)
                self._receive(lane, page)
            return self._wants_more(lane)
        finally:
            if lane.has_slot:
                lane.has_slot = False
                self._pages_allowed.release()

    async def _take_slot(self) -> None:
        if self._pages_allowed.locked():
            with self._budget.wait():
                await self._pages_allowed.acquire()
        else:
            await self._pages_allowed.acquire()  # free, so this does not wait

    def _wants_more(self, lane: "_Lane") -> bool:
        """Leave the page received last; end the lane if nothing follows.

        Also before a lane is parked: how it ended, and where it goes on, must not depend on
        whether it has another turn.
        """
        walk = lane.walk
        if walk.advance():
            return True
        reason = walk.stop_reason or "end"
        if reason == "missing_cursor":
            warn_missing_cursor(lane.handle, lane.cursor)
        self._end(lane, "complete" if reason == "end" else reason)
        return False

    def _receive(self, lane: "_Lane", page: FollowersPage) -> None:
        self.pages_fetched += 1
        self.credits_charged += page.credits_charged
        if page.invalid_rows:
            warn_invalid_rows(lane.walk, page)
        try:
            lane.walk.receive(page, page.followers)
        except ProfileUnavailableError:
            self._deliver(lane, page)  # it was paid for, and says who is private, hidden or gone
            raise
        lane.cursor = page.cursor
        self._deliver(lane, page)

    def _deliver(self, lane: "_Lane", page: FollowersPage) -> None:
        """Emit a page. Its slot goes with it, but if the loop waits for a page, it takes it now."""
        lane.has_slot = self._awaited and not self._events
        self._slot_freed |= lane.has_slot
        self._emit(page)

    def _end(self, lane: "_Lane", status: str, error: SocialFetchError | None = None) -> None:
        walk = lane.walk
        self._emit(
            HandleDone(
                handle=lane.handle,
                status=status,
                cursor=walk.cursor,
                pages=walk.pages,
                followers=walk.rows,
                credits_charged=walk.credits_charged,
                error=error,
            )
        )

    def _abort(self, error: Exception) -> None:
        self._fatal = self._fatal or error
        self.stop()

    def _worker_ended(self, worker: "asyncio.Task[None]") -> None:
        self._workers.discard(worker)
        if not self._workers and not self._left:
            for lane in self._queue:  # started, and between two turns when all was stopped
                self._end(lane, self._budget.closed or "stopped")
            self._queue.clear()
        self._event_came.set()

    def _emit(self, event: FollowersPage | HandleDone) -> None:
        self._events.append(event)
        self._event_came.set()

    def __repr__(self) -> str:
        return (
            f"<FollowersRun handles_done={self.handles_done}/{self.handles_total} "
            f"pages_fetched={self.pages_fetched} credits_charged={self.credits_charged}>"
        )


class _Lane:
    """One started handle: what to ask for, where it is, and the cursor of its last page."""

    __slots__ = ("cursor", "handle", "has_slot", "requests", "walk")

    def __init__(self, requests: PageRequests, walk: Walk, handle: str) -> None:
        self.requests = requests
        self.walk = walk
        self.handle = handle
        self.has_slot = False  # of the run's `concurrency`
        self.cursor: str | None = None


class _Followers:
    """A run, follower by follower. It has no position of its own."""

    def __init__(self, run: FollowersRun) -> None:
        self._run = run

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, Follower]:
        return await self._run._next_follower()  # noqa: SLF001 - two halves of one thing

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`. The run is left with its `async with`."""
