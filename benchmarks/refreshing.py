"""Row 17: refreshing many finished lists, of which a few have new followers.

The client has a process of its own, `python -m benchmarks.refreshing BASE_URL FOLDER WORK`, in
which every opening of a file is counted by an audit hook.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import emulated
from benchmarks.measure import Row, Spread
from socialfetch_async import SocialFetchClient, export_followers

LISTS = 1_000
_ONE_IN = 10  # of the lists has new followers
_FOLLOWERS = 30  # of each list: two pages
_ON_A_PAGE = 20
_FIRST, _REFRESH = "first", "refresh"
_GAINED = (3, 8, 25)  # in turns: one that fits beside known ones, and one that fills a page


class Taken(NamedTuple):
    """What a call took."""

    cpu: float
    to_write: int
    """How often the journal was opened to write."""
    to_read: int


async def _export(base_url: str, folder: Path, *, refresh: bool) -> None:
    handles = (folder / "handles.txt").read_text().split()
    async with SocialFetchClient(emulated.KEY, base_url=base_url) as client:
        result = await export_followers(
            client,
            handles,
            folder / "followers.jsonl",
            refresh="new" if refresh else None,
        )
    if not result.finished or result.statuses != {"complete": len(handles)}:
        raise RuntimeError(f"not all lists are complete: {result.statuses}")


def _taken(base_url: str, folder: Path, work: str) -> Taken:
    opened: Counter[bool] = Counter()

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(".journal"):
            opened[bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))] += 1

    sys.addaudithook(count)
    began = time.process_time()
    asyncio.run(_export(base_url, folder, refresh=work == _REFRESH))
    return Taken(time.process_time() - began, opened[True], opened[False])


def _child(base_url: str, folder: str, work: str) -> Taken:
    command = [sys.executable, "-m", "benchmarks.refreshing", base_url, folder, work]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    return Taken(*json.loads(done.stdout))


def measured(core: int | None) -> list[Row]:
    """Collect the lists, let some grow, refresh them.

    Args:
        core: The core of the emulator.
    """
    handles = [f"profile.{number}" for number in range(LISTS)]
    changed = handles[::_ONE_IN]
    gained = {handle: _GAINED[at % len(_GAINED)] for at, handle in enumerate(changed)}
    with (
        tempfile.TemporaryDirectory() as folder,
        emulated.running(dict.fromkeys(handles, _FOLLOWERS), core) as api,
    ):
        Path(folder, "handles.txt").write_text("\n".join(handles))
        _child(api.base_url, folder, _FIRST)
        before = api.gain(gained)
        taken = _child(api.base_url, folder, _REFRESH)
        charged = api.gain({}) - before
    new = sum(gained.values())
    return [
        Row(
            17,
            f"refresh of {LISTS:,} lists, {len(changed)} of them changed: credits",
            Spread.of([charged]),
            LISTS + new // _ON_A_PAGE + len(changed),
            note=f"{new:,} new followers; CPU {1e6 * taken.cpu / charged:.0f} us a page, "
            f"{taken.cpu:.1f} s in all",
        ),
        Row(
            17,
            "the same: how often the journal was opened to write",
            Spread.of([taken.to_write]),
            1,
            note=f"to read, for the export: {taken.to_read}",
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(_taken(sys.argv[1], Path(sys.argv[2]), sys.argv[3])))
