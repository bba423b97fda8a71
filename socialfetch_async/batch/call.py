"""export_followers: a whole batch in one call, from handles to files."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from socialfetch_async import _arguments as arguments
from socialfetch_async._log import logger
from socialfetch_async.batch.files import BatchFiles, files_of, set_aside
from socialfetch_async.batch.progress import BatchEvent, BatchProgress, BatchResult
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ExportError, JournalError
from socialfetch_async.export import ExportResult, PathLike
from socialfetch_async.journal import Fsync, Journal, read_journal
from socialfetch_async.run import FollowersRun

T = TypeVar("T")


async def export_followers(
    client: SocialFetchClient,
    handles: Iterable[str] | Mapping[str, str | None],
    output: PathLike,
    *,
    journal: PathLike | None = None,
    format: str | Sequence[str] | None = None,  # noqa: A002 - what everyone calls it
    concurrency: int = 10,
    max_credits: int | None = None,
    trim: bool = False,
    fsync: Fsync = "second",
    fresh: bool = False,
    recheck: bool = False,
    spreadsheet: bool = False,
    on_event: Callable[[BatchEvent], None] | None = None,
) -> BatchResult:
    """Fetch the followers of many profiles into files; go on where the last call ended.

    Every page is in the journal before anything else happens with it, and only what is missing
    there is bought: the same call again goes on, and sends nothing when all is done. The exports
    are written from the journal at the end of every call, also of one that was stopped.

    A cancellation stops the buying; what is paid for still comes, within the client's `timeout`,
    and the exports are written, before `CancelledError` goes on. A second one leaves at once.

    Args:
        client: What to ask with.
        handles: The handles, or a mapping of handle to start cursor.
        output: A file whose suffix is a format, or else a folder, for `followers.<format>`.
        journal: By default `OUTPUT.journal`, or `followers.journal` in the folder.
        format: `jsonl`, `jsonl.gz`, `csv`, `parquet`, `sqlite`, or several of them; for a folder,
            where `jsonl` is the default.
        concurrency: Pages on their way at once. The client's `max_concurrency` may be lower.
        max_credits: Never spend more than this on the whole journal. What earlier calls spent
            counts, and what they may have spent, so repeating a call can not exceed it.
        trim: Ask for fewer fields.
        fsync: When pages are synced to the disk: `page`, `second` or `never`.
        fresh: Begin a new journal; the old one is kept with a number in its name.
        recheck: Ask profiles that were private, hidden or not found once more.
        spreadsheet: For CSV that goes into a spreadsheet: no text runs as a formula.
        on_event: Has a live `BatchProgress` first, then every page and `HandleDone`, and at last,
            also before an error is raised, the `BatchResult`. If it raises, the batch stops as
            if it were cancelled.

    Raises:
        InvalidHandleError: One of the handles can not be one; nothing was sent.
        ValueError: Another argument that can not be; nothing was sent.
        TypeError: An argument of another type.
        JournalError: The journal can not be used (nothing was sent), or written any more.
        ExportError: An export can not be written; seen before anything is sent, where possible.
        SocialFetchError: 401, 402 or 403, which end a batch. Handles that fail do not.
    """
    starts, duplicates = arguments.starts(handles)
    arguments.required("concurrency", concurrency)
    arguments.positive("max_credits", max_credits)
    for name, value in (("trim", trim), ("fresh", fresh), ("recheck", recheck)):
        arguments.flag(name, value)
    files = files_of(output, format, journal, spreadsheet=spreadsheet)
    book = Journal(files.journal, fsync=fsync)
    batch = _Batch(files, book, starts, duplicates, on_event)
    await batch.finish(files.rehearse)
    batch.check_interrupted()
    if fresh:
        batch.kept = set_aside(files.journal)
    try:
        with book:
            todo = book.pending(starts)
            progress = batch.begin(len(todo), max_credits)
            left = (
                None
                if max_credits is None
                else max_credits - progress.total_credits_charged - progress.maybe_charged
            )
            if left is not None and left < 1:
                batch.limit_reached = bool(todo)
            elif todo:
                async with client.iter_followers_many(
                    todo, concurrency=concurrency, trim=trim, max_credits=left
                ) as run:
                    await batch.record(run)
    except (Exception, asyncio.CancelledError) as error:
        if batch.progress is None:
            raise
        batch.failure = error
    return await batch.close()


class _Batch:
    """One call of `export_followers`, from its first request to its last file.

    Attributes:
        progress: What `on_event` has; None before anything can be sent.
        kept: The journal that was set aside.
        limit_reached: Handles are left because of the credit limit.
        failure: What is raised at the end.
    """

    def __init__(
        self,
        files: BatchFiles,
        journal: Journal,
        starts: dict[str, str | None],
        duplicates: int,
        on_event: Callable[[BatchEvent], None] | None,
    ) -> None:
        self._files = files
        self._journal = journal
        self._starts = starts
        self._duplicates = duplicates
        self._on_event = on_event
        self._interruptions: list[asyncio.CancelledError] = []
        self.progress: BatchProgress | None = None
        self.kept: Path | None = None
        self.limit_reached = False
        self.failure: BaseException | None = None

    def begin(self, left: int, max_credits: int | None) -> BatchProgress:
        """Say that the journal is open."""
        progress = BatchProgress(self._journal, len(self._starts), left, max_credits)
        self.progress = progress
        if self._on_event is not None:
            self._on_event(progress)
        return progress

    async def record(self, run: FollowersRun) -> None:
        """Take every event of a run; when interrupted, take those that are paid for.

        Raises:
            CancelledError: It was interrupted. At the second time at once.
        """
        progress = self.progress
        assert progress is not None
        progress._follow(run)  # noqa: SLF001 - its figures are this call's
        events = self._journal.record(run)
        broken: Exception | None = None
        while True:
            try:
                event = await anext(events, None)
            except asyncio.CancelledError as error:
                self._interrupt(error)
                if len(self._interruptions) > 1:
                    raise
                run.stop()
                continue
            if event is None:
                break
            progress._count(event)  # noqa: SLF001 - as above
            try:
                if self._on_event is not None and broken is None:
                    self._on_event(event)
            except Exception as error:  # noqa: BLE001 - raised below
                broken, progress.stopping = error, True
                run.stop()
        left = self._journal.pending(self._starts)
        self.limit_reached = any(
            handle not in run.outcomes or run.outcomes[handle].status == "max_credits"
            for handle in left
        )
        self.check_interrupted()
        if broken is not None:
            raise broken

    async def finish(self, work: Callable[[], T]) -> T:
        """Run in a thread what would hold the loop up; an interruption waits for its end."""
        running = asyncio.ensure_future(asyncio.to_thread(work))
        while not running.done():
            try:
                await asyncio.wait([running])
            except asyncio.CancelledError as error:
                self._interrupt(error)
        return running.result()

    def check_interrupted(self) -> None:
        """Raise the cancellation that came."""
        if self._interruptions:
            raise self._interruptions[-1]

    def _interrupt(self, error: asyncio.CancelledError) -> None:
        self._interruptions.append(error)
        if self.progress is not None:
            self.progress.stopping = True

    async def close(self) -> BatchResult:
        """Write the exports, tell the result, and raise what is to be raised."""
        exports: list[ExportResult] = []
        writing = self._files.write()
        failure = self.failure
        try:
            while len(self._interruptions) < 2:  # the second one leaves at once
                export = await self.finish(lambda: next(writing, None))
                if export is None:
                    break
                exports.append(export)
        except (ExportError, JournalError) as error:
            self.failure = failure or error
            if failure is not None:  # and it is what is raised
                logger.warning("%s", error)
        if self.failure is None and self._interruptions:
            self.failure = self._interruptions[-1]
        result = await self.finish(lambda: self._result(exports))
        if self._on_event is not None:
            self._on_event(result)
        if self.failure is not None:
            raise self.failure
        self.check_interrupted()
        return result

    def _result(self, exports: list[ExportResult]) -> BatchResult:
        saved, progress = read_journal(self._files.journal), self.progress
        assert progress is not None
        given = [saved.handles.get(handle.lower()) for handle in self._starts]
        statuses = Counter("not_begun" if one is None else one.status for one in given)
        if isinstance(self.failure, asyncio.CancelledError):
            reason = "stopped"
        elif self.failure is not None:
            reason = "error"
        elif self.limit_reached:
            reason = "max_credits"
        else:
            reason = "failed" if statuses["failed"] else "complete"
        return BatchResult(
            stop_reason=reason,
            handles=len(given),
            duplicates=self._duplicates,
            statuses=dict(sorted(statuses.items())),
            pending=saved.pending(self._starts),
            others=len(saved.handles) - sum(one is not None for one in given),
            pages=progress.pages,
            followers=progress.followers,
            credits_charged=progress.credits_charged,
            total_credits_charged=self._journal.credits_charged,
            maybe_charged=self._journal.maybe_charged,
            journal=self._files.journal,
            kept=self.kept,
            exports=tuple(exports),
        )
