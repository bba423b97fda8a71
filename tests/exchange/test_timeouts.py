"""Many attempts, one timer: each ends at its own time."""

import asyncio
import contextlib

import pytest

from socialfetch_async._exchange.timeouts import AttemptTimeouts

pytestmark = pytest.mark.jumping


async def timed(timeouts: AttemptTimeouts, seconds: float, work: float) -> float | None:
    """Work for some time under a timeout; return after how long it was cut, None if it was not."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        with timeouts.limit(seconds):
            await asyncio.sleep(work)
    except TimeoutError:
        return loop.time() - began
    return None


async def test_each_limit_ends_at_its_own_time() -> None:
    """Whatever the order in which they were started, and with one timer for all."""
    timeouts = AttemptTimeouts()
    limits = [50, 20, 200, 30, 20]
    cut = await asyncio.gather(*(timed(timeouts, limit, 100) for limit in limits))
    assert [at is None for at in cut] == [limit > 100 for limit in limits]
    for limit, at in zip(limits, cut, strict=True):
        assert at is None or limit <= at < limit + 9
    assert not timeouts._running
    timeouts.close()


async def test_the_timer_stays_for_those_that_follow() -> None:
    """A thousand attempts in a row need no timer of their own, and none is cut by another's."""
    timeouts = AttemptTimeouts()
    first = None
    for _ in range(1_000):
        assert await timed(timeouts, 30.0, 0) is None
        first = first or timeouts._timer
        assert timeouts._timer is first
    timeouts.close()
    assert first is not None
    assert first.cancelled()


async def test_a_timer_without_attempts_ends() -> None:
    """When all have ended, the timer fires once and is not set again."""
    timeouts = AttemptTimeouts()
    timeouts.close()
    assert await timed(timeouts, 10, 0) is None
    await asyncio.sleep(30)
    assert timeouts._timer is None


async def test_an_attempt_that_unwinds_slowly_is_ended_once() -> None:
    """The next one's time comes while the first still cleans up."""
    timeouts = AttemptTimeouts()

    async def check() -> None:
        with pytest.raises(TimeoutError), timeouts.limit(10):
            try:
                await asyncio.sleep(1_000)
            finally:
                await asyncio.sleep(50)

    results = await asyncio.gather(check(), timed(timeouts, 30, 1_000))
    assert results[1] is not None


async def test_a_cancellation_from_outside_stays_one() -> None:
    """Cancelled before its time, an attempt ends as cancelled and not as timed out."""
    timeouts = AttemptTimeouts()
    task = asyncio.ensure_future(timed(timeouts, 5, 5))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not timeouts._running
    timeouts.close()


async def test_both_at_once_is_a_cancellation() -> None:
    """Cancelled from outside while its time is up as well, an attempt ends as cancelled."""
    timeouts = AttemptTimeouts()

    async def attempt() -> None:
        with timeouts.limit(10):
            try:
                await asyncio.sleep(1_000)
            finally:
                task.cancel()

    task = asyncio.ensure_future(attempt())
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_an_answer_in_the_last_moment_counts() -> None:
    """An attempt that catches its own end and returns is not cancelled any more."""
    timeouts = AttemptTimeouts()
    with timeouts.limit(10), contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(1_000)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
