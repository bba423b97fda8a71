"""The account that pays: keys, credits, and the ledger of what was charged."""

from typing import NamedTuple

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
