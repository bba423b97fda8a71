"""A batch on a Dask cluster, and everything that can end its parts.

    python -m tests.faults.shards [--full] [--seed 1]

Workers are processes of their own, the API is the emulator in this one. Exit code 1 if a promise
is broken.
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from socialfetch_async import ClusterError, InsufficientCreditsError
from socialfetch_async.cluster import ClusterResult
from socialfetch_async.emulator import Emulator
from tests.faults.cluster import Batch, Cluster, Figures, busy
from tests.faults.kills import PAGE


async def settled(api: Emulator) -> None:
    """Wait until the emulator has nobody to answer."""
    while not all(request.status for request in api.requests):
        await asyncio.sleep(0.005)


async def undisturbed_batch(batch: Batch, pages: int, random: Random) -> Figures:
    """Nobody disturbs it: the rows of one process, and nothing bought twice."""
    result = await batch.of(pages, random).export()
    batch.promise(result.finished and result.stop_reason == "complete", "it ends")
    batch.promise(result.pages == result.credits_charged == pages, "the counters are the ledger's")
    await batch.whole()
    requests = len(batch.api.requests)
    await batch.export()
    batch.promise(len(batch.api.requests) == requests, "a finished batch sends nothing")
    return batch.figures(pages, losses=0)


async def kill(
    batch: Batch, running: "asyncio.Task[ClusterResult]", pages: int, random: Random, kills: int
) -> None:
    """Kill a worker that is in the middle of a shard, at random moments of so many pages."""
    done = 0
    for number in range(kills):
        left = max(1, (pages - len(batch.charges())) // (kills - number + 1))
        until = len(batch.charges()) + random.randint(1, 2 * left)
        while len(batch.charges()) < until and not running.done():
            await asyncio.sleep(0.001)
        await asyncio.sleep(random.random() * 0.01)
        while not running.done():
            if workers := busy(batch.folder, batch.cluster):
                os.kill(random.choice(workers), signal.SIGKILL)
                done += 1
                break
            await asyncio.sleep(0.001)
    batch.promise(done == kills or len(batch.charges()) >= pages, "the workers are killed")


async def killed_workers(batch: Batch, pages: int, random: Random, *, kills: int) -> Figures:
    """A random worker is killed a number of times, at random moments."""
    batch.of(pages, random)
    allowed = pages + kills * batch.options["concurrency"]
    running = asyncio.create_task(batch.export(max_credits=allowed))
    await kill(batch, running, pages, random, kills)
    result = await running
    await settled(batch.api)
    batch.promise(result.finished, "it ends in spite of them")
    batch.promise(len(batch.charges()) <= allowed, "no more is spent than allowed")
    await batch.whole()
    return batch.figures(pages, losses=result.lost)


async def killed_in_a_budget(
    batch: Batch, pages: int, random: Random, *, kills: int, credits_: int
) -> Figures:
    """Workers are killed while the budget is less than the work: the leases of the dead return."""
    batch.of(pages, random)
    running = asyncio.create_task(batch.export(max_credits=credits_))
    await kill(batch, running, credits_, random, kills)
    result = await running
    await settled(batch.api)
    batch.promise(result.stop_reason == "max_credits", "it says that the credits are spent")
    batch.promise(len(batch.charges()) <= credits_, "no more is spent than allowed")
    used = result.credits_charged + result.maybe_charged
    batch.promise(credits_ * 99 // 100 <= used <= credits_, "99 of 100 credits are accounted for")
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
    latency, batch.api.latency = batch.api.latency, 2.0  # seconds: one page time
    await asyncio.sleep(latency)
    order.set()
    await asyncio.sleep(batch.api.latency)
    sent = len(batch.api.requests)
    result = await running
    batch.promise(len(batch.api.requests) == sent, "no request one page time after a stop")
    batch.promise(result.stop_reason == "stopped", "it says that it was stopped")
    batch.promise(
        batch.saved().credits_charged == len(batch.charges()), "what is paid for is saved"
    )
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


# Each with its pages and options: as small as still shows something (`dask_kills` kills workers
# there, too), and as large as is promised.
SMALL: dict[Callable[..., Awaitable[Figures]], tuple[int, dict[str, Any]]] = {
    undisturbed_batch: (100, {}),
    killed_in_a_budget: (400, {"kills": 1, "credits_": 200}),
    used_budget: (200, {"credits_": 100}),
    stopped: (200, {}),
    out_of_credits: (100, {}),
    lost_scheduler: (200, {}),
}
FULL: dict[Callable[..., Awaitable[Figures]], tuple[int, dict[str, Any]]] = {
    undisturbed_batch: (20_000, {}),
    killed_workers: (20_000, {"kills": 10}),
    killed_in_a_budget: (5_000, {"kills": 5, "credits_": 2_000}),
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
        for number, scenario in enumerate(FULL if full else SMALL):
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
