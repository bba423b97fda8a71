"""`socialfetch emulate`: what its options do, seen by a plain HTTP client."""

import asyncio
import json
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from tests.commands import environment, run, started
from tests.emulator.harness import path_of


@asynccontextmanager
async def emulating(options: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Run the command; give a session for its address."""
    async with started(
        "emulate", "--port=0", *options.split(), env=environment(None), stdout=PIPE, stderr=PIPE
    ) as process:
        assert process.stderr is not None
        line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
        url = line.split("listens on ")[1].split()[0]
        async with aiohttp.ClientSession(url, headers={"x-api-key": "sfk_emulator"}) as http:
            yield http


async def page(http: aiohttp.ClientSession, handle: str) -> tuple[int, Any]:
    """Ask for a first page; return its status and what it says, None where it is no JSON."""
    async with http.get(path_of(handle)) as response:
        try:
            return response.status, json.loads(await response.read())
        except ValueError:
            return response.status, None


async def test_lists_grow_and_end_early() -> None:
    """`--growth` moves a list while nobody does anything; `--depth` is where the walk ends."""
    async with emulating("--profile ada=100 --growth ada=500/s --depth 20") as http:
        _, first = await page(http, "ada")
        while True:
            _, later = await page(http, "ada")
            if later["data"]["totalFollowers"] > first["data"]["totalFollowers"]:
                break
            await asyncio.sleep(0.01)
    assert first["data"]["page"] == {"nextCursor": None, "hasMore": False}
    assert later["data"]["followers"][0] != first["data"]["followers"][0]


async def test_the_api_goes_wrong() -> None:
    """Outages, gateways, a price, a rate limit, by the options that are called so."""
    async with emulating("--price 5 --credits 9") as http:
        found = [await page(http, "ada") for _ in range(2)]
        assert [status for status, _ in found] == [200, 402]
        assert found[0][1]["meta"]["creditsCharged"] == 5
    async with emulating("--rate-limit 0 --limited 503-html") as http:
        assert await page(http, "ada") == (503, None)
    async with emulating("--outage 521=0-60 --fault 502-json=1 --retry-after 1") as http:
        assert (await page(http, "ada"))[0] == 521


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--growth=ada", "HANDLE=RATE"),
        ("--growth=ada=5", "5/min"),
        ("--growth=missing.one=5/s", "no list"),
        ("--depth=-1", "depth"),
        ("--price=0", "price"),
        ("--outage=503", "KIND=FROM-TO"),
        ("--outage=503=soon", "FROM-TO"),
        ("--outage=lose=0-9", "lose answers a page"),
        ("--limited=lose", "lose answers a page"),
    ],
)
async def test_an_option_that_is_not_valid(option: str, words: str) -> None:
    """2, with a sentence."""
    done = await run(None, "emulate", option)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
