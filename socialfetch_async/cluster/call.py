"""export_on: a batch on the workers of a Dask cluster, one shard at a time on each.

Handles are dealt into shards by name, so that a handle is in the same shard in every call. A task
is one attempt at one shard (see `shards.py`) with a lease of credits out of the one budget. What
it returns are counters; the pages are in its journal.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch import Order, order
from socialfetch_async.cluster.dask import connected
from socialfetch_async.cluster.dispatch import PATIENCE, HandingOut, read_stock
from socialfetch_async.cluster.leases import Leases, Shard, shards_of
from socialfetch_async.cluster.places import lock_path, read_shard, shard_lock
from socialfetch_async.errors import ShardTakenError
from socialfetch_async.journal import AppendOnly, Refresh, SavedRun, Wanted, new_name

if TYPE_CHECKING:
    from distributed import Client

_SHARDS: Final = 200
_BEAT: Final = 0.1  # seconds between two looks at a lock


class ClusterResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch on a cluster stands.

    Attributes:
        stop_reason: `complete`; `failed` when handles failed; `max_credits`; `stopped`; None while
            it goes on.
        handles: Different handles given. `duplicates`: those that were given again.
        handles_done: Those with nothing left to ask for, also from earlier calls.
        handles_failed: Those that failed in this call.
        pages: That arrived in this call. `followers`: on them.
        attempts: At shards, that have ended. `lost`: those of them that ended with their worker.
        credits_charged: Credits confirmed by all journals in the folder, for all calls.
        maybe_charged: Upper bound, in credits, of what else may have been charged.
        folder: Where the journals are.
        trouble: On which worker shards failed without a page most often, and why; None if none.
    """

    stop_reason: str | None
    handles: int
    duplicates: int
    handles_done: int
    handles_failed: int
    pages: int
    followers: int
    attempts: int
    lost: int
    credits_charged: int
    maybe_charged: int
    folder: Path
    trouble: str | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for."""
        return self.handles_done == self.handles

    @property
    def journals(self) -> list[Path]:
        """All journals: what `convert` and `read_journal` take."""
        return sorted(self.folder.glob("shard-*.journal"))


def export_on(
    scheduler: "str | Client",
    handles: Iterable[str] | Mapping[str, str | None],
    folder: str | os.PathLike[str],
    *,
    shards: int | None = None,
    concurrency: int = 10,
    max_credits: int | None = None,
    max_followers_per_handle: int | None = None,
    max_pages_per_handle: int | None = None,
    refresh: Refresh | None = None,
    older_than: float | None = None,
    rate: float | None = None,
    trim: bool = False,
    stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[ClusterResult], None] = lambda _: None,
) -> ClusterResult:
    """Fetch the followers of many profiles on a Dask cluster, into journals in one folder.

    The same call again goes on, whatever ended the last one, and sends nothing when all is done.
    Ctrl-C, or `stop`, ends the buying on all workers; what is paid for still comes.

    The workers need this package, SOCIALFETCH_API_KEY in their environment, and the folder under
    the same name, on a disk that carries locks from one machine to the other.

    Args:
        scheduler: The scheduler's address, or a synchronous `distributed.Client`.
        handles: The handles, or a mapping of handle to start cursor.
        folder: Where the journals are. It is made if its parent is there.
        shards: Into how many parts the handles are dealt, 200 by default; a folder keeps the
            number it was begun with. A worker has one part at a time.
        concurrency: Pages that are on their way at once, on each worker.
        max_credits: The most for one piece of work on the whole folder, in all calls together:
            the first collection, or one refresh.
        max_followers_per_handle: As in `export_followers`.
        max_pages_per_handle: As in `export_followers`.
        refresh: As in `export_followers`.
        older_than: As in `export_followers`, in seconds.
        rate: The most requests a second, of all workers together.
        trim: Ask for fewer fields.
        stop: Asked about ten times a second whether to stop.
        on_progress: Has a result whenever an attempt at a shard has ended.

    Raises:
        InvalidHandleError: One of the handles cannot be one; nothing was sent.
        ValueError: Another argument that cannot be, or a worker has no API key.
        TypeError: An argument of another type.
        JournalError: A journal cannot be used, or another call has this folder.
        ClusterError: There is no scheduler or no worker, or it was lost.
        SocialFetchError: 401, 402 or 403 on one worker, which end the buying on all.
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
    arguments.positive("shards", shards)
    if rate is not None:
        arguments.seconds("rate", rate)
    place = Path(os.path.abspath(folder))  # noqa: PTH100 - a link may lead elsewhere on a worker
    place.mkdir(exist_ok=True)
    lock = AppendOnly(place / "export.lock")
    try:
        parts = shards_of(asked.starts, _count(place, shards))
        wanted = take_stock(parts, place, asked)
        with connected(scheduler) as cluster:
            work = HandingOut(
                cluster,
                place,
                parts,
                leases=Leases(max_credits, sum(part.spent for part in parts), concurrency),
                rate=rate,
                wanted=wanted,
                options={
                    "concurrency": concurrency,
                    "trim": trim,
                    "max_followers_per_handle": max_followers_per_handle,
                    "max_pages_per_handle": max_pages_per_handle,
                    "refresh": refresh,
                    "older_than": older_than,
                    "work": wanted.work,
                },
            )

            def result(reason: str | None) -> ClusterResult:
                return _result(work, reason, len(asked.starts), asked.duplicates)

            return result(work.run(stop, on_ended=lambda: on_progress(result(None))))
    finally:
        lock.close()


def _result(work: HandingOut, reason: str | None, handles: int, duplicates: int) -> ClusterResult:
    return ClusterResult(
        stop_reason=reason,
        handles=handles,
        duplicates=duplicates,
        handles_done=handles - sum(shard.left for shard in work.shards),
        handles_failed=sum(shard.failed for shard in work.shards),
        pages=work.pages,
        followers=work.followers,
        attempts=work.attempts,
        lost=work.losses,
        credits_charged=sum(shard.credits_charged for shard in work.shards),
        maybe_charged=sum(shard.maybe_charged for shard in work.shards),
        folder=work.folder,
        trouble=work.trouble,
    )


def _count(folder: Path, shards: int | None) -> int:
    """Return the number of shards: the one that the folder was begun with, if it was."""
    begun = {path.name.partition("-of-")[2].partition(".")[0] for path in folder.glob("shard-*")}
    numbers = {int(number) for number in begun if number.isdecimal()}
    if not numbers:
        return shards or _SHARDS
    if len(numbers) > 1 or shards not in {None, *numbers}:
        raise ValueError(
            f"{folder} was begun with {' and '.join(map(str, sorted(numbers)))} shards: the same "
            "number goes on there, another one needs another folder. Nothing was sent."
        )
    return numbers.pop()


def take_stock(
    shards: list[Shard], folder: Path, asked: Order, patience: float = PATIENCE
) -> Wanted:
    """Read what earlier calls have bought, and find out which piece of work goes on.

    Workers that they left behind stop by themselves.

    Args:
        shards: All of them.
        folder: Where the journals are.
        asked: What is asked for.
        patience: Seconds to wait for such workers.

    Raises:
        ShardTakenError: One does not.
        JournalError: A journal cannot be read.
    """
    new = new_name(datetime.now(UTC))
    stock = _unlocked(shards, folder, patience)
    names = {name for saved in stock for name in _works(saved, asked)}
    if asked.refresh is None:
        wanted = asked.wanted(min(names, default=new))
    else:
        wanted = asked.wanted(max(names, default=new))
    is_open = [read_stock(shard, folder, wanted) for shard in shards]
    if asked.refresh is not None and not any(is_open) and not any(shard.left for shard in shards):
        # All of it is done: this call begins the next one.
        wanted = asked.wanted(new)
        for shard in shards:
            read_stock(shard, folder, wanted)
    return wanted


def _works(saved: SavedRun, asked: Order) -> set[str]:
    """Return the pieces of work that are asked for, unless a refresh of another kind came after."""
    kinds = {name: work.kind for name, work in saved.index.works.items()}
    if asked.refresh is None:
        return {name for name, kind in kinds.items() if kind == "first"}
    last = max((name for name, kind in kinds.items() if kind != "first"), default=None)
    return {last} if last is not None and kinds[last] == asked.refresh else set()


def _unlocked(shards: list[Shard], folder: Path, patience: float) -> Iterator[SavedRun]:
    """Yield what each shard has, once nobody writes it."""
    until = time.monotonic() + patience
    for shard in shards:
        while shard.handles or lock_path(shard.name, folder).exists():
            try:
                with shard_lock(shard.name, folder):
                    yield read_shard(shard.name, folder) or SavedRun.empty()
            except ShardTakenError:
                if time.monotonic() > until:
                    raise
                time.sleep(_BEAT)
            else:
                break
