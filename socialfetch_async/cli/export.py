"""`socialfetch export`: a batch from a file of handles, to files, with its end told."""

import asyncio
import math
import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from socialfetch_async.batch import (
    BatchResult,
    HandlesFile,
    export_followers,
    files_of,
    read_handles,
)
from socialfetch_async.cli import exit_codes, stopping
from socialfetch_async.cli.output import write_lines
from socialfetch_async.cli.progress import say, shown
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ExportError, JournalError, SocialFetchError
from socialfetch_async.export import ExportResult
from socialfetch_async.journal import Fsync, SavedRun, read_journal

_NAMED: Final = 20


@dataclass(frozen=True)
class Options:
    """The arguments and options of `export`."""

    handles: str
    output: str
    formats: tuple[str, ...]
    max_credits: int | None
    concurrency: int
    fsync: Fsync
    trim: bool
    spreadsheet: bool
    recheck: bool
    fresh: bool

    def command(self) -> str:
        """Return the command that goes on: it begins no new journal and rechecks nothing."""
        words = ["socialfetch", "export", _path(self.handles), "-o", _path(self.output)]
        words += [f"--format={name}" for name in self.formats]
        if self.max_credits is not None:
            words.append(f"--max-credits={self.max_credits}")
        if self.concurrency != CONCURRENCY:
            words.append(f"--concurrency={self.concurrency}")
        if self.fsync != "second":
            words.append(f"--fsync={self.fsync}")
        words += ["--trim"] * self.trim + ["--spreadsheet"] * self.spreadsheet
        return shlex.join(words)


CONCURRENCY: Final = 10


def run_batch(options: Options, *, dry_run: bool) -> None:
    """Read the handles and run the batch, or say what is left of it."""
    try:
        # Before there is a loop: reading a terminal would keep it from seeing signals.
        given = read_handles(options.handles)
    except ValueError as error:
        stopping.complain(error)
        raise SystemExit(exit_codes.USAGE) from None
    stopping.run(_dry_run(given, options) if dry_run else _batch(given, options))


async def _batch(given: HandlesFile, options: Options) -> int:
    client = SocialFetchClient(max_concurrency=options.concurrency)
    await say(_duplicates(given))
    code, result, trouble = exit_codes.DONE, None, ""
    try:
        async with client, shown(client) as progress:
            try:
                await export_followers(
                    client, given.handles, options.output,
                    format=options.formats, concurrency=options.concurrency,
                    max_credits=options.max_credits, trim=options.trim, fsync=options.fsync,
                    fresh=options.fresh, recheck=options.recheck, spreadsheet=options.spreadsheet,
                    on_event=progress.see,
                )  # fmt: skip
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
        yield "no export was written; the journal has every page that was paid for"
    if result.kept is not None:
        yield f"the journal before this one is kept as {result.kept}"
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
    if options.recheck and result.stop_reason != "complete":
        yield (
            "profiles that were not checked again count as they were; --recheck asks all of them "
            "once more"
        )
    if result.finished:
        return
    if result.stop_reason == "max_credits" and options.max_credits is not None:
        limit, options = options.max_credits, replace(options, max_credits=options.max_credits * 2)
        assert options.max_credits is not None
        more = options.max_credits - result.total_credits_charged - result.maybe_charged
        yield f"the limit of {limit:,} credits is reached; this spends up to {more:,} more:"
    if options.handles == "-":
        yield "with the same handles on stdin,"
    yield f"go on with: {options.command()}"


def written(file: ExportResult) -> str:
    """Return a line about a file that was written."""
    parts = [f"{file.path}: {file.rows:,} followers of {file.handles:,} handles"]
    parts.append(_bytes(file.bytes))
    if file.unfinished:
        parts.append(f"{file.unfinished:,} lists are short: their handles are not finished")
    if file.without_first_page:
        parts.append(f"{file.without_first_page:,} lists begin in another journal")
    if file.invalid_rows:
        parts.append(f"{file.invalid_rows:,} rows are no followers and are left out")
    if file.broken_lines:
        parts.append(f"{file.broken_lines:,} lines of the journal can not be read")
    return ", ".join(parts)


def _duplicates(given: HandlesFile) -> list[str]:
    lines = [
        f"line {again.line}: {again.handle} came in line {again.first_line} already"
        for again in given.duplicates[:_NAMED]
    ]
    if len(given.duplicates) > _NAMED:
        lines.append(f"and {len(given.duplicates) - _NAMED:,} more handles that came already")
    return lines


async def _dry_run(given: HandlesFile, options: Options) -> int:
    """Say what is left to do, and its price as far as known; only free requests are sent."""
    client = SocialFetchClient()  # before anything is said: it may have no key
    await say(_duplicates(given))
    files = files_of(options.output, options.formats, spreadsheet=options.spreadsheet)
    here = files.journal.exists() and not options.fresh
    saved = await asyncio.to_thread(read_journal, files.journal) if here else None
    plan = _plan(given, saved, options)
    try:
        async with client:
            plan["balance"] = (await client.get_balance()).balance
    finally:
        await say(list(_in_words(plan)))
        await write_lines([msgspec.json.encode(plan) + b"\n"])
    return exit_codes.DONE


def _plan(given: HandlesFile, saved: SavedRun | None, options: Options) -> dict[str, Any]:
    if saved is None:
        left, begun, spent = given.handles, [], 0
    else:
        left = saved.pending(given.handles)
        begun = [one for h in left if (one := saved.handles.get(h.lower())) and one.pages]
        spent = saved.credits_charged + saved.maybe_charged
    lists = [] if saved is None else list(saved.handles.values())
    rows = sum(one.followers for one in lists) / (sum(one.pages for one in lists) or 1)
    pages = sum(
        max(1, math.ceil(((one.total_followers or 0) - one.followers) / max(1, rows)))
        for one in begun
    )
    limit = options.max_credits
    return {
        "handles": len(given.handles),
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
