"""Reading journals offline: one or several together, also while one is being written."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from msgspec import Struct

from socialfetch_async._log import logger
from socialfetch_async.errors import JournalError
from socialfetch_async.journal.index import Index, SavedList
from socialfetch_async.journal.lines import (
    HEADER_BEGINS,
    VERSION,
    SavedPage,
    parse,
    parse_page,
    version_of,
)

# The journal of a batch whose output is a folder.
FOLDER_JOURNAL: Final = "followers.journal"

# How a handle can end and go on in another run.
_GO_ON: Final = {"failed", "max_pages", "max_credits", "stopped"}


class SavedHandle(Struct, frozen=True, kw_only=True):
    """One handle as journals have it.

    Attributes:
        handle: As it was spelled first.
        status: `complete`, `missing_cursor`, `hidden`, `private`, `not_found` or another lookup
            status, `failed`, `max_pages`, `max_credits`, `stopped`; `unfinished` when it was
            killed, or is being fetched.
        finished: Whether nothing is left to ask for. So it is with a `failed` list whose cursors
            lead in a circle: every further page would be one that is here.
        cursor: Where to go on; None when it is finished, or at the first page.
        pages: Its pages, each once. `followers`: on them.
        credits_charged: Credits of all its pages, those that were bought twice included.
        total_followers: The API's count, on the page that came last.
        error: Why it failed, if it did.
        first_at: When its first line was written; UTC. `last_at`: its last.
    """

    handle: str
    status: str
    finished: bool
    cursor: str | None
    pages: int
    followers: int
    credits_charged: int
    total_followers: int | None
    error: str | None
    first_at: datetime
    last_at: datetime


class SavedRun:
    """What journals say; made by `read_journal()`. The rows are read when they are asked for.

    Attributes:
        paths: The journals.
        handles: By handle in lower case, and sorted by it.
        credits_charged: Credits confirmed by all pages, those that were bought twice included.
        maybe_charged: Upper bound, in credits, of what else may have been charged.
        written: The files that were written from the journal, by their absolute paths.
        broken_lines: Lines that can not be read and are left out; the log names them.
    """

    def __init__(self, paths: tuple[Path, ...], index: Index, broken_lines: int) -> None:
        self._index = index
        self.paths = paths
        self.handles = {name: _summary(index, saved) for name, saved in sorted(index.lists.items())}
        self.credits_charged = index.ledger.credits_charged
        self.maybe_charged = index.ledger.maybe_charged
        self.written = dict(index.written)
        self.broken_lines = broken_lines

    def pages(self, handle: str | None = None) -> Iterator[SavedPage]:
        """Iterate over the pages, each once: handle after handle, each in the order of its list.

        Pages that its list does not lead to come after the others, the oldest first. Of a page
        that is there twice the one that was saved last comes.

        Args:
            handle: Only the pages of this handle.

        Raises:
            JournalError: A journal was changed, or can no longer be read.
        """
        names = self.handles if handle is None else [handle.strip().removeprefix("@").lower()]
        with ExitStack() as stack:
            files: dict[int, BinaryIO] = {}
            for name in names:
                saved = self._index.lists.get(name)
                for number in self._index.in_order(saved) if saved is not None else ():
                    file, offset, length = self._index.place(number)
                    if file not in files:
                        files[file] = stack.enter_context(_opened(self.paths[file]))
                    yield _page_at(files[file], offset, length, self.paths[file])

    def pending(
        self,
        handles: Iterable[str] | Mapping[str, str | None] | None = None,
        *,
        recheck: bool = False,
    ) -> dict[str, str | None]:
        """Return what is left, as `Journal.pending` does."""
        return self._index.pending(handles, recheck=recheck)

    def __repr__(self) -> str:
        names = ", ".join(map(str, self.paths))
        return (
            f"<SavedRun {names} handles={len(self.handles)} credits_charged={self.credits_charged}>"
        )


def read_journal(*paths: str | os.PathLike[str]) -> SavedRun:
    """Read one journal, or several as one. Nothing is locked, written or repaired.

    A journal that is being written can be read: a last line that is not whole yet is left out.

    Args:
        paths: Journals, or folders that a batch has written.

    Raises:
        JournalError: A file is missing, is not a journal, or one of another version.
        ValueError: No path was given.
    """
    if not paths:
        raise ValueError("no journal was named")
    # The same file twice would cost twice.
    named = [file for path in paths for file in _journals_of(Path(path))]
    files = tuple({os.path.realpath(path): path for path in named}.values())
    index = Index()
    broken_lines = 0
    for number, path in enumerate(files):
        with _opened(path) as file:
            broken = read_lines(file, path, number, index).broken
        index.ledger.opened(0)  # sessions do not go on in another file
        for line in broken:
            logger.warning("%s: line %d is not a line of a journal and is left out", path, line)
        broken_lines += len(broken)
    return SavedRun(files, index, broken_lines)


def _journals_of(path: Path) -> list[Path]:
    """Return the file that is named, or the journals of the folder: of a batch, or its shards."""
    if not path.is_dir():
        return [path]
    if (one := path / FOLDER_JOURNAL).exists():
        return [one]
    for folder in (path / f"{FOLDER_JOURNAL}s", path):
        if shards := sorted(folder.glob("shard-*.journal")):
            return shards
    raise JournalError(
        f"{path} can not be read: it is a folder without {FOLDER_JOURNAL}. Name a journal."
    )


class Tail(NamedTuple):
    """How a journal ends.

    Attributes:
        end: Bytes up to the end of the last good line.
        torn: Bytes behind it, of a line that is not whole.
        unended: The last good line has no line break.
        broken: The numbers of lines before the last good one that can not be read.
    """

    end: int
    torn: int
    unended: bool
    broken: list[int]


def read_lines(file: BinaryIO, path: Path, number: int, index: Index) -> Tail:
    """Count all lines of a journal in, from its beginning.

    A line is torn when it is the last one and has no end, or when it holds NUL bytes and no good
    line follows: file systems leave these where the power went before the data came.

    Args:
        file: The journal.
        path: Its name, for messages.
        number: Which of the index's files it is.
        index: What counts the lines.

    Raises:
        JournalError: It is not a journal, or one of another version.
    """
    offset = end = 0
    broken: list[int] = []
    bad: list[int] = []  # behind the last good line
    torn = ended = True
    for at, text in enumerate(file, 1):
        ended = text.endswith(b"\n")
        if at == 1 and not _is_torn_header(text):
            _check_version(text, path)
        try:
            index.add(parse(text), number, offset, len(text))
        except ValueError:
            bad.append(at)
            torn = torn and (b"\0" in text or not ended)
        else:
            broken += bad
            bad, torn, end = [], True, offset + len(text)
        offset += len(text)
        if not ended:
            break  # a journal that is being written may go on here, in the middle of a line
    if torn:
        return Tail(end, offset - end, unended=not ended and end == offset, broken=broken)
    return Tail(offset, 0, unended=not ended, broken=broken + bad)


def _check_version(first_line: bytes, path: Path) -> None:
    """Refuse what is not a journal of this version, by its first line."""
    version = version_of(first_line)
    if version == VERSION:
        return
    if version is None:
        raise JournalError(
            f"{path} is not a journal: its first line is not the header of one. It was left as it "
            "is; name another file."
        )
    raise JournalError(
        f"{path} is a journal of version {version}; this socialfetch-async knows version "
        f"{VERSION}. It was left as it is: use a socialfetch-async that knows it."
    )


def _is_torn_header(text: bytes) -> bool:
    if text.endswith(b"\n"):
        return False
    begun = text.rstrip(b"\0")
    return bool(begun) and begun[: len(HEADER_BEGINS)] == HEADER_BEGINS[: len(begun)]


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=1 << 16)
    except OSError as error:
        raise JournalError(f"{path} can not be read: {error.strerror}.") from None


def _page_at(file: BinaryIO, offset: int, length: int, path: Path) -> SavedPage:
    try:
        file.seek(offset)
        return parse_page(file.read(length))
    except OSError as error:
        raise JournalError(f"{path} can not be read: {error.strerror}.") from None
    except ValueError:
        raise JournalError(
            f"{path} was changed while it was read: there is no page at byte {offset} any more."
        ) from None


def _summary(index: Index, saved: SavedList) -> SavedHandle:
    chain = index.chain(saved)
    done = saved.done
    # A page after the line means that another session went on.
    last = done if done is not None and done.at.timestamp() >= saved.page_at else None
    status, error = chain.ended, None
    if status is None:
        status = "unfinished"
        if last is not None and last.status in _GO_ON:
            status, error = last.status, last.error
    elif status == "failed":
        error = (last and last.error) or "its cursors lead in a circle"
    return SavedHandle(
        handle=saved.handle,
        status=status,
        finished=chain.ended is not None,
        cursor=chain.cursor if chain.ended is None else None,
        pages=len(saved.pages),
        followers=saved.followers,
        credits_charged=saved.credits,
        total_followers=saved.total,
        error=error,
        first_at=datetime.fromtimestamp(saved.first_at, UTC),
        last_at=datetime.fromtimestamp(saved.last_at, UTC),
    )
