"""`socialfetch export`, `convert`, `report` and `diff`, each in a process of its own."""

import asyncio
import csv
import fcntl
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from socialfetch_async import Journal, read_journal
from socialfetch_async.emulator import Emulator
from socialfetch_async.export.outputs import FORMATS
from tests.batches import expected
from tests.commands import (
    COMMAND,
    KEY,
    ROOT,
    Done,
    Terminal,
    ended,
    environment,
    run,
    send,
    started,
)
from tests.conftest import until
from tests.journals import done as ended_line, page, write


def emulator(profiles: dict[str, Any], **options: Any) -> Emulator:
    """Return an emulator that accepts the key of these tests alone."""
    return Emulator(profiles, api_keys=[KEY], **options)


def listed(folder: Path, *handles: str) -> str:
    """Write a file of handles and return its name."""
    path = folder / "handles of mine.txt"
    path.write_text("".join(f"{handle}\n" for handle in handles))
    return str(path)


def rows(path: Path) -> list[tuple[str, int, str]]:
    """Return source, position and handle of every row of a file of JSON lines."""
    lines = map(json.loads, path.read_bytes().splitlines())
    return [(line["source"], line["position"], line["handle"]) for line in lines]


def paid(api: Emulator) -> int:
    """Return how many paid requests came."""
    return sum(request.handle is not None for request in api.requests)


# -- a batch ------------------------------------------------------------------------------------


async def test_a_batch_ends_and_is_done(tmp_path: Path) -> None:
    """0: the files, what they hold and what it cost are on stderr, and nothing on stdout."""
    handles = {"ada": 45, "bo": "private", "cy": 20}
    async with emulator(handles) as api:
        name = listed(tmp_path, *handles, "@ADA")
        arguments = ("export", name, "-o", str(tmp_path / "out"))
        done = await run(api, *arguments, "--format=jsonl", "--format=csv")
        assert rows(tmp_path / "out/followers.jsonl") == expected(api, handles)
        requests = len(api.requests)
        again = await run(api, *arguments)
        assert len(api.requests) == requests
    assert (done.code, done.out) == (0, "")
    for line in (
        "line 4: ADA is already in line 1",
        "ada: complete, 45 followers, 3 credits",
        "bo: private, 1 credit",
        "3 handles: 2 complete, 1 private",
        "5 credits charged; this run: 5 credits, 5 pages, 65 followers",
    ):
        assert f"{line}\n" in done.err
    assert "followers.csv: 65 followers of 3 handles, " in done.err
    assert "Resume with" not in done.err
    assert (again.code, again.out) == (0, "")
    assert "this run: 0 credits, 0 pages, 0 followers\nnewest data from 20" in again.err


async def test_a_limit_and_how_to_raise_it(tmp_path: Path) -> None:
    """5; the same command spends nothing, the printed one goes on, with all other options."""
    handles = {"ada": 100, "bo": 90}
    async with emulator(handles) as api:
        options = ["--max-credits=6", "--concurrency=1", "--fsync=never", "--trim", "--spreadsheet"]
        arguments = ["export", listed(tmp_path, *handles), "-o", str(tmp_path / "a.csv"), *options]
        first = await run(api, *arguments)
        second = await run(api, *arguments)
        assert (first.code, second.code, len(api.charges)) == (5, 5, 6)
        told = "The limit of 6 credits is reached. The command below spends up to 6 more.\n"
        assert told in first.err
        assert first.says("Resume with") == second.says("Resume with")
        command = first.says("Resume with")
        assert command[:4] == arguments[:4]
        assert sorted(command[4:]) == sorted(["--max-credits=12", *options[1:]])
        third = await run(api, *first.says("Resume with"))
        assert (third.code, len(api.charges)) == (0, 10)
        assert all("trim=true" in request.query for request in api.requests if request.handle)
    assert "unfinished: 1 handle: bo" in first.err
    assert "1 list is not complete (bo)" in first.err


async def test_an_estimate_that_is_stopped_says_what_is_kept(tmp_path: Path) -> None:
    """And how to resume it: with the same command."""
    handles = [f"u{number}" for number in range(8)]
    async with emulator(dict.fromkeys(handles, 70), latency=0.02) as api:
        arguments = ["export", listed(tmp_path, *handles), "-o", str(tmp_path / "o.csv")]
        arguments += ["--estimate", "--concurrency=2"]
        async with started(
            *arguments,
            env=environment(api),
            stdout=PIPE,
            stderr=PIPE,
        ) as process:
            await until(lambda: len(api.charges) >= 3)
            api.latency = 1  # so that the signal comes before the end
            process.send_signal(signal.SIGTERM)
            done = await ended(process)
        assert done.code == 143
        assert f"first pages are kept in {tmp_path / 'o.journal'}" in done.err
        resumed = await run(api, *done.says("Resume with"))
        assert (resumed.code, len(api.charges)) == (0, 8)


async def test_an_estimate_says_the_price_and_the_command(tmp_path: Path) -> None:
    """A credit for each list; `--yes` goes on; a refresh is typed, and the age is said."""
    async with emulator({"ada": 100, "bo": "private"}) as api:
        arguments = ["export", listed(tmp_path, "ada", "bo"), "-o", str(tmp_path / "o.csv")]
        done = await run(api, *arguments, "--estimate")
        assert (done.code, len(api.charges)) == (0, 2)
        assert "ada: 100 followers, 4 credits left to buy" in done.err
        assert "bo: private" in done.err
        assert "in all 100 followers, 4 credits left to buy" in done.err
        refused = await run(api, *arguments, "--estimate", "--refresh=new")
        assert (refused.code, len(api.charges)) == (2, 2)
        assert "--dry-run" in refused.err
        assert "To buy the rest: socialfetch export" in done.err
        done = await run(api, *arguments, "--estimate", "--yes")
        assert (done.code, len(api.charges)) == (0, 6)
        done = await run(api, *arguments, "--estimate")
        assert (done.code, "To buy the rest" in done.err) == (0, False)
        done = await run(api, *arguments)
        assert "newest data from 20" in done.err
        api.gain("ada", 5)
        done = await run(api, *arguments, "--refresh=new", "--max-credits=1")
        assert (done.code, len(api.charges)) == (5, 7)
        assert "--refresh=new" in done.says("Resume with")
        done = await run(api, *arguments)
        rest = (
            "not finished: 0 of 2 handles done, 1 credit so far. To continue it, add --refresh=new"
        )
        assert f"Refresh (new) {rest}" in done.err
        done = await run(api, *arguments, "--refresh=new")
        assert done.code == 0
        charged = len(api.charges)
        await run(api, *arguments, "--refresh=new", "--older-than=7d")
        assert len(api.charges) == charged
        done = await run(api, *arguments, "--settle")
        assert "possibly charged besides the pages: up to 0 credits" in done.err


async def test_an_estimate_that_reaches_the_limit(tmp_path: Path) -> None:
    """5; it says how many handles it has not looked up, and the command that does."""
    async with emulator({"ada": 100, "bo": 45, "cy": 5, "dee": 5}) as api:
        arguments = ["export", listed(tmp_path, "ada", "bo", "cy", "dee")]
        arguments += ["-o", str(tmp_path / "o.csv"), "--estimate", "--max-credits=2", "--json"]
        done = await run(api, *arguments, "--concurrency=1")
        assert (done.code, len(api.charges)) == (5, 2)
        assert "cy: not looked up\n" in done.err
        assert "not among them: 2 handles not looked up, at least 1 credit each" in done.err
        assert (
            "The limit of 2 credits is reached. The command below spends up to 2 more" in done.err
        )
        (found,) = done.rows
        assert (found["not_asked"], found["stop_reason"]) == (2, "max_credits")
        done = await run(api, *done.says("To look up the rest"))
        assert (done.code, len(api.charges)) == (0, 4)
        assert "not looked up" not in done.err


async def test_an_interrupted_refresh_says_how_far_it_is(tmp_path: Path) -> None:
    """Handles done of all, and its credits so far, also after Ctrl-C."""
    handles = {f"profile.{n}": 30 for n in range(8)}
    async with emulator(handles) as api:
        arguments = ["export", listed(tmp_path, *handles), "-o", str(tmp_path / "o.csv")]
        await run(api, *arguments)
        api.latency = 0.05
        arguments += ["--refresh=new", "--concurrency=1"]
        async with started(*arguments, env=environment(api), stdout=PIPE, stderr=PIPE) as process:
            await until(lambda: len(api.charges) >= 16 + 2)
            api.latency = 1  # so that the signal comes before the end
            process.send_signal(signal.SIGINT)
            done = await ended(process)
        bought = len(api.charges) - 16
        assert done.code == 130
        credits_ = f"{bought} credit{'s' * (bought > 1)} so far"
        assert f"Refresh (new) not finished: {bought} of 8 handles done, {credits_}" in done.err
        assert (await run(api, *done.says("Resume with"))).code == 0
        assert len(api.charges) == 16 + 8


@pytest.mark.parametrize(
    ("typed", "code", "charges"), [(b"y\n", 0, 3), (b"\n", 0, 1), (b"\x03", 130, 1)]
)
async def test_a_terminal_is_asked_whether_to_buy_the_rest(
    tmp_path: Path, typed: bytes, code: int, charges: int
) -> None:
    """`y` buys it; what else is typed, and Ctrl-C, says the command that does."""
    async with emulator({"ada": 45}) as api:
        command = ("export", "--handle=ada", "-o", str(tmp_path / "out"), "--estimate")
        with Terminal() as terminal:
            async with started(
                *command, env=environment(api), start_new_session=True,
                stdin=terminal.slave, stdout=DEVNULL, stderr=terminal.slave,
            ) as process:  # fmt: skip
                await until(lambda: "Buy the rest for 2 credits? [y/N]" in terminal.text)
                if typed == b"\x03":
                    process.send_signal(signal.SIGINT)
                else:
                    terminal.type(typed)
                assert (await ended(process)).code == code
            assert len(api.charges) == charges
            bought = charges > 1
            assert ("To buy the rest: socialfetch export --handle=ada" in terminal.text) != bought


async def test_some_handles_failed(tmp_path: Path) -> None:
    """1, with their sentence; the printed command buys what they lack."""
    async with emulator({"ada": 45, "bo": 45}, retry_after=7200) as api:
        api.script("ada", None, "503")
        done = await run(api, "export", listed(tmp_path, "ada", "bo"), "-o", str(tmp_path / "o"))
        assert done.code == 1
        host = api.base_url.partition("//")[2]
        assert f"ada: failed: {host}: the API responded with 503" in done.err
        rest = await run(api, *done.says("Resume with"))
        assert (rest.code, len(api.charges)) == (0, 6)


async def test_the_key_is_refused_and_credits_run_out(tmp_path: Path) -> None:
    """3 and 4; what was paid for is kept and exported, and the printed command goes on."""
    async with emulator({"ada": 70, "bo": 1}, credits=2) as api:
        arguments = ("export", listed(tmp_path, "ada", "bo"), "-o", str(tmp_path / "a.jsonl"))
        refused = await run(api, *arguments, SOCIALFETCH_API_KEY="sfk_wrong_9876543210")
        assert (refused.code, len(api.charges)) == (3, 0)
        assert refused.err.count("401") == 1
        done = await run(api, *arguments)
        assert (done.code, len(api.charges)) == (4, 2)
        assert "402" in done.err
        assert len(rows(tmp_path / "a.jsonl")) >= 20
        api.credits = 10
        rest = await run(api, *done.says("Resume with"))
        assert (rest.code, len(api.charges)) == (0, 5)
        assert rows(tmp_path / "a.jsonl") == expected(api, ["ada", "bo"])


async def test_handles_from_stdin(tmp_path: Path) -> None:
    """`-`, and the printed command says that the same list is needed again."""
    async with emulator({"ada": 50}) as api:
        done = await run(
            api, "export", "-", "-o", str(tmp_path / "o"), "--max-credits=1", given=b"ada\n"
        )
        assert done.code == 5
        told = "Send the same handles to stdin.\nResume with: socialfetch export - -o"
        assert told in done.err


CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
USAGE = [
    (["bad.txt", "-o", "out"], "line 2: 'b o' is not a handle"),
    (["users.csv", "-o", "out"], "line 1 looks like a header: 'User'. If it is one, add --column"),
    (["users.csv", "-o", "out", "--column=x"], "Its columns are 'User'. No request was sent."),
    (["users.csv", "-o", "out", "--column=user", "--no-header"], "exclude each other"),
    (["good.txt"], "--output"),
    (["good.txt", "-o", "text/where"], "cannot be written: Not a directory"),
    (["good.txt", "-o", "held"], "is being written by another process"),
    (["good.txt", "-o", "out", "--older-than=7d"], "--older-than belongs to a refresh"),
    (["good.txt", "-o", "out", "--refresh=new", "--older-than=7w"], "s, m, h or d"),
]
OFFLINE = [
    (["convert", "no.journal", "-o", "a.csv"], "cannot be read"),
    (["convert", "a.journal", "-o", "a.xlsx"], "or name one with --format"),
    (["convert", "a.journal", "-o", "text/a.csv"], "was not written"),
    (["report", "text", "-o", "r.html"], "is not a journal"),
    (["diff", "a.journal", "a.journal"], "several handles: name the one"),
]


async def test_usage_errors_send_nothing(tmp_path: Path) -> None:
    """2, with a sentence, before anything is spent or written."""
    (tmp_path / "bad.txt").write_text("ada\nb o\n")
    (tmp_path / "good.txt").write_text("ada\n")
    (tmp_path / "users.csv").write_text("User\n@ada\n")
    (tmp_path / "text").write_text("text\n")
    (tmp_path / "held").mkdir()
    write(tmp_path / "a.journal", page("ada", ["x"]), page("bo", ["x"]))
    cases = [(["export", *arguments], words) for arguments, words in USAGE] + OFFLINE
    before = names_in(tmp_path)
    async with emulator({"ada": 1}) as api:

        async def check(arguments: list[str], words: str) -> None:
            done = await run(api, *arguments, cwd=tmp_path)
            assert (done.code, done.out) == (2, ""), arguments
            assert words in done.err, arguments

        with Journal(tmp_path / "held/followers.journal"):
            for some in (cases[0::4], cases[1::4], cases[2::4], cases[3::4]):
                await asyncio.gather(*(check(*case) for case in some))
        assert api.requests == []
    assert names_in(tmp_path) - before <= {"out"}


async def test_a_current_folder_that_was_deleted(tmp_path: Path) -> None:
    """2, and what is wrong, for buying and offline."""
    journal = write(tmp_path / "a.journal", page("ada", ["x"]))
    async with emulator({"ada": 1}) as api:
        for arguments in (
            ("export", "--handle=ada", "-o", "x.csv"),
            ("convert", str(journal), "-o", "x.csv"),
            ("report", str(journal), "-o", "x.html"),
        ):
            program = f"mkdir gone; cd gone; rmdir ../gone; {shlex.join([*COMMAND, *arguments])}"
            shell = await asyncio.create_subprocess_shell(
                program,
                cwd=tmp_path,
                env=environment(api, PYTHONPATH=str(ROOT)),
                stdout=PIPE,
                stderr=PIPE,
            )
            done = await ended(shell)
            assert (done.code, done.out) == (2, ""), arguments
            assert "the current folder was deleted. Change to another one." in done.err
        assert api.requests == []


async def test_a_few_handles_without_a_connection(tmp_path: Path) -> None:
    """6, and why: also if they are too few to end the batch. An estimate says it as well."""
    async with emulator({"ada": 5}) as api:
        closed = api.base_url
    name, out = listed(tmp_path, "ada", "bo"), str(tmp_path / "x.csv")
    arguments = ("export", name, "-o", out, "--retries=0")
    for more in ((), ("--quiet",)):
        done = await run(None, *arguments, *more, SOCIALFETCH_BASE_URL=closed)
        assert (done.code, done.err.count("no connection to the API")) == (6, 1)
    done = await run(None, *arguments, "--estimate", SOCIALFETCH_BASE_URL=closed)
    assert done.code == 1
    assert "ada: failed: no connection to the API" in done.err
    assert "and 1 more handle\n" in done.err
    async with emulator({"ada": 5, "bo": 5}) as api:
        again = await run(api, *arguments)
    assert again.code == 0


async def test_a_short_patience_is_no_longer_than_the_default(tmp_path: Path) -> None:
    """6, when it is over: also if the API has never answered."""
    async with emulator({"ada": 5}) as api:
        closed = api.base_url
    name = listed(tmp_path, *(f"h{number}" for number in range(12)))
    done = await run(
        None, "export", name, "-o", str(tmp_path), "--patience=1s", SOCIALFETCH_BASE_URL=closed
    )
    assert done.code == 6
    assert "It has not answered once within 1 s." in done.err


async def test_a_missing_key_is_said_before_anything_is_made(tmp_path: Path) -> None:
    """2, and no folder."""
    name, out = listed(tmp_path, "ada"), tmp_path / "out"
    for more in ([], ["--dry-run"]):
        done = await run(None, "export", name, "-o", str(out), *more, SOCIALFETCH_API_KEY=None)
        assert done.code == 2
        assert "SOCIALFETCH_API_KEY" in done.err
    assert names_in(tmp_path) == {"handles of mine.txt"}


async def test_few_open_files_are_raised_to_what_it_needs(tmp_path: Path) -> None:
    """As on macOS: no request fails for want of one, and the exports are written."""
    handles = {f"user{number}": 100 for number in range(90)}
    limited = ["sh", "-c", 'ulimit -S -n 64; exec "$0" -m socialfetch_async export "$@"']
    async with emulator(handles, latency=0.2) as api:
        process = await asyncio.create_subprocess_exec(
            *limited, sys.executable, listed(tmp_path, *handles), "-o", "out", "--concurrency=90",
            env=environment(api, PYTHONPATH=str(Path(__file__).parents[2])),
            cwd=tmp_path, stdin=DEVNULL, stderr=PIPE,
        )  # fmt: skip
        done = await ended(process)
    assert done.code == 0, done.err
    assert paid(api) == len(api.charges) == 5 * len(handles)


def names_in(folder: Path) -> set[str]:
    """Return the names of all files in a folder."""
    return {path.name for path in folder.iterdir()}


# -- a dry run ----------------------------------------------------------------------------------


async def test_a_dry_run_sends_only_free_requests(tmp_path: Path) -> None:
    """What is left, what begun lists need by their totals, the limit and the balance."""
    handles = {"ada": 200, "bo": 100, "cy": 10, "dee": 30}
    async with emulator(handles, credits=50) as api:
        name, out = listed(tmp_path, *handles), str(tmp_path / "out")
        nothing = await run(api, "export", name, "-o", out, "--dry-run")
        assert names_in(tmp_path) == {"handles of mine.txt"}
        await run(api, "export", name, "-o", out, "--max-credits=3", "--concurrency=1")
        done = await run(api, "export", name, "-o", out, "--dry-run", "--max-credits=9")
        assert (len(api.charges), paid(api)) == (3, 3)
        await run(api, "export", name, "-o", out)
        last = await run(api, "export", name, "-o", out, "--dry-run")
    assert [done.code for done in (nothing, done, last)] == [0, 0, 0]
    (plan,) = nothing.rows
    assert (plan["left"], plan["begun"], plan["credits_at_least"]) == (4, 0, 4)
    assert (plan["spent"], plan["balance"], plan["max_credits_left"]) == (0, 50, None)
    (plan,) = done.rows
    assert (plan["handles"], plan["spent"], plan["max_credits_left"]) == (4, 3, 6)
    assert plan["balance"] == 47
    assert plan["credits_at_least"] == plan["credits_for_begun"] + plan["left"] - plan["begun"]
    assert plan["credits_for_begun"] in {7, 12}  # ada alone, or ada and bo
    (plan,) = last.rows
    assert (plan["left"], plan["credits_at_least"], plan["spent"]) == (0, 0, 18)
    assert "0 of 4 handles unfinished\n" in last.err


# -- being stopped ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", range(2))
async def test_a_stop_at_any_moment_loses_nothing(
    tmp_path: Path, number: signal.Signals, moment: int
) -> None:
    """130 or 143; the journal has every charge, and the printed command buys exactly the rest."""
    handles = {f"profile.{n}": 60 for n in range(12)}
    pages = random.Random(moment * 99 + number).randrange(1, 30)
    async with emulator(handles, latency=0.02) as api:
        out = tmp_path / "out"
        arguments = ("export", listed(tmp_path, *handles), "-o", str(out))
        async with started(*arguments, env=environment(api), stdout=PIPE, stderr=PIPE) as process:
            await until(lambda: len(api.charges) >= pages)
            api.latency = 1  # so that the signal comes before the end
            process.send_signal(number)
            done = await ended(process)
        assert done.code == 128 + number
        saved = read_journal(out / "followers.journal")
        assert (saved.credits_charged, saved.maybe_charged) == (len(api.charges), 0)
        assert {row[0] for row in rows(out / "followers.jsonl")} <= set(handles)
        api.latency = 0
        rest = await run(api, *done.says("Resume with"))
        assert (rest.code, len(api.charges)) == (0, 12 * 3)
        assert rows(out / "followers.jsonl") == expected(api, handles)


async def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    """Pages that never come are not waited for: they are uncertain, and bought again."""
    async with emulator({"ada": 60, "bo": 60}, latency=30) as api:
        arguments = ("export", listed(tmp_path, "ada", "bo"), "-o", str(tmp_path / "out"))
        async with started(*arguments, env=environment(api), stdout=PIPE, stderr=PIPE) as process:
            await until(lambda: len(api.charges) == 2)
            process.send_signal(signal.SIGINT)
            await asyncio.sleep(0.05)
            process.send_signal(signal.SIGINT)  # at once: the same one, passed on by a parent
            assert process.stderr is not None
            lines = [await asyncio.wait_for(process.stderr.readline(), 20) for _ in range(2)]
            assert b"Stopping: no further page is requested" in lines[1]
            for _ in range(12):
                await asyncio.sleep(0.05)
            assert process.returncode is None
            process.send_signal(signal.SIGINT)
            done = await ended(process)
        assert done.code == 130
        assert "up to 2 more possibly charged" in done.err
        api.latency = 0
        assert (await run(api, *done.says("Resume with"))).code == 0


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_a_closed_pipe_stops_it(tmp_path: Path, stream: str) -> None:
    """141, on either stream: all that was paid for is kept and exported."""
    handles = {f"profile.{n}": 400 for n in range(5)}
    reader, writer = os.pipe()
    async with emulator(handles, latency=0.02) as api:
        arguments = ("export", listed(tmp_path, *handles), "-o", str(tmp_path / "out"))
        with FileIO(reader) as out, FileIO(writer, "w") as into:
            streams: dict[str, Any] = {"stdout": PIPE, "stderr": PIPE, stream: into}
            async with started(*arguments, env=environment(api), **streams) as process:
                into.close()
                await until(lambda: len(api.charges) > 3)
                api.latency = 0.5  # so that it is seen before the end
                out.close()
                done = await ended(process)
        assert done.code == 141
        saved = read_journal(tmp_path / "out/followers.journal")
        assert (saved.credits_charged, saved.maybe_charged) == (len(api.charges), 0)
        assert len(rows(tmp_path / "out/followers.jsonl")) == 20 * len(api.charges)
        if stream == "stdout":
            api.latency = 0
            assert (await run(api, *done.says("Resume with"))).code == 0
            assert len(api.charges) == 5 * 20


async def test_a_socket_that_sends_nothing_is_no_closed_pipe(tmp_path: Path) -> None:
    """As the journal of systemd is one: the batch runs to its end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.shutdown(socket.SHUT_RD)
        async with emulator({"ada": 100}, latency=0.01) as api:
            arguments = ("export", listed(tmp_path, "ada"), "-o", str(tmp_path / "out"))
            async with started(
                *arguments, env=environment(api), stdout=theirs, stderr=theirs
            ) as process:
                assert (await ended(process)).code == 0
        assert b"1 handle: 1 complete\n" in ours.recv(1 << 16)


async def test_a_reader_that_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    """With stderr full the batch goes on, and SIGTERM ends it."""
    handles = {f"profile.{n}": 1 for n in range(150)}
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    async with emulator(handles) as api:
        arguments = ("export", listed(tmp_path, *handles), "-o", str(tmp_path / "out"))
        with FileIO(reader), FileIO(writer, "w") as into:
            async with started(
                *arguments, env=environment(api), stdout=PIPE, stderr=into
            ) as process:
                await until(lambda: len(api.charges) == 150)
                while process.returncode is None:
                    send(process, signal.SIGTERM)
                    await asyncio.sleep(0.05)
                assert process.returncode in {0, 143, -signal.SIGTERM}
    assert len(rows(tmp_path / "out/followers.jsonl")) <= 150
    assert read_journal(tmp_path / "out/followers.journal").credits_charged == 150


# -- terminals ----------------------------------------------------------------------------------


def resize(fd: int, columns: int) -> None:
    """Give a terminal another width."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


@pytest.mark.parametrize("no_color", [None, "1"])
async def test_the_panel_on_a_terminal(tmp_path: Path, no_color: str | None) -> None:
    """Figures at any width; after Ctrl-C the summary is there as plain lines."""
    handles = {f"profile.{n}": 9_000 for n in range(4)}
    async with emulator(handles, latency=0.01) as api:
        api.script("profile.0", "503")
        name, out = listed(tmp_path, *handles), str(tmp_path / "out")
        arguments = ("export", name, "-o", out, "--max-credits=1500")
        with Terminal() as terminal:
            resize(terminal.slave, 90)
            env = environment(api, NO_COLOR=no_color)
            async with started(*arguments, env=env, stdout=PIPE, stderr=terminal.slave) as process:
                await until(lambda: "Latest" in terminal.text and "balance" in terminal.text)
                api.latency = 0.3  # it is not to end before it was looked at
                resize(terminal.slave, 30)
                before = len(terminal.text)
                await until(lambda: terminal.text[before:].count("followers") >= 3)
                narrow = CONTROL.sub("", terminal.text[before:].rsplit("time", 2)[1])
                assert max(map(len, narrow.splitlines())) <= 30
                resize(terminal.slave, 90)
                process.send_signal(signal.SIGINT)
                done = await ended(process)
            await until(lambda: "Resume with" in terminal.text)
        assert (done.code, done.out) == (130, "")
        assert read_journal(f"{out}/followers.journal").credits_charged == len(api.charges) < 1500
    for figure in ("handles", "pages", "followers", "credits", "in flight"):
        assert figure in terminal.text
    assert "\x1b[?25h" in terminal.text  # the cursor is shown again
    assert ("\x1b[33m" in terminal.text) == (no_color is None)
    (command,) = [line for line in terminal.text.split("\r\n") if line.startswith("Resume with")]
    told = Done(130, "", command).says("Resume with")
    assert told == ["export", name, "-o", out, "--max-credits=1500"]


async def test_a_dumb_terminal_has_lines(tmp_path: Path) -> None:
    """No control sequence where the terminal has none."""
    async with emulator({"ada": 30}) as api:
        arguments = ("export", listed(tmp_path, "ada"), "-o", str(tmp_path / "out"))
        with Terminal() as terminal:
            env = environment(api, TERM="dumb")
            async with started(*arguments, env=env, stdout=PIPE, stderr=terminal.slave) as process:
                assert (await ended(process)).code == 0
    assert "ada: complete, 30 followers, 2 credits\r\n" in terminal.text
    assert "\x1b" not in terminal.text


# -- offline ------------------------------------------------------------------------------------


async def test_convert_writes_an_export(tmp_path: Path) -> None:
    """0 without a key; what is short is said on stderr."""
    one = write(tmp_path / "a.journal", page("ada", ["x", "y"], then="c"))
    two = write(tmp_path / "b.journal", page("ada", ["z"], cursor="c"), page("bo", ["x"], then="d"))
    output = tmp_path / "a.jsonl"
    done = await run(
        None, "convert", str(one), str(two), "-o", str(output), SOCIALFETCH_API_KEY=None
    )
    assert (done.code, done.out) == (0, "")
    assert rows(output) == [("ada", 0, "x"), ("ada", 1, "y"), ("ada", 2, "z"), ("bo", 0, "x")]
    assert "4 followers of 2 handles" in done.err
    assert "1 list is not complete (bo)" in done.err
    safe = ("--format=csv", "--spreadsheet")
    assert (await run(None, "convert", str(one), "-o", str(tmp_path / "x"), *safe)).code == 0


async def test_convert_says_how_old_the_lists_are(tmp_path: Path) -> None:
    """The newest and, if it is of another day, the oldest."""
    one = write(tmp_path / "a.journal", page("ada", ["x"]))
    two = write(tmp_path / "b.journal", page("bo", ["x"], seconds=86_400))
    for output in (str(tmp_path / "a.csv"), "-"):
        done = await run(None, "convert", str(one), "-o", output)
        assert "newest data from 2026-11-22\n" in done.err
        done = await run(None, "convert", str(one), str(two), "-o", output)
        assert "newest data from 2026-11-23, oldest from 2026-11-22\n" in done.err


async def test_a_batch_says_that_some_lists_are_older(tmp_path: Path) -> None:
    """Also when it has bought others."""
    async with emulator({"ada": 5, "bo": 5}) as api:
        old = page("ada", ["x"], total_followers=1)
        write(tmp_path / "followers.journal", old)
        name = listed(tmp_path, "ada", "bo")
        done = await run(api, "export", name, "-o", str(tmp_path))
    assert (done.code, len(api.charges)) == (0, 1)
    assert "oldest from 2026-11-22\n" in done.err


async def test_report_writes_a_page(tmp_path: Path) -> None:
    """0, and the file is HTML."""
    journal = write(tmp_path / "a.journal", page("ada", ["x"]), ended_line("ada", "complete"))
    done = await run(None, "report", str(journal), "-o", str(tmp_path / "r.html"))
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert str(tmp_path / "r.html") in done.err


async def test_diff_writes_json_lines(tmp_path: Path) -> None:
    """Gained, then lost; lists that are not complete only on request."""
    old = str(write(tmp_path / "old", page("ada", ["x", "y"])))
    new = str(write(tmp_path / "new", page("ada", ["z", "y"])))
    short = str(write(tmp_path / "short", page("ada", ["z"], then="c")))
    done = await run(None, "diff", old, new, "--handle=ada")
    changes = [(row["change"], row["source"], row["handle"]) for row in done.rows]
    assert changes == [("gained", "ada", "z"), ("lost", "ada", "x")]
    assert (done.code, done.err) == (0, "")
    refused = await run(None, "diff", old, short)
    assert (refused.code, refused.out) == (2, "")
    assert "compare what is there with --partial" in refused.err
    assert len((await run(None, "diff", old, short, "--partial")).rows) == 3


async def test_diff_of_one_folder(tmp_path: Path) -> None:
    """Between the last two complete readings: all lists or one, as lines, as CSV and as files."""
    async with emulator({"ada": 45, "bo": 25, "cy": 3, "dee": "private"}) as api:
        export = ("export", "-o", str(tmp_path / "out"), "--handle=ada", "--handle=bo")
        await run(api, *export, "--handle=dee")
        shutil.copy(tmp_path / "out/followers.journal", tmp_path / "old.journal")
        gained, lost = api.gain("ada", 2), api.lose("bo", 3)
        await run(api, *export, "--handle=dee", "--refresh=all")
        await run(api, *export, "--handle=cy")
    truth = {("gained", "ada", name) for name in gained} | {("lost", "bo", name) for name in lost}

    def changes(rows: list[Any]) -> set[tuple[str, str, str]]:
        assert len(rows) == 5
        return {(row["change"], row["source"], row["handle"]) for row in rows}

    out, file, table = str(tmp_path / "out"), tmp_path / "c.jsonl", tmp_path / "c.csv"
    for options in ((), ("-o", "-"), ("-o", str(file)), ("--format=csv",), ("-o", str(table))):
        done = await run(None, "diff", out, *options)
        assert done.code == 0, done.err
        assert "not compared, without two complete readings: cy\n" in done.err
        if options == ("--format=csv",):
            assert changes(list(csv.DictReader(done.out.splitlines()))) == truth
        elif "-o" not in options or "-" in options:
            assert changes(done.rows) == truth
        else:
            assert done.out == ""
    assert changes([json.loads(line) for line in file.read_text().splitlines()]) == truth
    assert changes(list(csv.DictReader(table.read_text().splitlines()))) == truth
    one = await run(None, "diff", str(tmp_path / "out/followers.journal"), "--handle=@BO")
    assert {(row["change"], row["handle"]) for row in one.rows} == {("lost", n) for n in lost}
    assert one.err == ""
    two = await run(None, "diff", str(tmp_path / "old.journal"), out, "--handle=ada")
    assert [row["handle"] for row in two.rows] == gained
    refused = await run(None, "diff", out, "--handle=cy")
    assert (refused.code, "'cy' has not two complete readings" in refused.err) == (2, True)


async def test_convert_and_diff_write_to_stdout(tmp_path: Path) -> None:
    """`-o -`: the data on stdout, what is missing in it on stderr, nothing else on disk."""
    one = write(tmp_path / "followers.journal", page("ada", ["x", "y"], then="c"))
    two = write(tmp_path / "b.journal", page("ada", ["y", "z"]))
    lines = await run(None, "convert", str(tmp_path), "-o", "-")
    assert [row["handle"] for row in lines.rows] == ["x", "y"]
    assert "1 list is not complete (ada)" in lines.err
    table = await run(None, "convert", str(one), "-o", "-", "--format=csv", "--spreadsheet")
    assert table.out.startswith("\ufeffsource,position,")
    assert table.out.count("\n") == 3
    changed = await run(None, "diff", str(one), str(two), "--partial", "--format=csv")
    assert changed.out.startswith("change,source,handle,")
    rows_ = [line.split(",")[:3] for line in changed.out.splitlines()[1:]]
    assert rows_ == [["gained", "ada", "z"], ["lost", "ada", "x"]]
    for arguments, says in (
        (("convert", str(one), "-o", "-", "--format=parquet"), "stdout takes jsonl or csv"),
        (("diff", str(one)), "two complete readings"),
        (
            ("diff", str(one), str(two), "--partial", "-o", str(one)),
            "says no format: end it with .jsonl or .csv, or name one with --format",
        ),
    ):
        done = await run(None, *arguments)
        assert (done.code, done.out, says in done.err) == (2, "", True), done.err
    assert names_in(tmp_path) == {"followers.journal", "b.journal"}


async def test_ctrl_c_on_convert_leaves_nothing(tmp_path: Path) -> None:
    """130, and the file that was begun is gone."""
    pages = (page("ada", ["x"] * 20, cursor=str(n), then=str(n + 1)) for n in range(3_000))
    journal = write(tmp_path / "a.journal", *pages)
    arguments = ("convert", str(journal), "-o", str(tmp_path / "a.sqlite"))
    async with started(*arguments, env=environment(None), stdout=PIPE, stderr=PIPE) as process:
        await until(lambda: len(names_in(tmp_path)) > 1)
        process.send_signal(signal.SIGINT)
        done = await ended(process)
    assert (done.code, names_in(tmp_path)) == (130, {"a.journal"})


# -- demo and help ------------------------------------------------------------------------------


async def test_demo_leaves_its_files(tmp_path: Path) -> None:
    """A journal, its exports and a report, in a new folder: nothing that is there is touched."""
    old = write(tmp_path / "followers.journal").read_bytes()
    done = await run(None, "demo", "-o", str(tmp_path), SOCIALFETCH_API_KEY=None)
    assert (done.code, "is not empty: name a new folder" in done.err) == (2, True)
    assert (tmp_path / "followers.journal").read_bytes() == old
    tmp_path /= "new"
    done = await run(None, "demo", "-o", str(tmp_path), SOCIALFETCH_API_KEY=None)
    assert done.code == 0
    names = {"followers.journal", "report.html"}
    names |= {f"followers.{name}" for name in ("jsonl", "csv", "sqlite")}
    for name in names:
        assert f"{tmp_path}/{name}  " in done.out
    assert names_in(tmp_path) == names
    assert len(rows(tmp_path / "followers.jsonl")) == 2_297


def test_help_loads_nothing_heavy() -> None:
    """0 for every command, without asyncio, aiohttp, rich, msgspec and pyarrow."""
    code = (
        "import sys\n"
        "from socialfetch_async.cli import main\n"
        "for command in ('', 'export', 'convert', 'report', 'diff', 'demo', 'followers'):\n"
        "    sys.argv = ['socialfetch', *command.split(), '--help']\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, command\n"
        "heavy = {'asyncio', 'aiohttp', 'rich', 'msgspec', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, check=False, env=environment(None), timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for name in FORMATS:  # the command line spells them out, to load nothing
        assert name in done.stdout


# -- what is said is what can be typed -------------------------------------------------------------


async def test_the_command_that_resumes_can_be_typed(tmp_path: Path) -> None:
    """Also with long times, and for a file whose name is not UTF-8."""
    handles = shutil.move(
        listed(tmp_path, "ada", "bo"), os.fsdecode(b"%b/caf\xe9.txt" % bytes(tmp_path))
    )
    typed = [handles, "-o", "x.csv", "--refresh=new", "--older-than=14d", "--patience=12d"]
    async with emulator({"ada": 100, "bo": 100}) as api:
        first = await run(api, "export", *typed, "--max-credits=3", "--json", cwd=tmp_path)
        assert first.code == 5
        (told,) = re.findall(r"(?m)^Resume with: (.*)$", first.err)
        again = await asyncio.create_subprocess_exec(
            *("bash", "-c", f'socialfetch() {{ "$0" -m socialfetch_async "$@"; }}; {told}'),
            *(sys.executable,),
            env=environment(api, PYTHONPATH=str(Path(__file__).parents[2])),
            cwd=tmp_path,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        code = (await ended(again)).code
    assert (code, "e+" in told) == (5, False)
    assert "1209600s" in told


async def test_a_result_names_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    """As JSON, with the byte escaped."""
    output = os.fsdecode(b"caf\xe9.csv")
    async with emulator({"ada": 1}) as api:
        done = await run(api, "export", "--handle=ada", "-o", output, "--json", cwd=tmp_path)
    assert done.code == 0
    (result,) = done.rows
    assert result["exports"][0]["path"].endswith("caf\\xe9.csv")


async def test_stdout_is_no_report(tmp_path: Path) -> None:
    """2 where a file is needed, and no file called - is made."""
    write(tmp_path / "a.journal", page("ada", ["x"]))
    for arguments in (["report", "a.journal"], ["demo"], ["export", "--handle=ada"]):
        done = await run(None, *arguments, "-o", "-", cwd=tmp_path)
        assert (done.code, done.out) == (2, ""), arguments
        assert "name one (./- is a" in done.err
    assert names_in(tmp_path) == {"a.journal"}


async def test_a_folder_that_is_gone_hides_no_result(tmp_path: Path) -> None:
    """The files are named in full if the current folder was deleted."""
    output = tmp_path / "x.csv"
    command = f'exec "$0" -m socialfetch_async export --handle=ada -o {output}'
    async with emulator({"ada": 45}) as api:
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", f"mkdir gone && cd gone && rmdir ../gone && {command}", sys.executable),
            env=environment(api, PYTHONPATH=str(Path(__file__).parents[2])),
            cwd=tmp_path,
            stdin=DEVNULL,
            stderr=PIPE,
        )
        done = await ended(process)
    assert done.code == 0
    assert f"{output}: 45 followers of 1 handle" in done.err


async def test_a_dry_run_knows_the_price_of_a_page(tmp_path: Path) -> None:
    """Once a page was bought, also for handles that were not, or have no list."""
    async with emulator({"ada": 45, "bo": "private"}, price=5) as api:
        some = ["--handle=ada", "--handle=bo"]
        await run(api, "export", *some, "-o", "x.csv", cwd=tmp_path)
        spent = len(api.charges)
        typed = ["export", *some, "--handle=cy", "-o", "x.csv", "--refresh=all", "--dry-run"]
        done = await run(api, *typed, cwd=tmp_path)
    assert (spent, done.rows[0]["credits_at_least"]) == (4, 25)
    assert "1 handle not started: at least 5 credits each\n" in done.err
