"""The public types, as a user meets them: checked by mypy and pyright, never run."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict, assert_never, assert_type

import aiohttp
from aiolimiter import AsyncLimiter
from msgspec import Raw, Struct

from socialfetch_async import (
    Account,
    AccountMetrics,
    AvatarUrls,
    Balance,
    Follower,
    FollowerMetrics,
    FollowersPage,
    FollowersRun,
    FollowerStream,
    FollowingPage,
    FollowingRun,
    FollowingStream,
    HandleDone,
    IncompleteRunError,
    InsufficientCreditsError,
    ItemsPage,
    ItemStream,
    Journal,
    JournalError,
    ListPage,
    Position,
    Profile,
    ProfileDetails,
    ProfileMetrics,
    RetryPolicy,
    SocialFetchClient,
    SocialFetchError,
    Usage,
    User,
    __version__,
    estimate_followers,
    export_followers,
    read_journal,
)
from socialfetch_async.batch import BatchProgress, BatchResult
from socialfetch_async.events import (
    AttemptEnded,
    Event,
    OutageBegan,
    OutageEnded,
    RequestContext,
    RetryPlanned,
)
from socialfetch_async.journal import SavedHandle, SavedPage, SavedRun


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
    assert_type(client.iter_followers(stream.position), FollowerStream)
    assert_type(stream.pages(), AsyncIterator[FollowersPage])
    assert_type(stream.page, FollowersPage | None)
    assert_type(stream.cursor, str | None)
    assert_type(stream.done, bool)
    assert_type(
        stream.stop_reason,
        Literal["complete", "missing_cursor", "max_followers", "max_pages", "max_credits"] | None,
    )
    assert_type(stream.total_followers, int | None)
    assert_type(stream.position, Position)
    assert_type(Position.from_json(stream.position.to_json()), Position)
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
    client.iter_followers_many(run.pending(), max_followers_per_handle=500)
    client.iter_followers_many(handle for handle in ("a", "b"))


async def journals(client: SocialFetchClient) -> None:
    """A journal says what is left and yields what a run yields; reading it needs no loop."""
    try:
        with Journal("x.journal", fsync="page") as journal:
            assert_type(journal, Journal)
            assert_type(journal.pending({"ada": None}), dict[str, str | None])
            async with client.iter_followers_many(journal.pending(["ada"])) as run:
                async for event in journal.record(run):
                    assert_type(event, FollowersPage | HandleDone)
            assert_type(journal.credits_charged + journal.maybe_charged, int)
    except JournalError as error:
        raise RuntimeError(str(error)) from error
    saved = read_journal("x.journal", journal.path)
    assert_type(saved, SavedRun)
    assert_type(saved.handles, dict[str, SavedHandle])
    assert_type(saved.pages("ada"), Iterator[SavedPage])
    for page in saved.pages():
        assert_type(page.followers, list[Follower])
        assert_type(page.raw_followers, Raw)


async def a_batch(client: SocialFetchClient) -> None:
    """A result with what was written; progress as a function of the live figures."""

    def see(progress: BatchProgress) -> None:
        assert_type(progress.total_credits_charged, int)

    result = await export_followers(client, ["ada"], Path("out"), format=["csv"], progress=see)
    assert_type(result, BatchResult)
    assert_type(result.pending, dict[str, str | None])
    assert_type(result.statuses, dict[str, int])
    assert_type(result.finished, bool)
    assert_type(result.advice, str)
    assert_type([export.rows for export in result.exports], list[int])
    await export_followers(client, result.pending, "a.csv", fsync="page", progress=print)
    estimate = await estimate_followers(client, ["ada"], "a.csv")
    assert_type(estimate.credits_left, int)


async def following(client: SocialFetchClient) -> None:
    """What a profile follows has a stream, pages and a run of its own types."""
    stream = client.iter_following("ada", cursor="1", trim=True, max_accounts=1, max_pages=1)
    assert_type(stream, FollowingStream)
    async for account in stream:
        assert_type(account, Account)
        assert_type(account.private_account, bool | None)
        assert_type(account.account_created_at, int | float | str | None)
        assert_type(account.metrics, AccountMetrics | None)
    assert_type(stream.pages(), AsyncIterator[FollowingPage])
    assert_type(stream.page, FollowingPage | None)
    assert_type(stream.accounts_seen, int)
    async with client.iter_following_many({"ada": None}, max_pages_per_handle=2) as run:
        assert_type(run, FollowingRun)
        async for event in run:
            assert_type(event, FollowingPage | HandleDone)
        async for handle, account in run.accounts():
            assert_type(handle, str)
            assert_type(account, Account)
    client.iter_following_many(run.pending())
    profile = await client.get_profile("ada")
    assert_type(profile, Profile)
    assert_type(profile.profile, ProfileDetails | None)
    assert_type(profile.metrics, ProfileMetrics | None)


class Comment(Struct):
    """A row of a list that this library does not know."""

    id: str


@dataclass
class Video:
    """One more."""

    id: str


class Sound(TypedDict):
    """And one as a dict."""

    id: str


async def other_lists(client: SocialFetchClient) -> None:
    """Rows have the type that is given, whatever it is made with."""
    stream = client.iter_items(
        "/v1/x", {"n": 1, "a": "b", "c": True, "d": None}, items="comments", type=Comment
    )
    assert_type(stream, ItemStream[Comment])
    async for comment in stream:
        assert_type(comment, Comment)
    assert_type(stream.pages(), AsyncIterator[ItemsPage[Comment]])
    page = stream.page
    if page is not None:
        assert_type(page.items, list[Comment])
        assert_type(page.rows, list[Comment])
        some_list: ListPage = page
        assert_type(some_list.body, bytes | None)
    assert_type(stream.items_seen, int)
    assert_type(client.iter_items("/v1/x", items="x", type=Video), ItemStream[Video])
    assert_type(client.iter_items("/v1/x", items="x", type=Sound), ItemStream[Sound])
    plain = client.iter_items("/v1/x", items="x", type=dict[str, str], max_items=3)
    assert_type(plain, ItemStream[dict[str, str]])


def watch(event: Event) -> None:
    """An event is one of four, and each has its fields."""
    match event:
        case AttemptEnded():
            assert_type(event.handle, str | None)
            assert_type(event.seconds, float)
            assert_type(event.sent, bool)
            assert_type(event.credits_charged + event.maybe_charged, int)
            assert_type(event.error, SocialFetchError | None)
        case RetryPlanned():
            assert_type(event.wait, float)
        case OutageBegan():
            assert_type(event.error, SocialFetchError)
        case OutageEnded():
            assert_type(event.seconds, float)
        case _:
            assert_never(event)


async def watched() -> None:
    """Whatever a client is watched with, and a limiter of anybody's."""
    context = RequestContext(handle="ada", cursor=None, page=1, attempt=2)
    assert_type(context.handle, str | None)
    config = aiohttp.TraceConfig()
    SocialFetchClient("sfk_x", on_event=watch, trace_configs=[config], limiter=AsyncLimiter(10, 1))
    seen: list[Event] = []
    SocialFetchClient("sfk_x", on_event=seen.append, limiter=asyncio.Semaphore(3), max_credits=9)


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
            assert_type(error.maybe_charged, int)
        except IncompleteRunError as error:
            assert_type(error.pending, dict[str, str | None])
    _: str = __version__
