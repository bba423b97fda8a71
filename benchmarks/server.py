"""The server of the benchmark: a process of its own, on a core of its own, as cheap as Python can.

What a profile is stands in its handle, `SIZE.ENCODING.PAGES.DELAY.NUMBER`: 50.plain.100.0.7 has 100
pages of 50 followers, sent at once. It ends when its standard input does, so it never stays behind.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import ClassVar

from benchmarks import bodies, measure

_LIFETIME = 3600.0  # seconds; the end of one that everybody forgot
_SPIN = 0.002  # epoll rounds up to a millisecond: the last two are waited for by looking


class Profile:
    """What a handle stands for."""

    __slots__ = ("delay", "last", "pages", "rendered")

    def __init__(self, handle: str) -> None:
        size, encoding, pages, delay, _ = handle.split(".")
        self.pages = int(pages)
        self.delay = int(delay) / 1000
        self.rendered, self.last = bodies.pages(int(size), encoding)

    def response(self, number: int) -> bytes:
        """Return page `number` of the list."""
        if number + 1 >= self.pages:
            return self.last.response(0)
        page = self.rendered[number % len(self.rendered)]
        return page.response(bodies.FIRST_CURSOR + number + 1)


class Delayed:
    """Responses that wait for their time, to some microseconds."""

    def __init__(self, delay: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._delay = delay
        self._waiting: deque[tuple[float, asyncio.Transport, bytes]] = deque()
        self._armed = False

    def add(self, transport: asyncio.Transport, response: bytes) -> None:
        """Send a response when the delay is over."""
        self._waiting.append((self._loop.time() + self._delay, transport, response))
        if not self._armed:
            self._arm()

    def _arm(self) -> None:
        self._armed = bool(self._waiting)
        if self._armed:
            due = self._waiting[0][0]
            if due - self._loop.time() > _SPIN:
                self._loop.call_at(due - _SPIN, self._send)
            else:
                self._loop.call_soon(self._send)

    def _send(self) -> None:
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            _, transport, response = self._waiting.popleft()
            if not transport.is_closing():
                transport.write(response)
        self._arm()


class Server(asyncio.Protocol):
    """One connection."""

    profiles: ClassVar[dict[bytes, Profile]] = {}
    delayed: ClassVar[dict[float, Delayed]] = {}
    pages = 0
    transport: asyncio.Transport

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        data = self._buffer + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            self._answer(data[: data.index(b"\r\n")])
            data = data[end + 4 :]
        self._buffer = data

    def _answer(self, line: bytes) -> None:
        if b" /stats " in line:
            stats = {"cpu": time.process_time(), "pages": Server.pages}
            body = json.dumps(stats).encode()
            self.transport.write(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
            )
            return
        start = line.index(b"/profiles/") + 10
        handle = line[start : line.index(b"/followers", start)]
        profile = self.profiles.get(handle)
        if profile is None:
            profile = self.profiles[handle] = Profile(handle.decode())
        at = line.find(b"cursor=", start)
        number = int(line[at + 7 : at + 17]) - bodies.FIRST_CURSOR if at >= 0 else 0
        response = profile.response(number)
        Server.pages += 1
        if not profile.delay:
            self.transport.write(response)
            return
        delayed = self.delayed.get(profile.delay)
        if delayed is None:
            delayed = self.delayed[profile.delay] = Delayed(profile.delay)
        delayed.add(self.transport, response)


async def serve() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024)

    def watch() -> None:
        sys.stdin.buffer.read()
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), _LIFETIME)
    server.close()


@contextlib.contextmanager
def running(core: int | None) -> Iterator[str]:
    """Start a server, pinned to a core; gives its address."""
    command = [sys.executable, "-m", "benchmarks.server", "" if core is None else str(core)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline().decode().strip()
        if not port:
            raise RuntimeError("the server did not start")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


if __name__ == "__main__":
    if sys.argv[1]:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    measure.calm_the_allocator()
    asyncio.run(serve())
