"""What a batch says on stderr while it runs: a panel on a terminal, lines elsewhere."""

import asyncio
import contextlib
import logging
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Final

from socialfetch_async._log import logger
from socialfetch_async._terminal import Voice, is_terminal, say, stamped
from socialfetch_async.batch.forecast import Forecast
from socialfetch_async.batch.panel import Picture, Screen
from socialfetch_async.batch.progress import BatchEvent, BatchProgress, BatchResult
from socialfetch_async.batch.words import duration, ended
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import (
    APIStatusError,
    AuthenticationError,
    ConnectError,
    InsufficientCreditsError,
    PermissionDeniedError,
    SocialFetchError,
)
from socialfetch_async.events import HandleDone, Outage
from socialfetch_async.models import FollowersPage

_TICK: Final = 0.25  # seconds between two looks at the figures
_LINE_EVERY: Final = 20  # ticks
_WINDOW: Final = 60  # ticks that a rate is measured over
_MOST_LINES: Final = 100  # about handles that ended, and about those that failed
_STOPPING: Final = (
    "Stopping: no further page is requested, pages in flight are still received. "
    "A second signal stops immediately."
)
_DEFAULT: Final = Voice()
_ENDS_ALL: Final = (
    AuthenticationError,
    PermissionDeniedError,
    InsufficientCreditsError,
    ConnectError,
)

Tell = Callable[[SocialFetchError], str]
"""What to say of an error."""


def _summary(error: SocialFetchError) -> str:
    return error.summary


class Progress:
    """A batch as its user sees it.

    Attributes:
        result: How the batch stands at the end; None while it runs, and if it never began.
        unsaid: Why handles failed, where that is said once at the end and not for each.
    """

    def __init__(self, client: SocialFetchClient, voice: Voice, tell: Tell) -> None:
        self._client = client
        self._voice = voice
        self._tell = tell
        self._progress: BatchProgress | None = None
        self._forecast = Forecast(0, ())
        self._began = self._now = time.monotonic()
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_WINDOW)
        self._rates = 0.0, 0.0  # pages and credits per second
        self._latest = ""
        self._handles = self._failures = 0
        self.result: BatchResult | None = None
        self.unsaid: SocialFetchError | None = None

    def see(self, event: BatchEvent) -> None:
        """Take an event of the batch."""
        match event:
            case BatchProgress():
                self._progress = event
                caps = event.max_pages, event.max_followers
                self._forecast = Forecast(event.handles, event.left, *caps)
            case BatchResult():
                self.result = event
            case FollowersPage():
                self._forecast.page(event)
            case HandleDone():
                self._forecast.done(event)
                self._ended(event)

    def log(self, record: logging.LogRecord) -> None:
        """Take a sentence of the library's log."""
        text = self._latest = record.getMessage()
        # That a page is not tried again after a stop is no news to who has stopped it.
        warns = record.levelno >= logging.WARNING and not self._voice.quiet and not self._stopping
        if self._voice.verbose or warns:
            self.write(text)

    def write(self, line: str) -> None:
        """Show a line about something that happened."""

    def _shows_ends(self) -> bool:
        """Whether to show that a handle ended well."""
        return self._voice.verbose

    def _ended(self, done: HandleDone) -> None:
        error = done.error
        if error is not None and (error.unanswered or isinstance(error, _ENDS_ALL)):
            self.unsaid = error  # it ends the batch, if it comes for several handles in a row
            return
        if error is not None:
            self._latest = self._tell(error)
            self._failures += 1
            if self._failures <= _MOST_LINES or self._voice.verbose:
                self.write(f"{done.handle}: failed: {self._latest}")
        elif self._shows_ends() and done.status not in {"stopped", "max_credits"}:
            self._handles += 1
            if self._handles <= _MOST_LINES or self._voice.verbose:
                self.write(ended(done))
            if self._handles == _MOST_LINES and not self._voice.verbose:
                self.write("... further handles that end are only counted")

    async def tick(self) -> None:
        """Look at the figures."""
        self._now = time.monotonic()
        if (progress := self._progress) is not None:
            spent = self._spent()
            self._samples.append((self._now, progress.pages, spent))
            began, pages, before = self._samples[0]
            seconds = (self._now - began) or 1
            self._rates = (progress.pages - pages) / seconds, (spent - before) / seconds

    async def close(self) -> None:
        """Show what is not shown yet."""

    @property
    def _stopping(self) -> bool:
        return self._progress is not None and self._progress.stopping

    def _figures(self) -> Iterator[tuple[str, str]]:
        """Yield what there is to show, by name."""
        progress = self._progress
        if progress is None:
            yield "handles", "reading the journal"
            return
        yield "handles", f"{progress.handles_done:,} of {progress.handles:,} done"
        if progress.handles_failed:
            yield "failed", f"{progress.handles_failed:,}"
        yield "elapsed", duration(self._now - self._began)
        if self._rates[1] > 0 and self._forecast.credits_left and self._client.outage is None:
            seconds = self._forecast.credits_left / self._rates[1]
            yield "time left", f"{self._about} {duration(seconds)}"
        yield "pages", f"{progress.pages:,}, {self._rates[0]:,.0f} per second"
        yield "followers", f"{progress.followers:,}"
        yield from self._credits(progress)
        if progress.balance is not None:
            yield "balance", f"{max(0, progress.balance - self._spent()):,} left"
        yield "in flight", f"{progress.in_flight:,}"
        if self._client.usage.retries:
            yield "retries", f"{self._client.usage.retries:,}"

    @property
    def _about(self) -> str:
        """How sure what is left is: a list that has not begun may be of any length."""
        return "at least" if self._forecast.unknown else "about"

    def _spent(self) -> int:
        usage = self._client.usage
        return usage.credits_charged + usage.maybe_charged

    def _credits(self, progress: BatchProgress) -> Iterator[tuple[str, str]]:
        charged, left = progress.total_credits_charged, progress.credits_left
        yield "credits", f"{charged:,} charged"
        if (maybe := progress.maybe_charged - progress.in_flight) > 0:
            yield "possibly", f"{maybe:,} more charged"
        needed = self._forecast.credits_left + self._forecast.unknown
        if left is not None and needed > left:
            at_most = charged + progress.maybe_charged + left
            yield "at the end", f"{at_most:,}, the credit limit"
        elif needed:
            yield "at the end", f"{self._about} {charged + needed:,}"
        if left is not None:
            yield "limit", f"{left:,} of {progress.max_credits:,} left"

    def _notes(self) -> Iterator[str]:
        """Yield the sentences below the figures."""
        if (outage := self._client.outage) is not None:
            yield outage_in_words(outage)
        elif self._latest:
            yield f"Latest: {self._latest}"
        if self._stopping:
            yield _STOPPING


def outage_in_words(outage: Outage) -> str:
    """Return the line about an outage."""
    since = time.strftime("%H:%M:%S", time.localtime(time.time() - outage.seconds))
    probe = f"in {duration(outage.next_probe)}" if outage.next_probe >= 1 else "now"
    return f"API down since {since}: {_brief(outage.error)}; next probe {probe}"


def _brief(error: SocialFetchError) -> str:
    """Return an error in a few words."""
    if isinstance(error, APIStatusError):
        return f"{error.status} {error.code or 'from a gateway'}".strip()
    return error.summary.partition(" (")[0]


class Panel(Progress):
    """A panel on a terminal; what stays is written above it."""

    def __init__(self, client: SocialFetchClient, voice: Voice, tell: Tell) -> None:
        super().__init__(client, voice, tell)
        self._screen = Screen(Picture(None, list(self._figures())))

    def write(self, line: str) -> None:
        """Show a line above the panel."""
        self._screen.above.append(line)

    async def tick(self) -> None:
        """Look at the figures and show them."""
        await super().tick()
        share = None if self._progress is None else self._forecast.share
        self._screen.picture = Picture(share, list(self._figures()), list(self._notes()))

    async def close(self) -> None:
        """Take the panel away."""
        await asyncio.to_thread(self._screen.close)
        self._screen.restore()


class Lines(Progress):
    """A line every five seconds, and one about each of the first handles that end."""

    def __init__(self, client: SocialFetchClient, voice: Voice, tell: Tell) -> None:
        super().__init__(client, voice, tell)
        self._lines: list[str] = []
        self._ticks = 0
        self._said = ("", False)  # the latest sentence, and that it stops

    def _shows_ends(self) -> bool:
        return not self._voice.quiet

    def write(self, line: str) -> None:
        """Show a line at the next tick."""
        self._lines.append(stamped(line))
        self._said = line, self._said[1]

    async def tick(self) -> None:
        """Write what is new."""
        await super().tick()
        self._ticks += 1
        if not self._voice.quiet:
            self._look()
        await self._flush()

    def _look(self) -> None:
        latest, stopping = self._said
        if self._ticks % _LINE_EVERY == 0:
            self._lines.append(
                stamped("; ".join(f"{name}: {text}" for name, text in self._figures()))
            )
            if (outage := self._client.outage) is not None:
                self._lines.append(stamped(outage_in_words(outage)))
            elif self._latest not in {"", latest}:
                self._lines.append(stamped(f"Latest: {self._latest}"))
            latest = self._latest
        if not stopping and self._stopping:
            stopping = True
            self._lines.append(stamped(_STOPPING))
        self._said = latest, stopping

    async def close(self) -> None:
        """Write the last lines."""
        await self._flush()

    async def _flush(self) -> None:
        lines, self._lines = self._lines, []
        await say(lines)


@asynccontextmanager
async def progress_on_stderr(
    client: SocialFetchClient, voice: Voice = _DEFAULT, tell: Tell = _summary
) -> AsyncIterator[Progress]:
    """Show a batch on stderr until the block ends.

    Args:
        client: The client that it uses.
        voice: How much to say.
        tell: What to say of a handle's error.
    """
    drawn = is_terminal(sys.stderr) and not voice.quiet
    progress = (Panel if drawn else Lines)(client, voice, tell)
    try:
        with log_passed_to(progress.log):
            async with four_times_a_second(progress.tick):
                yield progress
    finally:
        await progress.close()


@asynccontextmanager
async def four_times_a_second(tick: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call a function four times per second until the block ends."""
    over = asyncio.Event()
    task = asyncio.create_task(_tick(tick, over))
    try:
        yield
    finally:
        over.set()
        await task


@contextlib.contextmanager
def log_passed_to(see: Callable[[logging.LogRecord], None]) -> Iterator[None]:
    """Give the library's log to a function for a block."""
    handler = _Log(see)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _Log(logging.Handler):
    def __init__(self, see: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._see = see

    def emit(self, record: logging.LogRecord) -> None:
        self._see(record)


async def _tick(tick: Callable[[], Awaitable[None]], over: asyncio.Event) -> None:
    while not over.is_set():
        await tick()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TICK):
                await over.wait()
