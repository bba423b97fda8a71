"""A real proxy on this machine: tunnels, plain requests passed on, a password if it wants one."""

import asyncio
import base64
import contextlib
import re
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


class Proxy:
    """Passes on what comes, and keeps the heads of what it was asked.

    Args:
        user: `user:password` that it wants to know; without it a 407 is the answer.
        refuses: The status of every CONNECT, instead of a tunnel.
    """

    def __init__(self, user: str = "", *, refuses: int = 0) -> None:
        self._wanted = f"Basic {base64.b64encode(user.encode()).decode()}" if user else ""
        self._refuses = refuses
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server
        self.heads: list[str] = []
        self.name = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.name = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def lines(self) -> list[str]:
        """The first line of each head."""
        return [head.partition("\r\n")[0] for head in self.heads]

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._start(self._serve(reader, writer))

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), _closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.heads.append(head)
                if status := self._refusal(head):
                    refusal = f"HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\n\r\n"
                    writer.write(refusal.encode())
                elif head.startswith("CONNECT "):
                    await self._tunnel(head, reader, writer)
                    break
                else:
                    writer.write(await _answered(head))

    def _refusal(self, head: str) -> int:
        if self._wanted and f"\r\nProxy-Authorization: {self._wanted}\r\n" not in head:
            return 407
        return self._refuses if head.startswith("CONNECT ") else 0

    async def _tunnel(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = head.split(" ")[1].rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        with _closing(far_writer):
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = self._start(_copied(far_reader, writer))
            await _copied(reader, far_writer)
            await back


async def _answered(head: str) -> bytes:
    """Pass a plain request on, as one to its server; return the whole answer."""
    url = head.split(" ")[1]
    parts = urlsplit(url)
    assert parts.hostname is not None
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    with _closing(writer):
        target = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
        writer.write(head.replace(url, target, 1).encode("latin-1"))
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: ([0-9]+)", answer)
        assert length is not None
        return answer + await reader.readexactly(int(length[1]))


@contextlib.contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        writer.close()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
