"""What a report says, as numbers: read from journals once, without their rows."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from socialfetch_async._arguments import origin
from socialfetch_async.client import DEFAULT_BASE_URL
from socialfetch_async.export import is_much_shorter
from socialfetch_async.journal import SavedHandle, SavedRun
from socialfetch_async.report.left import Left, left_of
from socialfetch_async.report.readings import ReadingFigures, readings_of

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


class Balances(NamedTuple):
    """What the account's balance was when jobs opened and closed, in credits.

    Attributes:
        first: The oldest one. `last`: the newest.
        began: When the first was asked for, in seconds of the epoch. `ended`: the last.
        charged: What the pages in between cost, as far as the journal has them.
        maybe_charged: What may have been charged besides, in between.
    """

    first: int
    last: int
    began: float
    ended: float
    charged: int
    maybe_charged: int

    @property
    def taken(self) -> int:
        """What the balance fell by."""
        return self.first - self.last


class Figures(NamedTuple):
    """All numbers of a report.

    Attributes:
        by_key: The handles that have begun, by handle in lower case.
        origin: The API that the pages came from, if it is not the vendor's.
        left: What the job has left to do.
        readings: What each reading changed; empty if every list was read once.
        pages: Different pages. `followers`: on them. `total_followers`: the vendor's counts.
        without_first_page: Lists that begin at a cursor.
        short: Complete lists with fewer than 90 % of the followers that the vendor counts.
        credits_charged: Credits confirmed. `credits_charged_again`: of these, for pages that had
            been bought before, or belong to older readings.
        maybe_charged: Upper bound of what else may have been charged, in credits.
        retries: Further attempts after a failure, of all sessions that were closed.
        balances: The account's balance before and after; None if it is not known.
        began: When the first page or end of a handle was written; seconds of the epoch, or None.
            `ended`: the last.
        work: When the pages were written. `seconds`: of work, ends of handles included.
        seconds_of: For each handle, the seconds of work from its first page to its end.
    """

    names: list[str]
    origin: str | None
    by_key: dict[str, SavedHandle]
    left: Left
    readings: list[ReadingFigures]
    broken_lines: int
    pages: int
    followers: int
    total_followers: int
    without_first_page: int
    short: list[SavedHandle]
    credits_charged: int
    credits_charged_again: int
    maybe_charged: int
    retries: int
    balances: Balances | None
    began: float | None
    ended: float | None
    work: Work
    seconds: float
    seconds_of: dict[str, float]

    @property
    def handles(self) -> list[SavedHandle]:
        """The handles, in the order of the alphabet."""
        return list(self.by_key.values())


def figures_of(saved: SavedRun) -> Figures:
    """Read the journals through."""
    times = array("d")
    times_of: defaultdict[str, array[float]] = defaultdict(lambda: array("d"))
    begins: dict[str, str | None] = {}
    price = 0
    for page in saved.pages():
        at, key = page.at.timestamp(), page.handle.lower()
        times.append(at)
        times_of[key].append(at)
        begins.setdefault(key, page.cursor)
        price += page.credits_charged
    handles = list(saved.handles.values())
    return Figures(
        names=[path.name for path in saved.paths],
        origin=None if saved.origin == origin(DEFAULT_BASE_URL) else saved.origin,
        by_key=saved.handles,
        left=left_of(saved, begins),
        readings=readings_of(saved),
        broken_lines=saved.broken_lines,
        pages=len(times),
        followers=sum(handle.followers for handle in handles),
        total_followers=sum(handle.total_followers or 0 for handle in handles),
        without_first_page=sum(cursor is not None for cursor in begins.values()),
        short=[handle for handle in handles if is_much_shorter(handle)],
        credits_charged=saved.credits_charged,
        credits_charged_again=saved.credits_charged - price,
        maybe_charged=saved.maybe_charged,
        retries=saved.retries,
        balances=_balances(saved),
        began=min((h.first_at.timestamp() for h in handles), default=None),
        ended=max((h.last_at.timestamp() for h in handles), default=None),
        work=_work(times),
        seconds=_work([*times, *(h.last_at.timestamp() for h in handles)]).seconds,
        seconds_of={
            key: _work([*times_of[key], handle.last_at.timestamp()]).seconds
            for key, handle in saved.handles.items()
        },
    )


def _balances(saved: SavedRun) -> Balances | None:
    # Of several batches each counts its own credits: there is no sum between two balances.
    if not saved.is_one_batch or len(saved.balances) < 2:
        return None
    first, last = saved.balances[0], saved.balances[-1]
    return Balances(
        first=first.balance,
        last=last.balance,
        began=first.at.timestamp(),
        ended=last.at.timestamp(),
        charged=last.credits_charged - first.credits_charged,
        maybe_charged=max(0, last.maybe_charged - first.maybe_charged),
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
