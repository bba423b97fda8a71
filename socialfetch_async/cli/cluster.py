"""`socialfetch export --scheduler`: a batch on a Dask cluster, to files, with its end told."""

import asyncio
import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from socialfetch_async._text import count
from socialfetch_async.batch import BatchFiles, HandlesFile
from socialfetch_async.cli import exit_codes, stopping
from socialfetch_async.cli.connecting import base_url, max_credits, name_api, told
from socialfetch_async.cli.export import Options
from socialfetch_async.cli.output import say, stamped, write_json
from socialfetch_async.cli.words import written
from socialfetch_async.cluster import ClusterResult, export_on
from socialfetch_async.errors import ExportError, JournalError, SocialFetchError
from socialfetch_async.export import Contents
from socialfetch_async.journal import Journal, read_journal

_EVERY: Final = 5.0  # seconds between two lines of progress
_EXPORTS: Final = "exports.journal"


def run_on_cluster(scheduler: str, options: Options) -> None:
    """Read the handles and run the batch on the workers behind a scheduler."""
    try:
        options = replace(options, max_credits=max_credits(options.max_credits))
        given = options.given()
        options.order(given)
    except ValueError as error:
        stopping.complain(error)
        raise SystemExit(exit_codes.USAGE) from None
    stopping.run(_batch(scheduler, given, options))


async def _batch(scheduler: str, given: HandlesFile, options: Options) -> int:
    await name_api(base_url())
    files = options.files()
    # The pages are in the journals of the shards; what was written from them is in this one.
    folder = files.journal.with_name(f"{files.journal.name}s")
    files = files._replace(journal=folder / _EXPORTS)
    await asyncio.to_thread(files.rehearse)
    call = _Call(scheduler, given, folder, options)
    code, lines, stopped = exit_codes.DONE, list[str](), None
    with Journal(files.journal) as exports:
        files.refuse_foreign(exports.written)
        try:
            await call.end()
        except asyncio.CancelledError as error:
            stopped = error
        except JournalError as error:
            lines, code = [f"socialfetch: {error}"], exit_codes.SOME_FAILED
        except SocialFetchError as error:
            lines, code = [f"socialfetch: {told(error)}"], stopping.exit_code(error)
        try:
            lines += await asyncio.to_thread(lambda: list(_exports(call.folder, files, exports)))
        except (ExportError, JournalError) as error:
            lines, code = [*lines, f"socialfetch: {error}"], code or exit_codes.SOME_FAILED
    result = call.result
    if result is not None:
        lines += _progress(result)
    if result is None or not result.finished:
        lines.append(f"Resume with: {options.command()} --scheduler={shlex.quote(scheduler)}")
    if code or not options.voice.quiet:
        await say(lines)
    if options.voice.json and result is not None:
        await write_json(result)
    if stopped is not None:
        raise stopped
    return code or _code(result)


class _Call:
    """`export_on` in a thread, which a cancellation stops.

    Attributes:
        folder: Where the journals are.
        result: How the batch stood last; None before the first attempt at a shard has ended.
    """

    def __init__(self, scheduler: str, given: HandlesFile, folder: Path, options: Options) -> None:
        self._scheduler = scheduler
        self._given = given
        self._options = options
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._said = time.monotonic()
        self._saying: set[asyncio.Task[None]] = set()
        self.folder = folder
        self.result: ClusterResult | None = None

    async def end(self) -> None:
        """Run it to its end. Cancelled, it stops and takes what is paid for; a second time not.

        Raises:
            CancelledError: It was cancelled.
            Exception: As `export_on`.
        """
        working = asyncio.ensure_future(asyncio.to_thread(self._export))
        try:
            self.result = await asyncio.shield(working)
        except asyncio.CancelledError:
            self._stop.set()
            self.result = await working
            raise

    def _export(self) -> ClusterResult:
        options = self._options
        return export_on(
            self._scheduler,
            self._given.handles,
            self.folder,
            concurrency=options.concurrency,
            max_credits=options.max_credits,
            max_followers_per_handle=options.max_followers_per_handle,
            max_pages_per_handle=options.max_pages_per_handle,
            refresh=options.refresh,
            older_than=options.older_than,
            trim=options.trim,
            stop=self._stop.is_set,
            on_progress=self._tell,
        )

    def _tell(self, result: ClusterResult) -> None:
        self._loop.call_soon_threadsafe(self._see, result)

    def _see(self, result: ClusterResult) -> None:
        self.result = result
        if time.monotonic() - self._said > _EVERY:
            self._said = time.monotonic()
            lines = [stamped(line) for line in _progress(result)]
            task = asyncio.create_task(self._options.voice.say(lines))
            self._saying.add(task)
            task.add_done_callback(self._saying.discard)


def _exports(folder: Path, files: BatchFiles, exports: Journal) -> Iterator[str]:
    journals = sorted(folder.glob("shard-*.journal"))
    if not journals:
        return

    def record(path: Path, contents: Contents, made: str) -> None:
        exports.wrote(path, contents.size, contents.digest, made)

    for file in files.write(read_journal(*journals), exports.written, record):
        yield written(file)
    yield f"journals: {folder}"


def _progress(result: ClusterResult) -> list[str]:
    """Say how a batch stands."""
    maybe = f", up to {result.maybe_charged:,} more possibly charged" * bool(result.maybe_charged)
    failed = f", {result.handles_failed:,} failed" * bool(result.handles_failed)
    lost = f"; {count(result.lost, 'attempt')} lost with their workers" * bool(result.lost)
    line = (
        f"{result.handles_done:,} of {count(result.handles, 'handle')} done{failed}; "
        f"{count(result.credits_charged, 'credit')} charged{maybe}; this run: "
        f"{count(result.pages, 'page')}, {count(result.followers, 'follower')}{lost}"
    )
    return [line] if result.trouble is None else [line, result.trouble]


def _code(result: ClusterResult | None) -> int:
    if result is not None and result.stop_reason == "max_credits":
        return exit_codes.CREDIT_LIMIT
    failed = result is not None and result.stop_reason == "failed"
    return exit_codes.SOME_FAILED if failed else exit_codes.DONE
