"""`diff`: who came and who went between two readings of one profile's list."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final, Literal, NamedTuple

import msgspec

from socialfetch_async._arguments import clean_handle
from socialfetch_async.errors import ExportError
from socialfetch_async.export.atomic import atomic_write
from socialfetch_async.export.columns import OF_ACCOUNT, account_cells
from socialfetch_async.export.conversion import Journals, reason, saved_run
from socialfetch_async.export.lists import as_text
from socialfetch_async.export.outputs import (
    STREAMED,
    PathLike,
    format_of,
    real_path,
    refuse_to_replace,
)
from socialfetch_async.export.to_csv import lines_of
from socialfetch_async.export.to_jsonl import account
from socialfetch_async.journal import SavedHandle, SavedRun
from socialfetch_async.models import Follower

_NAMED: Final = 5
_NAMES: Final = ("change", "source", *(c.name for c in OF_ACCOUNT), "extra", "fetched_at")
_rows: Final = msgspec.json.Decoder(list[msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One follower that only one of two lists has.

    Attributes:
        change: `gained` when only the new list has it, `lost` when only the old one has.
        source: The profile that is followed.
        follower: What the list that has it says of it.
        fetched_at: When that was saved: UTC, as in an export.
    """

    change: Literal["gained", "lost"]
    source: str
    follower: Follower
    fetched_at: str

    def line(self) -> bytes:
        """Return the change as a line of JSON, with the names of an export."""
        names = {"change": self.change, "source": self.source}
        return _encode({**names, **account(self.follower), "fetched_at": self.fetched_at}) + b"\n"


class _List(NamedTuple):
    """One list in the journals of one side: the current one, or what one reading found."""

    saved: SavedRun
    key: str
    reading: str | None = None

    @property
    def handle(self) -> SavedHandle:
        return self.saved.handles[self.key]

    @property
    def place(self) -> str:
        return ", ".join(path.name for path in self.saved.paths)

    def names(self) -> tuple[set[str], str]:
        """Return the handles in the list, and why it is not complete, or ""."""
        names: set[str] = set()
        handle, nameless, begins = self.handle, 0, True
        for number, page in enumerate(self.saved.pages(self.key, reading=self.reading)):
            begins &= number > 0 or page.cursor is None
            found = page.names()
            nameless += len(_rows.decode(page.raw_followers)) - len(found)
            names.update(found)
        if self.reading is None and handle.status != "complete":
            return names, f"its status is {handle.status}"
        if not begins:
            return names, "it does not begin with its first page"
        return names, f"{nameless} of its rows have no handle" if nameless else ""

    def changes(self, change: Literal["gained", "lost"], names: set[str]) -> Iterator[Change]:
        """Yield the rows of some followers, each once, in the order of the list."""
        for page in self.saved.pages(self.key, reading=self.reading):
            if not names:
                return
            for follower in page.followers:
                if follower.handle in names:
                    names.remove(follower.handle)
                    yield Change(
                        change=change,
                        source=self.handle.handle,
                        follower=follower,
                        fetched_at=as_text(page.at),
                    )


def diff(
    old: Journals,
    new: Journals | None = None,
    *,
    handle: str | None = None,
    partial: bool = False,
) -> Iterator[Change]:
    """Compare two journals, or the last two complete readings in one. No request is sent.

    A reading is one walk of a list from its top; `refresh="all"` makes another. Followers are
    compared by handle: one who changed it is both gained and lost. The handles of both lists are
    held in memory, about 100 bytes each.

    Args:
        old: The older journal, or several that are read as one. Without a newer one, the journal
            whose readings are compared.
        new: The newer journal.
        handle: The profile, where two journals hold several. In one journal all are compared
            that have two complete readings, if none is named.
        partial: Compare lists that are not complete too: what one of them lacks looks lost or
            gained.

    Returns:
        The gained followers in the order of the new list, then the lost ones in that of the old,
        one profile after the other.

    Raises:
        ExportError: A list is not there, not complete, or none of several was named.
        JournalError: A journal cannot be read.
        InvalidHandleError: `handle` is invalid.
    """
    if new is not None:
        return _compared(_lists(saved_run(old), saved_run(new), handle), partial=partial)
    pairs = _readings(saved_run(old), handle)
    return chain.from_iterable(_compared(pair, partial=partial) for pair in pairs)


def not_compared(saved: SavedRun) -> list[str]:
    """Return the profiles with a list, of which there are no two complete readings."""
    return [
        one.handle
        for key, one in saved.handles.items()
        if one.followers and len(_complete(saved, key)) < 2
    ]


def _readings(saved: SavedRun, handle: str | None) -> list[tuple["_List", "_List"]]:
    """Find the last two complete readings of each list."""
    keys = list(saved.handles) if handle is None else [clean_handle(handle).lower()]
    both = [(key, *names[-2:]) for key in keys if len(names := _complete(saved, key)) > 1]
    if not both:
        what = "no list has" if handle is None else f"the list of {handle!r} has not"
        raise ExportError(
            f"{what} two complete readings in {', '.join(map(str, saved.paths))}: there is nothing "
            'to compare. Export it again with refresh="all", or name two journals.'
        )
    return [(_List(saved, key, old), _List(saved, key, new)) for key, old, new in both]


def _complete(saved: SavedRun, key: str) -> list[str]:
    # One that was joined to an older reading says nothing of followers that were lost, and one
    # that looks cut short would say that all the others were.
    found = saved.readings(key)
    return [
        one.name
        for one in found
        if one.ended == "complete" and not one.joined and not one.set_aside
    ]


def _compared(lists: tuple["_List", "_List"], *, partial: bool) -> Iterator[Change]:
    names = []
    for one in lists:
        found, short = one.names()
        if short and not partial:
            raise ExportError(
                f"the list of {one.handle.handle!r} in {one.place} is not complete: {short}, and "
                "followers it lacks would look lost or gained. Finish it by running its batch "
                "again, or compare what is there with partial=True."
            )
        names.append(found)
    return _changes(lists, names[1] - names[0], names[0] - names[1])


def write_diff(
    old: Journals,
    new: Journals | None,
    output: PathLike,
    *,
    format: str | None = None,  # noqa: A002 - as in `convert`
    handle: str | None = None,
    partial: bool = False,
) -> Path:
    """Write what `diff` yields to a file, which is replaced if it is no journal.

    Args:
        old: As in `diff`, and so are `new`, `handle` and `partial`.
        new: The newer journal, or None.
        output: The file. Its suffix says the format, unless `format` does.
        format: `jsonl` or `csv`.
        handle: The profile.
        partial: Whether lists may be incomplete.

    Raises:
        ValueError: The format is another one.
        ExportError: The file cannot be written, or as in `diff`.
        JournalError: A journal cannot be read.
    """
    form = format or format_of(output)
    if form is None:
        raise ValueError(
            f"{Path(output).name or output} says no format: end it with "
            f".{' or .'.join(STREAMED)}, or name one with format=..."
        )
    if form not in STREAMED:
        raise ValueError(f"changes are written as {' or '.join(STREAMED)}, not as {form}")
    old, new = saved_run(old), None if new is None else saved_run(new)
    path = real_path(output)
    refuse_to_replace(path, [*old.paths, *(() if new is None else new.paths)])
    changes = diff(old, new, handle=handle, partial=partial)
    try:
        with atomic_write(path) as part, part.open("wb") as file:
            file.writelines(blocks_of(changes, form))
    except OSError as error:
        raise ExportError(
            f"{path} was not written: {reason(error)}. What stood there is as it was."
        ) from error
    return path


def blocks_of(changes: Iterable[Change], form: str) -> Iterator[bytes]:
    """Yield changes as lines of JSON, or as CSV."""
    if form == "jsonl":
        return (change.line() for change in changes)
    rows = (
        (change.change, change.source, *account_cells(change.follower, None), change.fetched_at)
        for change in changes
    )
    return lines_of(chain([_NAMES], rows))


def _changes(lists: tuple[_List, _List], gained: set[str], lost: set[str]) -> Iterator[Change]:
    yield from lists[1].changes("gained", gained)
    yield from lists[0].changes("lost", lost)


def _lists(old: SavedRun, new: SavedRun, handle: str | None) -> tuple[_List, _List]:
    """Find the list of one profile on both sides."""
    both = [key for key in new.handles if key in old.handles]
    if handle is not None:
        both = [key for key in both if key == clean_handle(handle).lower()]
    elif len(old.handles.keys() | new.handles.keys()) > 1:
        shown = ", ".join(new.handles[key].handle for key in both[:_NAMED]) or "none"
        more = f" and {len(both) - _NAMED:,} more" if len(both) > _NAMED else ""
        raise ExportError(
            "the journals hold several handles: name the one to compare. In both are: "
            f"{shown}{more}."
        )
    if not both:
        raise ExportError(
            f"{repr(handle) if handle else 'a handle'} is not in both journals: there is nothing "
            "to compare."
        )
    return _List(old, both[0]), _List(new, both[0])
