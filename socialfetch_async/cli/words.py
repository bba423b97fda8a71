"""What the commands say about results, in words."""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from socialfetch_async._text import count, quoted
from socialfetch_async.batch import BatchResult, Estimate, HandlesFile, status_in_words
from socialfetch_async.cli.output import here
from socialfetch_async.events import is_ours
from socialfetch_async.export import ExportResult

_NAMED: Final = 20
NAMED_LISTS: Final = 5


def command(typed: Sequence[str]) -> str:
    """Return a command to copy, each word quoted for a shell and fit for a terminal."""
    return " ".join(map(_quoted, typed))


def _quoted(word: str) -> str:
    if word.isprintable():
        return quoted(word)
    # bash and zsh read such an escape as a byte, so that the word is exact.
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character.isprintable() and character not in "\\'":
        return character
    return "".join(f"\\x{byte:02x}" for byte in _bytes(character))


def _bytes(character: str) -> bytes:
    try:
        return os.fsencode(character)  # also of a name that is not UTF-8
    except UnicodeEncodeError:
        return character.encode(errors="surrogatepass")


def unavailable(lookup_status: str) -> str:
    """Return what the vendor says of a profile without a list, in words."""
    return (
        f"unavailable ({lookup_status})"
        if is_ours(lookup_status)
        else status_in_words(lookup_status)
    )


def size(amount: int) -> str:
    """Return a number of bytes."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if amount >= unit:
            return f"{amount / unit:,.1f} {name}"
    return count(amount, "byte")


def _size_of(path: Path) -> str:
    try:
        return f" ({size(path.stat().st_size)})"
    except OSError:  # moved or deleted, which an error says
        return ""


def number(value: float) -> str:
    """Return a number as an option takes it: never with an exponent."""
    return f"{value:.9f}".rstrip("0").rstrip(".")


def named(names: Sequence[str], most: int = _NAMED) -> str:
    """Return names, and how many more there are."""
    more = f" and {len(names) - most:,} more" * (len(names) > most)
    return f"{', '.join(names[:most])}{more}"


def written(file: ExportResult) -> str:
    """Return a line about a file that was written."""
    parts = [
        f"{here(file.path)}: {count(file.rows, 'follower')} of {count(file.handles, 'handle')}"
    ]
    parts.append(size(file.bytes))
    if file.unchanged:
        parts.append("not written again because nothing has changed")
    parts += gaps(file.incomplete, file.short, file.gone, file.set_aside)
    if file.without_first_page:
        parts.append(f"{count(file.without_first_page, 'list')} without the first page")
    if file.invalid_rows:
        parts.append(f"{count(file.invalid_rows, 'invalid row')} skipped")
    if file.broken_lines:
        parts.append(f"{count(file.broken_lines, 'corrupt line')} in the journal")
    return ", ".join(parts)


def gaps(
    incomplete: Sequence[str], short: Sequence[str], gone: Sequence[str], set_aside: Sequence[str]
) -> Iterator[str]:
    """Count and name the lists that lack followers, or may."""
    for names, what in (
        (incomplete, "not complete"),
        (short, "much shorter than the API's count"),
        (gone, "kept from before the profile became unavailable"),
        (set_aside, "kept from before a reading that looks cut short"),
    ):
        if names:
            is_or_are = "is" if len(names) == 1 else "are"
            yield (f"{count(len(names), 'list')} {is_or_are} {what} ({named(names, NAMED_LISTS)})")


def duplicates(given: HandlesFile) -> Iterator[str]:
    """Yield a line for each handle that came again."""
    for again in given.duplicates[:_NAMED]:
        yield f"line {again.line}: {again.handle} is already in line {again.first_line}"
    if (more := len(given.duplicates) - _NAMED) > 0:
        yield f"and {count(more, 'more duplicate')}"


def summary(result: BatchResult, refresh: str | None) -> Iterator[str]:
    """Say how a batch stands at its end.

    Args:
        result: How it stands.
        refresh: The refresh that was asked for.
    """
    for file in result.exports:
        yield written(file)
    if not result.exports:
        yield "No export was written."
    yield f"journal: {result.journal}{_size_of(result.journal)}"
    if result.others:
        yield (
            f"{count(result.others, 'handle')} of the journal not among the handles given; "
            "the exports have them as well"
        )
    yield statuses(result)
    yield _charged(result)
    if result.pending:
        yield f"unfinished: {count(len(result.pending), 'handle')}: {named(list(result.pending))}"
    yield from _ages(result, refresh)


def statuses(result: BatchResult) -> str:
    """Say how many handles ended how."""
    each = ", ".join(
        f"{amount:,} {status_in_words(name)}" for name, amount in result.statuses.items()
    )
    return f"{count(result.handles, 'handle')}: {each}"


def stopped(result: BatchResult, refresh: str | None) -> Iterator[str]:
    """Say what a batch that was stopped has kept, in three lines."""
    yield f"Stopped. {_charged(result)}"
    files = ", ".join(here(file.path) for file in result.exports)
    yield f"Kept in {result.journal}, " + (f"exported to {files}" if files else "not exported")
    yield _refreshing(result) if refresh and result.open_refresh == refresh else statuses(result)


def _refreshing(result: BatchResult) -> str:
    """Say how far a refresh is."""
    what, so_far = f"Refresh ({result.open_refresh})", count(result.refresh_credits, "credit")
    if result.refresh_done == result.handles:
        return f"{what} of other handles not finished, {so_far} so far"
    of_all = f"{result.refresh_done:,} of {count(result.handles, 'handle')}"
    return f"{what} not finished: {of_all} done, {so_far} so far"


def _charged(result: BatchResult) -> str:
    maybe = f", up to {result.maybe_charged:,} more possibly charged" * bool(result.maybe_charged)
    return (
        f"{count(result.total_credits_charged, 'credit')} charged{maybe}; this run: "
        f"{count(result.credits_charged, 'credit')}, {count(result.pages, 'page')}, "
        f"{count(result.followers, 'follower')}"
    )


def ages(oldest: datetime | None, newest: datetime | None, *, fresh: bool = False) -> Iterator[str]:
    """Say how old the lists are; of fresh ones only if others are older."""
    if newest is not None and oldest is not None:
        differ = f", oldest from {oldest:%Y-%m-%d}" * (oldest.date() != newest.date())
        if differ or not fresh:
            yield f"newest data from {newest:%Y-%m-%d}{differ}"


def _ages(result: BatchResult, refresh: str | None) -> Iterator[str]:
    """Say how old the data is, and what only a refresh brings."""
    yield from ages(result.oldest_data, result.newest_data, fresh=bool(result.pages))
    if result.open_refresh is not None:
        other = f". To continue it, add --refresh={result.open_refresh}"
        yield _refreshing(result) + other * (result.open_refresh != refresh)
    if result.not_refreshed:
        yield (
            "Longer than the limit for each list, and not refreshed: "
            f"{named(result.not_refreshed, NAMED_LISTS)}. To refresh them, leave out "
            "--max-followers-per-handle and --max-pages-per-handle"
        )
    for names, what in (
        (result.refused, "The API refuses the cursor of"),
        (result.moved, "The API's count changed by much more than was found for"),
    ):
        if names:
            yield (
                f"{what} {named(names, NAMED_LISTS)}. To read such lists again from the top "
                "(1 credit per page), add --refresh=all"
            )


def priced(found: Estimate) -> Iterator[str]:
    """Say what the rest of a batch costs."""
    for handle, outcome, total, left in found.handles[:_NAMED]:
        if outcome is None:
            yield f"{handle}: not looked up"
        elif outcome != "found":
            yield f"{handle}: {unavailable(outcome)}"
        else:
            followers = "unknown number of followers" if total is None else count(total, "follower")
            rest = "price unknown" if left is None else f"{count(left, 'credit')} left to buy"
            yield f"{handle}: {followers}, {rest}"
    if (more := len(found.handles) - _NAMED) > 0:
        yield f"and {count(more, 'more handle')}"
    balance = "" if found.balance is None else f"; the account has {found.balance:,}"
    yield (
        f"in all {count(found.total_followers, 'follower')}, "
        f"{count(found.credits_left, 'credit')} left to buy{balance}"
    )
    if found.not_asked:
        handles = count(found.not_asked, "handle")
        yield f"not among them: {handles} not looked up, at least 1 credit each"


def dry_run(plan: Mapping[str, int | None]) -> Iterator[str]:
    """Say what is left of a batch, and its price as far as known."""
    left, begun = plan["left"] or 0, plan["begun"] or 0
    yield f"{left:,} of {count(plan['handles'] or 0, 'handle')} unfinished"
    if begun:
        credits_ = count(plan["credits_for_begun"] or 0, "credit")
        yield f"{count(begun, 'handle')} started: about {credits_} left to buy"
    if new := left - begun:
        price = count(plan["price"] or 1, "credit")
        yield f"{count(new, 'handle')} not started: at least {price} each"
    if (limit := plan["max_credits"]) is not None:
        yield f"limit: {plan['max_credits_left'] or 0:,} of {count(limit, 'credit')} left"
    if (balance := plan["balance"]) is not None:
        yield f"balance: {count(balance, 'credit')}"
