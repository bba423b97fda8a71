"""Which worker gets which shard, when shards fail on some of them."""

import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from socialfetch_async.batch import order
from socialfetch_async.cluster import ShardResult
from socialfetch_async.cluster.attempt import Part, Task
from socialfetch_async.cluster.dispatch import HandingOut
from socialfetch_async.cluster.leases import Leases, Shard
from socialfetch_async.journal import Wanted


class Ended:
    """A task that has ended already."""

    status = "finished"

    def __init__(self, result: ShardResult) -> None:
        self.result = result


class Workers:
    """A cluster of which some workers fail every handle, and are the first to ask again."""

    def __init__(self, good: set[str], broken: set[str]) -> None:
        self._good, self._broken = good, broken
        self.ended = threading.Event()
        self.given: list[tuple[str, str]] = []

    def workers(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self._good | self._broken)

    def balances(self) -> Iterator[tuple[str, int]]:
        """Nobody knows the balance."""
        return iter(())

    def submit(self, worker: str, task: Task) -> Ended:
        """Run a shard."""
        assert task.asked.max_credits is None
        self.given.append((worker, task.shard))
        self.ended.set()
        works = worker in self._good
        return Ended(
            ShardResult(
                shard=task.shard,
                stop_reason="complete" if works else "failed",
                handles=1,
                handles_done=int(works),
                handles_failed=int(not works),
                pages=int(works),
                reason=None if works else "the certificate of the API cannot be verified.",
            )
        )

    def outcome(self, future: Ended) -> ShardResult:
        """Return what a task returned."""
        return future.result

    def check(self) -> None:
        """Find the scheduler there."""

    def forget(self) -> None:
        """Remove nothing."""


def handed_out(cluster: Workers, shards: int) -> tuple[str, HandingOut]:
    """Hand some shards of one handle each out."""
    parts = [Shard(f"{n}-{uuid4().hex[:4]}") for n in range(shards)]
    for part in parts:
        part.handles, part.left = {part.name: None}, 1
    work = HandingOut(
        cluster,  # type: ignore[arg-type]
        Path(),
        parts,
        order(()),
        Part(Wanted("")),
        leases=Leases(None, 0, 1),
    )
    return work.run(lambda: False, lambda: None), work


def test_a_worker_that_fails_shard_after_shard_gets_no_more() -> None:
    """Its shards go to another one, once; it and the reason are named."""
    cluster = Workers({"b"}, {"a"})
    reason, work = handed_out(cluster, 12)
    assert reason == "complete"
    assert sum(worker == "a" for worker, _ in cluster.given) == 3
    assert len(cluster.given) == 12 + 3
    assert work.trouble == (
        "3 shards failed without a page on a, and it got no more: the certificate of the API "
        "cannot be verified."
    )


def test_where_every_worker_fails_it_ends() -> None:
    """Each of two gets three shards; nothing is tried again and again."""
    cluster = Workers(set(), {"a", "b"})
    reason, work = handed_out(cluster, 12)
    assert reason == "failed"
    assert len(cluster.given) == 6
    assert len(set(cluster.given)) == 6
    assert work.trouble is not None


def test_one_worker_tries_a_shard_once() -> None:
    """There is no other one."""
    cluster = Workers(set(), {"a"})
    assert handed_out(cluster, 2)[0] == "failed"
    assert len(cluster.given) == 2
