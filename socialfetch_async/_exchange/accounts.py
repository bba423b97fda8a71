"""What every attempt cost: the client's counters, and the budgets that paid for it."""

from typing import Protocol, cast

from socialfetch_async._exchange.call import Call
from socialfetch_async._exchange.shared_budget import SharedBudget
from socialfetch_async._exchange.transport import Attempt
from socialfetch_async.errors import DecodeError, SocialFetchError
from socialfetch_async.events import Usage


class _Paid(Protocol):
    """What a paid route answers with: a page, or a profile."""

    credits_charged: int


class Accounts:
    """The books of one client.

    Args:
        max_credits: What all its lists together may spend, in credits.

    Attributes:
        usage: Live counters.
        budget: The client's own; that of each list is within it.
    """

    def __init__(self, max_credits: int | None) -> None:
        self.usage = Usage()
        self.budget = SharedBudget(max_credits)

    def count(self, call: Call, attempt: Attempt, result: object) -> None:
        """Count an attempt. No result means cancelled: if it was sent, it may have been charged."""
        usage = self.usage
        if call.attempts > 1:
            usage.retries += 1
            call.budget.retries += 1
        if attempt.sent:
            usage.requests_sent += 1
        if not call.paid:
            if isinstance(result, SocialFetchError):
                result.at(maybe_charged=0)  # these routes are free
        elif result is None or isinstance(result, SocialFetchError):
            self._count_failure(call, attempt, result)
        else:
            cost = cast(_Paid, result).credits_charged
            usage.pages += 1
            usage.credits_charged += cost
            learned = not call.budget.price.known
            call.budget.settle(call.reserved, cost)
            if learned:  # and with it, what was lost before
                usage.maybe_charged = self.budget.maybe_charged

    def _count_failure(self, call: Call, attempt: Attempt, error: SocialFetchError | None) -> None:
        if not (attempt.sent if error is None else error.maybe_charged):
            call.budget.release(call.reserved)
            return
        said = error.credits_charged if isinstance(error, DecodeError) else None
        attempt.maybe_charged = call.budget.keep(call.reserved, said)
        call.maybe_charged += attempt.maybe_charged
        self.usage.maybe_charged = self.budget.maybe_charged
