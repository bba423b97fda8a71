"""One page, whatever it takes: slot, circuit breaker, budget, and attempts until it is here."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from functools import partial
from typing import Any, Final, TypeVar

import backoff

from socialfetch_async._exchange.call import Call
from socialfetch_async._exchange.circuit_breaker import CircuitBreaker
from socialfetch_async._exchange.shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async._exchange.transport import Attempt, Transport
from socialfetch_async._log import logger
from socialfetch_async._protocol.decode import decode
from socialfetch_async._protocol.endpoints import ListEndpoint, Request
from socialfetch_async._protocol.retry import Retries, deadline_passed, rule
from socialfetch_async._protocol.status import Answer
from socialfetch_async.errors import SocialFetchError
from socialfetch_async.events import (
    Event,
    OnEvent,
    OutageBegan,
    OutageEnded,
    RetryPlanned,
    Usage,
)
from socialfetch_async.policy import RetryPolicy

T = TypeVar("T")

_OUTAGE: Final = "The API does not answer anybody at the moment, so nothing was sent."


class Exchange:
    """Turns a request into a page or an error, within the client's limits."""

    def __init__(
        self,
        transport: Transport,
        *,
        secret: str,
        policy: RetryPolicy,
        timeout: float,
        max_concurrency: int,
        limiter: AbstractAsyncContextManager[Any] | None = None,
        on_event: OnEvent | None = None,
        jitter: Callable[[float], float] = backoff.full_jitter,
    ) -> None:
        self._transport = transport
        self._secret = secret
        self._policy = policy
        self._timeout = timeout
        self._limiter = limiter
        self._on_event = on_event
        self._jitter = jitter
        limit = transport.connection_limit
        self._slots = asyncio.Semaphore(min(max_concurrency, limit or max_concurrency))
        self._breaker = CircuitBreaker(jitter, on_change=self._outage)
        self._outage_began = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self.usage = Usage()
        self.closed = False

    def check_usable(self) -> asyncio.AbstractEventLoop:
        """Return the running loop, which is the same for the whole life of a client.

        Raises:
            RuntimeError: The client is closed, or belongs to another event loop.
        """
        loop = asyncio.get_running_loop()
        if self.closed:
            raise RuntimeError("the SocialFetchClient is closed: make a new one")
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError(
                "this SocialFetchClient was first used in another event loop, to which its "
                "connections belong: make one client for each asyncio.run()"
            )
        return loop

    async def fetch(self, request: Request, budget: SharedBudget | None) -> Any:
        """Ask until the answer is there, or the retry policy gives up.

        Args:
            request: What to ask for.
            budget: What the request is paid from; None when it is free.

        Returns:
            The page or value.

        Raises:
            SocialFetchError: With handle, cursor and attempts.
            NothingMoreMaySend: The budget allows no further attempt.
            RuntimeError: The client is closed, or belongs to another event loop.
        """
        clock = self.check_usable().time
        call = Call(request, budget)
        while True:
            # Mostly there is nothing to wait for, and a coroutine that finds that out costs.
            if (
                self._breaker.open
                or self._slots.locked()
                or self._limiter is not None
                or not call.reserve()
            ):
                held = await self._admit(call)
            else:
                await self._slots.acquire()  # free, so this does not wait
                held = None
            call.attempts += 1
            attempt, result = Attempt(call.attempts), None
            began = clock()
            try:
                if call.deadline is None:
                    call.deadline = began + self._policy.deadline
                timeout = min(self._timeout, call.deadline - began)
                result = await self._transport.send(request, timeout, attempt)
                if isinstance(result, Answer):
                    result = decode(request, result, secret=self._secret)
            finally:
                self._account(call, attempt, result)
                if self._on_event is not None:
                    self._tell(call.ended(attempt, result, clock() - began))
                if held is None:
                    self._slots.release()
                else:
                    await held.aclose()
            if not isinstance(result, SocialFetchError):
                self._breaker.succeeded()
                return result
            pause = self._pause(call, result, call.deadline - clock())
            await self._wait(call, partial(asyncio.sleep, pause))

    async def _admit(self, call: Call) -> AsyncExitStack:
        """Wait until the request may leave; return what it holds until its answer is here.

        That is a slot, the caller's limiter, and the turn to probe, if it is the circuit
        breaker's probe. Its credit is set aside last, and it waits for none while it holds a slot.
        """
        while True:
            async with AsyncExitStack() as held:
                probing = self._breaker.open and await self._pass_breaker(call)
                if probing:
                    held.callback(self._breaker.probed)
                if self._limiter is not None:
                    await self._wait(call, self._limiter.__aenter__)
                    held.push_async_callback(self._leave, self._limiter)
                await self._wait(call, self._slots.acquire)
                held.callback(self._slots.release)
                self.check_usable()
                passable = probing or not self._breaker.open
                if passable and call.reserve():
                    return held.pop_all()
            if passable and call.budget is not None:
                await self._wait(call, call.budget.credit)

    async def _leave(self, limiter: AbstractAsyncContextManager[Any]) -> None:
        try:
            await limiter.__aexit__(None, None, None)
        except Exception:  # noqa: BLE001 - a page that is paid for is not lost for somebody's limiter
            logger.exception("the limiter failed when a request left it; the request went on")

    async def _pass_breaker(self, call: Call) -> bool:
        """Wait at the open circuit breaker; return whether this request is the probe."""
        if call.deadline is None:
            call.deadline = asyncio.get_running_loop().time() + self._policy.deadline
        wait = partial(self._breaker.wait, patient=self._policy.wait_in_outage)
        probing = await self._wait(call, wait, _OUTAGE)
        if not probing and self._breaker.open:
            raise self._given_up(call, _OUTAGE)
        return probing

    async def _wait(self, call: Call, begin: Callable[[], Awaitable[T]], why: str = "") -> T:
        """Wait for something, but not beyond the deadline, nor when nothing more may be sent.

        The deadline has not begun before the first slot: a queue in front of the own limit is no
        fault of the API, and how long it is depends on the caller alone.
        """
        limit = asyncio.timeout_at(call.deadline)
        try:
            with nullcontext() if call.budget is None else call.budget.wait():
                async with limit:
                    return await begin()
        except TimeoutError:
            if not limit.expired():
                raise  # of the caller's limiter
            # Ours is raised below, where this does not become its context.
        raise self._given_up(call, f"{why} {deadline_passed(self._policy)}".lstrip())

    def _pause(self, call: Call, error: SocialFetchError, remaining: float) -> float:
        """Tell the circuit breaker about a failed attempt; return the seconds before the next one.

        Raises:
            SocialFetchError: There is no next one.
            NothingMoreMaySend: No further attempt may be paid for: known now, not after a wait.
        """
        if self.closed:  # a page that still arrived was returned: it is paid for
            raise RuntimeError(
                "the SocialFetchClient was closed while a request was on its way: close it when "
                "nothing uses it any more"
            )
        what = rule(error)
        if what.outage:
            self._breaker.failed(error)
        elif what.alive:
            self._breaker.succeeded()
        call.error = error
        call.retries = call.retries or Retries(self._policy, self._jitter)
        pause = call.retries.wait(error, call.attempts, remaining)
        if isinstance(pause, str):
            raise self._given_up(call, pause)
        where = call.where(error)
        if call.budget is not None:
            try:
                call.budget.check()
            except NothingMoreMaySend:
                logger.warning(
                    "not tried again, for the credit limit or a stop: %s", error, extra=where
                )
                raise
        logger.info(
            "trying again in %.2f s: %s", pause, error.summary, extra=where | {"wait": pause}
        )
        if self._on_event is not None:
            request = call.request
            self._tell(
                RetryPlanned(
                    handle=request.handle,
                    cursor=request.cursor,
                    attempt=call.attempts,
                    wait=pause,
                    error=error,
                )
            )
        return pause

    def _outage(self) -> None:
        """Say that the circuit breaker has opened or closed."""
        now = asyncio.get_running_loop().time()
        error = self._breaker.cause
        if self._breaker.open:
            assert error is not None
            self._outage_began = now
            logger.warning(
                "the API answers nobody, so one probe at a time is sent: %s", error.summary
            )
            self._tell(OutageBegan(error=error))
        else:
            seconds = now - self._outage_began
            logger.warning("the API answers again, after %.1f s", seconds)
            self._tell(OutageEnded(seconds=seconds))

    def _tell(self, event: Event) -> None:
        if self._on_event is None:
            return
        try:
            self._on_event(event)
        except Exception:  # noqa: BLE001 - a page that is paid for is not lost for somebody's metrics
            logger.exception("on_event failed at %r and is called again at the next event", event)

    def _account(self, call: Call, attempt: Attempt, result: Any) -> None:
        """Count an attempt. No result means cancelled: if it was sent, it may have been billed."""
        usage, budget = self.usage, call.budget
        if call.attempts > 1:
            usage.retries += 1
        if attempt.sent:
            usage.requests_sent += 1
        if budget is None:
            if isinstance(result, SocialFetchError):
                result.at(maybe_charged=0)  # these routes are free
        elif result is None or isinstance(result, SocialFetchError):
            charged = attempt.sent if result is None else result.maybe_charged
            cost = attempt.maybe_charged = call.reserved if charged else 0
            call.maybe_charged += cost
            usage.maybe_charged += cost
            budget.maybe_charged += cost
            budget.settle(call.reserved, cost)
        else:
            cost = result.credits_charged
            usage.pages += 1
            usage.credits_charged += cost
            budget.settle(call.reserved, cost)

    def _given_up(self, call: Call, why: str) -> SocialFetchError:
        """Complete the last error with where and how often, and why it is the last."""
        error = call.error
        if error is None:
            # Nothing was sent for this page: what opened the breaker for all is the reason.
            assert self._breaker.cause is not None
            error = copy.copy(self._breaker.cause).at(request_id=None)
        if not isinstance(call.request.endpoint, ListEndpoint):
            error.at(go_on="")  # a value has no page before it
        return error.at(
            handle=call.request.handle,
            cursor=call.request.cursor,
            attempts=call.attempts,
            maybe_charged=call.maybe_charged,
            summary=f"{error.summary} {why}".rstrip(),
        ).with_traceback(None)
