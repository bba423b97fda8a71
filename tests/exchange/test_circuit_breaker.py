"""The outage breaker by itself, its clock in the test's hands."""

import asyncio

import pytest

from socialfetch_async import ServiceUnavailableError
from socialfetch_async._exchange.circuit_breaker import CircuitBreaker
from socialfetch_async._protocol.probes import Waiting

DOWN = ServiceUnavailableError("down", status=503)


def clock() -> float:
    """Return a time that stands still: the waits are looked at and not waited for."""
    return 0.0


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
        breaker.failed(DOWN, 0.0)
    return breaker


def test_ten_failures_in_a_row_close_it() -> None:
    """Nine do not; a success between them starts the count again."""
    breaker = CircuitBreaker()
    for _ in range(9):
        breaker.failed(DOWN, 0.0)
    assert not breaker.open
    breaker.succeeded()
    for _ in range(9):
        breaker.failed(DOWN, 0.0)
    assert not breaker.open
    breaker.failed(DOWN, 0.0)
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
        if await breaker.wait(clock, patient=True):
            probing += 1
            assert probing == 1
            await asyncio.sleep(0)
            breaker.failed(DOWN, 0.0)
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
        probe = await breaker.wait(clock, patient=True)
        if probe:
            breaker.succeeded()
            breaker.probed()
        return probe

    assert sorted(await asyncio.gather(*(visitor() for _ in range(10)))) == [False] * 9 + [True]
    assert len(waits.seconds) == 1


async def test_the_breaker_closes_during_the_wait_of_a_probe() -> None:
    """A success from before the outage ends the wait without a probe."""
    breaker = open_breaker(Waits())
    waiting = asyncio.ensure_future(breaker.wait(clock, patient=True))
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
        breaker.failed(DOWN, 0.0)
    first = asyncio.ensure_future(breaker.wait(clock, patient=True))
    second = asyncio.ensure_future(breaker.wait(clock, patient=True))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    forever.set()
    assert await second is True
    breaker.probed()


async def test_without_patience_one_probes_and_the_others_give_up() -> None:
    """Nobody waits; while a probe is on its way everybody else is told at once."""
    breaker = open_breaker(Waits())
    assert await breaker.wait(clock, patient=False) is True
    assert await breaker.wait(clock, patient=False) is False
    breaker.probed()
    assert await breaker.wait(clock, patient=False) is True
    breaker.probed()


async def test_waits_start_short_again_in_the_next_outage() -> None:
    """How long the last outage was says nothing about this one."""
    waits = Waits()
    breaker = open_breaker(waits)
    for _ in range(3):
        await breaker.wait(clock, patient=True)
        breaker.probed()
    breaker.succeeded()
    for _ in range(10):
        breaker.failed(DOWN, 0.0)
    await breaker.wait(clock, patient=True)
    breaker.probed()
    assert waits.seconds[-1] == pytest.approx(0.1)


async def test_a_retry_after_is_a_floor_for_the_next_probe_of_all() -> None:
    """Whoever was told, the next request leaves when the API has asked for it."""
    now = 0.0
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    breaker = CircuitBreaker(jitter=lambda most: most, sleep=sleep)
    for number in range(10):
        asked = ServiceUnavailableError("busy", status=503, retry_after=30.0 if number == 3 else 2)
        breaker.failed(asked, now)
    assert breaker.not_before == 30.0

    assert await breaker.wait(lambda: now, patient=True) is True
    assert now == pytest.approx(30.0)
    breaker.probed()
    assert await breaker.wait(lambda: now, patient=True) is True  # the floor is behind it
    assert now < 31
    breaker.probed()


async def test_without_patience_nobody_probes_before_retry_after() -> None:
    """It is the API that asked; who does not wait fails at once."""
    breaker = CircuitBreaker()
    for _ in range(10):
        breaker.failed(DOWN.__class__("busy", status=503, retry_after=9.0), 0.0)
    assert await breaker.wait(clock, patient=False) is False
    assert await breaker.wait(lambda: 9.0, patient=False) is True
    breaker.probed()


def test_a_success_forgets_the_floor() -> None:
    """What was asked for in one outage does not hold in the next."""
    breaker = CircuitBreaker()
    breaker.failed(DOWN.__class__("busy", status=503, retry_after=900.0), 0.0)
    breaker.succeeded()
    assert breaker.not_before == 0.0


def test_a_new_breaker_lets_everything_through() -> None:
    """It knows of no failure, no time and no wait."""
    breaker = CircuitBreaker()
    state = (breaker.open, breaker.cause, breaker.since, breaker.not_before, breaker.next_probe)
    assert state == (False, None, 0.0, 0.0, 0.0)


def test_it_tells_since_when_it_is_open() -> None:
    """From the tenth failure on, whatever fails after that; then it says False."""
    breaker = CircuitBreaker()
    for second in range(20):
        breaker.failed(DOWN, float(second))
    assert (breaker.open, breaker.since) == (True, 9.0)
    breaker.succeeded()
    assert breaker.open is False


@pytest.mark.parametrize(("charged", "longest"), [(0, 5.0), (1, 360.0)])
async def test_probes_that_may_be_charged_become_rarer(charged: int, longest: float) -> None:
    """As the last failure may have been; `probes.py` says how much."""
    now, waiting = 0.0, Waiting((6,) * 10, 6, 3600, 3600)

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    breaker = CircuitBreaker(lambda most: most, sleep)
    for _ in range(10):
        breaker.failed(DOWN.__class__("down", status=500, maybe_charged=charged), now)
    for _ in range(25):
        began = now
        await breaker.wait(lambda: now, patient=True, waiting=lambda: waiting, attempts=6)
        breaker.probed()
    assert now - began == pytest.approx(longest)


@pytest.mark.parametrize(("asked", "told"), [(None, [100.1]), (0.5, [100.5])])
async def test_the_next_probe_is_told(asked: float | None, told: list[float]) -> None:
    """When it is to leave: after its own wait, and not before what the API asks for."""
    now, seen = 100.0, list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        seen.append(breaker.next_probe)

    breaker = CircuitBreaker(lambda most: most, sleep)
    for _ in range(10):
        breaker.failed(DOWN.__class__("busy", status=503, retry_after=asked), now)
    assert await breaker.wait(lambda: now, patient=True) is True
    assert seen == [pytest.approx(moment) for moment in told]
    assert breaker.next_probe == seen[-1]
    breaker.probed()


async def test_its_own_sleep_waits() -> None:
    """On the loop's clock."""
    breaker = CircuitBreaker(lambda most: most)
    for _ in range(10):
        breaker.failed(DOWN, 0.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await breaker.wait(loop.time, patient=True) is True
    assert loop.time() - began >= 0.1
    breaker.probed()


async def test_who_has_fewer_attempts_leaves_the_probe_to_the_next() -> None:
    """Whose wait is over with that of the one before."""
    waits = Waits()
    breaker = open_breaker(waits)

    async def visitor(attempts: int) -> bool:
        waiting = Waiting((1, 6), 6, 3600, 3600)
        return await breaker.wait(clock, patient=True, waiting=lambda: waiting, attempts=attempts)

    few, most = asyncio.ensure_future(visitor(1)), asyncio.ensure_future(visitor(6))
    assert await most is True
    assert waits.seconds == [pytest.approx(0.1)] * 2  # the clock stands still
    breaker.succeeded()
    breaker.probed()
    assert await few is False


async def test_a_retry_after_that_comes_in_a_wait_moves_the_probe() -> None:
    """By what is left of it, be that less than a second."""
    now, slept, told = 0.0, list[float](), list[float]()

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        slept.append(seconds)
        told.append(breaker.next_probe)
        if len(slept) == 1:
            breaker.failed(DOWN.__class__("busy", status=503, retry_after=0.5), now)

    breaker = CircuitBreaker(lambda most: most, sleep)
    for _ in range(10):
        breaker.failed(DOWN, now)
    assert await breaker.wait(lambda: now, patient=True) is True
    assert slept == [pytest.approx(0.1), pytest.approx(0.5)]
    assert told == [pytest.approx(0.1), pytest.approx(0.6)]
    breaker.probed()
