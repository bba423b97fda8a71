"""One call of a batch on a cluster, from what is there to its last file.

Handles are dealt into shards by name, so that a handle is in the same shard in every call. A task
is one attempt at one shard (see `attempt.py`) with a lease of credits out of the one budget. What
it returns are counters; the pages are in its journal. The journal of the batch itself says which
piece of work goes on and which exports were written, as on one machine, and may have pages that
one machine bought.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from socialfetch_async import _arguments as arguments
from socialfetch_async._log import logger
from socialfetch_async.batch import (
    BatchFiles,
    BatchStopReason,
    Estimate,
    Order,
    estimated,
    finish_refresh,
)
from socialfetch_async.cluster.attempt import Part
from socialfetch_async.cluster.dask import Cluster, connected
from socialfetch_async.cluster.dispatch import PATIENCE, HandingOut, read_stock
from socialfetch_async.cluster.leases import Leases, Shard, shards_of
from socialfetch_async.cluster.places import lock_path, shard_lock
from socialfetch_async.cluster.result import ClusterResult
from socialfetch_async.errors import ExportError, JournalError, ShardTakenError, SocialFetchError
from socialfetch_async.export import Contents, ExportResult
from socialfetch_async.journal import Journal, SavedRun, read_journal, shards_folder

if TYPE_CHECKING:
    from distributed import Client

_SHARDS: Final = 200
_BEAT: Final = 0.1  # seconds between two looks at a lock


class ClusterJob:
    """One call of a batch on a cluster."""

    def __init__(
        self,
        asked: Order,
        files: BatchFiles,
        *,
        shards: int | None = None,
        rate: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        on_progress: Callable[[ClusterResult], None] = lambda _: None,
    ) -> None:
        arguments.positive("shards", shards)
        if rate is not None:
            arguments.seconds("rate", rate)
        self._asked = asked
        # Absolute, and not resolved: on a worker a link may lead elsewhere.
        self._files = files._replace(journal=Path(os.path.abspath(files.journal)))  # noqa: PTH100
        self._folder = shards_folder(self._files.journal)
        self._count, self._rate = shards, rate
        self._stop, self._on_progress = stop, on_progress
        self._journal = Journal(self._files.journal, _alone=True)
        self._shards: list[Shard] = []
        self._before = 0  # credits that were charged before this call
        self._part = Part(asked.wanted(""))
        self._exports: list[ExportResult] = []
        self._failure: BaseException | None = None

    def estimate(self, scheduler: "str | Client") -> Estimate:
        """Buy the first page of each list that has none, and say what the rest costs.

        Raises:
            Exception: As `estimate_on`.
        """
        asked, self._asked = self._asked, self._asked.first_pages()
        result = self.run(scheduler, exports=False)
        charged = result.credits_charged - self._before
        return estimated(self._files, asked, charged, result.stop_reason or "complete")

    def run(self, scheduler: "str | Client", *, exports: bool = True) -> ClusterResult:
        """Do it. What ends the buying is raised when the exports are written.

        Raises:
            Exception: As `export_on`.
        """
        self._files.rehearse()
        self._folder.mkdir(exist_ok=True)
        with self._journal as journal:
            self._files.refuse_foreign(journal.written)
            self._begin()
            with connected(scheduler) as cluster:
                work = self._hand_out(cluster)
                reason = self._buy(work)
            if exports:
                self._export()
            result = self._result(work, reason)
        if isinstance(self._failure, SocialFetchError):
            self._failure.result = result
        if self._failure is not None:
            raise self._failure
        self._finish_refresh()
        return result

    def _finish_refresh(self) -> None:
        """Say that a refresh is finished, by the journal and those of its shards together."""
        wanted = self._part.wanted
        if wanted.refresh is not None:
            with Journal(self._files.journal) as journal:
                finish_refresh(
                    journal,
                    wanted,
                    lambda: journal.plan(self._asked.starts, wanted),
                    exported=len(self._exports) == len(self._files.exports),
                )

    def _begin(self) -> None:
        """See what is there, and which piece of work goes on."""
        journal, asked = self._journal, self._asked
        self._shards = shards_of(asked.starts, _number_of_shards(self._folder, self._count))
        saved = journal.saved
        self._part = take_stock(
            self._shards,
            self._folder,
            Part(
                asked.wanted(journal.work(asked.refresh)),
                also=journal.path if saved.handles else None,
                origin=saved.origin,
            ),
        )
        self._before = journal.credits_charged + self._charged

    def _hand_out(self, cluster: Cluster) -> HandingOut:
        asked = self._asked
        spent = self._journal.spent(self._part.wanted.work, asked.refresh)
        spent += sum(shard.spent for shard in self._shards)
        return HandingOut(
            cluster,
            self._folder,
            self._shards,
            asked,
            self._part,
            leases=Leases(asked.max_credits, spent, asked.concurrency),
            rate=self._rate,
            on_begin=self._begin_buying,
            note_balance=self._note_balance,
        )

    def _buy(self, work: HandingOut) -> BatchStopReason:
        try:
            return work.run(self._stop, lambda: self._on_progress(self._result(work, None)))
        except BaseException as error:  # noqa: BLE001 - raised when the exports are written
            self._failure = error
            return "error"

    def _begin_buying(self, origin: str | None) -> None:
        if origin is not None:
            self._journal.name_origin(origin)
        self._journal.begin(self._part.wanted, len(self._asked.starts))

    def _note_balance(self, balance: int | None) -> None:
        if balance is not None:
            self._journal.note_balance(balance, (self._charged, self._maybe_charged))

    def _export(self) -> None:
        """Write the exports, as far as nothing hinders."""
        journal = self._journal

        def record(path: Path, contents: Contents, options: str) -> None:
            journal.wrote(path, contents.size, contents.digest, options)

        try:
            saved = read_journal(journal.path) if self._files.exports else SavedRun.empty()
            self._exports += self._files.write(saved, journal.written, record)
        except (ExportError, JournalError) as error:
            if self._failure is not None:  # and it is what is raised
                logger.warning("%s", error)
            self._failure = self._failure or error

    @property
    def _charged(self) -> int:
        return sum(shard.credits_charged for shard in self._shards)

    @property
    def _maybe_charged(self) -> int:
        return sum(shard.maybe_charged for shard in self._shards)

    def _result(self, work: HandingOut, reason: BatchStopReason | None) -> ClusterResult:
        shards = self._shards
        handles = len(self._asked.starts)
        return ClusterResult(
            stop_reason="error" if self._failure is not None else reason,
            handles=handles,
            duplicates=self._asked.duplicates,
            handles_done=handles - sum(shard.left for shard in shards),
            handles_failed=sum(shard.failed for shard in shards),
            pages=work.pages,
            followers=work.followers,
            attempts=work.attempts,
            lost=work.losses,
            credits_charged=self._journal.credits_charged + self._charged,
            maybe_charged=self._journal.maybe_charged + self._maybe_charged,
            journal=self._files.journal,
            folder=self._folder,
            exports=tuple(self._exports),
            trouble=work.trouble,
        )


def _number_of_shards(folder: Path, shards: int | None) -> int:
    """Return the number of shards: the one that the folder was begun with, if it was."""
    begun = {path.name.partition("-of-")[2].partition(".")[0] for path in folder.glob("shard-*")}
    numbers = {int(number) for number in begun if number.isdecimal()}
    if not numbers:
        return shards or _SHARDS
    if len(numbers) > 1 or shards not in {None, *numbers}:
        raise ValueError(
            f"{folder} was begun with {' and '.join(map(str, sorted(numbers)))} shards: the same "
            "number resumes there, another one needs another folder. No request was sent."
        )
    return numbers.pop()


def take_stock(shards: list[Shard], folder: Path, part: Part, patience: float = PATIENCE) -> Part:
    """Read what earlier calls have bought, and learn the API that it comes from.

    Workers that they left behind stop by themselves.

    Args:
        shards: All of them.
        folder: Where the journals are.
        part: What they share.
        patience: Seconds to wait for such workers.

    Raises:
        ShardTakenError: One does not.
        JournalError: A journal cannot be read, or they have pages of different APIs.
    """
    until = time.monotonic() + patience
    for shard in shards:
        while shard.handles or lock_path(shard.name, folder).exists():
            try:
                with shard_lock(shard.name, folder):
                    saved = read_stock(shard, folder, part)
            except ShardTakenError:
                if time.monotonic() > until:
                    raise
                time.sleep(_BEAT)
                continue
            if part.origin is not None:
                saved.refuse_other(part.origin)
            part = part._replace(origin=part.origin or saved.origin)
            break
    return part
