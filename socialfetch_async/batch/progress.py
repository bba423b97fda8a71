"""How a batch stands: live while it runs, and at its end."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from socialfetch_async.batch.asked import Order
from socialfetch_async.batch.estimate import BatchStopReason, HandleEstimate
from socialfetch_async.events import HandleDone
from socialfetch_async.export import ExportResult
from socialfetch_async.journal import Journal, Refresh
from socialfetch_async.models import FollowersPage
from socialfetch_async.run import FollowersRun


class BatchProgress:
    """The progress of a batch. Its figures change while it runs.

    Attributes:
        handles: Different handles given. `handles_done`: those with nothing left to request,
            also from earlier calls. `handles_failed`: those that failed in this call.
        pages: Pages that arrived in this call. `followers`: on them.
        credits_charged: Confirmed for them.
        max_credits: The limit of this piece of work. `max_pages`, `max_followers`: of each list.
        balance: Of the account, in credits, when the call began; None if it was not asked for.
        stopping: No further page is requested; pages already requested still arrive.
        left: What was left of each unfinished handle when the call began, as far as known.
    """

    def __init__(
        self,
        journal: Journal,
        asked: Order,
        left: Sequence[HandleEstimate],
        work: str,
    ) -> None:
        self._journal = journal
        self._work = work
        self._refresh: Refresh | None = asked.refresh
        self._run: FollowersRun | None = None
        self.handles = len(asked.starts)
        self.left = left
        self.handles_done = self.handles - len(left)
        self.handles_failed = self.pages = self.followers = self.credits_charged = 0
        self.max_credits = asked.max_credits
        self.max_pages = asked.max_pages
        self.max_followers = asked.max_followers
        self.balance: int | None = None
        self.stopping = False
        self._failed: set[str] = set()

    @property
    def total_credits_charged(self) -> int:
        """Credits confirmed by all pages in the journal."""
        return self._journal.credits_charged

    @property
    def credits_left(self) -> int | None:
        """What this piece of work may still spend; None without a limit."""
        if self.max_credits is None:
            return None
        return max(0, self.max_credits - self._journal.spent(self._work, self._refresh))

    @property
    def maybe_charged(self) -> int:
        """Upper bound of what else may have been charged, requests in flight included."""
        return self._journal.maybe_charged

    @property
    def in_flight(self) -> int:
        """Credits reserved for requests in flight."""
        return self._run.reserved if self._run is not None else 0

    def _follow(self, run: FollowersRun) -> None:
        self._run = run

    def _count(self, event: FollowersPage | HandleDone) -> None:
        if isinstance(event, FollowersPage):
            self.pages += 1
            self.followers += len(event.followers)
            self.credits_charged += event.credits_charged
        else:
            self.handles_done += event.finished
            self._failed.discard(event.handle)  # it may have had a second round
            if event.status == "failed":
                self._failed.add(event.handle)
            self.handles_failed = len(self._failed)


class BatchResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch stands at the end of a call.

    Attributes:
        stop_reason: `complete`; `failed` when handles failed; `max_credits`; `stopped` when the
            call was cancelled; `error` when an error is raised.
        handles: Different handles given. `duplicates`: those that were given again.
        statuses: How many of them have which status; `not_begun` without any request yet.
        pending: The unfinished ones, with the cursor to resume from.
        others: Handles in the journal that were not given; they are in the exports as well.
        pages: Pages that arrived in this call. `followers`: on them.
        credits_charged: Confirmed for them.
        total_credits_charged: Credits confirmed by all pages in the journal.
        maybe_charged: Upper bound, in credits, of what else may have been charged, for all calls.
        journal: The journal.
        exports: The files that were written, or hold all this already (`unchanged`).
        newest_data: When the list that was read last was read; None without pages.
            `oldest_data`: when the one that was read first was.
        open_refresh: The refresh that is not finished, `new` or `all`; None without one.
            `refresh_done`: how many of the handles given it has done. `refresh_credits`: what it
            may have cost so far at most.
        not_refreshed: Lists that have more followers than the caps of this refresh allow, and
            stay as they are: a shorter reading would not take their place.
        refused: Lists whose cursor the API refuses: only `refresh="all"` reads them.
        moved: Lists whose count moved by much more than the new followers that were found, so
            that `refresh="all"` would find more.
    """

    stop_reason: BatchStopReason
    handles: int
    duplicates: int
    statuses: dict[str, int]
    pending: dict[str, str | None]
    others: int
    pages: int
    followers: int
    credits_charged: int
    total_credits_charged: int
    maybe_charged: int
    journal: Path
    exports: tuple[ExportResult, ...]
    newest_data: datetime | None = None
    oldest_data: datetime | None = None
    open_refresh: str | None = None
    refresh_done: int = 0
    refresh_credits: int = 0
    not_refreshed: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for."""
        return not self.pending

    @property
    def advice(self) -> str:
        """How to resume, in a sentence."""
        if self.finished:
            return "Nothing is left to ask for; the same call sends nothing."
        left = f"{len(self.pending):,} of {self.handles:,} handles are not finished"
        if self.stop_reason == "max_credits":
            return f"{left}: the same call with a higher max_credits goes on."
        if self.refused and len(self.pending) == len(self.refused):
            return f'{left}: the API refuses their cursors. refresh="all" reads them anew.'
        return f"{left}: the same call goes on, and buys only what is missing."


BatchEvent = BatchProgress | FollowersPage | HandleDone | BatchResult
