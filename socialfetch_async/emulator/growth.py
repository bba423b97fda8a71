"""How fast lists move by themselves."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Final

_RATE: Final = re.compile(r"([+-]?[0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|min|h)")
_SECONDS: Final = {"s": 1, "min": 60, "h": 3600}


class Growth:
    """The followers that are due to come, or to leave, since the beginning.

    Args:
        rates: Handle to followers in a time: `5/min`, `-2/h`, `0.5/s`.
        clock: Seconds that only grow.

    Raises:
        ValueError: A text that is no such rate.
    """

    def __init__(
        self, rates: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = {
            handle.lower(): _per_second(handle, rate) for handle, rate in rates.items()
        }
        self._moved = dict.fromkeys(self._per_second, 0)
        self._clock = clock
        self._begun: float | None = None

    @property
    def handles(self) -> list[str]:
        """Whose lists move."""
        return list(self._per_second)

    def begin(self) -> None:
        """Let the time run."""
        self._begun = self._clock()

    def due(self, handle: str) -> int:
        """Return how many have come since this was asked last; negative: left."""
        if self._begun is None or handle not in self._per_second:
            return 0
        all_of_them = int(self._per_second[handle] * (self._clock() - self._begun))
        due, self._moved[handle] = all_of_them - self._moved[handle], all_of_them
        return due


def _per_second(handle: str, rate: str) -> float:
    found = _RATE.fullmatch(rate)
    if found is None:
        raise ValueError(
            f"the growth of {handle} must be followers in s, min or h, like 5/min, not {rate!r}"
        )
    return float(found[1]) / _SECONDS[found[2]]
