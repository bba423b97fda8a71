"""How a list ends, as tables."""

from typing import NamedTuple

import pytest

from socialfetch_async._protocol.ending import ended, is_short


class Page(NamedTuple):
    lookup_status: str
    has_more: bool
    next_cursor: str | None


@pytest.mark.parametrize(
    ("page", "end"),
    [
        (Page("found", has_more=True, next_cursor="c1"), None),
        (Page("found", has_more=False, next_cursor=None), "complete"),
        (Page("found", has_more=False, next_cursor=""), "complete"),
        (Page("found", has_more=False, next_cursor="c1"), "complete"),
        (Page("found", has_more=True, next_cursor=None), "missing_cursor"),
        (Page("found", has_more=True, next_cursor=""), "missing_cursor"),
        (Page("private", has_more=False, next_cursor=None), "unavailable"),
        (Page("hidden", has_more=True, next_cursor="c1"), "unavailable"),
        (Page("", has_more=True, next_cursor="c1"), "unavailable"),
    ],
    ids=str,
)
def test_the_page_that_ends_a_list(page: Page, end: str | None) -> None:
    """A list ends when there is no more, no cursor or no list, and never starts again."""
    assert ended(page) == end


@pytest.mark.parametrize(
    ("found", "total", "short"),
    [
        (0, None, False),
        (0, 0, False),
        (0, 1, True),
        (89, 100, True),
        (90, 100, False),
        (899_999, 1_000_000, True),
        (900_000, 1_000_000, False),
        (120, 100, False),
        (5, -1, False),
    ],
)
def test_a_list_that_is_short(found: int, total: int | None, short: bool) -> None:  # noqa: FBT001
    """Fewer than 90 % of the vendor's count; without a count nothing is short."""
    assert is_short(found, total) is short
