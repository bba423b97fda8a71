"""What the client tells about its requests: events for programs, log records for people."""

import time
from typing import Any

from socialfetch_async._exchange.call import Call
from socialfetch_async._exchange.circuit_breaker import CircuitBreaker
from socialfetch_async._exchange.transport import Attempt
from socialfetch_async._log import logger
from socialfetch_async.errors import SocialFetchError
from socialfetch_async.events import (
    AttemptEnded,
    Event,
    OnEvent,
    OutageBegan,
    OutageEnded,
    RetryPlanned,
)


class Reports:
    """Tells `on_event` and the log. Nothing that either of them does costs a page.

    Attributes:
        on_event: The caller's function, if there is one.
    """

    def __init__(self, on_event: OnEvent | None) -> None:
        self.on_event = on_event
        self._outage: OutageBegan | None = None

    def attempt_ended(self, call: Call, attempt: Attempt, result: object, seconds: float) -> None:
        """Tell of an attempt that was accounted for. No result: it was cancelled."""
        if self.on_event is None:
            return
        request = call.request
        self._tell(
            AttemptEnded(
                path=request.endpoint.path,
                handle=request.handle,
                cursor=request.cursor,
                page=request.page,
                attempt=attempt.number,
                seconds=seconds,
                sent=attempt.sent,
                credits_charged=getattr(result, "credits_charged", 0) if call.paid else 0,
                maybe_charged=attempt.maybe_charged,
                error=result if isinstance(result, SocialFetchError) else None,
                cancelled=result is None,
            )
        )

    def retry(self, call: Call, error: SocialFetchError, pause: float) -> None:
        """Tell that a failed attempt will be followed by another one."""
        logger.info(
            "Retrying in %.2f s: %s", pause, error.summary, extra=_where(call) | {"wait": pause}
        )
        if self.on_event is not None:
            self._tell(
                RetryPlanned(
                    handle=call.request.handle,
                    cursor=call.request.cursor,
                    attempt=call.attempts,
                    wait=pause,
                    error=error,
                )
            )

    def no_retry(self, call: Call, error: SocialFetchError) -> None:
        """Tell that a failure is the last because nothing more may be sent."""
        logger.warning(
            "not retried, because of the credit limit or a stop: %s", error, extra=_where(call)
        )

    def slower(self, rate: float) -> None:
        """Tell that the API limits the rate."""
        logger.info("the API limits the rate: sending %.3g requests per second", rate)

    def outage(self, breaker: CircuitBreaker, now: float) -> None:
        """Tell that the circuit breaker has opened or closed."""
        if breaker.open:
            self._outage_began(breaker)
        else:
            self._outage_ended(now - breaker.since)

    def _outage_began(self, breaker: CircuitBreaker) -> None:
        assert breaker.cause is not None
        # For people and not for waits: those go by the loop's clock.
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        began = self._outage = OutageBegan(error=breaker.cause, since=since)
        logger.warning("circuit breaker open since %s: %s", since, began.error.summary)
        self._tell(began)

    def _outage_ended(self, seconds: float) -> None:
        assert self._outage is not None
        began, self._outage = self._outage, None
        logger.warning("circuit breaker closed after %.1f s: the API responds again", seconds)
        self._tell(OutageEnded(seconds=seconds, since=began.since, error=began.error))

    def _tell(self, event: Event) -> None:
        if self.on_event is None:
            return
        try:
            self.on_event(event)
        except Exception:  # noqa: BLE001 - a page that is paid for is not lost for somebody's metrics
            logger.exception("on_event failed at %r and is called again at the next event", event)


def _where(call: Call) -> dict[str, Any]:
    """Return what the log record of a failed attempt has besides its sentence."""
    return {
        "handle": call.request.handle,
        "cursor": call.request.cursor,
        "attempt": call.attempts,
        "request_id": None if call.error is None else call.error.request_id,
    }
