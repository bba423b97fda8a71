"""The account that pays: keys, credits, and the ledger of what was charged."""

from typing import Any, NamedTuple

CHECKOUT_URL = "https://app.example.invalid/checkout"


class Charge(NamedTuple):
    """One credit that was taken."""

    handle: str
    cursor: str | None
    request_id: str


class Account:
    """Credits left (None: without end) and every charge in order."""

    def __init__(self, credits_left: int | None) -> None:
        self.credits = credits_left
        self.charges: list[Charge] = []

    def charge(self, handle: str, cursor: str | None, request_id: str) -> bool:
        """Take one credit for a page; False when none is left."""
        if self.credits is not None:
            if self.credits < 1:
                return False
            self.credits -= 1
        self.charges.append(Charge(handle, cursor, request_id))
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
