"""A whole batch in one call: the emulator's ledger, the journal and the files agree."""

import asyncio
import csv
import gzip
import json
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from socialfetch_async import (
    AuthenticationError,
    ExportError,
    HandleDone,
    InsufficientCreditsError,
    InvalidHandleError,
    Journal,
    JournalError,
    RetryPolicy,
    SocialFetchClient,
    export_followers,
    read_journal,
)
from socialfetch_async._terminal import Voice
from socialfetch_async.batch import (
    BatchEvent,
    BatchProgress,
    BatchResult,
    files_of,
    order,
    run_batch,
)
from socialfetch_async.batch.showing import Lines
from socialfetch_async.emulator import Emulator
from socialfetch_async.models import FollowersPage
from tests.batches import MAIN_JOB, expected, main_job
from tests.conftest import MakeClient, until
from tests.full_disk import files_end_at
from tests.journals import page, write
from tests.scripted import Scripted, Seen, error, page as scripted_page

FORMATS = ["jsonl", "jsonl.gz", "csv", "parquet", "sqlite"]


def rows_in(path: Path) -> list[tuple[str, int, str]]:
    """Return source, position and handle of every row of an export."""
    match path.name.split(".", 1)[1]:
        case "jsonl":
            rows = [json.loads(line) for line in path.read_bytes().splitlines()]
        case "jsonl.gz":
            rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
        case "csv":
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        case "parquet":
            rows = import_module("pyarrow.parquet").read_table(path).to_pylist()
        case _:
            with closing(sqlite3.connect(path)) as database:
                query = "SELECT source, position, follower FROM follows"
                return sorted(database.execute(query), key=lambda row: (row[0].lower(), row[1]))
    return [(row["source"], int(row["position"]), row["handle"]) for row in rows]


def names_in(folder: Path) -> set[str]:
    """Return the names of all files in a folder."""
    return {path.name for path in folder.iterdir()}


async def watched(
    client: SocialFetchClient, handles: Any, output: Path, *, watch: Any, **asked: Any
) -> BatchResult:
    """Do what `export_followers` does, and see every event."""
    return await run_batch(client, files_of(output, None), order(handles, **asked), "second", watch)


# -- the main job -------------------------------------------------------------------------------


async def test_the_main_job(client_of: MakeClient, tmp_path: Path) -> None:
    """Many handles and faults, a limit that ends it early, the limit raised, and all files agree.

    `python -m tests.batches` runs it with ten times as many followers.
    """
    await main_job(client_of, tmp_path, *MAIN_JOB)


async def test_every_format_has_every_row(client_of: MakeClient, tmp_path: Path) -> None:
    """Row for row what the emulator says that it has, in the order of its lists."""
    pytest.importorskip("pyarrow")
    profiles: dict[str, Any] = {"ada": 45, "Bo.1": 20, "cy": "private", "dee": 0, "eve": 61}
    async with Emulator(profiles) as api:
        result = await export_followers(
            client_of(api), list(profiles), tmp_path / "out", format=FORMATS
        )
        assert [rows_in(export.path) for export in result.exports] == [expected(api, profiles)] * 5
        assert len(api.charges) == 3 + 1 + 1 + 1 + 4
    assert result.statuses == {"complete": 4, "private": 1}
    assert (result.stop_reason, result.finished, result.pending) == ("complete", True, {})
    assert (result.pages, result.followers, result.credits_charged) == (10, 126, 10)
    assert (result.total_credits_charged, result.maybe_charged, result.others) == (10, 0, 0)
    assert "sends nothing" in result.advice
    names = {"followers.journal", *(f"followers.{name}" for name in FORMATS)}
    assert names_in(tmp_path / "out") == names


async def test_a_finished_batch_sends_nothing(client_of: MakeClient, tmp_path: Path) -> None:
    """Not even a free request; the export is made again, and is the same."""
    async with Emulator({"ada": 45, "cy": "private"}) as api:
        client = client_of(api)
        await export_followers(client, ["ada", "cy", "nobody"], tmp_path / "a.csv")
        before = (tmp_path / "a.csv").read_bytes()
        (tmp_path / "a.csv").unlink()
        requests = len(api.requests)
        result = await export_followers(client, ["@ADA", "cy", "nobody"], tmp_path / "a.csv")
        assert len(api.requests) == requests
    assert (tmp_path / "a.csv").read_bytes() == before
    assert result.journal == tmp_path / "a.journal"
    assert (result.finished, result.credits_charged, result.total_credits_charged) == (True, 0, 5)


async def test_a_saved_cursor_of_none_is_the_top(client_of: MakeClient, tmp_path: Path) -> None:
    """A finished list is not bought again for it; a list whose first page is missing buys that."""
    async with Emulator({"ada": 45, "bo": 45}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path)
        requests = len(api.requests)
        again = await export_followers(client, {"ada": None}, tmp_path)
        assert (again.pending, len(api.requests)) == ({}, requests)
        await export_followers(client, ["bo"], tmp_path / "other.csv")
        charged, then = len(api.charges), api.charges[-2].cursor
        await export_followers(client, {"bo": then}, tmp_path)
        assert len(api.charges) == charged + 2
        await export_followers(client, {"bo": None}, tmp_path)
        assert len(api.charges) == charged + 3
        assert rows_in(tmp_path / "followers.jsonl") == expected(api, ["ada", "bo"])


# -- limits -------------------------------------------------------------------------------------


async def test_the_limit_holds_for_the_whole_journal(client_of: MakeClient, tmp_path: Path) -> None:
    """Repeated it spends nothing more, raised it goes on, and unfinished lists are told."""
    handles = {"ada": 45, "bo": 45, "cy": 45}
    async with Emulator(handles) as api:
        client = client_of(api)
        results = [
            await export_followers(
                client, list(handles), tmp_path, max_credits=limit, concurrency=1
            )
            for limit in (4, 4, 3, 6, 8, 8, None)
        ]
        assert len(api.charges) == 9
        assert rows_in(tmp_path / "followers.jsonl") == expected(api, handles)
    assert [result.total_credits_charged for result in results] == [4, 4, 4, 6, 8, 8, 9]
    assert [r.stop_reason for r in results] == ["max_credits"] * 6 + ["complete"]
    assert results[0].statuses["max_credits"] >= 1
    assert len(results[0].pending) + results[0].statuses.get("complete", 0) == 3
    assert "higher max_credits" in results[0].advice
    assert [len(result.pending) > 0 for result in results] == [True] * 6 + [False]


async def test_what_may_have_been_charged_counts(client_of: MakeClient, tmp_path: Path) -> None:
    """A charge without an answer is in the limit of every later call."""
    async with Emulator({"ada": 200}) as api:
        api.script("ada", "lose", "lose")
        client = client_of(api)
        first = await export_followers(client, ["ada"], tmp_path, max_credits=5)
        assert (first.total_credits_charged, first.maybe_charged, len(api.charges)) == (3, 2, 5)
        again = await export_followers(client, ["ada"], tmp_path, max_credits=5)
        assert (again.stop_reason, len(api.charges)) == ("max_credits", 5)


async def test_a_killed_call_counts_what_was_on_its_way(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Its `concurrency` pages are uncertain, and are in the limit."""
    journal = {"type": "open", "at": "2026-11-22T12:00:00Z", "pid": 1, "concurrency": 3}
    write(tmp_path / "followers.journal", journal, page("ada", ["x"], then="y"))
    async with Emulator({"bo": 500}) as api:
        result = await export_followers(client_of(api), ["bo"], tmp_path, max_credits=10)
        assert len(api.charges) == 6
    assert (result.total_credits_charged, result.maybe_charged, result.stop_reason) == (
        7,
        3,
        "max_credits",
    )
    assert result.others == 1


# -- errors -------------------------------------------------------------------------------------


async def test_out_of_credits_keeps_all_and_goes_on(client_of: MakeClient, tmp_path: Path) -> None:
    """The export is written, the result is told, then 402 is raised; nothing is bought twice."""
    handles = {"ada": 60, "bo": 60}
    results: list[Any] = []
    async with Emulator(handles, credits=4) as api:
        client = client_of(api)
        with pytest.raises(InsufficientCreditsError):
            await watched(client, list(handles), tmp_path / "a.jsonl", watch=results.append)
        assert len(rows_in(tmp_path / "a.jsonl")) == 80
        assert isinstance(results[-1], BatchResult)
        assert (results[-1].stop_reason, results[-1].exports[0].rows) == ("error", 80)
        api.credits = 100
        await export_followers(client, list(handles), tmp_path / "a.jsonl")
        assert rows_in(tmp_path / "a.jsonl") == expected(api, handles)
        assert len(api.charges) == 6


async def test_a_refused_key(client_of: MakeClient, tmp_path: Path) -> None:
    """The error of the API, after one request for each page that was on its way."""
    async with Emulator({"ada": 60}, api_keys=["sfk_other"]) as api:
        api_key = "sfk_wrong"
        client = client_of(type("Server", (), {"base_url": api.base_url, "api_key": api_key}))
        with pytest.raises(AuthenticationError):
            await export_followers(client, ["ada"], tmp_path)
        assert api.charges == []
    assert not (tmp_path / "followers.jsonl").exists()


async def test_handles_that_fail_do_not_end_it(client_of: MakeClient, tmp_path: Path) -> None:
    """They are unfinished, and the next call buys what they lack."""
    async with Emulator({"ada": 45, "bo": 45}, retry_after=3600) as api:
        api.script("ada", None, "503")
        client = client_of(api)
        first = await export_followers(client, ["ada", "bo"], tmp_path)
        assert (first.stop_reason, list(first.pending)) == ("failed", ["ada"])
        assert first.statuses == {"complete": 1, "failed": 1}
        assert "1 of 2 handles are not finished" in first.advice
        assert (first.exports[0].rows, first.exports[0].unfinished) == (65, 1)
        second = await export_followers(client, ["ada", "bo"], tmp_path)
        assert (second.stop_reason, len(api.charges)) == ("complete", 6)


async def test_an_error_of_the_observer_stops_it(client_of: MakeClient, tmp_path: Path) -> None:
    """What is paid for is kept, then its own error is raised."""

    def see(event: object) -> None:
        if isinstance(event, FollowersPage):
            raise KeyError(event.handle)

    handles = {f"h{n}": 100 for n in range(10)}
    async with Emulator(handles, latency=0.01) as api:
        with pytest.raises(KeyError):
            await watched(client_of(api), list(handles), tmp_path, watch=see, concurrency=3)
        charged = len(api.charges)
        assert charged <= 6
        assert read_journal(tmp_path / "followers.journal").credits_charged == charged
        assert len(rows_in(tmp_path / "followers.jsonl")) == 20 * charged


async def test_events_come_in_order(client_of: MakeClient, tmp_path: Path) -> None:
    """The live figures first, then pages and ends, and at last the result that is returned."""
    events: list[Any] = []
    figures: list[tuple[int, int, int]] = []

    def see(event: object) -> None:
        events.append(event)
        live = events[0]
        figures.append(
            (live.pages, live.handles_done, live.total_credits_charged + live.maybe_charged)
        )

    async with Emulator({"ada": 45, "cy": "private"}) as api:
        result = await watched(client_of(api), ["ada", "cy"], tmp_path, watch=see)
    kinds = Counter(type(event) for event in events)
    assert kinds == {BatchProgress: 1, FollowersPage: 4, HandleDone: 2, BatchResult: 1}
    assert isinstance(events[0], BatchProgress)
    assert events[-1] is result
    assert (figures[0], figures[-1]) == ((0, 0, 0), (4, 2, 4))
    live = events[0]
    assert (live.handles, live.followers, live.credits_charged, live.in_flight) == (2, 45, 4, 0)
    assert (live.handles_failed, live.maybe_charged, live.stopping) == (0, 0, False)


# -- refused before anything is spent -----------------------------------------------------------


@contextmanager
def refused(kind: type[Exception], words: str) -> Iterator[None]:
    """Expect an error with some words in it."""
    with pytest.raises(kind) as caught:
        yield
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("output", "options", "error"),
    [
        ("a.xlsx", {"format": "xlsx"}, (ValueError, "no such format: 'xlsx'")),
        ("a.csv", {"format": ["csv", "parquet"]}, (ValueError, "name a folder")),
        ("text", {}, (ValueError, "says no format")),
        ("a.json", {}, (ValueError, "a.json says no format: end it with .jsonl, .jsonl.gz, .csv")),
        ("a.xlsx", {}, (ValueError, "says no format")),
        (".csv", {}, (ValueError, "says no format")),
        ("text/out", {}, (ExportError, "cannot be written: Not a directory")),
        ("text/a.csv", {}, (ExportError, "cannot be written: Not a directory")),
        ("x" * 252 + ".csv", {}, (ExportError, "too long")),
        ("x" * 248 + ".csv", {}, (ExportError, ".journal cannot be written: File name too long")),
        ("x" * 256 + "/", {}, (ExportError, "too long")),
        ("text.csv", {"journal": "text.csv"}, (ExportError, "is an input")),
        ("theirs.csv", {}, (ExportError, "was not written from")),
        ("theirs.csv", {"overwrite": 1}, (TypeError, "overwrite")),
        ("other.csv", {}, (ExportError, "is a journal")),
        ("a.csv", {"journal": "text"}, (JournalError, "is not a journal")),
        ("a.jsonl", {"spreadsheet": True}, (ValueError, "spreadsheet")),
        ("a.csv", {"max_credits": 0}, (ValueError, "max_credits")),
        ("a.csv", {"concurrency": 0}, (ValueError, "concurrency")),
        ("a.csv", {"fsync": "often"}, (ValueError, "fsync")),
        ("a.csv", {"trim": "yes"}, (TypeError, "trim")),
    ],
)
async def test_what_can_not_be_is_refused(
    client_of: MakeClient,
    tmp_path: Path,
    output: str,
    options: dict[str, Any],
    error: tuple[type[Exception], str],
) -> None:
    """With a sentence, before a request, and nothing is left behind."""
    (tmp_path / "text").write_text("not a journal\n")
    (tmp_path / "theirs.csv").write_text("last month\n")
    write(tmp_path / "other.csv")
    if "journal" in options:
        options = {"journal": tmp_path / options["journal"]}
    async with Emulator({"ada": 1}) as api:
        with refused(*error):
            await export_followers(client_of(api), ["ada"], tmp_path / output, **options)
        assert api.requests == []
    assert names_in(tmp_path) == {"other.csv", "text", "theirs.csv"}
    assert (tmp_path / "theirs.csv").read_text() == "last month\n"


async def test_a_bad_handle_is_refused(client_of: MakeClient, tmp_path: Path) -> None:
    """Before a folder is made."""
    async with Emulator() as api:
        with pytest.raises(InvalidHandleError):
            await export_followers(client_of(api), ["ada", "b o"], tmp_path / "out")
        assert api.requests == []
    assert names_in(tmp_path) == set()


async def test_a_device_is_no_output(client_of: MakeClient, tmp_path: Path) -> None:
    """A link with the right name that leads to a device is refused."""
    (tmp_path / "null.csv").symlink_to("/dev/null")
    async with Emulator() as api:
        with refused(ExportError, "device"):
            await export_followers(client_of(api), ["ada"], tmp_path / "null.csv")
        assert api.requests == []


async def test_parquet_without_pyarrow_is_refused(tmp_path: Path) -> None:
    """Before anything is sent: in an interpreter that has no pyarrow."""
    code = (
        "import sys, asyncio; sys.modules['pyarrow'] = None\n"
        "from socialfetch_async import SocialFetchClient, export_followers\n"
        "async def main():\n"
        "    async with SocialFetchClient('sfk_x', base_url='http://127.0.0.1:9') as client:\n"
        f"        await export_followers(client, ['ada'], {str(tmp_path / 'a.parquet')!r})\n"
        "asyncio.run(main())"
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "ExportError: Parquet needs pyarrow" in done.stderr
    assert names_in(tmp_path) == set()


async def test_a_journal_that_is_being_written(client_of: MakeClient, tmp_path: Path) -> None:
    """A second call on it is refused, and sends nothing."""
    async with Emulator({"ada": 1}) as api:
        with Journal(tmp_path / "followers.journal"):
            with refused(JournalError, "being written"):
                await export_followers(client_of(api), ["ada"], tmp_path)
        assert api.requests == []


# -- stopped ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pages", [0, 1, 3, 8, 20])
async def test_a_cancelled_call_keeps_what_is_paid_for(
    client_of: MakeClient, tmp_path: Path, pages: int
) -> None:
    """At any moment: no charge is lost, the export is written, and the next call buys the rest."""
    handles = {f"h{n}": 90 for n in range(6)}
    results: list[Any] = []
    async with Emulator(handles, latency=0.005) as api:
        client = client_of(api)
        task = asyncio.create_task(
            watched(client, list(handles), tmp_path / "a.csv", concurrency=4, watch=results.append)
        )
        await until(lambda: len(api.charges) >= pages)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        charged = len(api.charges)
        if results:
            result = results[-1]
            assert (result.total_credits_charged, result.maybe_charged, result.stop_reason) == (
                charged,
                0,
                "stopped",
            )
            assert len(rows_in(tmp_path / "a.csv")) <= 20 * charged
        await export_followers(client, list(handles), tmp_path / "a.csv")
        assert rows_in(tmp_path / "a.csv") == expected(api, handles)
        assert len(api.charges) == 6 * 5


async def test_a_second_cancellation_leaves_at_once(client_of: MakeClient, tmp_path: Path) -> None:
    """Nothing is waited for; what was on its way is uncertain, and no export is written."""
    results: list[Any] = []
    handles = {f"h{n}": 90 for n in range(6)}
    async with Emulator(handles, latency=30) as api:
        task = asyncio.create_task(
            watched(client_of(api), list(handles), tmp_path, concurrency=4, watch=results.append)
        )
        await until(lambda: len(api.charges) == 4)
        task.cancel()
        while not results[0].stopping:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(api.charges) == 4
    result = results[-1]
    assert (result.total_credits_charged, result.maybe_charged, result.exports) == (0, 4, ())
    assert result.stop_reason == "stopped"
    assert not (tmp_path / "followers.jsonl").exists()


async def test_a_full_disk(
    client_of: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pages that arrive when files may not grow: an error, nothing half there; then it goes on."""
    handles = {f"h{n}": 300 for n in range(8)}
    with Journal(tmp_path / "followers.journal"):
        pass
    async with Emulator(handles) as api:
        client = client_of(api)
        with files_end_at(200_000), refused(JournalError, "could not be written"):
            await export_followers(client, list(handles), tmp_path / "followers.csv", concurrency=3)
        assert "could not be written" not in caplog.text, "it is raised"
        charged = len(api.charges)
        saved = read_journal(tmp_path / "followers.journal")
        assert charged - 6 <= saved.credits_charged <= charged
        await export_followers(client, list(handles), tmp_path)
        assert rows_in(tmp_path / "followers.jsonl") == expected(api, handles)
        assert len(api.charges) == 8 * 15 + charged - saved.credits_charged


async def test_the_credit_limit_at_the_end_is_the_limit(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Requests in flight count to what is charged at the end."""
    async with Emulator({"ada": 500, "bo": 500}, latency=0.01) as api:
        client = client_of(api)
        lines = Lines(client, Voice(), str)
        said: set[str] = set()

        def see(event: BatchEvent) -> None:
            lines.see(event)
            said.update(text for name, text in lines._figures() if name == "at the end")

        files, asked = files_of(tmp_path / "x.csv", None), order(["ada", "bo"], max_credits=20)
        await run_batch(client, files, asked, "never", see)
    assert "20, the credit limit" in said
    assert {text for text in said if "the credit limit" in text} == {"20, the credit limit"}


@pytest.mark.parametrize(("status", "concurrency"), [(500, 1), (503, 1), (503, 2)])
async def test_what_an_outage_failed_is_asked_for_once_more(
    client_of: MakeClient, tmp_path: Path, status: int, concurrency: int
) -> None:
    """Of few lists side by side each has used up its attempts before the outage can be seen."""
    asked: list[str] = []

    def answer(seen: Seen) -> bytes:
        if "/followers" not in seen.target:
            return error(503)
        asked.append(seen.target)
        return error(status) if 3 <= len(asked) <= 6 else scripted_page(["a"])

    async with Scripted(by=answer) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=2, base=0.001, cap=0.002))
        names = [f"h{number}" for number in range(8)]
        shown: list[tuple[int, int]] = []
        result = await export_followers(
            client,
            names,
            tmp_path / "out.jsonl",
            concurrency=concurrency,
            progress=lambda now: shown.append((now.handles_done, now.handles_failed)),
        )

    assert (result.stop_reason, result.statuses) == ("complete", {"complete": 8})
    assert shown[-1] == (8, 0)
    assert (len(asked), result.maybe_charged) == (12, 4 if status == 500 else 0)


async def test_what_fails_alone_is_not_bought_on(client_of: MakeClient, tmp_path: Path) -> None:
    """A page that may be charged each time and never comes has its attempts, and no more."""
    asked: list[str] = []

    def answer(seen: Seen) -> bytes:
        asked.append(seen.target)
        return error(500) if "/h2/" in seen.target else scripted_page(["a"])

    async with Scripted(by=answer) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=2, base=0.001, cap=0.002))
        result = await export_followers(
            client, [f"h{number}" for number in range(5)], tmp_path / "out.jsonl", concurrency=1
        )

    assert result.statuses == {"complete": 4, "failed": 1}
    assert sum("/h2/" in target for target in asked) == 2
