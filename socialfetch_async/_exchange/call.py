"""One page, or value, on its way through all its attempts."""

import copy
from typing import Any

from socialfetch_async._exchange.shared_budget import SharedBudget
from socialfetch_async._protocol.endpoints import ListEndpoint, Request
from socialfetch_async._protocol.retry import Retries
from socialfetch_async.errors import SocialFetchError


class Call:
    """What is asked, what pays for it, and what became of it so far. Times are the loop's.

    Attributes:
        attempts: Attempts so far.
        counted: Of these, the ones that count against `max_attempts`: not those in an outage that
            is waited out, and no refusals of an API that limits the rate.
        deadline: When attempts and waits end; None before the first slot.
        patience_used: Seconds waited for the API that the deadline was put off by.
        error: Why the last attempt failed.
        seen: Answers that the client had when the last attempt failed.
        alone: Failures since the last of which others were answered.
    """

    attempts = counted = reserved = maybe_charged = alone = 0
    deadline: float | None = None
    patience_used = 0.0
    error: SocialFetchError | None = None
    retries: Retries | None = None  # from the first failure on
    seen = -1

    def __init__(self, request: Request[Any], budget: SharedBudget) -> None:
        self.request = request
        self.budget = budget
        self.paid = request.endpoint.paid

    def reserve(self) -> bool:
        """Set the credit for the next attempt aside, if the limits allow it now."""
        if not self.paid:
            return True
        self.reserved = self.budget.reserve()
        return self.reserved > 0

    def given_up(self, why: str, outage: SocialFetchError | None = None) -> SocialFetchError:
        """Complete the last error with where and how often, and why it is the last.

        Args:
            why: A sentence, or nothing.
            outage: The reason when no attempt was made: what opened the circuit breaker for all.
        """
        error = self.error
        if error is None:
            assert outage is not None
            error = copy.copy(outage).at(request_id=None)
        if not isinstance(self.request.endpoint, ListEndpoint):
            error.at(go_on="")  # a value has no page before it
        return error.at(
            handle=self.request.handle,
            cursor=self.request.cursor,
            attempts=self.attempts,
            maybe_charged=self.maybe_charged,
            summary=f"{error.summary} {why}".rstrip(),
        ).with_traceback(None)
