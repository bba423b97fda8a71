"""What stands at the top: whether the job is done, what lacks, and how old the data is."""

from collections.abc import Iterator
from typing import Final

from socialfetch_async._text import count
from socialfetch_async.report.figures import Figures
from socialfetch_async.report.left import Left
from socialfetch_async.report.markup import Html, join, tag
from socialfetch_async.report.tables import named
from socialfetch_async.report.words import day, is_or_are

_INTERRUPTED: Final = {"unfinished", "stopped"}
_AT_THE_LIMIT: Final = "Stopped at the credit limit"


def verdict(figures: Figures) -> Iterator[Html]:
    """Yield how the job stands, then what a reader must know before any figure."""
    left = figures.left
    failed = sum(figures.by_key[key].status == "failed" for key in left.steps)
    bad = failed or left.not_begun or left.steps
    yield tag("p", *_state(figures, failed), class_="verdict bad" if bad else "verdict")
    if figures.origin is not None:
        text = "These pages come from another API than the vendor's: "
        yield tag("p", text, tag("bdi", figures.origin), ".", class_="verdict bad")
    for text in _lacks(figures):
        yield tag("p", text, class_="verdict bad")
    if len(figures.names) > 1:
        yield tag(
            "p",
            "Several journals are read as one: handles that have not started are not counted.",
            class_="quiet",
        )
    dates = [handle.read_at.timestamp() for handle in figures.handles if handle.read_at]
    if dates:
        newest, oldest = day(max(dates)), day(min(dates))
        older = f", oldest from {oldest}" * (oldest != newest)
        yield tag("p", f"Newest data from {newest}{older}.", class_="quiet")


def _state(figures: Figures, failed: int) -> Iterator[str]:
    """Yield the sentences about the whole job, each after the first with a space before it."""
    left = figures.left
    if not figures.handles:
        yield "Nothing is in this journal yet: no page has arrived and no handle has ended."
        if left.handles:
            yield f" {count(left.handles, 'handle')} {is_or_are(left.handles)} asked for."
        return
    of_all = f"{left.done:,} of {count(left.handles, 'handle')}"
    if not left.steps and not left.not_begun:
        yield f"Finished: {of_all} done. Nothing is left to buy."
    else:
        so_far = f", {count(left.spent, 'credit')} so far" * (left.refresh is not None)
        yield f"{_why(figures)}: {of_all} done{so_far}."
        yield f" {_rest(left, failed)} {_cost(left)} "
        yield from _resume(figures)
    if left.capped:
        ends = "ends" if left.capped == 1 else "end"
        yield (
            f" {count(left.capped, 'list')} {ends} at the limit of pages or followers that was "
            "asked for; a higher limit buys more."
        )


def _why(figures: Figures) -> str:
    left = figures.left
    if left.refresh is not None:
        return f"Refresh not finished ({left.refresh})"
    statuses = {figures.by_key[key].status for key in left.steps}
    if "max_credits" in statuses:
        return _AT_THE_LIMIT
    if left.not_begun or statuses & _INTERRUPTED:
        return "Interrupted"
    return "Not finished"


def _rest(left: Left, failed: int) -> str:
    begun = len(left.steps) - failed
    if left.refresh is not None:
        parts = [(begun, "to refresh")]
    else:
        parts = [(begun, "with a part of the list")]
    parts += [(failed, "failed"), (left.not_begun, "not started")]
    return f"Left: {', '.join(f'{amount:,} {what}' for amount, what in parts if amount)}."


def _cost(left: Left) -> str:
    costs = [f"about {count(left.credits, 'credit')}"] * bool(left.credits)
    if least := left.unknown + left.not_begun:
        what = "without a count by the API" if left.unknown else "not started"
        costs.append(f"at least {count(least, 'credit')} for {count(least, 'handle')} {what}")
    return f"To finish: {' and '.join(costs)}."


def _resume(figures: Figures) -> Iterator[str]:
    left = figures.left
    if left.refresh is not None:
        yield "The same command with "
        yield tag("code", f"--refresh {left.refresh}")
        yield " continues it. Until then this report shows the lists as they were before."
        return
    limited = _why(figures) == _AT_THE_LIMIT
    command = "With a higher limit, the same command" if limited else "The same command"
    yield f"{command} resumes each list and buys no saved page again."


def _lacks(figures: Figures) -> Iterator[Html]:
    """Yield what is not as it should be, apart from what a further run does."""
    steps = figures.left.steps.items()
    if refused := [figures.by_key[key].handle for key, step in steps if step.why == "refused"]:
        yield join(
            f"The API refuses to continue {count(len(refused), 'list')}: ",
            *named(refused),
            ". The option ",
            tag("code", "--refresh all"),
            " reads them from the top.",
        )
    if figures.short:
        lists = count(len(figures.short), "complete list")
        have = "has" if len(figures.short) == 1 else "have"
        yield join(
            f"{lists} {have} less than 90 % of the followers that the API counts: ",
            *named([handle.handle for handle in figures.short]),
            ".",
        )
    if gone := [handle.handle for handle in figures.handles if handle.gone is not None]:
        lists = count(len(gone), "profile")
        have = "has" if len(gone) == 1 else "have"
        yield join(
            f"{lists} {have} no list any more; the followers that were read before are kept: ",
            *named(gone),
            ".",
        )
    if set_aside := [handle.handle for handle in figures.handles if handle.set_aside]:
        lists = count(len(set_aside), "list")
        yield join(
            f"The last reading of {lists} looks cut short; the followers that were read before "
            "are kept: ",
            *named(set_aside),
            ".",
        )
    if figures.without_first_page:
        lists, begin = count(figures.without_first_page, "list"), "begin"
        begin += "s" * (figures.without_first_page == 1)
        yield join(f"{lists} {begin} at a cursor: the followers before it are not here.")
    if figures.broken_lines:
        lines = count(figures.broken_lines, "line")
        verb = is_or_are(figures.broken_lines)
        yield join(f"{lines} of the journal cannot be read and {verb} missing here.")
