"""run_shard: some handles into one journal. It knows no engine, so that any can call it."""

import asyncio
import os
import secrets
from collections.abc import Callable, Iterable, Mapping

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch import order
from socialfetch_async.cluster.attempt import ShardResult, Stop, Task, fetch
from socialfetch_async.cluster.places import journal_path, shard_name
from socialfetch_async.journal import Refresh


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
    if rate is not None:
        arguments.seconds("rate", rate)
    path = journal_path(shard, folder, attempt or secrets.token_hex(6))
    return await fetch(Task(shard_name(shard), path, asked, rate), Stop(stop))
