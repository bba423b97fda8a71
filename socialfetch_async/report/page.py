"""The report as a page: one file, no script, nothing from the network."""

from collections.abc import Iterable
from importlib import resources
from typing import Final

from socialfetch_async._text import count
from socialfetch_async.report import sections
from socialfetch_async.report.figures import Figures
from socialfetch_async.report.markup import Html, tag
from socialfetch_async.report.words import duration, is_or_are, moment, number

# The policy holds even if an escape were forgotten: no script runs, nothing is loaded.
_HEAD: Final = (
    '<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'\">\n"
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
)
_SECTIONS: Final = (
    ("Outcomes", sections.outcomes),
    ("Pages over time", sections.over_time),
    ("Credits per handle", sections.by_credits),
    ("Errors", sections.by_error),
    ("Slowest handles", sections.by_seconds),
    ("Unfinished handles", sections.unfinished),
)


def page(figures: Figures) -> str:
    """Return the whole file."""
    name = _name(figures.names)
    folder = resources.files("socialfetch_async.report")
    style = folder.joinpath("style.css").read_text(encoding="utf-8")
    body = tag(
        "main",
        tag("h1", "Followers report"),
        tag("p", tag("bdi", name), class_="quiet"),
        *_verdict(figures),
        _summary(figures),
        *(tag("section", tag("h2", title), *part(figures)) for title, part in _SECTIONS),
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n{_HEAD}'
        f"{tag('title', f'Followers report: {name}')}\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _name(names: list[str]) -> str:
    more = f" and {len(names) - 3:,} more journals" * (len(names) > 3)
    return ", ".join(names[:3]) + more


def _verdict(figures: Figures) -> Iterable[Html]:
    handles = figures.handles
    left = sum(not handle.finished for handle in handles)
    failed = sum(handle.status == "failed" and not handle.finished for handle in handles)
    if not handles:
        text = "Nothing is in this journal yet: no page was paid for and no handle has ended."
    elif not left:
        text = f"Finished: nothing is left to ask for. {count(len(handles), 'handle')} ended."
    else:
        text = (
            f"Not finished: {left:,} of {count(len(handles), 'handle')} {is_or_are(left)} left"
            f"{f', {failed:,} of them after an error' * bool(failed)}. The same command again goes "
            "on where each one stopped and buys only what is missing."
        )
    yield tag("p", text, class_="verdict bad" if failed else "verdict")
    if figures.broken_lines:
        yield tag(
            "p",
            f"{count(figures.broken_lines, 'line')} of the journal can not be read and "
            f"{is_or_are(figures.broken_lines)} missing here.",
            class_="verdict bad",
        )


def _summary(figures: Figures) -> Html:
    finished = sum(handle.finished for handle in figures.handles)
    again = figures.credits_charged_again
    rate = figures.pages / figures.seconds if figures.seconds else 0
    tiles = [
        ("Handles finished", f"{finished:,}", f"of {len(figures.handles):,}"),
        ("Followers", f"{figures.followers:,}", _each(figures.followers, figures.pages, "page")),
        ("Pages", f"{figures.pages:,}", _each(figures.pages, len(figures.handles), "handle")),
        (
            "Credits confirmed",
            f"{figures.credits_charged:,}",
            f"{again:,} for pages bought again" if again else "no page was bought again",
        ),
        (
            "Uncertain credits",
            f"{figures.maybe_charged:,}",
            "at most: requests whose answer is not here"
            if figures.maybe_charged
            else "nothing else may have been charged",
        ),
        ("Pages a second", number(rate), "pauses left out" if figures.work.pauses else ""),
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


def _each(amount: int, of: int, noun: str) -> str:
    return f"{number(round(amount / of, 1))} a {noun}" if of else ""


def _period(figures: Figures) -> str:
    if figures.began is None or figures.ended is None:
        return ""
    began = moment(figures.began)
    ended = moment(figures.ended)
    if began[:10] == ended[:10]:
        ended = ended[11:]
    return f"{began} to {ended} UTC"
