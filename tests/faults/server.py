"""The fault server: raw asyncio, a process of its own, ordered about by JSON lines on stdin.

    python -m tests.faults.server [--cert CHAIN.pem]

Prints `{"port": ..., "other_port": ...}`, then answers each line `{"op": ..., ...}` with one line.
It ends when its stdin does. Nothing of socialfetch_async is in it, and no aiohttp.
"""

import argparse
import asyncio
import contextlib
import json
import math
import socket
import ssl
import struct
import sys
import threading
import time
from dataclasses import asdict, dataclass
from inspect import isawaitable
from itertools import pairwise
from typing import Any

from tests.faults.book import Book, Outage, Plan
from tests.faults.wire import End, Stray, answer

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"  # a TLS alert, fatal
_LISTENING = ("refuse", "plain", "no-handshake")  # outages that are the listener's


class Connection(asyncio.Protocol):
    """One connection: reads heads, plays answers."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._transport: asyncio.Transport
        self._buffer = b""
        self._served = 0
        self._in_flight = False
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        server, book = self._server, self._server.book
        book.count["connections"] += 1
        server.connections.add(self)
        if book.refused_accepts:
            book.refused_accepts -= 1
        elif server.resetting:
            book.count["outage_requests"] += 1
        else:
            return
        book.count["requests"] += 1
        self.reset()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            if not _begins_a_request(self._buffer):
                self._transport.write(answer(b"", status="400 Not HTTP"))  # as to a TLS greeting
                self._transport.close()
            return
        self._buffer = rest
        server = self._server
        if head.startswith(b"CONNECT "):
            self._transport.write(server.book.connect(head))
            return
        plan = server.book.answer(head, reused=self._served > 0)
        self._served += 1
        self._in_flight = True
        server.in_flight += 1
        server.begin_if_gathered()
        if isinstance(plan.steps, list) and len(plan.steps) == 1 and type(plan.steps[0]) is bytes:
            whole = plan.steps[0]
            if server.book.latency:
                loop = asyncio.get_running_loop()
                loop.call_later(server.book.latency, self._write, server.book, plan, whole)
            else:
                self._write(server.book, plan, whole)
        else:
            self._task = asyncio.create_task(self._play(server.book, plan))

    def _write(self, book: Book, plan: Plan, whole: bytes) -> None:
        if self._server.gathering.waits:
            return  # it stays in flight until the outage resets its connection
        self._landed()
        if not self._transport.is_closing():
            self._transport.write(whole)
            book.sent(plan)

    async def _play(self, book: Book, plan: Plan) -> None:
        await asyncio.sleep(book.latency)
        for step in plan.steps:
            if isinstance(step, float):
                await asyncio.sleep(step)
            elif step is End.RESET:
                self.reset()
            elif step is End.CLOSE:
                self._transport.close()
            elif isinstance(step, Stray):
                loop = asyncio.get_running_loop()
                loop.call_later(step.pause, self._stray, book, step)
            else:
                assert isinstance(step, bytes)
                self._transport.write(step)
                await self._writable.wait()
                await asyncio.sleep(0)  # an endless body must not keep its own end from being seen
        self._landed()
        book.sent(plan)

    def _stray(self, book: Book, step: Stray) -> None:
        """Write what nobody asked for, if nobody has asked for anything."""
        if not self._in_flight and not self._transport.is_closing():
            self._transport.write(step.body)
            book.count["strays"] += 1
            if step.closes:
                self._transport.close()

    def close_if_idle(self) -> bool:
        """End a connection that has served requests and has none to answer."""
        if idle := bool(self._served and not self._in_flight):
            self._transport.close()
        return idle

    def reset(self) -> None:
        """End the connection with a RST and not a FIN."""
        raw = self._transport.get_extra_info("socket")
        with contextlib.suppress(AttributeError, OSError):  # it may have ended by itself
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._landed()
        self._server.connections.discard(self)
        if self._task is not None:
            self._task.cancel()

    def _landed(self) -> None:
        self._server.in_flight -= self._in_flight
        self._in_flight = False


def _begins_a_request(data: bytes) -> bool:
    return any(data.startswith(method[: len(data)]) for method in (b"GET ", b"CONNECT "))


@dataclass(slots=True)
class Gathering:
    """Whole answers wait until so many requests are in flight; then an outage begins."""

    least: int = 0
    seconds: float = 0.0
    since: float = 0.0  # seconds after the reset, as `begin`
    begin: float = 0.0
    in_flight: int = 0

    @property
    def waits(self) -> bool:
        """Whether the outage is still to begin."""
        return self.in_flight < self.least


class NoHandshake(asyncio.Protocol):
    """A TLS port that ends every handshake, as a gateway does that is restarting."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._server.book.count["handshakes_refused"] += 1
        self._transport.write(_HANDSHAKE_FAILURE)
        self._transport.close()


class OtherHost(asyncio.Protocol):
    """Where redirects point to: whatever comes here should not have come."""

    def __init__(self, server: "Server") -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._server.book.count["other_host"] += 1
        self._server.book.count["other_host_keys"] += b"x-api-key" in data.lower()
        self._transport.write(answer(b"{}"))


class Server:
    """The listeners and the orders."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._listener: asyncio.Server
        self._port = 0
        self.book = Book()
        self.connections: set[Connection] = set()
        self.in_flight = 0
        self.gathering = Gathering()
        self.ended = asyncio.Event()

    @property
    def resetting(self) -> bool:
        """Whether this is an outage in which connections are reset."""
        return self.book.outage is not None and self.book.outage.how == "reset"

    async def listen(self, how: str = "") -> None:
        """Begin, or after an outage go on, to accept; `plain` and `no-handshake` without TLS."""
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: NoHandshake(self) if how == "no-handshake" else Connection(self),
            *("127.0.0.1", self._port),
            ssl=None if how else self._context,
            backlog=2048,
        )
        self._port = self._listener.sockets[0].getsockname()[1]

    async def run(self) -> None:
        """Serve until stdin ends."""
        loop = asyncio.get_running_loop()
        await self.listen()
        other = await loop.create_server(lambda: OtherHost(self), "127.0.0.1", 0)
        self._say({"port": self._port, "other_port": other.sockets[0].getsockname()[1]})
        threading.Thread(target=self._listen_to_orders, args=(loop,), daemon=True).start()
        await self.ended.wait()

    def _listen_to_orders(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(self._obey(**json.loads(line)), loop)
        loop.call_soon_threadsafe(self.ended.set)

    async def _obey(self, number: int, op: str, **parameters: Any) -> None:
        try:
            said = getattr(self, f"op_{op}")(**parameters)
            answer = {"answer": await said if isawaitable(said) else said}
        except Exception as error:  # noqa: BLE001 - the one who ordered is told
            answer = {"error": repr(error)}
        self._say({"number": number, **answer})

    @staticmethod
    def _say(said: Any) -> None:
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

    # -- orders -----------------------------------------------------------------------------

    def op_reset(self, **settings: Any) -> None:
        """Begin anew; connections of before are reset and count nowhere."""
        self.book = Book()
        for connection in list(self.connections):
            connection.reset()
        self.book = Book(**settings)
        self.gathering = Gathering()

    def op_order(self, handle: str, page: int, faults: list[str]) -> None:
        self.book.order(handle, page, faults)

    def op_always(self, handle: str, fault: str) -> None:
        self.book.always(handle, fault)

    def op_credits(self, left: int | None) -> None:
        """Give the account so many credits from now on; None: without end."""
        self.book.balance = None if left is None else self.book.count["charged"] + left
        self.book.count["no_credits"] = 0

    def op_refuse_accepts(self, times: int) -> None:
        self.book.refused_accepts = times

    async def op_outage(self, seconds: float | None, how: str) -> None:
        """Serve nobody for some seconds; None: until `op_recover`.

        `how` is `reset`; `refuse`, where no one listens; `plain`, where the TLS port speaks plain
        HTTP; `no-handshake`, where it ends every handshake; or a fault that charges nothing, which
        is what every request then meets: `503`, `521-html`, `portal`, `503 Retry-After: 3`.
        """
        book, now = self.book, time.monotonic() - self.book.begun
        end = math.inf if seconds is None else now + seconds
        book.begin_outage(Outage(now, end, how))
        if how in _LISTENING:
            self._listener.close()
        if how in {*_LISTENING, "reset"}:
            for connection in list(self.connections):
                connection.reset()
        if how in _LISTENING[1:]:
            await self.listen(how)
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._end_outage, book)

    def op_gather(self, least: int, seconds: float) -> None:
        """Reset every connection for some seconds once so many requests are in flight.

        Nobody has to look how many there are, which a busy machine would make a matter of luck.
        """
        now = time.monotonic() - self.book.begun
        self.gathering = Gathering(least, seconds, now)
        self.begin_if_gathered()

    def begin_if_gathered(self) -> None:
        """Begin the outage that waits for requests if they are there."""
        gathering = self.gathering
        if gathering.waits and self.in_flight >= gathering.least:
            gathering.in_flight = self.in_flight
            gathering.begin = time.monotonic() - self.book.begun
            self._beginning = asyncio.ensure_future(self.op_outage(gathering.seconds, "reset"))

    def op_gathered(self) -> dict[str, float]:
        """Return since when requests were kept waiting, and when and with how many it began."""
        return asdict(self.gathering)

    def _end_outage(self, book: Book) -> None:
        self._resuming = asyncio.ensure_future(self._recover(book))

    async def _recover(self, book: Book) -> None:
        outage, book.outage = book.outage, None
        if outage is not None and outage.how in _LISTENING:
            self._listener.close()
            await self.listen()

    async def op_recover(self) -> None:
        """End an outage now."""
        await self._recover(self.book)

    def op_drop_idle(self) -> int:
        """End every idle connection at once, as a gateway's restart does; return how many."""
        return sum([connection.close_if_idle() for connection in list(self.connections)])

    def op_counters(self) -> dict[str, int]:
        twice = sum(max(0, entry.delivered - 1) for entry in self.book.ledger.values())
        bought_twice = sum(max(0, entry.charged - 1) for entry in self.book.ledger.values())
        return {
            **self.book.count,
            "open": len(self.connections),
            "delivered_twice": twice,
            "bought_twice": bought_twice,
        }

    def op_ledger(self) -> list[tuple[str, str | None, int, int, int]]:
        return [(*at, e.requests, e.charged, e.delivered) for at, e in self.book.ledger.items()]

    def op_arrivals(self, handle: str, cursor: str | None) -> list[float]:
        return self.book.ledger[handle, cursor].at

    def op_gaps(self) -> list[float]:
        """Return the shortest time between two requests for each page asked for twice."""
        times = [entry.at for entry in self.book.ledger.values() if len(entry.at) > 1]
        return [min(b - a for a, b in pairwise(at)) for at in times]

    def op_rates(self) -> dict[str, int]:
        """Return pages delivered in each tenth of a second since the reset."""
        return {str(tenth): pages for tenth, pages in self.book.delivered_at.items()}

    def op_paths(self) -> list[str]:
        return self.book.paths


def main() -> None:
    """Run until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cert")
    chain = parser.parse_args().cert
    context = None
    if chain is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)

    async def serve() -> None:
        await Server(context).run()

    asyncio.run(serve())


if __name__ == "__main__":
    main()
