"""A Dask cluster of processes, and a batch on it with what there is to see of it."""

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from socialfetch_async import read_journal
from socialfetch_async.cluster import ClusterResult, export_on
from socialfetch_async.emulator import Emulator
from socialfetch_async.journal import SavedRun
from tests.faults.kills import profiles_of, rows_of, undisturbed

Profiles = dict[str, int | str]


class Figures(NamedTuple):
    """What came of one scenario.

    Attributes:
        name: What was done to the batch.
        workers: Processes. `shards`: parts of the batch. `concurrency`: of each worker.
        pages: Of the whole batch, each once.
        charged: Credits that the emulator took. `bought_twice`: of them, for a page once more.
        credits_charged: What the journals say is charged for sure. `maybe_charged`: besides.
        lost: Attempts that ended with their worker.
        seconds: How long it took.
        broken: The promises that were not kept.
    """

    name: str
    workers: int
    shards: int
    concurrency: int
    pages: int
    charged: int
    bought_twice: int
    credits_charged: int
    maybe_charged: int
    lost: int
    seconds: float
    broken: list[str]


class Cluster(NamedTuple):
    """A scheduler and its workers.

    Attributes:
        address: Of the scheduler.
        pids: Returns the workers' processes.
        size: How many workers it has.
    """

    address: str
    pids: Callable[[], list[int]]
    size: int

    @staticmethod
    @contextmanager
    def local(size: int, api: Emulator) -> "Iterator[Cluster]":
        """Enclose a cluster whose scheduler is in this process."""
        import dask
        from distributed import LocalCluster

        # A worker that is dead 15 s after it died, since it was killed again, would be given up.
        kept = dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})
        with (
            kept,
            LocalCluster(
                n_workers=size,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                # None would still open its HTTP server, on all interfaces.
                dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
                env={"SOCIALFETCH_API_KEY": api.api_key, "SOCIALFETCH_BASE_URL": api.base_url},
            ) as cluster,
        ):
            address: str = cluster.scheduler_address

            def pids() -> list[int]:
                return [pid for nanny in list(cluster.workers.values()) if (pid := nanny.pid)]

            yield Cluster(address, pids, size)

    @staticmethod
    @contextmanager
    def apart(size: int, api: Emulator, folder: Path) -> "Iterator[tuple[Cluster, int]]":
        """Enclose a cluster with a scheduler of its own process, and give that process's id."""
        file = folder / "scheduler.json"
        file.unlink(missing_ok=True)
        environ = os.environ | {
            "SOCIALFETCH_API_KEY": api.api_key,
            "SOCIALFETCH_BASE_URL": api.base_url,
        }
        common = ["--scheduler-file", str(file), "--host", "127.0.0.1"]
        common += ["--dashboard-address", "127.0.0.1:0"]

        def start(what: str, *options: str) -> subprocess.Popen[bytes]:
            module = f"distributed.cli.dask_{what}"
            return subprocess.Popen(
                [sys.executable, "-m", module, *common, *options],
                env=environ,
                stderr=subprocess.DEVNULL,
            )

        processes = [start("scheduler", "--port", "0")]
        try:
            while not (file.exists() and file.stat().st_size):
                time.sleep(0.02)
            processes += [start("worker", "--nthreads", "1", "--no-nanny") for _ in range(size)]
            address = json.loads(file.read_text())["address"]
            yield Cluster(address, list, size), processes[0].pid
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


def busy(folder: Path, cluster: Cluster) -> list[int]:
    """Return the workers that are in the middle of an attempt, by the journals in a folder."""
    pids = set()
    for journal in folder.glob("*/shard-*.journal"):
        text = journal.read_bytes()
        opened = [line for line in text.split(b"\n") if line.startswith(b'{"type":"open"')]
        if opened and b'"type":"close"' not in text[-200:]:
            pids.add(json.loads(opened[-1])["pid"])
    return sorted(pids.intersection(cluster.pids()))


class Batch:
    """A batch, the API that it is bought from, and the folder it is saved in."""

    def __init__(self, name: str, api: Emulator, cluster: Cluster, folder: Path, **options: Any):
        self.name = name
        self.api = api
        self.cluster = cluster
        self.folder = folder
        self.options = {"shards": 200, "concurrency": 10, "exports": False} | options
        self.profiles: Profiles = {}
        self.first = len(api.charges)
        self.broken: list[str] = []
        self.lost = 0
        self._began = time.monotonic()

    def of(self, pages: int, random: Random) -> "Batch":
        """Give it profiles of so many pages together, which no other batch has."""
        number = random.getrandbits(32)
        self.profiles = {f"{h}.{number}": size for h, size in profiles_of(pages, random).items()}
        for handle, size in self.profiles.items():
            self.api.profile(handle, size)
        return self

    def charges(self) -> list[tuple[str, str | None]]:
        """Return the pages that were charged, in order."""
        return [(charge.handle, charge.cursor) for charge in self.api.charges[self.first :]]

    async def export(self, cluster: Cluster | None = None, **options: Any) -> ClusterResult:
        """Run it on the cluster."""
        result = await asyncio.to_thread(
            export_on,
            (cluster or self.cluster).address,
            self.profiles.keys(),
            self.folder,
            **self.options | options,
        )
        self.lost += result.lost
        return result

    def saved(self) -> SavedRun:
        """Read all its journals."""
        return read_journal(self.folder)

    def promise(self, kept: bool, what: str) -> None:  # noqa: FBT001 - it is what is said
        """Note a promise that was not kept."""
        if not kept:
            self.broken.append(what)

    async def whole(self) -> None:
        """See that every row is there once, as in an undisturbed run of one process."""
        with tempfile.TemporaryDirectory(prefix="socialfetch-shards-") as folder:
            expected = await undisturbed(self.profiles, Path(folder, "one.journal"))
        self.promise(rows_of(self.saved()) == expected, "every row is saved once")

    def bought_twice(self, times: int) -> int:
        """Return what was bought again; see that it is at most `concurrency` for each loss."""
        twice = Counter(self.charges())
        again = sum(twice.values()) - len(twice)
        self.promise(again <= times * self.options["concurrency"], "a loss costs `concurrency`")
        return again

    def figures(self, pages: int, *, losses: int) -> Figures:
        """Return the figures, and see that the ledger brackets the truth."""
        saved, charged = self.saved(), len(self.charges())
        self.promise(
            saved.credits_charged <= charged <= saved.credits_charged + saved.maybe_charged,
            "credits_charged <= charged <= credits_charged + maybe_charged",
        )
        return Figures(
            name=self.name,
            workers=self.cluster.size,
            shards=self.options["shards"],
            concurrency=self.options["concurrency"],
            pages=pages,
            charged=charged,
            bought_twice=self.bought_twice(losses),
            credits_charged=saved.credits_charged,
            maybe_charged=saved.maybe_charged,
            lost=self.lost,
            seconds=time.monotonic() - self._began,
            broken=self.broken,
        )
