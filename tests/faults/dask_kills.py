"""Jobs of every kind on a Dask cluster whose workers and driver are killed again and again.

    python -m tests.faults.dask_kills [--kills 50] [--pages 120] [--write docs/cluster.md]

The real command hands shards to two workers; at random moments a worker that is in the middle of a
shard, or the command itself, is sent SIGKILL; then the same command again. Exit code 1 if a
promise is broken.
"""

import argparse
import asyncio
import itertools
import os
import signal
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

from socialfetch_async.emulator import Emulator
from tests.commands import send
from tests.faults.cluster import Cluster, busy
from tests.faults.job_kills import KINDS, PAGE, Figures, Job, Watched, profiles_of, rows_of
from tests.faults.pages import write_into
from tests.faults.shards import stage

_CONCURRENCY: Final = 5
_OF_A_JOB: Final = 5  # kills, until it is left to end


class _Killer:
    """Kills at random moments of a job.

    Attributes:
        done: Processes that were killed.
    """

    def __init__(self, api: Emulator, cluster: Cluster, folder: Path, random: Random) -> None:
        self._api, self._cluster, self._folder = api, cluster, folder
        self._random = random
        self.done = 0

    async def disturb(self, process: Process, left: Callable[[], int], most: int) -> None:
        """Kill workers while the command runs, and perhaps the command."""
        for _ in range(most):
            until = len(self._api.charges) + self._random.randint(0, max(0, left()))
            while process.returncode is None and len(self._api.charges) < until:
                await asyncio.sleep(0.002)
            await asyncio.sleep(self._random.random() * 0.03)
            if process.returncode is not None:
                return
            if self._random.random() < 1 / 2:
                send(process, signal.SIGKILL)
                self.done += 1
                return
            workers = busy(self._folder, self._cluster)
            if workers:
                os.kill(self._random.choice(workers), signal.SIGKILL)
                self.done += 1


async def killed(
    kind: str, number: int, pages: int, api: Emulator, cluster: Cluster, *, kills: int, seed: int
) -> Figures:
    """Kill workers and drivers of one job, let it end, and compare.

    Args:
        kind: Of the job.
        number: Of the job: no other one on the same emulator may have it.
        pages: About so many.
        api: What the workers buy from.
        cluster: Where they are.
        kills: The most.
        seed: Of the moments.
    """
    random, job_kind = Random(seed), KINDS[kind]
    profiles = {f"{name}.{number}": size for name, size in profiles_of(pages, random).items()}
    with tempfile.TemporaryDirectory(prefix="socialfetch-kills-") as root:
        folder, calm = Path(root), Path(root, "undisturbed")

        async def collected(job: Job) -> int:
            if job_kind.collected:
                await job.collected()
            return len(job.api.charges)

        async with Emulator(profiles, page_size=PAGE) as other:
            undisturbed = Job(other, profiles, calm, _CONCURRENCY)
            first = await collected(undisturbed)
            await undisturbed.undisturbed(job_kind.commands[-1])
            needed = len(other.charges) - first
        for handle, size in profiles.items():
            api.profile(handle, size)
        begun = len(api.charges)
        job = Job(api, profiles, folder, _CONCURRENCY)
        await collected(job)
        watched = Watched(api, folder, begun)
        killer = _Killer(api, cluster, folder, random)

        def left() -> int:
            return needed - watched.charged

        for options in job_kind.commands:
            code = 1
            while code and not watched.refreshed:
                before = killer.done
                code = await _ended(
                    job,
                    [*options, f"--scheduler={cluster.address}"],
                    lambda process: killer.disturb(process, left, kills - killer.done),
                )
                watched.look(killed=killer.done - before)
        return watched.figures(kind, rows_of(calm), _CONCURRENCY)


async def _ended(
    job: Job, options: list[str], disturb: Callable[[Process], Awaitable[None]]
) -> int:
    async with job.started(*options) as process:
        disturbing = asyncio.ensure_future(disturb(process))
        _, said = await process.communicate()
        await disturbing
        # On a busy machine both workers may take more than a minute to begin again.
        without_workers = process.returncode == 1 and b"has had no worker for" in said
        assert process.returncode in {0, -9} or without_workers, said.decode()
    await asyncio.sleep(0.02)  # what was asked for is charged, with nobody to get it
    return process.returncode or 0


async def killed_often(kills: int, pages: int, seed: int) -> AsyncIterator[Figures]:
    """Kill so many processes of jobs of each kind; each job has other lists."""
    numbers = itertools.count(1)
    async with stage(2) as (api, cluster):
        for kind in KINDS:
            found: Figures | None = None
            while found is None or found.kills < kills:
                number = next(numbers)
                more = min(_OF_A_JOB, kills - (found.kills if found else 0))
                job = await killed(
                    kind, number, pages, api, cluster, kills=more, seed=seed + number
                )
                found = job if found is None else found.plus(job)
            yield found


async def printed(figures: AsyncIterator[Figures]) -> tuple[str, bool]:
    """Print figures as they come; return what was printed, and whether a promise is broken."""
    lines, broken = [], False
    async for one in figures:
        broken |= bool(one.broken)
        lines.append(
            f"{one.kind:<12}{one.kills:>3} kills in {one.jobs:>2} jobs, {one.charged:>5,} charged,"
            f"{one.bought_twice:>3} bought twice; "
            + (f"BROKEN: {', '.join(one.broken)}" if one.broken else "every promise kept")
        )
        sys.stdout.write(f"{lines[-1]}\n")
        sys.stdout.flush()
    return "\n".join(lines), broken


def main() -> int:
    """Kill, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="of each kind of job")
    parser.add_argument("--pages", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="page whose figures are replaced")
    given = parser.parse_args()
    said, broken = asyncio.run(printed(killed_often(given.kills, given.pages, given.seed)))
    if given.write is not None:
        command = f"python -m tests.faults.dask_kills --kills {given.kills}"
        write_into(given.write, "kills", command, said)
    return broken


if __name__ == "__main__":
    sys.exit(main())
