"""The workers of a run: handles take turns, and no more pages are out than may be."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from socialfetch_async._exchange.shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async._protocol.brakes import Brakes
from socialfetch_async._protocol.endpoints import PageRequests
from socialfetch_async._protocol.walk import Walk
from socialfetch_async.errors import DecodeError, ProfileUnavailableError, SocialFetchError
from socialfetch_async.events import HandleDone, HandleStatus
from socialfetch_async.models import ListPage
from socialfetch_async.stream import Fetch, ListStep

# Pages a handle has before it queues behind the others: small enough that a handle which has not
# begun waits for a few pages and never for a whole big list.
PAGES_PER_TURN: Final = 5

# Seconds after which a loop is one that works on its pages.
_BUSY: Final = 0.0005

PageT = TypeVar("PageT", bound=ListPage)

# Asked before each page with a handle and its walk: how the list ends here, or None to go on. It
# may move the walk past what is known.
Guide = Callable[[str, Walk], HandleStatus | None]


class Workers(Generic[PageT]):
    """Tasks that fetch lists side by side; `next_event` gives what came, in the order it came.

    A slot spans request to delivered page, so that a slow loop slows the buying down.

    Attributes:
        budget: What every request is paid from, and the switch that ends them.
        pages_fetched: Pages that arrived. `credits_charged`: credits confirmed for them.
        save: Has each event when it arrives, before anybody else.
        guide: Says before each page whether to buy it.
    """

    def __init__(
        self,
        fetch: Fetch[PageT],
        requests_of: Callable[[str], PageRequests[PageT]],
        starts: Mapping[str, str | None],
        *,
        concurrency: int,
        max_rows: int | None,
        max_pages: int | None,
        budget: SharedBudget,
    ) -> None:
        self._fetch = fetch
        self._requests_of = requests_of
        self._max_rows = max_rows
        self._max_pages = max_pages
        self._unstarted = iter(starts.items())
        self._queue: deque[_Lane[PageT]] = deque()  # started handles between two turns
        self._begin_next = False  # whether it is the turn of a handle that has not begun
        self._slots = asyncio.Semaphore(concurrency)
        self._tasks: set[asyncio.Task[None]] = set()
        self._cancelled = False
        self._fatal: Exception | None = None
        self._brakes = Brakes()
        self._event_came = asyncio.Event()
        self._awaited = False  # somebody waits for an event
        self._slot_freed = False  # for the page that is the next event
        self._returned_at = -math.inf
        self.events: deque[PageT | HandleDone] = deque()
        self.save: Callable[[PageT | HandleDone], None] | None = None
        self.guide: Guide | None = None
        self.budget = budget
        self.pages_fetched = 0
        self.credits_charged = 0

    def start(self, count: int) -> None:
        """Start so many workers."""
        for _ in range(count):
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def stop(self) -> None:
        """Send no new request. What is on the wire comes back, and its events with it."""
        self.budget.close("stopped")
        self._end_waits()

    async def cancel(self) -> None:
        """End every worker, whatever it does, and wait until each has accounted for its request."""
        self._cancelled = True
        self.budget.close("stopped")
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        cancelled: asyncio.CancelledError | None = None
        while tasks:
            try:
                _, tasks = await asyncio.wait(tasks)
            except asyncio.CancelledError as error:
                # Under anyio a cancelled scope cancels each wait in it: that is no second wish.
                cancelled = error
                tasks = {task for task in tasks if not task.done()}
        if cancelled is not None:
            raise cancelled

    async def next_event(self) -> PageT | HandleDone:
        """Wait for what comes next.

        Raises:
            StopAsyncIteration: All workers have ended.
            Exception: What ended them all.
        """
        try:
            while not self.events:
                if not self._tasks:
                    if self._fatal is not None:
                        raise self._fatal.with_traceback(None)
                    raise StopAsyncIteration
                self._event_came.clear()
                self._awaited = True
                await self._event_came.wait()
            if not isinstance(self.events[0], HandleDone) and not self._slot_freed:
                self._slots.release()
                self._slot_freed = True  # should the next line be cancelled
                if time.monotonic() - self._returned_at > _BUSY:
                    # A loop that works and never awaits would keep the request that may leave
                    # now waiting until it has finished this page.
                    await asyncio.sleep(0)
        finally:
            self._awaited = False
        self._slot_freed = False
        self._returned_at = time.monotonic()
        return self.events.popleft()

    async def _work(self) -> None:
        """Take a handle, give it a turn, put it back; until nothing may or need be sent."""
        while (lane := self._next_lane()) is not None:
            try:
                again = await self._turn(lane)
            except NothingMoreMaySend as closed:
                self._end(lane, closed.reason)
                self._end_waits()
            except asyncio.CancelledError:
                # _end_waits() cancels workers that wait; cancel() cancels them all.
                if self._cancelled or self.budget.closed is None:
                    raise
                self._end(lane, self.budget.closed)
            except ProfileUnavailableError:
                self._end(lane, "unavailable")
            except SocialFetchError as error:
                self._end(lane, "failed", error)
                if self._brakes.failed(lane.handle, error):
                    self._abort(error)
            except Exception as error:  # noqa: BLE001 - the client was closed, or a defect of ours
                self._end(lane, "stopped")
                self._abort(error)
            else:
                if again:
                    self._queue.append(lane)

    def _next_lane(self) -> "_Lane[PageT] | None":
        """Return whose turn it is; None when there is nobody or nothing may be sent.

        Handles that have begun and handles that have not take turns, so that neither a huge one
        nor a long list of new ones keeps the others waiting.
        """
        if self.budget.closed is not None:
            return None
        self._begin_next = not self._begin_next
        if self._queue and not self._begin_next:
            return self._queue.popleft()
        for handle, cursor in self._unstarted:
            return self._begin(handle, cursor)
        return self._queue.popleft() if self._queue else None

    def _begin(self, handle: str, cursor: str | None) -> "_Lane[PageT]":
        requests = self._requests_of(handle)
        walk = Walk(
            handle,
            cursor,
            identity=requests.endpoint.identity,
            max_pages=self._max_pages,
            max_rows=self._max_rows,
        )
        return _Lane(self._fetch, requests, walk, handle)

    async def _turn(self, lane: "_Lane[PageT]") -> bool:
        """Fetch some pages of one handle; return whether it wants another turn."""
        try:
            for _ in range(PAGES_PER_TURN):
                if not self._wants_more(lane):
                    return False
                if not lane.has_slot:
                    await self._take_slot()
                    lane.has_slot = True
                self._receive(lane, await lane.fetch(self.budget))
            return self._wants_more(lane)
        finally:
            if lane.has_slot:
                lane.has_slot = False
                self._slots.release()

    async def _take_slot(self) -> None:
        if self._slots.locked():
            with self.budget.wait():
                await self._slots.acquire()
        else:
            await self._slots.acquire()  # free, so this does not wait

    def _wants_more(self, lane: "_Lane[PageT]") -> bool:
        """Leave the page received last; end the lane if nothing follows.

        Also before a lane is parked: how it ended, and where it goes on, must not depend on
        whether it has another turn.
        """
        walk = lane.walk
        if lane.advance():
            if self.guide is None or (status := self.guide(lane.handle, walk)) is None:
                return True
            self._end(lane, status)
            return False
        reason = walk.stop_reason
        assert reason is not None
        self._end(lane, "max_followers" if reason == "max_rows" else reason)
        return False

    def _receive(self, lane: "_Lane[PageT]", page: PageT) -> None:
        self.pages_fetched += 1
        self.credits_charged += page.credits_charged
        gone = page.lookup_status != "found"  # then it has no rows that anybody could read
        new_format = self._brakes.page_came(
            lane.handle, rows=len(page.rows), invalid_rows=0 if gone else page.invalid_rows
        )
        try:
            lane.receive(page)
        except ProfileUnavailableError:
            self._deliver(lane, page)  # it was paid for, and says who is private, hidden or gone
            raise
        self._deliver(lane, page)
        if new_format:
            self._abort(_no_row_read(lane.handle, page))

    def _deliver(self, lane: "_Lane[PageT]", page: PageT) -> None:
        """Emit a page. Its slot goes with it, but if the loop waits for a page, it takes it now."""
        lane.has_slot = self._awaited and not self.events
        self._slot_freed |= lane.has_slot
        self._emit(page)

    def _end(
        self, lane: "_Lane[PageT]", status: HandleStatus, error: SocialFetchError | None = None
    ) -> None:
        walk = lane.walk
        self._emit(
            HandleDone(
                handle=lane.handle,
                status=status,
                lookup_status=walk.lookup_status,
                total_followers=walk.total,
                cursor=None if status == "complete" else walk.cursor,
                pages=walk.pages,
                followers=walk.rows,
                credits_charged=walk.credits_charged,
                error=error,
            )
        )

    def _emit(self, event: PageT | HandleDone) -> None:
        if self.save is not None:
            self.save(event)
        self.events.append(event)
        self._event_came.set()

    def _abort(self, error: Exception) -> None:
        self._fatal = self._fatal or error
        self.stop()

    def _end_waits(self) -> None:
        # A worker whose request is on the wire goes on until its answer is here.
        for task in self.budget.waiting:
            task.cancel()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(defect := task.exception(), Exception):
            self._abort(defect)  # outside of any turn; a list must not end short in silence
        if not self._tasks and not self._cancelled:
            for lane in self._queue:  # started, and between two turns when all was stopped
                self._end(lane, self.budget.closed or "stopped")
            self._queue.clear()
        self._event_came.set()


def _no_row_read(handle: str, page: ListPage) -> DecodeError:
    return DecodeError(
        "several pages in a row have only rows that are not as documented.",
        path="$.data",
        body=page.body or b"",
        credits_charged=page.credits_charged,
        handle=handle,
        cursor=page.cursor,
        request_id=page.request_id or None,
    )


class _Lane(ListStep[PageT]):
    """One started handle."""

    __slots__ = ("handle", "has_slot")

    def __init__(
        self, fetch: Fetch[PageT], requests: PageRequests[PageT], walk: Walk, handle: str
    ) -> None:
        super().__init__(fetch, requests, walk)
        self.handle = handle
        self.has_slot = False
