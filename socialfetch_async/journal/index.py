"""What the lines of journals add up to: each list page by page, where it goes on, what it cost."""

from array import array
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from socialfetch_async import _arguments as arguments
from socialfetch_async.journal.lines import (
    Close,
    HandleLine,
    Line,
    MaybeCharged,
    Open,
    PageFields,
    PageHead,
    PageLine,
    WrittenFile,
)

# Asked again these would answer the same, or nothing.
_NOTHING_LEFT: Final = {"complete", "missing_cursor"}
_FILE_BITS: Final = 48  # of a place, for the offset: 256 TiB


class Ended(NamedTuple):
    """In the place of a next cursor: the list ends on this page."""

    status: str


class SavedList:
    """The pages of one handle, by cursor, as numbers of rows in the index.

    Attributes:
        handle: As it was spelled first.
        followers: On its pages, each page counted once.
        credits: Of all its pages, those bought twice counted twice.
        total: The API's count on the page that came last.
        done: The `handle` line that came last.
        first_at: Its first line, in seconds of the epoch; `last_at`: its last, `page_at`: page.
    """

    __slots__ = (
        "credits",
        "done",
        "first_at",
        "followers",
        "handle",
        "last_at",
        "next_cursor",
        "page_at",
        "pages",
        "total",
    )

    def __init__(self, handle: str, at: float) -> None:
        self.handle = handle
        self.pages: dict[str | None, int] = {}
        self.followers = self.credits = 0
        self.total: int | None = None
        self.done: HandleLine | None = None
        self.first_at = self.last_at = at
        self.page_at = 0.0
        self.next_cursor: str | None = None

    def seen(self, handle: str, at: float) -> None:
        """Count a line in."""
        if at > self.last_at:
            self.last_at = at
        elif at < self.first_at:
            self.handle, self.first_at = handle, at


class Chain(NamedTuple):
    """The pages of a list from a start on, each leading to the next.

    Attributes:
        pages: Their numbers in the index.
        cursor: Where to go on; when it has ended, the page that ended it.
        ended: How the list ended: `complete`, `missing_cursor`, a lookup status, or `failed` when
            its cursors lead in a circle; None when it goes on.
    """

    pages: list[int]
    cursor: str | None
    ended: str | None


class Ledger:
    """What was charged, and what may have been charged besides, in credits.

    Attributes:
        credits_charged: Of all pages. `price`: of the dearest one, at least 1.
    """

    def __init__(self) -> None:
        self.credits_charged = 0
        self.price = 1
        self._settled = 0  # of sessions that are over
        self._unseen = 0  # pages that may have been on their way when a session was killed
        self._maybe = self._concurrency = 0  # of the session that has no end yet

    def paid(self, credits_charged: int) -> None:
        """Count a page in."""
        self.credits_charged += credits_charged
        self.price = max(self.price, credits_charged)

    def opened(self, concurrency: int) -> None:
        """Begin a session; one without an end was killed."""
        self._settled, self._unseen = self._settled + self._maybe, self._unseen + self._concurrency
        self._maybe, self._concurrency = 0, concurrency

    def noted(self, maybe_charged: int) -> None:
        """Take what the session says of itself."""
        self._maybe = maybe_charged

    def closed(self, maybe_charged: int) -> None:
        """End the session."""
        self._settled += maybe_charged
        self._maybe = self._concurrency = 0

    @property
    def maybe_charged_before(self) -> int:
        """Upper bound for all sessions but the one that has no end yet."""
        return self._settled + self._unseen * self.price

    @property
    def maybe_charged(self) -> int:
        """Upper bound for all sessions; one that has no end may be running, or was killed."""
        return self.maybe_charged_before + self._maybe + self._concurrency * self.price


class Index:
    """Everything the lines say but the rows, which stay on the disk.

    Attributes:
        lists: By handle in lower case.
        ledger: The credits.
        latest: The time of the last line.
        largest: Bytes of the longest line.
    """

    def __init__(self) -> None:
        self.lists: dict[str, SavedList] = {}
        self.ledger = Ledger()
        self.latest = datetime.fromtimestamp(0, UTC)
        self.largest = 0
        self.written: dict[str, WrittenFile] = {}
        # A row for each page, in columns: as objects they would take twice the memory.
        self._then: list[str | Ended] = []
        self._at = array("d")
        self._place = array("q")
        self._length = array("I")
        self._rows = array("I")
        self._endings: dict[str, Ended] = {}

    def add(self, line: Line | PageLine | None, file: int, offset: int, length: int) -> None:
        """Count a line in.

        Args:
            line: What it says; None for a type that is not known.
            file: The number of its file.
            offset: Where it begins, in bytes.
            length: How long it is, in bytes.
        """
        match line:
            case PageLine():
                self._add_page(line.fields, line.rows, file << _FILE_BITS | offset, length)
            case PageHead():
                rows = max(0, len(line.answer.data.followers) - line.invalid_rows)
                self._add_page(line, rows, file << _FILE_BITS | offset, length)
            case HandleLine():
                self._add_handle(line)
            case Open():
                self.ledger.opened(1 if line.concurrency is None else line.concurrency)
            case WrittenFile():
                self.written[line.path] = line
            case MaybeCharged():
                self.ledger.noted(line.maybe_charged)
            case Close():
                self.ledger.closed(line.maybe_charged)
        if line is not None:
            self.latest = max(self.latest, line.at)
        self.largest = max(self.largest, length)

    def _add_page(self, page: PageFields, rows: int, place: int, length: int) -> None:
        """Keep the page; of two with the same cursor, the one that was saved last."""
        at = page.at.timestamp()
        saved = self._list(page.handle, at)
        saved.credits += page.credits_charged
        self.ledger.paid(page.credits_charged)
        if at >= saved.page_at:
            saved.page_at, saved.total = at, page.total_followers
        ended = page.ended
        then = page.next_cursor or "" if ended is None else self._ending(ended)
        number = saved.pages.get(page.cursor)
        if number is None:
            # The cursor is most often the next cursor of the page before: one string for both.
            same = page.cursor == saved.next_cursor
            saved.pages[saved.next_cursor if same else page.cursor] = len(self._at)
            self._then.append(then)
            self._at.append(at)
            self._place.append(place)
            self._length.append(length)
            self._rows.append(rows)
            saved.followers += rows
        elif at >= self._at[number]:
            saved.followers += rows - self._rows[number]
            self._then[number] = then
            self._at[number] = at
            self._place[number] = place
            self._length[number] = length
            self._rows[number] = rows
        saved.next_cursor = page.next_cursor

    def _add_handle(self, line: HandleLine) -> None:
        saved = self._list(line.handle, line.at.timestamp())
        if saved.done is None or line.at >= saved.done.at:
            saved.done = line

    def _list(self, handle: str, at: float) -> SavedList:
        folded = handle.lower()
        saved = self.lists.get(folded)
        if saved is None:
            saved = self.lists[folded] = SavedList(handle, at)
        saved.seen(handle, at)
        return saved

    def _ending(self, status: str) -> Ended:
        return self._endings.setdefault(status, Ended(status))

    def place(self, number: int) -> tuple[int, int, int]:
        """Return where a page is: the number of the file, the offset and the length in bytes."""
        file, offset = divmod(self._place[number], 1 << _FILE_BITS)
        return file, offset, self._length[number]

    def chain(self, saved: SavedList, start: str | None = None) -> Chain:
        """Follow a list from a cursor on; None is where the list begins."""
        cursor = self._beginning(saved) if start is None else start
        seen: dict[int, str | None] = {}
        while (number := saved.pages.get(cursor)) is not None:
            if number in seen:
                return Chain(list(seen), list(seen.values())[-1], "failed")
            seen[number] = cursor
            then = self._then[number]
            if isinstance(then, Ended):
                return Chain(list(seen), cursor, then.status)
            cursor = then
        return Chain(list(seen), cursor, None)

    def _beginning(self, saved: SavedList) -> str | None:
        """Return the first page; without it, the oldest one that no other page leads to."""
        if None in saved.pages:
            return None
        if not saved.pages:
            return saved.done.cursor if saved.done is not None else None
        led_to = {self._then[number] for number in saved.pages.values()}
        roots = [cursor for cursor in saved.pages if cursor not in led_to] or saved.pages
        return min(roots, key=lambda cursor: self._order(saved.pages[cursor]))

    def _order(self, number: int) -> tuple[float, int]:
        return self._at[number], self._place[number]

    def in_order(self, saved: SavedList) -> list[int]:
        """Return all pages of a list: its chain, then what it does not reach, oldest first."""
        chain = self.chain(saved).pages
        rest = set(saved.pages.values()).difference(chain)
        return chain + sorted(rest, key=self._order)

    def pending(
        self,
        handles: Iterable[str] | Mapping[str, str | None] | None,
        *,
        recheck: bool,
    ) -> dict[str, str | None]:
        """Return what is left of the handles, or of all, with the cursor to go on from."""
        arguments.flag("recheck", recheck)
        if handles is None:
            starts = dict.fromkeys((saved.handle for saved in self.lists.values()), None)
        else:
            starts, _ = arguments.starts(handles)
        left: dict[str, str | None] = {}
        for handle, start in starts.items():
            saved = self.lists.get(handle.lower())
            if saved is None:
                left[handle] = start
                continue
            chain = self.chain(saved, start)
            if chain.ended is None or (recheck and chain.ended not in _NOTHING_LEFT):
                left[handle] = chain.cursor
        return left
