"""Which page next: the position in one list, its limits, and the guards against endless lists.

Contract, "Pagination": ask first without a cursor, then with `data.page.nextCursor`; stop when
`hasMore` is false or `nextCursor` is null.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, Literal

from socialfetch_async._protocol.ending import ended
from socialfetch_async._protocol.seen import Hashes, Seen
from socialfetch_async._text import shortened
from socialfetch_async.errors import (
    PaginationError,
    ProfileUnavailableError,
    SocialFetchError,
)
from socialfetch_async.models import ListPage

Identity = Callable[[ListPage, Sequence[Any]], Sequence[Hashable]]
"""For each row of a page, in its order, what makes it the same as another."""

# Real lists have single empty pages (deleted accounts); a longer series leads nowhere and costs
# a credit per page.
EMPTY_PAGES_IN_A_ROW: Final = 6


class Walk:
    """The walk through one list. It knows no client: it is told what came, and says what next.

    Args:
        handle: The profile; None for a list that belongs to none.
        cursor: Where to begin; None is the top.
        identity: What makes rows the same.
        max_pages: Ask for no further page after so many.
        max_rows: Ask for no further page when so many rows came; they come in whole pages.

    Attributes:
        cursor: The page to go on from: the one being delivered, or the next to ask for.
        done: Nothing is left.
        stop_reason: Why the walk ended: `complete`, `missing_cursor`, `max_pages`, `max_rows`;
            None before.
        pages: Pages received. `rows`: rows on them. `credits_charged`: their price.
        lookup_status: The vendor's outcome on the page received last; None before the first.
        total: The vendor's count of the whole list on that page, if it had one.
    """

    __slots__ = (
        "_asked",
        "_begins_again",
        "_begun_at_top",
        "_empty_in_a_row",
        "_error",
        "_handle",
        "_identity",
        "_max_pages",
        "_max_rows",
        "_page",
        "_recalled",
        "_request_id",
        "_seen",
        "credits_charged",
        "cursor",
        "done",
        "invalid_rows",
        "lookup_status",
        "pages",
        "rows",
        "stop_reason",
        "total",
    )

    def __init__(
        self,
        handle: str | None,
        cursor: str | None,
        *,
        identity: Identity,
        max_pages: int | None = None,
        max_rows: int | None = None,
    ) -> None:
        self._handle = handle
        self._identity = identity
        self._max_pages = max_pages
        self._max_rows = max_rows
        self._page: ListPage | None = None
        self._request_id: str | None = None
        self._empty_in_a_row = 0
        self._error: SocialFetchError | None = None
        # Of this page, and of all that were asked for before. Hashes, not cursors: 2 MB for the
        # 235,000 pages of the largest accounts. Two that share one end the walk with an error,
        # never silently.
        self._asked = Hashes()
        self._asked.add(cursor)
        self._seen = Seen()
        self._begins_again = False
        self._begun_at_top = cursor is None
        self._recalled = 0  # rows of pages that were known before
        self.cursor = cursor
        self.done = False
        self.stop_reason: Literal["complete", "missing_cursor", "max_pages", "max_rows"] | None = (
            None
        )
        self.pages = self.rows = self.invalid_rows = self.credits_charged = 0
        self.lookup_status: str | None = None
        self.total: int | None = None

    def recall(self, cursor: str | None, rows: Sequence[Hashable]) -> None:
        """Take a page that an earlier walk received, so that a circle cut in two is still one.

        Call it before the first page is asked for, from the top of the list on.

        Args:
            cursor: What it was asked for with.
            rows: What identifies its rows: for followers, their handles.
        """
        self._asked.add(cursor)
        self._begun_at_top |= cursor is None
        self._recalled += len(rows)
        self._seen.recall(rows)

    def skip_to(self, cursor: str | None) -> None:
        """Go on from another page: those between here and there were recalled."""
        self.cursor = cursor
        self._asked.add(cursor)

    @property
    def found(self) -> int | None:
        """Rows from the top of the list to here; None when its top is not known."""
        return self._recalled + self.rows if self._begun_at_top else None

    def advance(self) -> bool:
        """Leave the page received last and say whether to ask for another.

        Returns:
            True: ask for `cursor`. False: the walk has ended, `stop_reason` says why.

        Raises:
            PaginationError: A cursor came again, the list begins again under new ones, or six
                pages in a row were empty.
            ProfileUnavailableError: The profile has no readable list. It is raised at every further
                call too, so that the answer is not bought again by accident.
        """
        self.leave()
        if self._error is not None:
            raise self._error.with_traceback(None)
        if self.done:
            return False
        if self._max_pages is not None and self.pages >= self._max_pages:
            self.stop_reason = "max_pages"
            return False
        if self._max_rows is not None and self.rows >= self._max_rows:
            self.stop_reason = "max_rows"
            return False
        if self._empty_in_a_row >= EMPTY_PAGES_IN_A_ROW:
            self._empty_in_a_row = 0  # asked again on purpose, it goes on from here
            raise self._pagination("empty_pages", "six pages in a row brought nothing")
        return True

    def leave(self) -> None:
        """Count the page received last as handled, and move the position behind it."""
        page, self._page = self._page, None
        if page is None:
            return
        end = ended(page)
        if end == "unavailable":
            self._error = self._unavailable(page)
        elif end is not None:
            self.stop_reason = end
            self.done = True
            self.cursor = None
        else:
            self._go_to(page.next_cursor)

    def _go_to(self, cursor: str | None) -> None:
        assert cursor is not None
        self.cursor = cursor
        if not self._asked.add(cursor):
            self._error = self._pagination(
                "repeated_cursor", f"the cursor {shortened(cursor)} came again"
            )
        elif self._begins_again:
            self._error = self._pagination(
                "no_progress", "the list begins again: new cursors bring rows that came before"
            )

    def receive(self, page: ListPage, rows: Sequence[Any]) -> None:
        """Take the page that was asked for. After this it may be delivered.

        Raises:
            PaginationError: The page repeats the one before; it is not to be delivered.
            ProfileUnavailableError: The profile has no readable list, and no rows came with that.
        """
        self._request_id = page.request_id
        self.pages += 1
        self.credits_charged += page.credits_charged
        self.lookup_status = page.lookup_status
        self.total = page.total
        if page.lookup_status != "found" and not rows:
            self._error = self._unavailable(page)
            raise self._error
        repeat = self._seen.add(self._identity(page, rows))
        if repeat == "same_page":
            self._error = self._pagination(
                "no_progress", "a new cursor brought the rows of the page before once more"
            )
            raise self._error
        # Its rows may be known and may not: it is delivered, and no further page is bought.
        self._begins_again = repeat is not None
        self.rows += len(rows)
        self.invalid_rows += page.invalid_rows
        self._empty_in_a_row = 0 if rows else self._empty_in_a_row + 1
        self._page = page

    def _pagination(self, reason: str, summary: str) -> PaginationError:
        return PaginationError(
            f"{summary}.",
            reason=reason,
            handle=self._handle,
            cursor=self.cursor,
            request_id=self._request_id,
        )

    def _unavailable(self, page: ListPage) -> ProfileUnavailableError:
        return ProfileUnavailableError(
            f"this profile has no readable list: {page.lookup_status}.",
            lookup_status=page.lookup_status,
            handle=self._handle,
            cursor=self.cursor,
            request_id=self._request_id,
        )
