"""What one process writes: the events of its runs, and what these may have cost besides."""

import asyncio
import os
from typing import Final, Self

from socialfetch_async.errors import SocialFetchError
from socialfetch_async.events import HandleDone
from socialfetch_async.journal.index import Ledger
from socialfetch_async.journal.lines import Close, MaybeCharged, Open, handle_line, page_line
from socialfetch_async.journal.writer import Writer
from socialfetch_async.models import FollowersPage
from socialfetch_async.run import FollowersRun

# Seconds between two syncs, and between two looks at what failed attempts may have cost.
_BEAT: Final = 1.0


class Session:
    """The runs that were recorded since the journal was opened."""

    def __init__(self, writer: Writer, ledger: Ledger) -> None:
        self._ledger = ledger
        self._recordings: list[Recording] = []
        self._settled = 0  # credits in `close` lines of this session
        self._noted = 0  # credits in the last `maybe_charged` line since
        self._beat: asyncio.TimerHandle | None = None
        self._told = False  # whether the failure was raised
        self.writer = writer
        self.closed = False
        writer.on_failure = self._stop

    def record(self, run: FollowersRun) -> "Recording":
        """Return the one recording of a run; begin it with the first call."""
        self.check_open()
        for recording in self._recordings:
            if recording.run is run:
                return recording
        recording = Recording(self, run)
        writer = self.writer
        if self._recordings:  # what an earlier run left on its way is the next `open` line's
            writer.write(Close(at=writer.now(), maybe_charged=self._maybe_charged()))
            self._settled, self._noted = self._settled + self._maybe_charged(), 0
        self._recordings.append(recording)
        writer.concurrency = sum(r.at_once for r in self._recordings if not r.ended)
        writer.write(Open(at=writer.now(), pid=os.getpid(), concurrency=writer.concurrency))
        if writer.failure is not None:
            run.stop()
        run.save_to(recording.save)
        self._on_beat()
        return recording

    def check_open(self) -> None:
        """Refuse to go on behind the journal's end."""
        if self.closed:
            raise RuntimeError(
                "the journal is closed: its `with` stands outside the `async with` of the run"
            )

    def _stop(self) -> None:
        for recording in self._recordings:
            recording.run.stop()

    def _on_beat(self) -> None:
        self.note()
        self.writer.sync()
        if self._beat is not None:
            self._beat.cancel()
        self._beat = None
        if any(not recording.ended for recording in self._recordings):
            self._beat = asyncio.get_running_loop().call_later(_BEAT, self._on_beat)

    def note(self) -> None:
        """Write what failed attempts may have cost when it has grown: a kill must not hide it."""
        maybe = self._maybe_charged()
        if maybe > self._noted:
            self._noted = maybe
            self.writer.write(MaybeCharged(at=self.writer.now(), maybe_charged=maybe))

    def _maybe_charged(self) -> int:
        return sum(r.run.maybe_charged + r.unseen for r in self._recordings) - self._settled

    def _at_most_charged(self) -> int:
        return self._maybe_charged() + sum(r.run.reserved for r in self._recordings)

    @property
    def maybe_charged(self) -> int:
        """Upper bound of what was charged besides the pages in the journal, by all processes."""
        if not self._recordings or (self.closed and self.writer.settled):
            return self._ledger.maybe_charged
        unsaved = sum(page.credits_charged for page in self.writer.unsaved)
        return self._ledger.maybe_charged_before + self._at_most_charged() + unsaved

    def failed(self, cause: Exception | None = None) -> None:
        """Raise what went wrong with writing, if something did, once a run has ended."""
        if self.writer.failure is not None:
            if not self.closed:
                self.writer.flush()
            self._told = True
            raise self.writer.error() from cause

    def end(self) -> bool:
        """Write the last line and return whether a failure was not told yet."""
        self.closed = True
        if self._beat is not None:
            self._beat.cancel()
        if self._recordings:
            for recording in self._recordings:
                if not recording.ended:
                    recording.run.stop()  # left early; or still open, for the wrong way round
            writer = self.writer
            writer.write(Close(at=writer.now(), maybe_charged=self._at_most_charged()))
            writer.sync()
        return self.writer.failure is not None and not self._told


class Recording:
    """A run whose events are written when they arrive."""

    def __init__(self, session: Session, run: FollowersRun) -> None:
        self._session = session
        self._credits: dict[str, int] = {}  # of the pages that came, by handles that go on
        self.run = run
        self.at_once = min(run.concurrency, run.handles_total)  # a handle's pages follow each other
        self.ended = False
        self._maybe_charged = 0  # when it was noted last
        self.unseen = 0  # credits of pages that were paid for and never an event

    def save(self, event: FollowersPage | HandleDone) -> None:
        """Write an event that has arrived. What goes wrong is raised at the end of the run."""
        session, credits_ = self._session, self._credits
        if session.closed:
            return  # a run that outlives its journal: counted as uncertain
        writer = session.writer
        if isinstance(event, FollowersPage):
            credits_[event.handle] = credits_.get(event.handle, 0) + event.credits_charged
            writer.write(page_line(event, writer.now()))
        else:
            # A page that repeats the one before it is charged and not delivered.
            self.unseen += event.credits_charged - credits_.pop(event.handle, 0)
            writer.write(handle_line(event, writer.now()))
            session.note()
        if self.run.maybe_charged != self._maybe_charged:
            self._maybe_charged = self.run.maybe_charged
            session.note()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FollowersPage | HandleDone:
        self._session.check_open()
        try:
            return await anext(self.run)
        except StopAsyncIteration:
            self.ended = True
            self._session.failed()
            raise
        except SocialFetchError as error:
            self.ended = True
            self._session.failed(error)
            raise

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`. The run is left with its `async with`."""
