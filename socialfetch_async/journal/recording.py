"""What one process writes: the events of its runs, and what these may have cost besides."""

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from secrets import token_hex
from typing import Final, NamedTuple, Self

from socialfetch_async._protocol.walk import Walk
from socialfetch_async.errors import DecodeError, JournalError, PayloadError, SocialFetchError
from socialfetch_async.events import HandleDone, HandleStatus
from socialfetch_async.journal.course import Course, StoredPage
from socialfetch_async.journal.index import Index
from socialfetch_async.journal.lines import (
    Close,
    MaybeCharged,
    Open,
    Work,
    handle_line,
    page_line,
    unread_line,
)
from socialfetch_async.journal.plan import Step, Wanted, plan
from socialfetch_async.journal.writer import Writer
from socialfetch_async.models import FollowersPage
from socialfetch_async.run import FollowersRun

# Seconds between two syncs, and between two looks at what failed attempts may have cost.
_BEAT: Final = 1.0


class Job(NamedTuple):
    """What a run is for.

    Attributes:
        wanted: What was asked for.
        steps: What is to be done for each handle; one that is missing here is planned alone.
        handles: How many handles were asked for; None if nobody said.
        known: What is known of the lists, where other journals hold it. `stored`: a page of it.
    """

    wanted: Wanted
    steps: Mapping[str, Step]
    handles: int | None
    known: Index | None = None
    stored: StoredPage | None = None


def new_name(at: datetime) -> str:
    """Return the name of a piece of work that begins: names sort as they began."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z-{token_hex(3)}"


class Session:
    """The runs that were recorded since the journal was opened.

    Attributes:
        index: What is in the journal.
        stored: Returns a page of the journal by its number in the index.
    """

    def __init__(self, writer: Writer, index: Index, stored: StoredPage) -> None:
        self._ledger = index.ledger
        self._recordings: list[Recording] = []
        self._opened = False  # an `open` line has no `close` yet
        self._settled = 0  # credits in `close` lines of this session
        self._retries = 0  # as above
        self.index = index
        self.stored = stored
        self._noted = 0  # credits in the last `maybe_charged` line since
        self._beat: asyncio.TimerHandle | None = None
        self._told = False  # whether the failure was raised
        self.writer = writer
        self.closed = False
        writer.on_failure = self._stop

    def record(self, run: FollowersRun, job: Job) -> "Recording":
        """Return the one recording of a run; begin it with the first call.

        Raises:
            JournalError: The pages in the journal come from another API.
        """
        self.check_open()
        for recording in self._recordings:
            if recording.run is run:
                return recording
        recording = Recording(self, run, job)
        writer = self.writer
        self.name_origin(run.origin)
        if self._opened:  # what an earlier run left on its way is the next `open` line's
            self._close()
        self._recordings.append(recording)
        writer.concurrency = sum(r.at_once for r in self._recordings if not r.ended)
        self.say_work(job)
        opened = Open(
            at=writer.now(),
            pid=os.getpid(),
            concurrency=writer.concurrency,
            work=job.wanted.work,
            kind=job.wanted.refresh or "first",
        )
        writer.write(opened)
        self._opened = True
        if writer.failure is not None:
            run.stop()
        known = (job.known or self.index).ledger
        if known.credits_charged:
            run.learn_price(known.price)
        run.save_to(recording.save)
        run.guide_with(recording.guide)
        self._on_beat()
        return recording

    def name_origin(self, origin: str | None) -> None:
        """Say which API the pages come from.

        Raises:
            JournalError: The pages in the journal come from another one, or it cannot be written.
        """
        try:
            self.writer.name_origin(origin)
        except OSError as error:
            raise JournalError(
                f"{self.writer.path} cannot be used: {error.strerror}. No request was sent."
            ) from None

    def say_work(self, job: Job) -> None:
        """Write what the work is, if that is not in the journal yet."""
        work = job.wanted.work
        known = self.index.works.get(work)
        if known is None or job.handles not in {None, self.index.handles}:
            kind = job.wanted.refresh or "first"
            self.writer.write(Work(at=self.writer.now(), work=work, kind=kind, handles=job.handles))

    def run_ended(self) -> None:
        """Close the books when no run is going on any more."""
        if self._opened and all(r.ended for r in self._recordings) and self.writer.failure is None:
            self._close()
            self._opened = False

    def _close(self) -> None:
        maybe = self._maybe_charged()
        self._write_close(maybe)
        self._settled, self._noted = self._settled + maybe, 0

    def _write_close(self, maybe_charged: int) -> None:
        retries = sum(r.run.retries for r in self._recordings) - self._retries
        self.writer.write(Close(at=self.writer.now(), maybe_charged=maybe_charged, retries=retries))
        self._retries += retries

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
        if not self._opened or (self.closed and self.writer.settled):
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
        if self._opened:
            for recording in self._recordings:
                if not recording.ended:
                    recording.run.stop()  # left early; or still open, for the wrong way round
            self._write_close(self._at_most_charged())
        self.writer.sync()
        return self.writer.failure is not None and not self._told


class Recording:
    """A run whose events are written when they arrive."""

    def __init__(self, session: Session, run: FollowersRun, job: Job) -> None:
        self._session = session
        self._job = job
        self._courses: dict[str, Course] = {}  # of the handles that go on
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
            course = self._course(event.handle, event.cursor)
            met, new_rows = course.take(event)
            line = page_line(event, writer.now(), course.reading, met=met, new_rows=new_rows)
            writer.write(line)
        else:
            course = self._course(event.handle, event.cursor)
            del self._courses[event.handle]
            error = event.error
            if isinstance(error, DecodeError | PayloadError) and error.body:
                at, cursor = writer.now(), error.cursor
                writer.write(unread_line(event.handle, cursor, error.body, at, course.reading))
            # A page that repeats the one before it is charged and not delivered.
            self.unseen += event.credits_charged - credits_.pop(event.handle, 0)
            writer.write(handle_line(event, writer.now(), course.reading))
            session.note()
        if self.run.maybe_charged != self._maybe_charged:
            self._maybe_charged = self.run.maybe_charged
            session.note()

    def guide(self, handle: str, walk: Walk) -> HandleStatus | None:
        """Say before each page whether to buy it, and where the list goes on."""
        if self._session.closed:
            return None
        return self._course(handle, walk.cursor).guide(walk)

    def _course(self, handle: str, cursor: str | None) -> Course:
        course = self._courses.get(handle)
        if course is None:
            session, job = self._session, self._job
            step = job.steps.get(handle)
            if step is None:
                step = plan(session.index, {handle: None}, job.wanted)[handle]
                if step.cursor != cursor:
                    step = plan(session.index, {handle: cursor}, job.wanted)[handle]
            index, stored = job.known or session.index, job.stored or session.stored
            course = Course(index, handle, step, job.wanted, stored)
            self._courses[handle] = course
        return course

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FollowersPage | HandleDone:
        self._session.check_open()
        try:
            return await anext(self.run)
        except StopAsyncIteration:
            self._end()
            self._session.failed()
            raise
        except SocialFetchError as error:
            self._end()
            self._session.failed(error)
            raise

    def _end(self) -> None:
        self.ended = True
        self._session.run_ended()

    async def aclose(self) -> None:
        """Do nothing: for `contextlib.aclosing`. The run is left with its `async with`."""
