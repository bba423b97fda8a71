"""run_shard: some handles into one journal. It knows no engine, so that any can call it.

A batch that is split over machines is a folder of journals that all of them see:

    shard-NAME.attempt-ID.journal   what one attempt at a shard bought
    shard-NAME.lock                 held by the attempt that is running

Nothing else keeps state. An attempt reads what the earlier ones wrote, whether they ended, were
stopped or killed, and buys what is missing into a file of its own: where a network disk does not
carry the lock, and an attempt that was thought dead goes on, the two never write into one file,
and `read_journal` shows each page once.
"""

import asyncio
import os
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch import Order, order
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import JournalError, ShardTakenError
from socialfetch_async.journal import (
    AppendOnly,
    Journal,
    Refresh,
    Rounds,
    SavedRun,
    new_name,
    read_journal,
    settled,
)
from socialfetch_async.models import FollowersPage
from socialfetch_async.run import FollowersRun

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
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


def run_shard(
    shard: str | int,
    handles: Iterable[str] | Mapping[str, str | None],
    folder: str | os.PathLike[str],
    *,
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    refresh: Refresh | None = None,
    older_than: float | None = None,
    stop: Callable[[], bool] | None = None,
    rate: float | None = None,
    trim: bool = False,
    attempt: str | None = None,
    work: str | None = None,
) -> ShardResult:
    """Fetch the followers of some handles into a journal, going on where earlier attempts ended.

    It makes a client of its own, from SOCIALFETCH_API_KEY and SOCIALFETCH_BASE_URL, in an event
    loop of its own. The same call again goes on, and a shard that is done sends nothing: a queue
    may deliver it twice. In a running event loop, await `run_shard_async`.

    Args:
        shard: Name or number; with the folder it says which journals belong together.
        handles: The handles, or a mapping of handle to start cursor. The same each time.
        folder: Where the journals are. It is there already, and all machines see it.
        concurrency: Pages that are on their way at once.
        max_credits: The most for one piece of work on the shard: its first collection, or a
            refresh. What the journals of all its attempts cost counts, and what they may have
            cost, so a delivery that comes twice cannot exceed it.
        max_followers_per_handle: As in `export_followers`.
        max_pages_per_handle: As in `export_followers`.
        refresh: As in `export_followers`.
        older_than: As in `export_followers`, in seconds.
        stop: Asked after each page, and every 50 ms, whether to stop; what is paid for still
            comes. It must not block for long. If it raises, the attempt stops and raises that.
        rate: The most requests a second, evenly spaced.
        trim: Ask for fewer fields.
        attempt: A name for this attempt, which may be begun once. By default a new one.
        work: The piece of work, where several shards belong to one. By default the one that goes
            on in this shard, or a new one.

    Raises:
        ShardTakenError: Another process fetches this shard, or `attempt` was begun before.
        JournalError: A journal cannot be read or written, or the folder is missing.
        InvalidHandleError: One of the handles cannot be one; nothing was sent.
        ValueError: Another argument that cannot be, or no API key; nothing was sent.
        TypeError: An argument of another type.
        SocialFetchError: 401, 402 or 403. Handles that fail are counted.
    """
    return asyncio.run(
        run_shard_async(
            shard,
            handles,
            folder,
            concurrency=concurrency,
            max_credits=max_credits,
            max_followers_per_handle=max_followers_per_handle,
            max_pages_per_handle=max_pages_per_handle,
            refresh=refresh,
            older_than=older_than,
            stop=stop,
            rate=rate,
            trim=trim,
            attempt=attempt,
            work=work,
        )
    )


async def run_shard_async(
    shard: str | int,
    handles: Iterable[str] | Mapping[str, str | None],
    folder: str | os.PathLike[str],
    *,
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    refresh: Refresh | None = None,
    older_than: float | None = None,
    stop: Callable[[], bool] | None = None,
    rate: float | None = None,
    trim: bool = False,
    attempt: str | None = None,
    work: str | None = None,
) -> ShardResult:
    """Do what `run_shard` does, in the running event loop.

    Cancelled, it leaves at once: up to `concurrency` pages on their way are bought again.

    Raises:
        JournalError: As `run_shard`.
        ValueError: As `run_shard`.
        TypeError: As `run_shard`.
        SocialFetchError: As `run_shard`.
    """
    asked = order(
        handles,
        concurrency=concurrency,
        max_credits=max_credits,
        max_followers_per_handle=max_followers_per_handle,
        max_pages_per_handle=max_pages_per_handle,
        refresh=refresh,
        older_than=older_than,
        trim=trim,
    )
    pace = None if rate is None else Pace(rate)
    name = shard_name(shard)
    path = journal_path(name, folder, attempt or secrets.token_hex(6))
    with shard_lock(name, folder):
        if path.exists():
            raise ShardTakenError(
                f"{path} was begun before, and an attempt is made once: leave `attempt` out to go "
                "on with a new one. Nothing was sent."
            )
        one = _Attempt(name, path, asked, _Stop(stop), work)
        if one.todo and not one.stopping and one.left() != 0:
            async with SocialFetchClient(max_concurrency=concurrency, limiter=pace) as client:
                one.saved.refuse_other(client.base_url)
                await one.buy(client)
        else:
            one.close_refresh()
        one.stop.raise_error()
    return one.result()


class _Attempt:
    """One attempt at a shard, round after round, until its plan has nothing to do."""

    def __init__(
        self,
        name: str,
        path: Path,
        asked: Order,
        stop: "_Stop",
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
            journal.finish(self._wanted.work, self._steps)

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


async def _record(journal: Journal, run: FollowersRun, asked: "_Stop") -> int:
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


class _Stop:
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


def shard_name(shard: str | int) -> str:
    """Return the name of a shard as it stands in its files.

    Raises:
        ValueError: It cannot be in the name of a file.
    """
    return _named("shard", str(shard))


def journal_path(shard: str | int, folder: str | os.PathLike[str], attempt: str) -> Path:
    """Return where an attempt writes."""
    name = f"shard-{shard_name(shard)}.attempt-{_named('attempt', attempt)}.journal"
    return Path(folder) / name


def lock_path(shard: str | int, folder: str | os.PathLike[str]) -> Path:
    """Return what the running attempt locks."""
    return Path(folder) / f"shard-{shard_name(shard)}.lock"


def shard_journals(shard: str | int, folder: str | os.PathLike[str]) -> list[Path]:
    """Return the journals of all attempts at a shard."""
    return sorted(Path(folder).glob(f"shard-{shard_name(shard)}.attempt-*.journal"))


def read_shard(shard: str | int, folder: str | os.PathLike[str]) -> SavedRun | None:
    """Read the journals of all attempts at a shard as one; None if there are none."""
    journals = shard_journals(shard, folder)
    return read_journal(*journals) if journals else None


@contextmanager
def shard_lock(shard: str | int, folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep everybody else from the shard. A process that dies lets go of it.

    Raises:
        ShardTakenError: Another process has it.
        JournalError: The folder is missing.
    """
    if not Path(folder).is_dir():
        raise JournalError(
            f"there is no folder {folder} here: make it where every worker sees it, and name it "
            "the same on all machines. Nothing was sent."
        )
    try:
        lock = AppendOnly(lock_path(shard, folder))
    except JournalError as error:
        raise ShardTakenError(f"shard {shard} cannot be begun: {error}") from None
    try:
        yield
    finally:
        lock.close()


def _named(what: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} is 1 to 64 of A-Z a-z 0-9 _ -, not {name!r}")
    return name
