"""What is left of a job, as the plan of a batch sees it, and what that would cost."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from socialfetch_async.batch import estimate_of
from socialfetch_async.journal import Refresh, SavedRun, Step, Wanted

CAPS: Final = frozenset({"max_pages", "max_followers"})


class Left(NamedTuple):
    """What the same command would still do.

    Attributes:
        refresh: The refresh that is not finished; None while or after the first collection.
            `spent`: what it may have cost so far at most, in credits.
        steps: What to do for each handle that has begun and is not done, by handle in lower case.
        credits: About what these cost together.
        unknown: How many of these have no vendor's count, so that their cost is not in `credits`.
        capped: Lists that end at a cap that was asked for. Only a higher cap goes on with them.
        handles: How many handles the job has.
        not_begun: How many of them nothing is in the journal of: at least 1 credit each.
    """

    refresh: Refresh | None
    spent: int
    steps: dict[str, Step]
    credits: int
    unknown: int
    capped: int
    handles: int
    not_begun: int

    @property
    def done(self) -> int:
        """How many handles nothing is left to do for."""
        return self.handles - self.not_begun - len(self.steps)


def left_of(saved: SavedRun, begins: Mapping[str, str | None]) -> Left:
    """Ask the plan what is left.

    Args:
        saved: What is there.
        begins: By handle in lower case: the cursor of the first page that is there.
    """
    refresh = _open_refresh(saved)
    wanted = Wanted(saved.work(refresh) or "", refresh)
    # A list that was asked for from a cursor is not asked for from its top. But where a line is
    # broken, what lacks may be the first page.
    starts = {key: None if saved.broken_lines else begins.get(key) for key in saved.handles}
    steps = {k: step for k, step in saved.plan(starts, wanted).items() if step.do != "nothing"}
    capped = [key for key, step in steps.items() if _ends_at_a_cap(saved, key, step)]
    for key in capped:
        del steps[key]
    found = estimate_of(saved, steps, wanted, saved.price)
    # Of several batches each knows the handles of its own part, and parts may overlap.
    asked = saved.asked if saved.is_one_batch else None
    handles = max(asked or 0, len(saved.handles))
    return Left(
        refresh=refresh,
        spent=saved.spent(wanted.work, refresh),
        steps=steps,
        credits=found.credits_left,
        unknown=sum(entry.credits_left is None for entry in found.handles),
        capped=len(capped),
        handles=handles,
        not_begun=handles - len(saved.handles),
    )


def _open_refresh(saved: SavedRun) -> Refresh | None:
    if saved.work("new") is not None:
        return "new"
    return "all" if saved.work("all") is not None else None


def _ends_at_a_cap(saved: SavedRun, key: str, step: Step) -> bool:
    # The caps are the command's and not in the journal; that one ended the list is.
    return step.do == "go_on" and saved.handles[key].status in CAPS
