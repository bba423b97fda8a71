"""The walk: each follower once, in order, and no page bought that leads nowhere."""

import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st
from msgspec.structs import replace

from socialfetch_async._protocol.seen import Hashes
from socialfetch_async._protocol.walk import EMPTY_PAGES_IN_A_ROW, Walk
from socialfetch_async.errors import PaginationError, ProfileUnavailableError
from socialfetch_async.models import FollowersPage, ListPage


def handles_of(_page: ListPage, rows: Sequence[Any]) -> list[str]:
    """Return what makes rows the same: their handles."""
    return [row.handle for row in rows]


class Row:
    """A row of some list: the walk reads nothing of it itself."""

    def __init__(self, handle: str) -> None:
        self.handle = handle


def walk_at(cursor: str | None = None, max_pages: int | None = None) -> Walk:
    """Return a walk of handle `nasa`."""
    return Walk("nasa", cursor, identity=handles_of, max_pages=max_pages)


def page(
    following: str | None = None,
    *,
    status: str = "found",
    has_more: bool | None = None,
    price: int = 1,
    bad: int = 0,
    request_id: str = "req_1",
) -> FollowersPage:
    """Return what came: by default a page of a found profile, which goes on if a cursor does."""
    return FollowersPage(
        handle="nasa",
        cursor=None,
        lookup_status=status,
        followers=[],
        next_cursor=following,
        has_more=following is not None if has_more is None else has_more,
        total_followers=None,
        credits_charged=price,
        request_id=request_id,
        cached=False,
        invalid_rows=bad,
    )


def rows(*handles: str) -> list[Row]:
    """Return fresh rows with these handles."""
    return [Row(handle) for handle in handles]


def take(walk: Walk, came: FollowersPage, *handles: str) -> None:
    """Ask for the next page and receive this one."""
    assert walk.advance() is True
    walk.receive(came, rows(*handles))


def counters(walk: Walk) -> dict[str, int]:
    """Return what the walk counts."""
    return {
        name: getattr(walk, name) for name in ("pages", "rows", "invalid_rows", "credits_charged")
    }


def place(walk: Walk) -> tuple[str | None, bool, str | None]:
    """Return where the walk is."""
    return walk.cursor, walk.done, walk.stop_reason


def refused(walk: Walk) -> PaginationError:
    """Return the pagination error that the next step raises."""
    with pytest.raises(PaginationError) as caught:
        walk.advance()
    return caught.value


# -- the way through a list ---------------------------------------------------------------------


@pytest.mark.parametrize("cursor", [None, "c7"])
def test_a_new_walk_asks_for_its_start(cursor: str | None) -> None:
    """A new walk stands at its start, has counted nothing and wants the first page."""
    walk = walk_at(cursor)

    assert place(walk) == (cursor, False, None)
    assert counters(walk) == {"pages": 0, "rows": 0, "invalid_rows": 0, "credits_charged": 0}
    assert walk.advance() is True
    assert place(walk) == (cursor, False, None)


def test_the_position_stays_on_a_page_until_the_next_is_asked_for() -> None:
    """A received page counts as handled only when the walk goes on from it."""
    walk = walk_at()
    take(walk, page("c1"), "a", "b")
    assert place(walk) == (None, False, None)

    assert walk.advance() is True
    assert place(walk) == ("c1", False, None)

    walk.receive(page("c2"), rows("c"))
    assert place(walk) == ("c1", False, None)
    walk.leave()
    assert place(walk) == ("c2", False, None)


def test_leaving_twice_moves_once() -> None:
    """A page is left once, however often that is said."""
    walk = walk_at()
    take(walk, page("c1"), "a")
    walk.leave()
    walk.leave()

    assert walk.advance() is True
    assert place(walk) == ("c1", False, None)


def test_asking_twice_without_an_answer_stays() -> None:
    """A request that failed or was cancelled leaves the walk where it was."""
    walk = walk_at("c1")
    for _ in range(3):
        assert walk.advance() is True
        assert place(walk) == ("c1", False, None)
    assert walk.pages == 0


def test_counters_add_up() -> None:
    """Pages, rows, broken rows and credits are sums over the pages received."""
    walk = walk_at()
    take(walk, page("c1", price=2, bad=1), "a", "b", "c")
    take(walk, page("c2", price=0, bad=3), "d")
    take(walk, page("c3", price=5))

    assert counters(walk) == {"pages": 3, "rows": 4, "invalid_rows": 4, "credits_charged": 7}


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (page(None, has_more=False), "complete"),
        (page("", has_more=False), "complete"),
        (page("c9", has_more=False), "complete"),
        (page(None, has_more=True), "missing_cursor"),
        (page("", has_more=True), "missing_cursor"),
    ],
    ids=["no cursor", "empty cursor", "a cursor all the same", "more, null", "more, empty"],
)
def test_the_end_of_the_list(last: FollowersPage, reason: str) -> None:
    """A list ends when there is no more or no cursor, and never starts again at page one."""
    walk = walk_at("c1")
    take(walk, last, "a")
    assert place(walk) == ("c1", False, None)

    for _ in range(3):
        assert walk.advance() is False
        assert place(walk) == (None, True, reason)
    assert walk.pages == 1


def test_an_empty_list_ends() -> None:
    """A profile without followers is one page and an end, not an error."""
    walk = walk_at()
    take(walk, page(None))

    assert walk.advance() is False
    assert place(walk) == (None, True, "complete")


# -- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_max_pages(limit: int) -> None:
    """Exactly `max_pages` pages are asked for, and the next cursor is kept to go on from."""
    walk = walk_at(None, limit)
    for number in range(1, limit + 1):
        take(walk, page(f"c{number}"), f"u{number}")

    for _ in range(2):
        assert walk.advance() is False
        assert place(walk) == (f"c{limit}", False, "max_pages")
    assert walk.pages == limit


def test_the_end_is_reported_rather_than_the_limit() -> None:
    """A list that ends on the last allowed page has ended: nothing is left to go on with."""
    walk = walk_at(None, 1)
    take(walk, page(None), "a")

    assert walk.advance() is False
    assert place(walk) == (None, True, "complete")


def test_a_repeated_cursor_is_reported_rather_than_the_limit() -> None:
    """A loop on the last allowed page is said, since going on from there would be in vain."""
    walk = walk_at("c1", 1)
    take(walk, page("c1"), "a")

    assert refused(walk).reason == "repeated_cursor"


# -- guards -------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [1, 2, 3, 10])
@pytest.mark.parametrize("start", [None, "c0"])
def test_a_cursor_that_comes_again_is_refused(start: str | None, distance: int) -> None:
    """A cursor that was asked for before, at any distance, is not paid for a second time."""
    walk = walk_at(start)
    take(walk, page("again"), "u0")
    for number in range(1, distance):
        take(walk, page(f"c{number}"), f"u{number}")
    take(walk, page("again", request_id="req_last"), "last")
    assert walk.rows == distance + 1

    error = refused(walk)

    assert error.reason == "repeated_cursor"
    assert error.summary == "the cursor 'again' came again."
    assert (error.handle, error.cursor) == ("nasa", "again")
    assert error.maybe_charged == 0
    assert (walk.pages, walk.done, walk.stop_reason) == (distance + 1, False, None)
    assert refused(walk) is error


def test_the_start_cursor_may_not_come_again() -> None:
    """A page that leads to itself is found at once, also the page that the walk began with."""
    walk = walk_at("c1")
    take(walk, page("c1"), "a")

    assert refused(walk).reason == "repeated_cursor"


def test_a_long_cursor_is_cut_in_the_message() -> None:
    """A message does not carry a cursor of a kilobyte; the attribute does."""
    walk = walk_at("x" * 1000)
    take(walk, page("x" * 1000), "a")

    error = refused(walk)

    assert error.summary == f"the cursor '{'x' * 77}...' came again."
    assert error.cursor == "x" * 1000


@pytest.mark.parametrize("guard", ["repeated_cursor", "empty_pages"])
def test_guards_name_the_last_answer(guard: str) -> None:
    """The vendor's support is given the id of the answer that led nowhere."""
    walk = walk_at("c0")
    if guard == "repeated_cursor":
        take(walk, page("c0", request_id="req_last"), "a")
    else:
        for number in range(1, EMPTY_PAGES_IN_A_ROW + 1):
            take(walk, page(f"c{number}", request_id="req_last"))

    error = refused(walk)

    assert (error.reason, error.request_id) == (guard, "req_last")


@pytest.mark.parametrize("handles", [("a",), ("a", "b", "c")], ids=["one row", "three rows"])
def test_the_same_followers_once_more_are_refused(handles: tuple[str, ...]) -> None:
    """A page that repeats the one before under a new cursor is not delivered."""
    walk = walk_at()
    take(walk, page("c1"), *handles)
    assert walk.advance() is True

    with pytest.raises(PaginationError) as caught:
        walk.receive(page("c2", price=3, bad=2, request_id="req_9"), rows(*handles))

    error = caught.value
    assert error.reason == "no_progress"
    assert error.summary == "a new cursor brought the rows of the page before once more."
    assert (error.handle, error.cursor, error.request_id) == ("nasa", "c1", "req_9")
    assert error.maybe_charged == 0
    # It was paid for, and nothing of it was delivered.
    assert counters(walk) == {
        "pages": 2,
        "rows": len(handles),
        "invalid_rows": 0,
        "credits_charged": 4,
    }
    assert refused(walk) is error
    assert place(walk) == ("c1", False, None)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a", "b"), ("a", "c")),
        (("a", "b"), ("c", "b")),
        (("a", "b"), ("a",)),
        (("a",), ("a", "b")),
        (("a", "b", "c"), ("a", "x", "c")),
        ((), ("a",)),
        (("a",), ()),
    ],
    ids=str,
)
def test_an_overlap_is_progress(first: tuple[str, ...], second: tuple[str, ...]) -> None:
    """Pages that share some followers are delivered: lists move while they are read."""
    walk = walk_at()
    take(walk, page("c1"), *first)
    take(walk, page("c2"), *second)

    assert walk.advance() is True
    assert (walk.pages, walk.rows) == (2, len(first) + len(second))


def test_only_the_page_before_is_compared() -> None:
    """Followers that come again later are delivered: only a repeat in a row is a loop."""
    walk = walk_at()
    take(walk, page("c1"), "a")
    take(walk, page("c2"), "b")
    take(walk, page("c3"), "a")

    assert walk.advance() is True
    assert walk.rows == 3


def test_identity_decides_what_is_the_same() -> None:
    """Rows are compared by `identity` alone, so a renamed follower is still the same."""
    walk = Walk("nasa", None, identity=lambda _page, rows: [row.lower() for row in rows])
    assert walk.advance() is True
    walk.receive(page("c1"), ["A", "b"])
    assert walk.advance() is True

    with pytest.raises(PaginationError, match="once more"):
        walk.receive(page("c2"), ["a", "B"])


def test_identity_is_told_the_page() -> None:
    """What makes rows the same may be found on the page."""
    pages: list[Any] = []

    def identity(came: ListPage, came_rows: Sequence[Any]) -> Sequence[str]:
        pages.append(came)
        return handles_of(came, came_rows)

    walk = Walk("nasa", None, identity=identity)
    came = page("c1")
    take(walk, came, "a")
    assert pages == [came]


def test_five_empty_pages_are_gone_through_and_the_sixth_is_not() -> None:
    """Single empty pages are normal; the sixth in a row ends the walk with where to go on."""
    assert EMPTY_PAGES_IN_A_ROW == 6
    walk = walk_at()
    for number in range(1, 7):
        take(walk, page(f"c{number}"))

    error = refused(walk)

    assert error.reason == "empty_pages"
    assert error.summary == "six pages in a row brought nothing."
    assert (error.handle, error.cursor) == ("nasa", "c6")
    assert error.maybe_charged == 0
    assert (walk.pages, place(walk)) == (6, ("c6", False, None))


def test_after_six_empty_pages_the_walk_can_go_on() -> None:
    """Whoever goes on after the error buys up to six more empty pages before the next one."""
    walk = walk_at()
    for number in range(1, 7):
        take(walk, page(f"c{number}"))
    refused(walk)

    for number in range(7, 13):
        take(walk, page(f"c{number}"))
    assert refused(walk).cursor == "c12"


def test_a_row_ends_a_series_of_empty_pages() -> None:
    """Empty pages count only in a row: one follower between them starts the count again."""
    walk = walk_at()
    for number in range(1, 6):
        take(walk, page(f"a{number}"))
    take(walk, page("a6"), "u")
    for number in range(1, 7):
        take(walk, page(f"b{number}"))

    assert refused(walk).reason == "empty_pages"
    assert walk.pages == 12


def test_the_limit_is_reported_rather_than_empty_pages() -> None:
    """A walk that may ask for no more pages ends with its limit, also after empty ones."""
    walk = walk_at(None, 6)
    for number in range(1, 7):
        take(walk, page(f"c{number}"))

    assert walk.advance() is False
    assert place(walk) == ("c6", False, "max_pages")


def test_the_end_after_empty_pages_is_an_end() -> None:
    """A list whose last six pages are empty has ended all the same."""
    walk = walk_at()
    for number in range(1, 6):
        take(walk, page(f"c{number}"))
    take(walk, page(None))

    assert walk.advance() is False
    assert place(walk) == (None, True, "complete")


# -- lookup statuses ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["hidden", "private", "not_found", "suspended", ""])
@pytest.mark.parametrize("cursor", [None, "c3"])
def test_an_unavailable_profile(status: str, cursor: str | None) -> None:
    """A status that is not found ends the walk with an error that keeps the cursor."""
    walk = walk_at(cursor)
    assert walk.advance() is True

    with pytest.raises(ProfileUnavailableError) as caught:
        walk.receive(page(status=status, request_id="req_5"), [])

    error = caught.value
    assert error.lookup_status == status
    assert error.summary == f"this profile has no readable list: {status}."
    assert (error.handle, error.cursor, error.request_id) == ("nasa", cursor, "req_5")
    assert error.maybe_charged == 0
    assert place(walk) == (cursor, False, None)
    assert counters(walk) == {"pages": 1, "rows": 0, "invalid_rows": 0, "credits_charged": 1}


def test_an_unavailable_profile_is_not_asked_for_again() -> None:
    """Every further step raises the same error, without a longer traceback each time."""
    walk = walk_at()
    assert walk.advance() is True
    with pytest.raises(ProfileUnavailableError) as first:
        walk.receive(page(status="private"), [])

    depths = []
    for _ in range(4):
        with pytest.raises(ProfileUnavailableError) as again:
            walk.advance()
        assert again.value is first.value
        depths.append(len(traceback.extract_tb(again.value.__traceback__)))
    assert depths == [depths[0]] * 4
    assert walk.pages == 1


def test_rows_of_an_unavailable_profile_are_delivered_first() -> None:
    """Rows that were paid for are delivered, whatever the status; the error comes after them."""
    walk = walk_at()
    take(walk, page("c1"), "a")
    take(walk, page("c2", status="hidden", request_id="req_2"), "b", "c")
    assert (walk.rows, place(walk)) == (3, ("c1", False, None))

    for _ in range(2):
        with pytest.raises(ProfileUnavailableError) as caught:
            walk.advance()
        assert caught.value.lookup_status == "hidden"
        assert (caught.value.cursor, caught.value.request_id) == ("c1", "req_2")
    assert place(walk) == ("c1", False, None)


def test_a_profile_that_disappears_keeps_what_came() -> None:
    """A profile that is hidden at page N leaves the walk at page N."""
    walk = walk_at()
    take(walk, page("c1"), "a")
    assert walk.advance() is True
    with pytest.raises(ProfileUnavailableError) as caught:
        walk.receive(page(status="not_found"), [])

    assert caught.value.cursor == "c1"
    assert (walk.pages, walk.rows, walk.cursor) == (2, 1, "c1")


# -- properties ---------------------------------------------------------------------------------

Listing = Mapping[str | None, tuple[str | None, Sequence[str]]]


def follow(walk: Walk, listing: Listing) -> Iterator[str]:
    """Walk through a listing, cursor to next cursor and handles, and yield what is delivered."""
    while walk.advance():
        following, handles = listing[walk.cursor]
        walk.receive(page(following), rows(*handles))
        yield from handles


@st.composite
def listings(draw: st.DrawFn) -> tuple[list[str], dict[str | None, tuple[str | None, list[str]]]]:
    """Split a list of followers into pages, with up to five empty ones wherever that falls."""
    handles = [f"u{n}" for n in range(draw(st.integers(0, 40)))]
    sizes = draw(st.lists(st.integers(0, 7), max_size=30))
    pages: list[list[str]] = []
    left = handles
    empty = 0
    for size in sizes:
        empty = empty + 1 if not left[:size] else 0
        if empty == EMPTY_PAGES_IN_A_ROW:
            break
        pages.append(left[:size])
        left = left[size:]
    if left or not pages:
        pages.append(left)
    cursors: list[str | None] = [None]
    cursors += draw(
        st.lists(
            st.text(min_size=1, max_size=4),
            min_size=len(pages) - 1,
            max_size=len(pages) - 1,
            unique=True,
        )
    )
    cursors.append(None)
    return handles, {
        cursors[number]: (cursors[number + 1], content) for number, content in enumerate(pages)
    }


Made = tuple[list[str], dict[str | None, tuple[str | None, list[str]]]]


@given(listings())
@settings(deadline=None, max_examples=300)
def test_each_follower_once_and_in_order(made: Made) -> None:
    """However a list is split into pages, each follower comes once, in order, and then the end."""
    handles, listing = made
    walk = walk_at()

    assert list(follow(walk, listing)) == handles
    assert place(walk) == (None, True, "complete")
    assert counters(walk) == {
        "pages": len(listing),
        "rows": len(handles),
        "invalid_rows": 0,
        "credits_charged": len(listing),
    }


@given(listings(), st.integers(1, 31))
@settings(deadline=None, max_examples=300)
def test_a_walk_goes_on_where_another_stopped(made: Made, limit: int) -> None:
    """A walk cut after any page and a new one from its cursor deliver the same list together."""
    handles, listing = made
    first = walk_at(None, limit)
    delivered = list(follow(first, listing))
    if first.done:
        assert limit >= len(listing)
    else:
        assert (first.pages, first.stop_reason) == (limit, "max_pages")
        delivered += list(follow(walk_at(first.cursor), listing))

    assert delivered == handles


@given(listings(), st.integers(0, 30))
@settings(deadline=None, max_examples=300)
def test_a_page_in_hand_is_asked_for_again_after_a_crash(made: Made, index: int) -> None:
    """A position saved while a page is delivered leads back to this page: none is lost."""
    handles, listing = made
    assume(index < len(listing))
    walk = walk_at()
    before: list[str] = []
    for _ in range(index):
        assert walk.advance()
        following, content = listing[walk.cursor]
        walk.receive(page(following), rows(*content))
        before += content
    assert walk.advance()
    following, content = listing[walk.cursor]
    walk.receive(page(following), rows(*content))

    assert before + list(follow(walk_at(walk.cursor), listing)) == handles


@given(
    st.dictionaries(
        st.none() | st.sampled_from("abcdefgh"),
        st.tuples(
            st.none() | st.sampled_from(["", *"abcdefgh"]),
            st.lists(st.sampled_from("xyz"), max_size=2),
        ),
    )
)
@settings(deadline=None, max_examples=500)
def test_no_cursor_is_ever_asked_for_twice(listing: dict[str | None, Any]) -> None:
    """Whatever pages a server makes of eight cursors, each is bought at most once."""
    walk = walk_at()
    asked: list[str | None] = []
    try:
        while walk.advance():
            asked.append(walk.cursor)
            following, handles = listing.get(walk.cursor, (None, []))
            walk.receive(page(following), rows(*handles))
    except PaginationError as error:
        assert error.reason in {"repeated_cursor", "no_progress", "empty_pages"}  # noqa: PT017
    else:
        assert walk.stop_reason in {"complete", "missing_cursor"}

    assert len(asked) == len(set(asked)) == walk.pages


def held(walk: Walk) -> int:
    """Return the bytes that the guards of a walk hold, as the allocator hands them out."""
    owners = (walk, walk._seen)
    values = [getattr(owner, name) for owner in owners for name in owner.__slots__]
    sets = [value for value in values if isinstance(value, set)]
    parts = [value._parts for value in values if isinstance(value, Hashes)]
    hashes = chain.from_iterable(chain(one, one.values()) for one in parts)
    sizes = [sys.getsizeof(one) for one in chain(sets, *sets, parts, hashes)]
    return sum(-size // 16 * -16 for size in sizes)


def test_the_memory_of_the_largest_account() -> None:
    """All guards together take at most 30 MB for 235,000 pages of 20, whatever the cursors are."""
    walk = Walk("nasa", None, identity=lambda _page, rows: rows)
    blank = page("c")
    for number in range(235_000):
        walk.advance()
        handles = f"a {number}.".join("abcdefghijklmnopqrstu").split(" ")[1:]
        walk.receive(replace(blank, next_cursor=f"{number:0200}"), handles)

    assert walk.rows == 4_700_000
    assert held(walk) <= 30e6, f"{held(walk) / 1e6:.1f} MB for 235,000 pages"


def test_a_repeat_behind_an_empty_page_is_a_repeat() -> None:
    """An empty page between two equal ones does not hide that the list leads nowhere."""
    walk = walk_at()
    take(walk, page("c1"), "a", "b")
    take(walk, page("c2"))
    assert walk.advance()
    with pytest.raises(PaginationError) as caught:
        walk.receive(page("c3"), rows("a", "b"))
    assert caught.value.reason == "no_progress"


def test_the_same_followers_in_another_order_are_a_repeat() -> None:
    """What makes a page a repeat is whom it brings, not in which order."""
    walk = walk_at()
    take(walk, page("c1"), "a", "b", "c")
    assert walk.advance()
    with pytest.raises(PaginationError, match="once more"):
        walk.receive(page("c2"), rows("b", "c", "a"))


# -- lists that begin again ---------------------------------------------------------------------


def test_a_list_that_begins_again_is_left_behind_the_third_page() -> None:
    """The pages are delivered, since they were paid for; the next one is not bought."""
    walk = walk_at()
    for number, handles in enumerate(["ab", "cd", "ab", "cd", "ab"], 1):
        take(walk, page(f"c{number}", request_id=f"req_{number}"), *handles)
    assert walk.rows == 10

    error = refused(walk)

    assert error.reason == "no_progress"
    assert error.summary == "the list begins again: new cursors bring rows that came before."
    assert (error.handle, error.cursor, error.request_id) == ("nasa", "c5", "req_5")
    assert refused(walk) is error


def test_a_list_that_ends_there_has_ended() -> None:
    """The last page of a list leads nowhere else: there is nothing to stop."""
    walk = walk_at()
    for number, handles in enumerate(["ab", "cd", "ab", "cd"], 1):
        take(walk, page(f"c{number}"), *handles)
    take(walk, page(None), "a", "b")

    assert walk.advance() is False
    assert walk.stop_reason == "complete"


def test_what_is_recalled_counts_as_asked_for_and_seen() -> None:
    """A circle that was cut in two by a limit is a circle, of cursors and of rows."""
    walk = walk_at("c2")
    walk.recall(None, ["a", "b"])
    walk.recall("c1", ["c", "d"])
    take(walk, page("c1"), "e")
    assert refused(walk).reason == "repeated_cursor"

    walk = walk_at("c2")
    walk.recall(None, ["a", "b"])
    walk.recall("c1", ["c", "d"])
    for number, handles in enumerate(["ab", "cd", "ab"], 3):
        take(walk, page(f"c{number}"), *handles)
    assert refused(walk).reason == "no_progress"


def test_the_last_page_says_the_status_and_the_total() -> None:
    """Nothing before the first page."""
    walk = walk_at()
    assert (walk.lookup_status, walk.total) == (None, None)
    take(walk, replace(page("c1"), total_followers=7), "a")
    assert (walk.lookup_status, walk.total) == ("found", 7)
    take(walk, page("c2", status="odd"), "b")
    assert (walk.lookup_status, walk.total) == ("odd", None)


def test_rows_are_counted_from_the_top() -> None:
    """Whether a list is short can be said only of one whose top is known."""
    walk = walk_at()
    take(walk, page("c1"), "a", "b")
    assert walk.found == 2

    walk = walk_at("c1")
    take(walk, page("c2"), "c")
    assert walk.found is None

    walk = walk_at("c1")
    walk.recall("c0", ["x", "y", "z"])
    take(walk, page("c2"), "c")
    assert walk.found is None

    walk = walk_at("c1")
    walk.recall(None, ["a", "b"])
    walk.recall("c0", ["x", "y", "z"])
    take(walk, page("c2"), "c")
    assert walk.found == 6


@pytest.mark.parametrize(("limit", "pages"), [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_max_rows_is_reached_in_whole_pages(limit: int, pages: int) -> None:
    """The page that reaches the limit is the last, and is not cut."""
    walk = Walk("nasa", None, identity=handles_of, max_rows=limit)
    for number in range(1, pages + 1):
        take(walk, page(f"c{number}"), f"a{number}", f"b{number}")

    assert walk.advance() is False
    assert place(walk) == (f"c{pages}", False, "max_rows")
    assert walk.rows == 2 * pages


def test_a_walk_that_is_moved_past_stored_pages_knows_where_it_was() -> None:
    """What it asked for before and after counts, and what lies between as far as recalled."""
    walk = walk_at()
    take(walk, page("c1"), "a")
    assert walk.advance()
    walk.recall("c1", ["b"])
    walk.skip_to("c2")
    take(walk, page("c3"), "c")
    take(walk, page("c2"), "d")

    error = refused(walk)

    assert (error.reason, error.cursor) == ("repeated_cursor", "c2")
