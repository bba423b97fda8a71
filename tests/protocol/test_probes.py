"""When the next probe of an API that is down may leave."""

import pytest

from socialfetch_async._protocol.probes import Waiting, next_wait

HOUR = 3600.0
MANY = Waiting((6,) * 10, 6, HOUR, HOUR)


def waits(waiting: Waiting, *, charged: bool, probes: int) -> list[float]:
    """Return the waits before so many probes, each by the page that has the most attempts left."""
    left, patience = sorted(waiting.attempts), waiting.patience
    found: list[float] = []
    for _ in range(probes):
        now = Waiting(tuple(left), left[-1], patience, waiting.whole)
        found.append(next_wait(found[-1] if found else 0.0, now, charged=charged))
        patience -= found[-1]
        left = sorted([*left[:-1], left[-1] - 1])
    return found


@pytest.mark.parametrize(
    ("last", "charged", "waiting", "wait"),
    [
        (0.0, False, MANY, 0.1),
        (0.1, False, MANY, 0.13),
        (4.9, False, MANY, 5.0),
        (5.0, False, Waiting((1,) * 3, 1, HOUR, HOUR), 5.0),  # they cost nothing: nothing to save
        (5.0, True, Waiting((6,) * 10, 6, 0.0, 0.0), 5.0),  # no patience to spread them over
        (1.0, True, MANY, 1.3),
        (2.0, True, MANY, 4.0),
        (300.0, True, MANY, 360.0),
        (0.0, True, Waiting((3, 2), 3, HOUR, HOUR), 0.1),  # two pages that may be bad themselves
        (0.5, True, Waiting((3, 2), 3, HOUR, HOUR), 0.65),
        (0.0, True, Waiting((4,) * 5, 4, HOUR, HOUR), 0.1),
        (0.1, True, Waiting((4,) * 5, 4, HOUR, HOUR), 0.4),
        (0.0, True, Waiting((1,) * 5, 1, HOUR, HOUR), HOUR),  # the last of each, at the end
        (9.0, True, Waiting((2, 1, 1), 2, 50.0, HOUR), 54.0),  # six times is enough for the rest
        (9.0, True, Waiting((1, 1, 1), 1, -1.0, HOUR), 18.0),  # patience is over
        (0.5, True, Waiting((2, 1, 1), 2, 0.0, HOUR), 0.65),
        (0.5, True, Waiting((2, 1, 1), 2, 0.5, HOUR), 1.0),
        (9.0, True, Waiting((2, 1, 1), 2, 18.0, HOUR), 18.0),  # twice is just enough
        (9.0, True, Waiting((2, 1, 1), 2, 18.5, HOUR), 27.0),
        (2.0, True, Waiting((6,) * 10, 6, 50.0, 50.0), 2.6),  # a tenth of it is not rarer
        (0.1, True, Waiting((4,) * 10, 4, HOUR, HOUR), 0.13),  # thirty are enough
        (1000.0, True, Waiting((3, 2, 2), 3, HOUR, HOUR), HOUR / 2),  # four, two of them soon
        (0.0, True, Waiting((2, 1, 1), 2, HOUR, HOUR), HOUR),  # one, and no growth is enough
    ],
)
def test_the_next_wait(last: float, *, charged: bool, waiting: Waiting, wait: float) -> None:
    """Growing, and longer where the attempts of those who wait would not last."""
    assert next_wait(last, waiting, charged=charged) == pytest.approx(wait)


@pytest.mark.parametrize(
    "attempts",
    [(6,) * 9, (4,) * 5, (5, 5, 4, 4), (4, 4, 2), (3, 3, 2), (2, 2, 2), (6, 1, 1)],
    ids=lambda attempts: "".join(map(str, attempts)),
)
def test_the_attempts_last_as_long_as_the_patience(attempts: tuple[int, ...]) -> None:
    """With one attempt of each page left over; and the first probes come soon."""
    spare = sum(attempts) - len(attempts)
    found = waits(Waiting(attempts, 0, HOUR, HOUR), charged=True, probes=min(spare, 30))

    assert sum(found) >= HOUR or spare >= 30
    assert spare < 5 or found[1] < 200
