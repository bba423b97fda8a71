"""The report as a page: one file, no script, nothing from the network."""

from importlib import resources
from typing import Final

from socialfetch_async._text import count
from socialfetch_async.report import sections
from socialfetch_async.report.figures import Figures
from socialfetch_async.report.left import Left
from socialfetch_async.report.markup import Html, tag
from socialfetch_async.report.verdict import verdict
from socialfetch_async.report.words import duration, moment, number

# The policy holds even if an escape were forgotten: no script runs, nothing is loaded.
_HEAD: Final = (
    '<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'\">\n"
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
)
_SECTIONS: Final = (
    ("Outcomes", sections.outcomes),
    ("Credits", sections.credits_and_balance),
    ("Lists shorter than the API's count", sections.short_lists),
    ("Age of the lists", sections.by_age),
    ("Gained and lost followers", sections.between_readings),
    ("Pages over time", sections.over_time),
    ("Credits per handle", sections.by_credits),
    ("Errors", sections.by_error),
    ("Slowest handles", sections.by_seconds),
    ("Left to do", sections.left_to_do),
)


def page(figures: Figures) -> str:
    """Return the whole file."""
    name = _name(figures.names)
    title = f"Followers of {count(figures.left.handles, 'TikTok handle')}"
    folder = resources.files("socialfetch_async.report")
    style = folder.joinpath("style.css").read_text(encoding="utf-8")
    body = tag(
        "main",
        tag("h1", title),
        tag("p", "Report on ", tag("bdi", name), class_="quiet"),
        *verdict(figures),
        _summary(figures),
        *(tag("section", tag("h2", heading), *part(figures)) for heading, part in _SECTIONS),
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{_HEAD}'
        f"{tag('title', f'{title}: report on {name}')}\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _name(names: list[str]) -> str:
    more = f" and {len(names) - 3:,} more journals" * (len(names) > 3)
    return ", ".join(names[:3]) + more


def _summary(figures: Figures) -> Html:
    left = figures.left
    rate = figures.pages / figures.seconds if figures.seconds else 0
    counted = figures.total_followers
    tiles = [
        ("Handles done", f"{left.done:,}", f"of {left.handles:,}{_not_begun(left)}"),
        (
            "Followers",
            f"{figures.followers:,}",
            f"of {counted:,} by the API's count" * (counted > 0),
        ),
        ("Pages", f"{figures.pages:,}", _per(figures.followers, figures.pages, "follower", "page")),
        ("Pages per second", number(rate), "pauses left out" if figures.work.pauses else ""),
        ("Credits charged", f"{figures.credits_charged:,}", _again(figures)),
        (
            "Possibly charged",
            f"{figures.maybe_charged:,}",
            "at most, for requests without a response" if figures.maybe_charged else "nothing more",
        ),
        ("Credits to finish", *_to_finish(left)),
        ("Duration", duration(figures.seconds), _period(figures)),
    ]
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, tag("small", note)))
            for name, value, note in tiles
        ),
        class_="tiles",
    )


def _not_begun(left: Left) -> str:
    return f"; {left.not_begun:,} not started" * (left.not_begun > 0)


def _again(figures: Figures) -> str:
    again = figures.credits_charged_again
    if not again:
        return "no page was bought again"
    other = "other readings and " * bool(figures.readings)
    return f"{again:,} for {other}pages bought again"


def _to_finish(left: Left) -> tuple[str, str]:
    """Return the credits to finish, and how sure that is."""
    if not left.steps and not left.not_begun:
        return "0", "nothing is left to buy"
    least = left.unknown + left.not_begun
    return f"{left.credits + least:,}", "at least" if least else "about, by the API's counts"


def _per(amount: int, of: int, noun: str, unit: str) -> str:
    each = round(amount / of, 1) if of else 0
    return f"{number(each)} {noun}{'s' * (each != 1)} per {unit}" if of else ""


def _period(figures: Figures) -> str:
    if figures.began is None or figures.ended is None:
        return ""
    began = moment(figures.began)
    ended = moment(figures.ended)
    if began[:10] == ended[:10]:
        ended = ended[11:]
    return f"{began} to {ended} UTC"
