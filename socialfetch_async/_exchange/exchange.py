"""Fetch one page: wait for admission, send, account, tell; again if it failed and may pass."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final, TypeVar, cast

import backoff
from msgspec import Struct
from msgspec.structs import force_setattr

from socialfetch_async._exchange.accounts import Accounts
from socialfetch_async._exchange.admission import Admission
from socialfetch_async._exchange.call import Call
from socialfetch_async._exchange.reports import Reports
from socialfetch_async._exchange.shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async._exchange.transport import Attempt, Transport
from socialfetch_async._protocol.decode import decode
from socialfetch_async._protocol.endpoints import Request
from socialfetch_async._protocol.retry import Retries
from socialfetch_async._protocol.status import Answer
from socialfetch_async._text import one_line
from socialfetch_async.errors import (
    APIStatusError,
    ConnectionLostError,
    PayloadError,
    RequestTimeoutError,
    SocialFetchError,
)
from socialfetch_async.events import OnEvent, Outage, Usage
from socialfetch_async.policy import RetryPolicy

T = TypeVar("T")

_UNREAD: Final = (PayloadError, RequestTimeoutError, ConnectionLostError)


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
        max_credits: int | None = None,
        limiter: AbstractAsyncContextManager[object] | None = None,
        on_event: OnEvent | None = None,
        jitter: Callable[[float], float] = backoff.full_jitter,
    ) -> None:
        self._transport = transport
        self._secret = secret
        self._policy = policy
        self._timeout = timeout
        self._jitter = jitter
        self._reports = Reports(on_event)
        self._accounts = Accounts(max_credits)
        limit = transport.connection_limit
        self.admission = Admission(
            policy,
            slots=min(max_concurrency, limit or max_concurrency),
            limiter=limiter,
            jitter=jitter,
            check_usable=self.check_usable,
            reports=self._reports,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closed = False

    @property
    def usage(self) -> Usage:
        """Live counters of everything that was sent."""
        return self._accounts.usage

    @property
    def outage(self) -> Outage | None:
        """The outage that the circuit breaker sees, if there is one."""
        breaker = self.admission.breaker
        if not breaker.open or breaker.cause is None or self._loop is None:
            return None
        now = self._loop.time()
        left = max(0.0, breaker.next_probe - now)
        return Outage(error=breaker.cause, seconds=now - breaker.since, next_probe=left)

    @property
    def budget(self) -> SharedBudget:
        """The client's own budget: its limit and the price of a request."""
        return self._accounts.budget

    def budget_of(self, max_credits: int | None = None) -> SharedBudget:
        """Return the budget of a list or run, within the client's own."""
        return SharedBudget(max_credits, within=self._accounts.budget)

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

    async def fetch(self, request: Request[T], budget: SharedBudget) -> T:
        """Ask until the answer is there, or the retry policy gives up.

        Args:
            request: What to ask for.
            budget: What the request is paid from, unless its route is free.

        Returns:
            The page or value.

        Raises:
            SocialFetchError: With handle, cursor and attempts.
            NothingMoreMaySend: The budget allows no further attempt.
            RuntimeError: The client is closed, or belongs to another event loop.
        """
        clock = self.check_usable().time
        admission = self.admission
        call = Call(request, budget)
        while True:
            # Mostly there is nothing to wait for, and a coroutine that finds that out costs.
            if admission.straight and not admission.slots.locked() and call.reserve():
                await admission.slots.acquire()  # free, so this does not wait
                held = None
            else:
                held = await admission.admit(call)
            call.attempts += 1
            attempt = Attempt(call.attempts)
            result: T | SocialFetchError | None = None
            began = clock()
            try:
                if call.deadline is None:
                    call.deadline = began + self._policy.deadline
                timeout = min(self._timeout, call.deadline - began)
                sending = self._transport.send(request, timeout, attempt)
                result = self._read(request, attempt, await sending)
            finally:
                self._accounts.count(call, attempt, result)
                if self._reports.on_event is not None:
                    self._reports.attempt_ended(call, attempt, result, clock() - began)
                if held is None:
                    admission.slots.release()
                else:
                    await held.aclose()
            assert result is not None
            if not isinstance(result, SocialFetchError):
                admission.answered(began)
                _tidy(result, self._secret)
                return result
            await self._pause(call, result, began, clock())

    def _read(
        self, request: Request[T], attempt: Attempt, came: Answer | SocialFetchError
    ) -> T | SocialFetchError:
        # Here and not above: an answer that quotes the key stays in no frame of a traceback.
        result = self._decoded(request, came)
        if isinstance(result, SocialFetchError) and _may_hide_an_answer(result):
            answer = self._transport.unframed(attempt)
            if answer is not None:
                found = self._decoded(request, answer)
                result = found if _says_more(found, result) else result
        attempt.came.clear()
        return result

    def _decoded(
        self, request: Request[T], came: Answer | SocialFetchError
    ) -> T | SocialFetchError:
        if isinstance(came, Answer):
            return decode(request, came, secret=self._secret)
        return came

    async def _pause(self, call: Call, error: SocialFetchError, sent: float, now: float) -> None:
        """Wait before the next attempt.

        Raises:
            SocialFetchError: There is no next one.
            NothingMoreMaySend: No further attempt may be paid for: known now, not after a wait.
        """
        if self.closed:  # a page that still arrived was returned: it is paid for
            raise RuntimeError(
                "the SocialFetchClient was closed while a request was on its way: close it when "
                "nothing uses it any more"
            )
        admission = self.admission
        spared = admission.failed(call, error, sent, now)
        for_api = spared or error.retry_after is not None
        call.error = error
        call.counted += not spared
        call.retries = call.retries or Retries(self._policy, self._jitter)
        assert call.deadline is not None
        pause = call.retries.wait(
            error,
            call.counted,
            call.deadline - now,
            patience=admission.patience(call, now) if for_api else 0.0,
            # The breaker and the pace say when: no further wait on top of theirs.
            held=spared or admission.breaker.open,
        )
        if isinstance(pause, str):
            raise call.given_up(pause)
        if call.paid:
            try:
                call.budget.check()
            except NothingMoreMaySend:
                self._reports.no_retry(call, error)
                raise
        self._reports.retry(call, error, pause)
        begin = partial(admission.pause, pause, asked=error.retry_after is not None)
        await admission.wait(call, begin, for_api=for_api)


def _may_hide_an_answer(error: SocialFetchError) -> bool:
    """Whether the bytes that came may say more: a whole page, or what the API refuses."""
    return error.code is None if isinstance(error, APIStatusError) else isinstance(error, _UNREAD)


def _says_more(found: object, than: SocialFetchError) -> bool:
    if isinstance(found, PayloadError):
        return found.whole  # else it was cut, or is no answer
    return not isinstance(than, APIStatusError) or getattr(found, "code", "page") is not None


def _tidy(result: object, secret: str) -> None:
    """Make the short texts of a page fit for messages and logs; rows and cursors stay as they came.

    The key is cut out of them as well, in case the answer echoes it.
    """
    for name in ("request_id", "lookup_status"):
        text = getattr(result, name, "")
        if secret in text or not text.isprintable():
            force_setattr(cast(Struct, result), name, one_line(text, secret))
