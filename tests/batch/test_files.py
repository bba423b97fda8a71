"""The files of a batch: their names, what they never replace, and when they are written."""

import asyncio
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from socialfetch_async import (
    AuthenticationError,
    ExportError,
    SocialFetchError,
    convert,
    export_followers,
    read_journal,
)
from socialfetch_async.batch.files import files_of
from socialfetch_async.emulator import Emulator
from socialfetch_async.export import FORMATS
from tests.commands import ended, environment, started
from tests.conftest import MakeClient
from tests.journals import page, write

NAMES: list[tuple[str, str, list[str]]] = [
    ("x.csv", "x.journal", ["x.csv"]),
    ("x.jsonl", "x.journal", ["x.jsonl"]),
    ("X.JSONL.GZ", "X.journal", ["X.JSONL.GZ"]),
    ("a.b.parquet", "a.b.journal", ["a.b.parquet"]),
    ("out", "out/followers.journal", ["out/followers.jsonl"]),
    ("out/", "out/followers.journal", ["out/followers.jsonl"]),
    ("out.v2/", "out.v2/followers.journal", ["out.v2/followers.jsonl"]),
    ("deep/er/x.sqlite", "deep/er/x.journal", ["deep/er/x.sqlite"]),
    (".", "followers.journal", ["followers.jsonl"]),
]


@pytest.mark.parametrize(("output", "journal", "exports"), NAMES)
def test_where_the_files_are(output: str, journal: str, exports: list[str]) -> None:
    """One journal for each stem, whatever the format."""
    files = files_of(output, None)
    assert (files.journal, list(files.exports.values())) == (Path(journal), [*map(Path, exports)])


@pytest.mark.parametrize("name", ["out.json", "out.xlsx", "out.txt", "x.v2", ".csv", "a/.jsonl.gz"])
def test_a_name_that_says_no_format(name: str) -> None:
    """It is refused with the formats there are."""
    with pytest.raises(ValueError, match=r"says no format: end it with \.jsonl, .*\.sqlite"):
        files_of(name, None)


def test_a_format_and_a_name_that_says_another() -> None:
    """One file has one format; one format that the name says is fine."""
    assert list(files_of("x.csv", "csv").exports) == ["csv"]
    with pytest.raises(ValueError, match="its name says csv"):
        files_of("x.csv", ["csv", "jsonl"])


def names_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_two_formats_of_one_stem_are_bought_once(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """The second file comes from the journal of the first, in folders that are made."""
    async with Emulator({"ada": 45}) as api:
        client = client_of(api)
        for name in ("x.csv", "x.jsonl", "x.jsonl.gz"):
            result = await export_followers(client, ["ada"], tmp_path / "not/yet" / name)
            assert result.exports[0].rows == 45
        assert len(api.charges) == 3
    assert names_in(tmp_path / "not/yet") == ["x.csv", "x.journal", "x.jsonl", "x.jsonl.gz"]
    for name in ("x.csv", "x.jsonl"):
        assert stat.S_IMODE((tmp_path / "not/yet" / name).stat().st_mode) == 0o600


async def test_only_its_own_file_is_replaced(client_of: MakeClient, tmp_path: Path) -> None:
    """A copy and a touch are its own; a changed file is not, and is refused before a request."""
    output = tmp_path / "x.csv"
    async with Emulator({"ada": 45, "bo": 5}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], output, max_credits=1)
        shutil.copy(output, tmp_path / "copy")
        (tmp_path / "copy").replace(output)
        os.utime(output, (1, 1))
        result = await export_followers(client, ["ada"], output)
        assert (result.exports[0].rows, len(api.charges)) == (45, 3)
        output.write_text(output.read_text() + "mine\n")
        mine = output.read_text()
        requests = len(api.requests)
        with pytest.raises(
            ExportError, match=r"changed since. Move it away, or .*overwrite=True. No"
        ):
            await export_followers(client, ["ada", "bo"], output)
        assert (output.read_text(), len(api.requests)) == (mine, requests)
        result = await export_followers(client, ["ada", "bo"], output, overwrite=True)
        assert (result.exports[0].rows, len(api.charges)) == (50, 4)


async def test_an_export_whose_journal_is_gone_stays(client_of: MakeClient, tmp_path: Path) -> None:
    """Last month's list is not replaced by one that begins anew, nor emptied by a refused key."""
    output = tmp_path / "x.csv"
    async with Emulator({"ada": 45}) as api:
        await export_followers(client_of(api), ["ada"], output)
        old = output.read_bytes()
        (tmp_path / "x.journal").unlink()
        with pytest.raises(ExportError, match="was not written from"):
            await export_followers(client_of(api), ["ada"], output)
        wrong = client_of(type("Server", (), {"base_url": api.base_url, "api_key": "sfk_wrong"}))
        with pytest.raises(SocialFetchError):
            await export_followers(wrong, ["ada"], output, overwrite=True)
        assert len(api.charges) == 3
    assert output.read_bytes() == old


@pytest.mark.parametrize("name", FORMATS)
async def test_nothing_is_written_when_nothing_has_changed(
    client_of: MakeClient, tmp_path: Path, name: str
) -> None:
    """The same file, not an equal one; what it holds and lacks is told all the same."""
    output = tmp_path / f"x.{name}"
    async with Emulator({"ada": 45, "bo": "private"}) as api:
        client = client_of(api)
        first = await export_followers(client, ["ada", "bo"], output)
        inode = output.stat().st_ino
        lines = len((tmp_path / "x.journal").read_bytes().splitlines())
        again = await export_followers(client, ["ada", "bo"], output)
        assert output.stat().st_ino == inode
        assert len((tmp_path / "x.journal").read_bytes().splitlines()) == lines
        assert not first.exports[0].unchanged
        assert again.exports[0].unchanged
        assert again.exports[0].rows == first.exports[0].rows == 45
        output.unlink()
        third = await export_followers(client, ["ada", "bo"], output)
        assert (third.exports[0].unchanged, third.exports[0].rows) == (False, 45)


@pytest.mark.parametrize("name", FORMATS)
async def test_a_refresh_that_brings_nothing_writes_nothing(
    client_of: MakeClient, tmp_path: Path, name: str
) -> None:
    """A refused key leaves its lines in the journal, and every file as it is."""
    output = tmp_path / f"x.{name}"
    async with Emulator({"ada": 45, "bo": "private"}) as api:
        await export_followers(client_of(api), ["ada", "bo"], output)
        inode = output.stat().st_ino
        wrong = client_of(type("Server", (), {"base_url": api.base_url, "api_key": "sfk_wrong"}))
        for refresh in ("new", "all"):
            with pytest.raises(AuthenticationError) as caught:
                await export_followers(wrong, ["ada", "bo"], output, refresh=refresh)
            assert caught.value.result.exports[0].unchanged
        assert output.stat().st_ino == inode
        assert len(api.charges) == 3 + 1


async def test_another_way_to_write_is_a_change(client_of: MakeClient, tmp_path: Path) -> None:
    """A CSV for spreadsheets takes the place of the plain one, and the other way round."""
    output = tmp_path / "x.csv"
    async with Emulator({"ada": 5}) as api:
        client = client_of(api)
        for spreadsheet in (False, True, False):
            await export_followers(client, ["ada"], output, spreadsheet=spreadsheet)
            assert output.read_bytes().startswith(b"\xef\xbb\xbf") == spreadsheet


def test_outputs_inputs_and_journal_are_different_files(tmp_path: Path) -> None:
    """Also by hard and symbolic links, and through an open file, as stdin is one."""
    handles = tmp_path / "list.csv"
    handles.write_text("handle\nada\n")
    (tmp_path / "hard.csv").hardlink_to(handles)
    (tmp_path / "soft.csv").symlink_to(handles)
    for name in ("list.csv", "hard.csv", "soft.csv"):
        with pytest.raises(ExportError, match="is an input"):
            files_of(tmp_path / name, None).keep_apart(handles)
        with handles.open() as file, pytest.raises(ExportError, match="is an input"):
            files_of(tmp_path / name, None).keep_apart(file.fileno())
    with pytest.raises(ExportError, match="would be written over another file"):
        files_of(tmp_path / "x.csv", None, journal=handles).keep_apart(handles)
    (tmp_path / "followers.csv").touch()
    (tmp_path / "followers.jsonl").hardlink_to(tmp_path / "followers.csv")
    with pytest.raises(ExportError, match="would be written over another file"):
        files_of(tmp_path, ["csv", "jsonl"]).keep_apart()
    journal = write(tmp_path / "a.journal", page("ada", ["x"]))
    (tmp_path / "j.jsonl").hardlink_to(journal)
    with pytest.raises(ExportError, match="is a journal"):
        files_of(tmp_path / "j.jsonl", None).keep_apart()
    files_of(tmp_path / "other.csv", None).keep_apart(handles)


async def test_the_list_of_handles_is_never_the_output(tmp_path: Path) -> None:
    """As a path and as stdin: it is refused, and nothing is sent."""
    handles = tmp_path / "list.csv"
    handles.write_text("handle\nada\n")
    async with Emulator({"ada": 5}) as api:
        for given in ("list.csv", "-"):
            with handles.open() as stdin:
                async with started(
                    *("export", given, "-o", "list.csv"),
                    env=environment(api), cwd=tmp_path, stdin=stdin, stdout=-1, stderr=-1,
                ) as process:  # fmt: skip
                    done = await ended(process)
            assert (done.code, "list.csv is an input" in done.err) == (2, True)
        assert api.requests == []
    assert handles.read_text() == "handle\nada\n"
    assert names_in(tmp_path) == ["list.csv"]


async def test_a_kill_between_the_line_and_the_file(
    client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal knows the older file, too, so that it is replaced by the next call."""
    output = tmp_path / "x.jsonl"

    def fail(*_: Any) -> None:
        raise PermissionError(13, "held by another program")

    async with Emulator({"ada": 45}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], output, max_credits=1)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", fail)
            with pytest.raises(ExportError, match="held by another program"):
                await export_followers(client, ["ada"], output)
        assert len(output.read_bytes().splitlines()) == 20
        result = await export_followers(client, ["ada"], output)
        assert (result.exports[0].rows, len(api.charges)) == (45, 3)
    assert read_journal(tmp_path / "x.journal").credits_charged == 3


@pytest.mark.parametrize("name", ["", "-"])
def test_what_names_no_file_is_refused(name: str) -> None:
    """An unset variable of a shell is not the current folder, and stdout not a folder called -."""
    with pytest.raises(ValueError, match="name one"):
        files_of(name, None)


@pytest.mark.parametrize("kind", ["pipe", "folder"])
@pytest.mark.parametrize("begun", ["new", "begun"])
async def test_what_is_no_file_is_not_waited_for(
    client_of: MakeClient, tmp_path: Path, kind: str, begun: str
) -> None:
    """A pipe or a folder in the place of an export is refused before anything is sent."""
    export = tmp_path / "followers.csv"
    async with Emulator({"ada": 45}) as api:
        if begun == "begun":
            await export_followers(client_of(api), ["ada"], tmp_path, format="jsonl")
        os.mkfifo(export) if kind == "pipe" else export.mkdir()
        requests = len(api.requests)
        async with asyncio.timeout(20):
            with pytest.raises(ExportError, match="it is a folder or a device"):
                await export_followers(client_of(api), ["ada"], tmp_path, format="csv")
        assert len(api.requests) == requests


@pytest.mark.parametrize("name", FORMATS)
async def test_a_name_that_is_not_utf_8(client_of: MakeClient, tmp_path: Path, name: str) -> None:
    """It is a name as any other: written, known again, and not written a second time."""
    output = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9/x." + name.encode()))
    async with Emulator({"ada": 45}) as api:
        first = await export_followers(client_of(api), ["ada"], output)
        again = await export_followers(client_of(api), ["ada"], output)
    assert (first.exports[0].path, first.exports[0].rows) == (output, 45)
    assert again.exports[0].unchanged


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
async def test_a_database_that_another_program_changes(
    client_of: MakeClient, tmp_path: Path, ending: str
) -> None:
    """SQLite would mix its pages into the new file: refused, and the old one stays as it was."""
    output, beside = tmp_path / "x.sqlite", tmp_path / f"x.sqlite{ending}"
    async with Emulator({"ada": 45}) as api:
        await export_followers(client_of(api), ["ada"], output)
        old = output.read_bytes()
        beside.write_bytes(b"changes")
        api.gain("ada", 5)
        with pytest.raises(
            ExportError, match=rf"x\.sqlite{ending} beside it .*buy again.* No request"
        ):
            await export_followers(client_of(api), ["ada"], output, refresh="new")
        with pytest.raises(ExportError, match="nothing needs to be bought again"):
            convert(tmp_path / "x.journal", output)
        assert (output.read_bytes(), len(api.charges)) == (old, 3)


@pytest.mark.parametrize("mode", ["truncate", "persist"])
async def test_a_database_that_another_program_changed(
    client_of: MakeClient, tmp_path: Path, mode: str
) -> None:
    """What SQLite leaves beside a file in some modes changes nothing: the file is replaced."""
    output = tmp_path / "x.sqlite"
    async with Emulator({"ada": 45}) as api:
        await export_followers(client_of(api), ["ada"], output)
        with closing(sqlite3.connect(output)) as database, database:
            database.execute(f"PRAGMA journal_mode = {mode}")
            database.execute("DELETE FROM follows")
        assert (tmp_path / "x.sqlite-journal").exists()
        api.gain("ada", 5)
        await export_followers(client_of(api), ["ada"], output, refresh="new", overwrite=True)
    with closing(sqlite3.connect(output)) as database:
        assert database.execute("SELECT count(*) FROM follows").fetchone() == (50,)


async def test_a_database_whose_name_is_as_long_as_can_be(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Nothing with a longer name can be beside it."""
    journal = tmp_path / "x.journal"
    async with Emulator({"ada": 45}) as api:
        await export_followers(client_of(api), ["ada"], tmp_path / "x.csv")
    output = tmp_path / f"{'x' * 241}.sqlite"
    assert convert(journal, output).rows == convert(journal, output).rows == 45
