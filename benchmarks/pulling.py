"""Rows 7 and 8: what `async for` costs a follower, and whether fetching and work overlap."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from benchmarks import peers
from benchmarks.measure import Row, Spread
from socialfetch_async import FollowersPage, SocialFetchClient

_SIZE = 5000  # in one page, so that nothing but the pulling is in between
_DELAY, _WORK = 0.05, 0.02


async def _overhead(client: SocialFetchClient) -> float:
    """Return nanoseconds a follower, over a plain loop."""
    stream = client.iter_followers(f"{_SIZE}.plain.1.0.0")
    await anext(stream)
    assert stream.page is not None
    followers = stream.page.followers
    count = _SIZE - 1

    seen = 0
    began = time.process_time_ns()
    async for _ in stream:
        seen += 1
        if seen == count:  # the page is at its end, and the next pull would ask for another
            break
    pulled = time.process_time_ns() - began

    seen = 0
    began = time.process_time_ns()
    for _ in followers:
        seen += 1  # noqa: SIM113 - the same steps as above
        if seen == count:
            break
    looped = time.process_time_ns() - began
    return (pulled - looped) / count


async def _overlap(
    client: SocialFetchClient, work: Callable[[], Awaitable[None]], pages: int
) -> float:
    """Return the share of max(latency, work) for one list in a run."""
    handle = f"20.plain.{pages}.{round(_DELAY * 1000)}.0"
    began = time.monotonic()
    async with client.iter_followers_many([handle]) as run:
        async for event in run:
            if isinstance(event, FollowersPage):
                await work()
    # The work on the last page has nothing left to overlap with.
    ideal = pages * max(_DELAY, _WORK) + _WORK
    return ideal / (time.monotonic() - began)


async def _awaiting() -> None:
    await asyncio.sleep(_WORK)


async def _busy() -> None:
    """Work without a single await, as parsing or writing a file is."""
    until = time.monotonic() + _WORK
    while time.monotonic() < until:
        pass


async def measured(base_url: str, *, repeats: int) -> list[Row]:
    """Measure both rows."""
    async with SocialFetchClient(peers.KEY, base_url=base_url) as client:
        nanoseconds = [await _overhead(client) for _ in range(20 * repeats)]
        await _overlap(client, _awaiting, 2)
        awaiting, busy = [], []
        for _ in range(repeats):
            awaiting.append(await _overlap(client, _awaiting, 30))
            busy.append(await _overlap(client, _busy, 30))
    share = "one list in a run, 50 ms, work 20 ms: of the ideal,"
    return [
        Row(7, "`async for` a follower, over a plain loop", Spread.of(nanoseconds), 150, unit="ns"),
        Row(8, f"{share} awaiting", Spread.of(awaiting), 0.96, at_least=True),
        Row(8, f"{share} never awaiting", Spread.of(busy), 0.96, at_least=True),
    ]
