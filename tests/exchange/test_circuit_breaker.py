"""The outage breaker by itself, its clock in the test's hands."""

import asyncio

import pytest

from socialfetch_async import ServiceUnavailableError
from socialfetch_async._exchange.circuit_breaker import CircuitBreaker

DOWN = ServiceUnavailableError("down", status=503)


class Waits:
    """Collects the waits instead of waiting; each lets the loop run once."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def open_breaker(sleep: Waits) -> CircuitBreaker:
    breaker = CircuitBreaker(jitter=lambda most: most, sleep=sleep)
    for _ in range(10):
        breaker.failed(DOWN)
    return breaker


def test_ten_failures_in_a_row_close_it() -> None:
    """Nine do not; a success between them starts the count again."""
    breaker = CircuitBreaker()
    for _ in range(9):
        breaker.failed(DOWN)
    assert not breaker.open
    breaker.succeeded()
    for _ in range(9):
        breaker.failed(DOWN)
    assert not breaker.open
    breaker.failed(DOWN)
    assert breaker.open
    assert breaker.cause is DOWN
    breaker.succeeded()
    assert not breaker.open


async def test_probes_go_one_at_a_time_with_growing_waits() -> None:
    """Each failed probe is followed by the next in line after a longer wait, at most 5 s."""
    waits = Waits()
    breaker = open_breaker(waits)
    probing = 0

    async def visitor() -> None:
        nonlocal probing
        if await breaker.wait(patient=True):
            probing += 1
            assert probing == 1
            await asyncio.sleep(0)
            breaker.failed(DOWN)
            probing -= 1
            breaker.probed()

    await asyncio.gather(*(visitor() for _ in range(20)))
    assert waits.seconds[0] == pytest.approx(0.1)
    assert waits.seconds[1] == pytest.approx(0.13)
    assert waits.seconds == sorted(waits.seconds)
    assert waits.seconds[-1] == 5.0
    assert len(waits.seconds) == 20


async def test_a_success_lets_everybody_through() -> None:
    """Those in line do not probe and do not wait once the breaker is open."""
    waits = Waits()
    breaker = open_breaker(waits)

    async def visitor() -> bool:
        probe = await breaker.wait(patient=True)
        if probe:
            breaker.succeeded()
            breaker.probed()
        return probe

    assert sorted(await asyncio.gather(*(visitor() for _ in range(10)))) == [False] * 9 + [True]
    assert len(waits.seconds) == 1


async def test_the_gate_opens_during_the_wait_of_a_probe() -> None:
    """A success from before the outage ends the wait without a probe."""
    breaker = open_breaker(Waits())
    waiting = asyncio.ensure_future(breaker.wait(patient=True))
    await asyncio.sleep(0)
    breaker.succeeded()
    assert await waiting is False
    assert not breaker._probing.locked()


async def test_a_cancelled_probe_is_handed_on() -> None:
    """Cancelled in its wait, the next in line becomes the probe."""
    forever = asyncio.Event()

    async def sleep(_: float) -> None:
        await forever.wait()

    breaker = CircuitBreaker(sleep=sleep)
    for _ in range(10):
        breaker.failed(DOWN)
    first = asyncio.ensure_future(breaker.wait(patient=True))
    second = asyncio.ensure_future(breaker.wait(patient=True))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    forever.set()
    assert await second is True
    breaker.probed()


async def test_without_patience_one_probes_and_the_others_give_up() -> None:
    """Nobody waits; while a probe is on its way everybody else is told at once."""
    breaker = open_breaker(Waits())
    assert await breaker.wait(patient=False) is True
    assert await breaker.wait(patient=False) is False
    breaker.probed()
    assert await breaker.wait(patient=False) is True
    breaker.probed()


async def test_waits_start_short_again_in_the_next_outage() -> None:
    """How long the last outage was says nothing about this one."""
    waits = Waits()
    breaker = open_breaker(waits)
    for _ in range(3):
        await breaker.wait(patient=True)
        breaker.probed()
    breaker.succeeded()
    for _ in range(10):
        breaker.failed(DOWN)
    await breaker.wait(patient=True)
    breaker.probed()
    assert waits.seconds[-1] == pytest.approx(0.1)
