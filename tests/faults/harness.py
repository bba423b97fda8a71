"""What the fault tests share: a client of the server, and what a whole list is."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from socialfetch_async import Follower, FollowersPage, RetryPolicy, SocialFetchClient
from tests.faults.child import FaultServer

KEY = "sfk_secret_0123456789abcdef"
FAST = RetryPolicy(base=0.001, cap=0.005)
TWO = RetryPolicy(max_attempts=2, base=0.001, cap=0.005)
THREE = RetryPolicy(max_attempts=3, base=0.001, cap=0.005)
ONCE = RetryPolicy(max_attempts=1)


@asynccontextmanager
async def client_of(server: FaultServer, **options: Any) -> AsyncIterator[SocialFetchClient]:
    """Open a client of the server, with waits of milliseconds unless told otherwise."""
    settings: dict[str, Any] = {"base_url": server.base_url, "retry": FAST, **options}
    async with SocialFetchClient(KEY, **settings) as client:
        yield client


def ids(handle: str, pages: Iterable[int], rows: int = 3) -> list[str]:
    """Return the followers on these pages of a list, in order."""
    return [f"{handle}.{page}.{row}" for page in pages for row in range(rows)]


def names(followers: Iterable[Follower]) -> list[str]:
    """Return the handles of followers."""
    return [follower.handle for follower in followers]


def on(pages: Iterable[FollowersPage]) -> list[str]:
    """Return the handles of the followers on pages."""
    return [follower.handle for page in pages for follower in page.followers]


def assert_bracketed(server: FaultServer, client: SocialFetchClient) -> None:
    """Assert that what the server charged is within what the client knows."""
    usage, charged = client.usage, server.count.charged
    assert usage.credits_charged <= charged <= usage.credits_charged + usage.maybe_charged
