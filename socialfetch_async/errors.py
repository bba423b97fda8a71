"""What can go wrong, sorted by whose fault it is.

SocialFetchError
├── TransportError               no usable response came
│   ├── ConnectError             no connection: name lookup, refused, too slow, too many open files
│   ├── TLSError                 the certificate or the host name in it is wrong
│   ├── ConnectionLostError      the connection ended before a response began
│   ├── RequestTimeoutError      one attempt took longer than `timeout`, or the deadline passed
│   ├── PayloadError             the response broke off, or is not JSON
│   ├── ResponseTooLargeError    the body is larger than `max_response_bytes`
│   └── UnexpectedRedirectError  the API never redirects: something else responded
├── APIStatusError               the API refused
│   ├── BadRequestError 400 · AuthenticationError 401 · InsufficientCreditsError 402
│   ├── PermissionDeniedError 403 · NotFoundError 404 · RateLimitError 429
│   ├── GatewayError             a gateway or proxy refused: the vendor's error format is missing
│   └── ServerError 5xx          InternalServerError 500 · LookupFailedError 502
│                                ServiceUnavailableError 503
├── DecodeError                  a 200 that has not the documented shape
├── PaginationError              the pages repeat, or are empty
├── ProfileUnavailableError      the profile has no readable list
├── IncompleteRunError           some handles of a run failed
├── CreditLimitError             the client's own `max_credits` allows no further request
├── InvalidHandleError           not a TikTok handle; before any request is sent
├── JournalError                 a journal cannot be used, or could not keep what arrived
│   └── ShardTakenError          another process fetches this shard
├── ExportError                  a file could not be made from a journal
└── ClusterError                 the machines of a batch cannot continue

InvalidHandleError is a ValueError as well. Every other misuse is a ValueError, TypeError or
RuntimeError outside of this tree.
"""

import copyreg
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from socialfetch_async._text import count, one_line, shortened


class SocialFetchError(Exception):
    """Base of every error of this library.

    Attributes:
        summary: What happened, without the position and the advice that `str()` adds.
        handle: The requested handle, if the request had one.
        cursor: The page that failed; None is the first page. Everything before it was delivered.
        request_id: The API's id of the last response, for the vendor's support.
        attempts: Attempts at this page that failed; 0 when the error is about the list.
        maybe_charged: Upper bound, in credits, of what these attempts may have been charged
            although no page arrived.
        retry_after: Seconds the API asked to wait, if it did.
        unanswered: The API is down and this client has no response from it: a run ends, because
            no other handle would fare better.
    """

    advice: ClassVar[str] = ""
    go_on: ClassVar[str] = ""
    unanswered = False
    # How a batch stood that this ended: its BatchResult.
    result: Any = None

    def __init__(
        self,
        summary: str,
        *,
        handle: str | None = None,
        cursor: str | None = None,
        request_id: str | None = None,
        attempts: int = 0,
        maybe_charged: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.handle = handle
        self.cursor = cursor
        self.request_id = request_id
        self.attempts = attempts
        self.maybe_charged = maybe_charged
        self.retry_after = retry_after

    def __str__(self) -> str:
        charged, attempts = count(self.maybe_charged, "credit"), count(self.attempts, "attempt")
        where = [
            f"handle {self.handle!r}" if self.handle is not None else "",
            f"cursor {shortened(self.cursor)}" if self.cursor is not None else "",
            f"request {one_line(self.request_id, most=80)}" if self.request_id else "",
            attempts if self.attempts else "",
            f"up to {charged} may have been charged" if self.maybe_charged else "",
        ]
        position = ", ".join(filter(None, where))
        # Without a cursor it was a free route, or the first page: nothing came before it.
        go_on = "" if self.cursor is None else self.go_on
        parts = [self.summary, f"[{position}]" if position else "", self.advice, go_on]
        return " ".join(filter(None, parts))

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders. The default rebuilds by calling the class with `args`,
        # which fails for every subclass that requires a keyword.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]

    def at(self, **position: Any) -> Self:
        """Set where and how often it happened; return the error itself."""
        self.__dict__.update(position)
        return self


class TransportError(SocialFetchError):
    """No usable response came."""

    go_on = "Earlier pages were delivered. Resume from the same cursor."


class ConnectError(TransportError):
    """No connection could be made, so no request was sent and nothing was charged.

    Attributes:
        proxy_status: The HTTP status of a proxy that did not connect to the API, or None.
    """

    advice = "Nothing was charged. Check the network and base_url."
    proxy_status: int | None = None


class TLSError(TransportError):
    """The certificate is not valid for this host; the API key was not sent."""

    advice = "The API key was not sent. Check base_url, the clock and the installed authorities."


class ConnectionLostError(TransportError):
    """The connection ended before the response began.

    Attributes:
        reused: Whether the connection had served an earlier request (an idle one that the server
            closed meanwhile). None when that is not known, as with an injected session.
    """

    reused: bool | None = None


class RequestTimeoutError(TransportError):
    """One attempt took longer than `timeout`, or the deadline of the retry policy passed."""


class PayloadError(TransportError):
    """The response broke off, could not be decompressed, or is not JSON.

    Attributes:
        whole: Whether it arrived whole and is damaged beyond repair. The next one may be the same,
            so it is requested once more at most.
        body: The response in bytes, if it was whole; in no message, repr or log.
    """

    def __init__(self, summary: str, *, whole: bool = False, body: bytes = b"", **kw: Any) -> None:
        super().__init__(summary, **kw)
        self.whole = whole
        self.body = body


class ResponseTooLargeError(TransportError):
    """The body is larger than `max_response_bytes`, after decompression."""

    advice = "Raise max_response_bytes if responses of this size are expected."


class UnexpectedRedirectError(TransportError):
    """A redirect, which the API does not send; it was not followed."""

    advice = "The API key was not sent on. Check base_url and any proxy in between."


class APIStatusError(SocialFetchError):
    """The API responded with an error.

    Attributes:
        status: The HTTP status.
        code: The API's `error.code`, or None when the body had none. Branch on this.
        message: The API's text, for people.
    """

    go_on = "Earlier pages were delivered. Resume from the same cursor."

    def __init__(
        self, summary: str, *, status: int, code: str | None = None, message: str = "", **kw: Any
    ) -> None:
        super().__init__(summary, **kw)
        self.status = status
        self.code = code
        self.message = message


class BadRequestError(APIStatusError):
    """400: the handle or the cursor is not accepted."""

    advice = "Nothing was charged. Correct the handle or the cursor; the same request fails again."
    go_on = "Earlier pages were delivered."


class AuthenticationError(APIStatusError):
    """401: the API key is missing or not valid."""

    advice = "Nothing was charged. Check SOCIALFETCH_API_KEY."


class InsufficientCreditsError(APIStatusError):
    """402: the account has no credits left.

    Attributes:
        checkout_url: Where to buy credits, if the API said so.
    """

    advice = "Nothing was charged. Buy credits first."

    def __init__(self, summary: str, *, checkout_url: str | None = None, **kw: Any) -> None:
        super().__init__(summary, **kw)
        self.checkout_url = checkout_url

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text} Credits are sold at {self.checkout_url}" if self.checkout_url else text


class PermissionDeniedError(APIStatusError):
    """403: the key may not use this route."""

    advice = "Nothing was charged. Use a key that may read this route."


class NotFoundError(APIStatusError):
    """404: the route does not exist. A profile that does not exist is a 200, `not_found`."""

    advice = "Check base_url: the API has no such route there."


class RateLimitError(APIStatusError):
    """429: too many requests."""


class ServerError(APIStatusError):
    """5xx: the API failed."""


class InternalServerError(ServerError):
    """500: unexpected or billing error; the page may have been charged."""


class LookupFailedError(ServerError):
    """502: the API could not complete the lookup; not charged."""


class ServiceUnavailableError(ServerError):
    """503: the API is overloaded; not charged."""


class GatewayError(APIStatusError):
    """A gateway or proxy refused: the response has not the vendor's error format.

    Whether the API charged the page behind it is not known with a 5xx, so it counts as possibly
    charged; 521, 522, 523, 525 and 526 say that the API was not reached.
    """

    advice = "Check the network, the proxy and base_url."


class DecodeError(SocialFetchError):
    """A 200 without the documented shape. It was charged, so it is not retried.

    Attributes:
        path: The field that is wrong, such as `$.data.page.hasMore`. Never its content.
        body: The response as it was received, in bytes: a later version may be able to read it.
            In no message, repr or log.
        credits_charged: Its price in credits, if the response says it.
    """

    advice = (
        "The response was charged, and is not retried. Report it with the request id; "
        "`error.body` has the response."
    )
    go_on = "Earlier pages were delivered."

    def __init__(
        self,
        summary: str,
        *,
        path: str,
        body: bytes = b"",
        credits_charged: int | None = None,
        **kw: Any,
    ) -> None:
        super().__init__(summary, **kw)
        self.path = path
        self.body = body
        self.credits_charged = credits_charged


class PaginationError(SocialFetchError):
    """The pages repeat or are empty, so no further page is bought.

    Attributes:
        reason: `repeated_cursor` (a cursor came a second time), `no_progress` (a new cursor
            brought the rows of the page before, or new cursors bring rows that came before) or
            `empty_pages` (six in a row).
    """

    advice = "No further page was bought. To buy it on purpose, resume from this cursor."

    def __init__(self, summary: str, *, reason: str, **kw: Any) -> None:
        super().__init__(summary, **kw)
        self.reason = reason


class ProfileUnavailableError(SocialFetchError):
    """The profile has no readable list. The response was charged, as every 200 is.

    Attributes:
        lookup_status: `hidden`, `private`, `not_found`, or a value the vendor adds later.
    """

    advice = "Another lookup costs a credit and has the same result until the profile changes."

    def __init__(self, summary: str, *, lookup_status: str, **kw: Any) -> None:
        super().__init__(summary, **kw)
        self.lookup_status = lookup_status


class IncompleteRunError(SocialFetchError):
    """Some handles of a run failed. Every page that was charged was delivered before.

    Attributes:
        outcomes: The `HandleDone` of each handle that ended.
        pending: The unfinished handles, each with its cursor: an input of the method that made the
            run.
    """

    advice = "To resume, pass `pending` to the method that made the run."

    def __init__(
        self,
        summary: str,
        *,
        outcomes: Mapping[str, Any],
        pending: Mapping[str, str | None],
        **kw: Any,
    ) -> None:
        super().__init__(summary, **kw)
        self.outcomes = dict(outcomes)
        self.pending = dict(pending)


class CreditLimitError(SocialFetchError):
    """The client's `max_credits` allows no further request.

    Of single pages and profiles. Streams and runs end with the stop reason `max_credits`.
    """

    advice = "To continue, use a client with a higher max_credits."


class InvalidHandleError(SocialFetchError, ValueError):
    """Not a TikTok handle. No request was sent and nothing was charged."""


class JournalError(SocialFetchError):
    """A journal cannot be used, or could not keep what arrived; the sentence says what to do."""


class ShardTakenError(JournalError):
    """The shard is being fetched by another process, or this very attempt was begun before."""


class ExportError(SocialFetchError):
    """An export or a comparison could not be made; the message says why and what to do.

    Nothing was written: an older export of that name is as it was.
    """


class ClusterError(SocialFetchError):
    """The cluster cannot continue. What arrived is in the journals; the same call resumes."""
