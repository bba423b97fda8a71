"""Credit limits over real sockets: the client's and its lists'; figure 15 has any price."""

import asyncio
import itertools

import pytest

from socialfetch_async import (
    CreditLimitError,
    DecodeError,
    FollowersPage,
    RetryPolicy,
    SocialFetchClient,
)
from socialfetch_async.emulator import Emulator
from tests.conftest import KEY, MakeClient
from tests.scripted import HANG, Scripted, Seen, error, http, page


def priced(price: int) -> Scripted:
    """Return a server of endless lists; every page costs so much."""
    numbers = itertools.count(1)

    def answer(_: Seen) -> bytes:
        number = next(numbers)
        return page([f"f{number}"], f"c{number}", charged=price)

    return Scripted(by=answer)


@pytest.mark.jumping
async def test_one_request_goes_first_to_learn_the_price(client_of: MakeClient) -> None:
    """The others wait for its page, whatever list they are of."""
    async with Emulator(latency=1) as api:
        client = client_of(api, max_credits=100)
        run = client.iter_followers_many([f"u{n}" for n in range(20)], max_pages_per_handle=1)
        async with run:
            await anext(run)
            first = len(api.requests)
            [_ async for _ in run]
        assert first == 1
        assert api.peak_concurrency > 5


async def test_a_price_that_is_known_binds_the_next_call(client_of: MakeClient) -> None:
    """A limit below it sends nothing."""
    async with priced(5) as api:
        client = client_of(api)
        await client.get_followers_page("ada")
        stream = client.iter_followers("ada", max_credits=4)
        assert [row async for row in stream] == []
        assert stream.stop_reason == "max_credits"
        assert len(api.seen) == 1


async def test_a_price_from_a_journal_binds_the_first_call(client_of: MakeClient) -> None:
    """It is what a journal says before the first request."""
    async with priced(5) as api:
        client = client_of(api, max_credits=4)
        client.iter_followers_many(["ada"]).learn_price(5)
        with pytest.raises(CreditLimitError):
            await client.get_followers_page("ada")
        assert not api.seen


async def test_single_pages_and_lists_share_the_limit_of_the_client(client_of: MakeClient) -> None:
    """What one of them has spent, no other can; free routes need no credit."""
    async with Emulator({"ada": 1000}) as api:
        client = client_of(api, max_credits=5)
        await client.get_followers_page("ada")
        await client.get_profile("ada")
        stream = client.iter_followers("ada")
        pages: list[FollowersPage] = [page async for page in stream.pages()]
        assert (len(pages), stream.stop_reason) == (3, "max_credits")
        with pytest.raises(CreditLimitError, match="max_credits=5") as caught:
            await client.get_followers_page("bo", cursor="7")
        assert (caught.value.handle, caught.value.cursor) == ("bo", "7")
        assert (await client.get_balance()).balance > 0
        again = client.iter_followers("ada", cursor=stream.cursor)
        assert [row async for row in again] == []
        assert again.stop_reason == "max_credits"
        assert len(api.charges) == 5


@pytest.mark.jumping
async def test_what_may_have_been_charged_counts_against_the_client(client_of: MakeClient) -> None:
    """A lost attempt is a credit for all of its lists."""
    async with Scripted(HANG, error(503), page(["a"], "1")) as api:
        client = client_of(api, max_credits=3)
        assert (await client.get_followers_page("ada")).followers
        assert (client.usage.credits_charged, client.usage.maybe_charged) == (1, 1)
        await client.get_followers_page("bo")
        with pytest.raises(CreditLimitError):
            await client.get_followers_page("cy")
        assert len(api.seen) == 4


@pytest.mark.jumping
async def test_a_lost_attempt_before_the_price_is_known_counts_at_the_price(
    client_of: MakeClient,
) -> None:
    """The counters follow when the first page says what pages cost."""
    async with Scripted(HANG, page(["a"], "1", charged=5)) as api:
        client = client_of(api, max_credits=30)
        await client.get_followers_page("ada")
        assert (client.usage.credits_charged, client.usage.maybe_charged) == (5, 5)


async def test_a_list_waits_for_the_credits_that_another_holds(client_of: MakeClient) -> None:
    """A refusal frees the last credit of the client, and the other list uses it."""
    async with Scripted(page(["a"], "1"), error(400), page(["b"]), page(["c"])) as api:
        client = client_of(api, max_credits=2)
        await client.get_followers_page("first")
        results = await asyncio.gather(
            *(client.get_followers_page(name) for name in ("x", "y")), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == [
            "BadRequestError",
            "FollowersPage",
        ]
        assert client.usage.credits_charged == 2
        assert len(api.seen) == 3


async def test_the_environment_gives_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCIALFETCH_MAX_CREDITS, unless the argument is given."""
    monkeypatch.setenv("SOCIALFETCH_MAX_CREDITS", "2")
    async with Emulator({"ada": 100}) as api:
        for argument, pages in ((None, 2), (4, 4)):
            async with SocialFetchClient(
                api.api_key, base_url=api.base_url, max_credits=argument
            ) as client:
                stream = client.iter_followers("ada")
                assert len([page async for page in stream.pages()]) == pages


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1_000", "٣", "1" * 16])
def test_a_bad_limit_in_the_environment_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """By the name of the variable: a limit that is not understood must not be no limit."""
    monkeypatch.setenv("SOCIALFETCH_MAX_CREDITS", value)
    with pytest.raises(ValueError, match="SOCIALFETCH_MAX_CREDITS must be a whole number"):
        SocialFetchClient(KEY)


def test_an_empty_limit_in_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an unset one."""
    monkeypatch.setenv("SOCIALFETCH_MAX_CREDITS", "")
    SocialFetchClient(KEY)


def test_the_policy_of_a_batch_waits() -> None:
    """An hour for an outage, and for what a Retry-After asks for."""
    policy = RetryPolicy.batch()
    assert (policy.outage_patience, policy.retry_after_cap) == (3600.0, 3600.0)
    assert (policy.max_attempts, policy.deadline) == (6, 120.0)


@pytest.mark.parametrize("known", [False, True])
async def test_an_unreadable_answer_counts_at_the_price_it_says(
    client_of: MakeClient, *, known: bool
) -> None:
    """It is counted and known from there on: the next request sets so much aside."""
    unread = http(200, b'{"data": {"followers": 1}, "meta": {"creditsCharged": 5}}')
    async with Scripted(*[page(["a"])] * known, unread) as api:
        client = client_of(api, max_credits=9 + known)
        if known:
            await client.get_followers_page("ada")
        with pytest.raises(DecodeError) as caught:
            await client.get_followers_page("ada")
        assert (caught.value.maybe_charged, client.usage.maybe_charged) == (5, 5)
        with pytest.raises(CreditLimitError):
            await client.get_followers_page("ada")
        assert len(api.seen) == 1 + known
