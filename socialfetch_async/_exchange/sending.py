"""Two ways to send a request, and which of them it may be.

What is attached to an aiohttp session (mocks, recorders, tracing, middlewares) sees what goes
through the session. Going over its connector instead saves a tenth of a page's CPU, and is allowed
only while nothing is attached.
"""

import asyncio
from types import FunctionType
from typing import Final

import aiohttp
from aiohttp import client as aiohttp_client
from multidict import CIMultiDict
from yarl import URL

from socialfetch_async._exchange.connector import drop_leftovers

# A page of 200 followers fits in twice this, so that reading it is not paused.
READ_BUFFER_BYTES: Final = 2**18


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
    # What can be seen of an injected session's connections; an own one has our connector.
    drop_leftovers(request.session, request)
    return await handler(request)


def middlewares(session: aiohttp.ClientSession | None) -> tuple[aiohttp.ClientMiddlewareType, ...]:
    """Return the middlewares of each request over an injected session, or over an own one.

    A request's replace the session's, so those come first: ours are the innermost.
    """
    if session is None:
        return (_send_once,)
    return (*getattr(session, "_middlewares", ()), _send_once, _from_clean)


def _own_code(method: object) -> object:
    """Return the code of a method as aiohttp wrote it; None when something stands in its place."""
    code = method.__code__ if isinstance(method, FunctionType) else None
    return code if code is not None and code.co_filename == aiohttp_client.__file__ else None


_SESSION: Final = aiohttp.ClientSession
_GET: Final = _own_code(aiohttp.ClientSession.get)
_REQUEST: Final = _own_code(aiohttp.ClientSession._request)  # noqa: SLF001
# `over_connector` uses parts of aiohttp that promise less than its session does: only with the
# versions whose source was read, and on which all tests are run.
_READ: Final = aiohttp.__version__.startswith("3.14.") and _GET is not None and _REQUEST is not None


def untouched(session: aiohttp.ClientSession) -> bool:
    """Whether an own session is as aiohttp made it: no tool has put itself in its way.

    Asked before each request: aioresponses, VCR and others come and go as a test does.
    """
    kind = type(session)
    return (
        _READ
        and kind is _SESSION  # not a mock or a subclass that a tool has put there
        and getattr(kind._request, "__code__", None) is _REQUEST  # noqa: SLF001
        and getattr(kind.get, "__code__", None) is _GET
        and not session.trace_configs
        and not session._middlewares  # noqa: SLF001
    )


async def over_connector(
    session: aiohttp.ClientSession,
    url: URL,
    headers: CIMultiDict[str],
    timeout: aiohttp.ClientTimeout,
) -> aiohttp.ClientResponse:
    """Send as the session itself does, without what it decides anew for each request."""
    connector = session.connector
    assert connector is not None
    request = aiohttp.ClientRequest(
        "GET", url, headers=headers, session=session, loop=asyncio.get_running_loop()
    )
    connection = await connector.connect(request, [], timeout)
    try:
        assert connection.protocol is not None
        connection.protocol.set_response_params(read_until_eof=True, read_bufsize=READ_BUFFER_BYTES)
        response = await request.send(connection)
        return await response.start(connection)
    except BaseException:
        if request.response is not None:
            request.response.close()
        connection.close()
        raise
