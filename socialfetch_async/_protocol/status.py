"""Who answered? What a status means, whether or not the vendor's error envelope is in the body.

The vendor says what its own errors cost. Between it and this client stand gateways and proxies,
and they answer with the same statuses: a 502 of the vendor is not charged, a 502 of a gateway may
hide a page that was. The body tells them apart.
"""

from typing import Any, Final, NamedTuple

import msgspec

from socialfetch_async._protocol.repair import repaired
from socialfetch_async._text import one_line
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    GatewayError,
    InsufficientCreditsError,
    InternalServerError,
    LookupFailedError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServerError,
    ServiceUnavailableError,
    UnexpectedRedirectError,
)


class Answer(msgspec.Struct, frozen=True):
    """What came over the wire, the body decompressed."""

    status: int
    body: bytes
    retry_after: float | None = None
    location_host: str = ""


class Rule(NamedTuple):
    """What a failure means for the next attempt, and for other requests.

    Attributes:
        retry: The same request may succeed later.
        outage: It is a sign that the API is down for everybody.
        alive: It shows that the API is up.
        handle: It is about this handle: another one may fare better.
    """

    retry: bool = False
    outage: bool = False
    alive: bool = False
    handle: bool = False


class Meaning(NamedTuple):
    """What a status means.

    Attributes:
        error: The class, which has the advice.
        charged: The page may have been charged although it did not arrive.
        rule: What follows for retries, the circuit breaker and a run.
    """

    error: type[APIStatusError]
    charged: bool
    rule: Rule


PASSES: Final = Rule(retry=True, outage=True)
"""It passes with time, and ten of them in a row are an outage."""
_ABOUT_THE_HANDLE: Final = Rule(alive=True, handle=True)
_ABOUT_THE_CLIENT: Final = Rule(alive=True)
_ABOUT_THE_PROFILE: Final = Rule(retry=True, alive=True, handle=True)
_FINAL: Final = Rule()

# The vendor's own answers. "500: Unexpected or billing error": it does not say whether it
# charged; 4xx, 502 and 503 are documented as not charged, other 5xx are not documented at all.
VENDOR: Final[dict[int, Meaning]] = {
    400: Meaning(BadRequestError, False, _ABOUT_THE_HANDLE),
    401: Meaning(AuthenticationError, False, _ABOUT_THE_CLIENT),
    402: Meaning(InsufficientCreditsError, False, _ABOUT_THE_CLIENT),
    403: Meaning(PermissionDeniedError, False, _ABOUT_THE_CLIENT),
    404: Meaning(NotFoundError, False, _ABOUT_THE_CLIENT),  # a missing profile is a 200
    405: Meaning(APIStatusError, False, _ABOUT_THE_CLIENT),
    408: Meaning(APIStatusError, False, PASSES),
    411: Meaning(APIStatusError, False, _ABOUT_THE_CLIENT),
    414: Meaning(APIStatusError, False, _ABOUT_THE_CLIENT),
    425: Meaning(APIStatusError, False, PASSES),
    429: Meaning(RateLimitError, False, PASSES),
    431: Meaning(APIStatusError, False, _ABOUT_THE_CLIENT),
    500: Meaning(InternalServerError, True, PASSES),
    502: Meaning(LookupFailedError, False, _ABOUT_THE_PROFILE),
    503: Meaning(ServiceUnavailableError, False, PASSES),
}
# What the vendor says of the account holds whatever the status is: some gateways change it, and
# then one handle after the other would be asked for in vain, or be paid for.
ACCOUNT_CODES: Final = {
    "insufficient_credits": 402,
    "payment_required": 402,
    "payment_settlement_failed": 402,
    "unauthorized": 401,
    "forbidden": 403,
}
# A gateway with these statuses never reached the server behind it, so nothing was charged.
NEVER_REACHED: Final = frozenset({521, 522, 523, 525, 526})
# Refusals of a gateway or a captive portal that end when somebody logs in or the load falls.
_GATEWAY_PASSES: Final = frozenset({401, 403, 407, 408, 425, 429})


def meaning(status: int, *, vendor: bool, code: str | None = None) -> Meaning:
    """Say what a refusal means.

    A 402 means the same with and without the envelope: where money is in doubt, nothing more is
    sent.

    Args:
        status: Neither 2xx nor 3xx, but with a code that is about the account.
        vendor: The body has the vendor's error envelope.
        code: The one in it.
    """
    status = ACCOUNT_CODES.get(code or "", status)
    if status < 400:  # 101, or a number that is no status: nothing says that it was not charged
        return Meaning(GatewayError, True, PASSES)
    if vendor or status == 402:
        known = VENDOR.get(status)
        if known is not None:
            return known
        if status < 500:
            return Meaning(APIStatusError, False, _ABOUT_THE_HANDLE)
        return Meaning(ServerError, status not in NEVER_REACHED, PASSES)
    if status < 500:
        return Meaning(GatewayError, False, PASSES if status in _GATEWAY_PASSES else _FINAL)
    return Meaning(GatewayError, status not in NEVER_REACHED, PASSES)


class ErrorBody(msgspec.Struct, rename="camel"):
    """The vendor's error, as it came."""

    code: str
    message: Any
    request_id: Any = None
    checkout_url: Any = None


class _ErrorEnvelope(msgspec.Struct):
    error: ErrorBody


_error_decoder: Final = msgspec.json.Decoder(_ErrorEnvelope)


def status_error(answer: Answer, secret: str) -> APIStatusError:
    """Make the error of a status. The body may be the vendor's, a gateway's HTML, or nothing."""
    said = error_said(answer.body)
    code = None if said is None else said.code
    kind, charged, _ = meaning(answer.status, vendor=said is not None, code=code)
    common: dict[str, Any] = {"status": answer.status, "maybe_charged": int(charged)}
    if said is None:
        return kind(_unsigned(kind, answer.status), **common)
    code, message = one_line(said.code, secret), one_line(said.message, secret)
    if kind is InsufficientCreditsError:
        common["checkout_url"] = one_line(said.checkout_url, secret) or None
    return kind(
        f"the API responded with {answer.status} {in_words(code, message)}.",
        code=code,
        message=message,
        request_id=one_line(said.request_id, secret) or None,
        **common,
    )


def is_about_the_account(body: bytes) -> bool:
    """Whether the vendor says in it that there are no credits, or refuses the key."""
    said = error_said(body)
    return said is not None and said.code in ACCOUNT_CODES


def in_words(code: str, message: str) -> str:
    """Return what the vendor says of an error, each on one line."""
    return f'{code} ("{message}")' if message else code


def error_said(body: bytes) -> ErrorBody | None:
    """Return the vendor's error; None when somebody else answered."""
    try:
        said = _error_decoder.decode(repaired(body) or b"").error
    except msgspec.DecodeError:
        return None
    return said if said.code.strip() else None


def _unsigned(kind: type[APIStatusError], status: int) -> str:
    if kind is GatewayError:
        return f"a gateway or proxy responded with {status}, not the API."
    return f"the API responded with {status}."


def redirect_error(answer: Answer, secret: str) -> UnexpectedRedirectError:
    """Make the error of a redirect. Its address may hold anything, so only the host is named."""
    # A host is lower case, whatever it was sent as; so is a key in it.
    host = one_line(answer.location_host, secret.lower()) or "an unnamed place"
    return UnexpectedRedirectError(
        f"the API does not redirect, but a {answer.status} to {host} came; it was not followed."
    )
