"""Following, and one profile: the promises of `iter_followers` hold for them as they do there."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from socialfetch_async import (
    Account,
    AuthenticationError,
    DecodeError,
    FollowingPage,
    FollowingRun,
    HandleDone,
    IncompleteRunError,
    InsufficientCreditsError,
    InvalidHandleError,
    LookupFailedError,
    PaginationError,
    ProfileUnavailableError,
    RetryPolicy,
    ServiceUnavailableError,
    SocialFetchClient,
)
from socialfetch_async.emulator import Emulator
from socialfetch_async.emulator.profiles import Profile
from tests.conftest import MakeClient
from tests.scripted import HANG, Scripted, error, http, listing

PATH = "/v1/tiktok/profiles/ada/following"
ACCOUNT = {"handle": "bo", "profileUrl": "https://x.invalid/@bo", "verified": False}

Got = dict[str, list[str]]


def follows(**numbers: int) -> dict[str, Profile | int | str]:
    """Return profiles that follow so many accounts each."""
    return {handle: Profile(following=number) for handle, number in numbers.items()}


def page(handles: str = "", next_cursor: str | None = None, **answer: Any) -> bytes:
    """Return a page of accounts with one letter each as a whole HTTP answer."""
    rows = [{**ACCOUNT, "handle": handle} for handle in handles]
    data = {"lookupStatus": "found", "totalFollowing": None, **answer}
    return listing("accounts", rows, next_cursor, **data)


def given_fields(row: Any) -> Any:
    """Return a row without what is null or absent, which the API does not tell apart either."""
    return {
        name: given_fields(value) if isinstance(value, dict) else value
        for name, value in row.items()
        if value is not None
    }


def names(api: Emulator, *handles: str) -> Got:
    return {handle: [row["handle"] for row in api.following(handle)] for handle in handles}


async def drain(run: FollowingRun) -> Got:
    got: Got = {}
    async for event in run:
        if isinstance(event, FollowingPage):
            got.setdefault(event.handle, []).extend(a.handle for a in event.accounts)
    return got


async def test_every_account_comes_with_every_field_it_was_sent_with(
    client_of: MakeClient,
) -> None:
    """Fields that are missing in some rows cost no row, and a time comes in both of its forms."""
    async with Emulator(follows(ada=130)) as api:
        stream = client_of(api).iter_following("@ada")
        accounts = [account async for account in stream]
        rows = api.following("ada")
        assert {type(row.get("accountCreatedAt")) for row in rows} == {int, str, type(None)}
        assert any("privateAccount" not in row for row in rows)
        assert [given_fields(msgspec.to_builtins(account)) for account in accounts] == [
            given_fields(row) for row in rows
        ]
        assert (stream.pages_fetched, stream.accounts_seen, stream.credits_charged) == (7, 130, 7)
        assert (stream.stop_reason, stream.done, stream.cursor) == ("complete", True, None)
        assert [charge.route for charge in api.charges] == ["following"] * 7


async def test_it_is_asked_for_as_documented(client_of: MakeClient) -> None:
    """`cursor` and `trim` are sent when given, on the route of the list."""
    async with Scripted(page("a", "a+b/=="), page("b")) as api:
        stream = client_of(api).iter_following("ada", cursor="7", trim=True)
        assert [account.handle async for account in stream] == ["a", "b"]
    assert [seen.target for seen in api.seen] == [
        f"{PATH}?cursor=7&trim=true",
        f"{PATH}?cursor=a%2Bb%2F%3D%3D&trim=true",
    ]


async def test_pages_say_what_was_asked_and_what_it_cost(client_of: MakeClient) -> None:
    """A page has its handle, cursor, total, price and the answer as it came."""
    async with Emulator(follows(ada=25)) as api:
        stream = client_of(api).iter_following("ada")
        pages = [page_ async for page_ in stream.pages()]
        assert [(p.handle, p.cursor, len(p.accounts)) for p in pages] == [
            ("ada", None, 20),
            ("ada", pages[0].next_cursor, 5),
        ]
        assert [(p.total_following, p.credits_charged, p.invalid_rows) for p in pages] == [
            (25, 1, 0)
        ] * 2
        for got in pages:
            assert got.body is not None
            assert msgspec.json.decode(got.body)["meta"]["requestId"] == got.request_id


@pytest.mark.parametrize(
    ("limits", "reason", "seen", "pages"),
    [
        ({"max_accounts": 30}, "max_accounts", 30, 2),
        ({"max_accounts": 40}, "max_accounts", 40, 2),
        ({"max_accounts": 99}, "complete", 50, 3),
        ({"max_pages": 1}, "max_pages", 20, 1),
        ({"max_credits": 2}, "max_credits", 40, 2),
    ],
)
async def test_limits(
    client_of: MakeClient, limits: dict[str, Any], reason: str, seen: int, pages: int
) -> None:
    """Each ends the stream without an exception, and what is left comes from its cursor."""
    async with Emulator(follows(ada=50)) as api:
        client = client_of(api)
        stream = client.iter_following("ada", **limits)
        got = [account.handle async for account in stream]
        assert (len(got), stream.accounts_seen, len(api.charges)) == (seen, seen, pages)
        assert stream.stop_reason == reason
        if not stream.done:
            rest = client.iter_following("ada", cursor=stream.cursor)
            everything = got + [account.handle async for account in rest]
            assert list(dict.fromkeys(everything)) == names(api, "ada")["ada"]


@pytest.mark.jumping
async def test_the_same_stream_goes_on_after_anything(client_of: MakeClient) -> None:
    """`break`, an error and a cancellation leave the position: each account comes once."""
    answers = [page("ab", "1"), error(502), HANG, page("cd", "2"), page("e")]
    async with Scripted(*answers) as api:
        stream = client_of(api, retry=RetryPolicy(max_attempts=1)).iter_following("ada")
        got = [(await anext(stream)).handle]
        got.append((await anext(stream)).handle)
        with pytest.raises(LookupFailedError) as caught:
            await anext(stream)
        assert (caught.value.handle, caught.value.cursor) == ("ada", "1")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await anext(stream)
        async for account in stream:
            got.append(account.handle)
            break
        got += [account.handle async for account in stream]
        assert "".join(got) == "abcde"


async def test_many_handles_row_by_row(client_of: MakeClient) -> None:
    """`accounts()` yields every account with the handle that follows it."""
    async with Emulator({**follows(ada=45, bo=3, none=0), "p": "private"}) as api:
        got: Got = {}
        async with client_of(api).iter_following_many(["ada", "bo", "none", "p", "ADA"]) as run:
            async for handle, account in run.accounts():
                assert isinstance(account, Account)
                got.setdefault(handle, []).append(account.handle)
        assert got == names(api, "ada", "bo")
        assert {done.handle: (done.outcome, done.followers) for done in run.outcomes.values()} == {
            "ada": ("complete", 45),
            "bo": ("complete", 3),
            "none": ("complete", 0),
            "p": ("private", 0),
        }
        assert (run.pending(), run.duplicates) == ({}, 1)
        assert run.credits_charged == run.pages_fetched == len(api.charges) == 6
        assert {charge.route for charge in api.charges} == {"following"}


async def test_a_run_that_was_stopped_buys_nothing_twice(client_of: MakeClient) -> None:
    """After `stop()` and draining, `pending()` goes on with exactly what is missing."""
    handles = [f"u{number}" for number in range(8)]
    async with Emulator(follows(**dict.fromkeys(handles, 90))) as api:
        client = client_of(api)
        async with client.iter_following_many(handles, concurrency=4) as first:
            got: Got = {}
            async for event in first:
                if isinstance(event, FollowingPage):
                    got.setdefault(event.handle, []).extend(a.handle for a in event.accounts)
                if first.pages_fetched >= 11:
                    first.stop()
        assert first.pending()
        async with client.iter_following_many(first.pending(), max_credits=100) as second:
            for handle, rest in (await drain(second)).items():
                got[handle] = got.get(handle, []) + rest
        assert got == names(api, *handles)
        assert len(api.charges) == len({charge[:2] for charge in api.charges}) == 8 * 5


async def test_a_run_that_was_left_repeats_no_more_than_it_may(client_of: MakeClient) -> None:
    """Leaving in the middle costs at most `concurrency` + 1 pages again, and loses none."""
    handles = [f"u{number}" for number in range(6)]
    async with Emulator(follows(**dict.fromkeys(handles, 90)), latency=0.002) as api:
        client = client_of(api)
        got: dict[str, set[str]] = {handle: set() for handle in handles}
        pending: dict[str, str | None] = dict.fromkeys(handles)
        for stop_at in (7, 9, None):
            events = 0
            async with client.iter_following_many(pending, concurrency=3) as run:
                async for event in run:
                    if isinstance(event, FollowingPage):
                        got[event.handle].update(a.handle for a in event.accounts)
                    events += 1
                    if events == stop_at:
                        break
            pending = run.pending()
        assert pending == {}
        assert got == {handle: set(rows) for handle, rows in names(api, *handles).items()}
        assert len(api.charges) <= 6 * 5 + 2 * (3 + 1)


@pytest.mark.parametrize("status", ["private", "hidden", "not_found", "banned_tomorrow"])
async def test_a_list_that_can_not_be_had(client_of: MakeClient, status: str) -> None:
    """A stream raises, again and without asking; a run delivers the page and says why."""
    async with Scripted(page(lookupStatus=status)) as api:
        client = client_of(api)
        stream = client.iter_following("ada")
        for _ in range(3):
            with pytest.raises(ProfileUnavailableError) as caught:
                await anext(stream)
        assert (caught.value.lookup_status, caught.value.handle) == (status, "ada")
        assert len(api.seen) == 1
        async with client.iter_following_many(["ada"]) as run:
            first, last = [event async for event in run]
        assert isinstance(first, FollowingPage)
        assert first.lookup_status == status
        assert isinstance(last, HandleDone)
        assert (last.outcome, last.credits_charged, run.pending()) == (status, 1, {})


async def test_a_row_that_is_no_account_costs_a_row(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are delivered, it is counted, and the log says so once, not of followers."""
    bad = [{"handle": ""}, {"verified": True}, None, {**ACCOUNT, "verified": [1]}]
    good = [
        {**ACCOUNT, "handle": "a", "accountCreatedAt": [1]},
        {**ACCOUNT, "metrics": {}, "accountCreatedAt": 1.5},
    ]
    async with Scripted(
        listing("accounts", [*bad, *good], "1", lookupStatus="found"),
        listing("accounts", [*bad], lookupStatus="found", totalFollowing="many"),
    ) as api:
        stream = client_of(api).iter_following("ada")
        pages = [page_ async for page_ in stream.pages()]
    assert [[a.handle for a in page_.accounts] for page_ in pages] == [["a", "bo"], []]
    assert [page_.invalid_rows for page_ in pages] == [4, 4]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "follower" not in caplog.text


async def test_the_guards_speak_of_rows(client_of: MakeClient) -> None:
    """Lists that lead nowhere end with what happened, in words that fit every list."""
    loops = {
        "repeated_cursor": [page("a", "1"), page("b", "1")],
        "no_progress": [page("ab", "1"), page("ba", "2")],
        "empty_pages": [page("", str(number)) for number in range(6)],
    }
    for reason, answers in loops.items():
        async with Scripted(*answers) as api:
            with pytest.raises(PaginationError) as caught:
                [_ async for _ in client_of(api).iter_following("ada")]
        assert caught.value.reason == reason
        assert "follower" not in str(caught.value)
        assert len(api.seen) == len(answers)


@pytest.mark.parametrize("seed", range(4))
async def test_faults_lose_and_double_nothing(client_of: MakeClient, seed: int) -> None:
    """Under every fault the list is whole, and the ledger is what the client says."""
    faults = {"503": 0.1, "502": 0.05, "500": 0.05, "drop": 0.05, "lose": 0.05, "truncate": 0.05}
    handles = [f"u{number}" for number in range(12)]
    async with Emulator(follows(**dict.fromkeys(handles, 70)), faults=faults, seed=seed) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=30, base=0.001, cap=0.002))
        async with client.iter_following_many(handles, concurrency=6) as run:
            got = await drain(run)
        assert got == names(api, *handles)
        usage = client.usage
        assert usage.credits_charged == run.credits_charged == 12 * 4
        assert 12 * 4 < len(api.charges) <= usage.credits_charged + usage.maybe_charged
        assert run.maybe_charged == usage.maybe_charged


async def test_a_failed_handle_is_named_with_what_goes_on(client_of: MakeClient) -> None:
    """The error at the end of `accounts()` leads to what is left, and not to followers."""
    async with Emulator(follows(ada=30, bo=3)) as api:
        api.script("bo", *["503"] * 3)
        client = client_of(api, retry=RetryPolicy(max_attempts=3, base=0.0))
        async with client.iter_following_many(["ada", "bo"]) as run:
            with pytest.raises(IncompleteRunError) as caught:
                [_ async for _ in run.accounts()]
        assert caught.value.pending == run.pending() == {"bo": None}
        assert isinstance(run.outcomes["bo"].error, ServiceUnavailableError)
        assert "followers" not in str(caught.value)
        async with client.iter_following_many(caught.value.pending) as rest:
            assert await drain(rest) == names(api, "bo")


async def test_a_refused_key_ends_the_run(client_of: MakeClient) -> None:
    """It concerns all handles: the error is raised, and everything stays to be done."""
    async with Emulator(follows(ada=30), api_keys=["sfk_other"]) as api:
        api.api_key = "sfk_wrong"
        async with client_of(api).iter_following_many(["ada", "bo"], concurrency=1) as run:
            with pytest.raises(AuthenticationError):
                await drain(run)
        assert run.pending() == {"ada": None, "bo": None}


BAD_ARGUMENTS: dict[str, tuple[type[Exception], Callable[[SocialFetchClient], object]]] = {
    "handle": (InvalidHandleError, lambda c: c.iter_following("a/b")),
    "max_accounts 0": (ValueError, lambda c: c.iter_following("a", max_accounts=0)),
    "max_pages True": (TypeError, lambda c: c.iter_following("a", max_pages=True)),
    "max_credits -1": (ValueError, lambda c: c.iter_following("a", max_credits=-1)),
    "trim, text": (TypeError, lambda c: c.iter_following("a", trim="yes")),  # type: ignore[arg-type]
    "empty cursor": (ValueError, lambda c: c.iter_following("a", cursor="")),
    "many, one handle": (TypeError, lambda c: c.iter_following_many("ada")),
    "many, bad handle": (InvalidHandleError, lambda c: c.iter_following_many(["a", "b c"])),
    "many, concurrency 0": (ValueError, lambda c: c.iter_following_many(["a"], concurrency=0)),
    "many, trim": (TypeError, lambda c: c.iter_following_many(["a"], trim=1)),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
async def test_a_bad_argument_sends_nothing(client_of: MakeClient, name: str) -> None:
    """It is refused when it is passed."""
    kind, call = BAD_ARGUMENTS[name]
    async with Emulator() as api:
        with pytest.raises(kind):
            call(client_of(api))
        assert not api.requests


async def test_a_profile_that_is_found(client_of: MakeClient) -> None:
    """It comes with its fields, its counts and its price, which the client has counted."""
    async with Emulator({"ada": Profile(followers=12, following=3)}) as api:
        client = client_of(api)
        profile = await client.get_profile("@Ada")
        assert (profile.handle, profile.lookup_status) == ("Ada", "found")
        assert profile.profile is not None
        assert profile.metrics is not None
        assert (profile.profile.handle, profile.profile.platform) == ("ada", "tiktok")
        assert (profile.metrics.followers, profile.metrics.following) == (12, 3)
        assert (profile.credits_charged, profile.cached) == (1, False)
        assert (await client.get_profile("ada")).cached
        assert [seen.path for seen in api.requests] == [
            "/v1/tiktok/profiles/Ada",
            "/v1/tiktok/profiles/ada",
        ]
        assert (client.usage.pages, client.usage.credits_charged, len(api.charges)) == (2, 2, 2)


@pytest.mark.parametrize(
    ("value", "status"), [("private", "private"), ("not_found", "not_found"), ("hidden", "found")]
)
async def test_a_profile_that_is_not_open_is_data(
    client_of: MakeClient, value: str, status: str
) -> None:
    """It was paid for: what there is of it comes back, and no error."""
    async with Emulator({"ada": value}) as api:
        client = client_of(api)
        profile = await client.get_profile("ada")
        assert profile.lookup_status == status
        assert (profile.profile is None) == (status != "found")
        assert profile.metrics is None
        assert profile.credits_charged == client.usage.credits_charged == len(api.charges) == 1


async def test_a_profile_is_tried_again(client_of: MakeClient) -> None:
    """After faults it is there, and what the lost answer may have cost is counted."""
    async with Emulator({"ada": 7}) as api:
        api.script("ada", "503", "lose", None)
        client = client_of(api)
        assert (await client.get_profile("ada")).metrics is not None
        usage = client.usage
        assert (usage.requests_sent, usage.retries, usage.pages) == (3, 2, 1)
        assert (usage.credits_charged, usage.maybe_charged, len(api.charges)) == (1, 1, 2)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (error(402), InsufficientCreditsError, "Buy credits first."),
        (error(502), LookupFailedError, "1 attempt"),
        (http(200, b'{"data": {}, "meta": {}}'), DecodeError, "may have been charged"),
        (
            http(200, b'{"data": {"lookupStatus": "found", "profile": {"handle": 1}}, "meta": {}}'),
            DecodeError,
            "$.data.profile",
        ),
    ],
    ids=["402", "502", "nothing", "a field"],
)
async def test_a_profile_that_can_not_be_had(
    client_of: MakeClient, answer: bytes, kind: type[Exception], words: str
) -> None:
    """The error says what happened; it has no page and no cursor to go on from."""
    async with Scripted(answer) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=1))
        with pytest.raises(kind) as caught:
            await client.get_profile("ada")
    assert words in str(caught.value)
    assert "handle 'ada'" in str(caught.value)
    assert "page" not in str(caught.value)
    assert "cursor" not in str(caught.value)


async def test_a_bad_handle_of_a_profile_sends_nothing(client_of: MakeClient) -> None:
    """It is refused before anything is spent."""
    async with Emulator() as api:
        with pytest.raises(InvalidHandleError):
            await client_of(api).get_profile("ada/following")
        assert not api.requests
