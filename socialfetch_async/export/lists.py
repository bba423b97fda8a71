"""What an export reads: every list page by page, its rows numbered, and what was read counted."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from socialfetch_async.export.columns import COLUMNS, account_columns
from socialfetch_async.export.rows import Rows, rows_of
from socialfetch_async.journal import SavedHandle, SavedPage, SavedRun


class Page(NamedTuple):
    """One saved page in its list.

    Attributes:
        source: The handle whose list it is, spelled alike on all its pages.
        number: Its place in the list, from 0.
        position: The place of its first row in the list, from 0.
        rows: Its followers.
        fetched_at: When it was saved: UTC, as text that sorts.
    """

    source: str
    number: int
    position: int
    rows: Rows
    fetched_at: str
    saved: SavedPage

    def columns(self) -> list[Sequence[Any]]:
        """Return the cells of all rows, column by column, in the order of the columns."""
        followers, places, extras, _ = self.rows
        count = len(followers)
        if not count:
            return [()] * len(COLUMNS)
        return [
            [self.source] * count,
            [self.position + at for at in places],
            [self.number] * count,
            *account_columns(followers, extras),
            *self.times(),
        ]

    def times(self) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
        """Return the columns of times: fetched, first seen, last seen."""
        followers = self.rows.followers
        fetched = [self.fetched_at] * len(followers)
        if self.saved.earlier is None:
            return fetched, fetched, fetched
        first_seen = self.saved.first_seen_at
        return fetched, [as_text(first_seen(follower.handle)) for follower in followers], fetched


class Lists:
    """The lists in some journals, and what was read of them so far.

    Attributes:
        rows: Followers. `invalid_rows`: rows that were none. `page_count`: pages they came on.
        without_first_page: Lists that do not begin with their first page.
    """

    def __init__(self, saved: SavedRun | None) -> None:
        """Begin to read. None holds nothing, as the journal of a batch before its first page."""
        self._saved = saved
        self.rows = self.invalid_rows = self.page_count = self.without_first_page = 0

    @property
    def handles(self) -> Collection[SavedHandle]:
        """Every handle, with or without pages, in the order of the pages."""
        return () if self._saved is None else self._saved.handles.values()

    def pages(self) -> Iterator[Page]:
        """Yield the pages of all lists, each list in its order."""
        if self._saved is None:
            return
        of, source, number, position = "", "", 0, 0
        for saved in self._saved.pages():
            if saved.handle.lower() != of:
                of = saved.handle.lower()
                source, number, position = self._saved.handles[of].handle, 0, 0
                self.without_first_page += saved.cursor is not None
            rows = rows_of(saved.raw_followers)
            self.page_count += 1
            self.rows += len(rows.followers)
            self.invalid_rows += rows.total - len(rows.followers)
            yield Page(source, number, position, rows, as_text(saved.at), saved)
            number += 1
            position += rows.total


def as_text(at: datetime) -> str:
    """Return a time as every text format has it: always as long, so that it sorts."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
