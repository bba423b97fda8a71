"""What aiohttp raises, as errors of our tree."""

import os
from typing import Final

import aiohttp
from aiohttp.http import HttpProcessingError

from socialfetch_async.errors import (
    ConnectError,
    ConnectionLostError,
    PayloadError,
    RequestTimeoutError,
    TLSError,
    TransportError,
)

# aiohttp's exceptions to ours, the first row that fits decides. A certificate error is also a
# ClientConnectorError, which is also a ClientOSError: the order matters. A handshake that fails
# for another reason (ClientConnectorSSLError) is a gateway that restarts: no connection.
_FAILURES: Final[tuple[tuple[type[Exception], type[TransportError]], ...]] = (
    (aiohttp.ClientConnectorCertificateError, TLSError),
    (aiohttp.ServerFingerprintMismatch, TLSError),
    (aiohttp.ClientConnectorError, ConnectError),
    (aiohttp.ConnectionTimeoutError, ConnectError),
    (aiohttp.ClientHttpProxyError, ConnectError),
    (UnicodeError, ConnectError),  # a host name that no lookup takes (a label of 64 characters)
    (TimeoutError, RequestTimeoutError),
    (aiohttp.ClientPayloadError, PayloadError),
    (aiohttp.ClientResponseError, PayloadError),  # the head is not HTTP
    (HttpProcessingError, PayloadError),  # the same, over the connector
    (aiohttp.ClientConnectionError, ConnectionLostError),
    (OSError, ConnectionLostError),
)
_SENTENCES: Final[dict[type[TransportError], str]] = {
    TLSError: "no secure connection to the API",
    ConnectError: "no connection to the API",
    RequestTimeoutError: "no complete response in time",
    PayloadError: "the response broke off or is not HTTP",
    ConnectionLostError: "the connection ended before a response",
}
_OF_A_PROXY: Final = (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)
_PROXY_ADVICE: Final = "Nothing was charged. Check the proxy, and its user name and password."


def explained(
    failure: Exception, timeout: float, *, sent: bool, reused: bool | None, proxy: str = ""
) -> TransportError:
    """Return our error for one of aiohttp's.

    Args:
        failure: What aiohttp raised.
        timeout: Seconds the attempt had.
        sent: The request left, or may have left.
        reused: It was sent over a connection that had been idle; None when that is not known.
        proxy: Host and port of the client's own proxy.
    """
    kind = next((ours for theirs, ours in _FAILURES if isinstance(failure, theirs)), TransportError)
    if kind is RequestTimeoutError and not sent:
        kind = ConnectError
    if isinstance(failure, aiohttp.ServerDisconnectedError) and not isinstance(
        failure.message, str
    ):
        kind = PayloadError  # part of the head came: `message` holds what was parsed of it
    error = kind(
        f"{_sentence(kind, failure, proxy)} ({_detail(failure, timeout)}).",
        maybe_charged=int(sent and not issubclass(kind, ConnectError | TLSError)),
    )
    if isinstance(error, ConnectionLostError):
        error.reused = reused
    if isinstance(error, ConnectError) and isinstance(failure, _OF_A_PROXY):
        error.at(advice=_PROXY_ADVICE, proxy_status=getattr(failure, "status", None))
    return error


def _sentence(kind: type[TransportError], failure: Exception, proxy: str) -> str:
    named = f"the proxy {proxy}".rstrip()
    if isinstance(failure, aiohttp.ClientProxyConnectionError):
        return f"no connection to {named}"
    if isinstance(failure, aiohttp.ClientHttpProxyError):
        return f"{named} made no connection to the API"
    return _SENTENCES.get(kind, "the request failed")


def _detail(failure: Exception, timeout: float) -> str:
    """Say more, without aiohttp's own text, which may hold request headers or the URL's query."""
    if isinstance(failure, TimeoutError):
        return f"after {timeout:.3g} s"
    if isinstance(failure, aiohttp.ClientHttpProxyError):
        return f"its status is {getattr(failure, 'status', 'unknown')}"
    if isinstance(failure, OSError) and failure.strerror:
        # asyncio's own words for a connection that is refused hold the address as Python has it.
        number = failure.errno if "Connect call failed" in failure.strerror else None
        return os.strerror(number) if number else failure.strerror
    return type(failure).__name__
