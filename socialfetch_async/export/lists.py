"""What an export reads: every list page by page, its rows numbered, and what was read counted."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from socialfetch_async.export.columns import account_columns
from socialfetch_async.export.rows import Rows, rows_of
from socialfetch_async.journal import SavedHandle, SavedPage, SavedRun
from socialfetch_async.models import Follower

# Rows that are Python objects at the same time: about 2 MB.
_BATCH: Final = 1_024


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

    def first_seen(self) -> Sequence[str]:
        """Return when each follower was first seen, as text."""
        followers, saved = self.rows.followers, self.saved
        if saved.earlier is None:
            return [self.fetched_at] * len(followers)
        return [as_text(saved.first_seen_at(follower.handle)) for follower in followers]


def columns_of(pages: Sequence[Page]) -> list[Sequence[Any]]:
    """Return the cells of all rows of some pages, column by column, in the order of `COLUMNS`."""
    sources: list[str] = []
    positions: list[int] = []
    numbers: list[int] = []
    followers: list[Follower] = []
    extras: list[Mapping[str, Any] | None] = []
    fetched: list[str] = []
    first_seen: list[str] = []
    for page in pages:
        rows, count = page.rows, len(page.rows.followers)
        sources += [page.source] * count
        positions += [page.position + at for at in rows.places]
        numbers += [page.number] * count
        followers += rows.followers
        extras += rows.extras
        fetched += [page.fetched_at] * count
        first_seen += page.first_seen()
    accounts = account_columns(followers, extras)
    return [sources, positions, numbers, *accounts, fetched, first_seen, fetched]


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
            rows = rows_of(saved.line)
            self.page_count += 1
            self.rows += len(rows.followers)
            self.invalid_rows += rows.total - len(rows.followers)
            yield Page(source, number, position, rows, as_text(saved.at), saved)
            number += 1
            position += rows.total

    def batches(self) -> Iterator[list[Page]]:
        """Yield the pages of all lists, about a thousand rows at a time."""
        batch: list[Page] = []
        size = 0
        for page in self.pages():
            batch.append(page)
            size += 1 + len(page.rows.followers)  # there may be many without any
            if size >= _BATCH:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


def as_text(at: datetime) -> str:
    """Return a time as every text format has it: always as long, so that it sorts."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
