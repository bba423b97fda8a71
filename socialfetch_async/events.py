"""What `on_event` is told: every attempt, every wait for another one, every outage.

For metrics and tracing. Each event is a frozen value; `match` or `isinstance` tells them apart.
"""

from collections.abc import Callable

from msgspec import Struct

from socialfetch_async.errors import SocialFetchError


class AttemptEnded(Struct, frozen=True, kw_only=True):
    """One attempt came to its end: one HTTP request, if it was sent.

    Attributes:
        path: The route, with `{handle}` in place of the handle; of `iter_items` as it was given.
        handle: The handle it was for; None for routes that have none.
        cursor: The page asked for; None is the first page.
        page: The number of the page in its stream, from 1.
        attempt: 1 for the first attempt at this page, 2 for the second ...
        seconds: From its slot to the decoded answer, or to its failure.
        sent: It left, or may have left, this machine.
        credits_charged: Credits confirmed for it.
        maybe_charged: Upper bound, in credits, of what it may have cost although it failed.
        error: Why it failed; None for an answer, and for an attempt that was cancelled.
        cancelled: It was given up before its answer was there: its task was cancelled, or a
            callback of aiohttp's tracing raised.
    """

    path: str
    handle: str | None
    cursor: str | None
    page: int
    attempt: int
    seconds: float
    sent: bool
    credits_charged: int
    maybe_charged: int
    error: SocialFetchError | None
    cancelled: bool


class RetryPlanned(Struct, frozen=True, kw_only=True):
    """A failed attempt will be followed by another one.

    Attributes:
        handle: The handle it is for.
        cursor: The page asked for.
        attempt: The attempt that failed.
        wait: Seconds until the next one.
        error: Why it failed.
    """

    handle: str | None
    cursor: str | None
    attempt: int
    wait: float
    error: SocialFetchError


class OutageBegan(Struct, frozen=True, kw_only=True):
    """The API answers nobody: one probe at a time goes out from now on.

    Attributes:
        error: The failure that closed the gate.
    """

    error: SocialFetchError


class OutageEnded(Struct, frozen=True, kw_only=True):
    """The API answers again.

    Attributes:
        seconds: How long it did not.
    """

    seconds: float


Event = AttemptEnded | RetryPlanned | OutageBegan | OutageEnded
OnEvent = Callable[[Event], None]


class RequestContext(Struct, frozen=True, kw_only=True):
    """`trace_request_ctx` of every request, for aiohttp's own tracing.

    Attributes:
        handle: The handle it is for; None for routes that have none.
        cursor: The page asked for; None is the first page.
        page: The number of the page in its stream, from 1.
        attempt: 1 for the first attempt at this page, 2 for the second ...
    """

    handle: str | None
    cursor: str | None
    page: int
    attempt: int
