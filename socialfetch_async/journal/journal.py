"""Journal: the pages of a batch on disk before anything else happens with them."""

import os
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from socialfetch_async._log import logger
from socialfetch_async.errors import JournalError
from socialfetch_async.events import HandleDone
from socialfetch_async.journal.file import AppendOnly, free_bytes
from socialfetch_async.journal.index import Index
from socialfetch_async.journal.lines import WrittenFile
from socialfetch_async.journal.reading import SavedRun
from socialfetch_async.journal.recording import Session
from socialfetch_async.journal.writer import FreeBytes, Fsync, Writer
from socialfetch_async.models import FollowersPage
from socialfetch_async.run import FollowersRun


class Journal:
    """The page journal of a batch: checkpoint, ledger and result in one append-only file.

        with Journal("followers.journal") as journal:
            async with client.iter_followers_many(journal.pending(handles)) as run:
                async for event in journal.record(run):
                    ...

    The same program again goes on where it ended and buys only what is missing. The `with` opens
    the file, or makes it, locks it against a second process, drops a torn last line and reads
    what is there, before anything is sent. It stands outside the run's `async with`, so that it
    sees how the run ended.

    After a hard kill at most `concurrency` pages are bought again. What a loss of power can take
    besides is what was not synced: with `fsync="second"` the lines of about the last second.

    Args:
        path: The file. It holds every follower with every field that came, and no key.
        fsync: When lines are synced to the disk: after each (`page`), once a second and at the
            end (`second`), or when the operating system likes (`never`).

    Attributes:
        path: The file.

    Raises:
        JournalError: From the `with`: the file can not be written, is locked, is no journal or
            one of another version, has a broken line in the middle, or the disk is full. At its
            end: what was written last did not arrive on the disk.
        ValueError: `fsync` is not one of the three.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: Fsync = "second",
        _free_bytes: FreeBytes = free_bytes,
    ) -> None:
        if fsync not in {"page", "second", "never"}:
            raise ValueError(f'fsync is "page", "second" or "never", not {fsync!r}')
        self.path = Path(path)
        self._fsync: Fsync = fsync
        self._free_bytes = _free_bytes
        self._index = Index()
        self._session: Session | None = None

    def __enter__(self) -> Self:
        if self._session is not None:
            raise RuntimeError("a journal is opened once: make another Journal of the same path")
        index = Index()
        writer = Writer(
            AppendOnly(self.path), index, fsync=self._fsync, free_bytes=self._free_bytes
        )
        try:
            writer.begin()
        except OSError as error:
            writer.close()
            raise JournalError(
                f"{self.path} can not be used: {error.strerror}. Nothing was sent."
            ) from None
        except BaseException:
            writer.close()
            raise
        self._index = index
        self._session = Session(writer, index.ledger)
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

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise RuntimeError("open the journal first: with Journal(path) as journal: ...")
        return self._session

    def pending(
        self,
        handles: Iterable[str] | Mapping[str, str | None] | None = None,
        *,
        recheck: bool = False,
    ) -> dict[str, str | None]:
        """Return what is left, with the cursor to go on from: what `iter_followers_many` takes.

        `complete`, `missing_cursor` and unavailable profiles are finished; `failed`, `stopped`,
        `max_pages` and `max_credits` go on. So does a list whose last page is not here, whatever
        its status says. A list whose cursors lead in a circle is not asked for again.

        Args:
            handles: The handles of the batch, or a mapping of handle to start cursor, compared
                as `iter_followers_many` compares them. None: the handles that are in the journal.
            recheck: Ask unavailable profiles, and lists that lead in a circle, for their last
                page once more.

        Raises:
            InvalidHandleError: One of the handles can not be one.
            ValueError: An empty cursor.
            TypeError: An argument of another type.
        """
        _ = self._open
        return self._index.pending(handles, recheck=recheck)

    @property
    def credits_charged(self) -> int:
        """Credits confirmed by all pages in the journal, those bought twice included."""
        _ = self._open
        return self._index.ledger.credits_charged

    @property
    def maybe_charged(self) -> int:
        """Upper bound, in credits, of what else may have been charged.

        That is what failed attempts may have cost, and, for a process that was killed, the
        `concurrency` pages that may have been on their way. What is on its way now counts, too.
        """
        return self._open.maybe_charged

    def saved(self) -> SavedRun:
        """Return what is in the journal now, as `read_journal` would read it."""
        _ = self._open
        return SavedRun((self.path,), self._index, 0)

    def note_written(self, path: Path, size: int, digest: str, options: str = "") -> None:
        """Keep which file was written from the journal, so that it is known again."""
        writer = self._open.writer
        line = WrittenFile(
            at=writer.now(), path=str(path.absolute()), size=size, digest=digest, options=options
        )
        writer.write(line)

    def record(self, run: FollowersRun) -> AsyncIterator[FollowersPage | HandleDone]:
        """Iterate over a run whose events are written when they arrive, before they are seen.

        When the disk is nearly full, or writing fails, the run is stopped; what is paid for still
        comes, and is written as far as that is possible.

        Raises:
            RuntimeError: The journal is not open.
            TypeError: It is a run over another list: a journal holds followers.

        The iteration itself raises what the iteration over the run raises, and, after its last
        event, `JournalError` if writing failed: how many pages could not be kept.
        """
        if not isinstance(run, FollowersRun):
            raise TypeError(f"a journal records a FollowersRun, not {type(run).__name__}")
        return self._open.record(run)

    def __repr__(self) -> str:
        state = "open" if self._session is not None and not self._session.closed else "closed"
        return f"<Journal {self.path} {state}>"
