"""What the lines of journals add up to: the readings of each list, page by page, and the files."""

from array import array
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from statistics import median_high
from typing import Final, Literal, NamedTuple

from socialfetch_async._protocol.ending import is_short
from socialfetch_async.journal.ledger import Ledger
from socialfetch_async.journal.lines import (
    BalanceLine,
    Close,
    Finished,
    HandleLine,
    Header,
    Kind,
    Line,
    MaybeCharged,
    Open,
    PageFields,
    PageHead,
    PageLine,
    Settled,
    Unread,
    Work,
    WrittenFile,
    page_of,
)

_FILE_BITS: Final = 48  # of a place, for the offset: 256 TiB

# How a list can end that has pages, the best end first; any other end has no list.
WHOLE: Final = ("complete", "missing_cursor")
CAPS: Final = {"max_pages", "max_followers"}


class Ended(NamedTuple):
    """In the place of a next cursor: the list ends on this page."""

    status: str


class Met(NamedTuple):
    """In the place of a next cursor: an older reading goes on behind this page."""

    reading: str
    cursor: str | None
    status: str | None


class Reading:
    """One walk of a list from its top: its pages by cursor, as numbers of rows in the index.

    Attributes:
        name: Readings sort by it in the order in which they began.
        done: Its `handle` line that came last. `capped`: one of them said that a cap ended it.
        first_at: When its first page was saved, in seconds of the epoch; `page_at`: its last.
        total: The API's count on the page that came last.
    """

    __slots__ = ("capped", "done", "first_at", "name", "next_cursor", "page_at", "pages", "total")

    def __init__(self, name: str) -> None:
        self.name = name
        self.pages: dict[str | None, int] = {}
        self.done: HandleLine | None = None
        self.capped = False
        self.first_at = self.page_at = 0.0
        self.total: int | None = None
        self.next_cursor: str | None = None


class SavedList:
    """The readings of one handle, by their names.

    Attributes:
        handle: As it was spelled first.
        credits: Of all its pages, those bought twice counted twice.
        first_at: Its first line, in seconds of the epoch; `last_at`: its last.
    """

    __slots__ = ("credits", "first_at", "handle", "last_at", "readings")

    def __init__(self, handle: str, at: float) -> None:
        self.handle = handle
        self.readings: dict[str, Reading] = {}
        self.credits = 0
        self.first_at = self.last_at = at

    def seen(self, handle: str, at: float) -> None:
        """Count a line in."""
        if at > self.last_at:
            self.last_at = at
        elif at < self.first_at:
            self.handle, self.first_at = handle, at

    def reading(self, name: str) -> Reading:
        """Return a reading; begin it if it is not there."""
        found = self.readings.get(name)
        if found is None:
            found = self.readings[name] = Reading(name)
        return found


class Chain(NamedTuple):
    """The pages of a reading from a start on, each leading to the next.

    Attributes:
        pages: Their numbers in the index.
        cursor: Where to go on; when it has ended, the page that ended it.
        ended: How it ended: `complete`, `missing_cursor`, a lookup status, or `failed` when its
            cursors lead in a circle; None when it goes on.
        met: The older reading that goes on behind the last page.
    """

    pages: list[int]
    cursor: str | None
    ended: str | None
    met: str | None = None


class List(NamedTuple):
    """A list as a reading left it: its own pages, then those of the readings that it met.

    Attributes:
        parts: The readings, the newest first, each with its pages.
        cursor: Where to go on, in the oldest of them; when it has ended, the page that ended it.
        ended: As that of a chain; None when it goes on.
    """

    parts: list[tuple[Reading, list[int]]]
    cursor: str | None
    ended: str | None

    @property
    def reading(self) -> Reading:
        """The newest reading."""
        return self.parts[0][0]

    @property
    def base(self) -> Reading:
        """The oldest one, in which the list goes on."""
        return self.parts[-1][0]

    @property
    def pages(self) -> int:
        """How many pages it has."""
        return sum(len(pages) for _, pages in self.parts)


class WorkState:
    """A piece of work: the first collection, or a refresh."""

    __slots__ = ("finished", "handles", "kind", "name")

    def __init__(self, name: str, kind: Kind) -> None:
        self.name = name
        self.kind: Kind = kind
        self.handles: int | None = None
        self.finished = False


class Balance(NamedTuple):
    """The account's balance, and what the journal had confirmed, and not confirmed, by then."""

    at: datetime
    balance: int
    credits_charged: int
    maybe_charged: int


class Index:
    """Everything the lines say but the rows, which stay on the disk.

    Attributes:
        lists: By handle in lower case.
        works: By name.
        ledger: The credits.
        origin: The API that the pages came from; None if no header said. `mixed`: they came from
            different ones. `paid`: there is an answer of one.
        handles: How many handles were asked for, at last; None if nobody said.
        balances: In the order of their lines.
        retries: Of all sessions that have an end.
        latest: The time of the last line. `changed`: of the last that changes an export.
        largest: Bytes of the longest line.
        written: The files that were written from the journal, by path, the newest first. Two of
            each: a kill may leave the older one in its place.
    """

    def __init__(self) -> None:
        self.lists: dict[str, SavedList] = {}
        self.works: dict[str, WorkState] = {}
        self.ledger = Ledger()
        self.origin: str | None = None
        self.mixed = self.paid = False
        self.handles: int | None = None
        self.balances: list[Balance] = []
        self.retries = 0
        self.latest = self.changed = self._asked_at = datetime.fromtimestamp(0, UTC)
        self.largest = 0
        self.written: dict[str, list[WrittenFile]] = {}
        # A row for each page, in columns: as objects they would take twice the memory.
        self._then: list[str | Ended | Met] = []
        self._at = array("d")
        self._place = array("q")
        self._length = array("I")
        self._rows = array("I")
        self._new = array("i")  # -1 where the whole list is read
        self._finished: set[str] = set()  # works, by name
        self._endings: dict[str, Ended] = {}

    def add(self, line: Line | PageLine | None, file: int, offset: int, length: int) -> None:
        """Count a line in.

        Args:
            line: What it says; None for a type that is not known.
            file: The number of its file.
            offset: Where it begins, in bytes.
            length: How long it is, in bytes.
        """
        place = file << _FILE_BITS | offset
        match line:
            case PageLine():
                self._add_page(line.fields, line.rows, place, length)
            case PageHead():
                rows = max(0, len(line.answer.data.followers) - line.invalid_rows)
                self._add_page(line, rows, place, length)
            case HandleLine():
                self._add_handle(line)
            case Unread():
                self._add_unread(line, place, length)
            case Work():
                self._add_work(line)
            case Finished():
                self._finished.add(line.work)
                if line.work in self.works:
                    self.works[line.work].finished = True
            case WrittenFile():
                self.written[line.path] = [line, *self.written.get(line.path, [])[:1]]
            case Header():
                self._add_header(line)
            case _:
                self._add_money(line)
        if line is not None:
            self.latest = max(self.latest, line.at)
        self.largest = max(self.largest, length)

    def _add_header(self, line: Header) -> None:
        self.origin, before = line.origin or self.origin, self.origin
        if before not in {None, self.origin}:
            self.mixed |= self.paid
            self.balances.clear()  # of an account there

    def _add_money(self, line: Line | None) -> None:
        match line:
            case Open():
                concurrency = 1 if line.concurrency is None else line.concurrency
                self.ledger.opened(concurrency, line.work)
                if line.work is not None and line.kind is not None:
                    self._work(line.work, line.kind)
            case MaybeCharged():
                self.ledger.noted(line.maybe_charged)
            case Close():
                self.ledger.closed(line.maybe_charged)
                self.retries += line.retries
            case Settled():
                self.ledger.settle(line.maybe_charged)
            case BalanceLine():
                charged, maybe = line.credits_charged, line.maybe_charged
                if charged is None:
                    charged, maybe = self.ledger.credits_charged, self.ledger.maybe_charged
                self.balances.append(Balance(line.at, line.balance, charged, maybe))
            case _:
                pass

    def _add_page(self, page: PageFields, rows: int, place: int, length: int) -> None:
        """Keep the page; of two with the same cursor, the one that was saved last."""
        at = page.at.timestamp()
        saved = self._list(page.handle, at)
        reading = saved.reading(page.reading)
        number = reading.pages.get(page.cursor)
        if number is not None and self._at[number] == at:
            return  # the same line, from a copy: no two lines of a journal have the same time
        self.paid = True
        saved.credits += page.credits_charged
        self.ledger.paid(page.credits_charged)
        self.changed = max(self.changed, page.at)
        if at >= reading.page_at:
            reading.page_at, reading.total = at, page.total_followers
        if at < reading.first_at or not reading.pages:
            reading.first_at = at
        new = -1 if page.new_rows is None else page.new_rows
        if number is None:
            # The cursor is most often the next cursor of the page before: one string for both.
            same = page.cursor == reading.next_cursor
            reading.pages[reading.next_cursor if same else page.cursor] = len(self._at)
            self._then.append(self._behind(page))
            self._at.append(at)
            self._place.append(place)
            self._length.append(length)
            self._rows.append(rows)
            self._new.append(new)
        elif at >= self._at[number]:
            self._then[number] = self._behind(page)
            self._at[number] = at
            self._place[number] = place
            self._length[number] = length
            self._rows[number] = rows
            self._new[number] = new
        reading.next_cursor = page.next_cursor

    def _behind(self, page: PageFields) -> str | Ended | Met:
        ended = page.ended
        if page.met is not None:
            return Met(page.met, page.next_cursor, ended)
        if ended is None:
            return page.next_cursor or ""
        return self._endings.setdefault(ended, Ended(ended))

    def _add_unread(self, line: Unread, place: int, length: int) -> None:
        self.paid = True
        if (page := page_of(line)) is not None:
            self._add_page(page.fields, page.rows, place, length)

    def _add_handle(self, line: HandleLine) -> None:
        saved = self._list(line.handle, line.at.timestamp())
        self.changed = max(self.changed, line.at)
        if line.reading is not None:
            reading = saved.reading(line.reading)
            reading.capped |= line.status in CAPS
            if reading.done is None or line.at >= reading.done.at:
                reading.done = line

    def _add_work(self, line: Work) -> None:
        work = self._work(line.work, line.kind)
        if line.handles is not None and line.at >= self._asked_at:
            self.handles, self._asked_at = line.handles, line.at
            work.handles = line.handles

    def _work(self, name: str, kind: Kind) -> WorkState:
        work = self.works.get(name)
        if work is None:
            work = self.works[name] = WorkState(name, kind)
            work.finished = name in self._finished  # lines come in any order
        return work

    def _list(self, handle: str, at: float) -> SavedList:
        folded = handle.lower()
        saved = self.lists.get(folded)
        if saved is None:
            saved = self.lists[folded] = SavedList(handle, at)
        saved.seen(handle, at)
        return saved

    def place(self, number: int) -> tuple[int, int, int]:
        """Return where a page is: the number of the file, the offset and the length in bytes."""
        file, offset = divmod(self._place[number], 1 << _FILE_BITS)
        return file, offset, self._length[number]

    def at(self, number: int) -> float:
        """Return when a page was saved, in seconds of the epoch."""
        return self._at[number]

    def open_refresh(self) -> WorkState | None:
        """Return the refresh that is not finished; a later piece of work ends an earlier one."""
        refreshes = [work for work in self.works.values() if work.kind != "first"]
        last = max(refreshes, key=lambda work: work.name, default=None)
        return None if last is None or last.finished else last

    def work(self, refresh: Literal["new", "all"] | None) -> str | None:
        """Return the name of the piece of work that goes on; None when another one begins."""
        if refresh is None:
            names = (name for name, one in self.works.items() if one.kind == "first")
            return min(names, default=None)
        going = self.open_refresh()
        return going.name if going is not None and going.kind == refresh else None

    def spent(self, work: str | None, refresh: str | None = None) -> int:
        """Return what a piece of work may have cost at most, in credits, in all sessions.

        What is no refresh is of the first collection.
        """
        refreshes = {name for name, one in self.works.items() if one.kind != "first"}
        spent = self.ledger.spent()
        if refresh is not None:
            return spent.get(work, 0)
        return sum(credits_ for name, credits_ in spent.items() if name not in refreshes)

    def chain(self, saved: SavedList, reading: Reading, start: str | None = None) -> Chain:
        """Follow a reading from a cursor on; None is the top of the list."""
        cursor = start
        pages: list[int] = []
        while (number := reading.pages.get(cursor)) is not None:
            if len(pages) == len(reading.pages):  # so that one of them is there twice
                pages = list(dict.fromkeys(pages))
                last = next(c for c, number in reading.pages.items() if number == pages[-1])
                return Chain(pages, last, "failed")
            pages.append(number)
            then = self._then[number]
            if isinstance(then, Met):
                if then.reading in saved.readings and then.reading < reading.name:
                    return Chain(pages, then.cursor, None, then.reading)
                then = then.cursor or "" if then.status is None else Ended(then.status)
            if isinstance(then, Ended):
                return Chain(pages, cursor, then.status)
            cursor = then
        return Chain(pages, cursor, None)

    def list_of(self, saved: SavedList, reading: Reading, start: str | None = None) -> List:
        """Return a list as a reading left it."""
        parts = []
        while True:
            chain = self.chain(saved, reading, start)
            parts.append((reading, chain.pages))
            if chain.met is None:
                return List(parts, chain.cursor, chain.ended)
            reading, start = saved.readings[chain.met], None

    def current(self, saved: SavedList, start: str | None = None) -> List | None:
        """Return the current list; None where there is no reading.

        It is the latest complete one that does not look cut short, or a later one that was read
        anew to a cap and has as many followers. Without one it is the latest that ended without a
        cursor, then the latest that reached a cap, unless that hides what a longer one has.
        """
        lists = [
            self.list_of(saved, reading, start) for _, reading in sorted(saved.readings.items())
        ]
        # A reading that was stopped before its first page says nothing of the list.
        lists = [found for found in lists if found.pages] or lists
        going = [found for found in lists if found.ended in {None, "failed"}]
        for status in WHOLE:
            if whole := self.trusted(found for found in lists if found.ended == status):
                later = [f for f in going if f.reading.name > whole[-1].reading.name]
                return self._latest_capped(later, whole[-1])
        if not going:
            return lists[-1] if lists else None
        return self._latest_capped(going, max(going, key=self.followers))

    def trusted(self, lists: Iterable[List]) -> list[List]:
        """Return the lists, the oldest first, without those that look cut short.

        These are much shorter than the API's count, and than the list before, which was not.
        """
        trusted: list[List] = []
        before = 0  # followers that a short one needs 90 % of
        for found in lists:
            followers = self.followers(found)
            short = is_short(followers, found.reading.total)
            if not (short and is_short(followers, before)):
                trusted.append(found)
                before = 0 if short else followers
        return trusted

    def _latest_capped(self, lists: list[List], longest: List) -> List:
        """Return the last list that reached a cap, if it may take the place of the longest one."""
        for found in reversed(lists):
            capped = found.base.capped or found.reading.capped
            if capped and self._is_as_deep(found, longest):
                return found
        return longest

    def _is_as_deep(self, found: List, longest: List) -> bool:
        """Return whether a cap that one list has reached may be the other's: in whole pages."""
        if longest.ended in WHOLE:
            anew = found.reading.name in self.works and self.works[found.reading.name].kind == "all"
            return anew and self.followers(found) >= self.followers(longest)
        followers, last, pages = self.depth(longest)
        if self.followers(found) > followers - last:
            return True
        return len(found.parts) == 1 and found.pages >= pages

    def depth(self, found: List) -> tuple[int, int, int]:
        """Return how deep one reading went for a list.

        Returns:
            Its followers, how many of them are on its last page, and its pages. A list that goes
            on is as deep as the deepest reading that it was joined from: of a cap it has more with
            each refresh. A whole one is as deep as it is long.
        """
        _, pages = max(found.parts, key=lambda part: self.rows(part[1]))
        whole = found.ended in WHOLE
        followers = self.followers(found) if whole else self.rows(pages)
        return followers, self.rows(found.parts[-1][1][-1:] if whole else pages[-1:]), len(pages)

    def followers(self, found: List) -> int:
        """Return how many followers a list has, those of a page that was joined once."""
        total = 0
        for at, (_, pages) in enumerate(found.parts, 1):
            joined = at < len(found.parts)
            for number in pages:
                new = self._new[number]
                total += new if joined and new >= 0 else self._rows[number]
        return total

    def rows_per_page(self, found: List) -> int | None:
        """Return how many followers most pages of a list have; None without any."""
        rows = [self._rows[number] for _, pages in found.parts for number in pages]
        return median_high(rows) if rows else None

    def new_rows(self, numbers: Iterable[int]) -> int:
        """Return how many followers on some pages no older reading has."""
        return sum(max(0, self._new[number]) for number in numbers)

    def rows(self, numbers: Iterable[int]) -> int:
        """Return how many followers are on some pages."""
        return sum(self._rows[number] for number in numbers)

    def strays(self, found: List) -> list[int]:
        """Return the pages that an unfinished list does not lead to, the oldest first."""
        if found.ended in WHOLE:
            return []
        rest = set(found.base.pages.values()).difference(found.parts[-1][1])
        return self._in_chains(found.base, rest)

    def _in_chains(self, reading: Reading, rest: set[int]) -> list[int]:
        """Order pages that no page leads to, with what they lead to, by their age."""
        by_number = {number: cursor for cursor, number in reading.pages.items() if number in rest}
        led_to = {then for number in rest if isinstance(then := self._then[number], str)}
        roots = [number for number in rest if by_number[number] not in led_to]
        ordered: dict[int, None] = {}
        for root in [*sorted(roots, key=self._order), *sorted(rest, key=self._order)]:
            number: int | None = root
            while number is not None and number in rest and number not in ordered:
                ordered[number] = None
                then = self._then[number]
                number = reading.pages.get(then) if isinstance(then, str) else None
        return list(ordered)

    def _order(self, number: int) -> tuple[float, int]:
        return self._at[number], self._place[number]

    def numbers(self, saved: SavedList) -> Iterator[int]:
        """Iterate over every page of every reading."""
        for reading in saved.readings.values():
            yield from reading.pages.values()
