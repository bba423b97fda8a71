"""How a batch on a cluster stands."""

from pathlib import Path

import msgspec

from socialfetch_async.batch import BatchStopReason
from socialfetch_async.export import ExportResult
from socialfetch_async.journal import shard_journals


class ClusterResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a batch on a cluster stands.

    Attributes:
        stop_reason: `complete`; `failed` when handles failed; `max_credits`; `stopped`; `error`
            when an error is raised; None while it goes on.
        handles: Different handles given. `duplicates`: those that were given again.
        handles_done: Those with nothing left to ask for, also from earlier calls.
        handles_failed: Those that failed in this call.
        pages: That arrived in this call. `followers`: on them.
        attempts: At shards, that have ended. `lost`: those of them that ended with their worker.
        credits_charged: Credits confirmed by all journals in the folder, for all calls.
        maybe_charged: Upper bound, in credits, of what else may have been charged.
        journal: The journal of the batch. `folder`: where those of its shards are.
        exports: The files that were written, or hold all this already (`unchanged`).
        trouble: On which worker shards failed without a page most often, and why; None if none.
    """

    stop_reason: BatchStopReason | None
    handles: int
    duplicates: int
    handles_done: int
    handles_failed: int
    pages: int
    followers: int
    attempts: int
    lost: int
    credits_charged: int
    maybe_charged: int
    journal: Path
    folder: Path
    exports: tuple[ExportResult, ...] = ()
    trouble: str | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for."""
        return self.handles_done == self.handles

    @property
    def journals(self) -> list[Path]:
        """All journals: what `convert` and `read_journal` take."""
        return [self.journal, *shard_journals(self.folder)]
