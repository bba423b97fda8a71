"""The circuit breaker: when the API is down for everybody, the client finds out once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import backoff

from socialfetch_async.errors import SocialFetchError

# Failures without a success between them that mean an outage: more than one page's bad luck, and
# fewer than what a client at work has on its way.
FAILURES_THAT_OPEN: Final = 10
_FIRST_WAIT: Final = 0.1
_GROWTH: Final = 1.3  # slowly, so that the end of an outage is seen soon after it
_LONGEST_WAIT: Final = 5.0
_CHARGED_FROM: Final = 2.0  # from this wait on they grow faster: probes may be charged
_CHARGED_GROWTH: Final = 2.0


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


class CircuitBreaker:
    """Lets everything through until ten failures in a row; then one probe at a time.

    The first success closes it. A probe is an ordinary request, of the task that waits longest:
    the breaker itself never sends anything. A Retry-After is a floor for the next probe of all.

    Args:
        jitter: Returns a random number between 0 and its argument.
        sleep: Waits some seconds.
        on_change: Called when it has opened or closed.
        longest_charged_wait: Seconds between two probes, at most, while they may be charged.

    Attributes:
        open: Whether requests are blocked.
        cause: The last failure that counted.
        since: When it opened, on the loop's clock.
        not_before: When the next probe may leave at the earliest, on the loop's clock.
        next_probe: When it is to leave; in the past while it is in flight.
    """

    def __init__(
        self,
        jitter: Callable[[float], float] = backoff.full_jitter,
        sleep: Callable[[float], Awaitable[None]] = _sleep,
        on_change: Callable[[], None] = lambda: None,
        longest_charged_wait: float = _LONGEST_WAIT,
    ) -> None:
        self._jitter = jitter
        self._sleep = sleep
        self._on_change = on_change
        self._failures = 0
        self._longest_charged_wait = max(longest_charged_wait, _LONGEST_WAIT)
        self._wait = _FIRST_WAIT
        self._probing = asyncio.Lock()  # fair, and handed on when its holder is cancelled
        self.open = False
        self.cause: SocialFetchError | None = None
        self.since = self.not_before = self.next_probe = 0.0

    async def wait(self, clock: Callable[[], float], *, patient: bool) -> bool:
        """Wait until the breaker is closed, or until it is this request's turn to probe.

        Args:
            clock: The loop's clock.
            patient: False: do not wait; probe if nobody does, else give up.

        Returns:
            True: this request is the probe, and must call `probed` when it has ended, however.
            False: the breaker is closed; or, if it is still open, there was no patience.
        """
        if not patient:
            if self._probing.locked() or clock() < self.not_before:
                return False
            await self._probing.acquire()  # free, so this does not wait
            return True
        await self._probing.acquire()
        try:
            if self.open:
                wait = self._next_wait()
                pause = wait / 2 + self._jitter(wait / 2)
                self.next_probe = max(clock() + pause, self.not_before)
                await self._sleep(pause)
            while self.open and (left := self.not_before - clock()) > 0:
                self.next_probe = self.not_before
                await self._sleep(left)
        except BaseException:
            self._probing.release()
            raise
        if self.open:
            return True
        self._probing.release()
        return False

    def probed(self) -> None:
        """Hand the probe on: its request has ended or was cancelled."""
        self._probing.release()

    def succeeded(self) -> None:
        """Note an answer that shows the API alive: it closes the breaker."""
        self._failures = 0
        self.not_before = 0.0
        if self.open:
            self.open = False
            self._on_change()

    def failed(self, error: SocialFetchError, now: float) -> None:
        """Note a failure that may be an outage."""
        self._failures += 1
        if error.retry_after is not None:
            self.not_before = max(self.not_before, now + error.retry_after)
        if self._failures < FAILURES_THAT_OPEN:
            return
        self.cause = error
        if not self.open:
            self.open = True
            self.since = now
            self._wait = _FIRST_WAIT
            self._on_change()

    def _next_wait(self) -> float:
        wait, growth, longest = self._wait, _GROWTH, _LONGEST_WAIT
        if self.cause is not None and self.cause.maybe_charged:
            longest = self._longest_charged_wait
            if longest > _LONGEST_WAIT and wait >= _CHARGED_FROM:
                growth = _CHARGED_GROWTH
        self._wait = min(wait * growth, longest)
        return min(wait, longest)
