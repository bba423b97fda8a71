"""Lists that begin again: seen soon, and never in a list that does not (figure 12)."""

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

import pytest

from socialfetch_async._protocol.seen import Hashes, Seen

SIZE = 20
DEEP = 600  # pages: 12,000 rows, far behind the first 4,096


def circle(
    random: Random, before: int, period: int, shift: int, size: int = SIZE
) -> Iterator[list[int]]:
    """Yield pages: some from the top, then a circle, in which new followers come first."""
    people = [random.getrandbits(60) for _ in range((before + period) * size)]
    for page in range(before):
        yield people[page * size : (page + 1) * size]
    circling = people[before * size :]
    while True:
        for page in range(period):
            yield circling[page * size : (page + 1) * size]
        circling = [random.getrandbits(60) for _ in range(shift)] + circling


def bought_after_the_first_repeat(pages: Iterator[list[int]], first: int) -> tuple[int, int]:
    """Return how many pages came from the number of the first repeat on, and without new rows."""
    seen, ever = Seen(), set[int]()
    pages_after = nothing_new = 0
    for number, page in enumerate(pages):
        pages_after += number >= first
        nothing_new += ever.issuperset(page)
        ever.update(page)
        if seen.add(page) is not None:
            break
    return pages_after, nothing_new


@pytest.mark.parametrize("shift", [0, 1, 5, 10])
@pytest.mark.parametrize("period", [1, 2, 3, 20, 1_000])
@pytest.mark.parametrize("before", [0, 1, 150])
def test_a_list_that_begins_again_is_seen_after_three_pages(
    before: int, period: int, shift: int
) -> None:
    """Of the top, and of the first 4,096 rows, three pages are bought a second time at most."""
    pages = circle(Random(before + period + shift), before, period, shift)

    after, nothing_new = bought_after_the_first_repeat(pages, before + period)

    assert after <= 3
    assert nothing_new <= 3


@pytest.mark.parametrize(("period", "shift", "pages"), [(1, 15, 6), (2, 20, 6), (3, 20, 5)])
def test_circles_that_bring_more_new_than_known_followers(
    period: int, shift: int, pages: int
) -> None:
    """A whole page of new followers in each turn hides a circle for a page or two, not for good."""
    bought = bought_after_the_first_repeat(circle(Random(2), 0, period, shift), period)
    assert bought[0] <= pages
    assert bought[1] <= 3


@pytest.mark.parametrize("size", [3, 12, 50, 200])
def test_pages_of_any_size(size: int) -> None:
    """How many rows a page has is not known, and not assumed."""
    for period in (1, 2, 3, 20):
        pages = circle(Random(size), 0, period, 1, size)
        assert bought_after_the_first_repeat(pages, period)[0] <= 3


@pytest.mark.parametrize("period", [1, 2, 3, 20, 100, 1_000, 3_000])
@pytest.mark.parametrize("shift", [0, 5])
def test_a_circle_deep_inside_a_long_list(period: int, shift: int) -> None:
    """Behind the first rows only some are remembered: twenty pages at most."""
    for seed in range(5):
        pages = circle(Random(seed), DEEP, period, shift)
        assert bought_after_the_first_repeat(pages, DEEP + period)[0] <= 20


@pytest.mark.parametrize(("before", "after"), [(200, 20), (50, 20), (20, 5), (20, 200)])
def test_a_circle_whose_pages_have_another_size(before: int, after: int) -> None:
    """It is seen within ten of the larger pages, as many as they make of smaller ones."""
    people = [*range(before * 1_000)]
    seen = Seen()
    for at in range(0, len(people), before):
        assert seen.add(people[at : at + before]) is None
    there = len(people) // 2 + 7
    again = [people[at : at + after] for at in range(there, len(people), after)]

    found = [seen.add(page) for page in again[: 11 * max(before, after) // after]]

    assert "begins_again" in found


def test_a_long_list_that_begins_again_at_its_top() -> None:
    """The first rows are remembered however far the walk has come."""
    pages = circle(Random(1), 0, 20_000, 3)
    assert bought_after_the_first_repeat(pages, 20_000)[0] <= 3


def honest(random: Random, pages: int, size: int) -> Iterator[Sequence[int]]:
    """Yield the pages of a list in which one row in 200 is somebody who came before."""
    people = [random.getrandbits(60) for _ in range(pages * size)]
    for place in random.sample(range(1, len(people)), len(people) // 200):
        people[place] = people[random.randrange(place)]
    return (people[at : at + size] for at in range(0, len(people), size))


def test_honest_lists_are_never_cut() -> None:
    """10,000 lists with 0.5 % repeated people, short ones and some long ones: no alarm."""
    random = Random(7)
    for number in range(10_000):
        long = number % 200 == 0
        size = random.choice([3, 7, 20, 20, 20, 50])
        pages = random.choice([300, 1_000]) if long else random.choice([2, 5, 20])
        seen = Seen()
        assert [why for page in honest(random, pages, size) if (why := seen.add(page))] == []


@pytest.mark.parametrize("size", [2, 7, 20, 200])
def test_a_row_that_every_page_ends_in_is_no_circle(size: int) -> None:
    """A server may put the same account at the end of each, also behind the first 4,096 rows."""
    seen = Seen()
    pages = ([*range(first, first + size - 1), -1] for first in range(0, 9_000, size - 1))
    assert {seen.add(page) for page in pages} == {None}


def test_a_circle_whose_pages_end_in_the_same_row_is_one() -> None:
    """Ten rows come on one page, and each time a new one before them."""
    seen = Seen()
    found = [seen.add([*range(-new, 0), *range(10)]) for new in range(4)]
    assert found == [None, None, None, "begins_again"]


def test_followers_who_come_while_a_list_is_read_shift_it() -> None:
    """Pages that begin with the end of the page before go on: each ends in new rows."""
    random = Random(3)
    people = [random.getrandbits(60) for _ in range(30_000)]
    seen = Seen()
    at = 0
    while at < len(people):
        assert seen.add(people[at : at + SIZE]) is None
        at += SIZE - random.choice([0, 0, 1, 12, 19])


def test_rows_known_from_elsewhere_count_as_seen() -> None:
    """A circle that a limit cut in two is one: what is stored is recalled before going on."""
    pages = list(islice(circle(Random(5), 0, 40, 0), 80))
    seen = Seen()
    for page in pages[:40]:
        seen.recall(page)

    assert [bool(seen.add(page)) for page in pages[40:43]] == [False, False, True]


def test_a_circle_deep_inside_what_is_known_from_elsewhere() -> None:
    """The rows that are recalled are sampled as those that came are."""
    pages = list(islice(circle(Random(6), DEEP, 1, 0), DEEP))
    seen = Seen()
    for page in pages:
        seen.recall(page)

    assert "begins_again" in [seen.add(page) for page in pages[DEEP // 2 :][:20]]


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        ([[1], [2], [3]], [None, None, "begins_again"]),
        ([[11, 1], [2], [3], [4]], [None, None, None, "begins_again"]),
        ([[11, 12, 13, 1], [14, 15, 16, 2], [3], [4], [5], [6]], [None] * 5 + ["begins_again"]),
        ([[1], [11], [2], [3], [4]], [None] * 4 + ["begins_again"]),
        ([[1], [11, 12], [2], [3], [4]], [None] * 4 + ["begins_again"]),
        ([[1], [2, 3, 11], [4], [5]], [None, None, None, "begins_again"]),
        ([[2, 1], [11, 12], [13], [3], [4], [5]], [None] * 5 + ["begins_again"]),
        ([[1], [11, 12], [3, 2], [5, 4], [6]], [None] * 4 + ["begins_again"]),
        ([[1], [2], [1, 2], [2, 1]], [None, None, "begins_again", "same_page"]),
        # Five in a row, a page that goes on, and five in a row: none of them is the sixth.
        (
            [[*range(10 * n, 10 * n + 5), 8 - n] for n in range(2, 7)]
            + [[99]]
            + [[*range(10 * n, 10 * n + 5), 8 - n % 5] for n in range(10, 16)],
            [None] * 11 + ["begins_again"],
        ),
        # As many new rows as known ones are not more of them.
        ([[11, 1], [12, 2], [13, 3], [14, 4]], [None, None, None, "begins_again"]),
        ([[1], [11], [12, 13, 2], [3], [4]], [None] * 4 + ["begins_again"]),
    ],
)
def test_how_many_known_rows_show_it(pages: list[list[int]], found: list[str | None]) -> None:
    """Three pages of nothing else; four rows among new ones; six pages whatever they bring."""
    seen = Seen()
    assert seen.add(range(1, 9)) is None

    assert [seen.add(page) for page in pages] == found


def test_a_page_without_rows_says_nothing() -> None:
    """It neither repeats nor ends a series of repeats."""
    seen = Seen()
    for page in ([1, 2], [3, 4], [1, 2], [], [3, 4], []):
        assert seen.add(page) is None
    assert seen.add([1, 2]) is not None


# -- the rules behind the first rows ------------------------------------------------------------

TOP = range(4_096)


def after(*pages: Sequence[int]) -> Seen:
    """Return what remembers these pages."""
    seen = Seen()
    for page in pages:
        seen.recall(page)
    return seen


def singly(first: int, count: int) -> list[list[int]]:
    """Return pages of one row each."""
    return [[row] for row in range(first, first + count)]


LAST = range(10_000, 11_024)  # 1,024 rows


@pytest.mark.parametrize(
    ("before", "pages", "found"),
    [
        # Of 4,095 rows all are remembered, and all others are new; behind 4,096 nobody can tell.
        ([TOP[:4_095]], singly(0, 3), [None, None, "begins_again"]),
        ([TOP], singly(0, 4), [None, None, None, "begins_again"]),
        ([TOP], [[-1, -2, -3, 0], [-4, 1], [-5, 2], [3]], [None, None, None, "begins_again"]),
        ([TOP], [[*TOP[:9]], [*TOP[9:20]], [*TOP[20:30]]], [None, None, "begins_again"]),
        # The last 1,024 rows are remembered, and those before them until 1,024 more came.
        ([TOP, LAST], singly(10_000, 4), [None, None, None, "begins_again"]),
        ([TOP, LAST[:1_000]], singly(10_000, 4), [None, None, None, "begins_again"]),
        (
            [TOP, LAST, range(20_000, 21_023)],
            [[10_000], [20_000], [20_001], [20_002]],
            [None, None, None, "begins_again"],
        ),
        ([TOP, LAST, range(20_000, 21_024)], singly(10_000, 4), [None] * 4),
        ([TOP, LAST[:1_023], [20_000], range(30_000, 31_024)], singly(10_000, 4), [None] * 4),
        # The top stays.
        ([TOP, LAST, range(20_000, 21_024)], singly(0, 4), [None, None, None, "begins_again"]),
    ],
)
def test_which_rows_are_remembered(
    before: list[Sequence[int]], pages: list[list[int]], found: list[str | None]
) -> None:
    """The first 4,096 rows, and the last 1,024 to 2,047."""
    seen = after(*before)
    assert [seen.add(page) for page in pages] == found


# Twelve pages behind the first rows, whose last rows end in 99, and enough to forget all others.
def hundreds(first: int, last: int) -> list[list[int]]:
    """Return pages of 100 rows each."""
    return [[*range(100 * page, 100 * page + 100)] for page in range(first, last)]


MIDDLE = hundreds(100, 112)
ENOUGH = hundreds(200, 222)
MARK = [[page[-1]] for page in MIDDLE[::2]]
NEW = hundreds(900, 1_000)
SMALLER = [half for page in NEW for half in (page[:50], page[50:])]


def apart(pages: list[list[int]], between: int, new: list[list[int]] = NEW) -> list[list[int]]:
    """Put new pages between pages."""
    some = iter(new)
    return [page for one in pages for page in (one, *islice(some, between))]


@pytest.mark.parametrize(
    ("pages", "found"),
    [
        # Five pages with the last row of every second page, wherever it stands on them.
        (MARK[:5], [None] * 4 + ["begins_again"]),
        (MARK, [None] * 4 + ["begins_again"] * 2),
        ([[*page, -page[0]] for page in MARK[:5]], [None] * 4 + ["begins_again"]),
        ([[-page[0], *page] for page in MARK[:5]], [None] * 4 + ["begins_again"]),
        # Not of the other pages, and no other row.
        ([[page[-1]] for page in MIDDLE[1::2]], [None] * 6),
        ([[page[-2]] for page in MIDDLE], [None] * 12),
        # Three pages without one may lie between two of them, each time.
        (apart(MARK[:5], 3), [None] * 16 + ["begins_again"] + [None] * 3),
        (apart(MARK[:5], 4), [None] * 25),
        # Or as many rows on smaller pages.
        (apart(MARK[:5], 6, SMALLER), [None] * 28 + ["begins_again"] + [None] * 6),
        (apart(MARK[:5], 7, SMALLER), [None] * 40),
        ([*MARK[:4], *NEW[:4], MARK[4], MARK[5]], [None] * 10),
        ([*MARK[:4], *NEW[:3], MARK[4]], [None] * 7 + ["begins_again"]),
        ([MARK[0], *NEW[:4], *MARK[1:5]], [None] * 9),
        # A page that came just now says that the walk stands still, whatever is on it.
        ([MARK[0], MARK[0]], [None, "same_page"]),
        # A row that is remembered as well is an overlap with the pages before.
        ([MARK[0], *([n, *MARK[0], -n] for n in range(1, 9))], [None] * 9),
        (
            [MARK[0], *([*MARK[0], *page, -page[0]] for page in MARK[1:5])],
            [None] * 4 + ["begins_again"],
        ),
    ],
)
def test_a_circle_between_the_first_rows_and_the_last(
    pages: list[list[int]], found: list[str | None]
) -> None:
    """Of every second page the last row is remembered, and five of them show the circle."""
    seen = after(TOP, *MIDDLE, *ENOUGH)
    assert [seen.add(page) for page in pages] == found


def test_a_page_without_rows_leaves_nothing_to_remember() -> None:
    """As little when it is recalled: every second page with rows is marked."""
    seen = after(TOP, *(page for one in MIDDLE for page in ((), one)), *ENOUGH)
    assert [seen.add(page) for page in MARK[:5]] == [None] * 4 + ["begins_again"]


def test_hashes() -> None:
    """A value is new once, whatever else is kept."""
    hashes = Hashes()
    values = [f"cursor {number}" for number in range(5_000)]
    assert all(hashes.add(value) for value in values)
    assert not any(hashes.add(value) for value in values)
    assert hashes.add("another")
