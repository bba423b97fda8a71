"""The command on Windows, by a stand-in for what differs there: tests/windows.py."""

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from socialfetch_async import Journal, read_journal
from socialfetch_async.emulator import Emulator
from socialfetch_async.report import write_report
from tests.batches import by_json, expected
from tests.cli.test_cli import emulator, listed
from tests.commands import Done, ended, environment, send
from tests.conftest import until
from tests.journals import page, write

FORMATS = ("jsonl", "jsonl.gz", "csv", "parquet", "sqlite")


@asynccontextmanager
async def on_windows(api: Emulator, *arguments: str) -> AsyncIterator[Process]:
    """Start a command; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "tests.windows", *arguments,
        env=environment(api, PYTHONIOENCODING="cp1252"), stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            send(process, signal.SIGKILL)
        await process.wait()


async def run(api: Emulator, *arguments: str) -> Done:
    """Run a command to its end."""
    async with on_windows(api, *arguments) as process:
        return await ended(process)


def export(folder: Path) -> list[str]:
    """Return the arguments of a job of two handles."""
    handles = ["--handle", "ada", "--handle", "bo"]
    return ["export", *handles, "-o", str(folder / "out"), *(f"--format={one}" for one in FORMATS)]


def written(folder: Path) -> list[bytes]:
    """Return the content of the files that it writes, and see that there are no others."""
    there = {f"followers.{one}": folder / "out" / f"followers.{one}" for one in FORMATS}
    assert {path.name for path in (folder / "out").iterdir()} == {*there, "followers.journal"}
    return [path.read_bytes() for path in there.values()]


async def test_a_job_is_kept_and_its_files_are_whole(tmp_path: Path) -> None:
    """The second command finds every page: it buys nothing, and writes the same files."""
    async with emulator({"ada": 110, "bo": 30}) as api:
        done = await run(api, *export(tmp_path))
        assert done.code == 0, done.err
        assert len(api.charges) == 6 + 2
        first = written(tmp_path)
        assert by_json(tmp_path / "out" / "followers.jsonl") == expected(api, ["ada", "bo"])
        assert (await run(api, *export(tmp_path))).code == 0
        assert len(api.charges) == 6 + 2
        assert written(tmp_path) == first
        assert (await run(api, *export(tmp_path), "--refresh=all")).code == 0
        assert written(tmp_path) != first


async def test_a_journal_that_is_being_written_is_refused(tmp_path: Path) -> None:
    """By its lock, before anything is bought."""
    path = tmp_path / "out" / "followers.journal"
    path.parent.mkdir()
    async with emulator({"ada": 110, "bo": 30}) as api:
        with Journal(path):
            done = await run(api, *export(tmp_path))
        assert done.code == 2
        assert f"{path} is being written by another process" in done.err
        assert not api.charges


async def test_ctrl_c_ends_it_and_loses_nothing(tmp_path: Path) -> None:
    """At once and without a word; the next command buys only what had not arrived."""
    async with emulator({"ada": 110, "bo": 30}, latency=0.1) as api:
        async with on_windows(api, *export(tmp_path)) as process:
            await until(lambda: len(api.charges) > 3)
            api.latency = 30
            process.send_signal(signal.SIGINT)
            assert await process.wait() == -signal.SIGINT
        api.latency = 0
        kept = len(list(read_journal(tmp_path / "out" / "followers.journal").pages()))
        bought = len(api.charges)
        assert kept > 0
        assert (await run(api, *export(tmp_path))).code == 0
        assert len(api.charges) - bought == 6 + 2 - kept


async def test_data_is_in_utf_8_whatever_the_code_page() -> None:
    """To a pipe that nobody can watch there, by an event loop that has no pipes."""
    async with emulator({"ada": 110}) as api:
        done = await run(api, "followers", "ada")
        assert done.code == 0, done.err
        assert done.rows == listed(api, "ada")


async def test_a_read_only_export_is_refused_before_anything_is_bought(tmp_path: Path) -> None:
    """No file takes its place there; nothing is left beside it."""
    async with emulator({"ada": 110, "bo": 30}) as api:
        assert (await run(api, *export(tmp_path))).code == 0
        first, bought = written(tmp_path), len(api.charges)
        (tmp_path / "out" / "followers.csv").chmod(0o444)
        done = await run(api, *export(tmp_path), "--refresh=all")
        assert done.code == 2
        assert "followers.csv cannot be written: it is read-only. Another output would" in done.err
        assert len(api.charges) == bought
        assert written(tmp_path) == first


async def test_a_report_is_the_same_on_every_system(tmp_path: Path) -> None:
    """Byte for byte, its line ends too."""
    write(tmp_path / "a.journal", page("ada", ["x"]))
    async with emulator({}) as api:
        done = await run(api, "report", str(tmp_path / "a.journal"), "-o", str(tmp_path / "w.html"))
    assert done.code == 0, done.err
    write_report(tmp_path / "a.journal", tmp_path / "here.html")
    assert (tmp_path / "w.html").read_bytes() == (tmp_path / "here.html").read_bytes()


async def test_the_command_that_resumes_is_one_of_cmd(tmp_path: Path) -> None:
    """It would take single quotes for a part of the name, and begin another batch there."""
    async with emulator({"ada": 110}) as api:
        output = tmp_path / "my lists"
        limited = ("export", "--handle=ada", "-o", str(output), "--max-credits=2")
        done = await run(api, *limited)
        assert done.code == 5
        assert f'Resume with: socialfetch export --handle=ada -o "{output}" ' in done.err


async def test_messages_are_in_the_code_page(tmp_path: Path) -> None:
    """All of them: a log file has one encoding."""
    path = tmp_path / "café.journal"
    write(path, page("ada", ["x"]))
    async with emulator({"ada": 110}) as api:
        for command in (["convert", str(path)], ["export", "--handle=ada"]):
            output = tmp_path / f"é {command[0]}.csv"
            async with on_windows(api, *command, "-o", str(output)) as process:
                _, err = await process.communicate()
            assert process.returncode == 0, err
            assert output.name in err.decode("cp1252")
            assert "Ã" not in err.decode("cp1252")
