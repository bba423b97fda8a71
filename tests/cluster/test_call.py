"""export_on: a batch on two workers, and what ends it; `tests.faults.shards` does it on eight."""

import asyncio
import dataclasses
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from socialfetch_async import ClusterError, JournalError, ShardTakenError, convert
from socialfetch_async.batch import order
from socialfetch_async.cli.cluster import on_cluster
from socialfetch_async.cli.export import Options
from socialfetch_async.cluster import ClusterResult, dask, export_on
from socialfetch_async.cluster.attempt import Part, Stop, Task, fetch
from socialfetch_async.cluster.dask import connected
from socialfetch_async.cluster.dispatch import HandingOut
from socialfetch_async.cluster.job import take_stock
from socialfetch_async.cluster.leases import Leases, shards_of
from socialfetch_async.cluster.places import journal_path, lock_path, read_shard, shard_lock
from socialfetch_async.emulator import Emulator
from socialfetch_async.journal import Wanted
from socialfetch_async.journal.file import AppendOnly
from tests.faults import shards as scenarios
from tests.faults.cluster import Cluster

pytestmark = pytest.mark.asyncio(loop_scope="session")

Stage = tuple[Emulator, Cluster]


@pytest.mark.parametrize("scenario", scenarios.SMALL, ids=lambda scenario: scenario.__name__)
async def test_whatever_is_done_to_it(scenario: Callable[..., Any], stage: Stage) -> None:
    """Every row is there once, nothing is spent beyond the limit, and the ledger knows it."""
    figures = await scenarios.show(scenario, *stage, full=False, seed=3)
    print(figures)  # noqa: T201 - the exact numbers
    assert figures.broken == []


async def export(
    stage: Stage, folder: Path, sizes: dict[str, int], **options: Any
) -> ClusterResult:
    """Run a batch of profiles that no other test has."""
    api, cluster = stage
    for handle, size in sizes.items():
        api.profile(handle, size)
    return await asyncio.to_thread(export_on, cluster.address, sizes.keys(), folder, **options)


async def test_it_says_how_it_stands(stage: Stage, tmp_path: Path) -> None:
    """Whenever an attempt has ended, and at the end; the journals are what `convert` takes."""
    told: list[ClusterResult] = []
    sizes = {f"told{number}": 30 for number in range(6)}
    result = await export(
        stage, tmp_path / "b", sizes, shards=3, max_credits=100, on_progress=told.append
    )
    assert (result.stop_reason, result.finished) == ("complete", True)
    assert (result.handles, result.handles_done, result.pages, result.followers) == (6, 6, 12, 180)
    assert (result.credits_charged, result.maybe_charged, result.lost) == (12, 0, 0)
    assert [one.attempts for one in told] == list(range(1, result.attempts + 1))
    assert {one.stop_reason for one in told} == {None}
    assert convert(result.journals, tmp_path / "out.jsonl").rows == 180
    assert pickle.loads(pickle.dumps(result)) == result


async def test_the_rate_is_that_of_all_workers(stage: Stage, tmp_path: Path) -> None:
    """Two workers with 100 requests a second together need 0.3 seconds for 40 pages, and more."""
    clock = asyncio.get_running_loop().time
    began = clock()
    await export(stage, tmp_path / "b", {f"rate{n}": 20 for n in range(40)}, shards=4, rate=100)
    # Each attempt begins at once and spaces the rest: 40 pages less one for each of 4 attempts.
    assert clock() - began >= (40 - 4) / 100


async def test_a_folder_keeps_its_number_of_shards(stage: Stage, tmp_path: Path) -> None:
    """Another number would look for the pages of a handle in another shard."""
    await export(stage, tmp_path / "b", {"keep1": 20, "keep2": 20}, shards=3)
    again = await export(stage, tmp_path / "b", {"keep1": 20, "keep3": 20})
    assert (again.pages, again.credits_charged) == (1, 3)
    with pytest.raises(ValueError, match="was begun with 3 shards"):
        await export(stage, tmp_path / "b", {"keep1": 20}, shards=4)


async def test_one_call_has_a_folder(stage: Stage, tmp_path: Path) -> None:
    """Two would buy the same pages."""
    lock = AppendOnly(tmp_path / "followers.journal")
    with pytest.raises(JournalError, match="another process"):
        await export(stage, tmp_path, {"lock": 20})
    lock.close()


async def test_workers_that_an_earlier_call_left_are_waited_for(
    stage: Stage, tmp_path: Path
) -> None:
    """Until they let go of their shards nobody knows what they spend."""
    folder = tmp_path / "followers.journals"
    folder.mkdir()
    with shard_lock("0000-of-0001", folder):
        with pytest.raises(ShardTakenError, match="cannot be begun"):
            take_stock(shards_of({"left": None}, 1), folder, Part(Wanted("")), patience=0)
        running = asyncio.create_task(export(stage, tmp_path, {"left": 20}, shards=1))
        await asyncio.sleep(0.05)
        assert not running.done()
    assert (await running).finished


async def test_handles_that_fail_do_not_end_it(stage: Stage, tmp_path: Path) -> None:
    """They are counted, and asked for again by the next call."""
    api, cluster = stage
    api.profile("works", 20)
    starts = {"works": None, "fails": "no-such-cursor"}
    result = await asyncio.to_thread(export_on, cluster.address, starts, tmp_path, shards=1)
    assert (result.stop_reason, result.handles_done, result.handles_failed) == ("failed", 1, 1)


async def test_a_folder_that_a_worker_does_not_see(stage: Stage, tmp_path: Path) -> None:
    """It says so, instead of saving pages where nobody looks for them."""
    _, cluster = stage

    def on_a_worker() -> None:
        with Client(cluster.address, set_as_default=False) as client:
            task = Task("0000-of-0001", tmp_path / "unseen" / "x.journal", order(["ada"]))
            client.submit(dask.attempt, task, "no-stop", pure=False).result()

    with pytest.raises(ClusterError, match="does not see the files"):
        await asyncio.to_thread(on_a_worker)


async def test_a_caller_s_client_stays_open(stage: Stage, tmp_path: Path) -> None:
    """And an asynchronous one is refused."""
    api, cluster = stage
    api.profile("mine", 20)

    def mine() -> tuple[bool, str]:
        with Client(cluster.address, set_as_default=False) as client:
            finished = export_on(client, ["mine"], tmp_path, shards=1).finished
            return finished, client.status

    assert await asyncio.to_thread(mine) == (True, "running")
    async with Client(cluster.address, asynchronous=True, set_as_default=False) as client:
        with pytest.raises(TypeError, match="asynchronous"):
            export_on(client, ["mine2"], tmp_path)
    with pytest.raises(TypeError, match="an address or a Client"):
        export_on(7, ["mine2"], tmp_path)  # type: ignore[arg-type]


async def test_no_scheduler_is_a_sentence() -> None:
    """It names the address, and what starts one."""
    with pytest.raises(ClusterError, match="no Dask scheduler responds at tcp"):
        await asyncio.to_thread(connected("tcp://127.0.0.1:9", timeout=0.2).__enter__)


async def test_without_dask_it_says_what_to_install(tmp_path: Path) -> None:
    """The rest of the library needs none of it."""
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from socialfetch_async.cluster import export_on\n"
        f"export_on('tcp://127.0.0.1:9', ['ada'], {str(tmp_path)!r})"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert b"pip install '.[dask]'" in said


async def test_a_result_that_is_lost_with_its_worker(stage: Stage, tmp_path: Path) -> None:
    """It stays on the worker until it is asked for; without it, the journal says what it did."""
    api, cluster = stage
    api.profile("last", 20)
    lock_path("a", tmp_path).touch()

    def lose() -> object:
        with Client(cluster.address, set_as_default=False) as client:
            workers = dask.Cluster(client)
            (worker, pid), *_ = client.run(os.getpid).items()
            task = Task("a", journal_path("a", tmp_path, "one"), order(["last"]))
            future = workers.submit(worker, task)
            assert workers.ended.wait(10)
            os.kill(pid, signal.SIGKILL)
            while worker in client.nthreads():
                time.sleep(0.01)
            return workers.outcome(future, timeout=0.3)

    assert await asyncio.to_thread(lose) is None
    assert read_shard("a", tmp_path).credits_charged == 1


async def test_what_never_began_is_not_begun_later(stage: Stage, tmp_path: Path) -> None:
    """A task that is taken for lost, and is only late, finds the name of its attempt used."""
    api, cluster = stage
    api.profile("late", 60)
    shards = shards_of({"late": None}, 1)
    shards[0].left = 1
    tasks: list[Task] = []

    class Late(dask.Cluster):
        """A cluster whose first worker vanishes before its task has begun."""

        def workers(self) -> frozenset[str]:
            return super().workers() if tasks else frozenset({"tcp://127.0.0.1:9"})

        def balances(self) -> Iterator[tuple[str, int]]:
            return iter(())

        def submit(self, worker: str, task: Task) -> Any:
            tasks.append(task)
            return super().submit(worker, task)

    def hand_out() -> HandingOut:
        with Client(cluster.address, set_as_default=False) as client:
            leases = Leases(5, 0, 5)
            work = HandingOut(
                Late(client),
                tmp_path,
                shards,
                order(()),
                Part(Wanted("")),
                leases=leases,
            )
            assert work.run(lambda: False, lambda: None) == "complete"
            return work

    work = await asyncio.to_thread(hand_out)
    assert (work.attempts, work.losses, work.pages) == (2, 1, 3)
    with pytest.raises(ShardTakenError, match="begun before"):
        await fetch(tasks[0], Stop(None))


async def test_the_command_on_a_cluster(
    stage: Stage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Ctrl-C, then its own limit, then the end: each time the export has what was paid for."""
    api, cluster = stage
    names = [f"command{number}" for number in range(4)]
    for name in names:
        api.profile(name, 400)
    handles, output = tmp_path / "handles.txt", tmp_path / "out.jsonl"
    await asyncio.to_thread(handles.write_text, "\n".join(names))
    before = len(api.charges)
    monkeypatch.setenv("SOCIALFETCH_BASE_URL", api.base_url)
    options = Options(str(handles), str(output), concurrency=2, scheduler=cluster.address)

    def exported(said: str, *, finished: bool) -> None:
        assert len(output.read_bytes().splitlines()) == 20 * (len(api.charges) - before), said
        resume = f"Resume with: {options.command()}"
        assert (resume in said) != finished, said

    async with on_cluster(options) as engine:
        running = asyncio.create_task(engine.fetch(options.order(options.given())))
        while len(api.charges) < before + 10 and not running.done():
            await asyncio.sleep(0.005)
        running.cancel()  # as Ctrl-C does
        with pytest.raises(asyncio.CancelledError):
            await running
    exported(capfd.readouterr().err, finished=False)
    for limit, code, pages in [(60, 5, 60), (100, 0, 80)]:
        options = dataclasses.replace(options, max_credits=limit)
        async with on_cluster(options) as engine:
            found = await engine.estimate(options.order(options.given()))
            assert found.credits_left == 80 - (len(api.charges) - before)
            assert await engine.fetch(options.order(options.given())) == code
        assert len(api.charges) - before == pages
        exported(capfd.readouterr().err, finished=code == 0)
