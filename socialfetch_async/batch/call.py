"""export_followers: a whole batch in one call, from handles to files."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta

import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch.asked import Order, order
from socialfetch_async.batch.estimate import BatchStopReason, Estimate, estimate_of
from socialfetch_async.batch.files import BatchFiles, files_of
from socialfetch_async.batch.job import Job, Watch
from socialfetch_async.batch.progress import BatchEvent, BatchProgress, BatchResult
from socialfetch_async.batch.showing import progress_on_stderr
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.export import PathLike
from socialfetch_async.journal import Fsync, Refresh, SavedRun, read_journal


async def export_followers(
    client: SocialFetchClient,
    handles: Iterable[str] | Mapping[str, str | None],
    output: PathLike,
    *,
    journal: PathLike | None = None,
    format: str | Sequence[str] | None = None,  # noqa: A002 - what everyone calls it
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    refresh: Refresh | None = None,
    older_than: float | timedelta | None = None,
    trim: bool = False,
    fsync: Fsync = "second",
    spreadsheet: bool = False,
    overwrite: bool = False,
    progress: bool | Callable[[BatchProgress], None] = False,
) -> BatchResult:
    """Fetch the followers of many profiles into files, and resume where the last call ended.

    Every page is written to the journal before anything else uses it, and only missing pages are
    bought: the same call again resumes, and sends no request when all is done. The exports are
    written from the journal at the end of every call, also of one that was stopped, if pages have
    arrived since they were written. They replace no file that this journal did not write.

    A cancellation stops the requests. Pages already requested still arrive, within the client's
    `timeout`, and the exports are written before `CancelledError` is raised. A second cancellation
    stops immediately.

    Args:
        client: The client to use.
        handles: The handles, or a mapping of handle to start cursor; None is the top of a list.
        output: A file whose suffix is a format, or a folder, for `followers.<format>`: one that
            is there, or a name without a dot or with a slash at its end. Missing folders are made.
        journal: By default beside the file, `x.journal` for `x.csv` and for `x.jsonl.gz`, or
            `followers.journal` in the folder.
        format: `jsonl`, `jsonl.gz`, `csv`, `parquet`, `sqlite`, or several of them; for a folder,
            where `jsonl` is the default.
        concurrency: Pages in flight at a time. The client's `max_concurrency` may be lower.
        max_credits: The most for one piece of work, in all calls together: the first collection,
            or one refresh. What may have been charged counts.
        max_followers_per_handle: The newest so many of each list, in whole pages. A higher number
            in a later call goes deeper from there; a lower one buys nothing and hides nothing.
        max_pages_per_handle: The same in pages.
        refresh: `new` reads each finished list from its top until a page has no new follower;
            unfinished ones are first read to their end, and unavailable profiles are looked up
            again.
            `all` reads every list anew. Interrupted, the same call continues that refresh;
            finished, it begins the next one.
        older_than: Refresh only lists that were read longer ago: seconds, or a timedelta.
        trim: Ask for fewer fields.
        fsync: When pages are synced to the disk: `page`, `second` or `never`.
        spreadsheet: For CSV that a spreadsheet reads: it begins with a byte order mark, and no
            text runs as a formula.
        overwrite: Replace files that this journal did not write.
        progress: True shows a panel on stderr. A function has the live `BatchProgress` at the
            beginning, after each page and end of a handle, and at the end. If it raises, the
            batch stops as if it were cancelled, and raises that.

    Raises:
        InvalidHandleError: One of the handles is invalid; no request was sent.
        ValueError: Another argument is not valid; no request was sent.
        TypeError: An argument of another type.
        JournalError: The journal cannot be used, or has pages of another API (no request was
            sent); or it cannot be written any more.
        ExportError: An export cannot be written; found before a request is sent, if possible.
        SocialFetchError: 401, 402 or 403, which end a batch, with the `BatchResult` as `result`.
            Handles that fail do not.
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
    arguments.flag("overwrite", overwrite)
    files = files_of(output, format, journal, spreadsheet=spreadsheet, overwrite=overwrite)
    if progress is True:
        async with progress_on_stderr(client) as panel:
            return await run_batch(client, files, asked, fsync, panel.see)
    if progress is False:
        return await run_batch(client, files, asked, fsync, None)
    if not callable(progress):
        raise TypeError(f"progress must be a bool or a function, not {type(progress).__name__}")
    return await run_batch(client, files, asked, fsync, _told(progress))


async def run_batch(
    client: SocialFetchClient, files: BatchFiles, asked: Order, fsync: Fsync, watch: Watch | None
) -> BatchResult:
    """Do what `export_followers` does, and show every event.

    Args:
        client: The client to use.
        files: Where everything is.
        asked: What to fetch.
        fsync: When pages are synced to the disk.
        watch: Has the `BatchProgress` first, then every page and `HandleDone`, and at last, also
            before an error is raised, the `BatchResult`.
    """
    return await Job(client, files, asked, fsync, watch).run()


def _told(progress: Callable[[BatchProgress], None]) -> Watch:
    figures: list[BatchProgress] = []

    def watch(event: BatchEvent) -> None:
        if isinstance(event, BatchProgress):
            figures.append(event)
        progress(figures[0])

    return watch


async def estimate_followers(
    client: SocialFetchClient,
    handles: Iterable[str] | Mapping[str, str | None],
    output: PathLike,
    *,
    journal: PathLike | None = None,
    format: str | Sequence[str] | None = None,  # noqa: A002 - as above
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    trim: bool = False,
    fsync: Fsync = "second",
) -> Estimate:
    """Say what a batch will cost: buy and keep the first page of each handle that has none.

    That is one credit each, part of the first collection, and not bought again by
    `export_followers`, which takes the same arguments.

    Returns:
        What is left to buy for each handle and in all, beside the account's balance.

    Raises:
        JournalError: As `export_followers`.
        ValueError: As `export_followers`.
        TypeError: As `export_followers`.
        SocialFetchError: As `export_followers`.
    """
    asked = order(
        handles,
        concurrency=concurrency,
        max_credits=max_credits,
        max_followers_per_handle=max_followers_per_handle,
        max_pages_per_handle=max_pages_per_handle,
        trim=trim,
    )
    return await price_batch(client, files_of(output, format, journal), asked, fsync)


async def price_batch(
    client: SocialFetchClient, files: BatchFiles, asked: Order, fsync: Fsync
) -> Estimate:
    """Do what `estimate_followers` does."""
    job = Job(client, files, asked.first_pages(), fsync, None, exports=False)
    result = await job.run()
    charged, reason = result.credits_charged, result.stop_reason
    return await asyncio.to_thread(estimated, files, asked, charged, reason)


def estimated(
    files: BatchFiles,
    asked: Order,
    credits_charged: int = 0,
    stop_reason: BatchStopReason = "complete",
) -> Estimate:
    """Return what is left to buy, from the journal alone.

    Args:
        files: Where the journal is.
        asked: What is asked for.
        credits_charged: By the call that bought the first pages.
        stop_reason: Why that call ended.
    """
    saved = read_journal(files.journal) if files.journal.exists() else SavedRun.empty()
    wanted = asked.wanted(saved.work(asked.refresh) or "")
    found = estimate_of(saved, saved.plan(asked.starts, wanted), wanted, saved.price)
    balance = saved.balances[-1].balance if saved.balances else None
    return msgspec.structs.replace(
        found,
        credits_charged=credits_charged,
        stop_reason=stop_reason,
        balance=balance,
        journal=files.journal,
    )
