"""Writing journals: resume, torn tails, locks, costs, and runs that end early."""

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from socialfetch_async import (
    AuthenticationError,
    FollowersPage,
    HandleDone,
    InsufficientCreditsError,
    InvalidHandleError,
    Journal,
    JournalError,
    RetryPolicy,
    SocialFetchClient,
    read_journal,
)
from socialfetch_async.emulator import Emulator
from tests.conftest import KEY, MakeClient, until
from tests.faults.kills import command, said
from tests.full_disk import files_end_at
from tests.journals import checked
from tests.scripted import Scripted, Seen, error, http, page

Rows = list[tuple[str, str | None, bytes]]


def rows_of(path: Path) -> Rows:
    """Return everything that is saved, byte for byte, once."""
    return [(p.handle, p.cursor, bytes(p.raw_followers)) for p in read_journal(path).pages()]


def lines_of(path: Path, kind: str = "") -> list[dict[str, Any]]:
    """Return the lines of a journal, all or of one type."""
    lines = [json.loads(line) for line in path.read_bytes().decode().splitlines()]
    return [line for line in lines if kind in {"", line["type"]}]


async def batch(client: SocialFetchClient, path: Path, handles: Any, **options: Any) -> Journal:
    """Fetch what is left, to the end, as the documentation says."""
    with Journal(path) as journal:
        async with client.iter_followers_many(journal.pending(handles), **options) as run:
            async for _ in journal.record(run):
                pass
    return journal


def twice(api: Emulator) -> int:
    """Return how many pages were charged once more."""
    return len(api.charges) - len({(charge.handle, charge.cursor) for charge in api.charges})


# -- going on ------------------------------------------------------------------------------------


async def test_a_finished_batch_sends_nothing_again(client_of: MakeClient, tmp_path: Path) -> None:
    """The file has every page with its price; pending is empty, whatever spelling is asked with."""
    path = tmp_path / "followers.journal"
    handles = ["ada", "@Bo ", "p", "gone"]
    async with Emulator({"ada": 95, "bo": 5, "p": "private"}) as api:
        client = client_of(api)
        journal = await batch(client, path, handles)
        assert (journal.credits_charged, journal.maybe_charged) == (len(api.charges), 0) == (8, 0)
        saved = read_journal(path)
        assert {h.handle: h.status for h in saved.handles.values()} == {
            "ada": "complete",
            "Bo": "complete",
            "gone": "not_found",
            "p": "private",
        }
        for handle in ("ada", "bo"):
            rows = [row for p in saved.pages(handle) for row in json.loads(bytes(p.raw_followers))]
            assert rows == api.followers(handle)
        before = len(api.requests)
        again = await batch(client, path, [h.upper() for h in handles])
        assert len(api.requests) == before
        assert again.credits_charged == 8
    assert KEY.encode() not in path.read_bytes()
    assert api.api_key.encode() not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) & 0o111 == 0


async def test_events_are_on_disk_before_they_are_seen(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """At each event its line is there; between two events the pages that wait are there, too."""
    path = tmp_path / "j"
    async with Emulator({f"u{i}": 65 for i in range(4)}) as api:
        with Journal(path) as journal:
            async with client_of(api).iter_followers_many(
                journal.pending([f"u{i}" for i in range(4)]), concurrency=3
            ) as run:
                async for event in journal.record(run):
                    kind = "page" if isinstance(event, FollowersPage) else "handle"
                    last = [(line["handle"], line["cursor"]) for line in lines_of(path, kind)]
                    assert (event.handle, event.cursor) in last
                    await asyncio.sleep(0.002)
                    assert (
                        len(lines_of(path, "page")) == run.pages_fetched == journal.credits_charged
                    )
        assert journal.pending() == {}


@pytest.mark.parametrize("ending", ["break", "error", "cancel"])
async def test_a_run_that_is_left_early_loses_no_page(
    client_of: MakeClient, tmp_path: Path, ending: str
) -> None:
    """What had arrived is saved although no loop saw it; what was on its way is uncertain."""
    path = tmp_path / "j"
    profiles = {f"u{i}": 300 for i in range(8)}

    async def partly(client: SocialFetchClient) -> None:
        async with client.iter_followers_many(journal.pending([*profiles]), concurrency=6) as run:
            async with aclosing(journal.record(run)) as events:  # type: ignore[type-var]
                seen = 0
                async for _ in events:
                    seen += 1
                    if seen == 7:
                        await until(lambda: client.usage.credits_charged >= 12)  # others arrive
                        if ending == "break":
                            break
                        if ending == "error":
                            raise KeyError
                        task = asyncio.current_task()
                        assert task is not None
                        task.cancel()

    async with Emulator(profiles, latency=0.001) as api:
        client = client_of(api)
        with Journal(path) as journal:
            try:
                await asyncio.ensure_future(partly(client))
            except (KeyError, asyncio.CancelledError):
                assert ending != "break"
            assert journal.credits_charged >= 12
        assert (
            journal.credits_charged
            <= len(api.charges)
            <= journal.credits_charged + journal.maybe_charged
        )
        assert [line["type"] for line in lines_of(path)][-1] == "close"
        assert (
            read_journal(path).maybe_charged
            == journal.maybe_charged
            == len(api.charges) - journal.credits_charged
        )
        end = await batch(client, path, [*profiles])
        assert twice(api) <= journal.maybe_charged
        assert end.credits_charged <= len(api.charges) <= end.credits_charged + end.maybe_charged
    assert {len(r) for r in rows_by_handle(path).values()} == {300}


def rows_by_handle(path: Path) -> dict[str, list[str]]:
    """Return the followers that are saved, by handle."""
    rows: dict[str, list[str]] = {}
    for saved in read_journal(path).pages():
        rows.setdefault(saved.handle, []).extend(follower.handle for follower in saved.followers)
    return rows


@pytest.mark.parametrize(
    ("options", "needed"),
    [({"max_credits": 5}, 3), ({"max_pages_per_handle": 2}, 4), ({"concurrency": 1}, 1)],
)
async def test_limits_go_on_the_next_time(
    client_of: MakeClient, tmp_path: Path, options: dict[str, int], needed: int
) -> None:
    """Run after run until nothing is left: every page bought once, all saved in order."""
    path = tmp_path / "j"
    profiles = {"a": 130, "b": 90, "c": 0, "p": "private"}
    async with Emulator(profiles) as api:  # type: ignore[arg-type]
        client = client_of(api)
        runs, left = 0, True
        while left:
            journal = await batch(client, path, [*profiles], **options)
            runs += 1
            assert journal.credits_charged == len(api.charges)
            left = bool(journal.pending([*profiles]))
        assert runs == needed
        assert twice(api) == 0
        for handle in ("a", "b"):
            assert rows_by_handle(path)[handle] == [r["handle"] for r in api.followers(handle)]
    status = {h.handle: h.status for h in read_journal(path).handles.values()}
    assert status == {"a": "complete", "b": "complete", "c": "complete", "p": "private"}


async def test_a_failed_handle_is_tried_again(client_of: MakeClient, tmp_path: Path) -> None:
    """Its error is in the file, as a sentence; then it goes on behind what is there."""
    path = tmp_path / "j"
    async with Emulator({"a": 50}) as api:
        api.script("a", None, *["502"] * 6)
        client = client_of(api)
        await batch(client, path, ["a"])
        failed = read_journal(path).handles["a"]
        assert (failed.status, failed.pages) == ("failed", 1)
        assert failed.error is not None
        assert "6 attempts" in failed.error
        assert failed.cursor is not None
        await batch(client, path, ["a"])
        assert read_journal(path).handles["a"].status == "complete"
        assert twice(api) == 0


@pytest.mark.parametrize(
    ("answer", "kind"), [(401, AuthenticationError), (402, InsufficientCreditsError)]
)
async def test_what_ends_a_run_comes_through(
    client_of: MakeClient, tmp_path: Path, answer: int, kind: type[Exception]
) -> None:
    """The error is the run's own, once and again, and the journal goes on afterwards."""
    path = tmp_path / "j"
    async with Scripted(page(["x"], "1"), error(answer), page(["y"])) as api:
        client = client_of(api)
        with Journal(path) as journal:
            async with client.iter_followers_many(journal.pending(["a"])) as run:
                events = journal.record(run)
                with pytest.raises(kind):
                    async for _ in events:
                        pass
                with pytest.raises(kind):
                    await anext(events)
            assert journal.pending(["a"]) == {"a": "1"}
            async with client.iter_followers_many(journal.pending(["a"])) as run:
                assert [e.handle async for e in journal.record(run)] == ["a", "a"]
        assert journal.pending(["a"]) == {}
        assert (journal.credits_charged, journal.maybe_charged) == (2, 0)
    assert [line["type"] for line in lines_of(path)].count("open") == 2


async def test_a_batch_that_begins_at_cursors_goes_on_from_them(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """A mapping, as another run's pending() is; asked for from the top, what is above comes."""
    path = tmp_path / "j"
    async with Emulator({"a": 130, "b": 45}) as api:
        client = client_of(api)
        async with client.iter_followers_many(["a", "b"], max_pages_per_handle=2) as run:
            async for _ in run:
                pass
        starts = run.pending()
        await batch(client, path, starts, max_pages_per_handle=2)
        assert read_journal(path).pending() == {"a": None, "b": None}
        await batch(client, path, starts)
        assert twice(api) == 0
        assert rows_by_handle(path)["a"] == [r["handle"] for r in api.followers("a")][40:]
        assert read_journal(path).pending(starts) == {}
        await batch(client, path, ["a", "b"])
        assert twice(api) == 4, "by the run that no journal has recorded"
        for handle, rows in rows_by_handle(path).items():
            assert rows == [r["handle"] for r in api.followers(handle)]
            assert read_journal(path).handles[handle].status == "complete"


@pytest.mark.parametrize(
    ("answers", "asked", "again"),
    [
        # In a circle: asking on would buy the same pages again and again.
        ({None: page(["x"], "1"), "1": page(["y"], "2"), "2": page(["z"], "1")}, 3, 0),
        # A repeat of the page before is charged, and is no page of the list.
        ({None: page(["x"], "1"), "1": page(["x"], "2"), "2": page(["y"])}, 2, 0),
    ],
    ids=["circle", "no progress"],
)
async def test_a_list_that_leads_nowhere(
    client_of: MakeClient,
    tmp_path: Path,
    answers: dict[str | None, bytes],
    asked: int,
    again: int,
) -> None:
    """It has failed; what was charged is in the cost or uncertain."""
    path = tmp_path / "j"
    async with Scripted(by=lambda seen: answers[seen.cursor]) as api:
        journal = await batch(client_of(api), path, ["a"])
        assert len(api.seen) == asked == journal.credits_charged + journal.maybe_charged
        assert read_journal(path).handles["a"].status == "failed"
        assert read_journal(path).maybe_charged == journal.maybe_charged
        journal = await batch(client_of(api), path, ["a"])
        assert len(api.seen) == asked + again == journal.credits_charged + journal.maybe_charged


# -- torn tails ----------------------------------------------------------------------------------

CUTS = Random(1)


async def small(path: Path) -> None:
    """Write a journal with text of every length of UTF-8."""
    async with (
        Scripted(by=list_of_four) as api,
        SocialFetchClient(KEY, base_url=api.base_url) as client,
    ):
        await batch(client, path, ["ada"], max_pages_per_handle=3)


def list_of_four(seen: Seen) -> bytes:
    """Answer with one of four pages of a list."""
    n = int(seen.cursor or "0")
    return with_bio(page([f"u{n}"], str(n + 1) if n < 3 else None), "ñ語🍜")


def with_bio(answer: bytes, bio: str) -> bytes:
    """Return a page whose followers say something of themselves, not escaped."""
    body = answer.partition(b"\r\n\r\n")[2].replace(b'"bio": null', f'"bio": "{bio}"'.encode())
    return http(200, body)


async def test_a_journal_cut_at_any_byte_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The whole lines are kept, the rest is cut off with a warning; then the batch is finished."""
    path = tmp_path / "j"
    expected: Rows = []
    async with Scripted(by=list_of_four) as api:
        async with SocialFetchClient(KEY, base_url=api.base_url) as client:
            await batch(client, tmp_path / "whole", ["ada"], max_pages_per_handle=3)
            whole = (tmp_path / "whole").read_bytes()
            ends = [n + 1 for n, byte in enumerate(whole) if byte == 10]
            await batch(client, tmp_path / "whole", ["ada"])
            expected = rows_of(tmp_path / "whole")
            assert [cursor for _, cursor, _ in expected] == [None, "1", "2", "3"]
            for cut in range(len(whole) + 1):
                path.write_bytes(whole[:cut])
                caplog.clear()
                with Journal(path, fsync="never") as journal:
                    kept = max((end for end in ends if end <= cut + 1), default=0)
                    pages = whole[:kept].count(b'{"type":"page"')
                    assert path.read_bytes().startswith(whole[:kept])
                    assert (path.stat().st_size == kept) == (kept > 0)
                    assert journal.credits_charged == pages
                    left = journal.pending(["ada"])
                    assert left == {"ada": str(pages) if pages else None}
                torn = max(0, cut - kept)
                assert caplog.messages == ([] if not torn else [cut_off(path, torn)])
                # As often as this takes a tenth of a second: around each end of a line, and at
                # some bytes of each.
                if {cut - 1, cut, cut + 1} & set(ends) or CUTS.random() < 0.01:
                    asked = len(api.seen)
                    await batch(client, path, ["ada"])
                    assert rows_of(path) == expected
                    assert len(api.seen) - asked == 4 - pages


def cut_off(path: Path, torn: int) -> str:
    """Return the warning about a torn line."""
    return (
        f"{path}: the last {torn} bytes are a line that was not written to its end; they are cut "
        "off. If it was a page, that page is bought again."
    )


@given(data=st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_a_loss_of_power_leaves_behind_is_torn(tmp_path: Path, data: st.DataObject) -> None:
    """NUL bytes in the place of text that did not arrive, with or without lines in them."""
    folder = tmp_path / "once"
    if not folder.exists():
        folder.mkdir()
        asyncio.run(small(folder / "whole"))
    whole = (folder / "whole").read_bytes()
    ends = [n + 1 for n, byte in enumerate(whole) if byte == 10]
    cut = data.draw(st.integers(ends[0], len(whole)))
    hole = data.draw(st.integers(1, 200))
    text = whole[:cut] + b"\0" * hole + data.draw(st.sampled_from([b"", b"\n", b"\0\n\0", b"x"]))
    path = tmp_path / "j"
    path.write_bytes(text)
    saved = read_journal(path)
    with Journal(path, fsync="never") as journal:
        assert (
            journal.credits_charged
            == saved.credits_charged
            == whole[: max(e for e in ends if e <= cut)].count(b'{"type":"page"')
        )
        assert path.read_bytes() == whole[: max(e for e in ends if e <= cut)]


# -- opening -------------------------------------------------------------------------------------


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be somebody whom permissions refuse: the superuser is not."""
    if os.geteuid():
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_folder_that_may_not_be_written() -> None:
    """Nor a file in it that may not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "j")
        path.write_bytes(b"")
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        for name in ("j", "new"):
            with as_nobody(), pytest.raises(JournalError) as caught:
                Journal(Path(folder, name)).__enter__()
            assert str(caught.value) == (
                f"{folder}/{name} cannot be written (Permission denied): name another file. "
                "No request was sent."
            )
        Path(folder).chmod(0o700)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "missing/j",
            "there is no folder {}/missing: make it, or name another file. No request was",
        ),
        ("file/j", "{}/file is not a folder: name another file. No request was sent."),
        ("folder", "{}/folder is a folder: name a file in it. No request was sent."),
        ("pipe", "{}/pipe is not a file: name another one. No request was sent."),
        ("/dev/null", "/dev/null is not a file: name another one. No request was sent."),
        pytest.param(
            "/proc/j",
            "/proc/j cannot be written (No such file or directory): name another file.",
            marks=pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc"),
        ),
        ("x" * 300, "cannot be written (File name too long): name another file. No request was"),
    ],
)
def test_what_can_not_be_opened(tmp_path: Path, name: str, says: str) -> None:
    """It is a sentence, before anything is sent; the superuser is refused here, too."""
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(JournalError, match=re.escape(says.format(tmp_path))):
        Journal(tmp_path / name).__enter__()


LOCKER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    """By the name of the file, and before it reads or repairs anything."""
    path = tmp_path / "j"
    with Journal(path):
        pass
    with path.open("ab") as file:
        file.write(b'{"type":"pa')
    content = path.read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", LOCKER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(JournalError, match=f"{re.escape(str(path))} is being written by an"):
            Journal(path).__enter__()
        assert path.read_bytes() == content
        assert read_journal(path).broken_lines == 0
        other.stdin.close()
    with Journal(path):
        pass


def test_a_second_journal_of_this_process_is_refused(tmp_path: Path) -> None:
    """Until the first is closed, and also by another name of the file."""
    (tmp_path / "link").symlink_to("j")
    with Journal(tmp_path / "j"):
        for name in ("j", "link"):
            with pytest.raises(JournalError, match="or a second time by this one"):
                Journal(tmp_path / name).__enter__()
    with Journal(tmp_path / "j"):
        pass


def test_misuse_is_said(tmp_path: Path) -> None:
    """Not opened, opened twice, closed, another fsync, handles that are none."""
    journal = Journal(tmp_path / "j")
    for use in (journal.pending, lambda: journal.credits_charged, lambda: journal.maybe_charged):
        with pytest.raises(RuntimeError, match="open the journal first"):
            use()
    assert repr(journal) == f"<Journal {tmp_path / 'j'} closed>"
    with journal:
        assert repr(journal) == f"<Journal {tmp_path / 'j'} open>"
        with pytest.raises(RuntimeError, match="opened once"):
            journal.__enter__()
        with pytest.raises(InvalidHandleError):
            journal.pending(["a b"])
        with pytest.raises(ValueError, match="cursor must not be empty"):
            journal.pending({"a": ""})
        with pytest.raises(TypeError, match="handles must be an iterable"):
            journal.pending("ada")
    assert (journal.credits_charged, journal.maybe_charged, journal.pending()) == (0, 0, {})
    with pytest.raises(ValueError, match='fsync must be "page", "second" or "never", not 1'):
        Journal(tmp_path / "j", fsync=1)  # type: ignore[arg-type]
    assert len(lines_of(tmp_path / "j")) == 1


# -- what it cost --------------------------------------------------------------------------------


async def test_what_failed_attempts_may_have_cost_is_written_at_once(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """With the next event: a kill must not hide it."""
    path = tmp_path / "j"
    async with Emulator({"a": 90}) as api:
        api.script("a", None, "lose", "lose", None, "lose")
        with Journal(path) as journal:
            async with client_of(api).iter_followers_many(["a"], concurrency=1) as run:
                async for event in journal.record(run):
                    if isinstance(event, FollowersPage):
                        killed = read_journal(path)
                        assert (
                            killed.credits_charged
                            <= len(api.charges)
                            <= killed.credits_charged + killed.maybe_charged
                        )
            assert (journal.credits_charged, journal.maybe_charged) == (5, 3)
        assert len(api.charges) == 8
    assert [line["maybe_charged"] for line in lines_of(path, "maybe_charged")] == [2, 3]
    assert [line["maybe_charged"] for line in lines_of(path, "close")] == [3]
    assert read_journal(path).maybe_charged == 3


class AheadLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be put forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def test_without_events_it_is_written_once_a_second(tmp_path: Path) -> None:
    """In an outage nothing arrives for minutes, and failed attempts may cost all the same."""
    path = tmp_path / "j"
    patient = RetryPolicy(base=100.0, cap=100.0)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, AheadLoop)
        async with (
            Emulator({"a": 5, "b": 5}, faults={"lose": 1.0}) as api,
            SocialFetchClient(api.api_key, base_url=api.base_url, retry=patient) as client,
        ):
            with Journal(path) as journal:
                async with client.iter_followers_many(["a", "b"]) as run:
                    pulling = asyncio.ensure_future(anext(journal.record(run)))
                    await until(lambda: run.maybe_charged >= 2)
                    assert lines_of(path, "maybe_charged") == []
                    loop.ahead += 1.01
                    await until(lambda: lines_of(path, "maybe_charged"))
                    loop.ahead += 1.01
                    await asyncio.sleep(0.005)
                    pulling.cancel()
        noted = [line["maybe_charged"] for line in lines_of(path, "maybe_charged")]
        assert noted == sorted(set(noted))  # a line for each growth, and none without
        assert noted[0] >= 2
        assert (journal.credits_charged, journal.maybe_charged) == (0, len(api.charges))

    with asyncio.Runner(loop_factory=AheadLoop) as runner:
        runner.run(asyncio.wait_for(main(), 60))


@pytest.mark.jumping
async def test_while_a_run_goes_on_what_is_on_its_way_is_uncertain(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """And when it has ended it is not any more."""
    async with Emulator({f"u{i}": 5 for i in range(4)}, latency=1) as api:
        with Journal(tmp_path / "j") as journal:
            async with client_of(api).iter_followers_many([f"u{i}" for i in range(4)]) as run:
                events = journal.record(run)
                assert journal.maybe_charged == 0
                await anext(events)
                assert journal.credits_charged + journal.maybe_charged == 4
                async for _ in events:
                    assert journal.credits_charged + journal.maybe_charged == 4
            assert (journal.credits_charged, journal.maybe_charged) == (4, 0)


async def test_runs_side_by_side_in_one_journal(client_of: MakeClient, tmp_path: Path) -> None:
    """Each event once; the cost of all, and for a kill the pages of all."""
    path = tmp_path / "j"
    profiles = {"a": 200, "b": 160}
    async with Emulator(profiles, latency=0.001) as api:
        api.script("a", None, None, "lose")
        client = client_of(api)

        async def some(handles: list[str], concurrency: int) -> None:
            async with client.iter_followers_many(handles, concurrency=concurrency) as run:
                async for _ in journal.record(run):
                    pass
                assert journal.record(run) is journal.record(run)

        with Journal(path) as journal:
            await asyncio.gather(some(["a", "d"], 2), some(["b", "e", "f", "g"], 3))
            await some(["c"], 4)
        assert len(api.charges) == journal.credits_charged + journal.maybe_charged == 24
        assert read_journal(path).maybe_charged == journal.maybe_charged == 1
    assert [line["concurrency"] for line in lines_of(path, "open")] == [2, 5, 1]
    assert {h: len(r) for h, r in rows_by_handle(path).items()} == {
        **profiles,
        **dict.fromkeys("cdefg", 0),
    }


async def test_a_journal_inside_its_run_is_refused_to_go_on(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """The wrong way round: the run is stopped, and what is on its way is counted as uncertain."""
    path = tmp_path / "j"
    profiles = {f"u{i}": 200 for i in range(5)}
    async with Emulator(profiles, latency=0.005) as api:
        async with client_of(api).iter_followers_many([*profiles], concurrency=5) as run:
            with Journal(path) as journal:
                events = journal.record(run)
                await anext(events)
            with pytest.raises(RuntimeError, match="stands outside the `async with` of the run"):
                await anext(events)
            with pytest.raises(RuntimeError, match="the journal is closed"):
                journal.record(run)
            async for _ in run:
                pass
        assert len(api.charges) <= 10
        assert (
            journal.credits_charged
            <= len(api.charges)
            <= journal.credits_charged + journal.maybe_charged
        )
        assert read_journal(path).maybe_charged == journal.maybe_charged


async def test_what_came_before_record_is_saved_too(client_of: MakeClient, tmp_path: Path) -> None:
    """A loop that begins late misses nothing."""
    async with Emulator({"a": 45}) as api:
        with Journal(tmp_path / "j") as journal:
            async with client_of(api).iter_followers_many(["a"], concurrency=5) as run:
                await until(lambda: run.pages_fetched >= 3)
                events = [event async for event in journal.record(run)]
        assert [type(event) for event in events] == [FollowersPage] * 3 + [HandleDone]
        assert journal.credits_charged == 3


async def test_times_never_go_back(client_of: MakeClient, tmp_path: Path) -> None:
    """Also when the clock was set back: what was saved last has to be what came last."""
    path = tmp_path / "j"
    async with Emulator({"a": 45}) as api:
        client = client_of(api)
        await batch(client, path, ["a"], max_pages_per_handle=1)
        text = path.read_bytes()
        later = b'{"type":"close","at":"2199-01-01T00:00:00Z","maybe_charged":0}'
        path.write_bytes(text + checked(later))
        await batch(client, path, ["a"])
    times = [datetime.fromisoformat(line["at"]) for line in lines_of(path)]
    assert times == sorted(times)
    assert times[-1].year == 2199
    assert read_journal(path).handles["a"].status == "complete"


# -- the disk ------------------------------------------------------------------------------------


@contextmanager
def counting(name: str) -> Iterator[list[str]]:
    """Count the calls of a function of the interpreter's own, while it stays what it is."""
    calls: list[str] = []

    def seen(_: object, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ == name:
            calls.append(name)

    sys.setprofile(seen)
    try:
        yield calls
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(
    ("fsync", "least", "most"), [("page", 15, 30), ("second", 4, 8), ("never", 0, 0)]
)
async def test_lines_are_synced_as_asked(
    client_of: MakeClient, tmp_path: Path, fsync: Any, least: int, most: int
) -> None:
    """Each; or now and then, a new file's folder and at the end; or never."""
    async with Emulator({"a": 200}) as api:
        client = client_of(api)
        with counting("fsync") as calls:
            with Journal(tmp_path / "j", fsync=fsync) as journal:
                async with client.iter_followers_many(["a"]) as run:
                    async for _ in journal.record(run):
                        pass
    assert least <= len(calls) <= most


def free(*answers: int | None) -> Callable[[int], int | None]:
    """Return a disk that has so many bytes free, and the last number from then on."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


ROOM = 11 * 64 * 1024  # bytes, for ten pages on their way


async def test_a_disk_that_is_nearly_full_ends_the_run_in_order(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """No new request; all that is paid for is saved and seen, then the error says what to do."""
    path = tmp_path / "j"
    profiles = {f"u{i}": 200 for i in range(20)}
    async with Emulator(profiles, latency=0.001) as api:
        client = client_of(api)
        disk = free(ROOM, *[ROOM] * 15, ROOM - 1)
        seen = 0
        with Journal(path, _free_bytes=disk) as journal:
            async with client.iter_followers_many([*profiles]) as run:
                with pytest.raises(JournalError) as caught:
                    async for event in journal.record(run):
                        seen += isinstance(event, FollowersPage)
        assert str(caught.value) == (
            f"{path}: the disk is nearly full, {ROOM - 1:,} bytes are free. The run was stopped. "
            "Every page that was paid for is in the file. See to the disk and run the same again: "
            "it goes on from there."
        )
        assert seen == journal.credits_charged == len(api.charges)
        assert 14 <= seen <= 30
        await batch(client, path, [*profiles])
        assert twice(api) == 0
    assert {len(rows) for rows in rows_by_handle(path).values()} == {200}


async def test_large_pages_need_more_room(client_of: MakeClient, tmp_path: Path) -> None:
    """Twice the largest line for each page that may be on its way, and one more."""
    bio = "x" * 200_000
    body = (
        page(["a"], "1")
        .partition(b"\r\n\r\n")[2]
        .replace(b'"bio": null', f'"bio":"{bio}"'.encode())
    )
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    async with Scripted(large, page(["b"], "2"), page(["c"])) as api:
        with pytest.raises(JournalError, match="nearly full, 800,000 bytes"):
            with Journal(tmp_path / "j", _free_bytes=free(800_000)) as journal:
                async with client_of(api).iter_followers_many(["a"], concurrency=1) as run:
                    async for _ in journal.record(run):
                        pass
        assert len(api.seen) == journal.credits_charged == 1


@pytest.mark.parametrize("free_bytes", [0, 2 * 64 * 1024 - 1])
def test_a_full_disk_is_seen_at_opening(tmp_path: Path, free_bytes: int) -> None:
    """Before anything is sent; a torn line is not even cut."""
    (tmp_path / "j").write_bytes(b'{"type":"hea')
    with pytest.raises(
        JournalError, match=f"the disk is full, {free_bytes:,} bytes.*No request was"
    ):
        Journal(tmp_path / "j", _free_bytes=free(free_bytes)).__enter__()
    assert (tmp_path / "j").read_bytes() == b'{"type":"hea'


async def test_a_disk_too_full_for_the_run_stops_it_before_it_asks(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """There was room to open the journal, and there is none for `concurrency` pages."""
    async with Emulator() as api:
        with pytest.raises(JournalError, match="nearly full"):
            with Journal(tmp_path / "j", _free_bytes=free(ROOM - 1)) as journal:
                async with client_of(api).iter_followers_many(map("u{}".format, range(99))) as run:
                    async for _ in journal.record(run):
                        pass
        assert api.requests == []


async def test_after_a_failure_no_further_run_begins(client_of: MakeClient, tmp_path: Path) -> None:
    """The disk has not become larger: another run of the same journal sends nothing."""
    async with Emulator() as api:
        client = client_of(api)
        with Journal(tmp_path / "j", _free_bytes=free(ROOM, ROOM, 1)) as journal:
            for handle in ("a", "b"):
                async with client.iter_followers_many([handle]) as run:
                    with pytest.raises(JournalError, match="nearly full"):
                        async for _ in journal.record(run):
                            pass
        assert {request.handle for request in api.requests} <= {"a"}


async def test_lines_that_wait_are_written_when_there_is_room_again(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """In their order, at the latest at the end of the run: then no page is lost after all."""
    path = tmp_path / "j"
    profiles = {f"u{i}": 200 for i in range(5)}
    async with Emulator(profiles, latency=0.001) as api:
        with Journal(path) as journal:
            async with client_of(api).iter_followers_many([*profiles], concurrency=5) as run:
                with files_end_at(FULL // 4):
                    events = journal.record(run)
                    seen = 0
                    while seen < run.pages_fetched or run.reserved or not seen:
                        seen += isinstance(await anext(events), FollowersPage)
                    assert journal.credits_charged < run.pages_fetched
                with pytest.raises(JournalError, match=r"File too large.* Every page that was"):
                    async for event in events:
                        assert isinstance(event, HandleDone)
                assert journal.credits_charged == run.pages_fetched == len(api.charges)
        assert (journal.credits_charged, journal.maybe_charged) == (len(api.charges), 0)
        await batch(client_of(api), path, [*profiles])
        assert twice(api) == 0
    assert {len(rows) for rows in rows_by_handle(path).values()} == {200}


async def test_a_disk_that_does_not_say_is_written_to(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Some file systems know no numbers."""
    async with Emulator({"a": 45}) as api:
        with Journal(tmp_path / "j", _free_bytes=free(None)) as journal:
            async with client_of(api).iter_followers_many(["a"]) as run:
                async for _ in journal.record(run):
                    pass
        assert journal.credits_charged == 3


async def test_a_disk_without_room_for_a_header(tmp_path: Path) -> None:
    """It is an error of opening: nothing is sent."""
    path = tmp_path / "j"
    async with Emulator() as api:
        error = await said(await command(api, path, ["a"], 10, 20))
        assert error == f"{path} cannot be used: File too large. No request was sent."
        assert api.requests == []
        assert path.read_bytes() == b""
        assert await said(await command(api, path, ["a"], 10)) is None


async def test_an_error_that_nobody_waited_for_comes_at_the_end(
    client_of: MakeClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A loop that was left is told by the `with`; one that raised has its own error, and a log."""
    async with Emulator({"a": 400}) as api:

        async def leave(why: type[Exception] | None) -> None:
            with Journal(tmp_path / "j", _free_bytes=free(ROOM, ROOM, 1)) as journal:
                async with client_of(api).iter_followers_many(journal.pending(["a"])) as run:
                    async for _ in journal.record(run):
                        if why is not None:
                            raise why
                        break

        with pytest.raises(JournalError, match="nearly full"):
            await leave(None)
        assert caplog.messages == []
        with pytest.raises(KeyError):
            await leave(KeyError)
        assert len(caplog.messages) == 1
        assert "nearly full" in caplog.messages[0]


FULL = 400_000  # bytes


@contextmanager
def file_limit(_: Path) -> Iterator[int]:
    """Let the system say that files are full, to the child alone."""
    yield FULL


@contextmanager
def small_disk(folder: Path, size: int = 3 * FULL) -> Iterator[int]:
    """Mount a disk in the place of the folder: room for a while."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    subprocess.run(command, capture_output=True, check=True)
    try:
        yield 0
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def full_at_once(folder: Path) -> Iterator[int]:
    """Mount one that is full from one line to the next, as when others write to it, too."""
    with small_disk(folder, FULL):
        yield -1


def full_disks() -> list[Any]:
    """Return the ways to fill a disk that this process has: not everybody may mount one."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder)):
                return [file_limit, small_disk, full_at_once]
        except (OSError, subprocess.CalledProcessError):
            return [file_limit]


@pytest.mark.parametrize("full_disk", full_disks())
async def test_a_full_disk_costs_only_what_was_on_its_way(tmp_path: Path, full_disk: Any) -> None:
    """Every whole page is kept, nothing of a broken one; with room the same command goes on."""
    folder = tmp_path / "disk"
    folder.mkdir()
    path, roomy = folder / "j", tmp_path / "j"
    profiles = {f"u{i}": 200 for i in range(8)}
    async with Emulator(profiles, latency=0.001) as api:
        with full_disk(folder) as limit:
            said_first = await said(await command(api, path, [*profiles], 10, limit))
            text = path.read_bytes()
            saved = read_journal(path)
        charged = len(api.charges)
        assert 20 <= charged < 80
        assert said_first is not None
        lost = re.search(r"(\d+) pages? that were paid for could not be kept", said_first)
        assert charged == saved.credits_charged + (int(lost[1]) if lost is not None else 0)
        reasons = {
            file_limit: "a line could not be written (File too large)",
            small_disk: "the disk is nearly full",
            full_at_once: "a line could not be written (No space left on device)",
        }
        assert reasons[full_disk] in said_first
        assert (charged == saved.credits_charged) == (full_disk is small_disk)
        assert text.endswith(b"\n")
        assert saved.broken_lines == 0
        assert saved.credits_charged <= charged <= saved.credits_charged + saved.maybe_charged
        roomy.write_bytes(text)
        assert await said(await command(api, roomy, [*profiles], 10)) is None
        assert twice(api) == charged - saved.credits_charged <= 10
    assert {len(rows) for rows in rows_by_handle(roomy).values()} == {200}
