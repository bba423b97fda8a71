"""A year of refreshes in a minute: lists that move, calls that are killed, and a ledger of it all.

    python -m tests.faults.year [LISTS [WEEKS]]

runs it by hand and prints what it saw.
"""

import asyncio
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

from socialfetch_async import RetryPolicy, SocialFetchClient, export_followers, read_journal
from socialfetch_async.emulator import Emulator
from socialfetch_async.errors import JournalError
from socialfetch_async.export import diff
from socialfetch_async.journal import Refresh

_ON_A_PAGE: Final = 20
CONCURRENCY: Final = 8


class Year(NamedTuple):
    """What a year of refreshes came to.

    Attributes:
        weeks: How many refreshes were finished. `kills`: calls that were left in the middle.
        missing: Followers that an export lacks, who followed when its refresh began.
        wrong: Changes that `diff` says after a refresh of all lists and that did not happen, or
            the other way round. `changes`: what did happen.
        twice: Pages of one refresh that were bought again.
        credits: Charged by all refreshes. `bound`: lists + new / 20 + lists with new.
    """

    weeks: int
    kills: int
    missing: int
    wrong: int
    changes: int
    twice: int
    credits: int
    bound: float

    def holds(self) -> bool:
        """Whether nothing is missing or wrong, and it costs what changed."""
        within = self.credits <= 1.1 * self.bound + self.kills * CONCURRENCY
        return not self.missing + self.wrong and self.twice <= self.kills * CONCURRENCY and within


async def year(
    folder: Path,
    *,
    lists: int = 8,
    weeks: int = 52,
    followers: int = 120,
    seed: int = 1,
    all_every: int = 12,
) -> Year:
    """Collect some lists, let them move each week, and refresh them, sometimes killed."""
    draw = random.Random(seed)
    handles = [f"list.{number}" for number in range(lists)]
    sizes = {handle: draw.randrange(followers) for handle in handles}
    kills = missing = wrong = changes = twice = bought = 0
    bound = 0.0
    async with Emulator(dict(sizes)) as api:
        async with SocialFetchClient(
            api.api_key, base_url=api.base_url, retry=RetryPolicy(base=0.001)
        ) as client:
            await export_followers(client, handles, folder)
            read = _read_whole(api, handles, folder, {})
            for week in range(1, weeks + 1):
                refresh: Refresh = "new" if week % all_every else "all"
                new = _moved(api, handles, draw)
                before = len(api.charges)
                if draw.random() < 0.2:
                    kills += 1
                    await _killed(client, handles, folder, refresh, draw.random() * 0.05)
                await export_followers(
                    client, handles, folder, refresh=refresh, concurrency=CONCURRENCY, fsync="never"
                )
                charges = [(c.handle, c.cursor) for c in api.charges[before:]]
                twice += len(charges) - len(set(charges))
                missing += _missing(api, handles, folder)
                before_this = read
                read = _read_whole(api, handles, folder, read)
                if refresh == "new":
                    bought += len(charges)
                    bound += lists + sum(new.values()) / _ON_A_PAGE + len(new)
                    continue
                truth = _changes(before_this, read)
                said = {(c.change, c.source, c.follower.handle) for c in diff(folder)}
                wrong, changes = wrong + len(truth ^ said), changes + len(truth)
    return Year(weeks, kills, missing, wrong, changes, twice, bought, bound)


def _read_whole(
    api: Emulator, handles: list[str], folder: Path, before: dict[str, set[str]]
) -> dict[str, set[str]]:
    """Return who was in each list when it was last read as a whole.

    A refresh of what is new reads a list to its end if it meets nobody that it knows before.
    """
    saved = read_journal(folder)
    now = {
        handle: {row["handle"] for row in api.followers(handle)}
        for handle in handles
        if not saved.readings(handle)[-1].joined
    }
    return before | now


def _changes(before: dict[str, set[str]], now: dict[str, set[str]]) -> set[tuple[str, str, str]]:
    """Return who came to which list, and who left it."""
    return {
        (change, handle, name)
        for handle in now
        for change, names in (
            ("gained", now[handle] - before[handle]),
            ("lost", before[handle] - now[handle]),
        )
        for name in names
    }


def _moved(api: Emulator, handles: list[str], draw: random.Random) -> Counter[str]:
    """Let some lists gain and lose followers; return how many are new."""
    new: Counter[str] = Counter()
    for handle in handles:
        if draw.random() < 0.3:
            new[handle] = draw.randrange(1, 70)
            api.gain(handle, new[handle])
        if draw.random() < 0.2 and (there := len(api.followers(handle))):
            api.lose(handle, draw.randrange(min(there, 5)))
    return new


async def _killed(
    client: SocialFetchClient, handles: list[str], folder: Path, refresh: Refresh, after: float
) -> None:
    """Begin a refresh and leave it at once, as a kill does: what was in flight is lost."""
    task = asyncio.create_task(
        export_followers(
            client, handles, folder, refresh=refresh, concurrency=CONCURRENCY, fsync="never"
        )
    )
    await asyncio.sleep(after)
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.gather(task, return_exceptions=True)


def _missing(api: Emulator, handles: list[str], folder: Path) -> int:
    """Return how many followers a journal lacks, and fail if one is there twice."""
    saved = read_journal(folder / "followers.journal")
    missing = 0
    for handle in handles:
        names = [name for page in saved.pages(handle) for name in page.names()]
        if len(names) != len(set(names)):
            raise JournalError(f"a follower of {handle} is there twice")
        missing += len({row["handle"] for row in api.followers(handle)} - set(names))
    return missing


def main() -> None:
    """Print what a year came to."""
    given = dict(zip(("lists", "weeks"), map(int, sys.argv[1:]), strict=False))
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(year(Path(folder), **given))
    sys.stdout.write(f"{figures}\n")
    sys.exit(not figures.holds())


if __name__ == "__main__":
    main()
