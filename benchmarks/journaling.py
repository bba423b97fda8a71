"""Row 11: what the journal costs a fetch, in pages a second."""

import gc
import tempfile
import time
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Row, Spread, freeze
from socialfetch_async import FollowersPage, Journal, SocialFetchClient

_CONCURRENCY = 50
_PAGES = 20
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
        async with client.iter_followers_many(
            journal.pending(handles), concurrency=_CONCURRENCY
        ) as run:
            async for event in journal.record(run):
                seen += isinstance(event, FollowersPage)
    return seen


async def measured(base_url: str, *, repeats: int) -> list[Row]:
    """Fetch the same lists with a journal and without, in turns."""
    handles = [f"{_SIZE}.plain.{_PAGES}.0.{number}" for number in range(_CONCURRENCY)]
    ratios: list[float] = []
    async with SocialFetchClient(
        peers.KEY, base_url=base_url, max_concurrency=_CONCURRENCY
    ) as client:
        await _without(client, handles)
        freeze()
        with tempfile.TemporaryDirectory() as folder:
            for number in range(repeats):
                took = []
                for journaled in (False, True):
                    gc.collect()
                    began = time.monotonic()
                    pages = await (
                        _with(client, handles, Path(folder, str(number)))
                        if journaled
                        else _without(client, handles)
                    )
                    took.append(time.monotonic() - began)
                    if pages != _CONCURRENCY * _PAGES:
                        raise RuntimeError(f"{pages} pages came")
                ratios.append(took[0] / took[1])
    return [
        Row(
            11,
            f"a fetch with the journal, pages/s against without, {_SIZE} a page",
            Spread.of(ratios),
            0.90,
            at_least=True,
            note="the CPU full, 50 side by side, fsync once a second",
        )
    ]
