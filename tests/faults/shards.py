"""A batch on a Dask cluster, and everything that can end its parts.

    python -m tests.faults.shards [--full] [--seed 1]

Workers are processes of their own, the API is the emulator in this one. Exit code 1 if a promise
is broken.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from socialfetch_async import (
    ClusterError,
    ClusterResult,
    InsufficientCreditsError,
    SavedRun,
    export_on,
    read_journal,
)
from socialfetch_async.emulator import Emulator
from tests.faults.kills import PAGE, profiles_of, rows_of, undisturbed

Profiles = dict[str, int | str]


class Figures(NamedTuple):
    """What came of one scenario.

    Attributes:
        name: What was done to the batch.
        workers: Processes. `shards`: parts of the batch. `concurrency`: of each worker.
        pages: Of the whole batch, each once.
        charged: Credits that the emulator took. `bought_twice`: of them, for a page once more.
        cost: What the journals say is charged for sure. `uncertain`: what may be besides.
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
    cost: int
    uncertain: int
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
        from distributed import LocalCluster

        with LocalCluster(
            n_workers=size,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # None would still open its HTTP server, on all interfaces.
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
            env={"SOCIALFETCH_API_KEY": api.api_key, "SOCIALFETCH_BASE_URL": api.base_url},
        ) as cluster:
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
            processes += [start("worker", "--nthreads", "1") for _ in range(size)]
            address = json.loads(file.read_text())["address"]
            yield Cluster(address, list, size), processes[0].pid
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()


class Batch:
    """A batch, the API that it is bought from, and the folder it is saved in."""

    def __init__(self, name: str, api: Emulator, cluster: Cluster, folder: Path, **options: Any):
        self.name = name
        self.api = api
        self.cluster = cluster
        self.folder = folder
        self.options = {"shards": 200, "concurrency": 10} | options
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
        return read_journal(*self.folder.glob("shard-*.journal"))

    def busy(self) -> list[int]:
        """Return the workers that are in the middle of an attempt."""
        pids = set()
        for journal in self.folder.glob("shard-*.journal"):
            lines = journal.read_bytes().split(b"\n", 2)
            if len(lines) == 3 and b'"type":"close"' not in lines[2][-200:]:
                pids.add(json.loads(lines[1])["pid"])
        return sorted(pids.intersection(self.cluster.pids()))

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
            saved.cost <= charged <= saved.cost + saved.uncertain,
            "cost <= charged <= cost + uncertain",
        )
        return Figures(
            name=self.name,
            workers=self.cluster.size,
            shards=self.options["shards"],
            concurrency=self.options["concurrency"],
            pages=pages,
            charged=charged,
            bought_twice=self.bought_twice(losses),
            cost=saved.cost,
            uncertain=saved.uncertain,
            lost=self.lost,
            seconds=time.monotonic() - self._began,
            broken=self.broken,
        )


async def settled(api: Emulator) -> None:
    """Wait until the emulator has nobody to answer."""
    while not all(request.status for request in api.requests):
        await asyncio.sleep(0.005)


async def undisturbed_batch(batch: Batch, pages: int, random: Random) -> Figures:
    """Nobody disturbs it: the rows of one process, and nothing bought twice."""
    result = await batch.of(pages, random).export()
    batch.promise(result.finished and result.stop_reason == "end", "it ends")
    batch.promise(result.pages == result.cost == pages, "the counters are the ledger's")
    await batch.whole()
    requests = len(batch.api.requests)
    await batch.export()
    batch.promise(len(batch.api.requests) == requests, "a finished batch sends nothing")
    return batch.figures(pages, losses=0)


async def killed_workers(batch: Batch, pages: int, random: Random, *, kills: int) -> Figures:
    """A random worker is killed a number of times, at random moments."""
    batch.of(pages, random)
    allowed = pages + kills * batch.options["concurrency"]
    running = asyncio.create_task(batch.export(max_credits=allowed))
    done = 0
    for number in range(kills):
        left = max(1, (pages - len(batch.charges())) // (kills - number + 1))
        until = len(batch.charges()) + random.randint(1, 2 * left)
        while len(batch.charges()) < until and not running.done():
            await asyncio.sleep(0.001)
        await asyncio.sleep(random.random() * 0.01)
        while not running.done():
            if busy := batch.busy():
                os.kill(random.choice(busy), signal.SIGKILL)
                done += 1
                break
            await asyncio.sleep(0.001)
    result = await running
    await settled(batch.api)
    batch.promise(done == kills or len(batch.charges()) >= pages, "the workers are killed")
    batch.promise(result.finished, "it ends in spite of them")
    batch.promise(len(batch.charges()) <= allowed, "no more is spent than allowed")
    await batch.whole()
    return batch.figures(pages, losses=result.lost)


async def lost_scheduler(batch: Batch, pages: int, random: Random, folder: Path) -> Figures:
    """The scheduler is killed in the middle; another one, with other workers, goes on."""
    batch.of(pages, random)
    size = batch.cluster.size // 2
    with Cluster.apart(size, batch.api, folder) as (cluster, scheduler):
        running = asyncio.create_task(batch.export(cluster))
        while len(batch.charges()) < pages // 3:
            await asyncio.sleep(0.002)
        os.kill(scheduler, signal.SIGKILL)
        try:
            await running
        except ClusterError as error:
            batch.promise("scheduler was lost" in str(error), "it says what was lost")
        else:
            batch.promise(False, "it says that it was lost")
        batch.promise(len(batch.charges()) < pages, "it was lost in the middle")
        result = await batch.export()  # it waits for the workers of the first one
    await settled(batch.api)
    batch.promise(result.finished, "another cluster goes on")
    await batch.whole()
    return batch.figures(pages, losses=size)


async def used_budget(batch: Batch, pages: int, random: Random, *, credits_: int) -> Figures:
    """The work is larger than the budget: it is used, and not exceeded, also by a second call."""
    result = await batch.of(pages, random).export(max_credits=credits_)
    batch.promise(result.stop_reason == "max_credits", "it says that the credits are spent")
    await batch.export(max_credits=credits_)
    charged = len(batch.charges())
    batch.promise(charged <= credits_, "no more is spent than allowed")
    batch.promise(charged >= credits_ * 99 // 100, "99 of 100 credits are used")
    return batch.figures(pages, losses=0)


async def stopped(batch: Batch, pages: int, random: Random) -> Figures:
    """It is stopped in the middle: what is on its way comes, nothing else leaves; it goes on."""
    order = asyncio.Event()
    running = asyncio.create_task(batch.of(pages, random).export(stop=order.is_set))
    while len(batch.charges()) < pages // 3:
        await asyncio.sleep(0.002)
    latency, batch.api.latency = batch.api.latency, 1.0  # seconds: one page time
    await asyncio.sleep(latency)
    order.set()
    await asyncio.sleep(batch.api.latency)
    sent = len(batch.api.requests)
    result = await running
    batch.promise(len(batch.api.requests) == sent, "no request one page time after a stop")
    batch.promise(result.stop_reason == "stopped", "it says that it was stopped")
    batch.promise(batch.saved().cost == len(batch.charges()), "what is paid for is saved")
    batch.api.latency = latency
    await batch.export()
    await batch.whole()
    return batch.figures(pages, losses=0)


async def out_of_credits(batch: Batch, pages: int, random: Random) -> Figures:
    """The account is empty, which one worker sees first: all stop, and the call says it."""
    batch.of(pages, random)
    batch.api.credits = pages // 2
    refused = len(batch.api.requests)
    try:
        await batch.export()
    except InsufficientCreditsError as error:
        batch.promise(bool(error.checkout_url), "it says where credits are sold")
    else:
        batch.promise(False, "it says that there are no credits")
    refused = sum(request.status == 402 for request in batch.api.requests[refused:])
    most = batch.cluster.size * batch.options["concurrency"]
    batch.promise(1 <= refused <= most, "nobody asks again after a 402")
    batch.api.credits = None
    await batch.export()
    await batch.whole()
    return batch.figures(pages, losses=0)


@asynccontextmanager
async def stage(size: int) -> AsyncIterator[tuple[Emulator, Cluster]]:
    """Enclose the API and a cluster that buys from it."""
    async with Emulator({}, page_size=PAGE, latency=0.005) as api:
        local = Cluster.local(size, api)
        cluster = await asyncio.to_thread(local.__enter__)
        try:
            yield api, cluster
        finally:
            await asyncio.to_thread(local.__exit__, None, None, None)


# Each with its pages and options: as small as still shows something, and as large as is promised.
SMALL: dict[Callable[..., Awaitable[Figures]], tuple[int, dict[str, Any]]] = {
    undisturbed_batch: (400, {}),
    killed_workers: (500, {"kills": 2}),
    used_budget: (300, {"credits_": 100}),
    stopped: (400, {}),
    out_of_credits: (300, {}),
    lost_scheduler: (400, {}),
}
FULL: dict[Callable[..., Awaitable[Figures]], tuple[int, dict[str, Any]]] = {
    undisturbed_batch: (20_000, {}),
    killed_workers: (20_000, {"kills": 10}),
    used_budget: (5_000, {"credits_": 1_000}),
    stopped: (5_000, {}),
    out_of_credits: (5_000, {}),
    lost_scheduler: (5_000, {}),
}


async def show(
    scenario: Callable[..., Awaitable[Figures]],
    api: Emulator,
    cluster: Cluster,
    *,
    full: bool,
    seed: int,
) -> Figures:
    """Run one scenario."""
    pages, options = (FULL if full else SMALL)[scenario]
    with tempfile.TemporaryDirectory(prefix="socialfetch-shards-") as folder:
        batch = Batch(
            scenario.__name__, api, cluster, Path(folder, "batch"), shards=200 if full else 20
        )
        if scenario is lost_scheduler:
            options = {"folder": Path(folder)}
        return await scenario(batch, pages, Random(seed), **options)


async def all_of_it(*, full: bool, seed: int) -> bool:
    """Run and print every scenario; return whether a promise is broken."""
    broken = False
    async with stage(8 if full else 2) as (api, cluster):
        for number, scenario in enumerate(FULL):
            figures = await show(scenario, api, cluster, full=full, seed=seed + number)
            sys.stdout.write(f"{figures}\n")
            sys.stdout.flush()
            broken |= bool(figures.broken)
    return broken


def main() -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="20,000 pages on 8 workers")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    return asyncio.run(all_of_it(full=given.full, seed=given.seed))


if __name__ == "__main__":
    sys.exit(main())
