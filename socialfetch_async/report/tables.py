"""Tables that scroll by themselves on a narrow screen; what they leave out is said."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from socialfetch_async.report.markup import Html, join, tag

_LONGEST: Final = 300
_NAMED: Final = 3


def table(name: str, columns: Mapping[str, str], rows: Iterable[Sequence[str]]) -> Html:
    """Return a table.

    Args:
        name: What a screen reader says.
        columns: Heading of each column, and the CSS class of its cells.
        rows: Cells.
    """
    head = [tag("th", heading, scope="col", class_=kind) for heading, kind in columns.items()]
    body = (
        tag("tr", *(tag("td", c, class_=k) for c, k in zip(row, columns.values(), strict=True)))
        for row in rows
    )
    inside = tag("table", tag("thead", tag("tr", *head)), tag("tbody", *body))
    # What scrolls has to be reachable with the keyboard.
    return tag("div", inside, class_="table", role="region", aria_label=name, tabindex=0)


def cut_note(shown: int, of: int, what: str) -> Html:
    """Say that a table is cut, if it is."""
    if shown == of:
        return join()
    return tag("p", f"The {shown:,} of {of:,} {what}.", class_="quiet")


def cut(text: str, longest: int = _LONGEST) -> str:
    """Shorten a text that may be of any length."""
    return text if len(text) <= longest else f"{text[: longest - 1]}\u2026"


def nothing(text: str) -> Html:
    """Say why a section is empty."""
    return tag("p", text, class_="quiet")


def note(*text: str) -> Html:
    """Return a smaller line below what stands in a cell."""
    return tag("small", *text)


def named(handles: Sequence[str]) -> Iterator[Html]:
    """Yield the first handles, and how many more there are."""
    for position, handle in enumerate(handles[:_NAMED]):
        yield join(", " * bool(position), tag("bdi", handle))
    if len(handles) > _NAMED:
        yield join(f" and {len(handles) - _NAMED:,} more")
