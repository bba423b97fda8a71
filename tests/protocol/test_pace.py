"""The pace: fewer requests per second when the API refuses, slowly more again."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async._protocol.pace import Pace


def refused(pace: Pace, times: int, now: float, sent: float | None = None) -> list[bool]:
    """Let some requests be refused at the same moment."""
    return [pace.refused(now if sent is None else sent, now) for _ in range(times)]


def answered(pace: Pace, pages: int, now: float) -> Pace:
    """Let some pages come at the same moment."""
    for _ in range(pages):
        pace.allowed(now)
    return pace


def test_at_first_nothing_is_limited() -> None:
    """Without a refusal no request waits."""
    pace = answered(Pace(), 1000, 5.0)

    assert pace.rate is None
    assert pace.delay(5.0) == 0.0


@pytest.mark.parametrize(
    ("pages", "refusals", "rate"),
    [
        (60, 4, None),  # a few refusals say nothing
        (60, 6, None),
        (60, 7, 51.0),  # more than one in ten: 0.85 of what came through
        (45, 5, None),
        (44, 5, pytest.approx(37.4)),
        (1000, 111, None),
        (1000, 112, 850.0),
        (0, 4, None),
        (0, 5, 10.0),  # nothing came through yet: begin somewhere
        (5, 5, 10.0),
    ],
)
def test_too_many_refusals_slow_down(pages: int, refusals: int, rate: float | None) -> None:
    """To a share of what the API has answered in a second, the first of a clock included."""
    for second in (0.0, 5.0):
        pace = answered(Pace(), pages, second)
        refused(pace, refusals, second + 0.5)

        assert pace.rate == rate


@pytest.mark.parametrize(
    ("moments", "rate"),
    [
        ([(60, 5.0), (0, 6.1)], None),  # six of sixty-six
        ([(60, 5.0), (0, 7.1)], 10.0),  # the pages are of another time
        ([(0, 5.0), (60, 6.0), (0, 7.1)], None),
    ],
)
def test_what_was_answered_in_the_second_before_counts(
    moments: list[tuple[int, float]], rate: float | None
) -> None:
    """That and no longer ago."""
    pace = Pace()
    for pages, now in moments:
        answered(pace, pages, now)
    refused(pace, 6, moments[-1][1])

    assert pace.rate == rate


@pytest.mark.parametrize(("second", "rate"), [(5.9, 10.0), (6.1, 10.0), (7.1, None)])
def test_refusals_of_two_seconds_are_counted_together(second: float, rate: float | None) -> None:
    """Three and two are more than a few, unless time lies between them."""
    pace = Pace()
    refused(pace, 3, 5.5)
    refused(pace, 2, second)

    assert pace.rate == rate


@pytest.mark.parametrize(
    ("pages", "refusals", "too_many"),
    [
        (180, 20, 1),  # 10 of 100 are left, so that the next one is 11 of 101
        (93, 8, 2),
        (92, 8, 3),  # a hundred are not too many to be counted in full: 11 of 103
    ],
)
def test_what_was_answered_before_counts_half(pages: int, refusals: int, too_many: int) -> None:
    """Pages and refusals alike, when they are more than is needed to measure a share by."""
    pace = answered(Pace(), pages, 5.0)
    assert not any(refused(pace, refusals, 5.0))

    assert refused(pace, too_many, 6.0) == [False] * (too_many - 1) + [True]


def test_refusals_of_one_burst_are_one_piece_of_news() -> None:
    """What left before the decrease, or comes within a second of it, changes nothing."""
    pace = answered(Pace(), 60, 5.0)

    assert refused(pace, 50, 5.5) == [False] * 6 + [True] + [False] * 43
    assert refused(pace, 50, 6.4) == [False] * 50
    assert refused(pace, 50, 7.0, sent=5.4) == [False] * 50
    assert pace.rate == 51.0


def test_a_second_after_a_decrease_refusals_count_again() -> None:
    """From nought, and those that left at its moment are news."""
    pace = answered(Pace(), 60, 5.0)
    refused(pace, 7, 5.5)

    assert refused(pace, 7, 6.5, sent=5.5) == [False] * 4 + [True] + [False] * 2
    assert pace.rate == pytest.approx(51.0 * 0.85)


@pytest.mark.parametrize(
    ("pages", "every", "refusals", "slow"),
    [
        (100, 1, 1, False),  # one in a hundred, for ten minutes
        (100, 1, 9, False),
        (100, 1, 13, True),
        (2, 10, 1, False),
        (1, 1, 1, True),  # half of them, although that is one in a second
        (1, 5, 1, True),
    ],
)
def test_the_share_of_refusals_counts_and_not_their_number(
    pages: int, every: int, refusals: int, *, slow: bool
) -> None:
    """However long it goes on: so many pages each second, and refusals every so many seconds."""
    pace, slowed = Pace(), False
    for second in range(100, 700):
        answered(pace, pages, float(second))
        slowed |= second % every == 0 and any(refused(pace, refusals, second + 0.5))

    assert slowed is slow


def test_requests_leave_at_even_intervals() -> None:
    """At 50 per second one every 20 ms, and none is made up for."""
    pace = answered(Pace(), 0, 5.0)
    refused(pace, 5, 5.0)
    moments, now = [], 5.0
    for _ in range(4):
        now += pace.delay(now)
        pace.leaves(now)
        moments.append(now)

    assert moments[0] == 5.0
    assert moments[1] == pytest.approx(5.1)
    assert moments == sorted(set(moments))
    pace.leaves(now + 5)
    assert pace.delay(now + 5) > 0


def test_a_wait_that_is_given_up_takes_no_moment() -> None:
    """The moment belongs to whoever leaves at it."""
    pace = Pace()
    refused(pace, 5, 5.0)
    pace.leaves(5.0)

    assert pace.delay(5.0) == pace.delay(5.0) == pytest.approx(0.1)


def test_the_rate_doubles_until_it_is_refused_and_then_grows_by_steps() -> None:
    """What is too much is found quickly, and approached slowly after that."""
    pace = Pace()
    refused(pace, 5, 5.0)
    for tenth in range(1, 31):
        answered(pace, 4, 5 + tenth / 10)
        pace.leaves(5 + tenth / 10)
    assert pace.rate == pytest.approx(80.0)

    assert any(refused(pace, 10, 8.05))
    assert pace.rate == pytest.approx(40.0)  # half at most, although only 40 came through
    pace.leaves(9.05)
    assert pace.rate == pytest.approx(44.0)  # a twentieth of 80 in a second
    pace.leaves(9.55)
    assert pace.rate == pytest.approx(46.0)


def test_a_pause_does_not_raise_the_rate_more_than_a_second_does() -> None:
    """While it is not known how much is too much: twice."""
    pace = Pace()
    refused(pace, 5, 5.0)
    pace.leaves(8.0)
    assert pace.rate == pytest.approx(20.0)


def test_it_never_stops() -> None:
    """Refused again and again it is halved, and one request in five seconds still leaves."""
    pace, rates = Pace(), []
    for second in range(5, 21, 2):
        refused(pace, 5, float(second))
        rates.append(pace.rate)
    assert rates == [10.0, 5.0, 2.5, 1.25, 0.625, 0.3125, 0.2, 0.2]


def test_a_limit_is_forgotten() -> None:
    """A minute without news is as good as no limit."""
    pace = Pace()
    refused(pace, 5, 5.0)
    assert pace.delay(64.0) == 0.0
    assert pace.delay(65.0) == 0.0
    assert pace.rate is not None
    pace.delay(65.1)
    assert pace.rate is None


def test_a_limit_that_was_forgotten_is_looked_for_anew() -> None:
    """Quickly, as the first time."""
    pace = Pace()
    refused(pace, 5, 5.0)
    refused(pace, 5, 7.0)
    pace.delay(70.0)
    refused(pace, 5, 70.0)
    pace.leaves(71.0)
    assert pace.rate == pytest.approx(20.0)


def bucket(rate: float, burst: float) -> Callable[[float], bool]:
    """Return a rate limit: tokens that come in at a rate."""
    tokens, at = burst, 0.0

    def allows(now: float) -> bool:
        nonlocal tokens, at
        tokens, at = min(burst, tokens + (now - at) * rate), now
        if tokens < 1:
            return False
        tokens -= 1
        return True

    return allows


def window(rate: int) -> Callable[[float], bool]:
    """Return a rate limit: so many in each second of its own."""
    counts: dict[int, int] = {}

    def allows(now: float) -> bool:
        second = math.floor(now + 0.37)
        counts[second] = counts.get(second, 0) + 1
        return counts[second] <= rate

    return allows


@pytest.mark.parametrize("limit", [30, 60, 300])
@pytest.mark.parametrize("kind", ["second's bucket", "small bucket", "window"])
def test_a_limit_is_found_and_used(limit: int, kind: str) -> None:
    """With somebody always waiting: few refusals, and close to the ideal time."""
    allows = {
        "second's bucket": bucket(limit, limit),
        "small bucket": bucket(limit, 10),
        "window": window(limit),
    }[kind]
    pace, now, pages, refusals = Pace(), 100.0, 0, 0
    wanted = 40 * limit
    while pages < wanted:
        now += pace.delay(now) if pace.rate is not None else 0.0005
        pace.leaves(now)
        if allows(now):
            pages += 1
            pace.allowed(now)
        else:
            refusals += 1
            pace.refused(now, now)
    assert refusals <= 0.25 * wanted
    assert now - 100 <= 1.2 * wanted / limit


@given(st.lists(st.tuples(st.sampled_from("ARDL"), st.floats(0, 3)), max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_history_leaves_a_rate_that_works(moves: list[tuple[str, float]]) -> None:
    """No delay is negative, endless or longer than the slowest rate's."""
    pace, now = Pace(), 0.0
    for move, seconds in moves:
        now += seconds
        if move == "A":
            pace.allowed(now)
        elif move == "R":
            pace.refused(now, now)
        elif move == "L":
            pace.leaves(now + pace.delay(now))
        assert 0.0 <= pace.delay(now) <= 10.01
        assert pace.rate is None or pace.rate >= 0.2
