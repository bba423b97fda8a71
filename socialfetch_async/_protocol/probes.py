"""How long to wait between two probes of an API that is down."""

from typing import Final, NamedTuple

FIRST_WAIT: Final = 0.1
_GROWTH: Final = 1.3  # slowly, so that the end of an outage is seen soon after it
LONGEST_WAIT: Final = 5.0

# Probes that may be charged. Of the patience, between two of them: an outage of an hour costs
# about thirty credits, and its end is seen within six minutes.
_CHARGED_SHARE: Final = 1 / 10
_CHARGED_FROM: Final = 2.0  # from this wait on they become rarer faster
_CHARGED_GROWTH: Final = 2.0
_CHARGED_PROBES: Final = 30
# When the pages that wait have fewer attempts than that, the first growth with which they suffice.
_GROWTHS: Final = (2.0, 3.0, 4.0, 6.0, 10.0, 20.0, 50.0, 200.0, 1000.0)
# Fewer pages that fail are more likely to be at fault themselves: then nobody waits for an hour.
_PAGES: Final = 3


class Waiting(NamedTuple):
    """Who waits for the API.

    Attributes:
        attempts: How many each page has left, that of the last probe included.
        most: The most that one of those has left that could probe now.
        patience: Seconds that they will still wait. `whole`: at the beginning of the outage.
    """

    attempts: tuple[int, ...] = ()
    most: int = 0
    patience: float = 0.0
    whole: float = 0.0


def next_wait(last: float, waiting: Waiting, *, charged: bool) -> float:
    """Return the seconds until the next probe.

    A probe that may be charged is one attempt less for its page. What the pages have left, but for
    the last attempt of each, has to last as long as their patience: no outage is to fail them.

    Args:
        last: What it was before the last probe; 0 if this is the first.
        waiting: Who waits.
        charged: Whether it may be charged, as the last failure may have been.
    """
    if not charged or waiting.whole * _CHARGED_SHARE <= LONGEST_WAIT:
        return min(last * _GROWTH or FIRST_WAIT, LONGEST_WAIT)
    longest = waiting.whole * _CHARGED_SHARE
    spare = sum(attempts - 1 for attempts in waiting.attempts)
    if len(waiting.attempts) >= _PAGES and spare < _CHARGED_PROBES and waiting.patience > 0:
        return _stretched(last, spare, waiting.patience, longest)
    growth = _CHARGED_GROWTH if last >= _CHARGED_FROM else _GROWTH
    return min(last * growth or FIRST_WAIT, longest)


def _stretched(last: float, probes: int, seconds: float, longest: float) -> float:
    """Return the first of some growing waits that last so long together."""
    if probes < 1:
        return seconds
    longest = max(longest, seconds / max(1, probes - 2))  # two may come soon
    for growth in _GROWTHS:
        first = wait = min(last * growth or FIRST_WAIT, longest)
        together = 0.0
        for _ in range(probes):
            together += wait
            wait = min(wait * growth, longest)
        if together >= seconds:
            return first
    return longest
