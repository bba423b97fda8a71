"""What aiohttp raises, as errors of our tree."""

from typing import Final

import aiohttp

from socialfetch_async.errors import (
    ConnectError,
    ConnectionLostError,
    PayloadError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)

# aiohttp's exceptions to ours, the first row that fits decides. A certificate error is also a
# ClientConnectorError, which is also a ClientOSError: the order matters.
_FAILURES: Final[tuple[tuple[type[Exception], type[TransportError]], ...]] = (
    (aiohttp.ClientSSLError, TLSError),
    (aiohttp.ClientConnectorCertificateError, TLSError),
    (aiohttp.ServerFingerprintMismatch, TLSError),
    (aiohttp.ClientConnectorError, ConnectError),
    (aiohttp.ConnectionTimeoutError, ConnectError),
    (aiohttp.ClientHttpProxyError, ConnectError),
    (UnicodeError, ConnectError),  # a host name that no lookup takes (a label of 64 characters)
    (TimeoutError, RequestTimeoutError),
    (aiohttp.ClientPayloadError, PayloadError),
    (aiohttp.ClientResponseError, PayloadError),  # the head is not HTTP
    (aiohttp.ClientConnectionError, ConnectionLostError),
    (OSError, ConnectionLostError),
)
_SENTENCES: Final[dict[type[TransportError], str]] = {
    TLSError: "no secure connection to the API",
    ConnectError: "no connection to the API",
    RequestTimeoutError: "no whole answer in time",
    PayloadError: "the answer broke off or is not HTTP",
    ConnectionLostError: "the connection ended before an answer",
}


def explained(
    failure: Exception, timeout: float, *, sent: bool, reused: bool | None
) -> TransportError:
    """Return our error for one of aiohttp's.

    Args:
        failure: What aiohttp raised.
        timeout: Seconds the attempt had.
        sent: The request left, or may have left.
        reused: It was sent over a connection that had been idle; None when that is not known.
    """
    kind = next((ours for theirs, ours in _FAILURES if isinstance(failure, theirs)), TransportError)
    if kind is RequestTimeoutError and not sent:
        kind = ConnectError
    if isinstance(failure, aiohttp.ServerDisconnectedError) and not isinstance(
        failure.message, str
    ):
        kind = PayloadError  # part of the head came: `message` holds what was parsed of it
    # aiohttp's own text may hold request headers (ClientResponseError) or the URL's query, so
    # only the name of its class and the system's words for an error number are quoted.
    detail = type(failure).__name__
    if isinstance(failure, OSError) and failure.strerror:
        detail = f"{detail}: {failure.strerror}"
    if isinstance(failure, TimeoutError):
        detail = f"after {timeout:.3g} s"
    error = kind(
        f"{_SENTENCES.get(kind, 'the request failed')} ({detail}).",
        maybe_charged=int(sent and not issubclass(kind, ConnectError | TLSError)),
    )
    if isinstance(error, ConnectionLostError):
        error.reused = reused
    return error
