"""One page, whatever it takes: slot, gate, budget, attempt, and again until it is here."""

import asyncio
import copy
import logging
from collections.abc import Callable
from typing import Any, Final

import backoff

from socialfetch_async._gate import OutageGate
from socialfetch_async._protocol.decode import decode
from socialfetch_async._protocol.endpoints import Request
from socialfetch_async._protocol.retry import (
    Retries,
    RetryPolicy,
    deadline_passed,
    rule,
    shows_the_api_alive,
)
from socialfetch_async._protocol.status import Answer
from socialfetch_async._shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async._transport import Transport
from socialfetch_async.errors import ConnectError, SocialFetchError, TLSError
from socialfetch_async.models import Usage

logger: Final = logging.getLogger("socialfetch_async")


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
        jitter: Callable[[float], float] = backoff.full_jitter,
    ) -> None:
        self._transport = transport
        self._secret = secret
        self._policy = policy
        self._timeout = timeout
        self._jitter = jitter
        limit = transport.connection_limit
        self._slots = asyncio.Semaphore(min(max_concurrency, limit or max_concurrency))
        self._gate = OutageGate(jitter)
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
        retries = Retries(self._policy, self._jitter)
        # The deadline starts with the first slot: a queue in front of the own limit is no fault
        # of the API, and how long it is depends on the caller alone.
        await self._slots.acquire()
        deadline = clock() + self._policy.deadline
        error: SocialFetchError | None = None
        while True:
            try:
                probing = False
                if self._gate.closed:
                    probing = await self._pass_gate(request, retries, error, deadline)
                try:
                    result = await self._attempt(request, retries, budget, deadline - clock())
                finally:
                    if probing:
                        self._gate.probed()
            finally:
                self._slots.release()
            if not isinstance(result, SocialFetchError):
                return result
            error = result
            pause = retries.wait(error, deadline - clock())
            if isinstance(pause, str):
                raise self._given_up(request, retries, error, pause)
            if budget is not None and budget.closed is not None:
                raise NothingMoreMaySend(budget.closed)
            if logger.isEnabledFor(logging.INFO):
                logger.info("trying again in %.2f s: %s", pause, error.summary)
            await asyncio.sleep(pause)
            if not await self._slot_before(deadline):
                raise self._given_up(request, retries, error, deadline_passed(self._policy))

    async def _slot_before(self, deadline: float) -> bool:
        try:
            async with asyncio.timeout_at(deadline):
                return await self._slots.acquire()
        except TimeoutError:
            return False

    async def _pass_gate(
        self, request: Request, retries: Retries, error: SocialFetchError | None, deadline: float
    ) -> bool:
        """Wait at the closed gate; return whether this request is the probe."""
        why = "The API does not answer anybody at the moment, so nothing was sent."
        try:
            async with asyncio.timeout_at(deadline):
                probing = await self._gate.wait(patient=self._policy.wait_in_outage)
        except TimeoutError:
            why = f"{why} {deadline_passed(self._policy)}"
        else:
            if probing or not self._gate.closed:
                return probing
        raise self._given_up(request, retries, error, why)

    async def _attempt(
        self, request: Request, retries: Retries, budget: SharedBudget | None, remaining: float
    ) -> Any:
        """Send once; count it, settle its price and tell the gate. Errors are returned."""
        self.check_usable()  # closed, perhaps, during a wait
        reserved = 0 if budget is None else budget.reserve() or await budget.wait()
        retries.attempts += 1
        result: Any = None
        try:
            result = await self._transport.send(request, min(self._timeout, remaining))
            if isinstance(result, Answer):
                result = decode(request, result, secret=self._secret)
        finally:
            self._account(result, retries, budget, reserved)
        if not isinstance(result, SocialFetchError):
            self._gate.succeeded()
        else:
            if self.closed:  # a page that still arrived is returned: it is paid for
                raise RuntimeError(
                    "the SocialFetchClient was closed while a request was on its way: close it "
                    "when nothing uses it any more"
                )
            if rule(result).outage:
                self._gate.failed(result)
            elif shows_the_api_alive(result):
                self._gate.succeeded()
        return result

    def _account(
        self, result: Any, retries: Retries, budget: SharedBudget | None, reserved: int
    ) -> None:
        """Count an attempt. No result means cancelled: it may have been billed."""
        usage = self.usage
        usage.requests_sent += not isinstance(result, ConnectError | TLSError)
        usage.retries += retries.attempts > 1
        cost = 0
        if result is None or isinstance(result, SocialFetchError):
            maybe_charged = result is None or result.maybe_charged
            retries.maybe_charged |= maybe_charged
            cost = reserved if maybe_charged else 0
            usage.maybe_charged += cost
        elif budget is not None:
            cost = result.credits_charged
            usage.pages += 1
            usage.credits_charged += cost
        if budget is not None:
            budget.settle(reserved, cost)

    def _given_up(
        self, request: Request, retries: Retries, error: SocialFetchError | None, why: str
    ) -> SocialFetchError:
        """Complete the last error with where and how often, and why it is the last."""
        if error is None:
            # Nothing was sent for this page: what closed the gate for all is the reason.
            assert self._gate.cause is not None
            error = copy.copy(self._gate.cause).at(request_id=None)
        return error.at(
            handle=request.handle,
            cursor=request.cursor,
            attempts=retries.attempts,
            maybe_charged=retries.maybe_charged,
            summary=f"{error.summary} {why}".rstrip(),
        ).with_traceback(None)
