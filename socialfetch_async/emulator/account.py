"""The account that pays: keys, credits, and the ledger of what was charged."""

from typing import Any, NamedTuple

_LARGE = 1_000_000_000
CHECKOUT_URL = "https://app.example.invalid/checkout"


class Charge(NamedTuple):
    """One response that was charged, whether it arrived or not.

    Attributes:
        handle: The handle as it was sent.
        cursor: The cursor as it was sent; None for a first page, and for a profile.
        request_id: The id in the meta of the response.
        route: What was bought: `followers`, `following` or `profile`.
        credits: How many credits were taken.
    """

    handle: str
    cursor: str | None
    request_id: str
    route: str
    credits: int = 1


class Account:
    """Credits left (None: without end) and every charge in order."""

    def __init__(self, credits_left: int | None) -> None:
        self.charges: list[Charge] = []
        self.taken = 0
        self.left = credits_left

    @property
    def left(self) -> int | None:
        """Credits left.

        Held as the number of credits that may be taken, so that another thread can set it while
        this one charges, and no charge goes missing.
        """
        allowed = self._allowed
        return None if allowed is None else max(0, allowed - self.taken)

    @left.setter
    def left(self, value: int | None) -> None:
        self._allowed = None if value is None else self.taken + value

    @property
    def balance(self) -> int:
        """What the account says is left; one without end says what a large one would."""
        left = self.left
        return _LARGE - self.taken if left is None else left

    def charge(self, charge: Charge) -> bool:
        """Take the credits of one answer; False when too few are left."""
        allowed = self._allowed
        if allowed is not None and self.taken + charge.credits > allowed:
            return False
        self.taken += charge.credits
        self.charges.append(charge)
        return True


def balance(left: int) -> dict[str, Any]:
    """Return the documented `data` of a balance: an account that bought its credits one by one."""
    return {
        "balance": left,
        "billingAlert": "none",
        "payg": left,
        "paygSpendable": left,
        "graceDebtCredits": 0,
        "refillState": "healthy",
        "subscriptionIncludedRemaining": 0,
        "subscriptionIncludedTotal": 0,
        "subscription": {
            "tier": "payg",
            "status": "active",
            "periodEnd": "2030-01-01T00:00:00.000Z",
        },
        "collectionStatus": "current",
    }
