"""The loop of `export_on`: shards to workers, credits to shards, and what was lost once more.

Dask repeats nothing: a task is pinned to a worker and runs once. What was lost with its worker is
tried again from here, as a new attempt, once the lock of its shard is free and its journals are
read. Until then its lease counts as spent, and its part of the rate as used.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from socialfetch_async.batch import BatchStopReason, Order
from socialfetch_async.cluster.attempt import Part, ShardResult, Task
from socialfetch_async.cluster.dask import Cluster
from socialfetch_async.cluster.leases import Leases, Shard, share
from socialfetch_async.cluster.places import journal_path, read_part, shard_lock
from socialfetch_async.errors import ClusterError, ShardTakenError
from socialfetch_async.journal import SavedRun, read_journal

if TYPE_CHECKING:
    from distributed import Future

PATIENCE: Final = 60.0  # seconds to wait for workers to come, and for lost ones to let go

_BEAT: Final = 0.1  # seconds between two looks at what no event tells
_FRUITLESS: Final = 5  # attempts at a shard, one after the other
_BARREN: Final = 3  # shards that failed on a worker without a page, until it gets no more


class _Attempt(NamedTuple):
    """One attempt at a shard that is on a worker, or was lost with it."""

    shard: Shard
    name: str
    worker: str
    lease: int | None
    rate: float | None


class HandingOut:
    """One call of `export_on`, from its first task to its last.

    Attributes:
        shards: All of them.
        stopping: Whether nothing more is to be bought.
        pages: Pages that arrived in this call. `followers`: on them.
        attempts: At shards, that have ended. `losses`: those of them that ended with their worker.
    """

    def __init__(
        self,
        cluster: Cluster,
        folder: Path,
        shards: list[Shard],
        asked: Order,
        part: Part,
        *,
        leases: Leases,
        rate: float | None = None,
        on_begin: Callable[[str | None], None] = lambda _: None,
        note_balance: Callable[[int | None], None] = lambda _: None,
    ) -> None:
        self._cluster = cluster
        self._folder = folder
        self._asked = asked
        self._part = part
        self._leases = leases
        self._rate = rate
        self._on_begin = on_begin
        self._note_balance = note_balance
        self._begun = False
        self._waiting = deque(shard for shard in shards if shard.left)
        self._running: dict[Future[ShardResult], _Attempt] = {}
        self._lost: dict[_Attempt, float] = {}  # with the time when it was seen
        self.stopping = False
        self._failure: Exception | None = None
        self._barren: Counter[str] = Counter()  # shards that failed without a page, by worker
        self._reasons: Counter[tuple[str, str]] = Counter()  # by worker and reason
        self._failed_on: dict[str, str] = {}  # the worker that such a shard failed on first
        self._alive = time.monotonic()  # when there was last a worker, or none was needed
        self._on_ended: Callable[[], None] = lambda: None
        self.shards = shards
        self.pages = self.followers = self.attempts = self.losses = 0

    def run(self, stop: Callable[[], bool], on_ended: Callable[[], None]) -> BatchStopReason:
        """Hand shards out until none is left or nothing may be bought; return why it ended.

        Args:
            stop: Asked in each round whether to stop.
            on_ended: Called when an attempt has ended.

        Raises:
            ClusterError: The scheduler or all workers were lost.
            Exception: What ended an attempt, and with it all others.
        """
        self._on_ended = on_ended
        try:
            while self._goes_on():
                self._hand_out()
                self._round()
                if not self.stopping and stop():
                    self._stop()
        except BaseException:
            self._stop()
            with suppress(ClusterError):  # the error that is on its way says more
                while self._running:
                    self._round()
            raise
        self._cluster.forget()
        if self._failure is not None:
            raise self._failure
        if self._begun and not self.stopping:
            self._note_balance(self._ask_balance())
        if not any(shard.left for shard in self.shards):
            return "complete"
        if self.stopping:
            return "stopped"
        return "max_credits" if self._waiting and self._leases.exhausted else "failed"

    def _goes_on(self) -> bool:
        if self._running or self._lost:
            return True
        if not self._waiting or self.stopping or self._leases.exhausted:
            return False
        workers = self._cluster.workers()
        return not workers or any(self._shard_for(worker) is not None for worker in workers)

    def _shard_for(self, worker: str) -> Shard | None:
        """Return what a worker may try next: nothing more where shard after shard failed."""
        if self._barren[worker] >= _BARREN:
            return None
        tried = self._failed_on
        return next((one for one in self._waiting if tried.get(one.name) != worker), None)

    @property
    def trouble(self) -> str | None:
        """Where shards failed without a page most often, and why."""
        if not self._reasons:
            return None
        (worker, reason), count = self._reasons.most_common(1)[0]
        more = ", and it got no more" if self._barren[worker] >= _BARREN else ""
        return f"{count:,} shards failed without a page on {worker}{more}: {reason}"

    def _stop(self, failure: Exception | None = None) -> None:
        """Buy nothing more; what is paid for comes back."""
        self._failure = self._failure or failure
        self.stopping = True
        self._cluster.stop()

    def _hand_out(self) -> None:
        """Give each worker that has none a shard, while there are shards and credits."""
        if self.stopping or not self._waiting:
            self._alive = time.monotonic()
            return
        workers = self._cluster.workers()
        now = time.monotonic()
        if workers or self._running:
            self._alive = now
        elif now - self._alive > PATIENCE:
            raise ClusterError(
                f"the cluster has had no worker for {PATIENCE:.0f} seconds. What arrived is in "
                "the journals: start workers, and the same call resumes."
            )
        if workers and not self._begun:
            self._begun = True
            balance = self._ask_balance()
            self._on_begin(self._part.origin)
            self._note_balance(balance)
        busy = {attempt.worker for attempt in self._running.values()}
        for worker in sorted(workers - busy):
            rate = self._share(len(workers))
            if not self._waiting or self._leases.exhausted or rate == 0:
                return
            if (shard := self._shard_for(worker)) is not None:
                self._begin(shard, worker, rate, self._leases.lend(len(workers)))

    def _ask_balance(self) -> int | None:
        """Return the balance; learn which API it is of, if nobody knew that yet."""
        for origin, balance in self._cluster.balances():
            if self._part.origin in {None, origin}:
                self._part = self._part._replace(origin=origin)
                return balance
        return None

    def _share(self, workers: int) -> float | None:
        if self._rate is None:
            return None
        lent = sum(attempt.rate or 0 for attempt in [*self._running.values(), *self._lost])
        return share(self._rate, lent, workers)

    def _begin(self, shard: Shard, worker: str, rate: float | None, lease: int | None) -> None:
        self._waiting.remove(shard)
        attempt = _Attempt(shard, uuid4().hex[:12], worker, lease, rate)
        limit = None if lease is None else shard.spent + lease
        asked = self._asked._replace(starts=shard.handles, duplicates=0, max_credits=limit)
        journal = journal_path(shard.name, self._folder, attempt.name)
        task = Task(shard.name, journal, asked, rate, self._part)
        self._running[self._cluster.submit(worker, task)] = attempt

    def _round(self) -> None:
        """Wait for a moment, or an end; take what attempts return, and see which ones are lost."""
        self._cluster.ended.wait(_BEAT)
        self._cluster.ended.clear()
        self._cluster.check()
        workers = self._cluster.workers()
        for future, attempt in list(self._running.items()):
            if future.status == "pending" and attempt.worker in workers:
                continue
            del self._running[future]
            outcome = self._cluster.outcome(future)
            if isinstance(outcome, ShardResult):
                self._finished(attempt, outcome)
                continue
            if outcome is not None:
                self._stop(outcome)
            future.cancel()
            self._lost[attempt] = time.monotonic()
        self._settle_lost()

    def _finished(self, attempt: _Attempt, result: ShardResult) -> None:
        shard, charged = attempt.shard, result.credits_charged + result.maybe_charged
        shard.credits_charged += result.credits_charged
        shard.maybe_charged += result.maybe_charged
        shard.left = result.handles - result.handles_done
        shard.failed = result.handles_failed
        self._ended(attempt, charged, result.pages, result.followers)
        if result.stop_reason in {"max_credits", "stopped"}:
            if not charged:  # perhaps for what its worker saw in the journals, and this does not
                with suppress(ShardTakenError), shard_lock(shard.name, self._folder):
                    read_stock(shard, self._folder, self._part)
            self._again(shard, charged)
        elif result.stop_reason == "failed" and not result.pages:
            self._barren[attempt.worker] += 1
            self._reasons[attempt.worker, result.reason or "no reason is known."] += 1
            if shard.name not in self._failed_on:  # once, on another worker
                self._failed_on[shard.name] = attempt.worker
                self._waiting.append(shard)

    def _settle_lost(self) -> None:
        """Read what lost attempts have bought, once they can buy nothing more."""
        for attempt, since in list(self._lost.items()):
            shard, before = attempt.shard, attempt.shard.spent
            path = journal_path(shard.name, self._folder, attempt.name)
            try:
                with shard_lock(shard.name, self._folder):
                    # Should its task still begin, it finds its name used, and ends.
                    path.touch()
                    read_stock(shard, self._folder, self._part)
            except ShardTakenError as error:
                if time.monotonic() - since > PATIENCE:
                    del self._lost[attempt]
                    self._stop(
                        ClusterError(
                            f"a worker was lost and goes on with shard {shard.name}: {error} End "
                            f"the process at {attempt.worker}, and the same call goes on."
                        )
                    )
                continue
            del self._lost[attempt]
            self.losses += 1
            bought = read_journal(path).handles.values()
            charged = shard.spent - before
            self._ended(
                attempt,
                charged,
                sum(handle.pages for handle in bought),
                sum(handle.followers for handle in bought),
            )
            if shard.left:
                self._again(shard, charged)

    def _ended(self, attempt: _Attempt, charged: int, pages: int, followers: int) -> None:
        self._leases.settle(attempt.lease, charged)
        self.attempts += 1
        self.pages += pages
        self.followers += followers
        self._on_ended()

    def _again(self, shard: Shard, charged: int) -> None:
        """Queue a shard that is not finished, before those that have not begun."""
        shard.fruitless = 0 if charged else shard.fruitless + 1
        if shard.fruitless >= _FRUITLESS and not self.stopping:
            self._stop(
                ClusterError(
                    f"{_FRUITLESS} attempts at shard {shard.name} in a row brought nothing: see "
                    "the logs of the workers for what ends them. What arrived is in the journals."
                )
            )
        self._waiting.appendleft(shard)


def read_stock(shard: Shard, folder: Path, part: Part) -> SavedRun:
    """Read how far a shard is, and what it cost; return what its journals hold."""
    saved, known = read_part(shard.name, folder, part.also)
    steps = known.plan(shard.handles, part.wanted).values()
    shard.left = sum(step.do != "nothing" for step in steps)
    shard.credits_charged, shard.maybe_charged = saved.credits_charged, saved.maybe_charged
    spent = saved.spent(part.wanted.work, part.wanted.refresh)
    shard.before = saved.credits_charged + saved.maybe_charged - spent
    return saved
