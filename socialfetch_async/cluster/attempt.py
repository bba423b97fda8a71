"""One attempt at a shard: some handles into one journal, round after round."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch import Order
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.cluster.places import read_shard
from socialfetch_async.journal import Journal, Rounds, SavedRun, new_name, settled
from socialfetch_async.models import FollowersPage
from socialfetch_async.run import FollowersRun

_BEAT: Final = 0.05  # seconds between two looks at `stop` while no page comes


class ShardResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt at a shard did, in counters: the pages are in its journal.

    Attributes:
        shard: Its name.
        stop_reason: `complete`; `failed` when handles failed; `max_credits`; `stopped`.
        handles: Different handles of the shard.
        handles_done: Those with nothing left to ask for, by this attempt or an earlier one.
        handles_failed: Those that failed in this attempt.
        pages: That arrived in this attempt. `followers`: on them.
        credits_charged: Confirmed for them.
        maybe_charged: Upper bound, in credits, of what failed requests may have cost besides.
        journal: The file; None when there was nothing to ask for and none was made.
        reason: Why most of the handles failed that did.
    """

    shard: str
    stop_reason: str
    handles: int
    handles_done: int
    handles_failed: int = 0
    pages: int = 0
    followers: int = 0
    credits_charged: int = 0
    maybe_charged: int = 0
    journal: str | None = None
    reason: str | None = None


class Attempt:
    """One attempt at a shard, round after round, until its plan has nothing to do."""

    def __init__(
        self,
        name: str,
        path: Path,
        asked: Order,
        stop: "Stop",
        work: str | None,
    ) -> None:
        self._name, self._path = name, path
        self._asked = asked
        self._rounds = Rounds()
        self._errors: Counter[str] = Counter()
        self._journal: Journal | None = None
        self._pages = self._followers = 0
        self.stop = stop
        self.saved = read_shard(name, path.parent) or SavedRun.empty()
        going = work or self.saved.work(asked.refresh)
        self._wanted = asked.wanted(going or new_name(datetime.now(UTC)))
        self._steps = self.saved.plan(asked.starts, self._wanted)
        self.todo = self._rounds.next(self._steps)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self.stop.now()

    def left(self) -> int | None:
        """Return the credits that may still be spent; None without a limit."""
        limit = self._asked.max_credits
        if limit is None:
            return None
        return max(0, limit - self.saved.spent(self._wanted.work, self._asked.refresh))

    async def buy(self, client: SocialFetchClient) -> None:
        """Run until nothing is left, or nothing more may be bought."""
        with Journal(self._path) as journal:
            self._journal = journal
            while self.todo and not self.stopping and (left := self.left()) != 0:
                journal.follow(self._wanted, self._steps, self.saved)
                async with client.iter_followers_many(
                    self.todo,
                    concurrency=self._asked.concurrency,
                    trim=self._asked.trim,
                    max_credits=left,
                ) as run:
                    self._followers += await _record(journal, run, self.stop)
                self._pages += run.pages_fetched
                self._rounds.ended(self.todo, run.outcomes)
                failed = [done.error for done in run.outcomes.values() if done.error is not None]
                self._errors.update(error.summary for error in failed)
                self._look()
            self._finish(journal)

    def _look(self) -> None:
        """Read the shard again, and plan its next round."""
        self.saved = read_shard(self._name, self._path.parent) or self.saved
        self._steps = self.saved.plan(self._asked.starts, self._wanted)
        self.todo = self._rounds.next(self._steps)

    def close_refresh(self) -> None:
        """Say that a refresh is finished that was killed when it was about to say so."""
        if self._asked.refresh is not None and self.saved.is_open(self._wanted.work):
            with Journal(self._path) as journal:
                journal.follow(self._wanted, self._steps, self.saved)
                self._finish(journal)

    def _finish(self, journal: Journal) -> None:
        """Say that a refresh is finished, if nothing is left of it."""
        if self._asked.refresh is not None and settled(self._steps):
            journal.finish(self._wanted.work)

    def result(self) -> ShardResult:
        """Return what it did."""
        left = [handle for handle, step in self._steps.items() if step.do != "nothing"]
        ended, journal = self._rounds.outcomes, self._journal
        short = any(ended.get(handle) in {None, "max_credits"} for handle in left)
        if not left:
            reason = "complete"
        elif self.stop.was:
            reason = "stopped"
        else:
            reason = "max_credits" if short else "failed"
        return ShardResult(
            shard=self._name,
            stop_reason=reason,
            handles=len(self._asked.starts),
            handles_done=len(self._asked.starts) - len(left),
            handles_failed=sum(status == "failed" for status in ended.values()),
            pages=self._pages,
            followers=self._followers,
            credits_charged=0 if journal is None else journal.credits_charged,
            maybe_charged=0 if journal is None else journal.maybe_charged,
            journal=None if journal is None else str(self._path),
            reason=max(self._errors, key=lambda error: self._errors[error], default=None),
        )


async def _record(journal: Journal, run: FollowersRun, asked: "Stop") -> int:
    """Write a run to its end, or until it is to stop; return its followers."""
    watching = asyncio.create_task(asked.watch(run))
    followers = 0
    try:
        async for event in journal.record(run):
            if isinstance(event, FollowersPage):
                followers += len(event.followers)
            if asked.now():
                run.stop()
    finally:
        watching.cancel()
    return followers


class Stop:
    """The caller's `stop`. One that raises stops too: who cannot ask must not go on buying."""

    def __init__(self, stop: Callable[[], bool] | None) -> None:
        self._stop = stop
        self._error: Exception | None = None
        self.was = False

    def now(self) -> bool:
        """Ask; once it was so, it stays so."""
        if self._stop is not None and not self.was:
            try:
                self.was = bool(self._stop())
            except Exception as error:  # noqa: BLE001 - raised when the run has ended
                self.was, self._error = True, error
        return self.was

    async def watch(self, run: FollowersRun) -> None:
        """Stop a run also while no page comes."""
        while self._stop is not None and not self.now():  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(_BEAT)
        if self.was:
            run.stop()

    def raise_error(self) -> None:
        """Raise what asking raised."""
        if self._error is not None:
            raise self._error


class Pace(AbstractAsyncContextManager[None]):
    """A limiter that lets requests go evenly spaced, without a burst at the beginning.

    Args:
        rate: Requests a second.
    """

    def __init__(self, rate: float) -> None:
        self._interval = 1 / arguments.seconds("rate", rate)
        self._next = 0.0

    async def __aenter__(self) -> None:
        now = asyncio.get_running_loop().time()
        at = max(now, self._next)
        self._next = at + self._interval
        await asyncio.sleep(at - now)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None
