"""How a list ends: on which page, and whether as many rows came as the vendor counts."""

from typing import Literal, Protocol

ListEnd = Literal["complete", "missing_cursor", "unavailable"]


class EndOfPage(Protocol):
    """What a page, or the line of one, says about the next."""

    @property
    def lookup_status(self) -> str: ...
    @property
    def has_more(self) -> bool: ...
    @property
    def next_cursor(self) -> str | None: ...


def ended(page: EndOfPage) -> ListEnd | None:
    """Return how the list ends on this page; None when another page follows.

    Contract, "Pagination": stop when `hasMore` is false or `nextCursor` is null. An empty cursor
    would ask for the first page again, so it is none.
    """
    if page.lookup_status != "found":
        return "unavailable"
    if not page.has_more:
        return "complete"
    return None if page.next_cursor else "missing_cursor"


def is_short(found: int, total: int | None) -> bool:
    """Whether a complete list has fewer than 90 % of the rows that the vendor counts.

    Args:
        found: Rows of the whole list, from its top to its end.
        total: The vendor's count, if there is one.
    """
    return total is not None and 10 * found < 9 * total
