"""An API that limits the rate: when the client slows down and when not; figure 18 has how much."""

import asyncio
import logging

import pytest

from socialfetch_async.emulator import Emulator
from tests import travel
from tests.conftest import MakeClient
from tests.faults.figures_clock import Limited, client_of
from tests.scripted import Scripted, Seen, error, http, page


async def test_a_few_refusals_slow_nobody_down(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """One in a hundred is what a busy server does at any rate."""
    profiles = {f"u{number}": 200 for number in range(30)}
    async with Emulator(profiles, faults={"503": 0.01}, seed=5) as api:
        client = client_of(api)
        with caplog.at_level(logging.INFO):
            async with client.iter_followers_many(list(profiles), concurrency=30) as run:
                [_ async for _ in run]
        assert {done.status for done in run.outcomes.values()} == {"complete"}
        assert "limits the rate" not in caplog.text


class Evenly:
    """A limiter: so many requests per second, on a clock that may jump."""

    def __init__(self, rate: float) -> None:
        self._every = 1 / rate
        self._next = 0.0

    async def __aenter__(self) -> None:
        now = asyncio.get_running_loop().time()
        self._next = max(self._next + self._every, now)
        await asyncio.sleep(self._next - now)

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize("refusal", [error(503), http(503, b"<h1>No</h1>")], ids=["API", "gateway"])
def test_pages_that_are_always_refused_slow_nobody_down(
    refusal: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """While others are answered it is these pages; nor is it an outage when only they are left."""

    def answer(seen: Seen) -> bytes:
        if int(seen.target.split("/")[4].removeprefix("h")) % 15 == 0:
            return refusal
        number = int(seen.cursor or 0) + 1
        return page([f"f{number}"], f"{number}" if number < 3 else None)

    async def main() -> list[str]:
        async with (
            Scripted(by=answer) as server,
            client_of(server, limiter=Evenly(50)) as client,
        ):
            handles = [f"h{number}" for number in range(150)]
            async with client.iter_followers_many(handles, concurrency=50) as run:
                [_ async for _ in run]
            return [done.handle for done in run.outcomes.values() if done.status == "failed"]

    with caplog.at_level(logging.INFO):
        assert len(travel.run(main())) == 10
    assert "limits the rate" not in caplog.text
    assert "circuit breaker" not in caplog.text


async def test_one_list_alone_is_not_slowed_down(client_of: MakeClient) -> None:
    """Fewer at once than one there is not: its own waits and attempts are what counts."""
    async with Scripted(page(["a"], "1"), *[error(503)] * 5, page(["b"])) as api:
        client = client_of(api)
        stream = client.iter_followers("ada")
        assert [row.handle async for row in stream] == ["a", "b"]
        assert client._exchange.admission.straight
        assert len(api.seen) == 7


def test_the_limit_is_said_once_for_each_decrease(caplog: pytest.LogCaptureFixture) -> None:
    """In the log, at a level that is not shown by default."""
    api = Limited(error(429))

    async def main() -> None:
        async with Scripted(by=api) as server, client_of(server) as client:
            handles = [f"h{number}" for number in range(20)]
            async with client.iter_followers_many(handles, concurrency=50) as run:
                [_ async for _ in run]

    with caplog.at_level(logging.INFO):
        travel.run(main())
    said = [r for r in caplog.records if "the API limits the rate" in r.getMessage()]
    assert 1 <= len(said) <= 10
    assert all(record.levelno == logging.INFO for record in said)
    assert "requests per second" in said[0].getMessage()
