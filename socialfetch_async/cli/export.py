"""`socialfetch export`: a batch from a file of handles, to files, with its end told."""

import asyncio
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from socialfetch_async.batch import (
    BatchFiles,
    BatchResult,
    Estimate,
    HandlesFile,
    Order,
    estimate_followers,
    estimated,
    files_of,
    order,
    read_handles,
    run_batch as run_job,
    settle,
)
from socialfetch_async.cli import exit_codes, stopping
from socialfetch_async.cli.output import write_lines
from socialfetch_async.cli.progress import say, shown
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ExportError, JournalError, SocialFetchError
from socialfetch_async.export import ExportResult
from socialfetch_async.journal import Fsync, Refresh, SavedRun, read_journal
from socialfetch_async.report import count, is_or_are

_NAMED: Final = 20
_NAMED_LISTS: Final = 5
_STDIN: Final = 0
CONCURRENCY: Final = 10


@dataclass(frozen=True)
class Options:
    """The arguments and options of `export`."""

    handles: str
    output: str
    formats: tuple[str, ...] = ()
    max_credits: int | None = None
    max_followers_per_handle: int | None = None
    max_pages_per_handle: int | None = None
    refresh: Refresh | None = None
    older_than: float | None = None
    concurrency: int = CONCURRENCY
    fsync: Fsync = "second"
    trim: bool = False
    spreadsheet: bool = False
    column: str | None = None
    no_header: bool = False
    overwrite: bool = False

    def given(self) -> HandlesFile:
        """Read the handles.

        Raises:
            ValueError: They cannot be read, or are not valid.
        """
        return read_handles(self.handles, column=self.column, header=not self.no_header)

    def files(self) -> BatchFiles:
        """Return the files of the batch, all of them different from the one with the handles.

        Raises:
            ValueError: The output says no format, or several.
            ExportError: Two of the files are one.
        """
        files = files_of(
            self.output, self.formats, spreadsheet=self.spreadsheet, overwrite=self.overwrite
        )
        files.keep_apart(_STDIN if self.handles == "-" else self.handles)
        return files

    def order(self, given: HandlesFile) -> Order:
        """Return what is asked for.

        Raises:
            ValueError: That cannot be.
        """
        return order(
            given.handles,
            concurrency=self.concurrency,
            max_credits=self.max_credits,
            max_followers_per_handle=self.max_followers_per_handle,
            max_pages_per_handle=self.max_pages_per_handle,
            refresh=self.refresh,
            older_than=self.older_than,
            trim=self.trim,
        )

    def command(self) -> str:
        """Return the command that goes on."""
        words = ["socialfetch", "export", _path(self.handles), "-o", _path(self.output)]
        words += [f"--format={name}" for name in self.formats]
        if self.column is not None:
            words.append(f"--column={self.column}")
        words += ["--no-header"] * self.no_header
        for name in ("max_credits", "max_followers_per_handle", "max_pages_per_handle", "refresh"):
            if (value := getattr(self, name)) is not None:
                words.append(f"--{name.replace('_', '-')}={value}")
        if self.older_than is not None:
            words.append(f"--older-than={self.older_than:g}s")
        if self.concurrency != CONCURRENCY:
            words.append(f"--concurrency={self.concurrency}")
        if self.fsync != "second":
            words.append(f"--fsync={self.fsync}")
        words += ["--trim"] * self.trim + ["--spreadsheet"] * self.spreadsheet
        words += ["--overwrite"] * self.overwrite
        return shlex.join(words)


def run_batch(
    options: Options,
    *,
    dry_run: bool,
    estimate: bool = False,
    yes: bool = False,
    settles: bool = False,
) -> None:
    """Read the handles and run the batch, or say what is left of it."""
    try:
        # Before there is a loop: reading a terminal would keep it from seeing signals.
        given = options.given()
        asked = options.order(given)
        options.files()
    except (ValueError, ExportError) as error:
        stopping.complain(error)
        raise SystemExit(exit_codes.USAGE) from None
    if dry_run:
        stopping.run(_dry_run(given, asked, options))
    if settles:
        stopping.run(_settle(options))
    if estimate:
        stopping.run(_estimate(given, asked, options, yes=yes))
    stopping.run(_batch(given, asked, options))


async def _settle(options: Options) -> int:
    """Lower what may have been charged to what the balance allows."""
    async with SocialFetchClient() as client:
        before, now = await settle(client, options.files().journal)
    await say(
        [f"at most {now:,} credits may have been charged besides the pages, {before:,} before"]
    )
    return exit_codes.DONE


async def _estimate(given: HandlesFile, asked: Order, options: Options, *, yes: bool) -> int:
    """Buy the first pages, say what the rest costs, and go on where that is wished."""
    client = SocialFetchClient(max_concurrency=options.concurrency)
    await say(_duplicates(given))
    async with client:
        found = await estimate_followers(
            client, given.handles, options.output,
            format=options.formats, concurrency=options.concurrency,
            max_credits=options.max_credits, trim=options.trim, fsync=options.fsync,
            max_followers_per_handle=options.max_followers_per_handle,
            max_pages_per_handle=options.max_pages_per_handle,
        )  # fmt: skip
    await say(list(_priced(found)))
    if yes or (found.credits_left and await _wished(found)):
        return await _batch(given, asked, options)
    await say([f"to buy the rest: {options.command()}"])
    return exit_codes.DONE


def _priced(found: Estimate) -> Iterator[str]:
    for handle, status, total, left in found.handles[:_NAMED]:
        if status not in {None, "found"}:
            yield f"{handle}: {status}"
        else:
            followers = "unknown" if total is None else f"{total:,}"
            rest = "unknown" if left is None else f"{left:,}"
            yield f"{handle}: {followers} followers, {rest} credits left to buy"
    if len(found.handles) > _NAMED:
        yield f"and {len(found.handles) - _NAMED:,} more handles"
    balance = "" if found.balance is None else f"; the account has {found.balance:,}"
    yield (
        f"in all {found.total_followers:,} followers, {found.credits_left:,} credits left to buy"
        f"{balance}"
    )


async def _wished(found: Estimate) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    await say([f"Buy {found.credits_left:,} credits? [y/N]"])
    return (await asyncio.to_thread(sys.stdin.readline)).strip().lower() in {"y", "yes"}


async def _batch(given: HandlesFile, asked: Order, options: Options) -> int:
    client = SocialFetchClient(max_concurrency=options.concurrency)
    await say(_duplicates(given))
    code, result, trouble = exit_codes.DONE, None, ""
    try:
        async with client, shown(client) as progress:
            try:
                await run_job(client, options.files(), asked, options.fsync, progress.see)
            finally:
                result = progress.result
    except (JournalError, ExportError) as error:
        if result is None:  # it did not begin: nothing was sent
            raise
        trouble, code = f"socialfetch: {error}", exit_codes.SOME_FAILED
    except SocialFetchError as error:
        trouble, code = f"socialfetch: {error}", stopping.exit_code(error)
    except asyncio.CancelledError:
        await _tell(result, "", options)
        raise
    await _tell(result, trouble, options)
    return code or _code(result)


def _code(result: BatchResult | None) -> int:
    if result is not None and result.stop_reason == "max_credits":
        return exit_codes.CREDIT_LIMIT
    failed = result is not None and result.stop_reason == "failed"
    return exit_codes.SOME_FAILED if failed else exit_codes.DONE


async def _tell(result: BatchResult | None, trouble: str, options: Options) -> None:
    """Say how the batch stands, and how to go on."""
    lines = [trouble] if trouble else []
    if result is not None:
        lines += _summary(result)
        lines += _how_to_go_on(result, options)
    await say(lines)


def _summary(result: BatchResult) -> Iterator[str]:
    for file in result.exports:
        yield written(file)
    if not result.exports:
        yield "no export was written; the journal has every page that was charged"
    yield f"journal: {result.journal} ({_bytes(result.journal.stat().st_size)})"
    if result.others:
        yield (
            f"{result.others:,} handles in the journal are not in this list; they are in the "
            "exports, too"
        )
    statuses = ", ".join(
        f"{count:,} {status.replace('_', ' ')}" for status, count in result.statuses.items()
    )
    yield f"{result.handles:,} handles: {statuses}"
    if missing := result.statuses.get("missing_cursor"):
        yield f"{missing:,} lists ended without a next cursor and may be short"
    more = f", at most {result.maybe_charged:,} more may have been" if result.maybe_charged else ""
    yield (
        f"{result.total_credits_charged:,} credits were charged{more}; "
        f"this time {result.credits_charged:,} for {result.pages:,} pages "
        f"with {result.followers:,} followers"
    )
    if result.pending:
        names = list(result.pending)
        others = f" and {len(names) - _NAMED:,} more" * (len(names) > _NAMED)
        yield f"unfinished: {len(names):,} handles: {', '.join(names[:_NAMED])}{others}"


def _how_to_go_on(result: BatchResult, options: Options) -> Iterator[str]:
    yield from _ages(result, options)
    if result.finished or len(result.refused) == len(result.pending):
        return
    if result.stop_reason == "max_credits" and options.max_credits is not None:
        limit, options = options.max_credits, replace(options, max_credits=options.max_credits * 2)
        assert options.max_credits is not None
        yield f"the limit of {limit:,} credits is reached; this spends up to {limit:,} more:"
    if options.handles == "-":
        yield "with the same handles on stdin,"
    yield f"go on with: {options.command()}"


def _ages(result: BatchResult, options: Options) -> Iterator[str]:
    """Say how old the data is, and what only a refresh brings."""
    if result.newest_data is not None and not result.pages:
        yield f"newest data from {result.newest_data:%Y-%m-%d}"
    if result.open_refresh is not None and result.open_refresh != options.refresh:
        yield (
            f"a refresh of {result.open_refresh} lists is not finished; --refresh "
            f"{result.open_refresh} continues it"
        )
    for names, what in (
        (result.refused, "the API refuses the cursor of"),
        (result.moved, "the vendor's count moved by much more than was found for"),
    ):
        if names:
            more = f" and {len(names) - _NAMED_LISTS:,} more" * (len(names) > _NAMED_LISTS)
            yield f"{what} {', '.join(names[:_NAMED_LISTS])}{more}: --refresh all reads it anew"


def written(file: ExportResult) -> str:
    """Return a line about a file that was written."""
    parts = [f"{file.path}: {count(file.rows, 'follower')} of {count(file.handles, 'handle')}"]
    parts.append(_bytes(file.bytes))
    if file.unchanged:
        parts.append("not written again: nothing has changed")
    parts += gaps(file.incomplete, file.short)
    if file.without_first_page:
        parts.append(f"{count(file.without_first_page, 'list')} without the first page")
    if file.invalid_rows:
        parts.append(f"{count(file.invalid_rows, 'invalid row')} left out")
    if file.broken_lines:
        parts.append(f"{count(file.broken_lines, 'line')} of the journal cannot be read")
    return ", ".join(parts)


def gaps(incomplete: Sequence[str], short: Sequence[str]) -> Iterator[str]:
    """Count and name the lists that lack followers, or may."""
    for names, what in (
        (incomplete, "not complete"),
        (short, "much shorter than the vendor's count"),
    ):
        if names:
            more = f" and {len(names) - _NAMED_LISTS:,} more" * (len(names) > _NAMED_LISTS)
            yield (
                f"{count(len(names), 'list')} {is_or_are(len(names))} {what} "
                f"({', '.join(names[:_NAMED_LISTS])}{more})"
            )


def _duplicates(given: HandlesFile) -> list[str]:
    lines = [
        f"line {again.line}: {again.handle} came in line {again.first_line} already"
        for again in given.duplicates[:_NAMED]
    ]
    if len(given.duplicates) > _NAMED:
        lines.append(f"and {len(given.duplicates) - _NAMED:,} more handles that came already")
    return lines


async def _dry_run(given: HandlesFile, asked: Order, options: Options) -> int:
    """Say what is left to do, and its price as far as known; only free requests are sent."""
    client = SocialFetchClient()  # before anything is said: it may have no key
    await say(_duplicates(given))
    files = options.files()
    plan = await asyncio.to_thread(_plan, files, asked)
    try:
        async with client:
            plan["balance"] = (await client.get_balance()).balance
    finally:
        await say(list(_in_words(plan)))
        await write_lines([msgspec.json.encode(plan) + b"\n"])
    return exit_codes.DONE


def _plan(files: BatchFiles, asked: Order) -> dict[str, Any]:
    found, saved = estimated(files, asked), SavedRun.empty()
    if files.journal.exists():
        saved = read_journal(files.journal)
    work = saved.work(asked.refresh)
    steps = saved.plan(asked.starts, asked.wanted(work or ""))
    left = {handle for handle, step in steps.items() if step.do != "nothing"}
    begun = {h for h in left if (one := saved.handles.get(h.lower())) is not None and one.pages}
    pages = sum(entry.credits_left or 1 for entry in found.handles if entry.handle in begun)
    spent, limit = saved.spent(work, asked.refresh), asked.max_credits
    return {
        "handles": len(asked.starts),
        "left": len(left),
        "begun": len(begun),
        "credits_for_begun": pages,
        "credits_at_least": pages + len(left) - len(begun),
        "spent": spent,
        "max_credits": limit,
        "max_credits_left": None if limit is None else max(0, limit - spent),
        "balance": None,
    }


def _in_words(plan: dict[str, Any]) -> Iterator[str]:
    new = plan["left"] - plan["begun"]
    yield f"{plan['left']:,} of {plan['handles']:,} handles are left"
    if plan["begun"]:
        yield f"{plan['begun']:,} have begun and need about {plan['credits_for_begun']:,} credits"
    if new:
        yield f"{new:,} have not: at least 1 credit each, how many is not known before"
    if plan["max_credits"] is not None:
        yield (
            f"of the limit of {plan['max_credits']:,} credits {plan['max_credits_left']:,} are left"
        )
    if plan["balance"] is not None:
        yield f"the account has {plan['balance']:,} credits"


def _path(path: str) -> str:
    """Return a path as an argument that is not taken for an option."""
    return os.path.join(".", path) if path.startswith("-") and path != "-" else path  # noqa: PTH118 - Path drops the dot


def _bytes(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} bytes"


def show_written(path: Path) -> str:
    """Return a line about any other file."""
    return f"{path} ({_bytes(path.stat().st_size)})"
