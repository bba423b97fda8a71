"""What the emulator does wrong on order: by script, then by rate."""

import random
from collections import deque
from collections.abc import Mapping
from typing import Final

# Each fault with what it does; the ones "after" have taken the credit.
FAULTS: Final = {
    "429": "answer 429",
    "500": "answer 500",
    "502": "answer 502",
    "503": "answer 503, with Retry-After where `retry_after` is set",
    "drop": "close the connection before the charge, without a byte",
    "lose": "charge, then close the connection without a byte",
    "truncate": "charge, then close the connection in the middle of the body",
}


class FaultPlan:
    """Decides which request fails how.

    Args:
        rates: Fault to share of requests, 0 to 1.
        seed: Another seed, another order.
    """

    def __init__(self, rates: Mapping[str, float], seed: int) -> None:
        self._rates: dict[str, float] = {}
        for fault, rate in rates.items():
            self.rate(fault, rate)
        self._random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._scripts: dict[str | None, deque[str | None]] = {}

    def rate(self, fault: str, rate: float) -> None:
        """Set the share of requests that fail in one way."""
        check(fault)
        if not 0 <= rate <= 1:
            raise ValueError(f"the rate of {fault} is between 0 and 1, not {rate}")
        rates = self._rates | {fault: rate}
        if sum(rates.values()) > 1:
            raise ValueError("the rates of all faults together are at most 1")
        self._rates = rates  # a new one: another thread may be in the middle of the old

    def script(self, handle: str | None, *faults: str | None) -> None:
        """Order faults for the next requests of a handle (None: of anybody), None for no fault."""
        for fault in faults:
            if fault is not None:
                check(fault)
        self._scripts.setdefault(handle and handle.lower(), deque()).extend(faults)

    def next(self, handle: str) -> str | None:
        """Return the fault of this request, or None."""
        for key in (handle.lower(), None):
            if script := self._scripts.get(key):
                return script.popleft()
        draw = self._random.random()
        for fault, rate in self._rates.items():
            draw -= rate
            if draw < 0:
                return fault
        return None


def check(fault: str) -> None:
    """Refuse a fault that does not exist."""
    if fault not in FAULTS:
        raise ValueError(f"no such fault: {fault!r}. There are {', '.join(FAULTS)}")
