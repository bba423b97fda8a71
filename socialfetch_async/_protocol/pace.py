"""How fast requests may leave while the API limits the rate: fewer at once, slowly more again."""

from typing import Final

# Refusals are believed to be a rate limit when they are more than a few and more than this share
# of what was answered: a server at work refuses some requests at any rate, and slowing down for
# those would never end.
_FEW: Final = 4
_SHARE: Final = 0.1
_ENOUGH: Final = 100  # answers to measure the share by; older ones count half at each second
_DECREASE: Final = 0.85
_STEP: Final = 0.05  # of the rate that was refused last, each second
_FIRST: Final = 10.0  # at least, while it is not known what is allowed
_SLOWEST: Final = 0.2
_SETTLING: Final = 1.0  # seconds before a decrease shows; also the longest that APIs count in
_FORGET: Final = 60.0


class Pace:
    """Requests per second: decreased by a factor when refused, increased by steps after that.

    It has no clock: each method is told the time, in seconds.

    Attributes:
        rate: Requests per second that may leave; None while nothing limits them.
    """

    __slots__ = (
        "_allowed",
        "_allowed_before",
        "_answered",
        "_changed",
        "_grown",
        "_next",
        "_refused",
        "_second",
        "_too_fast",
        "rate",
    )

    def __init__(self) -> None:
        self.rate: float | None = None
        self._second = 0  # the one that is counted in
        self._allowed = self._allowed_before = 0  # answers in it, and in the one before
        self._refused = self._answered = 0.0  # lately, and since the last decrease
        self._changed = self._grown = self._next = 0.0
        self._too_fast: float | None = None  # the rate that was refused last

    def allowed(self, now: float) -> None:
        """Count an answer that is no refusal."""
        if int(now) != self._second:
            self._turn(int(now))
        self._allowed += 1
        self._answered += 1

    def _turn(self, second: int) -> None:
        follows = second == self._second + 1
        self._allowed_before = self._allowed if follows else 0
        self._allowed, self._second = 0, second
        if not follows:
            self._refused = self._answered = 0.0
        elif self._answered > _ENOUGH:
            self._refused /= 2
            self._answered /= 2

    def refused(self, sent: float, now: float) -> bool:
        """Count a refusal; slow down if it is one too many, and return whether it was.

        Args:
            sent: When the refused request left. What left before the last decrease is no news.
            now: The time.
        """
        if int(now) != self._second:
            self._turn(int(now))
        if self.rate is not None and (sent < self._changed or now - self._changed < _SETTLING):
            return False
        self._refused += 1
        self._answered += 1
        if self._refused <= _FEW or self._refused <= _SHARE * self._answered:
            return False
        most = float(max(self._allowed, self._allowed_before))
        if self.rate is None:
            self.rate = max(most * _DECREASE, _FIRST)
        else:
            self._too_fast = self.rate
            self.rate = max(self.rate / 2, min(self.rate, most) * _DECREASE, _SLOWEST)
        self._refused = self._answered = 0.0
        self._changed = self._grown = self._next = now
        return True

    def delay(self, now: float) -> float:
        """Return the seconds until the next request may leave."""
        if self.rate is None or now - self._changed > _FORGET:
            self.rate = self._too_fast = None
            return 0.0
        return max(0.0, self._next - now)

    def leaves(self, now: float) -> None:
        """Count a request that leaves at its moment, and set the moment of the next one."""
        if self.rate is None:
            return
        rate, elapsed, self._grown = self.rate, now - self._grown, now
        if self._too_fast is None:  # how much is too much is not known: twice as much each second
            rate *= 2.0 ** min(elapsed, 1.0)
        else:
            rate += self._too_fast * _STEP * elapsed
        self.rate, self._next = rate, max(self._next, now) + 1 / rate
