"""One attempt at one request, over aiohttp; nothing else in the library touches a socket.

What aiohttp does by default and this must not: send a GET twice by itself, follow a redirect with
the key, quote the key in the repr of an error, read a body without end.
"""

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from socialfetch_async._exchange.failures import explained
from socialfetch_async._exchange.timeouts import AttemptTimeouts
from socialfetch_async._protocol.endpoints import Request
from socialfetch_async._protocol.retry import parse_retry_after
from socialfetch_async._protocol.status import Answer
from socialfetch_async._version import __version__
from socialfetch_async.errors import (
    ConnectError,
    ResponseTooLargeError,
    TLSError,
    TransportError,
)
from socialfetch_async.events import RequestContext

# `_over_the_connector` uses parts of aiohttp that promise less than its session does: only with the
# versions whose source was read, and on which all tests are run. With others the session is used.
_KNOWN_AIOHTTP: Final = aiohttp.__version__.startswith("3.14.")
# A page of 200 followers fits in twice this, so that reading it is not paused.
_READ_BUFFER_BYTES: Final = 2**18
# An error body is only read for its code and message.
_ERROR_BODY_BYTES: Final = 65_536


class ApiKey(str):
    """The key as a header value whose repr does not show it.

    The repr is what a traceback with locals, a debugger, a crash reporter and aiohttp's own
    errors print; the value itself goes on the wire.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[api key]'"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the API key can not be pickled or copied: make a client in each process")


class _Stopped(Exception):
    """Carries an aiohttp error out of aiohttp's loop, which would send the request again."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)  # all that aiohttp's tracing gets to see of it
        self.error = error


class Attempt:
    """What became of one attempt, also when it is cancelled.

    Attributes:
        number: 1 for the first attempt at a page.
        reused: It was sent over a connection that had been idle; None when that is not known.
        sent: The request left, or may have left, this machine.
        maybe_charged: Credits that it may have cost although it brought nothing.
    """

    __slots__ = ("maybe_charged", "number", "reused", "sent")

    def __init__(self, number: int = 1) -> None:
        self.number = number
        self.reused: bool | None = None
        self.sent = False
        self.maybe_charged = 0


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # aiohttp's session sends a GET again when the connection drops before the answer, even a
    # fresh one: a second page that may be billed and that nobody counts. It does so for the first
    # two; the text of the third has the URL with handle and cursor, which tracing would record.
    try:
        return await handler(request)
    except (
        aiohttp.ClientOSError,
        aiohttp.ServerDisconnectedError,
        aiohttp.ClientResponseError,
    ) as error:
        raise _Stopped(error) from None


_MIDDLEWARES: Final = (_send_once,)


class Transport:
    """Sends one request at a time for each caller, over the own or an injected session."""

    def __init__(
        self,
        base_url: str,
        key: ApiKey,
        *,
        session: aiohttp.ClientSession | None,
        trace_configs: Sequence[aiohttp.TraceConfig],
        max_response_bytes: int,
    ) -> None:
        base = URL(base_url)
        self._scheme, self._authority = base.scheme, base.raw_authority
        self._prefix = base.raw_path.rstrip("/")
        self._headers = {
            "x-api-key": key,
            "Accept": "application/json",
            "User-Agent": f"socialfetch-async-python/{__version__}",
        }
        self._session = session
        self._owns_session = session is None
        self._trace_configs = trace_configs
        self._ask = self._through_session
        self._sockets_opened = 0
        self._max_response_bytes = max_response_bytes
        self._timeouts = AttemptTimeouts()

    @property
    def connection_limit(self) -> int:
        """Connections an injected session allows at once; 0 without a limit.

        Waiting for one of them would count as connecting, so no more requests are let out.
        """
        connector = None if self._session is None else self._session.connector
        if connector is None:
            return 0
        limits = [limit for limit in (connector.limit, connector.limit_per_host) if limit]
        return min(limits, default=0)

    @property
    def open(self) -> bool:
        """Whether an own session exists that must be closed."""
        return self._owns_session and self._session is not None and not self._session.closed

    async def aclose(self) -> None:
        """Close the own session; an injected one is its owner's."""
        self._timeouts.close()
        if self._owns_session and self._session is not None:
            await self._session.close()

    def _connected(self) -> aiohttp.ClientSession:
        session = self._session
        if session is None:
            session = self._session = aiohttp.ClientSession(
                headers=self._headers,
                # The client's own semaphore limits requests; waiting here would count as slow.
                connector=aiohttp.TCPConnector(limit=0, socket_factory=self._open_socket),
                cookie_jar=aiohttp.DummyCookieJar(),  # the vendor's cookies are not kept
                trust_env=False,  # ~/.netrc would add its own Authorization header
                trace_configs=list(self._trace_configs),
            )
            # Whoever instruments aiohttp adds trace configs to every session, and wants to see.
            if _KNOWN_AIOHTTP and not session.trace_configs:
                self._ask = self._over_the_connector
        if session.closed:
            raise RuntimeError("the aiohttp session given to the SocialFetchClient is closed")
        return session

    def _open_socket(self, address: Any) -> socket.socket:
        family, kind, protocol, _, _ = address
        self._sockets_opened += 1
        return socket.socket(family=family, type=kind, proto=protocol)

    async def _through_session(
        self,
        session: aiohttp.ClientSession,
        request: Request[Any],
        timeout: float,
        attempt: Attempt,
    ) -> aiohttp.ClientResponse:
        """Ask as any user of the session does: what is attached to it sees the request."""
        attempt.sent = True  # nothing more exact can be known
        return await session.get(
            self._url(request),
            # An own session has them already.
            headers=None if self._owns_session else self._headers,
            allow_redirects=False,
            raise_for_status=False,
            middlewares=_MIDDLEWARES,
            read_bufsize=_READ_BUFFER_BYTES,
            timeout=_connect_timeout(timeout),
            trace_request_ctx=RequestContext(
                handle=request.handle,
                cursor=request.cursor,
                page=request.page,
                attempt=attempt.number,
            ),
        )

    async def _over_the_connector(
        self,
        session: aiohttp.ClientSession,
        request: Request[Any],
        timeout: float,
        attempt: Attempt,
    ) -> aiohttp.ClientResponse:
        """Ask as the session itself does, without what it decides anew for each request.

        That is an eighth of a page. And here it is known what the session does not tell: whether
        the connection is a fresh one, and when the request leaves.
        """
        connector = session.connector
        assert connector is not None
        ready = aiohttp.ClientRequest(
            "GET",
            self._url(request),
            headers=self._headers,
            session=session,
            loop=asyncio.get_running_loop(),
        )
        sockets_opened = self._sockets_opened
        connection = await connector.connect(ready, [], _connect_timeout(timeout))
        # An idle connection is there at once; while one is made others may open sockets too.
        attempt.reused = self._sockets_opened == sockets_opened
        attempt.sent = True
        try:
            assert connection.protocol is not None
            connection.protocol.set_response_params(
                read_until_eof=True, read_bufsize=_READ_BUFFER_BYTES
            )
            response = await ready.send(connection)
            return await response.start(connection)
        except BaseException:
            if ready.response is not None:
                ready.response.close()
            connection.close()
            raise

    async def send(
        self, request: Request[Any], timeout: float, attempt: Attempt
    ) -> Answer | TransportError:
        """Send a request once and read its answer.

        Args:
            request: What to ask for.
            timeout: Seconds for the whole attempt; connecting gets at most half of them and 10.
            attempt: Where it is noted how far it came.

        Returns:
            The answer, or what went wrong: errors are returned so that no exception of aiohttp,
            which may quote request headers, becomes their context.
        """
        failure: Exception
        session = self._connected()
        try:
            with self._timeouts.limit(timeout):
                async with await self._ask(session, request, timeout, attempt) as response:
                    if response.status != 200:
                        return await _error_answer(response, timeout)
                    body = await _read(response, self._max_response_bytes)
                    return self._too_large() if body is None else Answer(200, body)
        except _Stopped as stopped:
            failure = stopped.error
        except (aiohttp.ClientError, OSError, UnicodeError) as raised:  # and TimeoutError
            failure = raised
        error = explained(failure, timeout, sent=attempt.sent, reused=attempt.reused)
        attempt.sent &= not isinstance(error, ConnectError | TLSError)
        return error

    def _url(self, request: Request[Any]) -> URL:
        # Built and not parsed: what is encoded in the target stays as it is, byte for byte.
        path, _, query = request.target.partition("?")
        return URL.build(
            scheme=self._scheme,
            authority=self._authority,
            path=self._prefix + path,
            query_string=query,
            encoded=True,
        )

    def _too_large(self) -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"the answer is larger than {self._max_response_bytes} bytes.", maybe_charged=1
        )


@lru_cache(maxsize=16)
def _connect_timeout(timeout: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=min(timeout / 2, 10.0))


async def _error_answer(response: aiohttp.ClientResponse, timeout: float) -> Answer:
    body = b""
    # The status says what happened, whether or not the body arrives: a 402 whose body stalls is
    # still a 402, and must not become a timeout that is tried again.
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(min(timeout / 2, 5.0)):
            body = await _read(response, _ERROR_BODY_BYTES) or b""
    headers = response.headers
    return Answer(
        response.status,
        body,
        retry_after=parse_retry_after(headers.get("Retry-After"), time.time()),
        location_host=_host(headers.get("Location")),
    )


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """Read a body after decompression; None when it is larger than `most` bytes."""
    body = await response.content.readany()
    if response.content.at_eof() and len(body) <= most:
        return body  # the usual page: one piece
    chunks, size = [body], len(body)
    while size <= most and (chunk := await response.content.readany()):
        size += len(chunk)
        chunks.append(chunk)
    return b"".join(chunks) if size <= most else None


def _host(location: str | None) -> str:
    """Return the host of a redirect, which is all that a message may show of its address."""
    try:
        return urlsplit(location or "").hostname or ""
    except ValueError:
        return ""
