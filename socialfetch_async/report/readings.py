"""What each reading of the lists brought: who came and who left, counted."""

from collections.abc import Iterator
from typing import NamedTuple

from socialfetch_async.journal import SavedReading, SavedRun


class ReadingFigures(NamedTuple):
    """What the readings of one piece of work brought, all lists together.

    Attributes:
        began: When its first page was saved; seconds of the epoch.
        lists: How many lists it has read, or begun to read.
        unfinished: Of these, not finished.
        compared: Of these, with an older list to compare with.
        gained: Followers that the older lists lack.
        lost: Followers of the older lists that are gone, as far as known.
        joined: Of the compared lists, those that were read only until a page had no new follower,
            so that nothing is known of lost ones.
    """

    began: float
    lists: int
    unfinished: int
    compared: int
    gained: int
    lost: int
    joined: int


class _Change(NamedTuple):
    reading: SavedReading
    compared: bool
    gained: int = 0
    lost: int = 0


def readings_of(saved: SavedRun) -> list[ReadingFigures]:
    """Count what each reading changed, the oldest first; empty if every list was read once."""
    changes: dict[str, list[_Change]] = {}
    again = False
    for key in saved.handles:
        readings = saved.readings(key)
        again |= len(readings) > 1
        for change in _changes(saved, key, readings):
            changes.setdefault(change.reading.name, []).append(change)
    return [_summed(changes[name]) for name in sorted(changes)] if again else []


def _changes(saved: SavedRun, key: str, readings: tuple[SavedReading, ...]) -> Iterator[_Change]:
    if len(readings) == 1:  # nothing to compare: no page is read
        yield _Change(readings[0], compared=False)
        return
    before: set[str] | None = None
    for reading in readings:
        if reading.ended != "complete" or reading.set_aside:
            yield _Change(reading, compared=False)
            continue
        names = {name for page in saved.pages(key, reading=reading.name) for name in page.names()}
        if before is None:
            yield _Change(reading, compared=False)
        elif reading.joined:  # it says nothing of followers that left
            yield _Change(reading, True, len(names - before))
        else:
            yield _Change(reading, True, len(names - before), len(before - names))
        before = names


def _summed(changes: list[_Change]) -> ReadingFigures:
    return ReadingFigures(
        began=min(change.reading.began_at.timestamp() for change in changes),
        lists=len(changes),
        unfinished=sum(change.reading.ended is None for change in changes),
        compared=sum(change.compared for change in changes),
        gained=sum(change.gained for change in changes),
        lost=sum(change.lost for change in changes),
        joined=sum(change.compared and bool(change.reading.joined) for change in changes),
    )
