"""What stands under the headings of a report; each function yields its part of the page."""

import re
from collections import defaultdict
from collections.abc import Iterator
from heapq import nlargest
from typing import Final

from socialfetch_async._text import count
from socialfetch_async.journal import SavedHandle
from socialfetch_async.report import pictures
from socialfetch_async.report.figures import PAUSE, Figures
from socialfetch_async.report.markup import Html, join, tag
from socialfetch_async.report.tables import cut, cut_note, note, nothing, table
from socialfetch_async.report.words import duration, is_or_are, moment, share

_TOP: Final = 20
_UNFINISHED: Final = 100

# Outcome: how it looks, and what it means. The order is that of the bar.
_OUTCOMES: Final = {
    "complete": ("complete", "the whole list"),
    "missing_cursor": ("part", "the API named no next page although there was one: may be short"),
    "max_followers": ("part", "stopped at the limit of followers"),
    "max_pages": ("part", "stopped at the limit of pages"),
    "max_credits": ("part", "stopped at the limit of credits"),
    "stopped": ("part", "stopped before its end"),
    "unfinished": ("part", "no end was written: still running, or killed"),
    "private": ("unavailable", "the profile is private"),
    "hidden": ("unavailable", "the profile hides its list"),
    "not_found": ("unavailable", "there is no such profile"),
    "failed": ("failed", "ended with an error"),
}
_OTHER: Final = ("unavailable", "no list, in the API's own word")


def outcomes(figures: Figures) -> Iterator[Html]:
    """Yield how the handles ended, as a bar and as a table."""
    by_status: defaultdict[str, list[SavedHandle]] = defaultdict(list)
    for handle in figures.handles:
        by_status[handle.status].append(handle)
    order = {status: place for place, status in enumerate(_OUTCOMES)}
    statuses = sorted(by_status, key=lambda s: (order.get(s, len(order)), s))
    shown = statuses[:_TOP]
    if not shown:
        yield nothing("No handle has begun.")
        return
    yield tag(
        "figure",
        pictures.shares(
            "Handles by outcome: "
            + ", ".join(f"{cut(status)} {len(by_status[status]):,}" for status in shown),
            [(cut(s), _OUTCOMES.get(s, _OTHER)[0], len(by_status[s])) for s in shown],
        ),
    )
    rows = []
    for status in shown:
        look, meaning = _OUTCOMES.get(status, _OTHER)
        handles = by_status[status]
        rows.append(
            [
                join(tag("span", class_=f"key {look}"), tag("bdi", cut(status)), note(meaning)),
                f"{len(handles):,}",
                share(len(handles), len(figures.handles)),
                f"{sum(h.followers for h in handles):,}",
                f"{sum(h.credits_charged for h in handles):,}",
            ]
        )
    yield cut_note(len(shown), len(statuses), "outcomes")
    columns = {
        "Outcome": "name",
        "Handles": "number",
        "Share": "number extra",
        "Followers": "number",
        "Credits": "number",
    }
    yield table("Handles by outcome", columns, rows)


def over_time(figures: Figures) -> Iterator[Html]:
    """Yield when the pages came."""
    if not figures.pages or figures.began is None:
        yield nothing("No page has come.")
        return
    step, counts = figures.work.columns()
    most = max(counts)
    caption = (
        f"A column is {duration(step)}; the highest is {count(most, 'page')}. "
        f"The first page came {moment(figures.began)} UTC."
    )
    pauses = figures.work.pauses
    if pauses:
        caption += (
            f" {count(len(pauses), 'pause')} of more than {duration(PAUSE)} "
            f"{is_or_are(len(pauses))} left out (dashed)."
        )
    width = step * len(counts)
    yield tag(
        "figure",
        tag("div", tag("span", f"{count(most, 'page')} in {duration(step)}"), class_="axis"),
        pictures.columns(
            f"{count(figures.pages, 'page')} over {duration(figures.work.seconds)}",
            counts,
            [pause / width for pause in pauses],
        ),
        tag(
            "div",
            *(tag("span", duration(width * part)) for part in (0, 0.5, 1)),
            class_="axis",
        ),
        tag("figcaption", caption),
    )


def by_credits(figures: Figures) -> Iterator[Html]:
    """Yield the handles that cost most."""
    top = nlargest(_TOP, figures.handles, key=lambda h: (h.credits_charged, h.followers))
    if not top:
        yield nothing("Nothing was bought.")
        return
    yield cut_note(len(top), len(figures.handles), "handles with the most credits")
    most = top[0].credits_charged
    rows = [
        [
            tag("bdi", handle.handle),
            pictures.bar(handle.credits_charged, most),
            f"{handle.credits_charged:,}",
            share(handle.credits_charged, figures.credits_charged),
            f"{handle.followers:,}",
            "" if handle.total_followers is None else f"{handle.total_followers:,}",
            tag("bdi", cut(handle.status)),
        ]
        for handle in top
    ]
    columns = {
        "Handle": "name",
        "": "picture",
        "Credits": "number",
        "Of all": "number extra",
        "Followers": "number",
        "API's total": "number extra",
        "Outcome": "extra",
    }
    yield table("Credits per handle", columns, rows)


def by_error(figures: Figures) -> Iterator[Html]:
    """Yield the errors, the same one of several handles once."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for handle in figures.handles:
        if handle.error is not None:
            groups[_sentence(handle.error)].append(handle.handle)
    if not groups:
        yield nothing("No handle ended with an error.")
        return
    top = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:_TOP]
    yield cut_note(len(top), len(groups), "errors that came most often")
    rows = [
        [
            f"{len(handles):,}",
            join(tag("bdi", cut(sentence)), note(*_names(handles))),
        ]
        for sentence, handles in top
    ]
    yield table("Errors", {"Handles": "number", "Error": "long"}, rows)


def _names(handles: list[str]) -> Iterator[str]:
    for position, handle in enumerate(handles[:3]):
        yield ", " * bool(position)
        yield tag("bdi", handle)
    if len(handles) > 3:
        yield f" and {len(handles) - 3:,} more"


def by_seconds(figures: Figures) -> Iterator[Html]:
    """Yield the handles that took longest."""
    timed = [(figures.seconds_of[handle.handle.lower()], handle) for handle in figures.handles]
    top = nlargest(_TOP, (t for t in timed if t[0]), key=lambda t: (t[0], t[1].handle))
    if not top:
        yield nothing("No handle took more than one page.")
        return
    yield cut_note(
        len(top),
        len(figures.handles),
        "handles that took longest from their first page to their end, waiting for their turn "
        "included",
    )
    rows = [
        [
            tag("bdi", handle.handle),
            pictures.bar(seconds, top[0][0]),
            duration(seconds),
            f"{handle.pages:,}",
            f"{duration(seconds / handle.pages)}" if handle.pages else "",
            tag("bdi", cut(handle.status)),
        ]
        for seconds, handle in top
    ]
    columns = {
        "Handle": "name",
        "": "picture",
        "Time": "number",
        "Pages": "number",
        "A page": "number extra",
        "Outcome": "extra",
    }
    yield table("Slowest handles", columns, rows)


def unfinished(figures: Figures) -> Iterator[Html]:
    """Yield the handles that something is left of, and how to go on."""
    left = [handle for handle in figures.handles if not handle.finished]
    if not left:
        yield nothing("None.")
        return
    yield tag(
        "p",
        "Run the same ",
        tag("code", "socialfetch export"),
        " again with this journal, or pass ",
        tag("code", "journal.pending()"),
        " to ",
        tag("code", "client.iter_followers_many"),
        ". Handles that had not begun are in no journal and not in this list.",
    )
    shown = left[:_UNFINISHED]
    yield cut_note(len(shown), len(left), "unfinished handles in the order of the alphabet")
    rows = [
        [
            join(tag("bdi", handle.handle), note(tag("bdi", cut(handle.status)))),
            f"{handle.followers:,}",
            "" if handle.total_followers is None else f"{handle.total_followers:,}",
            "the first page" if handle.cursor is None else tag("code", cut(handle.cursor, 80)),
        ]
        for handle in shown
    ]
    columns = {
        "Handle": "name",
        "Followers": "number",
        "API's total": "number extra",
        "Goes on from": "long",
    }
    yield table("Unfinished handles", columns, rows)


def _sentence(error: str) -> str:
    """Leave the position out of an error's text, so that the same error of two handles is one."""
    return re.sub(r" \[handle '.*\]", "", error, flags=re.DOTALL)
