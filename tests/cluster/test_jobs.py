"""A batch on a cluster is the batch of one machine: its plan, its files, its estimate."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from socialfetch_async import (
    ExportError,
    JournalError,
    SocialFetchClient,
    read_journal,
)
from socialfetch_async.batch import (
    BatchResult,
    estimate_followers,
    export_followers,
    settle,
)
from socialfetch_async.cluster import ClusterResult, estimate_on, export_on
from socialfetch_async.emulator import Emulator
from socialfetch_async.report import write_report
from tests.faults.cluster import Cluster
from tests.faults.dask_kills import killed

pytestmark = pytest.mark.asyncio(loop_scope="session")

Stage = tuple[Emulator, Cluster]
Way = Callable[..., Awaitable[BatchResult | ClusterResult]]
_OF_A_RUN = {"fetched_at", "first_seen_at", "last_seen_at"}
_batches = itertools.count()
KINDS: dict[str, tuple[bool, dict[str, Any]]] = {
    "first": (False, {}),
    "capped": (False, {"max_followers_per_handle": 50}),
    "refresh new": (True, {"refresh": "new"}),
    "refresh all": (True, {"refresh": "all"}),
}


class Batch:
    """Lists that no other test has, and ways to fetch them.

    Attributes:
        names: Their handles.
    """

    def __init__(self, stage: Stage, *sizes: int | str) -> None:
        self.api, self._cluster = stage
        number = next(_batches)
        self.names = [f"job{number}.{letter}" for letter in "abcdefgh"[: len(sizes)]]
        for name, size in zip(self.names, sizes, strict=True):
            self.api.profile(name, size)

    @property
    def client(self) -> SocialFetchClient:
        return SocialFetchClient(self.api.api_key, base_url=self.api.base_url)

    async def here(self, output: Path, **options: Any) -> BatchResult:
        """Run it in this process."""
        async with self.client as client:
            return await export_followers(client, self.names, output, **options)

    async def on_dask(self, output: Path, **options: Any) -> ClusterResult:
        """Run it on the cluster, in four shards."""
        return await asyncio.to_thread(
            export_on, self._cluster.address, self.names, output, shards=4, **options
        )

    async def estimate_on_dask(self, output: Path) -> Any:
        """Estimate it on the cluster."""
        return await asyncio.to_thread(
            estimate_on, self._cluster.address, self.names, output, shards=4
        )


def rows(output: Path) -> list[dict[str, Any]]:
    """Return the rows of an export, without the times."""
    read = [json.loads(line) for line in output.read_text().splitlines()]
    return [{k: v for k, v in row.items() if k not in _OF_A_RUN} for row in read]


@pytest.mark.parametrize("kind", KINDS)
async def test_one_process_and_dask_do_the_same(stage: Stage, tmp_path: Path, kind: str) -> None:
    """Alone, and taking turns on one batch: equal rows, for equal credits."""
    collected, options = KINDS[kind]
    batch = Batch(stage, 100, 45, 5, "private", 170, 20)
    both: list[Way] = [batch.here, batch.on_dask]
    if kind in {"capped", "refresh all"}:
        both.reverse()
    ways: dict[str, list[Way]] = {"here": [batch.here], "dask": [batch.on_dask], "both": both}
    outputs = {way: tmp_path / f"{way}.jsonl" for way in ways}
    if collected:
        for way, output in outputs.items():
            await ways[way][-1](output)
        for number, name in enumerate(batch.names):
            if name != batch.names[3]:
                batch.api.gain(name, 15 * (number % 3))
    charged = {}
    for way, output in outputs.items():
        before, turns = len(batch.api.charges), itertools.cycle(ways[way])
        for limit in [3, 7, None] if way == "both" else [None]:
            result = await next(turns)(output, max_credits=limit, **options)
            assert len(batch.api.charges) - before == limit or limit is None
        assert result.finished
        charged[way] = len(batch.api.charges) - before
    assert len(set(charged.values())) == 1, charged
    assert rows(outputs["here"]) == rows(outputs["dask"]) == rows(outputs["both"])
    for way, output in outputs.items():
        saved = read_journal(output.with_suffix(".journal"))
        assert saved.work(options.get("refresh")) is None or not collected, "it is finished"
        assert saved.maybe_charged == 0, way
        pages = [(page.reading, page.handle, page.cursor) for page in saved.pages()]
        assert len(pages) == len(set(pages))


async def test_a_refresh_is_not_finished_before_its_files(stage: Stage, tmp_path: Path) -> None:
    """The same call writes them and buys nothing; it does not begin the next refresh."""
    batch, output = Batch(stage, 60, 30), tmp_path / "x.jsonl"
    await batch.on_dask(output)
    gained = batch.api.gain(batch.names[0], 2)

    def hinder(_: ClusterResult) -> None:
        if not output.is_dir():
            output.unlink()
            output.mkdir()

    with pytest.raises(ExportError) as caught:
        await batch.on_dask(output, refresh="new", on_progress=hinder)
    assert caught.value.result.pages == 3
    output.rmdir()
    before = len(batch.api.charges)
    again = await batch.on_dask(output, refresh="new")
    assert (len(batch.api.charges), again.pages) == (before, 0)
    assert all(name in output.read_text() for name in gained)
    assert (await batch.on_dask(output, refresh="new")).pages == 2, "the next one"


async def test_a_report_of_a_batch_on_a_cluster(stage: Stage, tmp_path: Path) -> None:
    """It has all handles, also those that have not begun, and the balance before and after."""
    batch, output = Batch(stage, 60, 60, 60), tmp_path / "x.jsonl"
    result = await batch.on_dask(output, max_credits=1, concurrency=1)
    assert result.stop_reason == "max_credits"
    write_report(result.journal, tmp_path / "x.html")
    text = (tmp_path / "x.html").read_text()
    assert "0 of 3 handles done" in text
    assert "Taken from the balance" in text


async def test_an_estimate_on_a_cluster(stage: Stage, tmp_path: Path) -> None:
    """It says what that of one process says, and nothing of it is bought again."""
    batch = Batch(stage, 100, 45, "private")
    async with batch.client as client:
        here = await estimate_followers(client, batch.names, tmp_path / "here.jsonl")
    found = await batch.estimate_on_dask(tmp_path / "dask.jsonl")
    for name in ("handles", "total_followers", "credits_left", "unavailable", "credits_charged"):
        assert getattr(found, name) == getattr(here, name)
    assert (found.credits_charged, found.credits_left) == (3, 6)
    assert not (tmp_path / "dask.jsonl").exists()
    assert (await batch.estimate_on_dask(tmp_path / "dask.jsonl")).credits_charged == 0
    result = await batch.on_dask(tmp_path / "dask.jsonl")
    assert (result.pages, result.credits_charged) == (6, 9)


async def test_a_refresh_whose_worker_and_driver_are_killed(stage: Stage) -> None:
    """The same command each time; `python -m tests.faults.dask_kills` does so to each kind."""
    figures = await killed("refresh new", 0, 25, *stage, kills=2, seed=8)
    print(figures)  # noqa: T201 - the exact numbers
    assert figures.broken == []


@pytest.fixture
def credit(stage: Stage) -> Iterator[Emulator]:
    """An account with a balance."""
    api, _ = stage
    api.credits = 1_000
    yield api
    api.credits = None


async def test_what_may_have_been_charged_is_settled(
    credit: Emulator, stage: Stage, tmp_path: Path
) -> None:
    """In all shards together, by the balance that a worker asked for."""
    batch, output = Batch(stage, 60, 60, 20), tmp_path / "x.jsonl"
    for name in batch.names:
        credit.script(name, "500")
    credit.script(batch.names[0], "500", "lose")
    result = await batch.on_dask(output)
    assert (result.stop_reason, result.credits_charged) == ("complete", 7)
    assert result.maybe_charged >= 2
    async with batch.client as client:
        assert await settle(client, result.journal) == (result.maybe_charged, 1)
        assert await settle(client, result.journal) == (1, 1)
        assert read_journal(result.journal).maybe_charged == 1
        assert (await batch.on_dask(output)).maybe_charged == 1
        credit.credits = 5_000
        with pytest.raises(JournalError, match="balance rose"):
            await settle(client, result.journal)
