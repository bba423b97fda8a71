"""Retries: what is tried again, after exactly how long, and when it is given up."""

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async import errors
from socialfetch_async._protocol.retry import (
    Retries,
    about_the_handle,
    concerns_all,
    deadline_passed,
    delays,
    first_patience_left,
    is_spared,
    parse_retry_after,
    rule,
    slows_down,
    too_long_to_wait,
)
from socialfetch_async._protocol.status import Rule
from socialfetch_async.errors import (
    APIStatusError,
    ConnectError,
    ConnectionLostError,
    PayloadError,
    SocialFetchError,
)
from socialfetch_async.policy import RetryPolicy

FOREVER = 1e9


def longest(most: float) -> float:
    """Draw the largest random number."""
    return most


def shortest(_most: float) -> float:
    """Draw the smallest random number."""
    return 0.0


def retries(jitter: Callable[[float], float] = longest, **policy: Any) -> Retries:
    """Return the waits of one page."""
    return Retries(RetryPolicy(**policy), jitter)


def lost(*, reused: bool | None) -> ConnectionLostError:
    """Return a lost connection."""
    error = ConnectionLostError("x.")
    error.reused = reused
    return error


# -- the policy ---------------------------------------------------------------------------------


def test_defaults() -> None:
    """The default policy is the documented one."""
    policy = RetryPolicy()

    assert (policy.max_attempts, policy.deadline, policy.base) == (6, 120.0, 0.5)
    assert (policy.cap, policy.retry_after_cap, policy.wait_in_outage) == (20.0, 120.0, True)
    assert policy.outage_patience == 0.0


def test_interactive() -> None:
    """The policy for web requests tries twice, for 10 s, and does not wait in an outage."""
    assert RetryPolicy.interactive() == RetryPolicy(
        max_attempts=2, deadline=10.0, wait_in_outage=False
    )


def test_the_policy_is_frozen() -> None:
    """A policy that is shared by all requests cannot be changed under them."""
    policy: Any = RetryPolicy()
    with pytest.raises(AttributeError):
        policy.max_attempts = 1
    assert hash(policy) == hash(RetryPolicy())


def test_the_policy_is_written_with_names() -> None:
    """Bare numbers in a row would not say which of them are seconds."""
    kind: Any = RetryPolicy
    with pytest.raises(TypeError):
        kind(6)


@pytest.mark.parametrize(
    "policy",
    [
        {"max_attempts": 1},
        {"deadline": 0.001},
        {"deadline": 1},
        {"base": 0},
        {"cap": 0.0},
        {"retry_after_cap": 0},
        {"wait_in_outage": False},
    ],
    ids=repr,
)
def test_policies(policy: dict[str, Any]) -> None:
    """The smallest values that make sense are accepted as they are."""
    made = RetryPolicy(**policy)

    assert [getattr(made, name) for name in policy] == list(policy.values())


@pytest.mark.parametrize(
    ("policy", "kind", "text"),
    [
        ({"max_attempts": 0}, ValueError, "max_attempts must be at least 1, not 0"),
        ({"max_attempts": 2.0}, TypeError, "max_attempts must be an int, not float"),
        ({"max_attempts": None}, TypeError, "max_attempts must be an int, not NoneType"),
        (
            {"deadline": 0},
            ValueError,
            "deadline must be a finite number of seconds, more than 0, not 0",
        ),
        ({"deadline": None}, TypeError, "deadline must be a number of seconds, not NoneType"),
        (
            {"deadline": math.inf},
            ValueError,
            "deadline must be a finite number of seconds, more than 0, not inf",
        ),
        ({"base": -1}, ValueError, "base must be a finite number of seconds, at least 0, not -1"),
        (
            {"cap": math.nan},
            ValueError,
            "cap must be a finite number of seconds, at least 0, not nan",
        ),
        ({"cap": "20"}, TypeError, "cap must be a number of seconds, not str"),
        (
            {"retry_after_cap": -0.1},
            ValueError,
            "retry_after_cap must be a finite number of seconds, at least 0, not -0.1",
        ),
        ({"wait_in_outage": 1}, TypeError, "wait_in_outage must be a bool, not int"),
        ({"wait_in_outage": None}, TypeError, "wait_in_outage must be a bool, not NoneType"),
    ],
    ids=repr,
)
def test_policies_refused(policy: dict[str, Any], kind: type[Exception], text: str) -> None:
    """A policy that cannot work is refused where it is made, by the name of the field."""
    with pytest.raises(kind) as caught:
        RetryPolicy(**policy)

    assert str(caught.value) == text


# -- the rules ----------------------------------------------------------------------------------

PASSES = Rule(retry=True, outage=True)
NEVER = Rule()
HANDLE = Rule(handle=True)
OWN: dict[str, dict[str, Any]] = {
    "DecodeError": {"path": "$"},
    "PaginationError": {"reason": "no_progress"},
    "ProfileUnavailableError": {"lookup_status": "hidden"},
    "IncompleteRunError": {"outcomes": {}, "pending": {}},
}
# Refusals are in test_status.py.
RULES: list[tuple[str, Rule]] = [
    ("SocialFetchError", NEVER),
    ("TransportError", NEVER),
    ("ConnectError", PASSES),
    ("TLSError", NEVER),
    ("ConnectionLostError", PASSES),
    ("RequestTimeoutError", PASSES),
    ("PayloadError", PASSES),
    ("ResponseTooLargeError", NEVER),
    ("UnexpectedRedirectError", NEVER),
    ("DecodeError", Rule(alive=True)),
    ("PaginationError", HANDLE),
    ("ProfileUnavailableError", HANDLE),
    ("IncompleteRunError", NEVER),
    ("CreditLimitError", NEVER),
    ("InvalidHandleError", HANDLE),
    ("JournalError", NEVER),
    ("ShardTakenError", NEVER),
    ("ExportError", NEVER),
    ("ClusterError", NEVER),
]


def example(name: str) -> SocialFetchError:
    """Return an error of a class."""
    error = getattr(errors, name)("x.", **OWN.get(name, {}))
    assert isinstance(error, SocialFetchError)
    return error


@pytest.mark.parametrize(("name", "row"), RULES)
def test_rules(name: str, row: Rule) -> None:
    """Each kind of failure means exactly what the table says."""
    assert rule(example(name)) == row
    assert about_the_handle(example(name)) is (row.handle or row.retry)


def test_the_rules_name_every_class() -> None:
    """A class that is added to the tree must get a row in the table above."""
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, SocialFetchError)
        and not issubclass(kind, APIStatusError)
    }

    assert {name for name, _ in RULES} == kinds


@pytest.mark.parametrize("reused", [True, False, None], ids=repr)
def test_a_closed_idle_connection_may_be_an_outage(*, reused: bool | None) -> None:
    """When all idle connections end at once the server is gone, so each of them counts."""
    assert rule(lost(reused=reused)) == PASSES


# -- delays -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("growth", "first", "cap", "expected"),
    [
        (2, 0.5, 20.0, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0, 20.0]),
        (2, 1, 4, [1, 2, 4, 4, 4]),
        (3, 1, 10, [1, 3, 9, 10, 10]),
        (1.5, 0.1, 0.2, [0.1, 0.1 * 1.5, 0.2, 0.2]),
        (2, 30, 20, [20, 20, 20]),
        (2, 0.5, 0, [0, 0, 0]),
        (2, 0, 20, [0, 0, 0]),
    ],
)
def test_delays(growth: float, first: float, cap: float, expected: list[float]) -> None:
    """Delays begin with the first, grow by the factor and stay at the longest."""
    assert list(islice(delays(growth, first, cap), len(expected))) == expected


@pytest.mark.parametrize(("first", "last"), [(0.0, 0.0), (5e-324, 20.0), (0.5, 20.0)])
def test_delays_never_run_out(first: float, last: float) -> None:
    """However often it is asked, the next delay is no shorter and not over the longest."""
    many = list(islice(delays(2, first, 20.0), 3000))

    assert many == sorted(many)
    assert (many[0], many[-1]) == (first, last)


# -- the next attempt ---------------------------------------------------------------------------


def test_full_jitter_of_a_growing_delay() -> None:
    """Each wait is drawn between 0 and a limit that doubles up to the cap."""
    drawn: list[float] = []

    def jitter(most: float) -> float:
        drawn.append(most)
        return most / 4

    made = retries(jitter, max_attempts=100)
    waits = [made.wait(PayloadError("x."), 1, FOREVER) for _ in range(8)]

    assert drawn == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    assert waits == [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_pages_have_their_own_delays() -> None:
    """What one page went through does not make another page wait longer."""
    for _ in range(3):
        assert retries().wait(PayloadError("x."), 1, FOREVER) == 0.5


@pytest.mark.parametrize(("name", "row"), RULES)
def test_only_what_may_be_tried_again_is(name: str, row: Rule) -> None:
    """A failure that would be the same the next time is given up at once, without a comment."""
    error = example(name)
    if isinstance(error, ConnectionLostError):
        error.reused = False  # one that is not known to be fresh is replaced at once
    assert retries().wait(error, 1, FOREVER) == (0.5 if row.retry else "")


@pytest.mark.parametrize(
    ("attempts", "most", "answer"),
    [(1, 1, ""), (1, 2, 0.5), (2, 2, ""), (3, 2, ""), (5, 6, 0.5), (6, 6, ""), (7, 6, "")],
)
def test_max_attempts(attempts: int, most: int, answer: float | str) -> None:
    """A page is tried exactly `max_attempts` times, and the error says the rest itself."""
    assert retries(max_attempts=most).wait(PayloadError("x."), attempts, FOREVER) == answer


NO_TIME = "The deadline of 120 s leaves no time for another attempt."


@pytest.mark.parametrize(
    ("remaining", "answer"),
    [(0.501, 0.5), (0.5, NO_TIME), (0.499, NO_TIME), (0.0, NO_TIME), (-1.0, NO_TIME)],
)
def test_the_deadline(remaining: float, answer: float | str) -> None:
    """A wait that does not end before the deadline is not begun."""
    assert retries().wait(PayloadError("x."), 1, remaining) == answer


@pytest.mark.parametrize(("deadline", "said"), [(120.0, "120 s"), (0.25, "0.25 s"), (90, "90 s")])
def test_the_deadline_is_named(deadline: float, said: str) -> None:
    """The sentence about the deadline has its length, as a person would write it."""
    assert deadline_passed(RetryPolicy(deadline=deadline)) == (
        f"The deadline of {said} leaves no time for another attempt."
    )


# -- Retry-After --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("retry_after", "jitter", "wait"),
    [
        (30.0, shortest, 30.0),
        (30.0, longest, 33.0),
        (30.0, lambda most: most / 2, 31.5),
        (120.0, longest, 132.0),
        (0.2, longest, 0.5),
        (0.2, shortest, 0.2),
        (0.0, longest, 0.5),
    ],
)
def test_retry_after_is_a_floor(
    retry_after: float, jitter: Callable[[float], float], wait: float
) -> None:
    """What the API asks for is waited for, up to a tenth longer, or the backoff if that is more."""
    error = PayloadError("x.", retry_after=retry_after)

    assert retries(jitter).wait(error, 1, FOREVER) == wait


@pytest.mark.parametrize(
    ("retry_after", "cap", "said"),
    [
        (120.5, 120.0, "It asks to wait 120.5 s, longer than retry_after_cap=120 allows."),
        (3600.0, 120.0, "It asks to wait 3600 s, longer than retry_after_cap=120 allows."),
        (1.0, 0, "It asks to wait 1 s, longer than retry_after_cap=0 allows."),
    ],
)
def test_retry_after_over_its_cap(retry_after: float, cap: float, said: str) -> None:
    """A wait beyond the cap is not begun, and the sentence has both numbers."""
    made = retries(retry_after_cap=cap)

    assert made.wait(PayloadError("x.", retry_after=retry_after), 1, FOREVER) == said


def test_retry_after_over_the_deadline() -> None:
    """A wait that the API asks for and the deadline forbids is not begun."""
    made = retries(shortest)
    error = PayloadError("x.", retry_after=30.0)

    assert made.wait(error, 1, 30.0) == NO_TIME
    assert made.wait(error, 1, 30.001) == 30.0


def test_retry_after_does_not_revive_what_is_given_up() -> None:
    """A failure that is never tried again is not tried again for a Retry-After."""
    assert retries().wait(errors.TLSError("x.", retry_after=1.0), 1, FOREVER) == ""


@given(retry_after=st.floats(0, 120), seed=st.floats(0, 1), earlier=st.integers(0, 10))
@settings(deadline=None, max_examples=300)
def test_nothing_comes_before_retry_after(retry_after: float, seed: float, earlier: int) -> None:
    """Whatever is drawn, at any attempt, the wait is at least what the API asked for."""
    made = retries(lambda most: most * seed, max_attempts=100)
    for _ in range(earlier):
        made.wait(PayloadError("x."), 1, FOREVER)

    wait = made.wait(PayloadError("x.", retry_after=retry_after), 1, FOREVER)

    assert isinstance(wait, float)
    assert retry_after <= wait <= max(20.0, retry_after * 1.1 + 1e-9)


# -- stale connections --------------------------------------------------------------------------


def test_a_stale_connection_is_replaced_once_at_once() -> None:
    """The first connection found closed costs no wait; after that it is a failure like others."""
    made = retries()

    assert made.wait(lost(reused=True), 1, FOREVER) == 0.0
    assert made.wait(lost(reused=True), 1, FOREVER) == 1.0
    assert made.wait(lost(reused=True), 1, FOREVER) == 2.0


@pytest.mark.parametrize("reused", [True, None])
def test_a_connection_that_may_be_an_old_one_is_replaced_at_once(*, reused: bool | None) -> None:
    """An injected session does not tell: once, at once, as for one known to be old."""
    made = retries()

    assert made.wait(lost(reused=reused), 1, FOREVER) == 0.0
    assert made.wait(lost(reused=reused), 1, FOREVER) == 1.0


def test_a_fresh_connection_that_is_lost_waits() -> None:
    """Only a connection that may be an old one is replaced at once, also after a fresh one."""
    made = retries()

    assert made.wait(lost(reused=False), 1, FOREVER) == 0.5
    assert made.wait(lost(reused=True), 1, FOREVER) == 0.0


def test_other_failures_do_not_wait_less() -> None:
    """Being replaced at once is for lost connections, whatever else went wrong before."""
    made = retries()

    assert made.wait(lost(reused=True), 1, FOREVER) == 0.0
    assert made.wait(ConnectError("x."), 1, FOREVER) == 1.0
    assert made.wait(PayloadError("x."), 1, FOREVER) == 2.0


def test_a_stale_connection_costs_an_attempt() -> None:
    """A stale connection is replaced within the limits only."""
    spent = retries(max_attempts=1)

    assert spent.wait(lost(reused=True), 1, FOREVER) == ""
    assert retries().wait(lost(reused=True), 1, 0.0) == NO_TIME


def test_a_stale_connection_waits_when_asked_to() -> None:
    """A Retry-After counts more than the guess that the connection was old."""
    made = retries(shortest)
    asked = lost(reused=True).at(retry_after=7.0)

    assert made.wait(asked, 1, FOREVER) == 7.0
    assert made.wait(lost(reused=True), 1, FOREVER) == 0.0


# -- the header ---------------------------------------------------------------------------------

NOW = 784_111_767.0  # ten seconds before the date of RFC 9110's examples


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("1", 1.0),
        ("30", 30.0),
        ("007", 7.0),
        ("999999999", 999_999_999.0),
        (" 5 ", 5.0),
        ("\t5\t", 5.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 10.0),
        (" Sun, 06 Nov 1994 08:49:37 GMT\t", 10.0),
        ("Sun, 06 Nov 1994 08:49:28 GMT", 1.0),
        ("Mon, 07 Nov 1994 08:49:27 GMT", 86_400.0),
    ],
    ids=repr,
)
def test_retry_after_headers(value: str, wait: float) -> None:
    """Digits are seconds, and an HTTP date is counted from now."""
    assert parse_retry_after(value, NOW) == wait


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "0",
        "000",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "1_000",
        "1,000",
        "1000000000",
        "nan",
        "inf",
        "Infinity",
        "0x10",
        "5s",
        "X5X",
        "5 5",
        "5\n",
        "\n5",
        "5\u00a0",
        "\uff11\uff12",
        "\u0663",
        "soon",
        "Sun, 06 Nov 1994 08:49:27 GMT",
        "Sun, 06 Nov 1994 08:49:26 GMT",
        "Sun, 06 Nov 1894 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0100",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "x Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 31 Feb 2094 08:49:37 GMT",
        "Sun, 00 Nov 2094 08:49:37 GMT",
        "Sun, 06 Nov 2094 24:49:37 GMT",
        "Sun, 06 Nov 2094 08:60:37 GMT",
        "Sun, 06 Nov 2094 08:49:60 GMT",
        "Sun, 06 Nov \u0661\u0669\u0669\u0664 08:49:37 GMT",
    ],
    ids=ascii,
)
def test_retry_after_headers_without_a_wait(value: str | None) -> None:
    """Whatever is no wait in the future, strictly written, leaves the plain backoff."""
    assert parse_retry_after(value, NOW) is None


@given(st.integers(0, 10**12))
@settings(deadline=None, max_examples=200)
def test_every_number_of_seconds(number: int) -> None:
    """Up to nine digits are seconds; more are no wait that anybody means."""
    expected = float(number) if 0 < number < 10**9 else None

    assert parse_retry_after(str(number), NOW) == expected


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.floats(0, 4e9),
)
@settings(deadline=None, max_examples=200)
def test_every_http_date(moment: datetime, now: float) -> None:
    """Any date that a server may write is read to the second, and the past is no wait."""
    moment = moment.replace(microsecond=0)
    wait = moment.timestamp() - now

    read = parse_retry_after(format_datetime(moment, usegmt=True), now)

    assert read == (wait if wait > 0 else None)


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} .{8} GMT"))
@settings(deadline=None, max_examples=500)
def test_any_header_is_a_wait_or_none(value: str) -> None:
    """No header of any content raises, or makes a wait that is not a positive number."""
    wait = parse_retry_after(value, NOW)

    assert wait is None or (0 < wait < math.inf)
    if wait is not None:
        assert re.fullmatch(r"[ \t]*([0-9]{1,9}|[A-Z].{25} GMT)[ \t]*", value)


# -- what is the same every time ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "again"),
    [
        (None, True),
        (399, True),
        (400, False),
        (403, False),
        (407, False),
        (499, False),
        (500, True),
        (502, True),
    ],
)
def test_a_proxy_that_refuses_to_connect(status: int | None, *, again: bool) -> None:
    """What it forbids it forbids every time; an API that it does not reach may come back."""
    error = ConnectError("x.").at(proxy_status=status)

    assert rule(error).retry is again
    assert about_the_handle(error) is again


def test_a_page_that_arrives_whole_and_damaged_twice_is_given_up() -> None:
    """It would be the same the next time; each page has its own count."""
    made = retries()
    whole = PayloadError("x.", whole=True)

    assert made.wait(PayloadError("x."), 1, FOREVER) == 0.5
    assert made.wait(whole, 1, FOREVER) == 1.0
    assert made.wait(PayloadError("x."), 1, FOREVER) == 2.0
    assert made.wait(whole, 1, FOREVER) == "A second response was damaged as well."
    assert made.wait(whole, 1, FOREVER) == "A second response was damaged as well."
    assert retries().wait(whole, 1, FOREVER) == 0.5


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (errors.LookupFailedError("x.", status=502), Rule(retry=True, alive=True, handle=True)),
        (errors.GatewayError("x.", status=502), PASSES),
        (errors.NotFoundError("x.", status=404), Rule(alive=True)),
        (errors.GatewayError("x.", status=404), Rule()),
    ],
)
def test_who_refused_decides(error: SocialFetchError, found: Rule) -> None:
    """The API's own refusals and a gateway's with the same status are not the same."""
    assert rule(error) == found


# -- patience -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "patience", "answer"),
    [
        (200.0, 0.0, "It asks to wait 200 s, longer than retry_after_cap=120 allows."),
        (200.0, 300.0, 220.0),
        (200.0, 199.0, "It asks to wait 200 s, longer than retry_after_cap=120 allows."),
        (100.0, 0.0, NO_TIME),
        (100.0, 60.0, 110.0),
        (3600.0, 3600.0, 3620.0),
    ],
)
def test_patience_is_added_to_the_cap_and_the_deadline(
    asked: float, patience: float, answer: float | str
) -> None:
    """A batch waits as long as it has patience, with 60 s left until its deadline."""
    error = errors.ServiceUnavailableError("x.", status=503, retry_after=asked)

    assert retries().wait(error, 1, 60.0, patience=patience) == answer


@pytest.mark.parametrize(
    ("patience", "down", "answered", "left"),
    [
        (None, 5.0, False, None),  # as long as any other outage
        (30.0, None, False, None),  # there is no outage
        (30.0, 5.0, True, None),  # something has worked: a night without the API may follow
        (30.0, 0.0, False, 30.0),
        (30.0, 29.0, False, 1.0),
        (30.0, 29.9999, False, 0.0),
        (30.0, 900.0, False, 0.0),
        (0.0, 0.0, False, 0.0),
    ],
)
def test_an_api_that_has_not_answered_yet_is_waited_for_less(
    patience: float | None, down: float | None, *, answered: bool, left: float | None
) -> None:
    """Who has just begun wants to hear that the network is missing."""
    policy = RetryPolicy(first_patience=patience, outage_patience=3600.0)

    found = first_patience_left(policy, down, answered=answered)

    assert found == (left if left is None else pytest.approx(left))


def test_what_is_held_back_needs_no_delay_of_its_own() -> None:
    """The circuit breaker or the pace says when; a Retry-After still holds."""
    made = retries()
    busy = errors.RateLimitError("x.", status=429)

    assert made.wait(busy, 1, FOREVER, held=True) == 0.0
    assert made.wait(busy.at(retry_after=3.0), 1, FOREVER, held=True) == pytest.approx(3.3)
    assert made.wait(PayloadError("x."), 1, FOREVER) == 0.5


@pytest.mark.parametrize(
    ("alone", "all_of_them", "spared"),
    [(0, True, True), (1, True, True), (2, False, True), (19, False, True), (20, False, False)],
)
def test_a_page_that_fails_alone_says_nothing_of_others(
    alone: int, *, all_of_them: bool, spared: bool
) -> None:
    """Its third failure while others are answered is no sign of an outage or a rate limit."""
    assert concerns_all(alone) is all_of_them
    assert is_spared(alone) is spared


@pytest.mark.parametrize(
    ("error", "slow"),
    [
        (errors.RateLimitError("x.", status=429), True),
        (errors.ServiceUnavailableError("x.", status=503), True),
        (errors.GatewayError("x.", status=429), True),
        (errors.GatewayError("x.", status=503), True),
        (errors.GatewayError("x.", status=502), False),
        (errors.InternalServerError("x.", status=500), False),
        (PayloadError("x."), False),
    ],
)
def test_which_refusals_may_be_a_rate_limit(error: SocialFetchError, *, slow: bool) -> None:
    """429 and 503, whoever answers; whether they are one, the others decide."""
    assert slows_down(error) is slow


@pytest.mark.parametrize(
    ("asked", "left", "why"),
    [
        (29.9, 30.0, ""),
        (30.0, 30.0, NO_TIME),
        (30.1, 30.0, NO_TIME),
        (120.0, 1000.0, ""),
        (121.0, 1000.0, "It asks to wait 121 s, longer than retry_after_cap=120 allows."),
    ],
)
def test_what_is_too_long_to_wait(asked: float, left: float, why: str) -> None:
    """A wait is over before the deadline, and is no longer than the cap."""
    assert too_long_to_wait(RetryPolicy(), asked, left, 0.0) == why
