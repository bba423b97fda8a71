"""The rows of the fault matrix that are one answer to one request, as data."""

from dataclasses import dataclass, field
from typing import Any

from socialfetch_async import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    ConnectionLostError,
    DecodeError,
    GatewayError,
    InsufficientCreditsError,
    InternalServerError,
    LookupFailedError,
    NotFoundError,
    PayloadError,
    PermissionDeniedError,
    RateLimitError,
    RequestTimeoutError,
    ResponseTooLargeError,
    ServerError,
    ServiceUnavailableError,
    SocialFetchError,
    UnexpectedRedirectError,
)
from tests.faults.harness import ONCE, THREE, TWO


@dataclass(frozen=True)
class Failure:
    """A fault that a page meets until the client gives up.

    Attributes:
        row: Of the fault matrix.
        fault: Its name in `tests.faults.wire`.
        error: The very class that is raised.
        retried: Whether it is tried again.
        maybe: Whether a failed attempt may have been billed.
        before: What the page before meets; `last` makes the connection a fresh one.
        options: Of the client.
    """

    row: int
    fault: str
    error: type[SocialFetchError]
    retried: bool
    maybe: bool
    before: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.row}-{self.fault.partition(' ')[0]}"


def _rows(
    row: int,
    faults: str,
    error: type[SocialFetchError],
    *,
    retried: bool = True,
    maybe: bool = False,
    before: str = "",
    **options: Any,
) -> list[Failure]:
    return [
        Failure(row, fault, error, retried, maybe, before, {"retry": THREE, **options})
        for fault in faults.split()
    ]


def _redirects(*statuses: int) -> list[Failure]:
    error, options = UnexpectedRedirectError, {"retry": THREE}
    return [
        Failure(
            10, f"{status} Location: ELSEWHERE/stolen?token=1", error, False, False, "", options
        )
        for status in statuses
    ]


FAILURES: list[Failure] = [
    *_rows(1, "400 400-echo", BadRequestError, retried=False),
    *_rows(2, "401 401-echo", AuthenticationError, retried=False),
    *_rows(2, "403", PermissionDeniedError, retried=False),
    *_rows(3, "402 402-html 402-empty", InsufficientCreditsError, retried=False),
    *_rows(3, "402-stall", InsufficientCreditsError, retried=False, retry=TWO, timeout=1.5),
    *_rows(4, "404", NotFoundError, retried=False),
    *_rows(4, "409 410 422", APIStatusError, retried=False),
    *_rows(5, "429", RateLimitError),
    *_rows(6, "500 500-after", InternalServerError, maybe=True),
    *_rows(7, "502", LookupFailedError),
    *_rows(8, "503", ServiceUnavailableError),
    *_rows(9, "504 504-after 501 520", ServerError, maybe=True),
    *_rows(40, "408 425", APIStatusError),
    *_rows(41, "521 522 523 525 526", ServerError),
    *_rows(42, "401-html 403-json 407-html 429-html 429-empty 521-html", GatewayError),
    *_rows(42, "400-html 404-empty 405-json 414-html 431-html", GatewayError, retried=False),
    *_rows(42, "500-html 502-html 502-empty 503-html 503-empty", GatewayError, maybe=True),
    *_rows(42, "503-endless 504-html", GatewayError, maybe=True),
    *_rows(42, "503-stall", GatewayError, maybe=True, retry=TWO, timeout=1.5),
    *_redirects(301, 302, 307, 308),
    *_rows(16, "stale stale-after", ConnectionLostError, retried=False, maybe=True, retry=ONCE),
    *_rows(17, "reset-before reset-after", ConnectionLostError, maybe=True, before="last"),
    *_rows(17, "close-before close-after", ConnectionLostError, maybe=True, before="last"),
    *_rows(18, "head-before head-after not-http", PayloadError, maybe=True),
    *_rows(18, "short-body cut-chunked bad-chunk until-close", PayloadError, maybe=True),
    *_rows(19, "gzip-truncated gzip-corrupt", PayloadError, maybe=True),
    *_rows(20, "html html-as-json empty half-json", PayloadError, maybe=True),
    *_rows(45, "portal", PayloadError, maybe=True),
    *_rows(23, "envelope-list envelope-page", DecodeError, retried=False, maybe=True),
    *_rows(28, "endless bomb", ResponseTooLargeError, retried=False, maybe=True),
    *_rows(
        29,
        "stall-before stall-after stall-body",
        RequestTimeoutError,
        maybe=True,
        retry=TWO,
        timeout=1.5,
    ),
    *_rows(29, "loris-head loris-body", RequestTimeoutError, maybe=True, retry=TWO, timeout=1.5),
]
