"""Which page next: the position in one list, its limits, and the guards against endless lists.

Contract, "Pagination": ask first without a cursor, then with `data.page.nextCursor`; stop when
`hasMore` is false or `nextCursor` is null.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from socialfetch_async._protocol.ending import ended
from socialfetch_async._text import shortened
from socialfetch_async.errors import (
    PaginationError,
    ProfileUnavailableError,
    SocialFetchError,
)
from socialfetch_async.models import ListPage

# Real lists have single empty pages (deleted accounts); a longer series leads nowhere and costs
# a credit a page.
EMPTY_PAGES_IN_A_ROW: Final = 6


class Walk:
    """The walk through one list. It knows no client: it is told what came, and says what next.

    Attributes:
        cursor: The page to go on from: the one being delivered, or the next to ask for.
        done: Nothing is left.
        stop_reason: Why the walk ended: `complete`, `missing_cursor`, `max_pages`; None before.
        pages: Pages received. `rows`: rows on them. `credits_charged`: their price.
    """

    __slots__ = (
        "_asked",
        "_empty_in_a_row",
        "_error",
        "_handle",
        "_identity",
        "_last_rows",
        "_max_pages",
        "_page",
        "_request_id",
        "credits_charged",
        "cursor",
        "done",
        "invalid_rows",
        "pages",
        "rows",
        "stop_reason",
    )

    def __init__(
        self,
        handle: str | None,
        cursor: str | None,
        *,
        identity: Callable[[ListPage, Sequence[Any]], object],
        max_pages: int | None = None,
    ) -> None:
        self._handle = handle
        self._identity = identity
        self._max_pages = max_pages
        self._page: ListPage | None = None
        self._last_rows = 0
        self._request_id: str | None = None
        self._empty_in_a_row = 0
        self._error: SocialFetchError | None = None
        # Hashes, not cursors: 26 MB for the 235,000 pages of the largest accounts. Python's
        # string hash has 64 bits; two cursors of one list share one in a billion lists or so,
        # and then the walk ends with an error, never silently.
        self._asked = {hash(cursor)}
        self.cursor = cursor
        self.done = False
        self.stop_reason: Literal["complete", "missing_cursor", "max_pages"] | None = None
        self.pages = self.rows = self.invalid_rows = self.credits_charged = 0

    def advance(self) -> bool:
        """Leave the page received last and say whether to ask for another.

        Returns:
            True: ask for `cursor`. False: the walk has ended, `stop_reason` says why.

        Raises:
            PaginationError: A cursor came again, or six pages in a row were empty.
            ProfileUnavailableError: The list can not be had. It is raised at every further
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
        asked = hash(cursor)
        if asked in self._asked:
            self._error = self._pagination(
                "repeated_cursor", f"the cursor {shortened(cursor)} came again"
            )
        self._asked.add(asked)

    def receive(self, page: ListPage, rows: Sequence[Any]) -> None:
        """Take the page that was asked for. After this it may be delivered.

        Raises:
            PaginationError: The page repeats the one before; it is not to be delivered.
            ProfileUnavailableError: The list can not be had, and no rows came with that.
        """
        self._request_id = page.request_id
        self.pages += 1
        self.credits_charged += page.credits_charged
        if page.lookup_status != "found" and not rows:
            self._error = self._unavailable(page)
            raise self._error
        if rows:
            # As one number: a parked walk must not hold the rows it has delivered.
            same = hash(self._identity(page, rows))
            if same == self._last_rows:
                self._error = self._pagination(
                    "no_progress", "a new cursor brought the rows of the page before once more"
                )
                raise self._error
            self._last_rows = same
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
            f"this profile's list can not be had: {page.lookup_status}.",
            lookup_status=page.lookup_status,
            handle=self._handle,
            cursor=self.cursor,
            request_id=self._request_id,
        )
