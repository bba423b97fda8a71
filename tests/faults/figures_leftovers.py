"""Figure 11: an answer that nobody asked for, on an idle connection, is nobody's answer."""

import asyncio
from typing import Any

import aiohttp

from socialfetch_async import FollowersPage, SocialFetchClient
from tests.conftest import until
from tests.faults.child import FaultServer
from tests.faults.figures import Line, Scale
from tests.faults.harness import THREE, client_of, ids, on

# Written with the page, or a moment after it. The first part of one can only be seen where the
# connector is ours.
WHOLE = ("stray-200", "stray-408", "stray-200 0.001", "stray-408 0.001", "stray-408-close 0.001")
CUT = ("stray-part", "stray-part 0.001")
WAYS: dict[str, dict[str, Any]] = {
    "over the connector": {},
    "over the session": {"trace_configs": [aiohttp.TraceConfig()]},
}
_HANDLES = [f"h{number}" for number in range(40)]


async def leftovers(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 11, on both ways to send."""
    lines: list[Line] = []
    for way, options in WAYS.items():
        server.reset(pages=scale.leftovers)
        async with client_of(server, retry=THREE, **options) as client:
            wrong = await under_another_name(server, client, scale.leftovers, WHOLE + CUT)
            pages, lost = scale.leftovers * len(_HANDLES), client.usage.retries
        lines += [
            Line(11, f"{pages} leftovers, {way}: under another name", wrong, 0),
            Line(11, f"{pages} leftovers, {way}: requests lost", lost, 0),
            Line(11, f"{pages} leftovers, {way}: hidden", server.count.requests - pages, 0),
        ]
    return lines


async def under_another_name(
    server: FaultServer, client: SocialFetchClient, rounds: int, kinds: tuple[str, ...]
) -> int:
    """Fetch forty lists with a leftover behind each page; return how many pages were another's."""
    streams = {handle: client.iter_followers(handle).pages() for handle in _HANDLES}
    wrong = 0
    for number in range(rounds):
        fault = kinds[number % len(kinds)]
        server.always("*", fault)
        expected = server.count.strays + len(streams)
        pages = await asyncio.gather(*(anext(stream) for stream in streams.values()))
        wrong += sum(map(_is_anothers, streams, pages, [number] * len(pages)))
        if " " in fault:
            await _strays(server, expected)
        if number % 2:  # else the event loop has not read what arrived meanwhile
            await asyncio.sleep(0.01)
    return wrong


async def _strays(server: FaultServer, expected: int) -> None:
    await until(lambda: server.count.strays == expected)


def _is_anothers(handle: str, page: FollowersPage, number: int) -> bool:
    return on([page]) != ids(handle, [number])
