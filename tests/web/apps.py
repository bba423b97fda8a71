"""The examples as they are, each in a process of its own, and what their readers do."""

import asyncio
import json
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import aiohttp

from socialfetch_async.emulator import Emulator
from tests.commands import KEY, environment, send
from tests.conftest import until

EXAMPLES = Path(__file__).parents[2] / "examples" / "web"
NAMES = ("fastapi", "litestar", "quart", "aiohttp")
LATENCY = 0.04  # seconds a page
QUIET = 0.2  # seconds without a charge after which none is on its way any more


class App(NamedTuple):
    """A running example."""

    name: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def running(name: str, api: Emulator, **variables: str) -> AsyncIterator[App]:
    """Start an example; it ends with the block, and has written nothing to its stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", EXAMPLES / f"{name}_app.py",
        env=environment(api, PORT="0", **variables), stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = (await process.stdout.readline()).decode().strip()
        if line:
            host, port = line.removeprefix("http://").split(":")
            yield App(name, host, int(port))
    finally:
        send(process, signal.SIGTERM)
        async with asyncio.timeout(30):
            out, err = await process.communicate()
    assert err.decode() == ""
    assert line
    assert process.returncode in {0, -signal.SIGTERM}
    assert KEY not in out.decode()


def charged(api: Emulator, handle: str) -> list[str | None]:
    """Return the cursors of the pages of a list that were charged, in order."""
    return [charge.cursor for charge in api.charges if charge.handle == handle]


async def settled(api: Emulator, handle: str, quiet: float = QUIET) -> int:
    """Wait until no page of a list is bought any more; return how many were."""
    bought, since = -1, monotonic()
    while monotonic() - since < quiet:
        if len(charged(api, handle)) != bought:
            bought, since = len(charged(api, handle)), monotonic()
        await asyncio.sleep(0.01)
    return bought


async def until_charged(api: Emulator, handle: str, pages: int) -> None:
    """Wait until so many pages of a list are bought."""
    await until(lambda: len(charged(api, handle)) >= pages)


def connected(app: App, *, receive_buffer: int | None = None) -> socket.socket:
    """Return a connection of a reader, whose system keeps so many bytes for it."""
    reader = socket.socket()
    if receive_buffer is not None:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    reader.connect((app.host, app.port))
    return reader


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    """Yield the values of an NDJSON body."""
    async for line in response.content:
        yield json.loads(line)


async def all_lines(http: aiohttp.ClientSession, url: str) -> list[Any]:
    """Return the values of a whole NDJSON body."""
    async with http.get(url) as response:
        assert response.status == 200
        assert response.content_type == "application/x-ndjson"
        return [value async for value in lines(response)]


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """Yield server-sent events as a browser reads them, with their data as JSON."""
    event: dict[str, Any] = {}
    async for line in response.content:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field:
            event[field] = json.loads(value) if field == "data" else value
        elif event:
            yield event
            event = {}
