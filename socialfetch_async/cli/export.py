"""`socialfetch export`: a batch from handles to files, with its end told."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from socialfetch_async import _arguments as arguments
from socialfetch_async._terminal import Voice, say
from socialfetch_async._text import count
from socialfetch_async.batch import (
    BatchFiles,
    BatchResult,
    Estimate,
    HandlesFile,
    Order,
    estimated,
    files_of,
    order,
    price_batch,
    progress_on_stderr,
    read_handles,
    run_batch as run_job,
    settle,
)
from socialfetch_async.cli import exit_codes, stopping, words
from socialfetch_async.cli.connecting import Connection, connected, max_credits, told
from socialfetch_async.cli.output import typed_line, write_json
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ExportError, JournalError, SocialFetchError
from socialfetch_async.journal import Fsync, Refresh, SavedRun, read_journal

CONCURRENCY: Final = 10
_STDIN: Final = 0
_CONNECTION: Final = Connection()
_VOICE: Final = Voice()


@dataclass(frozen=True)
class Options:
    """The arguments and options of `export`.

    Attributes:
        handles: The file with the handles, if `names` has none.
    """

    handles: str
    output: str
    names: tuple[str, ...] = ()
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
    scheduler: str | None = None
    connection: Connection = _CONNECTION
    voice: Voice = _VOICE

    def given(self) -> HandlesFile:
        """Read the handles.

        Raises:
            ValueError: They cannot be read, or are not valid.
        """
        if self.names:
            return HandlesFile(arguments.starts(self.names)[0], ())
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
        if not self.names:
            files.keep_apart(_STDIN if self.handles == "-" else self.handles)
        return files

    def order(self, given: HandlesFile) -> Order:
        """Return what is asked for.

        Raises:
            ValueError: An option is not valid.
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

    def client(self) -> SocialFetchClient:
        """Return the client of the batch.

        Raises:
            ValueError: The key is missing, or a variable of the environment is not valid.
        """
        return self.connection.client(max_credits=self.max_credits, concurrency=self.concurrency)

    def command(self) -> str:
        """Return the command that resumes."""
        given = [f"--handle={name}" for name in self.names] or [_path(self.handles)]
        said = ["socialfetch", "export", *given, "-o", _path(self.output)]
        said += [f"--format={name}" for name in self.formats]
        if self.column is not None:
            said.append(f"--column={self.column}")
        said += ["--no-header"] * self.no_header
        for name in ("max_credits", "max_followers_per_handle", "max_pages_per_handle", "refresh"):
            if (value := getattr(self, name)) is not None:
                said.append(f"--{name.replace('_', '-')}={value}")
        if self.older_than is not None:
            said.append(f"--older-than={words.number(self.older_than)}s")
        if self.concurrency != CONCURRENCY:
            said.append(f"--concurrency={self.concurrency}")
        if self.fsync != "second":
            said.append(f"--fsync={self.fsync}")
        said += ["--trim"] * self.trim + ["--spreadsheet"] * self.spreadsheet
        said += ["--overwrite"] * self.overwrite
        said += [] if self.scheduler is None else [f"--scheduler={self.scheduler}"]
        return words.command([*said, *self.connection.words(), *self.voice.words()])


class Engine(NamedTuple):
    """What does a batch: this process, or a cluster.

    Attributes:
        fetch: Runs a batch, says how it ended and how to resume, and returns the exit code.
        estimate: Buys the first pages, and returns what the rest costs.
    """

    fetch: Callable[[Order], Coroutine[Any, Any, int]]
    estimate: Callable[[Order], Coroutine[Any, Any, Estimate]]


With = Callable[[Options], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def in_this_process(options: Options) -> AsyncIterator[Engine]:
    """Give what does a batch in this process."""
    async with connected(options.client()) as client:
        yield Engine(
            lambda asked: _fetch(client, asked, options),
            lambda asked: price_batch(client, options.files(), asked, options.fsync),
        )


def run_batch(
    options: Options,
    engine: With = in_this_process,
    *,
    dry_run: bool,
    estimate: bool = False,
    yes: bool = False,
    settles: bool = False,
) -> None:
    """Read the handles and run the batch, or say what is left of it."""
    try:
        options = replace(options, max_credits=max_credits(options.max_credits))
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
        stopping.run(_estimate(given, asked, options, engine, yes=yes))
    stopping.run(_batch(given, asked, options, engine))


async def _settle(options: Options) -> int:
    """Lower what may have been charged to what the balance allows."""
    async with connected(options.client()) as client:
        before, now = await settle(client, options.files().journal)
    await options.voice.say(
        [f"possibly charged besides the pages: up to {count(now, 'credit')}, before {before:,}"]
    )
    if options.voice.json:
        await write_json({"maybe_charged": now, "before": before})
    return exit_codes.DONE


async def _estimate(
    given: HandlesFile, asked: Order, options: Options, engine: With, *, yes: bool
) -> int:
    """Buy the first pages, say what the rest costs, and buy it if that is wished."""
    async with engine(options) as one:
        await options.voice.say(words.duplicates(given))
        try:
            found = await one.estimate(asked)
        except asyncio.CancelledError:
            said = [
                f"Stopped. The first pages are kept in {options.files().journal}",
                f"Resume with: {options.command()} --estimate{' --yes' * yes}",
            ]
            await options.voice.say(said)
            raise
        await options.voice.say(words.priced(found))
        await say(await asyncio.to_thread(_why_not, found))
        try:
            wished = yes or (not found.not_asked and found.credits_left and await _wished(found))
        except asyncio.CancelledError:
            await options.voice.say(_after_estimate(found, options))
            raise
        if wished:
            return await one.fetch(asked)
    if options.voice.json:
        await write_json(found)
    await options.voice.say(_after_estimate(found, options))
    return stopping.code_of(found.stop_reason)


def _why_not(found: Estimate) -> list[str]:
    """Say why a handle was not looked up; the reason is most often that of all."""
    if found.stop_reason != "failed" or found.journal is None:
        return []
    saved = read_journal(found.journal).handles
    failed = [saved.get(one.handle.lower()) for one in found.handles if one.lookup_status is None]
    errors = [f"{one.handle}: failed: {one.error}" for one in failed if one and one.error]
    more = [f"and {count(len(errors) - 1, 'more handle')}"] * (len(errors) > 1)
    return [*errors[:1], *more]


def _after_estimate(found: Estimate, options: Options) -> Iterator[str]:
    """Say which command looks up the other handles, and which one buys the rest."""
    if found.not_asked:
        yield from _limit_reached(found, options)
        rest = replace(options, max_credits=_raised(found, options)).command()
        yield f"To look up the rest: {rest} --estimate"
    if any(entry.credits_left != 0 for entry in found.handles):
        yield f"To buy the rest: {options.command()}"


async def _wished(found: Estimate) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    await say([f"Buy the rest for {count(found.credits_left, 'credit')}? [y/N]"])
    return (await typed_line()).strip().lower() in {"y", "yes"}


async def _batch(given: HandlesFile, asked: Order, options: Options, engine: With) -> int:
    async with engine(options) as one:
        await options.voice.say(words.duplicates(given))
        return await one.fetch(asked)


async def _fetch(client: SocialFetchClient, asked: Order, options: Options) -> int:
    """Run the batch; say how it ended and how to resume; return the exit code."""
    code, result, trouble, unsaid = exit_codes.DONE, None, "", None
    try:
        async with progress_on_stderr(client, options.voice, _told) as progress:
            try:
                await run_job(client, options.files(), asked, options.fsync, progress.see)
            finally:
                result, unsaid = progress.result, progress.unsaid
    except (JournalError, ExportError) as error:
        if result is None:  # it did not begin: no page was bought
            raise
        trouble, code = f"socialfetch: {error}", exit_codes.SOME_FAILED
    except SocialFetchError as error:
        trouble, code = f"socialfetch: {told(error)}", stopping.exit_code(error)
        if error.unanswered:
            trouble += " Try again later, or wait for the API with --patience=1h."
    except asyncio.CancelledError:
        await _tell_stopped(result, options)
        raise
    if not trouble and unsaid is not None:
        trouble = f"socialfetch: {told(unsaid)}"
        if result is not None and not result.pages:
            code = stopping.exit_code(unsaid)
    await _tell(result, trouble, options)
    return code or stopping.code_of(None if result is None else result.stop_reason)


def _told(error: SocialFetchError) -> str:
    return told(error, summary=True)


async def _tell(result: BatchResult | None, trouble: str, options: Options) -> None:
    """Say how the batch stands, and how to resume."""
    if trouble:
        await say([trouble])
    if result is not None:
        await options.voice.say(words.summary(result, options.refresh))
        await _say_how_to_resume(result, options, error=bool(trouble))
        await _write_result(result, options)


async def _tell_stopped(result: BatchResult | None, options: Options) -> None:
    """Say, in at most five lines, what was kept and how to resume."""
    if result is None:
        await options.voice.say(
            ["Stopped. No page was bought.", f"Resume with: {options.command()}"]
        )
        return
    await options.voice.say(words.stopped(result, options.refresh))
    await _say_how_to_resume(result, options, error=False)
    await _write_result(result, options)


async def _write_result(result: BatchResult, options: Options) -> None:
    if options.voice.json:
        await write_json(result)


async def _say_how_to_resume(result: BatchResult, options: Options, *, error: bool) -> None:
    """Say which command resumes; with --quiet only after an error."""
    if error or result.stop_reason == "failed" or not options.voice.quiet:
        await say(_how_to_resume(result, options))


def _how_to_resume(result: BatchResult, options: Options) -> Iterator[str]:
    if result.finished or len(result.refused) == len(result.pending):
        return
    yield from _limit_reached(result, options)
    if options.handles == "-":
        yield "Send the same handles to stdin."
    options = replace(options, max_credits=_raised(result, options))
    yield f"Resume with: {options.command()}"


def _raised(result: BatchResult | Estimate, options: Options) -> int | None:
    """Return the credit limit of the command that resumes."""
    limit = options.max_credits
    return limit and limit * (2 if result.stop_reason == "max_credits" else 1)


def _limit_reached(result: BatchResult | Estimate, options: Options) -> Iterator[str]:
    limit = options.max_credits
    if result.stop_reason == "max_credits" and limit is not None:
        yield (
            f"The limit of {count(limit, 'credit')} is reached. The command below spends up "
            f"to {limit:,} more."
        )


async def _dry_run(given: HandlesFile, asked: Order, options: Options) -> int:
    """Say what is left to do, and its price as far as known; only free requests are sent."""
    client = options.client()  # before anything is said: it may have no key
    files = options.files()
    plan = await asyncio.to_thread(_plan, files, asked)
    async with connected(client):
        await options.voice.say(words.duplicates(given))
        try:
            plan["balance"] = (await client.get_balance()).balance
        finally:
            await options.voice.say(words.dry_run(plan))
            if options.voice.json or not sys.stdout.isatty():
                await write_json(plan)
    return exit_codes.DONE


def _plan(files: BatchFiles, asked: Order) -> dict[str, Any]:
    found, saved = estimated(files, asked), SavedRun.empty()
    if files.journal.exists():
        saved = read_journal(files.journal)
    work = saved.work(asked.refresh)
    steps = saved.plan(asked.starts, asked.wanted(work or ""))
    left = {handle for handle, step in steps.items() if step.do != "nothing"}
    begun = {h for h in left if (one := saved.handles.get(h.lower())) is not None and one.pages}
    price = saved.price
    pages = sum(entry.credits_left or price for entry in found.handles if entry.handle in begun)
    spent, limit = saved.spent(work, asked.refresh), asked.max_credits
    return {
        "handles": len(asked.starts),
        "left": len(left),
        "begun": len(begun),
        "credits_for_begun": pages,
        "credits_at_least": pages + price * (len(left) - len(begun)),
        "price": price,
        "spent": spent,
        "max_credits": limit,
        "max_credits_left": None if limit is None else max(0, limit - spent),
        "balance": None,
    }


def _path(path: str) -> str:
    """Return a path as an argument that is not taken for an option."""
    return os.path.join(".", path) if path.startswith("-") and path != "-" else path  # noqa: PTH118 - Path drops the dot
