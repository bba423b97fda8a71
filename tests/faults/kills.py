"""A batch that is killed again and again, and what that costs.

    python -m tests.faults.kills [--kills 50] [--pages 5000] [--concurrency 10] [--seed 1]

The batch runs in a process of its own, against an emulator in this one, and is sent SIGKILL at
random moments; each time the same command again. Exit code 1 if a promise is broken.
"""

import argparse
import asyncio
import json
import signal
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from socialfetch_async import Journal, SocialFetchClient, read_journal
from socialfetch_async.emulator import Emulator
from socialfetch_async.emulator.account import Charge
from socialfetch_async.journal import SavedRun
from tests.commands import send

PAGE = 20  # followers on a page
Rows = list[tuple[str, str | None, bytes]]
Pages = set[tuple[str, str | None]]


class Figures(NamedTuple):
    """What came of a batch that was killed.

    Attributes:
        kills: Processes that were killed.
        pages: Pages of the whole batch.
        charged: Credits that the emulator took. `bought_twice`: of them, for a page once more.
        credits_charged: What the journal says is charged for sure; `maybe_charged`: besides.
        most_at_once: The most pages that a process had bought, and not saved, when it was killed.
        bracketed: Whether credits_charged <= charged <= credits_charged + maybe_charged after
            each kill and at the end.
        equal: Whether every row was saved as in a run that was not disturbed.
        left_over: Requests of the same command again after the end.
        seconds: How long it all took.
    """

    kills: int
    pages: int
    concurrency: int
    charged: int
    bought_twice: int
    most_at_once: int
    credits_charged: int
    maybe_charged: int
    bracketed: bool
    equal: bool
    left_over: int
    seconds: float

    @property
    def broken(self) -> list[str]:
        """Return the promises that were not kept."""
        promises = {
            "every row is saved once": self.equal,
            "a kill costs at most `concurrency` pages": self.most_at_once <= self.concurrency
            and self.bought_twice <= self.kills * self.concurrency,
            "credits_charged <= charged <= credits_charged + maybe_charged": self.bracketed,
            "a finished batch sends nothing": self.left_over == 0,
        }
        return [promise for promise, kept in promises.items() if not kept]


def rows_of(saved: SavedRun) -> Rows:
    """Return everything that was saved, byte for byte."""
    return [(page.handle, page.cursor, bytes(page.raw_followers)) for page in saved.pages()]


def profiles_of(pages: int, random: Random) -> dict[str, int | str]:
    """Return profiles, large and small and unavailable, that have this many pages together."""
    profiles: dict[str, int | str] = {"p": "private", "h": "hidden", "huge": pages // 4 * PAGE}
    left = pages - 2 - pages // 4
    while left:
        size = min(left, random.choice([1, 1, 2, 3, 5, 20]))
        profiles[f"u{len(profiles)}"] = size * PAGE - random.randrange(PAGE)
        left -= size
    return profiles


async def undisturbed(profiles: dict[str, int | str], path: Path) -> Rows:
    """Return what a run saves that nobody disturbs."""
    async with (
        Emulator(profiles, page_size=PAGE) as api,
        SocialFetchClient(api.api_key, base_url=api.base_url) as client,
    ):
        with Journal(path, fsync="never") as journal:
            async with client.iter_followers_many(journal.pending(profiles.keys())) as run:
                async for _ in journal.record(run):
                    pass
    return rows_of(read_journal(path))


async def command(
    api: Emulator, path: Path, handles: list[str], concurrency: int, file_limit: int = 0
) -> Process:
    """Start the batch."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.batch", api.base_url, api.api_key),
        *(str(path), str(concurrency), str(file_limit)),
        cwd=Path(__file__).parents[2],
        stdin=PIPE,
        stdout=PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(handles).encode())
    process.stdin.close()
    return process


async def said(process: Process) -> str | None:
    """Wait for the end of the batch; return what went wrong with its journal."""
    assert process.stdout is not None
    out = await process.stdout.read()
    assert await process.wait() == 0
    error: str | None = json.loads(out)["error"]
    return error


async def kill(process: Process, api: Emulator, more: int, random: Random) -> None:
    """Kill the batch a moment after it has paid for some more pages, wherever it is then."""
    until = len(api.charges) + more
    while len(api.charges) < until and process.returncode is None:
        await asyncio.sleep(0.001)
    await asyncio.sleep(random.random() * 0.003)
    if process.returncode is None:
        send(process, signal.SIGKILL)
    await process.wait()
    await asyncio.sleep(0.02)  # what it had asked for is charged, with nobody to get it


def bracketed(path: Path, api: Emulator) -> bool:
    """Whether what the journal says of its costs is true."""
    if not path.exists():
        return not api.charges
    saved = read_journal(path)
    return saved.credits_charged <= len(api.charges) <= saved.credits_charged + saved.maybe_charged


async def killed(kills: int, pages: int, *, concurrency: int = 10, seed: int = 1) -> Figures:
    """Kill a batch a number of times, let it end, and compare."""
    random = Random(seed)
    profiles = profiles_of(pages, random)
    handles = list(profiles)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="socialfetch-kills-") as folder:
        path = Path(folder, "killed.journal")
        expected = await undisturbed(profiles, Path(folder, "undisturbed.journal"))
        holds, done, most = True, 0, 0
        async with Emulator(profiles, page_size=PAGE, latency=0.002) as api:
            for number in range(kills):
                before = len(api.charges)
                process = await command(api, path, handles, concurrency)
                # Spread over the batch; some so early that the journal is only being opened.
                left = max(0, pages - len(api.charges)) // (kills - number + 1)
                await kill(process, api, random.randint(0, 2 * left), random)
                done += process.returncode == -9
                most = max(most, len(different(api.charges[before:]) - saved_in(path)))
                holds = holds and bracketed(path, api)
            assert await said(await command(api, path, handles, concurrency)) is None
            saved = read_journal(path)
            holds = holds and bracketed(path, api)
            requests = len(api.requests)
            assert await said(await command(api, path, handles, concurrency)) is None
            return Figures(
                kills=done,
                pages=pages,
                concurrency=concurrency,
                charged=len(api.charges),
                bought_twice=len(api.charges) - len(different(api.charges)),
                most_at_once=most,
                credits_charged=saved.credits_charged,
                maybe_charged=saved.maybe_charged,
                bracketed=holds,
                equal=rows_of(saved) == expected,
                left_over=len(api.requests) - requests,
                seconds=time.monotonic() - began,
            )


def different(charges: Sequence[Charge]) -> Pages:
    """Return the different pages that were charged."""
    return {(charge.handle, charge.cursor) for charge in charges}


def saved_in(path: Path) -> Pages:
    """Return the pages in a journal, if there is one yet."""
    if not path.exists():
        return set()
    return {(page.handle, page.cursor) for page in read_journal(path).pages()}


def main() -> int:
    """Kill, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pages", type=int, default=5_000)
    parser.add_argument("--concurrency", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    figures = asyncio.run(
        killed(given.kills, given.pages, concurrency=given.concurrency, seed=given.seed)
    )
    for name, value in figures._asdict().items():
        sys.stdout.write(f"{name:<14}{f'{value:.1f}' if name == 'seconds' else value}\n")
    for promise in figures.broken:
        sys.stdout.write(f"BROKEN: {promise}\n")
    return bool(figures.broken)


if __name__ == "__main__":
    sys.exit(main())
