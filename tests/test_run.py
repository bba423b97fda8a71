"""Many handles: outcomes, bounds, fairness, limits, stopping, and what is pending."""

import asyncio
import contextlib
import json
import logging
from collections import Counter
from random import Random

import anyio
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from socialfetch_async import (
    AuthenticationError,
    DecodeError,
    FollowersPage,
    FollowersRun,
    HandleDone,
    IncompleteRunError,
    InsufficientCreditsError,
    InvalidHandleError,
    PaginationError,
    SocialFetchClient,
)
from socialfetch_async.cli import words
from socialfetch_async.emulator import Emulator
from tests.conftest import FAST, KEY, MakeClient, until
from tests.scripted import Scripted, Seen, error, http, page

Got = dict[str, list[str]]


async def drain(run: FollowersRun, got: Got | None = None) -> Got:
    """Take every event, and check what every run promises."""
    got = {} if got is None else got
    ended: set[str] = set()
    async for event in run:
        assert event.handle not in ended, "an event after the HandleDone"
        if isinstance(event, HandleDone):
            ended.add(event.handle)
        else:
            got.setdefault(event.handle, []).extend(f.handle for f in event.followers)
    return got


def expected(api: Emulator, handles: list[str]) -> Got:
    return {handle: [row["handle"] for row in api.followers(handle)] for handle in handles}


async def test_every_handle_has_one_outcome_and_all_its_followers(client_of: MakeClient) -> None:
    """Found, empty, hidden, private and missing profiles end once, each with its status."""
    profiles = {"big": 95, "small": 3, "none": 0, "p": "private", "h": "hidden"}
    async with Emulator(profiles) as api:  # type: ignore[arg-type]
        client = client_of(api)
        async with client.iter_followers_many([*profiles, "gone"]) as run:
            got = await drain(run)
        assert got == expected(api, [*profiles, "gone"])
        assert {h: d.outcome for h, d in run.outcomes.items()} == {
            "big": "complete",
            "small": "complete",
            "none": "complete",
            "p": "private",
            "h": "hidden",
            "gone": "not_found",
        }
        assert run.pending() == {}
        assert (run.handles_total, run.handles_done, run.duplicates) == (6, 6, 0)
        assert run.pages_fetched == run.credits_charged == len(api.charges) == 10
        done = run.outcomes["big"]
        assert (done.pages, done.followers, done.credits_charged) == (5, 95, 5)
        assert (done.cursor, done.error) == (None, None)


async def test_a_word_of_the_vendor_is_no_status_of_ours(client_of: MakeClient) -> None:
    """A profile whose lookup status is `complete` has no complete list."""
    async with Scripted(page(status="complete")) as api:
        async with client_of(api).iter_followers_many(["ada"]) as run:
            await drain(run)
        done = run.outcomes["ada"]
        assert (done.status, done.lookup_status) == ("unavailable", "complete")
        assert done.outcome == "unavailable"
        assert words.unavailable("complete") == "unavailable (complete)"


async def test_the_page_of_a_private_profile_is_delivered(client_of: MakeClient) -> None:
    """It was paid for, so it is an event with its price, before the HandleDone."""
    async with Emulator({"p": "private"}) as api:
        async with client_of(api).iter_followers_many(["p"]) as run:
            events = [event async for event in run]
        assert isinstance(events[0], FollowersPage)
        assert (events[0].lookup_status, events[0].credits_charged) == ("private", 1)
        assert isinstance(events[1], HandleDone)
        assert events[1].credits_charged == 1


async def test_a_thousand_handles_are_bounded_fair_and_counted(client_of: MakeClient) -> None:
    """1,000 handles at 50: all complete, never more than 50 at once, the ledger agrees."""
    random = Random(3)
    sizes = {f"user.{i}": random.choice([0, 5, 20, 45]) for i in range(999)}
    profiles = {"huge": 4_000, **sizes}
    async with Emulator(profiles, latency=0.002) as api:
        client = client_of(api)
        order: list[str] = []
        got: Got = {}
        async with client.iter_followers_many(list(profiles), concurrency=50) as run:
            async for event in run:
                if isinstance(event, HandleDone):
                    order.append(event.handle)
                else:
                    got.setdefault(event.handle, []).extend(f.handle for f in event.followers)
        assert Counter(order) == dict.fromkeys(profiles, 1)
        assert {d.status for d in run.outcomes.values()} == {"complete"}
        assert got == expected(api, list(profiles))
        assert api.peak_concurrency <= 50
        assert len(api.charges) == run.credits_charged == client.usage.credits_charged
        assert len(set(api.charges)) == len(api.charges)
        assert len(api.requests) == client.usage.requests_sent
        assert order[-1] == "huge"


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_stalled_consumer_stops_the_buying(client_of: MakeClient, concurrency: int) -> None:
    """In flight and undelivered are together never more than `concurrency` pages."""
    profiles = {f"u{i}": 400 for i in range(8)}
    async with Emulator(profiles) as api:
        async with client_of(api).iter_followers_many(
            list(profiles), concurrency=concurrency
        ) as run:
            for delivered in range(1, 6):
                await anext(run)
                wanted = delivered + concurrency
                await until(lambda wanted=wanted: len(api.charges) >= wanted)  # type: ignore[misc]
                await asyncio.sleep(0.03)
                assert len(api.charges) == wanted


async def test_a_small_handle_given_last_is_not_behind_the_huge_ones(
    client_of: MakeClient,
) -> None:
    """Handles take turns: with every worker on a huge handle a small one still comes soon."""
    profiles = {**{f"huge{i}": 2_000 for i in range(4)}, "small": 3}
    async with Emulator(profiles) as api:
        seen = 0
        async with client_of(api).iter_followers_many(list(profiles), concurrency=4) as run:
            async for event in run:
                if event.handle == "small":
                    break
                seen += 1
        assert seen <= 4 * 5 + 4


async def test_a_never_awaiting_consumer_lets_the_next_request_leave(
    client_of: MakeClient,
) -> None:
    """With one slot the next request is on its way while the loop works on a page."""
    async with Emulator({"a": 100}) as api:
        async with client_of(api).iter_followers_many(["a"], concurrency=1) as run:
            await anext(run)
            # From here to the check the loop does not await: the request has to be out already,
            # which is seen on its credit being set aside.
            assert run.reserved == 1


@pytest.mark.parametrize("limit", [1, 37, 100])
async def test_a_credit_limit_is_used_to_the_last_and_not_passed(
    client_of: MakeClient, limit: int
) -> None:
    """`max_credits` at concurrency 20 makes exactly that many charged requests."""
    profiles = {f"u{i}": 130 for i in range(40)}
    async with Emulator(profiles, latency=0.001) as api:
        client = client_of(api)
        async with client.iter_followers_many(
            list(profiles), concurrency=20, max_credits=limit
        ) as run:
            got = await drain(run)
        assert len(api.charges) == run.credits_charged == limit
        assert {d.status for d in run.outcomes.values()} <= {"complete", "max_credits"}
        pending = json.loads(json.dumps(run.pending()))
        assert set(pending) | {h for h, d in run.outcomes.items() if d.status == "complete"} == set(
            profiles
        )
        async with client.iter_followers_many(pending, concurrency=20) as rest:
            await drain(rest, got)
        assert got == expected(api, list(profiles))
        assert len(set(api.charges)) == len(api.charges)
        assert len({(c.handle, c.cursor) for c in api.charges}) == len(api.charges)


async def test_a_credit_limit_is_exact_under_faults(client_of: MakeClient) -> None:
    """Uncharged failures free their credit for others; charged ones do not."""
    profiles = {f"u{i}": 130 for i in range(30)}
    async with Emulator(profiles, faults={"503": 0.2, "truncate": 0.1}, seed=5) as api:
        client = client_of(api)
        async with client.iter_followers_many(
            list(profiles), concurrency=20, max_credits=100
        ) as run:
            await drain(run)
        assert len(api.charges) == 100
        assert client.usage.credits_charged + client.usage.maybe_charged == 100
        assert run.credits_charged + run.maybe_charged == 100


async def test_out_of_credits_ends_the_run_after_what_is_paid_for(client_of: MakeClient) -> None:
    """402: no new request, paid pages delivered, the error raised, `pending()` finishes the job."""
    profiles = {f"u{i}": 130 for i in range(60)}
    async with Emulator(profiles, credits=70, latency=0.002) as api:
        client = client_of(api)
        got: Got = {}
        async with client.iter_followers_many(list(profiles), concurrency=20) as run:
            with pytest.raises(InsufficientCreditsError) as caught:
                await drain(run, got)
            with pytest.raises(InsufficientCreditsError):
                await anext(run)
        assert caught.value.checkout_url == "https://app.example.invalid/checkout"
        statuses = [received.status for received in api.requests]
        assert statuses.count(402) <= 20
        assert statuses.count(200) == 70
        assert sum(map(len, got.values())) == sum(d.followers for d in run.outcomes.values())
        assert {d.status for d in run.outcomes.values()} <= {"complete", "failed", "stopped"}
        api.credits = None
        async with client.iter_followers_many(run.pending(), concurrency=20) as rest:
            await drain(rest, got)
        assert got == expected(api, list(profiles))
        assert len({(c.handle, c.cursor) for c in api.charges}) == len(api.charges)


async def test_a_refused_key_ends_the_run_at_once(client_of: MakeClient) -> None:
    """401: at most the requests on their way are sent, and every handle is pending."""
    async with Emulator({"a": 10}, api_keys=["sfk_other"]) as api:
        api.api_key = KEY
        handles = [f"u{i}" for i in range(100)]
        async with client_of(api).iter_followers_many(handles, concurrency=5) as run:
            with pytest.raises(AuthenticationError):
                await drain(run)
        assert len(api.requests) <= 5
        assert run.pending() == dict.fromkeys(handles)


async def test_one_failing_handle_does_not_stop_the_others(client_of: MakeClient) -> None:
    """It ends as `failed` with its error and cursor, and stays pending."""
    async with Emulator({"a": 50, "b": 50}) as api:
        api.script("b", None, *["502"] * 6)
        client = client_of(api)
        async with client.iter_followers_many(["a", "b"]) as run:
            got = await drain(run)
        assert run.outcomes["a"].status == "complete"
        failed = run.outcomes["b"]
        assert (failed.status, failed.pages, failed.followers) == ("failed", 1, 20)
        assert failed.error is not None
        assert (failed.error.handle, failed.error.attempts) == ("b", 6)
        assert run.pending() == {"b": failed.cursor}
        assert failed.cursor is not None
        async with client.iter_followers_many(run.pending()) as rest:
            await drain(rest, got)
        assert got == expected(api, ["a", "b"])


async def test_followers_is_the_easy_form(client_of: MakeClient) -> None:
    """Pairs of handle and follower; `break` loses nothing, and other iterations go on."""
    async with Emulator({"a": 50, "b": 25, "p": "private"}) as api:
        got: Got = {"p": []}
        async with client_of(api).iter_followers_many(["a", "b", "p"]) as run:
            for _ in range(5):
                taken = 0
                async for handle, follower in run.followers():
                    got.setdefault(handle, []).append(follower.handle)
                    taken += 1
                    if taken == 19:
                        break
        assert got == expected(api, ["a", "b", "p"])


async def test_followers_raises_after_the_last_when_a_handle_failed(
    client_of: MakeClient,
) -> None:
    """A list that is short is never silent: IncompleteRunError with what is pending."""
    async with Emulator({"a": 50, "b": 50}) as api:
        api.script("b", *["502"] * 6)
        async with client_of(api).iter_followers_many(["a", "b"]) as run:
            got = []
            with pytest.raises(IncompleteRunError) as caught:
                async for _, follower in run.followers():
                    got.append(follower.handle)
        assert got == expected(api, ["a"])["a"]
        assert caught.value.pending == {"b": None}
        assert caught.value.outcomes == run.outcomes
        assert "'b'" in str(caught.value)


async def test_stop_delivers_what_is_paid_for_and_buys_nothing_twice(
    client_of: MakeClient,
) -> None:
    """After `stop()` and draining, `pending()` finishes the job with no page bought twice."""
    profiles = {f"u{i}": 90 for i in range(20)}
    async with Emulator(profiles, latency=0.002) as api:
        client = client_of(api)
        got: Got = {}
        async with client.iter_followers_many(list(profiles), concurrency=6) as run:
            for _ in range(15):
                event = await anext(run)
                if isinstance(event, FollowersPage):
                    got.setdefault(event.handle, []).extend(f.handle for f in event.followers)
            run.stop()
            at_stop = len(api.requests)
            await drain(run, got)
        assert len(api.requests) <= at_stop + 6
        assert {d.status for d in run.outcomes.values()} <= {"complete", "stopped"}
        async with client.iter_followers_many(run.pending(), concurrency=6) as rest:
            await drain(rest, got)
        assert got == expected(api, list(profiles))
        assert len({(c.handle, c.cursor) for c in api.charges}) == len(api.charges)


async def test_stop_ends_waits_at_once(client_of: MakeClient) -> None:
    """A worker that waits for a retry is not waited for, and its handle can go on."""
    async with Scripted(error(503, Retry_After="60")) as api:
        async with client_of(api).iter_followers_many(["a", "b"]) as run:
            pull = asyncio.ensure_future(drain(run))
            await until(lambda: len(api.seen) == 2)
            await asyncio.sleep(0.02)
            run.stop()
            async with asyncio.timeout(30):
                assert await pull == {}
        assert {d.status for d in run.outcomes.values()} == {"stopped"}
        assert run.pending() == {"a": None, "b": None}


@pytest.mark.jumping
async def test_a_failure_after_stop_is_not_retried(client_of: MakeClient) -> None:
    """A request that was on its way at `stop()` and fails is not sent again."""
    async with Emulator({"a": 90}, latency=10) as api:
        api.script("a", "503", "503", "503")
        async with client_of(api).iter_followers_many(["a"]) as run:
            pull = asyncio.ensure_future(drain(run))
            await until(lambda: api.requests)
            run.stop()
            await pull
        assert run.outcomes["a"].status == "stopped"
        assert len(api.requests) == 1


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 10**6), concurrency=st.integers(1, 6), taken=st.integers(0, 25))
async def test_leaving_early_loses_nothing_and_repeats_little(
    seed: int, concurrency: int, taken: int
) -> None:
    """A hard stop at any event: nothing is lost, at most concurrency + 1 pages are bought again."""
    random = Random(seed)
    profiles = {f"u{i}": random.randrange(60) for i in range(8)}
    async with (
        Emulator(profiles, page_size=7) as api,
        SocialFetchClient(api.api_key, base_url=api.base_url, retry=FAST) as client,
    ):
        handled: list[FollowersPage] = []
        last: FollowersPage | HandleDone | None = None
        async with client.iter_followers_many(list(profiles), concurrency=concurrency) as run:
            for _ in range(taken):
                if isinstance(last, FollowersPage):
                    handled.append(last)
                last = await anext(run, None)
        got: Got = {handle: [] for handle in profiles}
        for part in handled:
            got[part.handle] += [f.handle for f in part.followers]
        before = len(api.charges)
        async with client.iter_followers_many(run.pending(), concurrency=concurrency) as rest:
            await drain(rest, got)
        assert got == expected(api, list(profiles))
        again = Counter((c.handle, c.cursor) for c in api.charges)
        assert sum(n - 1 for n in again.values()) <= concurrency + 1
        assert before <= len(handled) + concurrency + 1


async def test_leaving_cancels_every_worker(client_of: MakeClient) -> None:
    """After `async with` no task of the run is left, and iterating further is refused."""
    async with Emulator({f"u{i}": 90 for i in range(20)}, latency=0.01) as api:
        client = client_of(api)
        before = len(asyncio.all_tasks())
        async with client.iter_followers_many([f"u{i}" for i in range(20)]) as run:
            await anext(run)
            assert len(asyncio.all_tasks()) > before
        assert not run._workers._tasks
        with pytest.raises(RuntimeError, match="inside its `async with`"):
            await anext(run)
        sent = client.usage.requests_sent
        await asyncio.sleep(0.03)
        assert client.usage.requests_sent == sent


async def test_a_run_is_used_inside_async_with_and_once(client_of: MakeClient) -> None:
    """Iterating it outside, or entering it twice, is a RuntimeError."""
    async with Emulator({"a": 5}) as api:
        run = client_of(api).iter_followers_many(["a"])
        with pytest.raises(RuntimeError, match="async with"):
            await anext(run)
        async with run:
            await drain(run)
        with pytest.raises(RuntimeError, match="used once"):
            await run.__aenter__()
        assert not api.requests[1:]


async def test_two_tasks_on_one_run_are_refused(client_of: MakeClient) -> None:
    """Which page was handled would be anybody's guess."""
    async with Emulator({"a": 5}, latency=0.02) as api:
        async with client_of(api).iter_followers_many(["a"]) as run:
            results = await asyncio.gather(anext(run), anext(run), return_exceptions=True)
        assert sum(isinstance(r, RuntimeError) for r in results) == 1


async def test_a_cancelled_pull_loses_no_event(client_of: MakeClient) -> None:
    """Cancelled at any moment, the loop goes on with the event it had not got."""
    async with Emulator({f"u{i}": 30 for i in range(6)}, page_size=3) as api:
        got: Got = {}
        async with client_of(api).iter_followers_many([f"u{i}" for i in range(6)]) as run:
            for attempt in range(10_000):
                pull = asyncio.ensure_future(anext(run))
                for _ in range(attempt % 4):
                    await asyncio.sleep(0)
                if not pull.done():
                    pull.cancel()
                await asyncio.wait([pull])
                if pull.cancelled():
                    continue
                if isinstance(pull.exception(), StopAsyncIteration | RuntimeError):
                    break
                event = pull.result()
                if isinstance(event, FollowersPage):
                    got.setdefault(event.handle, []).extend(f.handle for f in event.followers)
        assert got == expected(api, [f"u{i}" for i in range(6)])
        assert len({(c.handle, c.cursor) for c in api.charges}) == len(api.charges)


async def test_the_same_handle_twice_is_fetched_once(client_of: MakeClient) -> None:
    """Under the spelling that came first; the others are counted."""
    async with Emulator({"ada": 5, "bo": 5}) as api:
        handles = [" @Ada", "ada", "bo", "ADA ", "@bo"]
        async with client_of(api).iter_followers_many(handles) as run:
            got = await drain(run)
        assert set(got) == set(run.outcomes) == {"Ada", "bo"}
        assert (run.handles_total, run.duplicates) == (2, 3)
        assert sorted(r.path for r in api.requests) == [
            "/v1/tiktok/profiles/Ada/followers",
            "/v1/tiktok/profiles/bo/followers",
        ]


async def test_max_pages_per_handle_leaves_the_rest_pending(client_of: MakeClient) -> None:
    """Each handle stops after its pages; shorter ones are complete."""
    async with Emulator({"a": 100, "b": 25}) as api:
        client = client_of(api)
        async with client.iter_followers_many(["a", "b"], max_pages_per_handle=2) as run:
            got = await drain(run)
        assert {h: d.status for h, d in run.outcomes.items()} == {"a": "max_pages", "b": "complete"}
        assert run.pending() == {"a": run.outcomes["a"].cursor}
        async with client.iter_followers_many(run.pending()) as rest:
            await drain(rest, got)
        assert got == expected(api, ["a", "b"])


async def test_a_missing_cursor_is_an_outcome_of_its_own(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """It is finished, as nothing can be asked for, but neither silent nor `complete`."""
    async with Scripted(page(["x"], None, more=True)) as api:
        async with client_of(api).iter_followers_many(["a"]) as run:
            await drain(run)
    assert run.outcomes["a"].status == "missing_cursor"
    assert run.pending() == {}
    assert [r.levelno for r in caplog.records] == [logging.WARNING]


async def test_a_repeated_page_is_not_delivered_in_a_run(client_of: MakeClient) -> None:
    """`no_progress` fails the handle, frees its slot and keeps the cursor."""

    def answer(seen: Seen) -> bytes:
        return page(["x", "y"], {None: "1", "1": "2"}.get(seen.cursor))

    async with Scripted(by=answer) as api:
        async with client_of(api).iter_followers_many(["a", "b"], concurrency=1) as run:
            got = await drain(run)
    assert got == {"a": ["x", "y"], "b": ["x", "y"]}
    assert {d.status for d in run.outcomes.values()} == {"failed"}
    assert run.pending() == {"a": "1", "b": "1"}


async def test_a_client_closed_under_a_run_is_named(client_of: MakeClient) -> None:
    """The loop ends with a RuntimeError that says what happened, not with silence."""
    async with Emulator({f"u{i}": 500 for i in range(5)}, latency=0.005) as api:
        client = client_of(api)
        async with client.iter_followers_many([f"u{i}" for i in range(5)]) as run:
            await anext(run)
            await client.aclose()
            with pytest.raises(RuntimeError, match="SocialFetchClient"):
                await drain(run)
        assert set(run.pending()) == {f"u{i}" for i in range(5)}


async def test_no_handles_is_a_run_that_is_over(client_of: MakeClient) -> None:
    """An empty list of handles sends nothing and ends."""
    async with Emulator() as api:
        async with client_of(api).iter_followers_many([]) as run:
            assert await drain(run) == {}
        assert not api.requests
        assert repr(run) == "<FollowersRun handles_done=0/0 pages_fetched=0 credits_charged=0>"


@pytest.mark.parametrize("bad", ["", "..", "a/b", "a" * 65, "👩‍🚀", "a\nb"])
async def test_a_bad_handle_is_refused_before_anything_is_spent(
    client_of: MakeClient, bad: str
) -> None:
    """Good handles before it are not fetched either."""
    async with Emulator() as api:
        with pytest.raises(InvalidHandleError):
            client_of(api).iter_followers_many(["good", bad])
        assert not api.requests


async def test_one_handle_instead_of_many_is_a_type_error(client_of: MakeClient) -> None:
    """A str is iterable, and would be fetched letter by letter."""
    async with Emulator() as api:
        with pytest.raises(TypeError, match="iterable of handles"):
            client_of(api).iter_followers_many("ada")


async def test_followers_goes_on_after_a_cancellation(client_of: MakeClient) -> None:
    """Cancelled while it waits, the easy form is not over: nothing is silently short."""
    async with Emulator({"a": 50}, latency=0.02) as api:
        got: list[str] = []
        async with client_of(api).iter_followers_many(["a"]) as run:
            pairs = run.followers()
            while True:
                try:
                    async with asyncio.timeout(0.005):
                        got.append((await anext(pairs))[1].handle)
                except TimeoutError:
                    continue
                except StopAsyncIteration:
                    break
        assert got == expected(api, ["a"])["a"]


async def test_followers_raises_again_and_again(client_of: MakeClient) -> None:
    """What ended it, a failed handle or a refused key, is not followed by a clean end."""
    async with Emulator({"a": 5}) as api:
        api.script("a", *["502"] * 6)
        async with client_of(api).iter_followers_many(["a"]) as run:
            pairs = run.followers()
            for _ in range(2):
                with pytest.raises(IncompleteRunError):
                    await anext(pairs)


async def test_followers_and_events_do_not_mix_handles(client_of: MakeClient) -> None:
    """Asking for the next event declares the page in hand handled: its rest is not mixed in."""
    async with Emulator({"a": 60, "b": 60}) as api:
        async with client_of(api).iter_followers_many(["a", "b"], concurrency=2) as run:
            for _ in range(4):
                async for handle, follower in run.followers():
                    assert follower.handle in expected(api, [handle])[handle]
                    break
                await anext(run)


@pytest.mark.parametrize("end", ["max_credits", "stop"])
async def test_a_handle_that_is_complete_at_the_end_of_its_turn_says_so(
    client_of: MakeClient, end: str
) -> None:
    """Parked after its fifth and last page, it is `complete` however the run ends."""
    async with Emulator({"a": 120, "b": 100}) as api:
        client = client_of(api)
        async with client.iter_followers_many(
            ["a", "b"], concurrency=1, max_credits=11 if end == "max_credits" else None
        ) as run:
            async for _ in run:
                if end == "stop" and run.pages_fetched == 11:
                    run.stop()
        assert (run.outcomes["b"].status, run.outcomes["b"].cursor) == ("complete", None)
        assert "b" not in run.pending()


@pytest.mark.parametrize("taken", range(2, 30, 3))
async def test_the_cursor_of_an_outcome_is_what_is_pending(
    client_of: MakeClient, taken: int
) -> None:
    """After `stop()` and draining both name the page to go on from."""
    profiles = {f"u{i}": 230 for i in range(4)}
    async with Emulator(profiles) as api:
        async with client_of(api).iter_followers_many(list(profiles), concurrency=2) as run:
            count = 0
            async for _ in run:
                count += 1
                if count == taken:
                    run.stop()
        stopped = {h: d.cursor for h, d in run.outcomes.items() if d.status == "stopped"}
        assert stopped
        assert {h: run.pending()[h] for h in stopped} == stopped


async def test_handles_that_have_begun_are_not_starved_by_new_ones(
    client_of: MakeClient,
) -> None:
    """With hundreds of handles that have not begun, the first one still goes on."""
    profiles = {f"u{i}": 10_000 for i in range(200)}
    async with Emulator(profiles) as api:
        async with client_of(api).iter_followers_many(list(profiles), concurrency=2) as run:
            seen: Counter[str] = Counter()
            async for event in run:
                seen[event.handle] += 1
                if run.pages_fetched > 150:
                    break
        assert max(seen.values()) > 5


@pytest.mark.jumping
async def test_waiting_for_credit_keeps_nobody_else_waiting(client_of: MakeClient) -> None:
    """Workers that wait for the last credit to come back hold no slot of the client."""
    async with Emulator({f"u{i}": 50 for i in range(4)}, latency=20) as api:
        client = client_of(api, max_concurrency=4)
        async with client.iter_followers_many([f"u{i}" for i in range(4)], max_credits=1) as run:
            draining = asyncio.ensure_future(drain(run))
            await until(lambda: api.charges)
            async with asyncio.timeout(15):
                assert await client.whoami()
            await draining


async def test_leaving_an_aclosing_block_changes_nothing(client_of: MakeClient) -> None:
    """`contextlib.aclosing` is what careful code writes round an async iterator."""
    async with Emulator({"a": 50}) as api:
        client = client_of(api)
        stream = client.iter_followers("a")
        async with contextlib.aclosing(stream), contextlib.aclosing(stream.pages()) as pages:  # type: ignore[type-var]
            async for _ in pages:
                break
        async with client.iter_followers_many(["a"]) as run:
            async with contextlib.aclosing(run.followers()) as pairs:  # type: ignore[type-var]
                async for _ in pairs:
                    break


# -- caps, brakes, cancellation -------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "pages"), [(1, 1), (20, 1), (21, 2), (40, 2)])
async def test_a_cap_of_followers_is_kept_in_whole_pages(
    client_of: MakeClient, limit: int, pages: int
) -> None:
    """The page that reaches the cap is the last; what is left is pending with its cursor."""
    async with Emulator({"big": 95, "small": 3}) as api:
        client = client_of(api)
        async with client.iter_followers_many(
            ["big", "small"], max_followers_per_handle=limit
        ) as run:
            got = await drain(run)
        done = run.outcomes["big"]
        assert (done.status, done.pages, done.followers) == ("max_followers", pages, 20 * pages)
        assert (done.lookup_status, done.total_followers, done.finished) == ("found", 95, False)
        assert run.outcomes["small"].status == "complete"
        assert run.pending() == {"big": done.cursor}
        assert done.cursor is not None
        async with client.iter_followers_many(run.pending()) as rest:
            await drain(rest, got)
        assert got == expected(api, ["big", "small"])
        assert len(set(api.charges)) == len(api.charges) == 6


async def test_a_cap_that_the_whole_list_fills_is_a_complete_list(client_of: MakeClient) -> None:
    """Nothing is left to ask for, so it is not said to be cut."""
    async with Emulator({"a": 40}) as api:
        async with client_of(api).iter_followers_many(["a"], max_followers_per_handle=40) as run:
            await drain(run)
        assert run.outcomes["a"].status == "complete"


async def test_a_short_list_in_a_run_is_said_aloud_once(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Complete with fewer than 90 % of the vendor's count: a warning with both figures."""
    totals = {"few": 1_000, "all": 2}

    def answer(seen: Seen) -> bytes:
        handle = seen.target.split("/")[4]
        if seen.cursor is None:
            return page([f"{handle}1"], "1", total=totals[handle])
        return page([f"{handle}2"], total=totals[handle])

    async with Scripted(by=answer) as api:
        async with client_of(api).iter_followers_many(["few", "all"]) as run:
            await drain(run)
    (record,) = caplog.records
    assert "'few'" in record.getMessage()
    assert "2 rows and the API counts 1000" in record.getMessage()


async def test_a_list_that_begins_again_fails_its_handle_alone(client_of: MakeClient) -> None:
    """All pages that were paid for are events; the handle goes on only on purpose."""

    def answer(seen: Seen) -> bytes:
        number = int(seen.cursor or 0)
        if "/circle/" in seen.target:
            return page([f"u{number % 4}.{i}" for i in range(5)], str(number + 1))
        return page([f"v{number}"], str(number + 1) if number < 20 else None)

    async with Scripted(by=answer) as api:
        async with client_of(api).iter_followers_many(["circle", "line"]) as run:
            got = await drain(run)
    done = run.outcomes["circle"]
    assert done.status == "failed"
    assert isinstance(done.error, PaginationError)
    assert done.error.reason == "no_progress"
    assert len(got["circle"]) == done.followers == 5 * done.pages == 5 * 7
    assert run.pending() == {"circle": "7"} == {"circle": done.cursor}
    assert len(got["line"]) == 21


async def test_a_profile_given_by_its_url_is_the_same_handle(client_of: MakeClient) -> None:
    """As it is copied from a browser, or typed."""
    async with Emulator({"ada": 5}) as api:
        handles = ["https://www.tiktok.com/@ada?lang=en", "@ada", "www.tiktok.com/@ADA/"]
        async with client_of(api).iter_followers_many(handles) as run:
            await drain(run)
        assert set(run.outcomes) == {"ada"}
        assert run.duplicates == 2
        assert len(api.charges) == 1


@pytest.mark.parametrize("wait", [0.0, 0.004, 0.011, 0.02])
@pytest.mark.parametrize("concurrency", [1, 6])
async def test_a_scope_of_anyio_around_a_run(
    client_of: MakeClient, wait: float, concurrency: int
) -> None:
    """It cancels each wait in it again and again; every page that was charged is accounted for."""
    profiles = {f"u{i}": 200 for i in range(8)}
    async with Emulator(profiles, latency=0.003) as api:
        client = client_of(api)
        got: Got = {}
        saved: list[FollowersPage | HandleDone] = []
        with anyio.move_on_after(wait):
            async with client.iter_followers_many(list(profiles), concurrency=concurrency) as run:
                run.save_to(saved.append)
                await drain(run, got)
        used = client.usage
        assert used.requests_sent == used.pages + used.maybe_charged
        assert sum(isinstance(event, FollowersPage) for event in saved) == used.pages
        await until(lambda: len(api.requests) >= used.requests_sent)
        assert used.credits_charged <= len(api.charges) <= used.credits_charged + used.maybe_charged
        assert not [task for task in asyncio.all_tasks() if "_work" in repr(task)]
        async with client.iter_followers_many(run.pending(), concurrency=6) as rest:
            await drain(rest, got)
        for handle, rows in expected(api, list(profiles)).items():
            assert list(dict.fromkeys(got[handle])) == rows


@pytest.mark.jumping
async def test_cancelling_a_leaving_run_again_does_not_hurry_it(client_of: MakeClient) -> None:
    """Its workers account for their requests before the block is left, however often it is told."""
    async with Emulator({"a": 100, "b": 100}, latency=10) as api:
        client, two = client_of(api), asyncio.Event()

        async def work() -> None:
            async with client.iter_followers_many(["a", "b"]) as run:
                await anext(run)
                await anext(run)
                two.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(work())
        await two.wait()
        await until(lambda: len(api.requests) == 4)
        for _ in range(5):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (client.usage.pages, client.usage.maybe_charged) == (2, 2)


class SlowToLeave:
    """A limiter that takes a moment to be left, and notes who left it in order."""

    def __init__(self) -> None:
        self.entered = self.left = 0

    async def __aenter__(self) -> None:
        self.entered += 1

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(0.02)
        self.left += 1


@pytest.mark.jumping
async def test_a_run_is_left_in_order_under_a_cancelled_scope(client_of: MakeClient) -> None:
    """The scope cancels the leaving as well, at each turn of the loop; that is no second wish."""
    limiter = SlowToLeave()
    async with Emulator({"a": 100, "b": 100}, latency=10) as api:
        client = client_of(api, limiter=limiter)
        with anyio.CancelScope() as scope:
            async with client.iter_followers_many(["a", "b"]):
                await until(lambda: len(api.requests) == 2)
                scope.cancel()
                await asyncio.sleep(1)
        assert scope.cancelled_caught
        assert (limiter.entered, limiter.left) == (2, 2)
        assert client.usage.maybe_charged == 2


async def test_rows_in_a_new_shape_end_a_run(client_of: MakeClient) -> None:
    """No row of them can be read: after five pages of three handles no more are bought."""
    body = page(["a", "b"], "c1").replace(b'"handle"', b'"uniqueId"').partition(b"\r\n\r\n")[2]
    handles = [f"u{n}" for n in range(300)]
    async with Scripted(http(200, body)) as api:
        run = client_of(api).iter_followers_many(handles, concurrency=4)
        pages = []
        with pytest.raises(DecodeError) as raised:
            async with run:
                async for event in run:
                    if isinstance(event, FollowersPage):
                        pages.append(event)
        assert raised.value.body == body
        assert len(api.seen) == len(pages) <= 5 + 4
        assert {(p.invalid_rows, p.body) for p in pages} == {(2, body)}
        assert len(run.pending()) == 300
