"""What a batch would still cost, and what a balance says was charged, as tables."""

from pathlib import Path
from typing import Any

import pytest

from socialfetch_async import read_journal
from socialfetch_async.batch import estimate_of
from socialfetch_async.batch.settlement import bound_of
from socialfetch_async.journal import Balance, Wanted
from tests.journals import BEGAN, FIRST, page, write

Line = dict[str, Any]
NEXT = "2026-11-24T12:00:00.000000Z-000000"

# Two followers on a page, and nine in all, as the API counts them.
BEGUN = [page("a", ["x", "y"], None, "1")]
TWO = [*BEGUN, page("a", ["z", "u"], "1", "2", seconds=1)]
WHOLE = [*BEGUN, page("a", ["z"], "1", seconds=1)]
NO_COUNT = [page("a", ["x", "y"], None, "1", total_followers=None)]
MISCOUNTED = [page("a", ["x", "y"], None, "1", total_followers=1)]
NO_ROWS = [page("a", [], None, "1", total_followers=50)]
PRIVATE = [page("a", [], lookup_status="private", total_followers=None)]


@pytest.mark.parametrize(
    ("lines", "refresh", "caps", "pages"),
    [
        # A handle without a page may have any number of them, but for a cap of one.
        ([], None, {}, None),
        ([], None, {"max_pages": 1}, 1),
        ([], None, {"max_pages": 2}, None),
        # What is left of the API's count, in whole pages.
        (BEGUN, None, {}, 4),
        (TWO, None, {}, 3),
        (WHOLE, None, {}, 0),
        (PRIVATE, None, {}, 0),
        (MISCOUNTED, None, {}, 1),  # it goes on, whatever the count says
        (NO_ROWS, None, {}, 3),  # of twenty, as documented
        # Up to the cap that comes first.
        (BEGUN, None, {"max_followers": 5}, 2),
        (BEGUN, None, {"max_followers": 100}, 4),
        (BEGUN, None, {"max_pages": 3}, 2),
        (BEGUN, None, {"max_pages": 9}, 4),
        (BEGUN, None, {"max_pages": 3, "max_followers": 3}, 1),
        # Without a count only a cap of pages says something.
        (NO_COUNT, None, {}, None),
        (NO_COUNT, None, {"max_followers": 6}, None),
        (NO_COUNT, None, {"max_pages": 4}, 3),
        (NO_COUNT, None, {"max_pages": 9, "max_followers": 6}, 2),
        # A refresh: one page at least, or the list from its top.
        (WHOLE, "new", {}, 1),
        (PRIVATE, "new", {}, 1),
        (WHOLE, "all", {}, 5),
        (WHOLE, "all", {"max_pages": 2}, 2),
    ],
)
def test_what_is_left_of_a_list(
    tmp_path: Path, lines: list[Line], refresh: Any, caps: Any, pages: int | None
) -> None:
    """One row for each thing that is known of it; the pages at their price, here of three."""
    saved = read_journal(write(tmp_path / "j", *lines))
    wanted = Wanted(NEXT if refresh else FIRST, refresh, **caps)
    found = estimate_of(saved, saved.plan({"A": None}, wanted), wanted, price=3)

    assert found.handles[0].credits_left == (None if pages is None else 3 * pages)
    assert found.credits_left == 3 * (pages or 0)


def test_an_estimate_adds_its_handles_up(tmp_path: Path) -> None:
    """As they were given, and with what is not known of them."""
    lines = [
        *BEGUN,
        page("b", ["x"]),
        page("c", ["x"], None, "1", total_followers=None),
        page("d", [], lookup_status="private", total_followers=None),
    ]
    saved = read_journal(write(tmp_path / "j", *lines))
    wanted = Wanted(FIRST)
    starts = dict.fromkeys(["e", "D", "c", "b", "a", "f"])
    found = estimate_of(saved, saved.plan(starts, wanted), wanted)

    assert found.handles == (
        ("e", None, None, None),
        ("D", "private", None, 0),
        ("c", "found", None, None),
        ("b", "found", 9, 0),
        ("a", "found", 9, 4),
        ("f", None, None, None),
    )
    assert (found.total_followers, found.credits_left) == (18, 4)
    assert (found.unavailable, found.not_asked) == (1, 2)


@pytest.mark.parametrize(
    ("noted", "bound"),
    [
        ([], None),
        ([(100, 0, 0)], None),  # one says nothing of what came after it
        ([(100, 0, 0), (100, 0, 5)], 0),
        ([(100, 0, 0), (90, 8, 5)], 2),
        ([(100, 10, 0), (80, 25, 5)], 5),  # of what was confirmed since the first
        ([(100, 0, 3), (90, 8, 5)], 5),  # and what may have been charged before it
        ([(100, 0, 0), (95, 8, 5)], 0),  # somebody gave some back
        ([(100, 0, 1), (95, 2, 9), (80, 15, 9)], 6),
        ([(100, 0, 0), (101, 0, 0)], None),  # it rose
        ([(100, 0, 0), (80, 0, 0), (90, 0, 0)], None),
    ],
)
def test_what_a_balance_says_was_charged(
    noted: list[tuple[int, int, int]], bound: int | None
) -> None:
    """No more than it fell by, less the pages: balance, confirmed, maybe charged by then."""
    assert bound_of([Balance(BEGAN, *one) for one in noted]) == bound
