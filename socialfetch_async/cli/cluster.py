"""`socialfetch export --scheduler`: a batch on a Dask cluster, to files, with its end told."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from socialfetch_async._terminal import say, stamped
from socialfetch_async._text import count
from socialfetch_async.batch import Order
from socialfetch_async.cli import exit_codes, stopping
from socialfetch_async.cli.connecting import base_url, name_api, told
from socialfetch_async.cli.export import Engine, Options
from socialfetch_async.cli.output import write_json
from socialfetch_async.cli.words import written
from socialfetch_async.cluster import ClusterJob, ClusterResult
from socialfetch_async.errors import ExportError, JournalError, SocialFetchError

T = TypeVar("T")
_EVERY: Final = 5.0  # seconds between two lines of progress


@asynccontextmanager
async def on_cluster(options: Options) -> AsyncIterator[Engine]:
    """Give what does a batch on the workers behind a scheduler."""
    await name_api(base_url())
    scheduler = options.scheduler or ""
    yield Engine(
        lambda asked: _fetch(scheduler, asked, options),
        lambda asked: _Call(asked, options).end(lambda job: job.estimate(scheduler)),
    )


async def _fetch(scheduler: str, asked: Order, options: Options) -> int:
    """Run the batch; say how it ended and how to resume; return the exit code."""
    call = _Call(asked, options)
    code, lines, stopped = exit_codes.DONE, list[str](), None
    try:
        result: ClusterResult | None = await call.end(lambda job: job.run(scheduler))
    except asyncio.CancelledError as error:
        stopped, result = error, call.result
    except SocialFetchError as error:
        result = error.result
        if result is None:  # it did not begin: no page was bought
            raise
        ours = isinstance(error, JournalError | ExportError)
        lines.append(f"socialfetch: {error if ours else told(error)}")
        code = exit_codes.SOME_FAILED if ours else stopping.exit_code(error)
    if result is not None:
        lines += map(written, result.exports)
        lines += [f"journals: {result.folder}", *_progress(result)]
    if result is None or not result.finished:
        lines.append(f"Resume with: {options.command()}")
    if code or not options.voice.quiet:
        await say(lines)
    if options.voice.json and result is not None:
        await write_json(result)
    if stopped is not None:
        raise stopped
    return code or stopping.code_of(None if result is None else result.stop_reason)


class _Call:
    """One call of a batch on a cluster, in a thread, which a cancellation stops.

    Attributes:
        result: How the batch stood last; None before the first attempt at a shard has ended.
    """

    def __init__(self, asked: Order, options: Options) -> None:
        self._options = options
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._said = time.monotonic()
        self._saying: set[asyncio.Task[None]] = set()
        self._job = ClusterJob(
            asked, options.files(), stop=self._stop.is_set, on_progress=self._tell
        )
        self.result: ClusterResult | None = None

    async def end(self, do: Callable[[ClusterJob], T]) -> T:
        """Do it to its end. Cancelled, it stops and takes what is paid for; a second time not.

        Raises:
            CancelledError: It was cancelled.
            Exception: As `export_on`.
        """
        working = asyncio.ensure_future(asyncio.to_thread(do, self._job))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            self._stop.set()
            done = await working
            if isinstance(done, ClusterResult):
                self.result = done
            raise

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
