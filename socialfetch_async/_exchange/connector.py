"""Connections that hold no answer nobody asked for.

aiohttp checks that an idle connection is still connected, not that it is clean. A proxy's 408, or
a late copy of an answer, would be taken for the answer to the next request: one profile's
followers under the name of another.
"""

import select
import sys
from asyncio import AbstractEventLoop
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


# A page of 200 followers takes a tenth of it; an answer without end must not be kept twice.
_MOST_KEPT: Final = 2**21


class Progress:
    """How far a request has come.

    Attributes:
        reused: It was sent over a connection that had been idle; None when that is not known.
        sent: The request left, or may have left, this machine.
        came: What came back so far, as it came; nothing over an injected session.
    """

    __slots__ = ("came", "reused", "sent")

    def __init__(self) -> None:
        self.reused: bool | None = None
        self.sent = False
        self.came: list[bytes] = []


# The default is written by a request that is none of ours, and read by nobody.
PROGRESS: Final = ContextVar("PROGRESS", default=Progress())  # noqa: B039
"""Of the request that the current task makes."""


class _Protocol(ResponseHandler):
    """Keeps what came for the present request: aiohttp's parser drops what it does not take."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        super().__init__(loop)
        self._came: list[bytes] = []
        self._size = 0

    def keep(self) -> list[bytes]:
        """Return a new list that is to have what comes from here on; its owner empties it."""
        self._came, self._size = [], 0
        return self._came

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size <= _MOST_KEPT:
            self._came.append(data)
        super().data_received(data)


class Connector(aiohttp.TCPConnector):
    """Takes only clean connections, and tells which request was sent over which kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = cast("partial[ResponseHandler]", partial(_Protocol, loop=self._loop))

    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        """Return a connection for a request, which is sent over it at once."""
        progress = PROGRESS.get()
        progress.sent, progress.reused = False, True
        while True:
            connection = await super().connect(req, traces, timeout)
            if not progress.reused or _is_clean(connection.protocol):
                progress.sent = True
                if isinstance(connection.protocol, _Protocol):
                    progress.came = connection.protocol.keep()
                return connection
            connection.close()

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        PROGRESS.get().reused = False
        return await super()._create_connection(req, traces, timeout)

    def _release(
        self, key: "ConnectionKey", protocol: ResponseHandler, *, should_close: bool = False
    ) -> None:
        # The parser keeps half a head to itself, and the next request gets a new parser. Without
        # one the protocol itself keeps whatever comes, and says so in `should_close`.
        protocol._parser = None  # noqa: SLF001
        super()._release(key, protocol, should_close=should_close)


def drop_leftovers(session: aiohttp.ClientSession, request: aiohttp.ClientRequest) -> None:
    """Close those idle connections of a session that would be taken next and are not clean."""
    idle = getattr(session.connector, "_conns", {}).get(request.connection_key, ())
    for protocol, _ in idle:
        if _is_clean(protocol):
            return
        protocol.close()


def _is_clean(protocol: ResponseHandler | None) -> bool:
    """Whether nothing came over an idle connection, as far as it can be known before sending."""
    if protocol is None or protocol.should_close or not protocol.is_connected():
        return False
    assert protocol.transport is not None
    socket = protocol.transport.get_extra_info("socket")
    if socket is None or sys.platform == "win32":
        return True
    # What the event loop has not read yet: an answer, or the end.
    unread = select.poll()
    unread.register(socket.fileno(), select.POLLIN)
    return not unread.poll(0)
