"""The command as it is used: in a process of its own, against an emulator in this one."""

import asyncio
import fcntl
import os
import re
import shlex
import signal
import struct
import subprocess
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from socialfetch_async import __version__
from socialfetch_async.emulator import Emulator
from tests import scripted
from tests.commands import (
    COMMAND,
    KEY,
    Done,
    Terminal,
    ended,
    environment,
    named,
    run,
    started,
)
from tests.conftest import until

NAMES = {
    "handle": "handle",
    "displayName": "display_name",
    "avatarUrl": "avatar_url",
    "bio": "bio",
    "verified": "verified",
    "privateAccount": "private_account",
    "metrics": "metrics",
    "avatarUrls": "avatar_urls",
    "platformUserId": "platform_user_id",
    "secUid": "sec_uid",
}
OPTIONAL = {"avatarUrls", "platformUserId", "secUid"}


def emulator(profiles: dict[str, Any], **options: Any) -> Emulator:
    """Return an emulator that accepts the key of these tests alone."""
    return Emulator(profiles, api_keys=[KEY], **options)


def listed(api: Emulator, *handles: str, trim: bool = False) -> list[Any]:
    """Return the lines that `followers` has to write for whole lists."""
    return [
        {"source": handle}
        | {
            ours: None if trim and theirs in OPTIONAL else follower[theirs]
            for theirs, ours in NAMES.items()
        }
        for handle in handles
        for follower in api.followers(handle)
    ]


def charged(api: Emulator) -> list[str]:
    """Return the handles of the ledger in order."""
    return [charge.handle for charge in api.charges]


# -- followers ----------------------------------------------------------------------------------


async def test_followers_writes_every_follower_as_json() -> None:
    """One line each, fields in snake_case, `source` first; the summary is on stderr."""
    async with emulator({"ada": 45}) as api:
        done = await run(api, "followers", "ada")
        assert done.rows == listed(api, "ada")
    assert done.code == 0
    assert done.out.startswith('{"source":"ada","handle":')
    assert done.err == f"{named(api)}ada: 45 of 45 followers, 3 pages, 3 credits: complete\n"


async def test_several_handles_come_one_after_the_other_and_once() -> None:
    """The same handle in another spelling is not bought again; a hidden list is no failure."""
    async with emulator({"ada": 25, "bo": 3, "cy": "private", "dee": 0}) as api:
        done = await run(api, "followers", "@ada", "cy", "nobody", "dee", " bo", "ADA", "bo")
        assert done.rows == listed(api, "ada", "bo")
        assert charged(api) == ["ada", "ada", "cy", "nobody", "dee", "bo"]
    assert done.code == 0
    assert "cy: private\n" in done.err
    assert "nobody: not found\n" in done.err


async def test_handles_come_from_stdin() -> None:
    """One a line; a byte order mark, empty lines and white space do not matter."""
    async with emulator({"ada": 1, "bo": 2}) as api:
        done = await run(api, "followers", "-", given=b"\xef\xbb\xbfada\r\n\n  @bo \n")
        assert done.rows == listed(api, "ada", "bo")
    assert done.code == 0


@pytest.mark.parametrize(
    ("options", "rows", "pages"),
    [
        (["--max-followers=25"], 25, 2),
        (["--max-followers", "20"], 20, 1),
        (["--max-pages=2"], 40, 2),
        (["--max-pages=2", "--max-followers=7"], 7, 1),
    ],
)
async def test_limits_for_each_handle(options: list[str], rows: int, pages: int) -> None:
    """Exactly so many followers or pages, and no page more is bought."""
    async with emulator({"ada": 90, "bo": 1}) as api:
        done = await run(api, "followers", "ada", "bo", *options)
        assert done.rows == listed(api, "ada")[:rows] + listed(api, "bo")
        assert charged(api) == ["ada"] * pages + ["bo"]
    assert done.code == 0


async def test_trim_asks_for_fewer_fields() -> None:
    """What is not sent is null, and every request has the option."""
    async with emulator({"ada": 30}) as api:
        done = await run(api, "followers", "--trim", "ada")
        assert done.rows == listed(api, "ada", trim=True)
        assert all("trim=true" in request.query for request in api.requests)


async def test_cursor_goes_on() -> None:
    """The list from that page on."""
    async with emulator({"ada": 50}) as api:
        await run(api, "followers", "ada", "--max-credits=1")
        cursor = api._profiles.cursor("ada", 20)
        done = await run(api, "followers", "ada", f"--cursor={cursor}")
        assert done.rows == listed(api, "ada")[20:]
        assert len(api.charges) == 3


# -- exit codes ---------------------------------------------------------------------------------


async def test_the_own_credit_limit_holds_over_all_handles() -> None:
    """5, exactly so many credits, and two commands that buy the rest with the same options."""
    async with emulator({"ada": 50, "bo": 50, "cy": 50, "dee": 1}) as api:
        done = await run(api, "followers", "ada", "bo", "cy", "dee", "--max-credits=4", "--trim")
        assert done.code == 5
        assert charged(api) == ["ada"] * 3 + ["bo"]
        assert done.says("Resume with")[-2:] == ["--trim", "--max-credits=4"]
        rest = [
            await run(api, *done.says("Resume with")),
            await run(api, *done.says("Not started")),
        ]
        assert [part.code for part in rest] == [0, 0]
        rows = [row for part in (done, *rest) for row in part.rows]
        assert rows == listed(api, "ada", "bo", "cy", "dee", trim=True)
        assert len(api.charges) == 10


async def test_a_limit_that_is_reached_between_two_handles() -> None:
    """5 when something is left to do, and 0 when the limit was just enough."""
    async with emulator({"ada": 50, "bo": 1}) as api:
        done = await run(api, "followers", "ada", "bo", "--max-credits=3")
        assert done.code == 5
        assert done.says("Not started") == ["followers", "bo", "--max-credits=3"]
        assert charged(api) == ["ada"] * 3
        assert (await run(api, "followers", "ada", "bo", "--max-credits=4")).code == 0


async def test_a_charge_without_an_answer_counts_against_the_limit() -> None:
    """One lost page and one that came are two credits."""
    async with emulator({"ada": 50}) as api:
        api.script("ada", "lose")
        done = await run(api, "followers", "ada", "--max-credits=2")
        assert done.code == 5
        assert len(api.charges) == 2
        rest = await run(api, *done.says("Resume with"))
        assert done.rows + rest.rows == listed(api, "ada")


async def test_some_handles_failed() -> None:
    """1: the others are fetched all the same, and the failed one can be gone on with."""
    async with emulator({"ada": 30, "bo": 30}, retry_after=7200) as api:
        api.script("ada", None, "503")
        done = await run(api, "followers", "ada", "bo")
        assert done.code == 1
        assert done.rows == listed(api, "ada")[:20] + listed(api, "bo")
        assert "Not started" not in done.err
        rest = await run(api, *done.says("Resume with"))
        assert rest.rows == listed(api, "ada")[20:]
        assert rest.code == 0


async def test_the_key_is_refused() -> None:
    """3, after one request; what was not begun is said."""
    async with emulator({"ada": 30}) as api:
        wrong = "sfk_wrong_9876543210"
        done = await run(api, "followers", "ada", "bo", SOCIALFETCH_API_KEY=wrong)
        assert len(api.requests) == 1
        for command in ("whoami", "balance"):
            assert (await run(api, command, SOCIALFETCH_API_KEY=wrong)).code == 3
    assert done.code == 3
    assert done.out == ""
    assert wrong not in done.err
    assert done.says("Resume with") == ["followers", "ada"]
    assert done.says("Not started") == ["followers", "bo"]


async def test_no_connection() -> None:
    """6, which a job that runs again later can tell from all others."""
    async with emulator({"ada": 30}) as api:
        url = api.base_url
    done = await run(None, "balance", "--retries=0", SOCIALFETCH_BASE_URL=url)
    assert done.code == 6
    assert "Check the network and SOCIALFETCH_BASE_URL." in done.err


async def test_out_of_credits() -> None:
    """4, with the address to buy some; then the rest is bought and nothing twice."""
    async with emulator({"ada": 70, "bo": 1}, credits=2) as api:
        done = await run(api, "followers", "ada", "bo")
        assert done.code == 4
        assert "402" in done.err
        api.credits = 10
        rest = await run(api, *done.says("Resume with"))
        assert done.rows + rest.rows == listed(api, "ada")
        assert done.says("Not started") == ["followers", "bo"]
        assert len(api.charges) == 4


async def test_a_cursor_that_the_api_refuses() -> None:
    """1, without a charge."""
    async with emulator({"ada": 70}) as api:
        done = await run(api, "followers", "ada", "--cursor=forged")
        assert done.says("Resume with") == ["followers", "ada", "--cursor=forged"]
        assert api.charges == []
    assert done.code == 1
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["followers"], {}, "HANDLE"),
        (["followers", "ada", "b o"], {}, "not a TikTok handle"),
        (["followers", "ada", "../whoami"], {}, "not a TikTok handle"),
        (["followers", "ada", "-"], {}, "not a TikTok handle"),
        (["followers", "-"], {}, "stdin has no handle"),
        (["followers", "ada", "--max-followers=0"], {}, "max-followers"),
        (["followers", "ada", "--max-pages=-1"], {}, "max-pages"),
        (["followers", "ada", "--max-credits=0"], {}, "max-credits"),
        (["followers", "ada", "--max-credits=many"], {}, "max-credits"),
        (["followers", "ada", "--cursor="], {}, "cursor must not be empty"),
        (["followers", "ada", "bo", "--cursor=x"], {}, "one handle"),
        (["followers", "ada", "--api-key=x"], {}, "No such option"),
        (["followers", "ada"], {"SOCIALFETCH_API_KEY": None}, "SOCIALFETCH_API_KEY"),
        (["followers", "ada"], {"SOCIALFETCH_API_KEY": f"{KEY}\n"}, "line break"),
        (["whoami"], {"SOCIALFETCH_API_KEY": ""}, "SOCIALFETCH_API_KEY"),
        (["balance"], {"SOCIALFETCH_BASE_URL": "http://api.example.invalid"}, "https://"),
        (["nonsense"], {}, "No such command"),
    ],
)
async def test_usage_errors_send_nothing(
    arguments: list[str], variables: dict[str, Any], words: str
) -> None:
    """2, with a sentence on stderr and nothing on stdout."""
    async with emulator({"ada": 1, "bo": 1}) as api:
        done = await run(api, *arguments, given=b"\n \n", **variables)
        assert api.requests == []
    assert done.code == 2
    assert done.out == ""
    assert words in done.err


async def test_stdin_that_is_not_text_is_a_bad_handle() -> None:
    """2, nothing sent."""
    async with emulator({"ada": 1}) as api:
        done = await run(api, "followers", "-", given=b"ada\n\xff\xfe\n")
        assert api.requests == []
    assert done.code == 2
    assert "stdin is not UTF-8 text" in done.err


# -- being stopped ------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_the_buying_and_nothing_is_lost(number: signal.Signals) -> None:
    """130 or 143, no request after it; the command that it prints buys exactly the rest."""
    async with emulator({"ada": 110, "bo": 30}, latency=0.1) as api:
        env = environment(api)
        async with started("followers", "ada", "bo", env=env, stdout=PIPE, stderr=PIPE) as process:
            await until(lambda: len(api.requests) == 2)
            api.latency = 30  # of the third page, which never comes
            await until(lambda: len(api.requests) == 3)
            process.send_signal(number)
            done = await ended(process)
        assert len(api.requests) == 3
        assert done.code == 128 + number
        assert done.rows == listed(api, "ada")[:40]
        api.latency = 0
        rest = [
            await run(api, *done.says("Resume with")),
            await run(api, *done.says("Not started")),
        ]
        assert [part.code for part in rest] == [0, 0]
        rows = [row for part in (done, *rest) for row in part.rows]
        assert rows == listed(api, "ada", "bo")
        assert len(api.charges) == 6 + 2 + 1  # the page that was under way is bought again


async def test_a_signal_before_the_first_page() -> None:
    """The command that goes on is the whole one, options included."""
    async with emulator({"ada": 30}, latency=30) as api:
        arguments = ("followers", "ada", "--trim", "--max-pages=9", "--max-followers=50")
        async with started(*arguments, env=environment(api), stdout=PIPE, stderr=PIPE) as process:
            await until(lambda: api.requests)
            process.send_signal(signal.SIGTERM)
            done = await ended(process)
        assert len(api.requests) == 1
    assert done.code == 143
    assert done.out == ""
    assert sorted(done.says("Resume with")) == sorted(arguments)


async def test_a_free_command_is_stopped_too() -> None:
    """whoami against an API that does not answer: 130, nothing on stdout."""
    waiting, left = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        waiting.set()
        await reader.read()
        writer.close()
        left.set()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        env = environment(None, SOCIALFETCH_BASE_URL=f"http://{host}:{port}")
        async with started("whoami", env=env, stdout=PIPE, stderr=PIPE) as process:
            await asyncio.wait_for(waiting.wait(), 20)
            process.send_signal(signal.SIGINT)
            done = await ended(process)
        await asyncio.wait_for(left.wait(), 20)
    assert (done.code, done.out) == (130, "")
    assert done.err.startswith("socialfetch: using http://127.0.0.1:")
    assert done.err.count("\n") == 1


@pytest.fixture
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Make a pipe: its reading and its writing end."""
    reader, writer = os.pipe()
    with FileIO(reader) as from_it, FileIO(writer, "w") as into_it:
        yield from_it, into_it


def waiting_bytes(pipe: FileIO) -> int:
    """Return how much is in a pipe."""
    count: int = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]
    return count


async def test_a_closed_pipe_stops_the_buying(pipe: tuple[FileIO, FileIO]) -> None:
    """As `| head -1` does: 141, at most the page under way is bought, and the rest can be had."""
    reader, writer = pipe
    async with emulator({"ada": 160}, latency=0.2) as api:
        env = environment(api)
        async with started("followers", "ada", env=env, stdout=writer, stderr=PIPE) as process:
            writer.close()
            # What is in a pipe when its reader goes is gone: a page that is written is read whole.
            first = b""
            while first.count(b"\n") < 20:
                first += await asyncio.to_thread(reader.read, 1 << 20)
            bought = len(api.charges)
            reader.close()
            done = await ended(process)
        assert done.code == 141
        assert len(api.charges) <= bought + 1
        api.latency = 0
        rest = await run(api, *done.says("Resume with"))
        rows = Done(0, first.decode(), "").rows + rest.rows
        assert {row["handle"] for row in rows} == {row["handle"] for row in listed(api, "ada")}
        assert rest.rows == listed(api, "ada")[-len(rest.rows) :]


@pytest.mark.parametrize(
    ("closed", "says"), [(">&-", "socialfetch: stdout is closed: send it to a file"), ("2>&-", "")]
)
async def test_a_stream_that_the_caller_has_closed(closed: str, says: str) -> None:
    """2, before anything is sent, and why, where that can be said."""
    program = f"{shlex.join(COMMAND)} followers ada {closed}"
    async with emulator({"ada": 5}) as api:
        shell = await asyncio.create_subprocess_shell(
            program, env=environment(api), stdout=PIPE, stderr=PIPE
        )
        done = await ended(shell)
        assert (done.code, done.out, api.requests) == (2, "", [])
    assert done.err.startswith(says)
    assert bool(done.err) is bool(says)


async def test_a_pipe_that_is_closed_from_the_beginning(pipe: tuple[FileIO, FileIO]) -> None:
    """141 after one page at most; the other commands end the same way."""
    reader, writer = pipe
    reader.close()
    async with emulator({"ada": 500}, latency=0.01) as api:
        for command in (("followers", "ada"), ("whoami",), ("demo",)):
            async with started(
                *command, env=environment(api), stdout=writer, stderr=PIPE
            ) as process:
                done = await ended(process)
            assert done.code == 141
            told = {line.split()[0] for line in done.err.splitlines()}
            assert told <= {"socialfetch:"} or command[0] == "followers"
        assert len(api.charges) <= 1


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="needs a small pipe")
async def test_a_reader_that_does_not_read_can_not_hold_it(pipe: tuple[FileIO, FileIO]) -> None:
    """SIGTERM ends it within the page that does not fit; no line is torn, nothing is lost."""
    reader, writer = pipe
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    async with emulator({"ada": 50}) as api:
        env = environment(api)
        async with started("followers", "ada", env=env, stdout=writer, stderr=PIPE) as process:
            writer.close()
            await until(lambda: waiting_bytes(reader))
            process.send_signal(signal.SIGTERM)
            done = await ended(process)
        assert done.code == 143
        assert len(api.charges) == 1
        came = Done(0, reader.read(1 << 20).decode(), "")
        assert 0 < len(came.rows) < 20
        assert came.rows == listed(api, "ada")[: len(came.rows)]
        rest = await run(api, *done.says("Resume with"))
        assert rest.rows == listed(api, "ada")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", [None, "1"])
async def test_a_full_disk_stops_the_buying(unbuffered: str | None) -> None:
    """1, after one page, with the reason, once, and how to go on."""
    async with emulator({"ada": 50}) as api:
        with FileIO("/dev/full", "w") as full:
            for command in (("followers", "ada"), ("whoami",)):
                async with started(
                    *command,
                    env=environment(api, PYTHONUNBUFFERED=unbuffered),
                    stdout=full,
                    stderr=PIPE,
                ) as process:
                    done = await ended(process)
                assert done.code == 1
                assert done.err.count("No space left") == 1
                assert ("Resume with: socialfetch followers ada\n" in done.err) == (
                    command[0] == "followers"
                )
        assert len(api.charges) == 1


async def test_ctrl_c_while_it_reads_handles(pipe: tuple[FileIO, FileIO]) -> None:
    """A shell sees 130: the process ends by the signal, without a traceback."""
    reader, writer = pipe
    writer.write(b"ada\n")
    async with started(
        "followers", "-", env=environment(None), stdin=reader, stdout=PIPE, stderr=PIPE
    ) as process:
        await until(lambda: not waiting_bytes(reader))
        process.send_signal(signal.SIGINT)
        done = await ended(process)
    assert (done.code, done.out, done.err) == (-signal.SIGINT, "", "")


async def test_data_goes_to_a_file_whole(tmp_path: Path) -> None:
    """Without a pipe the same lines come."""
    async with emulator({"ada": 50}) as api:
        with (tmp_path / "ada.jsonl").open("wb") as file:
            async with started(
                "followers", "ada", env=environment(api), stdout=file, stderr=PIPE
            ) as process:
                assert (await ended(process)).code == 0
        text = (tmp_path / "ada.jsonl").read_text()
        assert Done(0, text, "").rows == listed(api, "ada")


# -- terminals ----------------------------------------------------------------------------------


async def test_progress_on_a_terminal_and_data_in_a_file() -> None:
    """A panel while it runs, and last lines of its own, as plain text."""
    with Terminal() as terminal:
        async with emulator({"ada": 200, "bo": "private"}, latency=0.2) as api:
            env = environment(api)
            async with started(
                "followers", "ada", "bo", env=env, stdout=DEVNULL, stderr=terminal.slave
            ) as process:
                assert (await ended(process)).code == 0
            await until(lambda: "\x1b[?25h" in terminal.text)
    for figure in ("0 of 2 done", r"\d+ of 200", r"\d charged"):
        assert re.search(rf"\x1b\[0m{figure}\b", terminal.text)
    assert lines_of(terminal)[1:] == [
        "ada: 200 of 200 followers, 10 pages, 10 credits: complete",
        "bo: private",
    ]


async def test_ctrl_c_on_a_terminal_leaves_a_line_to_copy() -> None:
    """How to resume stands at the beginning of a line, and nothing of the panel is left."""
    with Terminal() as terminal:
        async with emulator({"ada": 5_000}, latency=0.05) as api:
            env = environment(api)
            async with started(
                "followers", "ada", "bo", env=env, stdout=DEVNULL, stderr=terminal.slave
            ) as process:
                await until(lambda: "of 5,000" in terminal.text)
                process.send_signal(signal.SIGINT)
                assert (await ended(process)).code == 130
            await until(lambda: "\x1b[?25h" in terminal.text)
    _, stopped, resume, rest = lines_of(terminal)
    assert stopped.startswith("Stopped. Written: ada: ")
    assert resume.startswith("Resume with: socialfetch followers ada --cursor=")
    assert rest == "Not started: socialfetch followers bo"


def lines_of(terminal: Terminal) -> list[str]:
    """Return the lines that a terminal shows in the end: those above the panel, by their ends."""
    shown = re.sub(r"\x1b\[\?7l.*?\x1b\[J", "", terminal.text, flags=re.DOTALL)
    plain = re.sub(r"\x1b\[[0-9?]*[A-Za-z]", "", shown)
    return [line.rpartition("\r")[2] for line in plain.split("\r\n")][:-1]


async def test_data_on_a_terminal_has_no_progress_between_it() -> None:
    """When both streams are the terminal, the lines of data stay whole."""
    with Terminal() as terminal:
        async with emulator({"ada": 30}) as api:
            async with started(
                "followers",
                "ada",
                env=environment(api),
                stdout=terminal.slave,
                stderr=terminal.slave,
            ) as process:
                assert (await ended(process)).code == 0
            await until(lambda: "credits: complete" in terminal.text)
            lines = terminal.text.removeprefix(named(api).replace("\n", "\r\n")).split("\r\n")
            assert Done(0, "\n".join(lines[:30]), "").rows == listed(api, "ada")
    assert lines[30:] == ["ada: 30 of 30 followers, 2 pages, 2 credits: complete", ""]


# -- the free commands --------------------------------------------------------------------------


async def test_whoami_says_whose_key_it_is() -> None:
    """One line of JSON, nothing on stderr, nothing charged."""
    async with emulator({}) as api:
        done = await run(api, "whoami")
        assert api.charges == []
    assert done.rows == [{"id": "usr_emulator", "name": "Emulator", "email": None}]
    assert (done.code, done.err) == (0, named(api))


async def test_balance_says_how_many_credits_are_left() -> None:
    """Every documented field, in snake_case at every level."""
    async with emulator({}, credits=12) as api:
        done = await run(api, "balance")
        assert api.charges == []
    (row,) = done.rows
    assert (row["balance"], row["payg_spendable"]) == (12, 12)
    assert set(row["subscription"]) == {"tier", "status", "period_end"}
    assert row["subscription"]["period_end"] is not None
    assert (done.code, done.err) == (0, named(api))


# -- emulate and demo ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_emulate_serves_until_it_is_stopped(number: signal.Signals) -> None:
    """It prints its address and a key, and does what its options say."""
    options = "--port=0 --page-size=7 --credits=2 --seed=3 --latency=0.001 --retry-after=9"
    options += " --profile ada=10 --profile bo=private --fault 503=0 --fault drop=0"
    async with started(
        "emulate", *options.split(), env=environment(None), stdout=PIPE, stderr=PIPE
    ) as process:
        assert process.stderr is not None
        line = (await asyncio.wait_for(process.stderr.readline(), 20)).decode()
        url = line.split("listens on ")[1].split()[0]
        pages = []
        async with aiohttp.ClientSession(headers={"x-api-key": "sfk_emulator"}) as http:
            for handle in ("ada", "bo", "ada"):
                path = f"/v1/tiktok/profiles/{handle}/followers"
                async with http.get(url + path) as response:
                    pages.append(await response.json())
        process.send_signal(number)
        done = await ended(process)
    assert done.code == 128 + number
    assert done.out == ""
    assert f"SOCIALFETCH_BASE_URL={url} " in done.err
    async with Emulator({"ada": 10}, seed=3) as same:
        assert pages[0]["data"]["followers"] == same.followers("ada")[:7]
    assert pages[1]["data"]["lookupStatus"] == "private"
    assert pages[2]["error"]["code"] == "insufficient_credits"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fault=503"], "KIND=RATE"),
        (["--fault=418=0.1"], "no such fault"),
        (["--fault=503=often"], "often"),
        (["--fault=503=2"], "between 0 and 1"),
        (["--profile=ada"], "HANDLE=SIZE|STATUS"),
        (["--profile=ada=privat"], "privat"),
        (["--profile=a da=3"], "handle"),
        (["--outage=503=60"], "KIND=FROM-TO"),
        (["--page-size=0"], "page-size"),
        (["--latency=nan"], "latency"),
        (["--port=70000"], "port"),
        (["--credits=-1"], "credits"),
    ],
)
async def test_emulate_refuses_what_it_can_not_be(options: list[str], words: str) -> None:
    """2, with a sentence."""
    done = await run(None, "emulate", *options)
    assert done.code == 2
    assert done.out == ""
    assert words in done.err


async def test_emulate_on_a_port_that_is_taken() -> None:
    """2, with a sentence."""
    async with Emulator() as api:
        done = await run(None, "emulate", "--port", api.base_url.rsplit(":", 1)[1])
    assert done.code == 2
    assert "its port: Address already in use. Choose another port with --port" in done.err


async def test_demo_on_a_pipe() -> None:
    """0, without a key; every list is compared, and no control sequence is in the text."""
    done = await run(None, "demo", SOCIALFETCH_API_KEY=None)
    assert done.code == 0
    assert done.err.startswith("socialfetch: using http://127.0.0.1:")
    assert "follower by follower: equal" in " ".join(done.out.split())
    assert "quiet.one: private, 1 credit\n" in done.err
    assert "big.star: complete, 1,600 followers, 80 credits\n" in done.err
    assert "\x1b" not in done.out + done.err


async def test_demo_on_a_terminal() -> None:
    """0, with the panel that `export` has."""
    with Terminal() as terminal:
        async with started(
            "demo", env=environment(None), stdout=terminal.slave, stderr=terminal.slave
        ) as process:
            assert (await ended(process)).code == 0
        await until(lambda: "ledger" in terminal.text)
    text = " ".join(terminal.text.split())
    assert "follower by follower: equal" in text
    assert "\x1b[" in terminal.text
    assert "of 8 done" in terminal.text


async def test_demo_stops_with_its_reader(pipe: tuple[FileIO, FileIO]) -> None:
    """141 as for every other command, without a complaint."""
    reader, writer = pipe
    async with started("demo", env=environment(None), stdout=writer, stderr=PIPE) as process:
        writer.close()
        await asyncio.to_thread(reader.read, 100)
        reader.close()
        done = await ended(process)
    assert done.code == 141
    assert "NOT" not in done.err


async def test_demo_is_stopped_by_ctrl_c() -> None:
    """130, and the cursor of the terminal is shown again."""
    with Terminal() as terminal:
        async with started(
            "demo", env=environment(None), stdout=terminal.slave, stderr=terminal.slave
        ) as process:
            await until(lambda: "in flight" in terminal.text)
            process.send_signal(signal.SIGINT)
            assert (await ended(process)).code == 130
        await until(lambda: "\x1b[?25h" in terminal.text)
    assert "Traceback" not in terminal.text


# -- help, version, and without the extra -------------------------------------------------------


def python(code: str) -> subprocess.CompletedProcess[str]:
    """Run some code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment(None),
        timeout=30,
    )


def test_help_is_there_for_every_command_and_loads_little() -> None:
    """0 and a usage line each, with neither aiohttp nor rich nor msgspec loaded."""
    done = python(
        "import sys\n"
        "from socialfetch_async.cli import main\n"
        "for command in ('', 'followers', 'whoami', 'balance', 'emulate', 'demo'):\n"
        "    sys.argv = ['socialfetch', *command.split(), '--help']\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as end:\n"
        "        assert end.code == 0, command\n"
        "assert not {'aiohttp', 'rich', 'msgspec'} & set(sys.modules)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Usage: socialfetch") == 6
    for code in ("0 all done", "130, 141, 143"):
        assert code in " ".join(done.stdout.split())


async def test_version() -> None:
    """The package's own."""
    done = await run(None, "--version")
    assert (done.code, done.out) == (0, f"socialfetch, version {__version__}\n")


def test_without_the_extra_the_message_names_it() -> None:
    """2, and the line to install it."""
    done = python(
        "import sys; sys.modules['click'] = None; sys.argv[1:] = ['--help']\n"
        "from socialfetch_async.cli import main\n"
        "main()"
    )
    assert done.returncode == 2
    assert done.stderr == (
        "the command needs the extra `cli`: in a checkout of socialfetch-async, "
        "run: pip install '.[cli]'\n"
    )


def test_another_missing_module_is_not_blamed_on_the_extra() -> None:
    """What is broken in the installation shows itself."""
    done = python(
        "import sys; sys.modules['aiohttp'] = None; sys.argv[1:] = ['whoami']\n"
        "from socialfetch_async.cli import main\n"
        "main()"
    )
    assert done.returncode == 1
    assert "aiohttp" in done.stderr
    assert "pip install" not in done.stderr


async def test_what_the_api_says_does_not_steer_a_terminal() -> None:
    """Names are escaped in their JSON; the cursor of the command to resume with is exact."""
    cursor = "a'\x1b]0;x\x07\x9b31m\u202e\\b"
    names = ["a\x1b\x7f\x9b\u202e\u2028\U000e0001", "ñ🍜"]
    async with scripted.Scripted(scripted.page(names, cursor)) as api:
        done = await run(api, "followers", "ada", "--max-credits=1")  # type: ignore[arg-type]
    assert [row["handle"] for row in done.rows] == names
    assert (done.out + done.err).replace("\n", "").isprintable()
    (command,) = re.findall("Resume with: (.*)", done.err)
    program = f'socialfetch() {{ printf "%s|" "$@"; }}; {command}'
    bash = await asyncio.create_subprocess_exec("bash", "-c", program, stdout=PIPE)
    shown, _ = await bash.communicate()
    assert f"|--cursor={cursor}|" in shown.decode()
