"""What is tried again, after how long, and when it is given up."""

import re
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from itertools import repeat
from typing import Final

import backoff

from socialfetch_async._protocol.status import PASSES, Rule, meaning
from socialfetch_async.errors import (
    APIStatusError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    GatewayError,
    InvalidHandleError,
    PaginationError,
    PayloadError,
    ProfileUnavailableError,
    RequestTimeoutError,
    SocialFetchError,
)
from socialfetch_async.policy import RetryPolicy

# Failures that are not the refusal of somebody; those are in `status.py`. The first row that fits
# decides; a kind without a row is not tried again. A shape that is wrong, a redirect, a bad
# certificate or a body that is too large would be the same the next time, and the first and the
# last of these were paid for. An idle connection that was closed counts as well: when all of a
# pool end at once, the server is gone.
RULES: Final[tuple[tuple[type[SocialFetchError], Rule], ...]] = (
    (ConnectError, PASSES),
    (ConnectionLostError, PASSES),
    (RequestTimeoutError, PASSES),
    (PayloadError, PASSES),
    (DecodeError, Rule(alive=True)),
    (PaginationError, Rule(handle=True)),
    (ProfileUnavailableError, Rule(handle=True)),
    (InvalidHandleError, Rule(handle=True)),
)
_NEVER: Final = Rule()
# Of one page, while others are answered: then it is the page, or if that is less sure, was never
# the rate. The first failure tells nothing: others may have been answered before it.
_ALONE: Final = 2
_ALWAYS: Final = 20
_MOMENT: Final = 0.001  # seconds that are not waited for


def rule(error: SocialFetchError) -> Rule:
    """Return what an error means for the next attempt and for other requests."""
    if isinstance(error, APIStatusError):
        vendor = not isinstance(error, GatewayError)
        return meaning(error.status, vendor=vendor, code=error.code).rule
    if isinstance(error, ConnectError) and 400 <= (error.proxy_status or 0) < 500:
        return _NEVER  # a proxy that wants a user name, or forbids the API, does so every time
    return next((found for kind, found in RULES if isinstance(error, kind)), _NEVER)


def about_the_handle(error: SocialFetchError) -> bool:
    """Whether another handle may fare better, now or later.

    False for a failure that every handle would end with: another service at this address, a
    redirect, a bad certificate, a key that may not read the route. Ten handles in a row that end
    with the same one are a reason to end a run. What passes with time is none, so it is True.
    """
    found = rule(error)
    return found.handle or found.retry


def delays(growth: float, first: float, longest: float) -> Iterator[float]:
    """Yield growing seconds: `first`, then each `growth` times the last, up to `longest`."""
    values = backoff.expo(base=growth, factor=first, max_value=longest)
    next(values)  # backoff's generators begin with a value that is not a delay
    try:
        yield from values
    except OverflowError:  # a first delay so small that a thousand doublings did not reach the end
        yield from repeat(longest if first else 0.0)


class Retries:
    """Says how long to wait before each further attempt at one page.

    Args:
        policy: The limits.
        jitter: Returns a random number between 0 and its argument.
    """

    __slots__ = ("_delays", "_jitter", "_policy", "_stale_seen", "_whole_seen")

    def __init__(self, policy: RetryPolicy, jitter: Callable[[float], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self._stale_seen = False
        self._whole_seen = False
        self._delays = delays(2, policy.base, policy.cap)

    def wait(
        self,
        error: SocialFetchError,
        attempts: int,
        remaining: float,
        *,
        patience: float = 0.0,
        held: bool = False,
    ) -> float | str:
        """Decide about a failed attempt.

        Args:
            error: Why the attempt failed.
            attempts: How many there were that count, with this one.
            remaining: Seconds until the deadline.
            patience: Seconds that may be waited for the API besides.
            held: Something else holds the request back, so it needs no delay of its own.

        Returns:
            The seconds to wait before the next attempt; or, to give up, a sentence that says why
            where the error itself does not.
        """
        if not rule(error).retry or attempts >= self._policy.max_attempts:
            return ""
        if isinstance(error, PayloadError) and error.whole and self._second_whole():
            return "A second response was damaged as well."
        left = remaining + patience
        delay = 0.0 if held else self._jitter(next(self._delays))
        asked = error.retry_after
        if asked is not None:
            if why := too_long_to_wait(self._policy, asked, left, patience):
                return why
            # A floor: full jitter alone would come back early almost every time.
            delay = max(delay, asked + self._jitter(min(asked / 10, self._policy.cap)))
        elif isinstance(error, ConnectionLostError) and self._first_stale(error):
            delay = 0.0
        return delay if delay < left else deadline_passed(self._policy)

    def _second_whole(self) -> bool:
        """Whether a page arrived whole and damaged before: then it is the same every time."""
        second, self._whole_seen = self._whole_seen, True
        return second

    def _first_stale(self, error: ConnectionLostError) -> bool:
        """Whether it was, or may have been, an idle connection that the server had closed."""
        first = error.reused is not False and not self._stale_seen
        self._stale_seen |= first
        return first


def too_long_to_wait(policy: RetryPolicy, asked: float, left: float, patience: float) -> str:
    """Say why what the API asks to wait is too long; nothing if it is not.

    Args:
        policy: The limits.
        asked: Seconds that the API asks to wait.
        left: Seconds until the deadline, patience included.
        patience: Seconds that may be waited for the API.
    """
    if asked > max(policy.retry_after_cap, patience):
        return (
            f"It asks to wait {asked:g} s, longer than retry_after_cap="
            f"{policy.retry_after_cap:g} allows."
        )
    return deadline_passed(policy) if asked >= left else ""


def deadline_passed(policy: RetryPolicy) -> str:
    """Say that there was no time left."""
    return f"The deadline of {policy.deadline:g} s leaves no time for another attempt."


def first_patience_left(policy: RetryPolicy, down: float | None, *, answered: bool) -> float | None:
    """Return how long an API is still waited for that has not answered yet; None for any other.

    Somebody who has just typed a command wants to hear that the network is missing; a batch that
    has begun is to be finished in the morning.

    Args:
        policy: The limits.
        down: Seconds since the outage was found out; None without one.
        answered: Whether the API has answered anything to this client.
    """
    if policy.first_patience is None or down is None or answered:
        return None
    left = policy.first_patience - down
    return left if left > _MOMENT else 0.0


def never_answered(policy: RetryPolicy) -> str:
    """Say that an API that has not answered yet is not waited for any longer."""
    return f"It has not answered once within first_patience={policy.first_patience:g} s."


def concerns_all(alone: int) -> bool:
    """Whether a failure is a sign of an outage or a rate limit, and not of one bad page.

    Args:
        alone: Failures of this page so far, with this one, before which others were answered.
    """
    return alone < _ALONE


def is_spared(alone: int) -> bool:
    """Whether a refusal for the rate is no attempt: a page that is always refused must end.

    Args:
        alone: As above.
    """
    return alone < _ALWAYS


def slows_down(error: SocialFetchError) -> bool:
    """Whether it says that requests come too fast, if the API answers others meanwhile."""
    return isinstance(error, APIStatusError) and error.status in {429, 503}


_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_HTTP_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT"
)


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): digits, or an HTTP date.

    Stricter than `float()`, which takes nan, inf, `1_000` and other scripts' digits.

    Args:
        value: The header.
        now: The time in seconds since 1970, to count a date from.

    Returns:
        Seconds, more than 0; None for anything else, and then the plain backoff applies.
    """
    if value is None:
        return None
    value = value.strip(" \t")
    if _SECONDS.fullmatch(value):
        return float(value) or None
    if not _HTTP_DATE.fullmatch(value):
        return None
    try:
        wait = parsedate_to_datetime(value).timestamp() - now
    except ValueError:
        return None
    return wait if wait > 0 else None
