"""What a user would write without the library: backoff's decorator, aiohttp, `resp.json()`."""

import asyncio
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import backoff

from socialfetch_async import RetryPolicy
from tests.faults.child import FaultServer
from tests.faults.harness import KEY

Fetch = Callable[[str, str | None], Awaitable[dict[str, Any]]]


class Outcome(NamedTuple):
    """How a loop over many handles went.

    Attributes:
        lost: Pages that were not delivered. `doubled`: delivered more than once.
        credits: What the server charged. `bought_again`: of these, for pages charged before, which
            every fault after the charge costs whoever does not give the page up.
        failed: Handles that ended with an error.
        requests: What the server saw, connections included that it reset before it read any.
        hidden: Of these, what the caller does not know of as requests.
    """

    lost: int
    doubled: int
    credits: int
    bought_again: int
    failed: int
    requests: int
    hidden: int


def _fetch_with(
    session: aiohttp.ClientSession, server: FaultServer, policy: RetryPolicy, tries: list[None]
) -> Fetch:
    async def fetch(handle: str, cursor: str | None) -> dict[str, Any]:
        tries.append(None)
        url = f"{server.base_url}/v1/tiktok/profiles/{handle}/followers"
        params = {} if cursor is None else {"cursor": cursor}
        async with session.get(url, params=params, headers={"x-api-key": KEY}) as response:
            response.raise_for_status()
            page: dict[str, Any] = await response.json()
            return page

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # backoff's decorators warn on Python 3.14
        decorated: Fetch = backoff.on_exception(
            backoff.expo,
            (aiohttp.ClientError, TimeoutError),
            max_tries=policy.max_attempts,
            factor=policy.base,
            max_value=policy.cap,
        )(fetch)
    return decorated


async def plain_loop(
    server: FaultServer, handles: list[str], pages: int, policy: RetryPolicy, timeout: float
) -> Outcome:
    """Fetch every handle, fifty at a time or all; an error ends its handle."""
    got: list[tuple[str, str | None]] = []
    tries: list[None] = []
    failed: list[str] = []
    slots = asyncio.Semaphore(max(50, min(len(handles), 300)))
    limits = aiohttp.ClientTimeout(total=timeout)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=limits, connector=connector) as session:
        fetch = _fetch_with(session, server, policy, tries)

        async def one(handle: str) -> None:
            cursor = None
            async with slots:
                while True:
                    try:
                        answer = await fetch(handle, cursor)
                        page = answer["data"]["page"]
                    except Exception:  # noqa: BLE001 - whatever it is, the handle is lost to it
                        failed.append(handle)
                        return
                    got.append((handle, cursor))
                    if not page["hasMore"]:
                        return
                    cursor = page["nextCursor"]

        await asyncio.gather(*map(one, handles))
    count = server.count
    return Outcome(
        lost=len(handles) * pages - len(set(got)),
        doubled=len(got) - len(set(got)),
        credits=count.charged,
        bought_again=count.bought_twice,
        failed=len(failed),
        requests=count.requests,
        hidden=count.requests - len(tries),
    )
