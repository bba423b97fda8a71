"""The public types, as a user meets them: checked by mypy and pyright, never run."""

from collections.abc import AsyncIterator
from typing import assert_type

import aiohttp

from socialfetch_async import (
    AvatarUrls,
    Balance,
    Follower,
    FollowerMetrics,
    FollowersPage,
    FollowersRun,
    FollowerStream,
    HandleDone,
    IncompleteRunError,
    InsufficientCreditsError,
    RetryPolicy,
    SocialFetchClient,
    SocialFetchError,
    Usage,
    User,
    __version__,
)


async def one_handle(client: SocialFetchClient) -> None:
    """A stream yields followers, its pages are pages, its position is text or nothing."""
    stream = client.iter_followers(
        "ada", cursor="1", user_id="7", trim=True, max_followers=1, max_pages=1, max_credits=1
    )
    assert_type(stream, FollowerStream)
    async for follower in stream:
        assert_type(follower, Follower)
        assert_type(follower.display_name, str | None)
        assert_type(follower.metrics, FollowerMetrics)
        assert_type(follower.metrics.followers, int)
        assert_type(follower.avatar_urls, AvatarUrls | None)
    assert_type(stream.pages(), AsyncIterator[FollowersPage])
    assert_type(stream.page, FollowersPage | None)
    assert_type(stream.cursor, str | None)
    assert_type(stream.done, bool)
    assert_type(stream.stop_reason, str | None)
    assert_type(stream.credits_charged, int)


async def many_handles(client: SocialFetchClient) -> None:
    """A run yields pages and outcomes; what is pending is its own input."""
    async with client.iter_followers_many(["ada"], concurrency=5, max_credits=7) as run:
        assert_type(run, FollowersRun)
        async for event in run:
            assert_type(event, FollowersPage | HandleDone)
            if isinstance(event, HandleDone):
                assert_type(event.error, SocialFetchError | None)
            else:
                assert_type(event.followers, list[Follower])
        async for handle, follower in run.followers():
            assert_type(handle, str)
            assert_type(follower, Follower)
        assert_type(run.pending(), dict[str, str | None])
        assert_type(run.outcomes, dict[str, HandleDone])
    client.iter_followers_many(run.pending())
    client.iter_followers_many(handle for handle in ("a", "b"))


async def the_rest() -> None:
    """Free routes, options, errors."""
    async with (
        aiohttp.ClientSession() as session,
        SocialFetchClient(
            "sfk_x",
            base_url="https://api.example.invalid",
            session=session,
            max_concurrency=5,
            timeout=3,
            retry=RetryPolicy.interactive(),
            max_response_bytes=1_000,
        ) as client,
    ):
        assert_type(client, SocialFetchClient)
        assert_type(await client.whoami(), User)
        assert_type(await client.get_balance(), Balance)
        assert_type(await client.get_followers_page("ada"), FollowersPage)
        assert_type(client.usage, Usage)
        try:
            await one_handle(client)
        except InsufficientCreditsError as error:
            assert_type(error.checkout_url, str | None)
            assert_type(error.status, int)
            assert_type(error.maybe_charged, bool)
        except IncompleteRunError as error:
            assert_type(error.pending, dict[str, str | None])
    _: str = __version__
