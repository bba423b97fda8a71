"""One attempt at one request, over aiohttp; nothing else in the library touches a socket.

What aiohttp does by default and this must not: send a GET twice by itself, follow a redirect with
the key, quote the key in the repr of an error, read a body without end.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from socialfetch_async._exchange.connector import PROGRESS, Connector, Progress
from socialfetch_async._exchange.failures import explained
from socialfetch_async._exchange.proxy import Proxy
from socialfetch_async._exchange.secret import ApiKey
from socialfetch_async._exchange.sending import (
    LONGEST_HEADER,
    READ_BUFFER_BYTES,
    OverConnector,
    Response,
    Stopped,
    middlewares,
    untouched,
)
from socialfetch_async._exchange.timeouts import AttemptTimeouts
from socialfetch_async._protocol.endpoints import Request
from socialfetch_async._protocol.framing import unframed
from socialfetch_async._protocol.packed import text_of
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

# An error body is read for its code and message; and some servers send pages as errors.
_ERROR_BODY_BYTES: Final = 2**20


class Attempt(Progress):
    """What became of one attempt, also when it is cancelled.

    Attributes:
        number: 1 for the first attempt at a page.
        maybe_charged: Credits that it may have cost although it brought nothing.
    """

    __slots__ = ("maybe_charged", "number")

    def __init__(self, number: int = 1) -> None:
        super().__init__()
        self.number = number
        self.maybe_charged = 0


class Transport:
    """Sends one request at a time for each caller, over the own or an injected session."""

    def __init__(
        self,
        base_url: str,
        key: ApiKey,
        *,
        session: aiohttp.ClientSession | None,
        proxy: Proxy | None,
        trace_configs: Sequence[aiohttp.TraceConfig],
        max_response_bytes: int,
    ) -> None:
        self._base = URL(base_url)
        self._prefix = self._base.raw_path.rstrip("/")
        # For each request: the default headers of a session go to a proxy as well, in clear.
        self._headers = CIMultiDict(
            {
                "x-api-key": key,
                "Accept": "application/json",
                "User-Agent": f"socialfetch-async-python/{__version__}",
            }
        )
        self._proxy = proxy
        if proxy is not None and self._base.scheme == "http":
            self._headers.update(proxy.headers)  # there is no CONNECT that could carry it
        self._session = session
        self._owns_session = session is None
        if session is None:
            self._headers["Accept-Encoding"] = "gzip, deflate"
        self._over_connector: OverConnector | None = None
        self._trace_configs = trace_configs
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
                # The client's own semaphore limits requests; waiting here would count as slow.
                connector=Connector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),  # the vendor's cookies are not kept
                trust_env=False,  # ~/.netrc would add its own Authorization header
                auto_decompress=False,  # what is not quite gzip would be an error, its bytes lost
                trace_configs=list(self._trace_configs),
            )
        if session.closed:
            raise RuntimeError("the aiohttp session given to the SocialFetchClient is closed")
        return session

    def _ask(
        self,
        session: aiohttp.ClientSession,
        request: Request[Any],
        timeout: float,
        attempt: Attempt,
    ) -> Awaitable[Response | aiohttp.ClientResponse]:
        """Send a request; whatever is attached to the session gets to see it."""
        attempt.sent = True  # unless the own connector, which knows better, says otherwise
        PROGRESS.set(attempt)
        target, connecting = self._prefix + request.target, _connect_timeout(timeout)
        proxy = self._proxy
        if self._owns_session and proxy is None and untouched(session):
            if self._over_connector is None:
                self._over_connector = OverConnector(session, self._base, self._headers)
            return self._over_connector.get(target, connecting)
        return session.get(
            _url(self._base, target),
            headers=self._headers,
            allow_redirects=False,
            raise_for_status=False,
            middlewares=middlewares(session),
            proxy=None if proxy is None else proxy.url,
            proxy_headers=None if proxy is None else proxy.headers,
            read_bufsize=READ_BUFFER_BYTES,
            max_field_size=LONGEST_HEADER,
            timeout=connecting,
            trace_request_ctx=RequestContext(
                handle=request.handle,
                cursor=request.cursor,
                page=request.page,
                attempt=attempt.number,
            ),
        )

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
                    status = response.status
                    if not 200 <= status < 300:
                        return await _error_answer(response, timeout)
                    body = await _read(response, self._max_response_bytes)
                    if body is not None and not body.startswith(b'{"'):
                        body = _unpacked(body, response.headers, self._max_response_bytes)
                    return self._too_large() if body is None else Answer(status, body)
        except Stopped as stopped:
            failure = stopped.error
        except (aiohttp.ClientError, HttpProcessingError, OSError, UnicodeError) as raised:
            failure = raised  # TimeoutError is an OSError
        error = explained(
            failure,
            timeout,
            sent=attempt.sent,
            reused=attempt.reused,
            proxy="" if self._proxy is None else self._proxy.name,
        )
        attempt.sent &= not isinstance(error, ConnectError | TLSError)
        return error

    def unframed(self, attempt: Attempt) -> Answer | None:
        """Return the answer in what came of an attempt, if aiohttp has found none in it."""
        return unframed(b"".join(attempt.came), self._max_response_bytes, _wall_clock())

    def _too_large(self) -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"the response is larger than {self._max_response_bytes} bytes.", maybe_charged=1
        )


def _url(base: URL, target: str) -> URL:
    # Built and not parsed: what is encoded in the target stays as it is, byte for byte.
    path, _, query = target.partition("?")
    return URL.build(
        scheme=base.scheme,
        authority=base.raw_authority,
        path=path,
        query_string=query,
        encoded=True,
    )


@lru_cache(maxsize=16)
def _connect_timeout(timeout: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=min(timeout / 2, 10.0))


async def _error_answer(response: Response | aiohttp.ClientResponse, timeout: float) -> Answer:
    body = b""
    # The status says what happened, whether or not the body arrives: a 402 whose body stalls is
    # still a 402, and must not become a timeout that is tried again.
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(min(timeout / 2, 5.0)):
            body = await _read(response, _ERROR_BODY_BYTES) or b""
    headers = response.headers
    return Answer(
        response.status,
        _unpacked(body, headers, _ERROR_BODY_BYTES) or b"",
        retry_after=parse_retry_after(headers.get("Retry-After"), _wall_clock()),
        location_host=_host(headers.get("Location")),
    )


def _wall_clock() -> float:
    return time.time()  # for the date of a Retry-After, and nothing else


def _unpacked(body: bytes, headers: Mapping[str, str], most: int) -> bytes | None:
    return text_of(body, headers.get("Content-Encoding", ""), most)


async def _read(response: Response | aiohttp.ClientResponse, most: int) -> bytes | None:
    """Read a body as it comes; None when it is larger than `most` bytes."""
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
