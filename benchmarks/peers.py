"""What a user might write instead: each reads one list to its end and counts the followers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
import httpx
import niquests

from benchmarks import bodies, models, raw, stainless, vendor
from socialfetch_async import SocialFetchClient

# As long and as random as a real key: the library looks for it in every response, and Python needs
# more time for a short one, and for one in the order of the alphabet.
KEY = "sfk_Cxi1aF3fIMcxRCSjogF5KWxUgsPSAfqt"
HEADERS = {"x-api-key": KEY}

LIBRARY = "socialfetch-async"
BARE = "aiohttp + msgspec, bare loop"
AGAIN = "the bare loop against itself"
JSON = "aiohttp + resp.json(), by hand"
PYDANTIC = "httpx + pydantic v2"
HTTPX = "httpx + json"
STAINLESS = "SDK in the Stainless manner"
VENDOR = "another vendor's SDK"
NIQUESTS = "niquests + json"
RAW = "raw asyncio protocol + msgspec"
UNREAD = "aiohttp, body not decoded"
DECODE = "msgspec decoding alone"

Walk = Callable[[str], Awaitable[int]]
"""Read the list of a handle to its end; return the number of followers."""


def url_of(base_url: str, handle: str) -> str:
    """Return the address of a list."""
    return f"{base_url}/v1/tiktok/profiles/{handle}/followers"


def after(cursor: str | None) -> dict[str, str]:
    """Return the query of a page."""
    return {"cursor": cursor} if cursor else {}


def bare(session: aiohttp.ClientSession, base_url: str) -> Walk:
    """Be the 1.00: aiohttp as it comes, Structs, no error handling at all."""

    async def walk(handle: str) -> int:
        url, cursor, seen = url_of(base_url, handle), None, 0
        while True:
            async with session.get(url, params=after(cursor)) as response:
                page = models.DECODER.decode(await response.read())
            for _ in page.data.followers:
                seen += 1
            if not page.data.page.has_more:
                return seen
            cursor = page.data.page.next_cursor

    return walk


def by_hand(session: aiohttp.ClientSession, base_url: str) -> Walk:
    """What most people write: dictionaries."""

    async def walk(handle: str) -> int:
        url, cursor, seen = url_of(base_url, handle), None, 0
        while True:
            async with session.get(url, params=after(cursor)) as response:
                response.raise_for_status()
                data = (await response.json())["data"]
            for _ in data["followers"]:
                seen += 1
            if not data["page"]["hasMore"]:
                return seen
            cursor = data["page"]["nextCursor"]

    return walk


def unread(session: aiohttp.ClientSession, base_url: str) -> Walk:
    """Count cursors up without looking into the body: what transport alone costs."""

    async def walk(handle: str) -> int:
        size, _, pages, _, _ = handle.split(".")
        url, cursor = url_of(base_url, handle), None
        for number in range(1, int(pages) + 1):
            async with session.get(url, params=after(cursor)) as response:
                await response.read()
            cursor = str(bodies.FIRST_CURSOR + number)
        return int(pages) * int(size)

    return walk


def with_pydantic(client: httpx.AsyncClient, base_url: str) -> Walk:
    """Httpx, and models that are validated from the body's bytes (the fastest way of pydantic)."""

    async def walk(handle: str) -> int:
        url, cursor, seen = url_of(base_url, handle), None, 0
        while True:
            response = await client.get(url, params=after(cursor))
            response.raise_for_status()
            data = models.PydanticPage.model_validate_json(response.content).data
            for _ in data.followers:
                seen += 1
            if not data.page.has_more:
                return seen
            cursor = data.page.next_cursor

    return walk


def with_json(client: "httpx.AsyncClient | niquests.AsyncSession", base_url: str) -> Walk:
    """Httpx or niquests, and dictionaries."""

    async def walk(handle: str) -> int:
        url, cursor, seen = url_of(base_url, handle), None, 0
        while True:
            response = await client.get(url, params=after(cursor))
            response.raise_for_status()
            data = response.json()["data"]
            for _ in data["followers"]:
                seen += 1
            if not data["page"]["hasMore"]:
                return seen
            cursor = data["page"]["nextCursor"]

    return walk


def from_sdk(client: stainless.Client | vendor.Client) -> Walk:
    """The base client and paginator of the `openai` package, or of another vendor's SDK."""

    async def walk(handle: str) -> int:
        seen = 0
        async for _ in client.followers(handle):
            seen += 1
        return seen

    return walk


def library(client: SocialFetchClient) -> Walk:
    """This library, every guard on, follower by follower."""

    async def walk(handle: str) -> int:
        seen = 0
        async for _ in client.iter_followers(handle):
            seen += 1
        return seen

    return walk


async def decode(handle: str) -> int:
    """Decode the bodies that are there already: nothing can be faster."""
    size, _, pages, _, _ = handle.split(".")
    rendered, _ = bodies.pages(int(size), "plain")
    ready = [page.body(bodies.FIRST_CURSOR) for page in rendered]
    seen = 0
    for number in range(int(pages)):
        for _ in models.DECODER.decode(ready[number % len(ready)]).data.followers:
            seen += 1
    return seen


@asynccontextmanager
async def opened(base_url: str) -> AsyncIterator[dict[str, Walk]]:
    """Open one client of each kind; all stay open, as one would."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        session = await enter(aiohttp.ClientSession(headers=HEADERS))
        client = await enter(httpx.AsyncClient(headers=HEADERS))
        requests = await enter(niquests.AsyncSession())
        requests.headers["x-api-key"] = KEY
        vendor_client = vendor.Client(base_url, KEY)
        stack.push_async_callback(vendor_client.close)
        connection = await raw.connect(base_url)
        stack.callback(connection.transport.close)
        yield {
            LIBRARY: library(await enter(SocialFetchClient(KEY, base_url=base_url))),
            BARE: bare(session, base_url),
            AGAIN: bare(session, base_url),
            JSON: by_hand(session, base_url),
            PYDANTIC: with_pydantic(client, base_url),
            HTTPX: with_json(client, base_url),
            STAINLESS: from_sdk(await enter(stainless.Client(base_url, KEY))),
            VENDOR: from_sdk(vendor_client),
            NIQUESTS: with_json(requests, base_url),
            RAW: lambda handle: raw.walk(connection, handle),
            UNREAD: unread(session, base_url),
            DECODE: decode,
        }
