"""Jobs of every kind that are killed again and again, and what that costs.

    python -m tests.faults.job_kills [--kills 20] [--pages 600] [--concurrency 5] [--seed 1]

The real command runs against an emulator in this process, and is sent SIGKILL at random moments;
each time the same command again. Exit code 1 if a promise is broken.
"""

import argparse
import asyncio
import csv
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
from tests.commands import environment, started

PAGE: Final = 20  # followers on a page
OUTPUT: Final = "followers.csv"
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
        kills: Processes that were killed.
        charged: Credits that the emulator took. `bought_twice`: of them, for a page once more.
        never_shorter: Whether no export had fewer rows than before.
        equal: Whether the export has the rows of a job that was not disturbed.
        bracketed: Whether credits_charged <= charged <= credits_charged + maybe_charged at the end.
    """

    kind: str
    kills: int
    concurrency: int
    charged: int
    bought_twice: int
    never_shorter: bool
    equal: bool
    bracketed: bool

    @property
    def broken(self) -> list[str]:
        """Return the promises that were not kept."""
        promises = {
            "the rows are those of an undisturbed job": self.equal,
            "a kill costs at most `concurrency` pages": self.bought_twice
            <= self.kills * self.concurrency,
            "no export is shorter than it was": self.never_shorter,
            "credits_charged <= charged <= credits_charged + maybe_charged": self.bracketed,
        }
        return [promise for promise, kept in promises.items() if not kept]


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

    def figures(
        self, kind: str, kills: int, lengths: list[int], calm: Rows, *, first: int, begun: int = 0
    ) -> Figures:
        """Return what came of it.

        Args:
            kind: Of the job.
            kills: Processes that were killed.
            lengths: Rows of the export after each command.
            calm: The rows of a job that was not disturbed.
            first: The first of the charges that count for it. `begun`: the first of all its own.
        """
        saved = read_journal(self._folder / "followers.journal")
        charges = Counter((one.handle, one.cursor) for one in self.api.charges[first:])
        most = saved.credits_charged + saved.maybe_charged
        return Figures(
            kind=kind,
            kills=kills,
            concurrency=self._concurrency,
            charged=charges.total(),
            bought_twice=charges.total() - len(charges),
            never_shorter=lengths == sorted(lengths),
            equal=rows_of(self._folder) == calm,
            bracketed=saved.credits_charged <= len(self.api.charges) - begun <= most,
        )

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
                    process.kill()
            _, said = await process.communicate()
            assert process.returncode in {0, -9}, said.decode()
        await asyncio.sleep(0.02)  # what it had asked for is charged, with nobody to get it
        return process.returncode


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
            first, done, lengths = len(api.charges), 0, [len(rows_of(folder))]
            for options in job_kind.commands:
                for _ in range(kills):
                    left = max(0, needed - (len(api.charges) - first))
                    # Some of them while it only reads, or already writes its files.
                    after = random.randint(0, left)
                    ended = await job.command(options, after, random.random() * 0.03)
                    lengths.append(len(rows_of(folder)))
                    done += ended == -9
                    if ended == 0:  # the same command again would be the next refresh
                        break
                else:
                    assert await job.command(options, None, 0) == 0
            lengths.append(len(rows_of(folder)))
            return job.figures(kind, done, lengths, rows_of(calm), first=first)


def main() -> int:
    """Kill, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--pages", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    broken = False
    for kind in KINDS:
        figures = asyncio.run(
            killed(kind, given.kills, given.pages, concurrency=given.concurrency, seed=given.seed)
        )
        sys.stdout.write(f"{figures}\n")
        for promise in figures.broken:
            broken = True
            sys.stdout.write(f"BROKEN: {promise}\n")
    return broken


if __name__ == "__main__":
    sys.exit(main())
