"""Row 11: what the journal costs a fetch, in pages a second."""

import gc
import tempfile
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Row, Spread, freeze
from socialfetch_async import FollowersPage, Journal, SocialFetchClient

_CONCURRENCY = 100
_SIZE = 20


async def _without(client: SocialFetchClient, handles: list[str]) -> int:
    seen = 0
    async with client.iter_followers_many(handles, concurrency=_CONCURRENCY) as run:
        async for event in run:
            seen += isinstance(event, FollowersPage)
    return seen


async def _with(client: SocialFetchClient, handles: list[str], path: Path) -> int:
    seen = 0
    with Journal(path) as journal:
        left = journal.pending(handles)
        async with client.iter_followers_many(left, concurrency=_CONCURRENCY) as run:
            async for event in journal.record(run):
                seen += isinstance(event, FollowersPage)
    return seen


async def _ratios(
    client: SocialFetchClient, *, delay: int, pages: int, repeats: int
) -> list[float]:
    """Fetch the same lists with a journal and without, in turns; return pages/s over pages/s."""
    handles = [f"{_SIZE}.plain.{pages}.{delay}.{number}" for number in range(_CONCURRENCY)]
    await _without(client, handles)
    freeze()
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeats):
            took = []
            for journaled in (False, True):
                gc.collect()
                began = time.monotonic()
                fetched = (
                    _with(client, handles, Path(folder, f"{number}.journal"))
                    if journaled
                    else _without(client, handles)
                )
                if await fetched != _CONCURRENCY * pages:
                    raise RuntimeError("pages are missing")
                took.append(time.monotonic() - began)
            ratios.append(took[0] / took[1])
    return ratios


async def measured(base_url: str, *, repeats: int) -> list[Row]:
    """Measure with a latency of 50 ms; and, for the note, without one."""
    async with SocialFetchClient(
        peers.KEY, base_url=base_url, max_concurrency=_CONCURRENCY
    ) as client:
        ratios = await _ratios(client, delay=50, pages=30, repeats=repeats)
        full = await _ratios(client, delay=0, pages=60, repeats=repeats)
    return [
        Row(
            11,
            f"a fetch with the journal, pages/s against without, {_CONCURRENCY} side by side",
            Spread.of(ratios),
            0.90,
            at_least=True,
            note=f"50 ms, {_SIZE} a page; without latency, disk and CPU full: "
            f"{Spread.of(full).median:.2f}",
        )
    ]
