"""What a batch has left to do for each handle: one pure function, asked by all who want to know.

| asked for | the list is ... | step |
| --- | --- | --- |
| no refresh | not begun, unfinished | read, go_on |
| no refresh | finished, failed at a guard, as long as a cap | nothing |
| refresh new | unfinished, finished, unavailable | go_on, read_new, ask_again |
| refresh all | of an older reading, unfinished in this one | read, go_on |
| refresh all | longer than the caps allow | nothing |
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from socialfetch_async._protocol.retry import rule
from socialfetch_async.events import HandleDone
from socialfetch_async.journal.index import CAPS, WHOLE, Index, List, SavedList

Refresh = Literal["new", "all"]

GUARDS: Final = {"repeated_cursor", "no_progress"}
_NOT_AGAIN: Final = {"failed", "stopped", "max_credits"}  # in the same call


class Wanted(NamedTuple):
    """What is asked of a batch.

    Attributes:
        work: The piece of work, and the name of the readings that begin in it.
        refresh: Whether it is a refresh: what is `new`, or `all`.
        max_pages: The most pages of a list. `max_followers`: the most followers, in whole pages.
        before: Lists that were asked for at this time or later are not refreshed; seconds of the
            epoch.
    """

    work: str
    refresh: Refresh | None = None
    max_pages: int | None = None
    max_followers: int | None = None
    before: float | None = None

    def capped(self, pages: int, followers: int) -> Literal["max_pages", "max_followers"] | None:
        """Return the cap that so many pages and followers have reached."""
        if self.max_pages is not None and pages >= self.max_pages:
            return "max_pages"
        if self.max_followers is not None and followers >= self.max_followers:
            return "max_followers"
        return None


class Step(NamedTuple):
    """What to do for one handle.

    Attributes:
        do: `nothing`; `go_on` from a cursor; `read` from the top; `read_new`, from the top until
            a page brings nobody new; `ask_again` for a profile that was unavailable.
        why: Why there is nothing to do: how the list ended, the cap it has reached, `recent`,
            `deeper` when the caps would end a refresh before it is as long as the list that is
            there, so that it would not be shown, or the guard it failed at. Else `unfinished`,
            `not_begun` or `refresh`; `refused` when the API refused the cursor before.
        reading: The reading that the next page belongs to.
        cursor: The next page; None is the first one.
        base: The older reading that a new one is joined to.
        pages: Of the list, that are there. `followers`: on them.
    """

    do: Literal["nothing", "go_on", "read", "read_new", "ask_again"]
    why: str
    reading: str
    cursor: str | None = None
    base: str | None = None
    pages: int = 0
    followers: int = 0


def plan(index: Index, starts: Mapping[str, str | None], wanted: Wanted) -> dict[str, Step]:
    """Return what to do for each handle; it is asked again when that is done.

    Args:
        index: What is there.
        starts: The handles, each with the cursor to begin at; None is the top of the list.
        wanted: What is asked for.
    """
    return {handle: _step(index, handle, start, wanted) for handle, start in starts.items()}


class Rounds:
    """What was tried in one call: a plan is asked again until it has nothing new to do."""

    def __init__(self) -> None:
        self._tried: set[tuple[str, Step]] = set()
        self._spared: set[str] = set()  # handles that had a second round
        self._due: set[str] = set()  # those that are to have one
        self.outcomes: dict[str, str] = {}  # how each handle ended last

    def next(self, steps: Mapping[str, Step]) -> dict[str, str | None]:
        """Return what the next run is to ask for.

        That is no step twice and nothing that failed, but for what failed in an outage: once.
        """
        todo = {
            handle: step
            for handle, step in steps.items()
            if step.do != "nothing"
            and (
                handle in self._due
                or (
                    self.outcomes.get(handle) not in _NOT_AGAIN
                    and (handle, step) not in self._tried
                )
            )
        }
        self._tried.update(todo.items())
        self._due.clear()
        return {handle: step.cursor for handle, step in todo.items()}

    def ended(self, handles: Iterable[str], outcomes: Mapping[str, HandleDone]) -> None:
        """Keep how the handles of a run ended; one that has no end was stopped."""
        for handle in handles:
            done = outcomes.get(handle)
            self.outcomes[handle] = "stopped" if done is None else done.status
        self._due = failed_in_an_outage(outcomes.values()) - self._spared
        self._spared |= self._due


def failed_in_an_outage(ends: Iterable[HandleDone]) -> set[str]:
    """Return the handles that failed while the API was down for all, and then it was up again.

    Of few lists side by side some have no attempts left before an outage can be told from a page
    that always fails. Of one handle alone it cannot be told: it has another chance if that is free.
    Who was asked to wait for longer than it would has none.

    Args:
        ends: How the handles of a run ended, in that order.
    """
    found, down = set[str](), dict[str, int]()  # and what each may have cost
    for done in ends:
        if done.error is None:
            if done.pages:
                several = len(down) > 1
                found.update(handle for handle, cost in down.items() if several or not cost)
                down.clear()
        elif rule(done.error).outage and done.error.retry_after is None:
            down[done.handle] = done.error.maybe_charged
    return found


def settled(steps: Mapping[str, Step]) -> bool:
    """Return whether the same call would ask for nothing more, but what the API refuses."""
    return all(step.do == "nothing" or step.why == "refused" for step in steps.values())


def left(steps: Mapping[str, Step]) -> dict[str, str | None]:
    """Return the handles that have something to do, with the cursors to ask for."""
    return {handle: step.cursor for handle, step in steps.items() if step.do != "nothing"}


def _step(index: Index, handle: str, start: str | None, wanted: Wanted) -> Step:
    saved = index.lists.get(handle.lower())
    current = None if saved is None else index.current(saved)
    if saved is None or current is None:
        return Step("read", "not_begun", wanted.work, start)
    if start is not None:
        current = index.list_of(saved, current.base, start)
    if wanted.refresh is None:
        return _collect(index, current, wanted)
    if (begun := saved.readings.get(wanted.work)) is not None and begun.pages:
        return _go_on_refreshing(index, saved, current, wanted)
    if wanted.refresh == "all":
        step = _again("read", index, saved, current, wanted)
        deeper = step.do == "read" and _is_deeper(index, current, wanted)
        return Step("nothing", "deeper", current.reading.name) if deeper else step
    return _refresh_new(index, saved, current, wanted)


def _refresh_new(index: Index, saved: SavedList, current: List, wanted: Wanted) -> Step:
    """Return how a list is brought up to date: first to its end, then from its top."""
    if current.ended not in {None, *WHOLE, "failed"}:
        return _again("ask_again", index, saved, current, wanted)
    step = _collect(index, current, wanted)
    if step.why in {*GUARDS, "refused"}:
        return step._replace(do="nothing")
    return _again("read_new", index, saved, current, wanted) if step.do == "nothing" else step


def _is_deeper(index: Index, current: List, wanted: Wanted) -> bool:
    """Return whether a list has more than a reading of it under the caps would have."""
    followers, last, _ = index.depth(current)
    caps = [] if wanted.max_followers is None else [wanted.max_followers]
    if wanted.max_pages is not None:
        # A list without followers is no deeper than any cap.
        caps.append(wanted.max_pages * (index.rows_per_page(current) or 1))
    return bool(caps) and min(caps) <= followers - last


def _collect(index: Index, current: List, wanted: Wanted) -> Step:
    """Return what is left of a list that is to be read to its end, or to its caps."""
    pages, followers = current.pages, index.followers(current)
    if current.ended is not None:
        why = "repeated_cursor" if current.ended == "failed" else current.ended
        return Step("nothing", why, current.base.name, pages=pages, followers=followers)
    do: Literal["nothing", "go_on"] = "go_on"
    why, done = "unfinished", current.base.done
    if done is not None and done.reason is not None and done.cursor == current.cursor:
        # What the API refused may be asked for again: a refusal is not charged.
        do = "nothing" if done.reason in GUARDS else "go_on"
        why = done.reason if done.reason in {*GUARDS, "refused"} else why
    if cap := wanted.capped(pages, followers):
        do, why = "nothing", cap
    return Step(do, why, current.base.name, current.cursor, None, pages, followers)


def _again(
    do: Literal["read", "read_new", "ask_again"],
    index: Index,
    saved: SavedList,
    current: List,
    wanted: Wanted,
) -> Step:
    """Return the step that begins the reading of a refresh, unless the list is recent."""
    reading = current.reading
    base = reading.name if do == "read_new" else None
    if wanted.before is not None and _asked_at(index, saved, current) >= wanted.before:
        return Step("nothing", "recent", reading.name)
    return Step(do, "refresh", wanted.work, None, base)


def _asked_at(index: Index, saved: SavedList, current: List) -> float:
    """Return when a list was asked for last, by a reading that is over, in seconds of the epoch.

    That may be one that is not shown: the profile was unavailable, or the cursors repeated.
    """
    over = [
        one.first_at
        for one in saved.readings.values()
        if index.list_of(saved, one).ended is not None
        or (one.done is not None and one.done.reason in GUARDS)
    ]
    return max([current.reading.first_at, *over])


def _go_on_refreshing(index: Index, saved: SavedList, current: List, wanted: Wanted) -> Step:
    """Return what is left of a list whose reading in this refresh has begun."""
    reading = saved.readings[wanted.work]
    chain = index.chain(saved, reading)
    if chain.met is not None:
        step = _collect(index, index.list_of(saved, reading), wanted)
        return step if step.do == "go_on" else step._replace(reading=reading.name)
    alone = List([(reading, chain.pages)], chain.cursor, chain.ended)
    step = _collect(index, alone, wanted)
    # Without another list it is the first reading of this one, and read as a whole.
    hidden = current.reading.name != reading.name
    if step.do == "nothing" and step.why in CAPS and hidden:
        return step._replace(why="deeper")
    if step.do != "go_on" or wanted.refresh != "new" or not hidden:
        return step
    return step._replace(do="read_new", base=current.reading.name)
