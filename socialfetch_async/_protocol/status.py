"""What an answer that is not a 200 means: one class for each documented status."""

from typing import Any, Final

import msgspec

from socialfetch_async._protocol.repair import repaired
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
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


STATUS_ERRORS: Final[dict[int, type[APIStatusError]]] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: RateLimitError,
    500: InternalServerError,
    502: LookupFailedError,
    503: ServiceUnavailableError,
}
# "500: Unexpected or billing error": the vendor does not say whether it billed. 502 and 503 are
# documented as not charged; other 5xx are not documented at all.
_NOT_CHARGED: Final = {502, 503}


class _ErrorBody(msgspec.Struct, rename="camel"):
    code: Any = None
    message: Any = None
    request_id: Any = None
    checkout_url: Any = None


class _ErrorEnvelope(msgspec.Struct):
    error: _ErrorBody


_error_decoder: Final = msgspec.json.Decoder(_ErrorEnvelope)


def status_error(answer: Answer, secret: str) -> APIStatusError:
    """Make the error of a status. The body may be the vendor's, a proxy's HTML, or nothing."""
    try:
        said = _error_decoder.decode(repaired(answer.body) or b"").error
    except msgspec.DecodeError:
        said = _ErrorBody()
    status = answer.status
    code = one_line(said.code, secret) or None
    message = one_line(said.message, secret)
    quoted = f' ("{message}")' if message else ""
    extra: dict[str, Any] = {}
    if status == 402:
        extra["checkout_url"] = one_line(said.checkout_url, secret) or None
    kind = STATUS_ERRORS.get(status) or (ServerError if status >= 500 else APIStatusError)
    return kind(
        f"the API answered {status}{f' {code}' if code else ''}{quoted}.",
        status=status,
        code=code,
        message=message,
        request_id=one_line(said.request_id, secret) or None,
        maybe_charged=int(status >= 500 and status not in _NOT_CHARGED),
        **extra,
    )


def redirect_error(answer: Answer, secret: str) -> UnexpectedRedirectError:
    """Make the error of a redirect. Its address may hold anything, so only the host is named."""
    # A host is lower case, whatever it was sent as; so is a key in it.
    host = one_line(answer.location_host, secret.lower()) or "an unnamed place"
    return UnexpectedRedirectError(
        f"the API does not redirect, but a {answer.status} to {host} came; it was not followed."
    )


def one_line(value: object, secret: str) -> str:
    """One line of what an answer says, short, and without the key in case it is echoed."""
    if not isinstance(value, str):
        return ""
    printable = "".join(char if char.isprintable() else " " for char in value)
    return (printable.replace(secret, "[api key]") if secret else printable)[:500]
