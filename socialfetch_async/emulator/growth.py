"""How fast lists move by themselves."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_RATE: Final = re.compile(r"([+-]?[0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|min|h)")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}


@dataclass
class _Moving:
    """One list: its rate, since when, and what has been said to be due."""

    per_second: float
    since: float | None
    said: int = 0


class Growth:
    """The followers that are due to come, or to leave.

    Args:
        rates: Handle to followers in a time: `5/min`, `-2/h`, `0.5/s`.
        clock: Seconds that only grow.

    Raises:
        ValueError: A text is not such a rate.
    """

    def __init__(
        self, rates: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._moving: dict[str, _Moving] = {}
        self._begun = False
        for handle, rate in rates.items():
            self.set(handle, rate)

    @property
    def handles(self) -> list[str]:
        """Whose lists move."""
        return list(self._moving)

    def set(self, handle: str, rate: str) -> None:
        """Let a list move at a rate from now on, or from the beginning if that is still to come."""
        since = self._clock() if self._begun else None
        self._moving[handle.lower()] = _Moving(_per_second(handle, rate), since)

    def begin(self) -> None:
        """Let the time run."""
        self._begun = True
        for moving in self._moving.values():
            moving.since = self._clock()

    def due(self, handle: str) -> int:
        """Return how many have come since this was asked last; negative: left."""
        moving = self._moving.get(handle)
        if moving is None or moving.since is None:
            return 0
        before, moving.said = moving.said, int(moving.per_second * (self._clock() - moving.since))
        return moving.said - before


def _per_second(handle: str, rate: str) -> float:
    found = _RATE.fullmatch(rate)
    if found is None:
        raise ValueError(
            f"the growth of {handle} must be followers in s, min or h, like 5/min, not {rate!r}"
        )
    return float(found[1]) / _SECONDS[found[2]]
