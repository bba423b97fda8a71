"""Any schedule of faults: nothing lost, nothing twice, nothing spent that is not accounted for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from socialfetch_async import FollowersPage, RetryPolicy, SocialFetchError
from tests.faults.child import FaultServer
from tests.faults.harness import assert_bracketed, client_of, ids, on
from tests.faults.wire import DELIVERED, RETRIED

HANDLES = ("ann", "bob", "cat")
PAGES = 4
BOUNDED = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
Schedule = dict[tuple[str, int], list[str]]

faults = st.sampled_from((*RETRIED, *DELIVERED))
schedules: st.SearchStrategy[Schedule] = st.dictionaries(
    st.tuples(st.sampled_from(HANDLES), st.integers(0, PAGES - 1)),
    st.lists(faults, min_size=1, max_size=3),
)
FOUR = RetryPolicy(max_attempts=4, base=0.001, cap=0.002)
TWO = RetryPolicy(max_attempts=2, base=0.001, cap=0.002)


def prepared(server: FaultServer, schedule: Schedule) -> FaultServer:
    """Return the server, new, with the faults of a schedule ordered."""
    server.reset(pages=PAGES)
    for (handle, page), kinds in schedule.items():
        server.order(handle, page, *kinds)
    return server


def within(seconds: float, work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine in a loop of its own, for so long at most."""
    asyncio.run(asyncio.wait_for(work, seconds))


@BOUNDED
@given(schedule=schedules, concurrency=st.integers(1, 6))
def test_a_run_gets_every_page_once(
    fault_server: FaultServer, schedule: Schedule, concurrency: int
) -> None:
    """Fewer faults a page than attempts: all is delivered once, and every request is ours."""
    server = prepared(fault_server, schedule)

    async def work() -> None:
        async with client_of(server, retry=FOUR) as client:
            async with client.iter_followers_many(HANDLES, concurrency=concurrency) as run:
                pages = [event async for event in run if isinstance(event, FollowersPage)]
            for handle in HANDLES:
                got = on(page for page in pages if page.handle == handle)
                assert got == ids(handle, range(PAGES))
                assert run.outcomes[handle].status == "complete"
            count = server.count
            assert run.pending() == {}
            assert count.requests == client.usage.requests_sent
            assert count.charged - len(pages) == count.faults_after
            assert client.usage.credits_charged == len(pages)
            assert_bracketed(server, client)

    within(60, work())


@BOUNDED
@given(schedule=schedules)
def test_a_stream_gets_every_page_once_across_its_errors(
    fault_server: FaultServer, schedule: Schedule
) -> None:
    """More faults a page than attempts: going on with the same stream loses and repeats nothing."""
    server = prepared(fault_server, schedule)

    async def work() -> None:
        async with client_of(server, retry=TWO) as client:
            for handle in HANDLES:
                stream = client.iter_followers(handle)
                seen: list[str] = []
                positions = {True}
                while stream.stop_reason is None:
                    try:
                        async for follower in stream:
                            seen.append(follower.handle)
                    except SocialFetchError as error:
                        positions.add((error.handle, error.cursor) == (handle, stream.cursor))
                assert seen == ids(handle, range(PAGES))
                assert positions == {True}
            assert server.count.requests == client.usage.requests_sent
            assert_bracketed(server, client)

    within(60, work())


@BOUNDED
@given(schedule=schedules, limit=st.integers(1, 14), concurrency=st.integers(1, 6))
def test_a_credit_limit_holds_on_the_server(
    fault_server: FaultServer, schedule: Schedule, limit: int, concurrency: int
) -> None:
    """A run and a stream never cost more than allowed, whatever was charged for nothing."""
    server = prepared(fault_server, schedule)

    async def work() -> None:
        async with client_of(server, retry=FOUR) as client:
            options: dict[str, Any] = {"concurrency": concurrency, "max_credits": limit}
            async with client.iter_followers_many(HANDLES, **options) as run:
                pages = [event async for event in run if isinstance(event, FollowersPage)]
            count = server.count
            assert count.charged <= limit
            assert count.charged - len(pages) == count.faults_after
            limited = any(done.status == "max_credits" for done in run.outcomes.values())
            spent = client.usage.credits_charged + client.usage.maybe_charged
            assert len(pages) == len(HANDLES) * PAGES or spent == limit
            assert limited == bool(run.pending()) or not run.outcomes
            server.reset(pages=PAGES).order("ann", 1, "reset-after", "half-json")
            stream = client.iter_followers("ann", max_credits=limit)
            delivered = [page async for page in stream.pages()]
            assert on(delivered) == ids("ann", range(len(delivered)))
            assert server.count.charged <= limit

    within(60, work())
