"""Jobs of every kind that are killed again and again, and what that costs.

    python -m tests.faults.job_kills [--full] [--kind NAME] [--seed 1]

The real command runs against an emulator in this process, and is sent SIGKILL at random moments;
each time the same command again. Exit code 1 if a promise is broken. With --full each kind of job
is killed 50 times, in as many jobs as that takes.
"""

import argparse
import asyncio
import csv
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from socialfetch_async import SocialFetchClient, export_followers, read_journal
from socialfetch_async.emulator import Emulator
from tests.commands import environment, send, started

PAGE: Final = 20  # followers on a page
OUTPUT: Final = "followers.csv"
FULL: Final = 50  # kills of each kind
SHORT: Final = 5
_OF_A_JOB: Final = 4  # kills, until it is left to end
_OF_A_RUN: Final = {"fetched_at", "first_seen_at", "last_seen_at"}

Rows = list[tuple[str, ...]]


class Kind(NamedTuple):
    """A kind of job.

    Attributes:
        commands: The options of its commands, which follow each other.
        collected: Whether the lists are there, and have moved since.
    """

    commands: tuple[tuple[str, ...], ...]
    collected: bool = False


KINDS: Final = {
    "first": Kind(((),)),
    "capped": Kind((("--max-followers-per-handle=50",),)),
    "estimate": Kind((("--estimate",), ())),
    "refresh new": Kind((("--refresh=new",),), collected=True),
    "refresh all": Kind((("--refresh=all",),), collected=True),
}


class Figures(NamedTuple):
    """What came of a job that was killed.

    Attributes:
        jobs: How many jobs of its kind.
        kills: Processes that were killed.
        charged: Credits that the emulator took. `bought_twice`: of them, for a page once more.
        worst: The most pages that were bought again because of one kill.
        never_shorter: Whether no list in the export ever had fewer rows than before.
        equal: Whether the export has the rows of a job that was not disturbed.
        bracketed: Whether credits_charged <= charged <= credits_charged + maybe_charged at the end.
    """

    kind: str
    jobs: int
    kills: int
    concurrency: int
    charged: int
    bought_twice: int
    worst: int
    never_shorter: bool
    equal: bool
    bracketed: bool

    @property
    def broken(self) -> list[str]:
        """Return the promises that were not kept."""
        promises = {
            "the rows are those of an undisturbed job": self.equal,
            "a kill costs at most `concurrency` pages": self.worst <= self.concurrency
            and self.bought_twice <= self.kills * self.concurrency,
            "no export is shorter than it was": self.never_shorter,
            "credits_charged <= charged <= credits_charged + maybe_charged": self.bracketed,
        }
        return [promise for promise, kept in promises.items() if not kept]

    def plus(self, other: "Figures") -> "Figures":
        """Return what came of these jobs and of another."""
        return self._replace(
            jobs=self.jobs + other.jobs,
            kills=self.kills + other.kills,
            charged=self.charged + other.charged,
            bought_twice=self.bought_twice + other.bought_twice,
            worst=max(self.worst, other.worst),
            never_shorter=self.never_shorter and other.never_shorter,
            equal=self.equal and other.equal,
            bracketed=self.bracketed and other.bracketed,
        )


def profiles_of(pages: int, random: Random) -> dict[str, int | str]:
    """Return profiles that have about this many pages together."""
    profiles: dict[str, int | str] = {"p": "private"}
    while pages > 0:
        size = random.choice([1, 2, 4, 7])
        profiles[f"u{len(profiles)}"] = size * PAGE - random.randrange(PAGE)
        pages -= size
    return profiles


def rows_of(folder: Path) -> Rows:
    """Return the rows of an export, without the times; none where there is no file yet."""
    path = folder / OUTPUT
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            tuple(text for name, text in row.items() if name not in _OF_A_RUN)
            for row in csv.DictReader(file)
        ]


class Job:
    """A job in a folder, and the emulator that it buys from."""

    def __init__(
        self, api: Emulator, handles: Iterable[str], folder: Path, concurrency: int
    ) -> None:
        self.api = api
        self._names = list(handles)
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._handles = folder / "handles.txt"
        self._handles.write_text("\n".join(self._names))
        self._concurrency = concurrency

    async def collected(self) -> None:
        """Have the lists, which move then."""
        await self.undisturbed(())
        lists = [name for name in self._names if not name.startswith("p")]
        for number, handle in enumerate(lists):
            self.api.gain(handle, number % 3 * 15)

    async def undisturbed(self, options: tuple[str, ...]) -> None:
        """Do it in this process."""
        given: dict[str, Any] = {}
        for option in options:
            name, _, value = option.removeprefix("--").partition("=")
            given[name.replace("-", "_")] = int(value) if value.isdigit() else value
        async with SocialFetchClient(self.api.api_key, base_url=self.api.base_url) as client:
            await export_followers(client, self._names, self._folder / OUTPUT, **given)

    def started(self, *options: str) -> AbstractAsyncContextManager[Process]:
        """Start the command."""
        return started(
            *("export", str(self._handles), "-o", str(self._folder / OUTPUT)),
            *(f"--concurrency={self._concurrency}", "--fsync=never", *options),
            env=environment(self.api, SOCIALFETCH_API_KEY=self.api.api_key),
            stdout=DEVNULL,
            stderr=PIPE,
        )

    async def command(self, options: tuple[str, ...], kill_after: int | None, wait: float) -> int:
        """Run the command; kill it when it has bought some more pages, and after a moment."""
        api, before = self.api, len(self.api.charges)
        async with self.started(*options) as process:
            if kill_after is not None:
                while process.returncode is None and len(api.charges) - before < kill_after:
                    await asyncio.sleep(0.001)
                await asyncio.sleep(wait)
                if process.returncode is None:
                    send(process, signal.SIGKILL)
            _, said = await process.communicate()
            assert process.returncode in {0, -9}, said.decode()
        await asyncio.sleep(0.02)  # what it had asked for is charged, with nobody to get it
        return process.returncode


class Watched:
    """What the export and the ledger say after each command of a job.

    Args:
        api: What it buys from.
        folder: Where its files are.
        begun: How much the API had charged before its lists were there.
    """

    def __init__(self, api: Emulator, folder: Path, begun: int = 0) -> None:
        self._api = api
        self._folder = folder
        self._begun = begun
        self._first = self._seen = len(api.charges)
        self._lengths = self._counted()
        self._bought: set[tuple[str, str | None]] = set()
        self.kills = self.twice = self.worst = 0
        self.never_shorter = True

    @property
    def charged(self) -> int:
        """Credits of the job so far."""
        return len(self._api.charges) - self._first

    @property
    def refreshed(self) -> bool:
        """Whether a refresh is finished, so that the same command again would be the next one."""
        path = self._folder / "followers.journal"
        works = read_journal(path).index.works.values() if path.exists() else ()
        return any(work.finished for work in works if work.kind != "first")

    def figures(self, kind: str, calm: Rows, concurrency: int) -> Figures:
        """Return what came of the job, beside the rows of one that was not disturbed."""
        saved = read_journal(self._folder / "followers.journal")
        most = saved.credits_charged + saved.maybe_charged
        charged = len(self._api.charges) - self._begun
        return Figures(
            kind=kind,
            jobs=1,
            kills=self.kills,
            concurrency=concurrency,
            charged=self.charged,
            bought_twice=self.twice,
            worst=self.worst,
            never_shorter=self.never_shorter,
            equal=rows_of(self._folder) == calm,
            bracketed=saved.credits_charged <= charged <= most,
        )

    def look(self, *, killed: int) -> None:
        """Compare with how it was before the command, in which so many processes were killed."""
        self.kills += killed
        lengths = self._counted()
        self.never_shorter &= all(lengths[name] >= rows for name, rows in self._lengths.items())
        self._lengths = lengths
        charges = [(charge.handle, charge.cursor) for charge in self._api.charges[self._seen :]]
        self._seen += len(charges)
        again = len(charges) - len(set(charges) - self._bought)
        self._bought.update(charges)
        self.twice += again
        self.worst = max(self.worst, -(-again // max(1, killed)))

    def _counted(self) -> Counter[str]:
        return Counter(row[0] for row in rows_of(self._folder))


async def killed(
    kind: str, kills: int, pages: int, *, concurrency: int = 5, seed: int = 1
) -> Figures:
    """Kill a job a number of times, let it end, and compare."""
    random, job_kind = Random(seed), KINDS[kind]
    profiles = profiles_of(pages, random)
    with tempfile.TemporaryDirectory(prefix="socialfetch-kills-") as root:
        folder, calm = Path(root), Path(root, "undisturbed")
        async with Emulator(profiles, page_size=PAGE) as api:
            job = Job(api, profiles, calm, concurrency)
            if job_kind.collected:
                await job.collected()
            first = len(api.charges)
            await job.undisturbed(job_kind.commands[-1])
            needed = len(api.charges) - first
        async with Emulator(profiles, page_size=PAGE, latency=0.002) as api:
            job = Job(api, profiles, folder, concurrency)
            if job_kind.collected:
                await job.collected()
            watched = Watched(api, folder)
            for options in job_kind.commands:
                for _ in range(kills):
                    # Some of them while it only reads, or already writes its files.
                    after = random.randint(0, max(0, needed - watched.charged))
                    wait = random.random() * (0.03 if after else 0.6)
                    ended = await job.command(options, after, wait)
                    watched.look(killed=ended == -9)
                    if ended == 0 or watched.refreshed:  # killed, it may have been at its end
                        break
                else:
                    assert await job.command(options, None, 0) == 0
                    watched.look(killed=False)
            return watched.figures(kind, rows_of(calm), concurrency)


async def killed_often(kind: str, kills: int, *, seed: int = 1) -> Figures:
    """Kill jobs of a kind until there are enough kills; each job has other lists."""
    figures = await killed(kind, _OF_A_JOB, 60, seed=seed)
    while figures.kills < kills:
        seed += 1
        figures = figures.plus(await killed(kind, _OF_A_JOB, 60, seed=seed))
    return figures


def main() -> int:
    """Kill, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help=f"{FULL} kills of each kind")
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    broken = False
    for kind in given.kind or KINDS:
        kills = FULL if given.full else SHORT
        figures = asyncio.run(killed_often(kind, kills, seed=given.seed))
        sys.stdout.write(f"{figures}\n")
        for promise in figures.broken:
            broken = True
            sys.stdout.write(f"BROKEN: {promise}\n")
        sys.stdout.flush()
    return broken


if __name__ == "__main__":
    sys.exit(main())
