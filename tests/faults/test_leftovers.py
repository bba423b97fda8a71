"""Figure 11: an answer that nobody asked for, on an idle connection, is nobody's answer."""

import asyncio
from typing import Any

import aiohttp
import pytest

from socialfetch_async import FollowersPage, SocialFetchClient
from tests.faults.child import FaultServer
from tests.faults.harness import THREE, client_of, names, until

_HANDLES = [f"h{number}" for number in range(40)]
_PAGES = 25
# Written with the page, or a moment after it. Half a head can only be seen where the connector is
# ours.
_WHOLE = ("stray-200", "stray-408", "stray-200 0.001", "stray-408 0.001", "stray-408-close 0.001")
_CUT = ("stray-part", "stray-part 0.001")
_WAYS = {
    "over the connector": {},
    "over the session": {"trace_configs": [aiohttp.TraceConfig()]},
}


async def _walked(server: FaultServer, client: SocialFetchClient, kinds: tuple[str, ...]) -> int:
    """Fetch a thousand pages with a leftover behind each; return how many came under a name."""
    streams = {handle: client.iter_followers(handle).pages() for handle in _HANDLES}
    right = 0
    for number in range(_PAGES):
        fault = kinds[number % len(kinds)]
        server.always("*", fault)
        expected = server.count.strays + len(streams)
        pages = await asyncio.gather(*(anext(stream) for stream in streams.values()))
        right += sum(map(_belongs, streams, pages, [number] * len(pages)))
        if " " in fault:
            await _strays(server, expected)
        if number % 2:  # else the event loop has not read what arrived meanwhile
            await asyncio.sleep(0.01)
    return right


async def _strays(server: FaultServer, expected: int) -> None:
    await until(lambda: server.count.strays == expected)


def _belongs(handle: str, page: FollowersPage, number: int) -> bool:
    return names(page.followers) == [f"{handle}.{number}.{row}" for row in range(3)]


@pytest.mark.parametrize("way", _WAYS)
async def test_no_leftover_is_taken_for_an_answer(server: FaultServer, way: str) -> None:
    """None of 1,000 is another profile's page, and none costs a request."""
    options: dict[str, Any] = _WAYS[way]
    server.reset(pages=_PAGES + 1)
    async with client_of(server, retry=THREE, **options) as client:
        assert await _walked(server, client, _WHOLE + _CUT) == len(_HANDLES) * _PAGES
        assert client.usage.retries == client.usage.maybe_charged == 0
        assert client.usage.requests_sent == server.count.requests == len(_HANDLES) * _PAGES
        assert server.count.connections >= len(_HANDLES) * _PAGES * 0.9


async def test_an_injected_session_takes_none_that_can_be_seen(server: FaultServer) -> None:
    """Its connections are not ours; a whole answer on one of them is seen all the same."""
    server.reset(pages=_PAGES + 1)
    async with (
        aiohttp.ClientSession() as session,
        client_of(server, retry=THREE, session=session) as client,
    ):
        assert await _walked(server, client, _WHOLE) == len(_HANDLES) * _PAGES
        assert client.usage.retries == client.usage.maybe_charged == 0
        assert server.count.requests == len(_HANDLES) * _PAGES


async def test_a_clean_connection_is_used_again(server: FaultServer) -> None:
    """For a thousand pages there is one."""
    server.reset(pages=1000)
    async with client_of(server) as client:
        pages = [page async for page in client.iter_followers("ann").pages()]
    assert len(pages) == 1000
    assert server.count.connections == 1
