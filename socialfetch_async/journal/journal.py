"""Journal: the pages of a batch on disk before anything else happens with them."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from socialfetch_async import _arguments as arguments
from socialfetch_async._log import logger
from socialfetch_async._text import encodable
from socialfetch_async.errors import JournalError
from socialfetch_async.events import HandleDone
from socialfetch_async.journal.file import AppendOnly, free_bytes
from socialfetch_async.journal.index import Index, WorkState
from socialfetch_async.journal.lines import (
    BalanceLine,
    Finished,
    SavedPage,
    Settled,
    WrittenFile,
    parse_page,
)
from socialfetch_async.journal.plan import Refresh, Step, Wanted, plan
from socialfetch_async.journal.reading import SavedRun, page_at, pending_of
from socialfetch_async.journal.recording import Job, Session, new_name
from socialfetch_async.journal.scan import (
    read_files,
    refuse_origins,
    shard_journals,
    shards_folder,
)
from socialfetch_async.journal.writer import FreeBytes, Fsync, Writer
from socialfetch_async.models import FollowersPage
from socialfetch_async.run import FollowersRun


class Journal:
    """The page journal of a batch: checkpoint, ledger and result in one append-only file.

        with Journal("followers.journal") as journal:
            async with client.iter_followers_many(journal.pending(handles)) as run:
                async for event in journal.record(run):
                    ...

    The same program again resumes, and buys only the missing pages. Before any request is sent, the
    `with` opens or creates the file, locks it against a second process, drops a truncated last
    line and reads the rest. It stands outside the run's `async with`, so that it sees how the run
    ended.

    After a hard kill, at most `concurrency` pages are bought again. A loss of power also takes the
    lines that were not synced: with `fsync="second"`, those of about the last second.

    Args:
        path: The file. It holds every follower with every field received, and no key. A new
            one is readable and writable by its owner only.
        fsync: When lines are synced to the disk: after each (`page`), once a second and at the
            end (`second`), or when the operating system flushes its cache (`never`).

    Attributes:
        path: The file.

    Raises:
        JournalError: From the `with`: the file cannot be written, is locked, is not a journal or
            has another version, has a corrupt line in the middle, or the disk is full. At its
            end: the last lines could not be synced to the disk.
        ValueError: `fsync` is not one of the three.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: Fsync = "second",
        _free_bytes: FreeBytes = free_bytes,
        _alone: bool = False,
    ) -> None:
        if fsync not in {"page", "second", "never"}:
            raise ValueError(f'fsync must be "page", "second" or "never", not {fsync!r}')
        self.path = Path(path)
        self._fsync: Fsync = fsync
        self._free_bytes = _free_bytes
        self._alone = _alone
        self._shards: list[Path] = []
        self._index = Index()
        self._session: Session | None = None
        self._job: Job | None = None
        self._handles: int | None = None  # that `pending` was asked for

    def __enter__(self) -> Self:
        if self._session is not None:
            raise RuntimeError("a journal is opened once: make another Journal of the same path")
        index = Index()
        file = AppendOnly(self.path)

        def stored(number: int) -> SavedPage:
            which, offset, length = place = index.place(number)
            if which:
                return page_at(place, (self.path, *self._shards))
            return parse_page(file.read(offset, length))

        writer = Writer(file, index, fsync=self._fsync, free_bytes=self._free_bytes)
        try:
            elsewhere = self._read_shards(index)
            writer.begin()
            refuse_origins(self.path, index.origin, elsewhere)
            index.origin = index.origin or elsewhere
        except OSError as error:
            writer.close()
            raise JournalError(
                f"{self.path} cannot be used: {error.strerror}. No request was sent."
            ) from None
        except BaseException:
            writer.close()
            raise
        self._index = index
        self._session = Session(writer, index, stored)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session = self._open
        try:
            untold = session.end()
        finally:
            session.writer.close()
        if untold:
            if exc is None:
                raise session.writer.error()
            logger.error("%s", session.writer.error())

    def _read_shards(self, index: Index) -> str | None:
        """Count in what workers of a cluster bought for the same batch; return its API.

        Raises:
            JournalError: They still do, so that both would buy the same pages.
        """
        folder = shards_folder(self.path)
        if self._alone or not (shards := shard_journals(folder)):
            return None
        try:
            for lock in folder.glob("shard-*.lock"):
                AppendOnly(lock).close()
        except JournalError:
            raise JournalError(
                f"{self.path}: workers of a cluster still write into {folder}. Two would buy the "
                "same pages: wait until they have ended. No request was sent."
            ) from None
        self._shards = shards
        read_files(shards, index, first=1)
        origin, index.origin = index.origin, None
        return origin

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise RuntimeError("open the journal first: with Journal(path) as journal: ...")
        return self._session

    def pending(
        self, handles: Iterable[str] | Mapping[str, str | None] | None = None
    ) -> dict[str, str | None]:
        """Return the pending handles with their cursors, for `iter_followers_many`.

        `complete`, `missing_cursor` and unavailable profiles are finished; `failed`, `stopped`,
        `max_pages` and `max_credits` are pending. So is a list whose first or last page is
        missing, whatever its status says. A list that failed because its pages repeat is not
        requested again.

        Args:
            handles: The handles of the batch, or a mapping of handle to start cursor, compared
                as `iter_followers_many` compares them. None is the top of a list. Without
                handles: those that are in the journal.

        Raises:
            InvalidHandleError: One of the handles is invalid.
            ValueError: An empty cursor.
            TypeError: An argument of another type.
        """
        _ = self._open
        if handles is not None:
            handles, _ = arguments.starts(handles)
            self._handles = len(handles)
        return pending_of(self._index, handles)

    def plan(self, starts: Mapping[str, str | None], wanted: Wanted) -> dict[str, Step]:
        """Return what to do for each handle of a batch."""
        _ = self._open
        return plan(self._index, starts, wanted)

    def follow(
        self, wanted: Wanted, steps: Mapping[str, Step], saved: SavedRun | None = None
    ) -> None:
        """Have the next run that is recorded follow the plan of a batch.

        Args:
            wanted: What was planned.
            steps: The plan.
            saved: Other journals, if it was made from these: they hold a part of the batch.
        """
        if saved is None:
            handles = len(steps) if self._are_most(wanted.work, steps) else None
            self._job = Job(wanted, steps, handles)
        else:
            self._job = Job(wanted, steps, None, saved.index, saved.stored)
        self._open.say_work(self._job)

    def begin(self, wanted: Wanted, handles: int | None) -> None:
        """Say that a piece of work continues, whose pages others buy.

        Args:
            wanted: What is wanted.
            handles: How many handles it has; None if others say.
        """
        self._open.say_work(Job(wanted, {}, handles))

    def work(self, refresh: Refresh | None = None) -> str:
        """Return the name of the work to continue, or of a new one.

        Args:
            refresh: The wanted refresh; None is the first collection.
        """
        return self._index.work(refresh) or new_name(self._open.writer.now())

    def spent(self, work: str, refresh: Refresh | None = None) -> int:
        """Return what a piece of work may have cost at most, in credits, in all runs."""
        _ = self._open
        return self._index.spent(work, refresh)

    def name_origin(self, url: str) -> None:
        """Say which API the pages come from: a journal holds those of one.

        Args:
            url: The base URL of the API.

        Raises:
            JournalError: The pages in the journal come from another one.
        """
        self._open.name_origin(arguments.origin(url))

    def finish(self, work: str, handles: Iterable[str]) -> None:
        """Say that a refresh is finished, if it was begun.

        Args:
            work: The refresh.
            handles: Those that nothing is left to do for. If they are few of those that it has
                read, it continues: they were asked for beside it.
        """
        writer, state = self._open.writer, self._index.works.get(work)
        if state is not None and not state.finished and self._are_most(work, handles):
            writer.write(Finished(at=writer.now(), work=work))

    def _are_most(self, work: str, handles: Iterable[str]) -> bool:
        """Return whether a piece of work was for these handles, give or take some."""
        begun = {key for key, saved in self._index.lists.items() if work in saved.readings}
        return not begun or 2 * len(begun.intersection(map(str.lower, handles))) > len(begun)

    @property
    def open_refresh(self) -> WorkState | None:
        """The refresh that was begun and is not finished."""
        _ = self._open
        return self._index.open_refresh()

    def note_balance(self, balance: int, elsewhere: tuple[int, int] = (0, 0)) -> None:
        """Keep the balance of the account, in credits, while no request is in flight.

        Args:
            balance: The balance.
            elsewhere: What journals that are not read here have confirmed, and what may have been
                charged besides.
        """
        writer = self._open.writer
        charged, maybe = elsewhere
        writer.write(
            BalanceLine(
                at=writer.now(),
                balance=balance,
                credits_charged=self.credits_charged + charged,
                maybe_charged=self.maybe_charged + maybe,
            )
        )

    def settle(self, maybe_charged: int) -> None:
        """Lower what may have been charged to a bound that is known otherwise, in credits."""
        writer = self._open.writer
        writer.write(Settled(at=writer.now(), maybe_charged=maybe_charged))

    @property
    def credits_charged(self) -> int:
        """Credits confirmed by all pages in the journal, those bought twice included."""
        _ = self._open
        return self._index.ledger.credits_charged

    @property
    def maybe_charged(self) -> int:
        """Upper bound, in credits, of what else may have been charged.

        It counts what failed attempts may have cost and, for a process that was killed, the
        `concurrency` pages that may have been in flight. Requests in flight now count as well.
        """
        return self._open.maybe_charged

    @property
    def saved(self) -> SavedRun:
        """What the journal holds now, without reading it again; also after its end."""
        _ = self._open
        return SavedRun((self.path, *self._shards), self._index, 0)

    @property
    def written(self) -> list[WrittenFile]:
        """The files that were written from the journal, as far as it was told."""
        _ = self._open
        return [file for files in self._index.written.values() for file in files]

    def wrote(self, path: Path, size: int, digest: str, options: str) -> None:
        """Keep what a file is known by that is written from the journal, before it is in place.

        Raises:
            JournalError: It cannot be kept.
            RuntimeError: The journal is closed.
        """
        self._open.check_open()
        writer = self._open.writer
        writer.write(
            WrittenFile(
                at=writer.now(),
                path=encodable(path),
                size=size,
                digest=digest,
                options=options,
            )
        )
        if not writer.settled:
            raise writer.error()

    def record(self, run: FollowersRun) -> AsyncIterator[FollowersPage | HandleDone]:
        """Iterate over a run whose events are written when they arrive, before they are seen.

        When the disk is nearly full, or writing fails, the run is stopped. Pages already requested
        still arrive, and are written as far as possible.

        Raises:
            RuntimeError: The journal is not open.
            JournalError: The pages in the journal come from another API.
            TypeError: It is a run over another list: a journal holds followers.

        The iteration itself raises what the iteration over the run raises, and, after its last
        event, `JournalError` if writing failed: how many pages could not be kept.
        """
        if not isinstance(run, FollowersRun):
            raise TypeError(f"a journal records a FollowersRun, not {type(run).__name__}")
        job, self._job = self._job, None
        if job is None:
            job = Job(Wanted(self.work()), {}, self._handles)
        return self._open.record(run, job)

    def __repr__(self) -> str:
        if not hasattr(self, "_session"):  # half made: a traceback of the constructor shows it
            return "<Journal>"
        state = "open" if self._session is not None and not self._session.closed else "closed"
        return f"<Journal {self.path} {state}>"
