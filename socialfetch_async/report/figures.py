"""What a report says, as numbers: read from journals once, without their rows."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from socialfetch_async.journal import SavedHandle, SavedRun

# Between two pages of a working run lie at most the 120 seconds after which a page fails. What is
# longer was no work: the run had ended, and another one went on with the journal.
PAUSE: Final = 300.0

_COLUMNS: Final = 100
_STEPS: Final = (
    *(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200),
)


class Work(NamedTuple):
    """When something was written, in seconds of work: pauses are left out.

    Attributes:
        at: The seconds since the first of them, one for each time.
        pauses: Where a pause was left out.
    """

    at: Sequence[float]
    pauses: Sequence[float]

    @property
    def seconds(self) -> float:
        """From the first to the last."""
        return self.at[-1] if self.at else 0.0

    def columns(self) -> tuple[float, list[int]]:
        """Return the seconds of a column, and how many times fall into each of at most 101."""
        least = self.seconds / _COLUMNS
        days = -(-least // 86_400) * 86_400
        step = next((step for step in _STEPS if step >= least), days)
        counts = [0] * (int(self.seconds / step) + 1)
        for at in self.at:
            counts[int(at / step)] += 1
        return step, counts


class Figures(NamedTuple):
    """All numbers of a report.

    Attributes:
        pages: Different pages. `followers`: on them.
        credits_charged: Credits confirmed. `credits_charged_again`: of
            these, for pages that had been bought before.
        maybe_charged: Upper bound of what else may have been charged, in credits.
        began: When the first page or end of a handle was written; seconds of the epoch, or None.
            `ended`: the last.
        work: When the pages were written. `seconds`: of work, ends of handles included.
        seconds_of: For each handle, the seconds of work from its first page to its end.
    """

    names: list[str]
    handles: list[SavedHandle]
    broken_lines: int
    pages: int
    followers: int
    credits_charged: int
    credits_charged_again: int
    maybe_charged: int
    began: float | None
    ended: float | None
    work: Work
    seconds: float
    seconds_of: dict[str, float]


def figures_of(saved: SavedRun) -> Figures:
    """Read the journals through."""
    times = array("d")
    times_of: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
    price = 0
    for page in saved.pages():
        at = page.at.timestamp()
        times.append(at)
        times_of[page.handle.lower()].append(at)
        price += page.credits_charged
    handles = list(saved.handles.values())
    began = min((h.first_at.timestamp() for h in handles), default=None)
    ended = max((h.last_at.timestamp() for h in handles), default=None)
    return Figures(
        names=[path.name for path in saved.paths],
        handles=handles,
        broken_lines=saved.broken_lines,
        pages=len(times),
        followers=sum(handle.followers for handle in handles),
        credits_charged=saved.credits_charged,
        credits_charged_again=saved.credits_charged - price,
        maybe_charged=saved.maybe_charged,
        began=began,
        ended=ended,
        work=_work(times),
        seconds=_work([*times, *(h.last_at.timestamp() for h in handles)]).seconds,
        seconds_of={
            key: _work([*times_of[key], handle.last_at.timestamp()]).seconds
            for key, handle in saved.handles.items()
        },
    )


def _work(times: Iterable[float]) -> Work:
    at: list[float] = []
    pauses: list[float] = []
    ordered = sorted(times)
    for before, now in pairwise([*ordered[:1], *ordered]):
        last = at[-1] if at else 0.0
        if now - before > PAUSE:
            pauses.append(last)
            at.append(last)
        else:
            at.append(last + now - before)
    return Work(at, pauses)
