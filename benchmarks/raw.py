"""HTTP as bare as asyncio allows: the limit that this runtime sets, and no client to use."""

import asyncio
import json
import zlib
from urllib.parse import urlsplit

from benchmarks import models

_HEAD = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: sfk_benchmark\r\nAccept: */*\r\n\r\n"


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time, no timeout, no check of anything."""

    transport: asyncio.Transport
    _answer: asyncio.Future[bytes]

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._chunks: list[bytes] = []
        self._missing = -1  # bytes of the body; -1 before the head is complete
        self._gzip = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Do not let anybody wait for ever."""
        answer = getattr(self, "_answer", None)
        if answer is not None and not answer.done():
            answer.set_exception(exc or ConnectionResetError("the server went away"))

    async def get(self, target: bytes) -> bytes:
        """Return a body."""
        self._answer = self._loop.create_future()
        self.transport.write(b"GET " + target + _HEAD)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        """Collect head and body."""
        if self._missing < 0:
            data = b"".join([*self._chunks, data])
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._chunks = [data]
                return
            at = data.index(b"Content-Length: ") + 16
            self._missing = int(data[at : data.index(b"\r\n", at)])
            self._gzip = data.find(b"Content-Encoding: gzip", 0, end) >= 0
            self._chunks = []
            data = data[end + 4 :]
        self._chunks.append(data)
        self._missing -= len(data)
        if not self._missing:
            body = b"".join(self._chunks) if len(self._chunks) > 1 else data
            self._chunks, self._missing = [], -1
            self._answer.set_result(zlib.decompress(body, 31) if self._gzip else body)


async def connect(base_url: str) -> Connection:
    """Open a connection."""
    parts = urlsplit(base_url)
    loop = asyncio.get_running_loop()
    assert parts.hostname is not None
    assert parts.port is not None
    _, connection = await loop.create_connection(Connection, parts.hostname, parts.port)
    return connection


def target(handle: str, cursor: str | None) -> bytes:
    """Return path and query of a page."""
    query = f"?cursor={cursor}" if cursor else ""
    return f"/v1/tiktok/profiles/{handle}/followers{query}".encode()


async def walk(connection: Connection, handle: str) -> int:
    """Read a whole list; return how many followers it has."""
    seen = 0
    cursor: str | None = None
    while True:
        page = models.DECODER.decode(await connection.get(target(handle, cursor)))
        for _ in page.data.followers:
            seen += 1
        if not page.data.page.has_more:
            return seen
        cursor = page.data.page.next_cursor


async def stats(base_url: str) -> dict[str, float]:
    """Return CPU seconds and pages of the server."""
    connection = await connect(base_url)
    try:
        answer: dict[str, float] = json.loads(await connection.get(b"/stats"))
    finally:
        connection.transport.close()
    return answer
