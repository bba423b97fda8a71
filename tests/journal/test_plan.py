"""What a batch has left to do, as tables: what was typed, and what a list has."""

from pathlib import Path
from typing import Any

import pytest

from socialfetch_async import (
    BadRequestError,
    HandleDone,
    InternalServerError,
    LookupFailedError,
    ServiceUnavailableError,
    SocialFetchError,
    read_journal,
)
from socialfetch_async.journal import Rounds, Step, Wanted, left, settled
from socialfetch_async.journal.plan import failed_in_an_outage
from tests.journals import BEGAN, done, page, write

Line = dict[str, Any]
FIRST = "2026-11-22T12:00:00.000000Z-000000"
SECOND = "2026-11-23T12:00:00.000000Z-000000"
NEXT = "2026-11-24T12:00:00.000000Z-000000"


def reading(name: str, *lines: Line, seconds: float = 0) -> list[Line]:
    """Return lines that belong to a reading, some seconds later."""
    _ = seconds
    return [{**line, "reading": name} for line in lines]


WHOLE = [page("a", ["x", "y"], None, "1"), page("a", ["z"], "1", seconds=1)]
BEGUN = [page("a", ["x", "y"], None, "1")]
PRIVATE = [page("a", [], lookup_status="private")]
NO_TOP = [page("a", ["z"], "1")]
STUCK = [*BEGUN, done("a", "failed", cursor="1", reason="no_progress", error="Why.", seconds=1)]
REFUSED = [*BEGUN, done("a", "failed", cursor="1", reason="refused", error="Why.", seconds=1)]
EMPTY = [*BEGUN, done("a", "failed", cursor="1", reason="empty_pages", error="Why.", seconds=1)]
CIRCLE = [page("a", ["x"], None, "1"), page("a", ["y"], "1", "1", seconds=1)]
NEW = [*WHOLE, *reading(SECOND, page("a", ["n", "x"], None, "1a", seconds=9, new_rows=1))]
MET = [*NEW, *reading(SECOND, page("a", ["y", "z"], "1a", "2a", seconds=10, met=FIRST, new_rows=0))]
ALL = [*WHOLE, *reading(SECOND, page("a", ["n"], None, "1a", seconds=9))]
DEEP = [*BEGUN, page("a", ["z", "u"], "1", "2", seconds=1)]
JOINS = reading(
    SECOND,
    page("a", ["m", "n"], None, "1a", seconds=9, new_rows=2),
    page("a", ["x"], "1a", "2a", seconds=10, met=FIRST, new_rows=0),
)
ANEW = [*WHOLE, *reading(SECOND, page("a", ["n", "m", "o"], seconds=9))]
NOBODY = [page("a", [])]
NO_READING = [done("a", "failed", reading=None, error="Why.")]
GONE = [*WHOLE, *reading(SECOND, page("a", [], lookup_status="private", seconds=9))]
LOOPS = [
    *WHOLE,
    *reading(
        SECOND,
        page("a", ["x", "y"], None, "1a", seconds=9),
        done("a", "failed", cursor="1a", reason="no_progress", error="Why.", seconds=10),
    ),
]
HOLE = [
    page("a", ["x", "y"], None, "1"),
    page("a", ["p"], "2", "3", seconds=2),
    page("a", ["q"], "3", seconds=3),
]


@pytest.mark.parametrize(
    ("lines", "refresh", "options", "step"),
    [
        # The same command again.
        ([], None, {}, ("read", "not_begun", NEXT, None, None)),
        (NO_READING, None, {}, ("read", "not_begun", NEXT, None, None)),
        (WHOLE, None, {}, ("nothing", "complete", FIRST, None, None)),
        (BEGUN, None, {}, ("go_on", "unfinished", FIRST, "1", None)),
        (PRIVATE, None, {}, ("nothing", "unavailable:private", FIRST, None, None)),
        (NO_TOP, None, {}, ("go_on", "unfinished", FIRST, None, None)),
        (HOLE, None, {}, ("go_on", "unfinished", FIRST, "1", None)),
        (STUCK, None, {}, ("nothing", "no_progress", FIRST, "1", None)),
        (CIRCLE, None, {}, ("nothing", "repeated_cursor", FIRST, None, None)),
        (EMPTY, None, {}, ("go_on", "unfinished", FIRST, "1", None)),
        (REFUSED, None, {}, ("go_on", "refused", FIRST, "1", None)),
        # An open refresh is neither continued nor ended.
        (NEW, None, {}, ("nothing", "complete", FIRST, None, None)),
        (MET, None, {}, ("nothing", "complete", FIRST, None, None)),
        (ALL, None, {}, ("nothing", "complete", FIRST, None, None)),
        # Caps, in whole pages.
        (BEGUN, None, {"max_pages": 1}, ("nothing", "max_pages", FIRST, "1", None)),
        (BEGUN, None, {"max_pages": 2}, ("go_on", "unfinished", FIRST, "1", None)),
        (BEGUN, None, {"max_followers": 2}, ("nothing", "max_followers", FIRST, "1", None)),
        (BEGUN, None, {"max_followers": 3}, ("go_on", "unfinished", FIRST, "1", None)),
        (WHOLE, None, {"max_pages": 1}, ("nothing", "complete", FIRST, None, None)),
        # What is new.
        ([], "new", {}, ("read", "not_begun", NEXT, None, None)),
        (WHOLE, "new", {}, ("read_new", "refresh", NEXT, None, FIRST)),
        (BEGUN, "new", {}, ("go_on", "unfinished", FIRST, "1", None)),
        (BEGUN, "new", {"max_pages": 1}, ("read_new", "refresh", NEXT, None, FIRST)),
        (PRIVATE, "new", {}, ("ask_again", "refresh", NEXT, None, None)),
        (STUCK, "new", {}, ("nothing", "no_progress", FIRST, "1", None)),
        (REFUSED, "new", {}, ("nothing", "refused", FIRST, "1", None)),
        (CIRCLE, "new", {}, ("nothing", "repeated_cursor", FIRST, None, None)),
        (NEW, "new", {"work": SECOND}, ("read_new", "unfinished", SECOND, "1a", FIRST)),
        (MET, "new", {"work": SECOND}, ("nothing", "complete", SECOND, None, None)),
        (MET, "new", {}, ("read_new", "refresh", NEXT, None, SECOND)),
        # One that has met a list goes on behind what that has.
        ([*DEEP, *JOINS], "new", {"work": SECOND}, ("go_on", "unfinished", FIRST, "2", None)),
        ([*DEEP, *JOINS], "new", {"work": SECOND, "max_followers": 3},
         ("nothing", "max_followers", SECOND, "2", None)),
        # All.
        (WHOLE, "all", {}, ("read", "refresh", NEXT, None, None)),
        (BEGUN, "all", {}, ("read", "refresh", NEXT, None, None)),
        (STUCK, "all", {}, ("read", "refresh", NEXT, None, None)),
        (REFUSED, "all", {}, ("read", "refresh", NEXT, None, None)),
        (PRIVATE, "all", {}, ("read", "refresh", NEXT, None, None)),
        (ALL, "all", {"work": SECOND}, ("go_on", "unfinished", SECOND, "1a", None)),
        (ALL, "all", {"work": SECOND, "max_pages": 1},
         ("nothing", "deeper", SECOND, "1a", None)),
        (ANEW, "all", {"work": SECOND}, ("nothing", "complete", SECOND, None, None)),
        # A list that is longer than the caps allow is not read again, for it would not be shown.
        (WHOLE, "all", {"max_followers": 2}, ("nothing", "deeper", FIRST, None, None)),
        (WHOLE, "all", {"max_followers": 3}, ("read", "refresh", NEXT, None, None)),
        (WHOLE, "all", {"max_pages": 1}, ("nothing", "deeper", FIRST, None, None)),
        (WHOLE, "all", {"max_pages": 2}, ("read", "refresh", NEXT, None, None)),
        (BEGUN, "all", {"max_followers": 2}, ("read", "refresh", NEXT, None, None)),
        (DEEP, "all", {"max_followers": 2}, ("nothing", "deeper", FIRST, None, None)),
        (DEEP, "all", {"max_followers": 3}, ("read", "refresh", NEXT, None, None)),
        # One that has nobody is not: somebody may have come.
        (NOBODY, "all", {"max_pages": 1}, ("read", "refresh", NEXT, None, None)),
        (PRIVATE, "all", {"max_pages": 1}, ("read", "refresh", NEXT, None, None)),
        # With what a refresh has joined it is no deeper than before.
        ([*DEEP, *JOINS], "all", {"max_followers": 3}, ("read", "refresh", NEXT, None, None)),
        (NEW, "new", {"work": SECOND, "max_pages": 1}, ("nothing", "deeper", SECOND, "1a", None)),
        # Only what is older.
        (WHOLE, "new", {"before": BEGAN.timestamp()}, ("nothing", "recent", FIRST, None, None)),
        (WHOLE, "all", {"before": BEGAN.timestamp()}, ("nothing", "recent", FIRST, None, None)),
        (WHOLE, "new", {"before": BEGAN.timestamp() + 1},
         ("read_new", "refresh", NEXT, None, FIRST)),
        # So is one that was asked for in vain, though what is shown of it is older.
        (GONE, "new", {"before": BEGAN.timestamp() + 9}, ("nothing", "recent", FIRST, None, None)),
        (GONE, "all", {"before": BEGAN.timestamp() + 9}, ("nothing", "recent", FIRST, None, None)),
        (GONE, "new", {"before": BEGAN.timestamp() + 10},
         ("read_new", "refresh", NEXT, None, FIRST)),
        (LOOPS, "all", {"before": BEGAN.timestamp() + 9}, ("nothing", "recent", FIRST, None, None)),
        (ALL, "all", {"before": BEGAN.timestamp() + 9}, ("read", "refresh", NEXT, None, None)),
        (BEGUN, "new", {"before": BEGAN.timestamp()}, ("go_on", "unfinished", FIRST, "1", None)),
    ],
)  # fmt: skip
def test_what_is_left_to_do(
    tmp_path: Path, lines: list[Line], refresh: Any, options: dict[str, Any], step: tuple[Any, ...]
) -> None:
    """One row for each thing that can be typed, and each state of a list."""
    saved = read_journal(write(tmp_path / "j", *lines))
    wanted = Wanted(**{"work": NEXT, "refresh": refresh, **options})
    found = saved.plan({"A": None}, wanted)["A"]
    cursor = None if found.do == "nothing" and found.why in ENDED else found.cursor
    assert (found.do, found.why, found.reading, cursor, found.base) == step


ENDED = {"complete", "private", "repeated_cursor"}


@pytest.mark.parametrize(
    ("lines", "start", "step"),
    [
        ([], "1", ("read", "not_begun", NEXT, "1")),
        (BEGUN, "1", ("go_on", "unfinished", FIRST, "1")),
        (DEEP, "1", ("go_on", "unfinished", FIRST, "2")),
        (NO_TOP, "1", ("nothing", "complete", FIRST, None)),
        (NO_TOP, "5", ("go_on", "unfinished", FIRST, "5")),
    ],
)
def test_a_list_that_begins_at_a_cursor(
    tmp_path: Path, lines: list[Line], start: str, step: tuple[Any, ...]
) -> None:
    """What lies before it is not asked for, and what was bought from there on is not again."""
    saved = read_journal(write(tmp_path / "j", *lines))
    found = saved.plan({"A": start}, Wanted(NEXT))["A"]
    cursor = None if found.do == "nothing" else found.cursor
    assert (found.do, found.why, found.reading, cursor) == step


@pytest.mark.parametrize(
    ("lines", "pages", "followers"),
    [([], 0, 0), (BEGUN, 1, 2), (DEEP, 2, 4), (HOLE, 1, 2), (WHOLE, 2, 3), (MET, 4, 4)],
)
def test_a_step_counts_what_is_there(
    tmp_path: Path, lines: list[Line], pages: int, followers: int
) -> None:
    """Of the list, whether or not it goes on; a follower that a refresh saw again once."""
    saved = read_journal(write(tmp_path / "j", *lines))
    found = saved.plan({"A": None}, Wanted(NEXT))["A"]
    assert (found.pages, found.followers) == (pages, followers)


READ = Step("read", "not_begun", NEXT)
ON = Step("go_on", "unfinished", FIRST, "1")
REFUSES = Step("go_on", "refused", FIRST, "2")
ENOUGH = Step("nothing", "complete", FIRST)


@pytest.mark.parametrize(
    ("status", "again"),
    [
        ("complete", True),
        ("max_followers", True),
        ("unavailable", True),
        ("failed", False),
        ("stopped", False),
        ("max_credits", False),
        (None, False),
    ],
)
def test_a_call_goes_on_with_what_is_new_to_do(status: Any, *, again: bool) -> None:
    """Not with the same step, nor with a list that failed or was stopped: it may have no end."""
    rounds, ends = Rounds(), dict[str, HandleDone]()
    if status is not None:
        ends["a"] = HandleDone(
            handle="a", status=status, cursor=None, pages=1, followers=2, credits_charged=1
        )
    assert rounds.next({"a": READ, "b": ENOUGH, "c": ON}) == {"a": None, "c": "1"}
    rounds.ended(["a"], ends)

    assert rounds.outcomes == {"a": status or "stopped"}
    assert rounds.next({"a": READ, "c": ON}) == {}
    assert rounds.next({"a": ON, "b": ENOUGH}) == ({"a": "1"} if again else {})
    assert rounds.next({"a": ON}) == {}


def ends(word: str) -> list[HandleDone]:
    """Return how some handles ended, by a letter for each."""
    ways: dict[str, tuple[Any, SocialFetchError | None]] = {
        "c": ("complete", None),
        "s": ("stopped", None),
        "f": ("failed", ServiceUnavailableError("x.", status=503)),
        "w": ("failed", ServiceUnavailableError("x.", status=503, retry_after=3600.0)),
        "m": ("failed", InternalServerError("x.", status=500, maybe_charged=6)),
        "l": ("failed", LookupFailedError("x.", status=502)),
        "b": ("failed", BadRequestError("x.", status=400)),
    }
    return [
        HandleDone(
            handle=f"{way}{at}",
            status=ways[way][0],
            cursor=None,
            pages=way == "c",
            followers=0,
            credits_charged=0,
            error=ways[way][1],
        )
        for at, way in enumerate(word)
    ]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("", set()),
        ("ccc", set()),
        ("fc", {"f0"}),
        ("cfffc", {"f1", "f2", "f3"}),
        ("cf", set()),
        ("fs", set()),
        ("fsc", {"f0"}),
        ("mc", set()),
        ("cmc", set()),
        ("mmc", {"m0", "m1"}),
        ("mfc", {"m0", "f1"}),
        ("mcmcm", set()),
        ("mmcm", {"m0", "m1"}),
        ("lc", set()),
        ("blbc", set()),
        ("mbmc", {"m0", "m2"}),
        ("wwfc", {"f2"}),
    ],
)
def test_who_failed_in_an_outage(word: str, found: set[str]) -> None:
    """The API was up again after it; one page alone that costs something may be at fault itself."""
    assert failed_in_an_outage(ends(word)) == found


def test_what_failed_in_an_outage_is_asked_for_once_more() -> None:
    """By the same step; and then no more, whatever becomes of it."""
    rounds = Rounds()
    down, up = ends("fc")
    steps = {down.handle: READ}
    rounds.next({**steps, up.handle: READ})

    rounds.ended([down.handle, up.handle], {down.handle: down, up.handle: up})
    assert rounds.next(steps) == {down.handle: None}
    rounds.ended([down.handle, up.handle], {down.handle: down, up.handle: up})
    assert rounds.next(steps) == {}
    assert rounds.outcomes[down.handle] == "failed"


@pytest.mark.parametrize(
    ("steps", "is_settled", "to_do"),
    [
        ({}, True, {}),
        ({"a": ENOUGH}, True, {}),
        ({"a": ENOUGH, "b": REFUSES}, True, {"b": "2"}),
        ({"a": ENOUGH, "b": ON}, False, {"b": "1"}),
        ({"a": READ}, False, {"a": None}),
    ],
)
def test_a_refresh_is_settled_when_only_refusals_are_left(
    steps: dict[str, Step], to_do: dict[str, str | None], *, is_settled: bool
) -> None:
    """A page that the API refuses may be asked for again, but nobody waits for it."""
    assert settled(steps) is is_settled
    assert left(steps) == to_do


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (WHOLE, ["x", "y", "z"]),
        (BEGUN, ["x", "y"]),
        # An unfinished newer reading hides nothing.
        (NEW, ["x", "y", "z"]),
        (ALL, ["x", "y", "z"]),
        (MET, ["n", "x", "y", "z"]),
        ([*ALL, *reading(SECOND, page("a", ["m"], "1a", seconds=11))], ["n", "m"]),
        # Without a complete one, the longest.
        ([*BEGUN, *reading(SECOND, page("a", ["n"], None, "1a", seconds=9))], ["x", "y"]),
        # An older complete one, and a profile that is private now.
        ([*WHOLE, *reading(SECOND, page("a", [], lookup_status="private"))], ["x", "y", "z"]),
        # A reading that was joined to one that is not there is a list of its own, unfinished.
        (MET[2:], ["n", "x", "y", "z"]),
    ],
)
def test_the_current_list(tmp_path: Path, lines: list[Line], names: list[str]) -> None:
    """In any order of the lines, and from two files."""
    for order in (lines, lines[::-1]):
        two = write(tmp_path / "1", *order[::2]), write(tmp_path / "2", *order[1::2])
        for saved in (read_journal(write(tmp_path / "j", *order)), read_journal(*two)):
            assert [name for p in saved.pages("a") for name in p.names()] == names
            assert saved.handles["a"].followers == len(names)
