"""Figures 15 and 17: limits at any price, and behind gateways that lose what was charged."""

import asyncio
from random import Random
from typing import NamedTuple

from socialfetch_async import FollowersRun, RetryPolicy
from tests.faults.child import FaultServer
from tests.faults.figures import Line, Scale
from tests.faults.harness import client_of
from tests.faults.wire import GATEWAY_LOSSES

_RUNS = 3
_PAGES = 10


class Limits(NamedTuple):
    """Runs side by side under their own limits and the client's.

    Attributes:
        known: The price is known before the first page, as from a journal.
    """

    price: int
    known: bool
    of_client: int | None
    of_run: int
    concurrency: int


def _drawn(random: Random) -> Limits:
    price, known = random.choice((1, 2, 5, 7)), random.random() < 0.5
    # The first page of all can only be refused where somebody knows what it costs.
    least = 1 if known else price
    return Limits(
        price,
        known,
        random.choice((None, random.randint(least, 100))),
        random.randint(least, 100),
        random.randint(1, 50),
    )


async def limits(server: FaultServer, scale: Scale, seed: int) -> list[Line]:
    """Figure 15: no limit is passed, and what fits is used."""
    random = Random(seed)
    passed = unused = 0
    for _ in range(scale.limits):
        drawn = _drawn(random)
        over, left = await _spent(server, drawn)
        passed += over
        unused += left >= drawn.price
    return [
        Line(15, f"seed {seed}: passed of {(_RUNS + 1) * scale.limits} limits", passed, 0),
        Line(15, f"seed {seed}: of {scale.limits} times, a page not bought that fits", unused, 0),
    ]


async def _spent(server: FaultServer, drawn: Limits) -> tuple[int, int]:
    """Let runs buy what they may; return limits that were passed, and credits left to use."""
    server.reset(pages=10**6, price=drawn.price)
    handles = [f"h{number}" for number in range(60)]
    async with client_of(server, max_credits=drawn.of_client) as client:
        runs = [
            client.iter_followers_many(
                handles, concurrency=drawn.concurrency, max_credits=drawn.of_run
            )
            for _ in range(_RUNS)
        ]
        if drawn.known:
            runs[0].learn_price(drawn.price)
        await asyncio.gather(*map(_drained, runs))
    charged = server.count.charged
    assert charged == client.usage.credits_charged == sum(run.credits_charged for run in runs)
    assert {done.status for run in runs for done in run.outcomes.values()} == {"max_credits"}
    passed = sum(run.credits_charged > drawn.of_run for run in runs)
    usable = _RUNS * (drawn.of_run // drawn.price * drawn.price)
    if drawn.of_client is not None:
        passed += charged > drawn.of_client
        usable = min(usable, drawn.of_client)
    return passed, usable - charged


async def _drained(run: FollowersRun) -> None:
    async with run:
        async for _ in run:
            pass


async def losing_gateways(server: FaultServer, scale: Scale, seed: int) -> list[Line]:
    """Figure 17: a gateway's 5xx hides a page that was charged, and counts as one."""
    lines: list[Line] = []
    handles = [f"h{number}" for number in range(scale.gateway_handles)]
    limit = scale.gateway_handles * _PAGES // 2
    policy = RetryPolicy(base=0.001, cap=0.005, max_attempts=20)
    for rate in (0.05, 0.30):
        server.reset(pages=_PAGES, rate=rate, kinds=list(GATEWAY_LOSSES), seed=seed)
        async with client_of(server, retry=policy, max_credits=limit) as client:
            run = client.iter_followers_many(handles, concurrency=50)
            await _drained(run)
        count, maybe = server.count, client.usage.maybe_charged
        what = f"seed {seed}, {rate:.0%} lost"
        lines += [
            Line(17, f"{what}: charged over a limit of {limit}", max(0, count.charged - limit), 0),
            Line(17, f"{what}: of it not used", max(0, limit - count.charged), 0),
            Line(
                17,
                f"{what}: maybe_charged {maybe} / {count.faults_after} lost",
                maybe / count.faults_after,
                1.1,
                least=1.0,
            ),
        ]
    return lines
