"""An outage for everybody, on a clock that jumps over the waits; figure 13 has the long ones."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from socialfetch_async import (
    HandleDone,
    RetryPolicy,
    ServiceUnavailableError,
    SocialFetchClient,
    SocialFetchError,
)
from socialfetch_async.events import Event, Outage, OutageBegan, OutageEnded
from tests import travel
from tests.faults.figures_clock import CONCURRENCY, DOWN, HTML, Api, client_of, now, outcomes_of
from tests.scripted import Scripted, Seen, error, http, page


@pytest.mark.parametrize("concurrency", [3, 5])
def test_few_lists_have_attempts_left_after_forty_minutes(concurrency: int) -> None:
    """Probes that may be charged use attempts up: the fewer there are, the rarer the probes."""
    api = Api(error(500), 40, after=200)

    async def main() -> tuple[list[HandleDone], int]:
        async with Scripted(by=api) as server, client_of(server) as client:
            return await outcomes_of(client, 110, concurrency), client.usage.maybe_charged

    done, maybe_charged = travel.run(main())

    assert {outcome.status for outcome in done} == {"complete"}
    assert api.refused == maybe_charged <= RetryPolicy().max_attempts * concurrency


FIRST = RetryPolicy(outage_patience=3600.0, retry_after_cap=3600.0, first_patience=30.0)


@pytest.mark.parametrize("how", ["503", "503 with Retry-After", "500", "connections that end"])
def test_an_api_that_never_answers_ends_a_run_soon(how: str) -> None:
    """After half a minute and not an hour, with everything pending and an error that says so."""

    async def main() -> tuple[SocialFetchError, int, float]:
        began = now()
        async with Scripted(by=lambda _: DOWN[how]) as server, client_of(server, retry=FIRST) as cl:
            names = [f"h{number}" for number in range(60)]
            async with cl.iter_followers_many(names, concurrency=CONCURRENCY) as run:
                with pytest.raises(SocialFetchError) as raised:
                    [_ async for _ in run]
            return raised.value, len(run.pending()), now() - began

    error, pending, seconds = travel.run(main())

    assert error.unanswered
    assert "It has not answered once within first_patience=30 s." in str(error)
    assert pending == 60
    assert 30 <= seconds < 60


def test_the_first_patience_is_only_for_the_first_answer() -> None:
    """An outage in a batch that has begun is waited out."""
    api = Api(DOWN["503"], 40, after=200)

    async def main() -> list[HandleDone]:
        async with Scripted(by=api) as server, client_of(server, retry=FIRST) as client:
            return await outcomes_of(client, 110)

    assert {outcome.status for outcome in travel.run(main())} == {"complete"}


def test_the_client_knows_the_outage() -> None:
    """What failed last, for how long, and when the next probe leaves; None without one."""

    async def main() -> Outage | None:
        async with Scripted(by=lambda _: error(503)) as server, client_of(server) as client:
            assert client.outage is None
            fetching = asyncio.ensure_future(outcomes_of(client, 30))
            await asyncio.sleep(60)
            outage = client.outage
            fetching.cancel()
            await asyncio.wait([fetching])
            return outage

    outage = travel.run(main())

    assert outage is not None
    assert isinstance(outage.error, ServiceUnavailableError)
    assert 50 < outage.seconds < 60.1
    assert 0 <= outage.next_probe <= 5


def failed_with(api: Callable[[Seen], bytes], **options: Any) -> tuple[list[HandleDone], float]:
    """Fetch some handles that fail; return how, and how long it took."""

    async def main() -> tuple[list[HandleDone], float]:
        began = now()
        async with Scripted(by=api) as server, client_of(server, **options) as client:
            return await outcomes_of(client, 60), now() - began

    return travel.run(main())


def test_an_outage_uses_up_the_patience_of_all() -> None:
    """After an hour everybody gives up: not one hour after the other."""
    done, took = failed_with(lambda _: error(503))

    assert {outcome.status for outcome in done} == {"failed"}
    assert 3600 < took < 3600 + 60 / CONCURRENCY * 130
    assert all(outcome.error is not None for outcome in done)


def test_without_patience_the_deadline_ends_it() -> None:
    """The default policy waits in an outage, and no longer than for anything else."""
    done, took = failed_with(lambda _: error(503), retry=RetryPolicy())

    assert {outcome.status for outcome in done} == {"failed"}
    assert 120 < took < 60 / CONCURRENCY * 125


def test_a_retry_after_beyond_the_cap_is_not_waited_for() -> None:
    """The class stays, and the error says for how long: everybody fails at once."""
    done, took = failed_with(lambda _: error(503, Retry_After="600"), retry=RetryPolicy())

    assert took < 5
    for outcome in done:
        assert isinstance(outcome.error, ServiceUnavailableError)
        assert outcome.error.retry_after == 600
        assert "retry_after_cap=120" in str(outcome.error)


def test_one_bad_page_is_no_outage() -> None:
    """While others are answered it is given up after its attempts, whatever the patience."""

    def answer(seen: Seen) -> bytes:
        return error(500) if "/h7/" in seen.target else page(["a"], None)

    done, _ = failed_with(answer)

    failed = {outcome.handle: outcome.error for outcome in done if outcome.error is not None}
    assert list(failed) == ["h7"]
    assert isinstance(failed["h7"], SocialFetchError)
    assert failed["h7"].attempts <= 16


@pytest.mark.parametrize("concurrency", [1, 3, CONCURRENCY])
@pytest.mark.parametrize("answer", [error(500), http(502, HTML), http(200, HTML)])
def test_pages_that_always_fail_have_a_price(answer: bytes, concurrency: int) -> None:
    """Each attempt may be charged: patience is no leave to buy one page for an hour."""
    policy = RetryPolicy.batch()

    async def main() -> tuple[list[HandleDone], SocialFetchClient]:
        async with Scripted(by=lambda _: answer) as server, client_of(server) as client:
            names = [f"h{number}" for number in range(2 * concurrency)]
            async with client.iter_followers_many(names, concurrency=concurrency) as run:
                return [e async for e in run if isinstance(e, HandleDone)], client

    done, client = travel.run(main())

    assert {outcome.status for outcome in done} == {"failed"}
    most = policy.max_attempts + 1  # one was on its way when the breaker opened
    assert all(o.error is not None and o.error.attempts <= most for o in done)
    assert client.usage.maybe_charged <= 2 * concurrency * most


def test_a_502_of_the_vendor_shows_the_api_alive() -> None:
    """It is about one profile: twenty of them open no circuit breaker."""
    events: list[Event] = []
    done, took = failed_with(lambda _: error(502), on_event=events.append)

    assert {outcome.status for outcome in done} == {"failed"}
    assert not [event for event in events if isinstance(event, OutageBegan)]
    assert took < 200


def test_an_outage_is_told_in_standard_terms(caplog: pytest.LogCaptureFixture) -> None:
    """Since when and why, and after how long it was over."""
    events: list[Event] = []
    began = datetime.now(UTC).replace(microsecond=0)

    async def main() -> None:
        async with (
            Scripted(by=Api(error(503), minutes=0.2, after=200)) as server,
            client_of(server, on_event=events.append) as client,
        ):
            await outcomes_of(client, 150)

    with caplog.at_level(logging.WARNING):
        travel.run(main())

    opened, closed = (event for event in events if isinstance(event, OutageBegan | OutageEnded))
    assert isinstance(opened, OutageBegan)
    assert isinstance(closed, OutageEnded)
    assert isinstance(opened.error, ServiceUnavailableError)
    assert opened.since == closed.since
    assert began <= datetime.fromisoformat(opened.since) <= datetime.now(UTC)
    assert closed.error is opened.error
    first, second = [record.getMessage() for record in caplog.records][:2]
    assert first.startswith(f"circuit breaker open since {opened.since}: ")
    assert "the API responded with 503" in first
    assert second == (
        f"circuit breaker closed after {closed.seconds:.1f} s: the API responds again"
    )
