"""What journals hold, offline: one or several together, also while one is being written."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Self

from msgspec import Struct

from socialfetch_async import _arguments as arguments
from socialfetch_async.errors import JournalError
from socialfetch_async.events import UNFINISHED
from socialfetch_async.journal.first_seen import FirstSeen, Seen
from socialfetch_async.journal.index import WHOLE, Balance, Index, List, Reading, SavedList
from socialfetch_async.journal.lines import SavedPage, parse_page, unavailable, without
from socialfetch_async.journal.plan import GUARDS, Refresh, Step, Wanted, left, plan
from socialfetch_async.journal.scan import (
    journals_of,
    opened,
    read_files,
    refuse_origins,
    shards_folder,
)

_FILES: Final = 16  # open at the same time


class SavedReading(Struct, frozen=True, kw_only=True):
    """One pass over a list from its top.

    Attributes:
        name: Readings sort by it in the order in which they began.
        began_at: When its first page was saved; UTC. `last_at`: its last.
        ended: How the list ended, as a status; None when the reading is not finished.
        joined: The older readings whose pages follow, the newest first: it was read from its top
            only until a page had no new follower.
        total_followers: The API's count on its last page.
        set_aside: Whether it looks cut short, so that the one before stays the current list: it
            has less than 90 % of the API's count, and of the followers of the one before, which
            had more of the API's count.
    """

    name: str
    began_at: datetime
    last_at: datetime
    ended: str | None
    joined: tuple[str, ...]
    total_followers: int | None
    set_aside: bool = False


class SavedHandle(Struct, frozen=True, kw_only=True):
    """One handle as journals have it: its current list.

    That is the latest complete reading, or the latest reading that was joined to an older one;
    without one, what an unfinished reading has.

    Attributes:
        handle: As it was spelled first.
        status: `complete`, `missing_cursor`, `hidden`, `private`, `not_found` or another lookup
            status, `failed`, `max_pages`, `max_followers`, `max_credits`, `stopped`;
            `unfinished` when it was killed, or is being fetched.
        finished: Whether nothing is left to request. A `failed` list whose cursors repeat is
            finished too: every further page would be one that is here.
        cursor: The cursor to resume from; None if it is finished, or at the first page.
        pages: Its pages, each once. `followers`: on them.
        credits_charged: Credits of all its pages in all readings.
        total_followers: The API's count, on the page of the list that came last.
        lookup_status: The vendor's outcome: `found`, `private` ...; None without pages.
        error: Why it failed, if it did.
        reason: `repeated_cursor`, `no_progress`, `empty_pages`, or `refused` when the API
            refused a cursor that it had given.
        first_at: When its first line was written; UTC. `last_at`: its last.
        read_at: When the newest page of the current list was saved: how old the list is. None
            without pages.
        gone: The vendor's outcome when it was looked up last, if the profile has no list any
            more: `private`, `not_found` ... The list that was read before is kept.
        set_aside: Whether a later reading ended, but was set aside, as it looks cut short.
    """

    handle: str
    status: str
    finished: bool
    cursor: str | None
    pages: int
    followers: int
    credits_charged: int
    total_followers: int | None
    lookup_status: str | None
    error: str | None
    reason: str | None
    first_at: datetime
    last_at: datetime
    read_at: datetime | None
    gone: str | None = None
    set_aside: bool = False


class SavedRun:
    """The contents of journals; made by `read_journal()`. Rows are read when they are used.

    Attributes:
        paths: The journals.
        handles: By handle in lower case, and sorted by it.
        asked: How many handles the job has; None if that is not known.
        credits_charged: Credits confirmed by all pages, those that were bought twice included.
        maybe_charged: Upper bound, in credits, of what else may have been charged.
        retries: Further attempts after a failure, in all sessions that ended in an
            orderly way.
        balances: The account's balance when jobs opened and closed, with the credits that were
            confirmed by then.
        changed_at: When what an export holds changed last; UTC.
        origin: The API that the pages come from: scheme, host, port and path.
        index: What the lines add up to, for the plan.
        broken_lines: Lines that cannot be read and are left out; the log names them.
    """

    def __init__(self, paths: tuple[Path, ...], index: Index, broken_lines: int) -> None:
        self.index = index
        self.paths = paths
        self.handles = {name: _summary(index, saved) for name, saved in sorted(index.lists.items())}
        self.asked = index.handles
        self.credits_charged = index.ledger.credits_charged
        self.maybe_charged = index.ledger.maybe_charged
        self.retries = index.retries
        self.balances: tuple[Balance, ...] = tuple(index.balances)
        self.changed_at = index.changed
        self.origin = index.origin
        self.broken_lines = broken_lines

    def pages(
        self, handle: str | None = None, *, reading: str | None = None
    ) -> Iterator[SavedPage]:
        """Iterate over the current lists, page by page: handle after handle, each in its order.

        A follower that a newer reading has as well is only on the page of the newest one. Pages
        that an unfinished list does not lead to come after the others, the oldest first. Of a
        page that is there twice the one that was saved last comes.

        Args:
            handle: Only the list of this handle.
            reading: The list as this reading of it left it, instead of the current one.

        Raises:
            JournalError: A journal was changed, or can no longer be read.
        """
        names = self.handles if handle is None else [handle.strip().removeprefix("@").lower()]
        with _Files(self.paths) as files:
            for name in names:
                saved = self.index.lists.get(name)
                if saved is None:
                    continue
                found = self.index.current(saved)
                if reading is not None:
                    one = saved.readings.get(reading)
                    found = None if one is None else self.index.list_of(saved, one)
                if found is not None:
                    yield from _pages(self.index, saved, found, files)

    def readings(self, handle: str) -> tuple[SavedReading, ...]:
        """Return the readings of a list, the oldest first, unfinished ones included."""
        saved = self.index.lists.get(handle.strip().removeprefix("@").lower())
        if saved is None:
            return ()
        lists = [
            self.index.list_of(saved, one) for _, one in sorted(saved.readings.items()) if one.pages
        ]
        complete = [found for found in lists if found.ended == "complete"]
        trusted = {found.reading.name for found in self.index.trusted(complete)}
        return tuple(
            _reading(
                found, set_aside=found.ended == "complete" and found.reading.name not in trusted
            )
            for found in lists
        )

    def pending(
        self, handles: Iterable[str] | Mapping[str, str | None] | None = None
    ) -> dict[str, str | None]:
        """Return what is left, as `Journal.pending` does."""
        return pending_of(self.index, None if handles is None else arguments.starts(handles)[0])

    @classmethod
    def empty(cls) -> "SavedRun":
        """Return what no journal says."""
        return cls((), Index(), 0)

    def stored(self, number: int) -> SavedPage:
        """Return a page by its number in the index."""
        return page_at(self.index.place(number), self.paths)

    def refuse_other(self, url: str) -> None:
        """Refuse an API that the pages do not come from, by its base URL.

        Raises:
            JournalError: They come from another one.
        """
        for path in self.paths[:1]:
            refuse_origins(path, self.origin, arguments.origin(url))

    @property
    def is_one_batch(self) -> bool:
        """Whether all journals are of one batch: its own, and those of its shards."""
        folders = {path.parent for path in self.paths[1:]}
        return folders <= {shards_folder(path) for path in self.paths[:1]}

    @property
    def price(self) -> int:
        """Credits of the dearest page, at least 1."""
        return self.index.ledger.price

    def new_rows(self, handle: str, reading: str) -> int:
        """Return how many followers a reading brought that the one it was joined to lacks."""
        saved = self.index.lists.get(handle.lower())
        one = None if saved is None else saved.readings.get(reading)
        return 0 if one is None else self.index.new_rows(one.pages.values())

    def rows_per_page(self, handle: str) -> int | None:
        """Return how many followers most pages of a list have; None without any."""
        saved = self.index.lists.get(handle.lower())
        found = None if saved is None else self.index.current(saved)
        return None if found is None else self.index.rows_per_page(found)

    def plan(self, starts: Mapping[str, str | None], wanted: Wanted) -> dict[str, Step]:
        """Return what a batch would do for each handle."""
        return plan(self.index, starts, wanted)

    def work(self, refresh: Refresh | None = None) -> str | None:
        """Return the name of the work to continue; None for a new one."""
        return self.index.work(refresh)

    def is_open(self, work: str | None) -> bool:
        """Return whether a piece of work was begun, and is not said to be finished."""
        state = None if work is None else self.index.works.get(work)
        return state is not None and not state.finished

    def spent(self, work: str | None, refresh: Refresh | None = None) -> int:
        """Return what a piece of work may have cost at most, in credits, in all runs."""
        return self.index.spent(work, refresh)

    def __repr__(self) -> str:
        if not hasattr(self, "origin"):  # half made: a traceback of the constructor shows it
            return "<SavedRun>"
        names = ", ".join(map(str, self.paths))
        handles, credits_ = len(self.handles), self.credits_charged
        return f"<SavedRun {names} handles={handles} credits_charged={credits_}>"


def pending_of(index: Index, starts: Mapping[str, str | None] | None) -> dict[str, str | None]:
    """Return what is left of some handles, or of all, with the cursors to go on from."""
    if starts is None:
        starts = dict.fromkeys((saved.handle for saved in index.lists.values()), None)
    return left(plan(index, starts, Wanted("")))


def page_at(place: tuple[int, int, int], paths: tuple[Path, ...]) -> SavedPage:
    """Return the page at a place in one of several files."""
    with _Files(paths) as files:
        return files.page(place)


class _Files:
    """The journals that pages are read from, not too many of them open at the same time."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths
        self._open: dict[int, BinaryIO] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def page(self, place: tuple[int, int, int]) -> SavedPage:
        """Return the page at a place."""
        number, offset, length = place
        file = self._open.pop(number, None)
        if file is None:
            if len(self._open) >= _FILES:
                self._open.pop(next(iter(self._open))).close()
            file = opened(self.paths[number])
        self._open[number] = file  # the one used last comes last
        return _page_at(file, offset, length, self.paths[number])


def _pages(index: Index, saved: SavedList, found: List, files: _Files) -> Iterator[SavedPage]:
    """Yield the pages of a list, each follower once where readings were joined."""
    older = [one for _, one in sorted(saved.readings.items()) if one.name < found.reading.name]
    numbers = [number for _, pages in found.parts for number in pages]
    numbers += index.strays(found)
    if not any(one.pages for one in older):
        yield from map(files.page, map(index.place, numbers))
        return
    ends = len(numbers) - len(found.parts[-1][1]) - len(index.strays(found))
    newer = {name for n in numbers[:ends] for name in files.page(index.place(n)).names()}
    first = _first_seen(index, found, older, newer, files.paths)
    before: set[str] = set()
    for pages in _by_reading(index, found):
        here: set[str] = set()
        for number in pages:
            page = files.page(index.place(number))
            names = page.names()
            here.update(newer.intersection(names))
            yield without(page, before.intersection(names), first)
        before |= here


def _by_reading(index: Index, found: List) -> Iterator[list[int]]:
    *newer, (_, oldest) = found.parts
    yield from (pages for _, pages in newer)
    yield [*oldest, *index.strays(found)]


def _first_seen(
    index: Index, found: List, older: list[Reading], newer: set[str], paths: tuple[Path, ...]
) -> FirstSeen:
    """Return when followers of a list were first seen, where an older reading had them.

    Of the readings that it was joined from only those that stand on newer pages count: the
    others are on the oldest page that has them.
    """
    parts = {reading.name for reading, _ in found.parts}

    def pages() -> Seen:
        with _Files(paths) as files:
            for reading in older:
                for number in reading.pages.values():
                    names = files.page(index.place(number)).names()
                    shown = newer.intersection(names) if reading.name in parts else names
                    yield shown, index.at(number)

    rows = [index.rows(one.pages.values()) for one in older if one.name not in parts]
    return FirstSeen(pages, max(rows, default=len(newer)))


def read_journal(*paths: str | os.PathLike[str]) -> SavedRun:
    """Read one journal, or several as one. Nothing is locked, written or repaired.

    A journal that is being written can be read: a last line that is not whole yet is left out.

    Args:
        paths: Journals, or folders that a batch has written. With the journal of a batch comes
            what workers of a cluster bought for it.

    Raises:
        JournalError: A file is missing, is not a journal, or one of another version; or the
            journals have pages of different APIs.
        ValueError: No path was given.
    """
    if not paths:
        raise ValueError("no journal was named")
    # The same file twice would cost twice.
    named = [file for path in paths for file in journals_of(Path(path))]
    files = tuple({os.path.realpath(path): path for path in named}.values())
    index = Index()
    broken_lines = read_files(files, index)
    return SavedRun(files, index, broken_lines)


def _page_at(file: BinaryIO, offset: int, length: int, path: Path) -> SavedPage:
    try:
        file.seek(offset)
        return parse_page(file.read(length))
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise JournalError(
            f"{path} was changed while it was read: there is no page at byte {offset} any more."
        ) from None


def _reading(found: List, *, set_aside: bool) -> SavedReading:
    return SavedReading(
        name=found.reading.name,
        began_at=datetime.fromtimestamp(found.reading.first_at, UTC),
        last_at=datetime.fromtimestamp(found.reading.page_at, UTC),
        ended=found.ended,
        joined=tuple(reading.name for reading, _ in found.parts[1:]),
        total_followers=found.reading.total,
        set_aside=set_aside,
    )


def _summary(index: Index, saved: SavedList) -> SavedHandle:
    found = index.current(saved)
    if found is None:  # a handle line that names no reading
        found = List([(Reading(""), [])], None, None)
    base, strays = found.base, index.strays(found)
    if strays and not found.parts[-1][1]:
        # It begins at a cursor: how it ended from there is said.
        root = next(cursor for cursor, number in base.pages.items() if number == strays[0])
        found = index.list_of(saved, base, root)
        strays = index.strays(found)
    done = base.done
    # A page after the line means that another session went on.
    last = done if done is not None and done.at.timestamp() >= base.page_at else None
    status, error, reason = found.ended, None, None
    lookup_status = "found"
    if status is None:
        status = "unfinished"
        if last is not None and last.status in UNFINISHED:
            status, error, reason = last.status, last.error, last.reason
    elif status == "failed":
        error = (last and last.error) or "its cursors lead in a circle"
        reason = "repeated_cursor"
    elif status not in WHOLE:
        status, lookup_status = unavailable(status)
    finished = found.ended is not None or reason in GUARDS
    pages = found.pages + len(strays)
    read_at = max(map(index.at, [*found.parts[0][1], *strays]), default=None)
    return SavedHandle(
        handle=saved.handle,
        status=status,
        finished=finished,
        cursor=None if finished else found.cursor,
        pages=pages,
        followers=index.followers(found) + index.rows(strays),
        credits_charged=saved.credits,
        total_followers=found.reading.total,
        lookup_status=lookup_status if pages else None,
        error=error,
        reason=reason,
        first_at=datetime.fromtimestamp(saved.first_at, UTC),
        last_at=datetime.fromtimestamp(saved.last_at, UTC),
        read_at=None if read_at is None else datetime.fromtimestamp(read_at, UTC),
        gone=_gone(index, saved, found),
        set_aside=found.ended in WHOLE
        and any(
            index.list_of(saved, one).ended in WHOLE
            for one in saved.readings.values()
            if one.pages and one.name > found.reading.name
        ),
    )


def _gone(index: Index, saved: SavedList, current: List) -> str | None:
    """Return why a profile has no list any more, where that of an older reading is kept."""
    if current.ended not in WHOLE and not index.followers(current):
        return None
    began = current.reading.page_at
    later = [one for one in saved.readings.values() if one.pages and one.page_at > began]
    latest = max(later, key=lambda one: one.page_at, default=None)
    ended = None if latest is None else index.list_of(saved, latest).ended
    if ended is None or ended in {*WHOLE, "failed"}:
        return None
    return unavailable(ended)[1]
