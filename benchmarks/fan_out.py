"""Rows 5 and 6: many lists side by side."""

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiostream import stream

from benchmarks import models, peers, raw
from benchmarks.measure import Block, Row, Spread, freeze, ratio, rounds
from socialfetch_async import FollowersPage, SocialFetchClient

LIBRARY = "iter_followers_many, pages"
FOLLOWERS = "iter_followers_many, followers()"
GATHER = "gather + semaphore by hand"
AGAIN = "gather + semaphore against itself"
STREAMED = "aiostream, followers"
STREAMED_PAGES = "aiostream, pages"

_SIZE = 20

Way = Callable[[list[str], int], Awaitable[int]]
"""Fetch lists, so many side by side; return the number of followers."""


@dataclass(frozen=True)
class FanOut:
    """Rows; what every way costs against gather + semaphore."""

    rows: list[Row]
    ratios: dict[str, Spread]


# -- the ways ----------------------------------------------------------------------------------


class Peers:
    """The ways to fetch the same lists side by side."""

    def __init__(
        self, session: aiohttp.ClientSession, client: SocialFetchClient, base_url: str
    ) -> None:
        self._session = session
        self._client = client
        self._base_url = base_url

    async def _page(self, handle: str, cursor: str | None) -> models.Data:
        url = peers.url_of(self._base_url, handle)
        async with self._session.get(url, params=peers.after(cursor)) as response:
            return models.DECODER.decode(await response.read()).data

    async def gather(self, handles: list[str], concurrency: int) -> int:
        """A task for each list, a semaphore round each request."""
        semaphore = asyncio.Semaphore(concurrency)

        async def one(handle: str) -> int:
            cursor, seen = None, 0
            while True:
                async with semaphore:
                    data = await self._page(handle, cursor)
                for _ in data.followers:
                    seen += 1
                if not data.page.has_more:
                    return seen
                cursor = data.page.next_cursor

        return sum(await asyncio.gather(*map(one, handles)))

    async def _pages(self, handle: str, *_: Any) -> AsyncIterator[list[models.Follower]]:
        cursor: str | None = None
        while True:
            data = await self._page(handle, cursor)
            yield data.followers
            if not data.page.has_more:
                return
            cursor = data.page.next_cursor

    async def _followers(self, handle: str, *_: Any) -> AsyncIterator[models.Follower]:
        async for page in self._pages(handle):
            for follower in page:
                yield follower

    async def streamed(self, handles: list[str], concurrency: int) -> int:
        """`aiostream.flatmap` over generators of followers."""
        merged = stream.flatmap(stream.iterate(handles), self._followers, task_limit=concurrency)
        seen = 0
        async with merged.stream() as followers:
            async for _ in followers:
                seen += 1
        return seen

    async def streamed_pages(self, handles: list[str], concurrency: int) -> int:
        """`aiostream.flatmap` over generators of pages."""
        merged = stream.flatmap(stream.iterate(handles), self._pages, task_limit=concurrency)
        seen = 0
        async with merged.stream() as pages:
            async for page in pages:
                for _ in page:
                    seen += 1
        return seen

    async def by_pages(self, handles: list[str], concurrency: int) -> int:
        """This library, page by page."""
        seen = 0
        async with self._client.iter_followers_many(handles, concurrency=concurrency) as run:
            async for event in run:
                if isinstance(event, FollowersPage):
                    for _ in event.followers:
                        seen += 1
        return seen

    async def by_followers(self, handles: list[str], concurrency: int) -> int:
        """This library, follower by follower."""
        seen = 0
        async with self._client.iter_followers_many(handles, concurrency=concurrency) as run:
            async for _ in run.followers():
                seen += 1
        return seen


# -- row 5: how near the ideal, when latency rules ------------------------------------------------


async def _of_the_ideal(way: Way, concurrency: int, delay: int, pages: int) -> float:
    """Return ideal over real time of fetching as many lists as may be side by side."""
    handles = [f"{_SIZE}.plain.{pages}.{delay}.{number}" for number in range(concurrency)]
    gc.collect()
    began = time.monotonic()
    seen = await way(handles, concurrency)
    took = time.monotonic() - began
    if seen != _SIZE * pages * concurrency:
        raise RuntimeError(f"{seen} followers came")
    return pages * delay / 1000 / took


async def _latency(base_url: str, repeats: int) -> list[Row]:
    async with (
        aiohttp.ClientSession(
            headers=peers.HEADERS, connector=aiohttp.TCPConnector(limit=0)
        ) as session,
        SocialFetchClient(peers.KEY, base_url=base_url, max_concurrency=500) as client,
        AsyncExitStack() as stack,
    ):
        ways = Peers(session, client, base_url)
        connections = [await raw.connect(base_url) for _ in range(100)]
        for connection in connections:
            stack.callback(connection.transport.close)

        async def bare_protocol(handles: list[str], _: int) -> int:
            return sum(await asyncio.gather(*map(raw.walk, connections, handles)))

        cases: list[tuple[str, Way, int, int]] = [
            (f"{name} {concurrency} {delay}", way, concurrency, delay)
            for name, way in (
                ("library", ways.by_pages),
                ("gather", ways.gather),
                ("raw", bare_protocol),
            )
            for concurrency, delay in ((100, 50), (100, 300), (500, 300))
            if concurrency == 100 or name == "library"
        ]
        result: dict[str, list[float]] = {name: [] for name, *_ in cases}
        for name, way, concurrency, _ in cases:
            if "300" in name:  # connections
                await _of_the_ideal(way, concurrency, 20, 2)
        freeze()
        order = random.Random(1)
        for _ in range(repeats):
            order.shuffle(cases)
            for name, way, concurrency, delay in cases:
                pages = max(1800 // delay, 12)  # so that starting is a small part of it
                result[name].append(await _of_the_ideal(way, concurrency, delay, pages))
    near = {name: Spread.of(values) for name, values in result.items()}
    pairs = zip(result["library 500 300"], result["library 100 300"], strict=True)
    return [
        *(
            Row(
                5,
                f"of the ideal, 100 side by side, {delay} ms",
                near[f"library 100 {delay}"],
                goal,
                at_least=True,
                note=f"gather by hand {near[f'gather 100 {delay}'].median:.3f}, "
                f"raw protocol {near[f'raw 100 {delay}'].median:.3f}",
            )
            for delay, goal in ((50, 0.96), (300, 0.985))
        ),
        Row(
            5,
            "pages/s at 500 side by side against 100, 300 ms",
            Spread.of([5 * more / less for more, less in pairs]),
            4.5,
            at_least=True,
        ),
    ]


# -- row 6: what a page costs, when the CPU is full -----------------------------------------------


async def _full(base_url: str, seconds: float) -> tuple[list[Row], dict[str, Spread]]:
    concurrency, lists, pages = 50, 50, 10

    def block(way: Way, handles: int = lists) -> Block:
        async def run() -> int:
            names = [f"{_SIZE}.plain.{pages}.0.{number}" for number in range(handles)]
            seen = await way(names, concurrency)
            if seen != handles * pages * _SIZE:
                raise RuntimeError(f"{seen} followers came")
            return handles * pages

        return run

    async with (
        aiohttp.ClientSession(headers=peers.HEADERS) as session,
        SocialFetchClient(peers.KEY, base_url=base_url, max_concurrency=concurrency) as client,
    ):
        ways = Peers(session, client, base_url)
        result = await rounds(
            {
                GATHER: block(ways.gather),
                AGAIN: block(ways.gather),
                LIBRARY: block(ways.by_pages),
                FOLLOWERS: block(ways.by_followers),
                STREAMED: block(ways.streamed),
                STREAMED_PAGES: block(ways.streamed_pages),
            },
            seconds,
        )
    cpu = "CPU a page, 50 side by side, against"
    return [
        Row(6, f"{cpu} gather + semaphore", ratio(result, LIBRARY, GATHER), 0.85),
        Row(
            6,
            f"{cpu} aiostream (followers)",
            ratio(result, FOLLOWERS, STREAMED),
            0.40,
            note=f"pages {ratio(result, LIBRARY, STREAMED_PAGES).median:.2f}",
        ),
    ], {name: ratio(result, name, GATHER) for name in result}


async def measured(base_url: str, *, repeats: int, seconds: float) -> FanOut:
    """Measure both rows."""
    latency = await _latency(base_url, repeats)
    full, ratios = await _full(base_url, seconds)
    return FanOut(latency + full, ratios)
