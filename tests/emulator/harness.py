"""A plain HTTP client of the emulator that knows nothing of ours."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
from yarl import URL

from socialfetch_async.emulator import Emulator


class Broken(Exception):
    """The connection ended before an answer began."""


class Answer(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


async def send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again by itself, which it does for these two errors."""
    try:
        return await handler(request)
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        raise Broken from error


async def fetch(
    http: aiohttp.ClientSession, api: Emulator, path: str, timeout: float = 5.0
) -> Answer:
    """Send one request and follow nothing."""
    url = URL(api.base_url + path, encoded=True)
    async with http.get(
        url,
        headers={"x-api-key": api.api_key},
        allow_redirects=False,
        timeout=aiohttp.ClientTimeout(total=timeout),
    ) as response:
        return Answer(response.status, await response.read(), response.headers)


def path_of(handle: str, cursor: str | None = None, route: str = "/followers") -> str:
    """Return path and query of a page."""
    query = "" if cursor is None else f"?cursor={quote(cursor, safe='')}"
    return f"/v1/tiktok/profiles/{handle}{route}{query}"


def handles(rows: Any) -> list[str]:
    """Return who is in these rows."""
    return [row["handle"] for row in rows]
