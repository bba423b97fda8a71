"""One attempt at a shard: some handles into one journal, round after round."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch import BatchStopReason, Order, Pace, finish_refresh
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.cluster.places import read_part, read_shard, shard_lock
from socialfetch_async.errors import ShardTakenError
from socialfetch_async.journal import Journal, Rounds, Wanted, new_name, settled
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
    stop_reason: BatchStopReason
    handles: int
    handles_done: int
    handles_failed: int = 0
    pages: int = 0
    followers: int = 0
    credits_charged: int = 0
    maybe_charged: int = 0
    journal: str | None = None
    reason: str | None = None


class Part(NamedTuple):
    """What the shards of one batch share.

    Attributes:
        wanted: What is wanted. The batch says when it is finished; a shard alone does so itself.
        also: A journal that has pages of the batch as well; None without one.
        origin: The API that its pages come from; None while that is not known.
    """

    wanted: Wanted
    also: Path | None = None
    origin: str | None = None


class Task(NamedTuple):
    """One attempt at a shard, as it is given to a worker.

    Attributes:
        shard: Its name.
        journal: The journal of this attempt, beside those of earlier ones.
        asked: What to fetch, and the most that the whole shard may cost.
        rate: The most requests a second; None without a limit.
        part: What the shard shares with others; None if it is alone.
    """

    shard: str
    journal: Path
    asked: Order
    rate: float | None = None
    part: Part | None = None


async def fetch(task: Task, stop: "Stop") -> ShardResult:
    """Make an attempt at a shard.

    Args:
        task: The attempt.
        stop: Whether to stop.

    Raises:
        JournalError: As `run_shard`.
        ValueError: As `run_shard`.
        SocialFetchError: As `run_shard`.
    """
    pace = None if task.rate is None else Pace(task.rate)
    with shard_lock(task.shard, task.journal.parent):
        if task.journal.exists():
            raise ShardTakenError(
                f"{task.journal} was begun before, and an attempt is made once: leave `attempt` "
                "out to make a new one. No request was sent."
            )
        one = _Attempt(task, stop)
        if one.todo and not stop.now() and one.left() != 0:
            at_once = task.asked.concurrency
            async with SocialFetchClient(max_concurrency=at_once, limiter=pace) as client:
                if one.may_buy_from(client.base_url):
                    await one.buy(client)
        one.finish_refresh()
        stop.raise_error()
    return one.result()


class _Attempt:
    """One attempt at a shard, round after round, until its plan has nothing to do.

    Attributes:
        todo: The handles to ask for next, with their cursors.
    """

    def __init__(self, task: Task, stop: "Stop") -> None:
        self._shard, self._path = task.shard, task.journal
        self._asked = task.asked
        self._stop = stop
        self._rounds = Rounds()
        self._errors: Counter[str] = Counter()
        self._journal: Journal | None = None
        self._pages = self._followers = 0
        self._alone = task.part is None
        self._part = task.part or self._part_of_its_own()
        self._look()

    def _part_of_its_own(self) -> Part:
        going = read_shard(self._shard, self._path.parent).work(self._asked.refresh)
        return Part(self._asked.wanted(going or new_name(datetime.now(UTC))))

    def _look(self) -> None:
        """Read the shard, and plan its next round."""
        self._saved, self._known = read_part(self._shard, self._path.parent, self._part.also)
        self._steps = self._known.plan(self._asked.starts, self._part.wanted)
        self.todo = self._rounds.next(self._steps)

    def may_buy_from(self, url: str) -> bool:
        """Return whether the pages come from this API: they are not mixed with another's.

        In a batch that is a failure of this worker alone.

        Raises:
            JournalError: The shard is alone, and its pages come from another API.
        """
        theirs, ours = self._part.origin, arguments.origin(url)
        if self._alone:
            self._saved.refuse_other(url)
        elif theirs not in {None, ours}:
            self._errors[
                f"it would buy from {ours}, and the pages of the batch come from {theirs}: set "
                "SOCIALFETCH_BASE_URL there."
            ] += 1
            self._rounds.outcomes.update(dict.fromkeys(self.todo, "failed"))
            return False
        return True

    def left(self) -> int | None:
        """Return the credits that may still be spent; None without a limit."""
        limit = self._asked.max_credits
        if limit is None:
            return None
        return max(0, limit - self._saved.spent(self._part.wanted.work, self._asked.refresh))

    async def buy(self, client: SocialFetchClient) -> None:
        """Run until nothing is left, or nothing more may be bought."""
        with Journal(self._path) as journal:
            self._journal = journal
            journal.name_origin(client.base_url)
            while self.todo and not self._stop.now() and (left := self.left()) != 0:
                journal.follow(self._part.wanted, self._steps, self._known)
                async with client.iter_followers_many(
                    self.todo,
                    concurrency=self._asked.concurrency,
                    trim=self._asked.trim,
                    max_credits=left,
                ) as run:
                    self._followers += await _record(journal, run, self._stop)
                self._pages += run.pages_fetched
                self._rounds.ended(self.todo, run.outcomes)
                failed = [done.error for done in run.outcomes.values() if done.error is not None]
                self._errors.update(error.summary for error in failed)
                self._look()

    def finish_refresh(self) -> None:
        """Say that a refresh of this shard alone is finished, if nothing is left of it."""
        wanted = self._part.wanted
        is_open = wanted.refresh is not None and self._saved.is_open(wanted.work)
        if self._alone and is_open and settled(self._steps):
            with Journal(self._path) as journal:
                journal.begin(wanted, None)
                finish_refresh(journal, wanted, lambda: self._steps)

    def result(self) -> ShardResult:
        """Return what it did."""
        left = [handle for handle, step in self._steps.items() if step.do != "nothing"]
        ended, journal = self._rounds.outcomes, self._journal
        short = any(ended.get(handle) in {None, "max_credits"} for handle in left)
        reason: BatchStopReason
        if not left:
            reason = "complete"
        elif self._stop.was:
            reason = "stopped"
        else:
            reason = "max_credits" if short else "failed"
        return ShardResult(
            shard=self._shard,
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
