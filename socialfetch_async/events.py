"""What `on_event` is told: every attempt, every wait for another one, every outage.

For metrics and tracing. Each event is a frozen value; `match` or `isinstance` tells them apart.
"""

from collections.abc import Callable
from typing import Final, Literal, get_args

from msgspec import Struct

from socialfetch_async.errors import SocialFetchError

HandleStatus = Literal[
    "complete",
    "missing_cursor",
    "unavailable",
    "max_followers",
    "max_pages",
    "max_credits",
    "stopped",
    "failed",
]
"""How a handle ended in a run; the vendor's own word is never among these."""

UNFINISHED: Final[frozenset[str]] = frozenset(
    {"max_followers", "max_pages", "max_credits", "stopped", "failed"}
)
"""The statuses that leave something to ask for: such a handle stays in `pending()`."""


# How lists stand that are not done, besides.
_OURS: Final[frozenset[str]] = frozenset({*get_args(HandleStatus), "unfinished", "not_begun"})


def is_ours(lookup_status: str) -> bool:
    """Whether a word of the vendor's is spelled like a status of ours, and would be taken for it.

    Such a profile is `unavailable`: it is no complete list because the vendor says `complete`.
    """
    return lookup_status in _OURS


class Usage(Struct):
    """Live counters of one client.

    Attributes:
        requests_sent: HTTP requests that were sent, counted when their attempt ends.
        retries: Further attempts after one that failed, connecting included.
        pages: Pages, and profiles, that arrived.
        credits_charged: Credits the vendor's `meta` confirmed.
        maybe_charged: Upper bound, in credits, that failed attempts may also have cost.
    """

    requests_sent: int = 0
    retries: int = 0
    pages: int = 0
    credits_charged: int = 0
    maybe_charged: int = 0


class HandleDone(Struct, frozen=True, kw_only=True):
    """The end of one handle in a run: exactly one for each started handle, always last.

    Attributes:
        status: How the list ended. `complete` is a whole list; `unavailable` is a profile without
            one, and `lookup_status` says why.
        lookup_status: The vendor's outcome on the last page: `found`, `hidden`, `private`,
            `not_found`, or a later value. None when no page arrived.
        total_followers: The vendor's count on the last page, if it had one. It may differ
            from the number of followers on the pages, and never ends a list.
        cursor: The cursor to resume from; None when nothing is left, or the first page failed.
        pages: Pages that arrived for this handle in this run.
        followers: Followers on them; in a run over `following`, accounts.
        credits_charged: Credits confirmed for them.
        error: Why it failed, if it did.
    """

    handle: str
    status: HandleStatus
    lookup_status: str | None = None
    total_followers: int | None = None
    cursor: str | None
    pages: int
    followers: int
    credits_charged: int
    error: SocialFetchError | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to request."""
        return self.status not in UNFINISHED

    @property
    def outcome(self) -> str:
        """One word for people: the vendor's for an unavailable profile, else the status."""
        said = self.lookup_status
        if self.status == "unavailable" and said and not is_ours(said):
            return said
        return self.status


class AttemptEnded(Struct, frozen=True, kw_only=True):
    """One attempt ended: one HTTP request, if it was sent.

    Attributes:
        path: The route, with `{handle}` in place of the handle; of `iter_items` as it was given.
        handle: The handle it was for; None for routes that have none.
        cursor: The page asked for; None is the first page.
        page: The number of the page in its stream, from 1.
        attempt: 1 for the first attempt at this page, 2 for the second ...
        seconds: From its slot to the decoded response, or to its failure.
        sent: Whether the request was sent, or may have been.
        credits_charged: Credits confirmed for it.
        maybe_charged: Upper bound, in credits, that it may have cost although it failed.
        error: Why it failed; None for a response, and for an attempt that was cancelled.
        cancelled: Whether it ended before its response: its task was cancelled, or a callback of
            aiohttp's tracing raised.
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
    """The circuit breaker has opened: the API is down, and one probe at a time is sent.

    Attributes:
        error: The failure that opened it.
        since: When it opened: ISO 8601, in UTC.
    """

    error: SocialFetchError
    since: str


class OutageEnded(Struct, frozen=True, kw_only=True):
    """The circuit breaker has closed: the API responds again.

    Attributes:
        seconds: How long it was open.
        since: When it had opened: ISO 8601, in UTC.
        error: The failure that had opened it.
    """

    seconds: float
    since: str
    error: SocialFetchError


class Outage(Struct, frozen=True, kw_only=True):
    """An outage as it stands: the circuit breaker is open.

    Attributes:
        error: The failure that counted last.
        seconds: How long it has been open.
        next_probe: Seconds until the next probe is sent; 0 while one is in flight.
    """

    error: SocialFetchError
    seconds: float
    next_probe: float


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
