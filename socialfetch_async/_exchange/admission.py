"""Everything a request waits for before it may leave: breaker, pace, limiter, slot, credit."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext, suppress
from functools import partial
from typing import Final, TypeVar

from socialfetch_async._exchange.call import Call
from socialfetch_async._exchange.circuit_breaker import CircuitBreaker
from socialfetch_async._exchange.reports import Reports
from socialfetch_async._log import logger
from socialfetch_async._protocol.pace import Pace
from socialfetch_async._protocol.probes import Waiting
from socialfetch_async._protocol.retry import (
    concerns_all,
    deadline_passed,
    first_patience_left,
    is_spared,
    never_answered,
    rule,
    slows_down,
    too_long_to_wait,
)
from socialfetch_async.errors import SocialFetchError
from socialfetch_async.policy import RetryPolicy

T = TypeVar("T")

_OUTAGE: Final = "The API is down at the moment, so no request was sent."


class Admission:
    """Lets requests leave, for all lists of a client, and learns from what becomes of them.

    Args:
        policy: How long a request may wait.
        slots: Requests on the wire at once.
        limiter: The caller's own limiter, which each request is made in.
        jitter: Returns a random number between 0 and its argument.
        check_usable: Raises when the client was closed meanwhile; returns the loop.
        reports: Is told of outages and rate limits.

    Attributes:
        straight: Nothing but a slot and a credit is needed: the usual case, which costs nothing.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        *,
        slots: int,
        limiter: AbstractAsyncContextManager[object] | None,
        jitter: Callable[[float], float],
        check_usable: Callable[[], asyncio.AbstractEventLoop],
        reports: Reports,
    ) -> None:
        self._policy = policy
        self._limiter = limiter
        self._check_usable = check_usable
        self._reports = reports
        self._turn = asyncio.Lock()  # to keep pace, one after the other
        self._answers = 0
        self._alive = False  # since it answered for the first time, if only to refuse
        self.slots = asyncio.Semaphore(slots)
        self.breaker = CircuitBreaker(jitter, on_change=self._breaker_changed)
        self._waiting: set[Call] = set()  # for the breaker
        self._probe: Call | None = None  # the last one, while it does not wait again
        self.pace = Pace()
        self.straight = limiter is None

    async def admit(self, call: Call) -> AsyncExitStack:
        """Wait until the request may leave; return what it holds until its answer is here.

        That is a slot, the caller's limiter, and the turn to probe, if it is the circuit
        breaker's probe. Its credit is set aside last, and it waits for none while it holds a slot.

        Raises:
            SocialFetchError: The deadline passed, or there was no patience for an outage.
            NothingMoreMaySend: The budget allows no further attempt.
        """
        while True:
            async with AsyncExitStack() as held:
                probing = self.breaker.open and await self._pass_breaker(call)
                if probing:
                    held.callback(self.breaker.probed)
                elif self.pace.rate is not None:
                    await self.wait(call, self._keep_pace, for_api=True)
                if self._limiter is not None:
                    await self.wait(call, self._limiter.__aenter__)
                    held.push_async_callback(_leave, self._limiter)
                await self.wait(call, self.slots.acquire)
                held.callback(self.slots.release)
                self._check_usable()
                passable = probing or not self.breaker.open
                if passable and call.reserve():
                    return held.pop_all()
            if passable and call.paid:
                await self.wait(call, call.budget.credit)

    async def wait(
        self,
        call: Call,
        begin: Callable[[], Awaitable[T]],
        why: str = "",
        *,
        for_api: bool = False,
    ) -> T:
        """Wait for something, but not beyond the deadline, nor when nothing more may be sent.

        The deadline has not begun before the first slot: a queue in front of the own limit is no
        fault of the API, and how long it is depends on the caller alone.

        Args:
            call: Whose wait it is.
            begin: What to await.
            why: Said before the deadline when it has passed.
            for_api: The API is down or limits the rate: the policy's patience comes first.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        patience = self.patience(call, began) if for_api else 0.0
        first = self._first_patience(began)
        left = None if call.deadline is None else call.deadline + patience - began
        if first is not None and left is not None:
            left = min(left, first)
        limit = asyncio.timeout_at(None if left is None else began + left)
        try:
            with call.budget.wait() if call.paid else nullcontext():
                async with limit:
                    return await begin()
        except TimeoutError:
            if not limit.expired():
                raise  # of the caller's limiter
            # Ours is raised below, where this does not become its context.
        finally:
            if patience and call.deadline is not None:
                used = min(patience, clock() - began)
                call.patience_used += used
                call.deadline += used
        raise self._given_up(call, f"{why} {deadline_passed(self._policy)}".lstrip())

    def _first_patience(self, now: float) -> float | None:
        down = now - self.breaker.since if self.breaker.open else None
        return first_patience_left(self._policy, down, answered=self._alive)

    def _given_up(self, call: Call, why: str) -> SocialFetchError:
        unanswered = self._first_patience(asyncio.get_running_loop().time()) == 0.0
        why = never_answered(self._policy) if unanswered else why
        return call.given_up(why, self.breaker.cause).at(unanswered=unanswered)

    def patience(self, call: Call, now: float) -> float:
        """Return the seconds that a call may still wait for the API besides its deadline.

        An outage uses up the patience of all calls, also of those that begin later.
        """
        if not self._policy.wait_in_outage:
            return 0.0
        used = call.patience_used
        if self.breaker.open:
            used = max(used, now - self.breaker.since)
        return max(0.0, self._policy.outage_patience - used)

    async def _pass_breaker(self, call: Call) -> bool:
        """Wait at the open circuit breaker; return whether this request is the probe."""
        clock = asyncio.get_running_loop().time
        now = clock()
        if call.deadline is None:
            call.deadline = now + self._policy.deadline
        patience = self.patience(call, now)
        if self._first_patience(now) == 0.0:
            raise self._given_up(call, "")
        left = call.deadline + patience - now
        why = too_long_to_wait(self._policy, self.breaker.not_before - now, left, patience)
        if why:
            raise call.given_up(f"{_OUTAGE} {why}", self.breaker.cause)
        begin = partial(
            self.breaker.wait,
            clock,
            patient=self._policy.wait_in_outage,
            waiting=self._who_waits,
            attempts=self._attempts_left(call),
        )
        self._waiting.add(call)
        self._probe = None if call is self._probe else self._probe
        try:
            probing = await self.wait(call, begin, _OUTAGE, for_api=True)
        finally:
            self._waiting.discard(call)
        self._probe = call if probing else None
        if not probing and self.breaker.open:
            raise call.given_up(_OUTAGE, self.breaker.cause)
        return probing

    def _who_waits(self) -> Waiting:
        first = self._first_patience(self.breaker.since)
        whole = self._policy.outage_patience if first is None else first
        used = asyncio.get_running_loop().time() - self.breaker.since
        there = [self._attempts_left(call) for call in self._waiting]
        out = 0 if self._probe is None else self._attempts_left(self._probe)
        attempts = (*there, out) if out > 0 else tuple(there)
        return Waiting(attempts, max(there, default=0), max(0.0, whole - used), whole)

    def _attempts_left(self, call: Call) -> int:
        return self._policy.max_attempts - call.counted

    async def pause(self, seconds: float, *, asked: bool) -> None:
        """Wait before a retry; once the breaker opens, its waits take the place of this one.

        Args:
            seconds: How long.
            asked: The API asked for it: then it is a floor.
        """
        if asked or self.breaker.open:
            await asyncio.sleep(seconds)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(self.breaker.opened.wait(), seconds)

    async def _keep_pace(self) -> None:
        clock = asyncio.get_running_loop().time
        async with self._turn:
            if delay := self.pace.delay(clock()):
                await asyncio.sleep(delay)
            self.pace.leaves(clock())
        self._look()

    def answered(self, now: float) -> None:
        """Note a page or value, at about the time it came."""
        self._answers += 1
        self._alive = True
        self.pace.allowed(now)
        self.breaker.succeeded()

    def failed(self, call: Call, error: SocialFetchError, sent: float, now: float) -> bool:
        """Note a failure.

        Returns:
            Whether the API is what the request waits for from here on: it is down and there is
            patience, or it limits the rate. Then the attempt does not count, unless it may have
            been charged: one page is not bought for an hour.
        """
        what = rule(error)
        answered = call.seen not in {-1, self._answers}  # others, since this call failed last
        call.seen = self._answers
        call.alone += answered
        limited, about_all = slows_down(error), concerns_all(call.alone)
        if limited and about_all and not self.breaker.open and self._is_crowded(call):
            self._slow_down(sent, now)
        if what.outage and (about_all or self.breaker.open):
            self.breaker.failed(error, now)
        elif what.alive:
            self._alive = True
            self.breaker.succeeded()
        self._look()
        if self.breaker.open:
            # What was on its way when it opened nobody could have held back.
            spared = not error.maybe_charged or sent < self.breaker.since
            return spared and self.patience(call, now) > 0
        limited &= answered and self.pace.rate is not None and is_spared(call.alone)
        return limited and not error.maybe_charged

    def _is_crowded(self, call: Call) -> bool:
        """Whether other requests leave at the same time: one alone cannot be fewer at once."""
        return self._turn.locked() or call.budget.in_flight()

    def _slow_down(self, sent: float, now: float) -> None:
        if self.pace.refused(sent, now):
            assert self.pace.rate is not None
            self._reports.slower(self.pace.rate)

    def _breaker_changed(self) -> None:
        self._look()
        self._reports.outage(self.breaker, asyncio.get_running_loop().time())

    def _look(self) -> None:
        self.straight = not self.breaker.open and self.pace.rate is None and self._limiter is None


async def _leave(limiter: AbstractAsyncContextManager[object]) -> None:
    try:
        await limiter.__aexit__(None, None, None)
    except Exception:  # noqa: BLE001 - a page that is paid for is not lost for somebody's limiter
        logger.exception("the limiter failed when a request left it; the request went on")
