"""Two ways to send a request, and which of them it may be.

What is attached to an aiohttp session (mocks, recorders, tracing, middlewares) sees what goes
through the session. Going over its connector instead saves a fifth of a page's CPU, and is allowed
only while nothing is attached.
"""

import asyncio
from types import FunctionType
from typing import TYPE_CHECKING, Final, Self

import aiohttp
from aiohttp import client as aiohttp_client
from aiohttp.http import RawResponseMessage, StreamWriter
from multidict import CIMultiDict
from yarl import URL

from socialfetch_async._exchange.connector import drop_leftovers

if TYPE_CHECKING:
    from aiohttp.connector import Connection

# A page of 200 followers fits in twice this, so that reading it is not paused.
READ_BUFFER_BYTES: Final = 2**18
# Gateways add policies and cookies of more than aiohttp's 8 kB, and the page behind is paid for.
LONGEST_HEADER: Final = 2**16


class Stopped(Exception):
    """Carries an aiohttp error out of aiohttp's loop, which would send the request again."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)  # all that aiohttp's tracing gets to see of it
        self.error = error


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
        raise Stopped(error) from None


async def _from_clean(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    # As far as can be seen from here: the connector of an injected session is none of ours.
    drop_leftovers(request.session, request)
    return await handler(request)


def middlewares(session: aiohttp.ClientSession) -> tuple[aiohttp.ClientMiddlewareType, ...]:
    """Return the middlewares of one request over a session.

    A request's replace the session's, so those come first: ours are the innermost.
    """
    return (*getattr(session, "_middlewares", ()), _send_once, _from_clean)


_SESSION: Final = aiohttp.ClientSession
_METHODS: Final = (aiohttp.ClientSession.get, aiohttp.ClientSession._request)  # noqa: SLF001


def _as_written(method: object) -> bool:
    # By the very type: a wrapper may look like the function it wraps, code and all.
    return type(method) is FunctionType and method.__code__.co_filename == aiohttp_client.__file__


# `OverConnector` uses parts of aiohttp that promise less than its session does: only with the
# versions whose source was read, and on which all tests are run.
_READ: Final = aiohttp.__version__.startswith("3.14.") and all(map(_as_written, _METHODS))


def untouched(session: aiohttp.ClientSession) -> bool:
    """Whether an own session is as aiohttp made it: no tool has put itself in its way.

    Asked before each request: aioresponses, VCR and others come and go as a test does.
    """
    get, request = _METHODS
    return (
        _READ
        and type(session) is _SESSION  # no mock or subclass that a tool has put there
        and _SESSION.get is get
        and _SESSION._request is request  # noqa: SLF001
        and not session.trace_configs
        and not session._middlewares  # noqa: SLF001
    )


class Response:
    """What came over a connection: as much of aiohttp's own response as is read here.

    The connection goes back to its pool when the body has come, or is closed where it is left.
    """

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(
        self, connection: "Connection", message: RawResponseMessage, content: aiohttp.StreamReader
    ) -> None:
        self._connection = connection
        self.status = message.code
        self.headers = message.headers
        self.content = content
        content.on_eof(connection.release)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.release()


class OverConnector:
    """Sends as an own session does, without what that decides anew for each request.

    Args:
        session: Whose connections are used.
        base_url: The server; every request to it has the same headers.
        headers: Those besides Host.
    """

    def __init__(
        self, session: aiohttp.ClientSession, base_url: URL, headers: CIMultiDict[str]
    ) -> None:
        assert session.connector is not None
        self._connector = session.connector
        self._loop = asyncio.get_running_loop()
        # The connector takes the address from it, and what is sent the headers.
        self._request = aiohttp.ClientRequest(
            "GET", base_url, headers=headers, session=session, loop=self._loop
        )

    async def get(self, target: str, timeout: aiohttp.ClientTimeout) -> Response:
        """Send a request for a path and query, percent-encoded; return the head of its answer."""
        connection = await self._connector.connect(self._request, [], timeout)
        try:
            protocol = connection.protocol
            assert protocol is not None
            protocol.set_response_params(
                read_until_eof=True,
                read_bufsize=READ_BUFFER_BYTES,
                auto_decompress=False,
                max_field_size=LONGEST_HEADER,
            )
            writer = StreamWriter(protocol, self._loop)
            await writer.write_headers(f"GET {target} HTTP/1.1", self._request.headers)
            writer.set_eof()
            message, content = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:  # the answer is still to come
                message, content = await protocol.read()
            return Response(connection, message, content)
        except BaseException:
            connection.close()
            raise
