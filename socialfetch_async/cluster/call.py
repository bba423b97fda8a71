"""export_on: a batch on the workers of a Dask cluster, in one call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch import Estimate, files_of, order
from socialfetch_async.cluster.job import ClusterJob
from socialfetch_async.cluster.result import ClusterResult
from socialfetch_async.export import PathLike
from socialfetch_async.journal import Refresh

if TYPE_CHECKING:
    from distributed import Client

Handles = Iterable[str] | Mapping[str, str | None]


def export_on(
    scheduler: "str | Client",
    handles: Handles,
    output: PathLike,
    *,
    journal: PathLike | None = None,
    format: str | Sequence[str] | None = None,  # noqa: A002 - what everyone calls it
    exports: bool = True,
    shards: int | None = None,
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    refresh: Refresh | None = None,
    older_than: float | timedelta | None = None,
    rate: float | None = None,
    trim: bool = False,
    spreadsheet: bool = False,
    overwrite: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[ClusterResult], None] = lambda _: None,
) -> ClusterResult:
    """Fetch the followers of many profiles into files on a Dask cluster, as `export_followers`.

    The same call again goes on, whatever ended the last one, and sends nothing when all is done.
    What `export_followers` bought for the same output is not bought again, nor the other way
    round. Ctrl-C, or `stop`, ends the buying on all workers; what is paid for still comes, and
    the exports are written.

    The workers need this package, SOCIALFETCH_API_KEY in their environment, and the folder of the
    journals under the same name, on a disk that carries locks from one machine to the other.

    Args:
        scheduler: The scheduler's address, or a synchronous `distributed.Client`.
        handles: The handles, or a mapping of handle to start cursor.
        output: As in `export_followers`.
        journal: As in `export_followers`. The journals of the shards are in a folder beside it,
            `x.journals` for `x.journal`.
        format: As in `export_followers`.
        exports: Whether to write them: what does not fit into the memory of one machine is
            converted shard by shard.
        shards: Into how many parts the handles are dealt, 200 by default; a folder keeps the
            number it was begun with. A worker has one part at a time.
        concurrency: Pages that are on their way at once, on each worker.
        max_credits: As in `export_followers`, of all workers together.
        max_followers_per_handle: As in `export_followers`.
        max_pages_per_handle: As in `export_followers`.
        refresh: As in `export_followers`.
        older_than: As in `export_followers`.
        rate: The most requests a second, of all workers together.
        trim: Ask for fewer fields.
        spreadsheet: As in `export_followers`.
        overwrite: As in `export_followers`.
        stop: Asked about ten times a second whether to stop.
        on_progress: Has a result whenever an attempt at a shard has ended.

    Raises:
        InvalidHandleError: One of the handles cannot be one; nothing was sent.
        ValueError: Another argument that cannot be, or a worker has no API key.
        TypeError: An argument of another type.
        JournalError: A journal cannot be used, or another call has it.
        ExportError: As `export_followers`.
        ClusterError: There is no scheduler or no worker, or it was lost.
        SocialFetchError: 401, 402 or 403 on one worker, which end the buying on all. What ends a
            call that had begun has the `ClusterResult` as `result`.
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
    if not arguments.flag("exports", exports):
        files = files._replace(exports={})
    job = ClusterJob(asked, files, shards=shards, rate=rate, stop=stop, on_progress=on_progress)
    return job.run(scheduler)


def estimate_on(
    scheduler: "str | Client",
    handles: Handles,
    output: PathLike,
    *,
    journal: PathLike | None = None,
    format: str | Sequence[str] | None = None,  # noqa: A002 - as above
    shards: int | None = None,
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    rate: float | None = None,
    trim: bool = False,
) -> Estimate:
    """Say what a batch will cost, as `estimate_followers`, with the workers of a Dask cluster.

    The first pages that it buys, one credit each, are part of the first collection, and not
    bought again by `export_on`, which takes the same arguments.

    Returns:
        What is left to buy for each handle and in all, beside the account's balance.

    Raises:
        JournalError: As `export_on`.
        ClusterError: As `export_on`.
        ValueError: As `export_on`.
        TypeError: As `export_on`.
        SocialFetchError: As `export_on`.
    """
    asked = order(
        handles,
        concurrency=concurrency,
        max_credits=max_credits,
        max_followers_per_handle=max_followers_per_handle,
        max_pages_per_handle=max_pages_per_handle,
        trim=trim,
    )
    files = files_of(output, format, journal)
    return ClusterJob(asked, files, shards=shards, rate=rate).estimate(scheduler)
