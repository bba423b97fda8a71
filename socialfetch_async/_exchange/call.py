"""One page, or value, on its way through all its attempts."""

from typing import Any

from socialfetch_async._exchange.shared_budget import SharedBudget
from socialfetch_async._exchange.transport import Attempt
from socialfetch_async._protocol.endpoints import Request
from socialfetch_async._protocol.retry import Retries
from socialfetch_async.errors import SocialFetchError
from socialfetch_async.events import AttemptEnded


class Call:
    """What is asked, what pays for it, and what became of it so far."""

    attempts = reserved = maybe_charged = 0
    deadline: float | None = None
    error: SocialFetchError | None = None
    retries: Retries | None = None  # from the first failure on

    def __init__(self, request: Request[Any], budget: SharedBudget | None) -> None:
        self.request = request
        self.budget = budget

    def reserve(self) -> bool:
        """Set the credit for the next attempt aside, if the limit allows it now."""
        if self.budget is None:
            return True
        self.reserved = self.budget.reserve()
        return self.reserved > 0

    def where(self, error: SocialFetchError) -> dict[str, Any]:
        """Return what the log record of a failed attempt has besides its sentence."""
        return {
            "handle": self.request.handle,
            "cursor": self.request.cursor,
            "attempt": self.attempts,
            "request_id": error.request_id,
        }

    def ended(self, attempt: Attempt, result: Any, seconds: float) -> AttemptEnded:
        """Return the event of an attempt that was counted. No result: it was cancelled."""
        request, paid = self.request, self.budget is not None
        error = result if isinstance(result, SocialFetchError) else None
        return AttemptEnded(
            path=request.endpoint.path,
            handle=request.handle,
            cursor=request.cursor,
            page=request.page,
            attempt=attempt.number,
            seconds=seconds,
            sent=attempt.sent,
            credits_charged=getattr(result, "credits_charged", 0) if paid else 0,
            maybe_charged=attempt.maybe_charged,
            error=error,
            cancelled=result is None,
        )
