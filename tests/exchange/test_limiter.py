"""A limiter of the caller's: entered before each request, left after it, whatever happens."""

import asyncio
import logging
from types import TracebackType

import pytest
from aiolimiter import AsyncLimiter

from socialfetch_async import (
    BadRequestError,
    LookupFailedError,
    RetryPolicy,
    ServiceUnavailableError,
    SocialFetchClient,
    SocialFetchError,
)
from socialfetch_async.emulator import Emulator
from tests.conftest import MakeClient, until
from tests.scripted import HANG, Scripted, Seen, error, page

FAULTS = {"503": 0.1, "500": 0.1, "drop": 0.1, "lose": 0.1}
PATIENT = RetryPolicy(max_attempts=50, base=0.001, cap=0.002)


class Places:
    """A semaphore that counts who is inside, as one that lives elsewhere would."""

    def __init__(self, places: int = 100) -> None:
        self._places = asyncio.Semaphore(places)
        self.inside = self.peak = self.entered = self.queue = 0

    async def __aenter__(self) -> None:
        self.queue += 1
        try:
            await self._places.acquire()
        finally:
            self.queue -= 1
        self.entered += 1
        self.inside += 1
        self.peak = max(self.peak, self.inside)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.inside -= 1
        self._places.release()
        return True  # as if it had dealt with what was raised


def assert_nothing_is_held(client: SocialFetchClient, limiter: Places) -> None:
    """Check that everything which was taken for requests was given back."""
    assert limiter.inside == limiter.queue == 0
    assert client._exchange.admission.slots._value == 50
    assert not client._exchange.admission.breaker._probing.locked()


async def test_no_more_requests_than_the_rate_allows(client_of: MakeClient) -> None:
    """aiolimiter: five at once, then one in ten milliseconds, retries and free routes included."""
    times: list[float] = []
    loop = asyncio.get_running_loop()

    def answer(seen: Seen) -> bytes:
        times.append(loop.time())
        if len(times) % 6 == 0:
            return error(503)
        return page([f"f{len(times)}"], f"{len(times)}.{seen.target[-4:]}")

    async with Scripted(by=answer) as api:
        client = client_of(api, limiter=AsyncLimiter(5, 0.05))
        began = loop.time()
        async with client.iter_followers_many(["a", "b", "c"], max_pages_per_handle=6) as run:
            [_ async for _ in run]
    assert len(times) == 18 + 18 // 5
    for number, time in enumerate(times):
        assert time >= began + (number - 4) * 0.01 - 1e-6


async def test_a_semaphore_holds_one_request_each(client_of: MakeClient) -> None:
    """No more are on the wire than it has places, it is left each time, and nothing is lost."""
    profiles = {f"u{number}": 60 for number in range(8)}
    async with Emulator(profiles, faults=FAULTS, latency=0.001, seed=3) as api:
        limiter = Places(2)
        client = client_of(api, limiter=limiter, retry=PATIENT)
        async with client.iter_followers_many(list(profiles), concurrency=8) as run:
            got = [row async for row in run.followers()]
        assert len(got) == 8 * 60
        assert (limiter.peak, limiter.entered) == (2, len(api.requests))
        assert api.peak_concurrency <= 2
        assert_nothing_is_held(client, limiter)


@pytest.mark.jumping
@pytest.mark.parametrize(
    ("answers", "kind", "requests"),
    [
        ([error(400)], BadRequestError, 1),
        ([error(502)], LookupFailedError, 3),
        ([b""], SocialFetchError, 3),
        ([HANG], SocialFetchError, 3),
    ],
    ids=["400", "502", "lost", "timeout"],
)
async def test_it_is_left_after_an_error(
    client_of: MakeClient, answers: list[bytes], kind: type[Exception], requests: int
) -> None:
    """Also between attempts: it holds requests and no waits."""
    async with Scripted(*answers) as api:
        limiter = Places(1)
        client = client_of(api, limiter=limiter, retry=RetryPolicy(max_attempts=3, base=0.001))
        with pytest.raises(kind):
            await client.get_followers_page("ada")
        assert limiter.entered == requests
        assert_nothing_is_held(client, limiter)


async def test_it_is_left_by_cancelled_requests(client_of: MakeClient) -> None:
    """On the wire and in its queue."""
    async with Scripted(HANG) as api:
        limiter = Places(2)
        client = client_of(api, limiter=limiter)
        tasks = [asyncio.ensure_future(client.get_followers_page(f"u{n}")) for n in range(5)]
        await until(lambda: len(api.seen) == 2)
        assert (limiter.inside, limiter.queue) == (2, 3)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        assert len(api.seen) == client.usage.requests_sent == 2
        assert_nothing_is_held(client, limiter)


async def test_it_is_left_in_an_outage(client_of: MakeClient) -> None:
    """Who waits at the open breaker holds no place; the probe does, and all go on after it."""
    async with Emulator(dict.fromkeys(map(str, range(30)), 1)) as api:
        api.fault("503", 1.0)
        limiter = Places(3)
        client = client_of(api, limiter=limiter, retry=PATIENT)
        tasks = [asyncio.ensure_future(client.get_followers_page(str(n))) for n in range(30)]
        await until(lambda: client._exchange.admission.breaker.open)
        await until(lambda: limiter.inside == 0)
        tasks[0].cancel()
        api.fault("503", 0.0)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert not any(isinstance(result, BaseException) for result in results[1:])
        assert_nothing_is_held(client, limiter)


@pytest.mark.jumping
async def test_the_deadline_ends_the_wait_in_it(client_of: MakeClient) -> None:
    """After a failed attempt; before the first one the wait is the caller's own and has none."""
    async with Scripted(error(503), page(["a"])) as api:
        limiter = Places(1)
        client = client_of(api, limiter=limiter, retry=RetryPolicy(deadline=20.0, base=0.0))
        async with limiter:
            first = asyncio.ensure_future(client.get_followers_page("ada"))
            await until(lambda: limiter.queue == 1)
            behind = asyncio.ensure_future(limiter.__aenter__())
            await asyncio.sleep(20.01)
        await behind
        with pytest.raises(ServiceUnavailableError) as caught:
            await first
        await limiter.__aexit__(None, None, None)
        assert "deadline of 20 s" in str(caught.value)
        assert (caught.value.attempts, caught.value.maybe_charged) == (1, False)
        assert (await client.get_followers_page("ada")).followers
        assert_nothing_is_held(client, limiter)


async def test_stop_ends_the_wait_in_it(client_of: MakeClient) -> None:
    """Workers in its queue end at once and send nothing; their credits are free again."""
    handles = [f"u{number}" for number in range(6)]
    async with Emulator(dict.fromkeys(handles, 100)) as api:
        limiter = Places(1)
        client = client_of(api, limiter=limiter)
        async with client.iter_followers_many(handles, concurrency=6, max_credits=9) as run:
            await anext(run)
            async with limiter:
                await until(lambda: limiter.queue == run.concurrency - len(run._workers.events))
                bought = len(api.charges)
                run.stop()
                async with asyncio.timeout(60):
                    [_ async for _ in run]
            assert len(api.charges) == bought == run.credits_charged
            assert run.reserved == 0
        assert set(run.pending()) == set(handles)
        assert_nothing_is_held(client, limiter)


async def test_leaving_a_run_ends_the_wait_in_it(client_of: MakeClient) -> None:
    """As leaving ends everything else that waits."""
    async with Emulator({"ada": 100, "bo": 100}) as api:
        limiter = Places(1)
        client = client_of(api, limiter=limiter)
        async with limiter:
            async with client.iter_followers_many(["ada", "bo"]) as run:
                await until(lambda: limiter.queue == 2)
        assert not api.requests
        assert (run.reserved, run.pending()) == (0, {"ada": None, "bo": None})
        assert_nothing_is_held(client, limiter)


async def test_a_credit_limit_is_used_to_the_last_credit(client_of: MakeClient) -> None:
    """At any width, and not a credit beyond, whatever waits where."""
    handles = [f"u{number}" for number in range(10)]
    async with Emulator(dict.fromkeys(handles, 200), latency=0.001) as api:
        limiter = Places(3)
        client = client_of(api, limiter=limiter)
        async with client.iter_followers_many(handles, concurrency=10, max_credits=37) as run:
            [_ async for _ in run]
        assert len(api.charges) == run.credits_charged == 37
        assert run.reserved == 0
        assert {done.status for done in run.outcomes.values()} == {"max_credits"}
        assert_nothing_is_held(client, limiter)


class Broken(Places):
    """A limiter whose server is away."""

    def __init__(self, entering: Exception | None = None, leaving: Exception | None = None) -> None:
        super().__init__()
        self._entering = entering
        self._leaving = leaving

    async def __aenter__(self) -> None:
        if self._entering is not None:
            raise self._entering
        await super().__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        await super().__aexit__(kind, raised, traceback)
        if self._leaving is not None:
            raise self._leaving
        return False


@pytest.mark.parametrize("raised", [ConnectionError("no redis"), TimeoutError("no redis in time")])
async def test_a_limiter_that_can_not_be_entered_is_the_callers(
    client_of: MakeClient, raised: Exception
) -> None:
    """Its own error comes out, nothing was sent, and the same stream or run can go on."""
    async with Emulator({"ada": 30}) as api:
        limiter = Broken(entering=raised)
        client = client_of(api, limiter=limiter)
        stream = client.iter_followers("ada")
        with pytest.raises(type(raised), match="no redis"):
            await anext(stream)
        async with client.iter_followers_many(["ada"]) as run:
            with pytest.raises(type(raised), match="no redis"):
                await anext(run)
                await anext(run)
        assert run.pending() == {"ada": None}
        assert not api.requests
        limiter._entering = None
        assert len([_ async for _ in stream]) == 30
        assert_nothing_is_held(client, limiter)


async def test_a_limiter_that_fails_when_it_is_left_costs_no_page(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """What came is delivered; the failure is in the log."""
    async with Emulator({"ada": 50}) as api:
        limiter = Broken(leaving=ConnectionError("no redis"))
        client = client_of(api, limiter=limiter)
        assert len([_ async for _ in client.iter_followers("ada")]) == 50
        assert len(api.charges) == 3
        failures = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(failures) == 3
        assert all("limiter" in record.getMessage() for record in failures)
        assert_nothing_is_held(client, limiter)


async def test_a_closed_client_sends_nothing_that_waited_in_it(client_of: MakeClient) -> None:
    """Whoever comes out of the queue then is told, and holds nothing."""
    async with Emulator({"ada": 50}) as api:
        limiter = Places(1)
        client = client_of(api, limiter=limiter)
        async with limiter:
            waiting = asyncio.ensure_future(client.get_followers_page("ada"))
            await until(lambda: limiter.queue == 1)
            await client.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await waiting
        assert not api.requests
        assert_nothing_is_held(client, limiter)
