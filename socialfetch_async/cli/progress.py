"""What a batch says on stderr while it runs: a panel on a terminal, lines elsewhere."""

import asyncio
import contextlib
import logging
import os
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from socialfetch_async._log import logger
from socialfetch_async.batch import BatchEvent, BatchProgress, BatchResult
from socialfetch_async.cli.output import write_lines
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.events import HandleDone

_TICK: Final = 0.25  # seconds between two looks at the figures
_LINE_EVERY: Final = 20  # ticks
_WINDOW: Final = 60  # ticks that a rate is measured over
_MOST_LINES: Final = 100  # about handles that ended, and about those that failed


class Progress:
    """A batch as its user sees it.

    Attributes:
        result: How the batch stands at the end; None while it runs, and if it never began.
    """

    def __init__(self, client: SocialFetchClient) -> None:
        self._client = client
        self._progress: BatchProgress | None = None
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_WINDOW)
        self._rates = 0.0, 0.0  # pages and credits a second
        self._latest = ""
        self.result: BatchResult | None = None

    def see(self, event: BatchEvent) -> None:
        """Take an event of the batch."""
        match event:
            case BatchProgress():
                self._progress = event
            case BatchResult():
                self.result = event
            case HandleDone():
                if event.error is not None:
                    self._latest = event.error.summary
                self._ended(event)

    def log(self, record: logging.LogRecord) -> None:
        """Take a sentence of the library's log."""
        self._latest = record.getMessage()
        if record.levelno >= logging.WARNING:
            self._warned(self._latest)

    def _ended(self, done: HandleDone) -> None:
        """Show the end of a handle, if that is to be shown."""

    def _warned(self, text: str) -> None:
        """Show a warning, if that is to be shown now."""

    async def tick(self) -> None:
        """Look at the figures."""
        now = asyncio.get_running_loop().time()
        if (progress := self._progress) is not None:
            spent = self._spent()
            self._samples.append((now, progress.pages, spent))
            began, pages, before = self._samples[0]
            seconds = (now - began) or 1
            self._rates = (progress.pages - pages) / seconds, (spent - before) / seconds

    async def close(self) -> None:
        """Show what is not shown yet."""

    def _figures(self) -> dict[str, str]:
        """Return what there is to show, by name."""
        progress = self._progress
        if progress is None:
            return {"handles": "reading the journal"}
        failed = f", {progress.handles_failed:,} failed" * bool(progress.handles_failed)
        figures = {
            "handles": f"{progress.handles_done:,} of {progress.handles:,} done{failed}",
            "pages": f"{progress.pages:,}, {self._rates[0]:,.0f} a second",
            "followers": f"{progress.followers:,}",
            "credits": self._credits(progress),
        }
        if progress.balance is not None:
            figures["balance"] = self._left(progress.balance - self._spent())
        figures["in flight"] = f"{progress.in_flight:,}"
        if self._client.usage.retries:
            figures["retries"] = f"{self._client.usage.retries:,}"
        return figures

    def _spent(self) -> int:
        usage = self._client.usage
        return usage.credits_charged + usage.maybe_charged

    def _credits(self, progress: BatchProgress) -> str:
        charged, maybe = progress.total_credits_charged, progress.maybe_charged - progress.in_flight
        parts = [f"{charged:,} spent"]
        if maybe > 0:
            parts.append(f"at most {maybe:,} more charged")
        if progress.max_credits is not None:
            left = progress.max_credits - charged - max(0, maybe)
            parts.append(f"{self._left(left)} of {progress.max_credits:,}")
        return ", ".join(parts)

    def _left(self, credits_: int) -> str:
        text = f"{max(0, credits_):,} left"
        if self._rates[1] > 0 and credits_ > 0:
            text += f" ({_duration(credits_ / self._rates[1])} at this rate)"
        return text


class Panel(Progress):
    """A table on a terminal, drawn over and over by a thread of rich's own.

    The thread may wait for a terminal that Ctrl-S holds; the batch does not.
    """

    def __init__(self, client: SocialFetchClient, console: Console) -> None:
        super().__init__(client)
        self._warnings: list[str] = []
        self._console = console
        self._live = Live(
            console=console, get_renderable=self._table, refresh_per_second=4, transient=True,
            redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop",
        )  # fmt: skip
        self._live.start()

    def _warned(self, text: str) -> None:
        if len(self._warnings) < _MOST_LINES:
            self._warnings.append(text)

    async def close(self) -> None:
        """Take the panel away, and leave the warnings."""
        self._live.stop()
        await super().close()
        await say(self._warnings)

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=False)
        table.add_column(no_wrap=True, min_width=len("followers"), style="bold")
        table.add_column(no_wrap=True, overflow="ellipsis")
        for name, text in self._figures().items():
            table.add_row(name, text)
        if self._latest:
            table.add_row("latest", Text(self._latest, style="yellow", overflow="ellipsis"))
        if self._progress is not None and self._progress.stopping:
            table.add_row("", Text(_STOPPING, style="bold"))
        return table


class Lines(Progress):
    """A line every five seconds, and one about each of the first handles that end."""

    def __init__(self, client: SocialFetchClient) -> None:
        super().__init__(client)
        self._lines: list[str] = []
        self._ticks = self._handles = self._failures = 0
        self._said = ("", False)  # the latest sentence, and that it stops

    def _ended(self, done: HandleDone) -> None:
        if done.error is not None:
            self._failures += 1
            if self._failures <= _MOST_LINES:
                self._lines.append(f"{done.handle}: failed: {done.error.summary}")
        elif done.status not in {"stopped", "max_credits"}:
            self._handles += 1
            if self._handles <= _MOST_LINES:
                self._lines.append(
                    f"{done.handle}: {done.outcome}, {done.followers:,} followers, "
                    f"{done.credits_charged:,} credits"
                )
            if self._handles == _MOST_LINES:
                self._lines.append("... further handles that end are only counted")

    def _warned(self, text: str) -> None:
        self._lines.append(text)
        self._said = text, self._said[1]

    async def tick(self) -> None:
        """Write what is new."""
        await super().tick()
        self._ticks += 1
        latest, stopping = self._said
        if self._ticks % _LINE_EVERY == 0:
            figures = (f"{name}: {text}" for name, text in self._figures().items())
            self._lines.append("; ".join(figures))
            if self._latest not in {"", latest}:
                self._lines.append(f"latest: {self._latest}")
            latest = self._latest
        if not stopping and self._progress is not None and self._progress.stopping:
            stopping = True
            self._lines.append(_STOPPING)
        self._said = latest, stopping
        lines, self._lines = self._lines, []
        await say(lines)

    async def close(self) -> None:
        """Write the last lines."""
        await super().close()
        lines, self._lines = self._lines, []
        await say(lines)


_STOPPING: Final = (
    "stopping: nothing more is bought, pages on their way still come; the same again leaves at once"
)


@asynccontextmanager
async def shown(client: SocialFetchClient) -> AsyncIterator[Progress]:
    """Show a batch on stderr until the block ends."""
    console = Console(stderr=True)
    terminal = sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}
    progress = Panel(client, console) if terminal else Lines(client)
    handler = _Log(progress)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    over = asyncio.Event()
    ticking = asyncio.create_task(_tick(progress, over))
    try:
        yield progress
    finally:
        logger.removeHandler(handler)
        over.set()
        await ticking
        await progress.close()


class _Log(logging.Handler):
    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.log(record)


async def _tick(progress: Progress, over: asyncio.Event) -> None:
    while not over.is_set():
        await progress.tick()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TICK):
                await over.wait()


async def say(lines: list[str]) -> None:
    """Write lines to stderr. Where nobody can read them the batch matters more."""
    with contextlib.suppress(OSError):
        await write_lines([f"{line}\n".encode(errors="replace") for line in lines], sys.stderr)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
