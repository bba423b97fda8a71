"""Writing lines so that none is half there, none is written over a gap, and a full disk is seen."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from socialfetch_async._log import logger
from socialfetch_async._text import count
from socialfetch_async.errors import JournalError
from socialfetch_async.journal.file import AppendOnly
from socialfetch_async.journal.index import Index
from socialfetch_async.journal.lines import (
    Header,
    OtherLine,
    PageFields,
    PageLine,
    encode,
)
from socialfetch_async.journal.scan import read_lines, refuse_origins

Fsync = Literal["page", "second", "never"]
FreeBytes = Callable[[int], int | None]
Written = OtherLine | PageLine

_SMALLEST_ROOM: Final = 64 * 1024  # bytes that a page may need, until larger ones were seen


class Writer:
    """Appends lines to a journal and counts them in.

    A line that cannot be written waits, with all that come after it, until one can: a page is
    never missing in the middle of its list. The first failure is told to `on_failure`.

    Attributes:
        path: The file.
        failure: A sentence on the first thing that went wrong; None while nothing has.
        concurrency: Pages that may be on their way, and will want to be written.
        on_failure: What to call then.
    """

    def __init__(
        self, file: AppendOnly, index: Index, *, fsync: Fsync, free_bytes: FreeBytes
    ) -> None:
        self._file = file
        self._index = index
        self._fsync = fsync
        self._free_bytes = free_bytes
        self._waiting: deque[Written] = deque()
        self._unsynced = False
        self._header_only = 0  # bytes of a file that has a header of ours and nothing else
        self._lost = False  # the file is not where it was
        self._kept = "Every page that was paid for is in the file."
        self._advice = "See to the disk and run the same again: it goes on from there."
        self.path = file.path
        self.failure: str | None = None
        self.concurrency = 1
        self.on_failure: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Read what is there, cut a torn line off, and give a new file its header.

        Raises:
            JournalError: The file is not to be written to. It was left as it is.
            OSError: It cannot be read or written.
        """
        file = self._file
        with file.reader() as content:
            tail = read_lines(content, file.path, 0, self._index)
        if tail.broken:
            raise JournalError(
                f"{file.path}: line {tail.broken[0]} is not a line of a journal, so nothing is "
                "written behind it, and no request was sent. Reading and exporting leave that line "
                "out. To resume, delete the line in a copy and use the copy."
            )
        self._refuse_full_disk()
        if tail.torn:
            logger.warning(
                "%s: the last %d bytes are a line that was not written to its end; they are cut "
                "off. If it was a page, that page is bought again.",
                file.path,
                tail.torn,
            )
            file.cut(tail.end)
        file.end = tail.end
        if tail.unended:
            file.append([b"\n"])
        if not file.end:
            self._write_header(None)
            if self._fsync != "never":
                file.sync()
                file.sync_folder()

    def _write_header(self, origin: str | None) -> None:
        header = Header(at=self.now(), origin=origin)
        self._index.add(header, 0, *self._file.append(encode(header)))
        self._header_only = self._file.end

    def name_origin(self, origin: str | None) -> None:
        """Say in the header which API the pages come from.

        Raises:
            JournalError: It has pages of another API.
            OSError: It cannot be written.
        """
        file, index = self._file, self._index
        if index.origin is None and file.end == self._header_only and not self._waiting:
            file.cut(0)
            self._write_header(origin)
        elif origin is not None and index.origin not in {None, origin} and not index.paid:
            self._write_header(origin)  # the one before was mistyped, or never answered
        refuse_origins(file.path, index.origin, origin)

    def _refuse_full_disk(self) -> None:
        free, needed = self._free_bytes(self._file.fd), self._room()
        if free is not None and free < needed:
            raise JournalError(
                f"{self._file.path}: the disk is full, {free:,} bytes are free and {needed:,} are "
                "needed. No request was sent. Make room, or name a file on another disk."
            )

    def _room(self) -> int:
        return (self.concurrency + 1) * max(_SMALLEST_ROOM, 2 * self._index.largest)

    def now(self) -> datetime:
        """Return the time, always later than that of the last line: clocks are set back."""
        return max(datetime.now(UTC), self._index.latest + timedelta.resolution)

    def write(self, line: Written) -> None:
        """Append a line, or keep it until that is possible. Never raises."""
        self._waiting.append(line)
        self.flush()

    def flush(self) -> None:
        """Append what waits; it stops at the first line that cannot be written."""
        while self._waiting:
            line = self._waiting[0]
            try:
                offset, length = self._file.append(encode(line))
            except OSError as error:
                self._fail(f"a line could not be written ({error.strerror}).")
                return
            self._waiting.popleft()
            self._index.add(line, 0, offset, length)
            self._unsynced = True
        self._watch()
        if self._fsync == "page":
            self.sync()
        free = self._free_bytes(self._file.fd)
        if free is not None and free < self._room():
            self._fail(f"the disk is nearly full, {free:,} bytes are free.")

    def _watch(self) -> None:
        """Find out whether the file was moved, replaced or deleted."""
        if self._lost or self._file.is_there():
            return
        self._lost = True
        path = self._file.path
        try:
            where = self._file.rescue()
        except (OSError, JournalError) as error:
            self._kept = "Its pages are lost, and will be bought again."
            self._advice = f"Cause: {error}"
            self._fail("it was deleted while it was written, and could not be put back.")
            return
        if where == path:
            self._advice = "Run the same again: it goes on from there."
            self._fail("it was deleted while it was written, and has been put back.")
        else:
            self._advice = f"Move it to {path} and run the same again: it goes on from there."
            name = "another name, which cannot be found out" if where is None else str(where)
            self._fail(f"it was moved, replaced or deleted while it was written. It is {name} now.")

    def sync(self) -> None:
        """Have what was written survive the power going. Never raises."""
        if self._unsynced and self._fsync != "never":
            try:
                self._file.sync()
            except OSError as error:
                self._fail(f"the disk did not confirm what was written ({error.strerror}).")
            self._unsynced = False

    def _fail(self, what: str) -> None:
        if self.failure is None:
            self.failure = f"{self._file.path}: {what} The run was stopped."
            self.on_failure()

    @property
    def unsaved(self) -> list[PageFields]:
        """The pages that could not be written yet."""
        return [line.fields for line in self._waiting if isinstance(line, PageLine)]

    @property
    def settled(self) -> bool:
        """Whether every line is written."""
        return not self._waiting

    def error(self) -> JournalError:
        """Return what to raise for the failure."""
        lost = len(self.unsaved)
        kept = self._kept
        if lost:
            was = "was" if lost == 1 else "were"
            kept = (
                f"{count(lost, 'page')} that {was} paid for could not be kept and will be bought "
                "again; all others are in the file."
            )
        return JournalError(f"{self.failure} {kept} {self._advice}")

    def close(self) -> None:
        """Close and unlock the file. Lines that still wait are lost."""
        self._file.close()
