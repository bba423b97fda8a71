"""The circuit breaker: when the API is down for everybody, the client finds out once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import backoff

from socialfetch_async._protocol.probes import Waiting, next_wait
from socialfetch_async.errors import SocialFetchError

# Failures without a success between them that mean an outage: more than one page's bad luck, and
# fewer than what a client at work has on its way.
FAILURES_THAT_OPEN: Final = 10


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


class CircuitBreaker:
    """Lets everything through until ten failures in a row; then one probe at a time.

    The first success closes it. A probe is an ordinary request, of one of the tasks that wait: the
    breaker itself never sends anything. A Retry-After is a floor for the next probe of all.

    Args:
        jitter: Returns a random number between 0 and its argument.
        sleep: Waits some seconds.
        on_change: Called when it has opened or closed.

    Attributes:
        open: Whether requests are blocked. `opened` is set meanwhile.
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
    ) -> None:
        self._jitter = jitter
        self._sleep = sleep
        self._on_change = on_change
        self._failures = 0
        self._wait = 0.0  # before the last probe
        self._planned = False  # the next one
        self._probing = asyncio.Lock()  # fair, and handed on when its holder is cancelled
        self.open = False
        self.opened = asyncio.Event()
        self.cause: SocialFetchError | None = None
        self.since = self.not_before = self.next_probe = 0.0

    async def wait(
        self,
        clock: Callable[[], float],
        *,
        patient: bool,
        waiting: Callable[[], Waiting] = Waiting,
        attempts: int = 0,
    ) -> bool:
        """Wait until the breaker is closed, or until it is this request's turn to probe.

        Args:
            clock: The loop's clock.
            patient: False: do not wait; probe if nobody does, else give up.
            waiting: Returns who waits at the moment.
            attempts: That this request's page has left. Those who have the most probe first.

        Returns:
            True: this request is the probe, and must call `probed` when it has ended, however.
            False: the breaker is closed; or, if it is still open, there was no patience.
        """
        if not patient:
            if self._probing.locked() or clock() < self.not_before:
                return False
            await self._probing.acquire()  # free, so this does not wait
            return True
        while True:
            await self._probing.acquire()
            try:
                await self._wait_for_next(clock, waiting)
            except BaseException:
                self._probing.release()
                raise
            if self.open and attempts >= waiting().most:
                return True
            self._probing.release()
            if not self.open:
                return False

    async def _wait_for_next(
        self, clock: Callable[[], float], waiting: Callable[[], Waiting]
    ) -> None:
        """Wait for the time of the next probe, which whoever came before may have set."""
        if self.open and not self._planned:
            wait = self._next_wait(waiting())
            self.next_probe = max(clock() + wait / 2 + self._jitter(wait / 2), self.not_before)
            self._planned = True
        if self.open and (left := self.next_probe - clock()) > 0:
            await self._sleep(left)
        while self.open and (left := self.not_before - clock()) > 0:
            self.next_probe = self.not_before
            await self._sleep(left)

    def probed(self) -> None:
        """Hand the probe on: its request has ended or was cancelled."""
        self._planned = False
        self._probing.release()

    def succeeded(self) -> None:
        """Note an answer that shows the API alive: it closes the breaker."""
        self._failures = 0
        self.not_before = 0.0
        if self.open:
            self.open = self._planned = False
            self._wait = 0.0
            self.opened.clear()
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
            self.opened.set()
            self.since = now
            self._on_change()

    def _next_wait(self, waiting: Waiting) -> float:
        charged = self.cause is not None and self.cause.maybe_charged > 0
        self._wait = next_wait(self._wait, waiting, charged=charged)
        return self._wait
