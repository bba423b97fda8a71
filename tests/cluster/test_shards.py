"""run_shard: attempts at a shard, one after the other, at once, stopped and refused."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from socialfetch_async import (
    InsufficientCreditsError,
    InvalidHandleError,
    Journal,
    JournalError,
    ShardTakenError,
    SocialFetchClient,
    read_journal,
)
from socialfetch_async.batch import Pace, export_followers, order
from socialfetch_async.cluster import ShardResult, run_shard, run_shard_async
from socialfetch_async.cluster.attempt import Part, Stop, Task, fetch
from socialfetch_async.cluster.job import take_stock
from socialfetch_async.cluster.leases import Shard
from socialfetch_async.cluster.places import journal_path, shard_lock
from socialfetch_async.emulator import Emulator
from socialfetch_async.journal import Wanted, shard_journals

SIZES: dict[str, int | str] = {"ada": 100, "bo": 45, "cy": 5, "shut": "private"}
PAGES = 5 + 3 + 1 + 1


@pytest.fixture
async def api(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emulator]:
    """The API, named by the environment: a shard makes its client from that."""
    async with Emulator(SIZES, latency=0.001) as emulator:
        monkeypatch.setenv("SOCIALFETCH_BASE_URL", emulator.base_url)
        monkeypatch.setenv("SOCIALFETCH_API_KEY", emulator.api_key)
        yield emulator


def complete(folder: Path, shard: str, api: Emulator) -> None:
    """See that every row is there, once, and that no page was bought twice."""
    saved = read_journal(*shard_journals(folder, shard))
    pages = [(page.handle, page.cursor) for page in saved.pages()]
    assert len(pages) == len(set(pages)) == PAGES
    rows: dict[str, list[str]] = {handle: [] for handle in SIZES}
    for page in saved.pages():
        rows[page.handle] += [row.handle for row in page.followers]
    for handle in SIZES:
        assert rows[handle] == [row["handle"] for row in api.followers(handle)]
    assert saved.credits_charged == len(api.charges) == PAGES


async def test_a_shard_is_fetched_once(api: Emulator, tmp_path: Path) -> None:
    """Its counters say what came; the same call again sends nothing and makes no file."""
    result = await run_shard_async(7, SIZES.keys(), tmp_path)
    assert result == ShardResult(
        shard="7",
        stop_reason="complete",
        handles=4,
        handles_done=4,
        pages=PAGES,
        followers=150,
        credits_charged=PAGES,
        journal=result.journal,
    )
    assert pickle.loads(pickle.dumps(result)) == result
    again = await run_shard_async(7, ["@ADA", "bo", "cy", "shut"], tmp_path)
    assert again == ShardResult(shard="7", stop_reason="complete", handles=4, handles_done=4)
    complete(tmp_path, "7", api)
    assert len(shard_journals(tmp_path, "7")) == 1


async def test_it_runs_in_a_thread_without_a_loop(api: Emulator, tmp_path: Path) -> None:
    """As a queue calls it."""
    result = await asyncio.to_thread(run_shard, "a", SIZES.keys(), tmp_path)
    assert (result.stop_reason, result.pages) == ("complete", PAGES)


@pytest.mark.parametrize("at", range(1, PAGES - 1))
async def test_a_stopped_shard_goes_on(at: int, api: Emulator, tmp_path: Path) -> None:
    """Wherever it is stopped: what is paid for is kept, and no page is bought twice."""
    first = await run_shard_async(
        "s", SIZES.keys(), tmp_path, concurrency=1, stop=lambda: len(api.charges) >= at
    )
    assert first.stop_reason == "stopped"
    assert at <= first.pages == len(api.charges) <= at + 1
    last = await run_shard_async("s", SIZES.keys(), tmp_path)
    assert (last.stop_reason, last.handles_done) == ("complete", 4)
    complete(tmp_path, "s", api)
    assert len(shard_journals(tmp_path, "s")) == 2


async def test_a_shard_that_is_stopped_before_it_begins(api: Emulator, tmp_path: Path) -> None:
    """Nothing is sent and no file is made."""
    result = await run_shard_async("s", SIZES.keys(), tmp_path, stop=lambda: True)
    assert result == ShardResult(shard="s", stop_reason="stopped", handles=4, handles_done=0)
    assert (api.requests, shard_journals(tmp_path, "s")) == ([], [])


async def test_a_stop_is_seen_while_no_page_comes(api: Emulator, tmp_path: Path) -> None:
    """In an outage there are no pages to ask between."""
    api.fault("503", 1.0)
    result = await run_shard_async("s", SIZES.keys(), tmp_path, stop=lambda: len(api.requests) >= 4)
    assert (result.stop_reason, result.pages, len(api.charges)) == ("stopped", 0, 0)


async def test_a_stop_that_raises_stops_and_is_raised(api: Emulator, tmp_path: Path) -> None:
    """What is paid for is kept."""

    def stop() -> bool:
        if len(api.charges) >= 3:
            raise OSError("who cannot ask")
        return False

    with pytest.raises(OSError, match="who cannot ask"):
        await run_shard_async("s", SIZES.keys(), tmp_path, concurrency=1, stop=stop)
    saved = read_journal(*shard_journals(tmp_path, "s"))
    assert saved.credits_charged == len(api.charges) < PAGES
    assert saved.maybe_charged == 0


async def test_a_shard_is_refreshed(api: Emulator, tmp_path: Path) -> None:
    """By the plan of a batch: what is new, in two attempts, joined to what earlier ones bought."""
    await run_shard_async(7, SIZES.keys(), tmp_path)
    gained, before = api.gain("ada", 30), len(api.charges)
    first = await run_shard_async(7, SIZES.keys(), tmp_path, refresh="new", max_credits=3)
    assert first.stop_reason == "max_credits"
    second = await run_shard_async(7, SIZES.keys(), tmp_path, refresh="new")
    assert second.stop_reason == "complete"
    charges = [(charge.handle, charge.cursor) for charge in api.charges[before:]]
    assert len(charges) == len(set(charges)) == 3 + 3
    saved = read_journal(*shard_journals(tmp_path, "7"))
    names = [name for page in saved.pages("ada") for name in page.names()]
    assert names[:30] == gained
    assert names == [row["handle"] for row in api.followers("ada")]
    third = await run_shard_async(7, SIZES.keys(), tmp_path, refresh="new")
    assert third.pages == 4, "the next refresh"
    plain = await run_shard_async(7, SIZES.keys(), tmp_path)
    assert plain.pages == 0


async def test_credits_are_for_all_attempts(api: Emulator, tmp_path: Path) -> None:
    """A task that is delivered twice spends no more than one that is delivered once."""
    for limit, charged, reason in [
        (6, 6, "max_credits"),
        (6, 6, "max_credits"),
        (7, 7, "max_credits"),
        (PAGES, PAGES, "complete"),
        (PAGES, PAGES, "complete"),
    ]:
        result = await run_shard_async("s", SIZES.keys(), tmp_path, max_credits=limit)
        assert (result.stop_reason, len(api.charges)) == (reason, charged)
    complete(tmp_path, "s", api)


async def test_what_may_have_been_charged_counts_as_spent(api: Emulator, tmp_path: Path) -> None:
    """A page that was lost on its way keeps its credit, in this attempt and the next one."""
    api.script("ada", "lose")
    first = await run_shard_async("s", ["ada"], tmp_path, max_credits=3)
    assert (first.stop_reason, first.credits_charged, first.maybe_charged) == ("max_credits", 2, 1)
    await run_shard_async("s", ["ada"], tmp_path, max_credits=4)
    assert len(api.charges) == 4


async def test_a_shard_is_fetched_by_one_process_at_a_time(api: Emulator, tmp_path: Path) -> None:
    """A task that a queue delivers again while it runs is refused, and can be tried later."""
    with shard_lock("s", tmp_path), pytest.raises(ShardTakenError, match="shard s cannot be"):
        await run_shard_async("s", SIZES.keys(), tmp_path)
    assert api.requests == []
    await run_shard_async("s", SIZES.keys(), tmp_path)
    complete(tmp_path, "s", api)


async def test_an_attempt_is_begun_once(api: Emulator, tmp_path: Path) -> None:
    """An engine that repeats a task by itself does not spend its lease twice."""
    await run_shard_async("s", SIZES.keys(), tmp_path, max_credits=2, attempt="one")
    with pytest.raises(ShardTakenError, match="begun before") as caught:
        await run_shard_async("s", SIZES.keys(), tmp_path, max_credits=4, attempt="one")
    assert len(api.charges) == 2
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


async def test_two_attempts_at_once_are_read_as_one(api: Emulator, tmp_path: Path) -> None:
    """Where a lock does not reach, both buy; who reads has each page once, and nothing is left."""

    async def attempt(name: str) -> None:
        async with SocialFetchClient() as client:
            with Journal(journal_path("s", tmp_path, name)) as journal:
                async with client.iter_followers_many(SIZES.keys(), concurrency=2) as run:
                    async for _ in journal.record(run):
                        pass

    await asyncio.gather(attempt("one"), attempt("two"))
    saved = read_journal(*shard_journals(tmp_path, "s"))
    pages = [(page.handle, page.cursor) for page in saved.pages()]
    assert len(pages) == len(set(pages)) == PAGES
    assert saved.credits_charged == len(api.charges) == 2 * PAGES
    assert (await run_shard_async("s", SIZES.keys(), tmp_path)).stop_reason == "complete"
    assert len(api.charges) == 2 * PAGES


async def test_no_credits_left_ends_an_attempt(api: Emulator, tmp_path: Path) -> None:
    """402 is raised when what was paid for is saved, and survives the way to another process."""
    api.credits = 4
    with pytest.raises(InsufficientCreditsError) as caught:
        await run_shard_async("s", SIZES.keys(), tmp_path, concurrency=2)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (str(error), error.checkout_url) == (str(caught.value), caught.value.checkout_url)
    assert read_journal(*shard_journals(tmp_path, "s")).credits_charged == 4


async def test_handles_that_fail_are_counted(api: Emulator, tmp_path: Path) -> None:
    """The others are fetched."""
    starts = {"ada": "no-such-cursor", "bo": None}
    result = await run_shard_async("s", starts, tmp_path)
    assert (result.stop_reason, result.handles_done, result.handles_failed) == ("failed", 1, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"shard": "../up"}, ValueError, "shard is 1 to 64 of"),
        ({"attempt": "a.b"}, ValueError, "attempt is 1 to 64 of"),
        ({"handles": ["a b"]}, InvalidHandleError, "not a TikTok handle"),
        ({"max_credits": 0}, ValueError, "max_credits must be at least 1"),
        ({"concurrency": 0}, ValueError, "concurrency must be at least 1"),
        ({"rate": 0}, ValueError, "rate must be a finite number"),
        ({"folder": "/nowhere/at/all"}, JournalError, "there is no folder"),
    ],
)
async def test_what_can_not_be_is_refused(
    arguments: dict[str, object],
    error: type[Exception],
    message: str,
    api: Emulator,
    tmp_path: Path,
) -> None:
    """With a sentence, before anything is sent or written."""
    given = {"shard": "s", "handles": ["ada"], "folder": tmp_path} | arguments
    with pytest.raises(error, match=message):
        await run_shard_async(**given)  # type: ignore[arg-type]
    assert api.requests == []
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - it is empty


async def test_without_a_key_no_file_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A worker whose environment lacks it says so."""
    monkeypatch.delenv("SOCIALFETCH_API_KEY", raising=False)
    with pytest.raises(ValueError, match="no API key"):
        await run_shard_async("s", ["ada"], tmp_path)
    assert shard_journals(tmp_path, "s") == []


async def test_one_process_goes_on_where_workers_ended(api: Emulator, tmp_path: Path) -> None:
    """What they bought for the same output is not bought again; while they buy, it is refused."""
    folder = tmp_path / "x.journals"
    folder.mkdir()
    await run_shard_async("s", SIZES.keys(), folder, max_credits=4)
    async with SocialFetchClient() as client:
        with shard_lock("s", folder), pytest.raises(JournalError, match="workers of a cluster"):
            await export_followers(client, SIZES.keys(), tmp_path / "x.jsonl")
        result = await export_followers(client, SIZES.keys(), tmp_path / "x.jsonl")
        assert (result.pages, result.total_credits_charged) == (PAGES - 4, PAGES)
        assert len(api.charges) == PAGES
        assert result.exports[0].rows == 150
        gained = api.gain("ada", 2)
        await export_followers(client, SIZES.keys(), tmp_path / "x.jsonl", refresh="new")
    text = (tmp_path / "x.jsonl").read_text()
    assert all(name in text for name in gained)


async def test_a_worker_that_buys_elsewhere_fails_alone(api: Emulator, tmp_path: Path) -> None:
    """Its pages are not mixed with those of the batch, and another worker can have the shard."""
    part = Part(Wanted("w"), origin="https://api.socialfetch.dev")
    task = Task("s", journal_path("s", tmp_path, "one"), order(["ada"]), part=part)
    result = await fetch(task, Stop(None))
    assert (result.stop_reason, result.pages, result.handles_failed) == ("failed", 0, 1)
    assert f"it would buy from {api.base_url}" in str(result.reason)
    assert api.requests == []


async def test_pages_of_two_apis_are_not_one_batch(
    api: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen in the journals of its shards before anything is sent."""
    await run_shard_async("one", ["ada"], tmp_path)
    async with Emulator(SIZES) as other:
        monkeypatch.setenv("SOCIALFETCH_BASE_URL", other.base_url)
        await run_shard_async("two", ["bo"], tmp_path)
    with pytest.raises(JournalError, match="their pages are not mixed"):
        take_stock([Shard("one"), Shard("two")], tmp_path, Part(Wanted("")))


async def test_requests_are_spaced_by_the_rate() -> None:
    """Also those that come all at once: none is nearer to the one before than the rate says."""
    pace, clock = Pace(500), asyncio.get_running_loop().time
    began = clock()

    async def pass_() -> float:
        async with pace:
            return clock() - began

    passed = sorted(await asyncio.gather(*(pass_() for _ in range(6))))
    assert all(at >= number / 500 - 1e-6 for number, at in enumerate(passed))


async def test_a_shard_keeps_to_its_rate(api: Emulator, tmp_path: Path) -> None:
    """All requests of an attempt pass its limiter."""
    clock = asyncio.get_running_loop().time
    began = clock()
    await run_shard_async("s", SIZES.keys(), tmp_path, rate=200)
    assert clock() - began >= (PAGES - 1) / 200
