"""What stands under the headings of a report; each function yields its part of the page."""

import re
from collections import defaultdict
from collections.abc import Iterator
from heapq import nlargest
from typing import Final

from socialfetch_async._text import count
from socialfetch_async.journal import SavedHandle, Step
from socialfetch_async.report import pictures
from socialfetch_async.report.figures import PAUSE, Balances, Figures
from socialfetch_async.report.markup import Html, join, tag
from socialfetch_async.report.readings import ReadingFigures
from socialfetch_async.report.tables import cut, cut_note, named, note, nothing, table
from socialfetch_async.report.words import day, duration, is_or_are, moment, share

_TOP: Final = 20
_LEFT: Final = 100

# Outcome: how it looks, and what it means. The order is that of the bar.
_OUTCOMES: Final = {
    "complete": ("complete", "the whole list"),
    "missing_cursor": ("part", "ended without a next cursor: may be short"),
    "max_followers": ("part", "reached the limit of followers"),
    "max_pages": ("part", "reached the limit of pages"),
    "max_credits": ("part", "reached the credit limit"),
    "stopped": ("part", "interrupted"),
    "unfinished": ("part", "no end was written: still running, or killed"),
    "private": ("unavailable", "the profile is private"),
    "hidden": ("unavailable", "the profile hides its list"),
    "not_found": ("unavailable", "there is no such profile"),
    "failed": ("failed", "ended with an error"),
}
_OTHER: Final = ("unavailable", "no list, in the API's own word")
_NOT_BEGUN: Final = ("waiting", "nothing of it is in the journal")
_STEPS: Final = {
    "go_on": "resumes the list at the cursor",
    "read": "reads the list from its top",
    "read_new": "reads from the top until a page has no new follower",
    "ask_again": "looks the profile up again",
}


def outcomes(figures: Figures) -> Iterator[Html]:
    """Yield how the handles ended, as a bar and as a table."""
    by_status: defaultdict[str, list[SavedHandle]] = defaultdict(list)
    for handle in figures.handles:
        by_status[handle.status].append(handle)
    order = {status: place for place, status in enumerate(_OUTCOMES)}
    statuses = sorted(by_status, key=lambda s: (order.get(s, len(order)), s))
    shown = statuses[:_TOP]
    if not shown and not figures.left.not_begun:
        yield nothing("No handle has started.")
        return
    parts = [(cut(s), *_OUTCOMES.get(s, _OTHER), by_status[s], len(by_status[s])) for s in shown]
    if figures.left.not_begun:
        parts.append(("not started", *_NOT_BEGUN, [], figures.left.not_begun))
    yield tag(
        "figure",
        pictures.shares(
            "Handles by outcome: "
            + ", ".join(f"{status} {amount:,}" for status, *_, amount in parts),
            [(status, look, amount) for status, look, _, _, amount in parts],
        ),
    )
    rows = [
        [
            join(tag("span", class_=f"key {look}"), tag("bdi", status), note(meaning)),
            f"{amount:,}",
            share(amount, figures.left.handles),
            f"{sum(h.followers for h in handles):,}",
            f"{sum(h.credits_charged for h in handles):,}",
        ]
        for status, look, meaning, handles, amount in parts
    ]
    yield cut_note(len(shown), len(statuses), "outcomes")
    columns = {
        "Outcome": "name",
        "Handles": "number",
        "Share": "number extra",
        "Followers": "number",
        "Credits": "number",
    }
    yield table("Handles by outcome", columns, rows)


def credits_and_balance(figures: Figures) -> Iterator[Html]:
    """Yield what was charged, what may have been, and what the account's balance says of that."""
    rows = [
        ["Charged", "confirmed by the API", f"{figures.credits_charged:,}"],
        [
            "Possibly charged",
            "at most, for requests without a response",
            f"{figures.maybe_charged:,}",
        ],
        ["Retries", "not counted for a session that was killed", f"{figures.retries:,}"],
    ]
    found = figures.balances
    if found is not None:
        rows += [
            ["Balance before", f"{moment(found.began)} UTC", f"{found.first:,}"],
            ["Balance after", f"{moment(found.ended)} UTC", f"{found.last:,}"],
            ["Taken from the balance", "between the two", f"{found.taken:,}"],
            ["Counted in the journal", f"between the two{_and_maybe(found)}", f"{found.charged:,}"],
        ]
    cells = [[join(tag("bdi", name), note(what)), amount] for name, what, amount in rows]
    yield table("Credits", {"": "name", "Credits": "number"}, cells)
    yield tag("p", _compared(found), class_="quiet")


def _and_maybe(found: Balances) -> str:
    return f", and possibly {found.maybe_charged:,} more" * (found.maybe_charged > 0)


def _compared(found: Balances | None) -> str:
    if found is None:
        return "The journal does not have the account's balance before and after."
    unexplained = found.taken - found.charged
    if unexplained < 0:
        return (
            f"The balance fell by {-unexplained:,} less than was charged: credits were added "
            "meanwhile."
        )
    if unexplained > found.maybe_charged:
        return (
            f"{count(unexplained - found.maybe_charged, 'credit')} that were taken "
            f"{is_or_are(unexplained - found.maybe_charged)} not counted here: other programs may "
            "have used them."
        )
    return "The balance agrees with what was counted."


def short_lists(figures: Figures) -> Iterator[Html]:
    """Yield the complete lists with less than 90 % of the API's count."""
    lists = sorted(figures.short, key=lambda h: (h.followers - (h.total_followers or 0), h.handle))
    if not lists:
        yield nothing("No complete list has less than 90 % of the followers that the API counts.")
        return
    yield cut_note(len(lists[:_TOP]), len(lists), "lists that lack the most followers")
    rows = [
        [
            tag("bdi", handle.handle),
            f"{handle.followers:,}",
            f"{handle.total_followers or 0:,}",
            share(handle.followers, handle.total_followers or 0),
        ]
        for handle in lists[:_TOP]
    ]
    columns = {"Handle": "name", "Followers": "number", "API's count": "number", "Share": "number"}
    yield table("Short lists", columns, rows)


def by_age(figures: Figures) -> Iterator[Html]:
    """Yield on which day the lists were read, the newest first."""
    days: defaultdict[str, list[SavedHandle]] = defaultdict(list)
    for handle in figures.handles:
        if handle.read_at is not None:
            days[day(handle.read_at.timestamp())].append(handle)
    if not days:
        yield nothing("No page has arrived.")
        return
    if len(days) == 1:
        yield nothing(f"The newest page of every list is from {next(iter(days))}.")
        return
    shown = sorted(days, reverse=True)[:_TOP]
    yield cut_note(len(shown), len(days), "newest days")
    most = max(map(len, days.values()))
    rows = [
        [
            at,
            pictures.bar(len(days[at]), most),
            f"{len(days[at]):,}",
            f"{sum(handle.followers for handle in days[at]):,}",
        ]
        for at in shown
    ]
    columns = {"Newest page": "name", "": "picture", "Lists": "number", "Followers": "number"}
    yield table("Age of the lists", columns, rows)


def between_readings(figures: Figures) -> Iterator[Html]:
    """Yield who came and who left with each reading, counted."""
    if not figures.readings:
        yield nothing("No list was read twice: there is nothing to compare.")
        return
    shown = figures.readings[-_TOP:]
    yield cut_note(len(shown), len(figures.readings), "newest readings")
    most = max(max(one.gained, one.lost) for one in shown)
    rows = [
        [
            join(f"{moment(one.began)[:16]} UTC", note(_lists(one))),
            _lost(one) if one.compared else "",
            pictures.gains(one.gained, one.lost, most) if one.compared else "",
            f"{one.gained:,}" if one.compared else "",
        ]
        for one in shown
    ]
    columns = {"Reading": "name", "Lost": "number", "": "picture wide", "Gained": "number"}
    yield table("Gained and lost followers", columns, rows)
    yield tag(
        "p",
        "A reading is compared with the complete list before it. A list that ",
        tag("code", "--refresh new"),
        " read until a page had no new follower does not show who left.",
        class_="quiet",
    )


def _lost(one: ReadingFigures) -> str:
    if not one.joined:
        return f"{one.lost:,}"
    return f"at least {one.lost:,}" if one.lost else "not known"


def _lists(one: ReadingFigures) -> str:
    unfinished = f", {one.unfinished:,} not finished" * (one.unfinished > 0)
    compared = f", {one.compared:,} compared with the reading before" * (one.compared > 0)
    return f"{count(one.lists, 'list')}{unfinished}{compared}"


def over_time(figures: Figures) -> Iterator[Html]:
    """Yield when the pages arrived."""
    if not figures.pages or figures.began is None:
        yield nothing("No page has arrived.")
        return
    step, counts = figures.work.columns()
    most = max(counts)
    caption = (
        f"A column is {duration(step)}; the highest is {count(most, 'page')}. "
        f"The first page arrived {moment(figures.began)} UTC."
    )
    if figures.readings:
        caption += " Only pages of the current lists are counted."
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
    """Yield the handles with the most credits."""
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
        "API's count": "number extra",
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
    yield cut_note(len(top), len(groups), "most frequent errors")
    rows = [
        [f"{len(handles):,}", join(tag("bdi", cut(sentence)), note(*named(handles)))]
        for sentence, handles in top
    ]
    yield table("Errors", {"Handles": "number", "Error": "long"}, rows)


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
        "handles with the longest time from their first page to their end, waiting for their turn "
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
        "Per page": "number extra",
        "Outcome": "extra",
    }
    yield table("Slowest handles", columns, rows)


def left_to_do(figures: Figures) -> Iterator[Html]:
    """Yield what the same command would do for each handle that is not done."""
    left = figures.left
    if left.not_begun:
        verb = "has" if left.not_begun == 1 else "have"
        yield tag(
            "p", f"{count(left.not_begun, 'handle')} {verb} not started: their names are not here."
        )
    if not left.steps:
        yield nothing("Nothing is left of the handles that have started.")
        return
    shown = list(left.steps.items())[:_LEFT]
    yield cut_note(len(shown), len(left.steps), "handles in the order of the alphabet")
    columns = {
        "Handle": "name",
        "Followers": "number",
        "API's count": "number extra",
        "The same command": "long",
    }
    rows = [_left_row(figures.by_key[key], step) for key, step in shown]
    yield table("Left to do", columns, rows)


def _left_row(handle: SavedHandle, step: Step) -> list[str]:
    does = _STEPS["read" if step.do == "go_on" and step.cursor is None else step.do]
    return [
        join(tag("bdi", handle.handle), note(tag("bdi", cut(handle.status)))),
        f"{handle.followers:,}",
        "" if handle.total_followers is None else f"{handle.total_followers:,}",
        join(does, note(tag("code", cut(step.cursor, 80))) if step.cursor is not None else ""),
    ]


def _sentence(error: str) -> str:
    """Leave the position out of an error's text, so that the same error of two handles is one."""
    return re.sub(r" \[handle '.*\]", "", error, flags=re.DOTALL)
