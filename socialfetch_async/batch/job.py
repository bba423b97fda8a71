"""One call of a batch, from its first request to its last file, in a task of its own."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from socialfetch_async._log import logger
from socialfetch_async.batch.asked import Order
from socialfetch_async.batch.estimate import BatchStopReason, estimate_of
from socialfetch_async.batch.files import BatchFiles
from socialfetch_async.batch.progress import BatchEvent, BatchProgress, BatchResult
from socialfetch_async.batch.refreshing import finish_refresh
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ExportError, JournalError, SocialFetchError
from socialfetch_async.export import Contents, ExportResult
from socialfetch_async.journal import (
    Fsync,
    Journal,
    Rounds,
    SavedHandle,
    SavedRun,
    Wanted,
    left,
)
from socialfetch_async.run import FollowersRun

_BALANCE: Final = 10.0  # seconds that asking for the balance may take
_MOVED: Final = 20  # followers that a count may move by without being found, or ...
_MOVED_SHARE: Final = 0.01  # ... this share of it

Watch = Callable[[BatchEvent], None]


class Job:
    """One call of a batch.

    Attributes:
        progress: The live figures; None before anything can be sent.
    """

    def __init__(
        self,
        client: SocialFetchClient,
        files: BatchFiles,
        order: Order,
        fsync: Fsync,
        watch: Watch | None,
        *,
        exports: bool = True,
    ) -> None:
        self._client = client
        self._files = files
        self._order = order
        self._watch = watch
        self._with_exports = exports
        self._journal = Journal(files.journal, fsync=fsync)
        self._run: FollowersRun | None = None
        self._wanted = Wanted("")
        self._rounds = Rounds()
        self._totals: dict[str, int | None] = {}  # the API's counts before a refresh
        self._found: Counter[str] = Counter()  # new followers in this call
        self._cancellations: list[asyncio.CancelledError] = []
        self._failure: BaseException | None = None
        self._limit_reached = False
        self._exports: list[ExportResult] = []
        self._result: BatchResult | None = None
        self.progress: BatchProgress | None = None

    async def run(self) -> BatchResult:
        """Do it. Cancelled, it buys nothing more, but keeps what is paid for.

        Some cancel a task again and again until it has left their scope: that is one wish. A
        second wish leaves at once.

        Raises:
            CancelledError: It was cancelled.
            Exception: What ended the batch; a SocialFetchError has the result as `result`.
        """
        task = asyncio.ensure_future(self._work())
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                if self._is_another_wish(error):
                    task.cancel()
        try:
            task.result()
        except asyncio.CancelledError:
            if not self._cancellations:
                raise
        except Exception as error:
            if self.progress is None:  # it did not begin
                raise
            self._failure = self._failure or error
        self._tell_result()
        if self._failure is not None:
            if isinstance(self._failure, SocialFetchError):
                self._failure.result = self._result
            raise self._failure
        if self._cancellations:
            raise self._cancellations[-1]
        assert self._result is not None
        return self._result

    def _is_another_wish(self, error: asyncio.CancelledError) -> bool:
        same = bool(error.args) and [e.args for e in self._cancellations[:1]] == [error.args]
        first = not self._cancellations
        self._cancellations = [error] if first or same else [*self._cancellations, error]
        if first:
            self._stop()
        return not first and not same

    def _stop(self) -> None:
        if self.progress is not None:
            self.progress.stopping = True
        if self._run is not None:
            self._run.stop()

    @property
    def _stopping(self) -> bool:
        return bool(self._cancellations) or self._failure is not None

    async def _work(self) -> None:
        await asyncio.to_thread(self._files.rehearse)
        if self._stopping:
            return
        with self._journal:
            self._journal.name_origin(self._client.base_url)
            await asyncio.to_thread(self._files.refuse_foreign, self._journal.written)
            self._wanted = self._order.wanted(self._journal.work(self._order.refresh))
            todo = self._left()
            self._begin(todo)
            try:
                if todo and not self._stopping:
                    await self._buy(todo)
            except Exception as error:  # noqa: BLE001 - raised when the files are written
                self._failure = self._failure or error
            if self._with_exports:
                await self._export()
            finish_refresh(
                self._journal,
                self._wanted,
                lambda: self._journal.plan(self._order.starts, self._wanted),
                exported=len(self._exports) == len(self._files.exports),
            )
            await asyncio.to_thread(self._sum_up)

    def _begin(self, todo: dict[str, str | None]) -> None:
        saved = self._journal.saved
        steps = self._journal.plan(todo, self._wanted)
        left = estimate_of(saved, steps, self._wanted, saved.price).handles
        self.progress = BatchProgress(self._journal, self._order, left, self._wanted.work)
        self._see(self.progress)

    def _left(self) -> dict[str, str | None]:
        """Return what the next run is to ask for: each handle once in a call, and its next step."""
        steps = self._journal.plan(self._order.starts, self._wanted)
        todo = self._rounds.next(steps)
        if todo:
            self._journal.follow(self._wanted, steps)
        return todo

    async def _buy(self, todo: dict[str, str | None]) -> None:
        """Run until nothing is left, or nothing more may be bought."""
        await self._note_balance()
        saved = self._journal.saved.handles
        self._totals = {h: one.total_followers for h, one in saved.items()}
        while todo and not self._stopping:
            left = self._credits_left()
            if left is not None and left < 1:
                self._limit_reached = True
                break
            async with self._client.iter_followers_many(
                todo, concurrency=self._order.concurrency, trim=self._order.trim, max_credits=left
            ) as run:
                await self._record(run)
            self._rounds.ended(todo, run.outcomes)
            todo = self._left()
            self._limit_reached |= "max_credits" in self._rounds.outcomes.values()
        await self._note_balance()

    def _credits_left(self) -> int | None:
        limit = self._order.max_credits
        return (
            None
            if limit is None
            else limit - self._journal.spent(self._wanted.work, self._order.refresh)
        )

    async def _note_balance(self) -> None:
        """Keep the balance, which is free to ask for. What is wrong, the batch itself will say."""
        if self._cancellations:
            return
        try:
            async with asyncio.timeout(_BALANCE):
                balance = (await self._client.get_balance()).balance
        except (SocialFetchError, TimeoutError):
            return
        self._journal.note_balance(balance)
        if self.progress is not None:
            self.progress.balance = balance

    async def _record(self, run: FollowersRun) -> None:
        progress = self.progress
        assert progress is not None
        progress._follow(run)  # noqa: SLF001 - its figures are this call's
        self._run = run
        if self._stopping:
            run.stop()
        async for event in self._journal.record(run):
            progress._count(event)  # noqa: SLF001 - as above
            if self._failure is None:
                self._see(event)

    def _see(self, event: BatchEvent) -> None:
        """Show an event; what raises there stops the batch as a cancellation does."""
        try:
            if self._watch is not None:
                self._watch(event)
        except Exception as error:  # noqa: BLE001 - raised at the end
            self._failure = self._failure or error
            self._stop()

    async def _export(self) -> None:
        """Write the exports, as far as nothing hinders."""
        journal, loop = self._journal, asyncio.get_running_loop()

        async def wrote(path: Path, contents: Contents, options: str) -> None:
            journal.wrote(path, contents.size, contents.digest, options)

        def record(path: Path, contents: Contents, options: str) -> None:
            # The files are written in a thread; only the loop's own writes to the journal.
            asyncio.run_coroutine_threadsafe(wrote(path, contents, options), loop).result()

        try:
            writing = self._files.write(journal.saved, journal.written, record)
            while (export := await asyncio.to_thread(next, writing, None)) is not None:
                self._exports.append(export)
        except (ExportError, JournalError) as error:
            told = isinstance(self._failure, JournalError) and isinstance(error, JournalError)
            if self._failure is not None and not told:  # and it is what is raised
                logger.warning("%s", error)
            self._failure = self._failure or error

    def _tell_result(self) -> None:
        if self.progress is None:
            return
        if self._result is None:  # a second wish came before it was ready
            self._sum_up()
        assert self._result is not None
        self._see(self._result)

    def _sum_up(self) -> None:
        saved = self._journal.saved
        starts, progress = self._order.starts, self.progress
        assert progress is not None
        given = [saved.handles.get(handle.lower()) for handle in starts]
        there = [one for one in given if one is not None]
        statuses = Counter("not_begun" if one is None else one.status for one in given)
        steps = self._journal.plan(starts, self._wanted)
        pending = left(steps)
        refused = tuple(one.handle for one in there if one.reason == "refused")
        self._result = BatchResult(
            stop_reason=self._reason(statuses, pending),
            handles=len(given),
            duplicates=self._order.duplicates,
            statuses=dict(sorted(statuses.items())),
            pending=pending,
            others=len(saved.handles) - len(there),
            pages=progress.pages,
            followers=progress.followers,
            credits_charged=progress.credits_charged,
            total_credits_charged=self._journal.credits_charged,
            maybe_charged=self._journal.maybe_charged,
            journal=self._files.journal,
            exports=tuple(self._exports),
            newest_data=max((one.read_at for one in there if one.read_at), default=None),
            oldest_data=min((one.read_at for one in there if one.read_at), default=None),
            not_refreshed=tuple(h for h, step in steps.items() if step.why == "deeper"),
            refused=refused,
            moved=self._moved(saved),
            **self._open_refresh(),
        )

    def _open_refresh(self) -> dict[str, Any]:
        """Return how the refresh stands that is not finished, if there is one."""
        journal, going = self._journal, self._journal.open_refresh
        if going is None or (kind := going.kind) == "first":
            return {}
        wanted = self._order._replace(refresh=kind).wanted(going.name)
        steps = journal.plan(self._order.starts, wanted)
        return {
            "open_refresh": kind,
            "refresh_done": len(steps) - len(left(steps)),
            "refresh_credits": journal.spent(going.name, kind),
        }

    def _reason(self, statuses: Counter[str], pending: dict[str, str | None]) -> BatchStopReason:
        if self._failure is not None:
            return "error"
        if self._cancellations:
            return "stopped"
        if self._limit_reached:
            return "max_credits"
        failed = any(self._rounds.outcomes.get(handle) == "failed" for handle in pending)
        return "failed" if failed or statuses["failed"] else "complete"

    def _moved(self, saved: SavedRun) -> tuple[str, ...]:
        """Return the lists whose count moved by much more than the new followers that came."""
        if self._order.refresh != "new":
            return ()
        return tuple(
            one.handle
            for handle in self._order.starts
            if self._rounds.outcomes.get(handle) == "complete"
            and (one := saved.handles.get(handle.lower())) is not None
            and self._has_moved(one, saved)
        )

    def _has_moved(self, one: SavedHandle, saved: SavedRun) -> bool:
        before, now = self._totals.get(one.handle.lower()), one.total_followers
        if before is None or now is None:
            return False
        found = saved.new_rows(one.handle, self._wanted.work)
        return abs(now - before) > found + max(_MOVED, _MOVED_SHARE * before)
