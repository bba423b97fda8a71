"""Connections: what is clean, what is reused, and when a request has left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from socialfetch_async import ConnectionLostError, RetryPolicy
from tests.conftest import MakeClient
from tests.scripted import Scripted, page

ONCE = RetryPolicy(max_attempts=1)


class Chatty:
    """Answers each request with a page, and writes something more when a test says so."""

    def __init__(self) -> None:
        self.base_url = ""
        self.connections = self.requests = 0
        self.writer: asyncio.StreamWriter

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Chatty"]:
        """Listen until the block ends."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as server:
            self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                self.writer = writer
                writer.write(page([f"a{self.requests}"], "next"))
        except asyncio.IncompleteReadError:
            writer.close()


@pytest.mark.parametrize("read", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize(
    "leftover",
    [b"HTTP/1.1 4", b"HTTP/1.1 408 Request Time-out\r\nConn", b"x", b"\r\n"],
    ids=["status", "head", "nonsense", "line"],
)
async def test_part_of_an_answer_is_seen_as_well(
    client_of: MakeClient, leftover: bytes, *, read: bool
) -> None:
    """The HTTP parser would keep it to itself; the request after it goes elsewhere."""
    async with Chatty().running() as api:
        client = client_of(api)
        await client.get_followers_page("ada")
        api.writer.write(leftover)  # a small write goes into the socket at once
        if read:
            await asyncio.sleep(0.05)
        second = await client.get_followers_page("ada")
        assert second.followers[0].handle == "a2"
        assert (api.connections, api.requests) == (2, 2)
        assert client.usage.retries == 0
        await client.aclose()


async def test_the_end_of_an_idle_connection_is_seen_in_time(client_of: MakeClient) -> None:
    """Also when the event loop has not read it yet: no request is lost to it."""
    async with Chatty().running() as api:
        client = client_of(api, retry=ONCE)
        await client.get_followers_page("ada")
        api.writer.write_eof()
        await client.get_followers_page("ada")
        assert (api.connections, api.requests) == (2, 2)
        await client.aclose()


@pytest.mark.parametrize("traced", [False, True])
async def test_reused_is_known_of_both_ways_to_send(client_of: MakeClient, *, traced: bool) -> None:
    """A fresh connection that ends, and an idle one that ends, are told apart."""
    options = {"retry": ONCE, "trace_configs": [aiohttp.TraceConfig()] * traced}
    for answers, reused in (([b""], False), ([page(["a"], "next"), b""], True)):
        async with Scripted(*answers) as api:
            client = client_of(api, **options)
            for _ in answers[1:]:
                await client.get_followers_page("ada")
            with pytest.raises(ConnectionLostError) as caught:
                await client.get_followers_page("ada")
            assert caught.value.reused is reused
