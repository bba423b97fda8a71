"""The file of an export: whole or not there, never in the place of a journal."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import export
from socialfetch_async import ExportError, JournalError, convert
from socialfetch_async.export.atomic import atomic_write
from socialfetch_async.export.outputs import FORMATS
from tests import journals

# A file may grow to so many bytes, as on a full disk; then every format is tried.
NO_ROOM = """
import sys
from socialfetch_async import ExportError, convert
from tests.full_disk import files_end_at
journal, folder, most = sys.argv[1:]
import pyarrow.parquet
with files_end_at(int(most)):
    for name in {names}:
        try:
            print(convert(journal, f"{{folder}}/out.{{name}}").rows)
        except ExportError as error:
            print(error)
"""
CONVERT = "import sys; from socialfetch_async import convert; convert(*sys.argv[1:])"


def child(code: str, *arguments: Any) -> list[str]:
    """Start a program in a new interpreter."""
    return [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]


def pages(count: int) -> Iterator[dict[str, Any]]:
    """Return the lines of so many pages of a hundred followers."""
    for n in range(count):
        names = [f"{n}.{i}" for i in range(100)]
        yield journals.page("ada", names, str(n) if n else None, str(n + 1))


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of two thousand followers in a folder of its own."""
    folder = tmp_path / "batch"
    folder.mkdir()
    return journals.write(folder / "a.journal", *pages(20))


def test_a_block_that_ends_leaves_the_new_file(tmp_path: Path) -> None:
    """A new file is for its owner only; missing folders are made; nothing stays beside it."""
    path = tmp_path / "not/yet/out.csv"
    with atomic_write(path) as part:
        assert part.parent == path.parent
        part.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o440])
def test_what_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """Whoever could read last month's export can read this one, also where nobody may write it."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    path.chmod(mode)
    with atomic_write(path) as part:
        part.write_text("new")
        assert stat.S_IMODE(part.stat().st_mode) == 0o600  # its owner is not root, as a rule
        assert path.read_text() == "old"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", mode)


def test_what_is_replaced_keeps_its_owner(tmp_path: Path) -> None:
    """An export that root renews in a user's folder stays the user's."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    # Only root gives files away; anybody may give one to a group of theirs.
    owner = (
        (1234, 2345) if os.geteuid() == 0 else (os.geteuid(), [os.getegid(), *os.getgroups()][-1])
    )
    os.chown(path, *owner)
    with atomic_write(path) as part:
        part.write_text("new")
    assert (path.stat().st_uid, path.stat().st_gid) == owner


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM])
def test_a_folder_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Network and FUSE file systems refuse it; the file is there all the same."""
    sync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with atomic_write(tmp_path / "out.csv") as part:
        part.write_text("new")
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_step_that_fails_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A full disk at the sync; a rename over a file that is open, which Windows refuses."""

    def fail(*_: object) -> None:
        raise PermissionError(errno.EACCES, "held")

    (tmp_path / "out.csv").write_text("old")
    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(PermissionError), atomic_write(tmp_path / "out.csv") as part:
        part.write_text("new")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"out.csv": "old"}


def test_a_part_that_a_kill_has_left_is_removed(tmp_path: Path) -> None:
    """By the next export of that file, once nobody can be writing it any more."""
    names = (".x.csv.12345678.part", ".x.csv.87654321.part", ".y.csv.12345678.part")
    old, young, other = (tmp_path / name for name in names)
    for path in (old, young, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (1, 1))
    with atomic_write(tmp_path / "x.csv"):
        pass
    assert set(tmp_path.iterdir()) == {young, other, tmp_path / "x.csv"}


def test_the_longest_name_has_a_part(tmp_path: Path) -> None:
    """255 bytes are a name on most systems; a character is not cut in two."""
    for name in ("x" * 251 + ".csv", "\u00e9" * 125 + "a.csv"):
        with atomic_write(tmp_path / name) as part:
            part.write_text("new")
        assert (tmp_path / name).read_text() == "new"
    with pytest.raises(OSError, match="too long"), atomic_write(tmp_path / ("x" * 252 + ".csv")):
        pass


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, GeneratorExit])
def test_a_block_that_raises_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    """Whatever it raises, and whether or not there was an old one."""
    for old in ({}, {"out.csv": "old"}):
        for name, text in old.items():
            (tmp_path / name).write_text(text)
        with pytest.raises(error), atomic_write(tmp_path / "out.csv") as part:
            part.write_text("new")
            raise error
        assert {p.name: p.read_text() for p in tmp_path.iterdir()} == old


def test_a_full_disk_leaves_the_old_export(journal: Path, tmp_path: Path) -> None:
    """In every format: a sentence that says what was kept, and nothing beside the old file."""
    for name in FORMATS:
        (tmp_path / f"out.{name}").write_text("old")
    code = NO_ROOM.format(names=list(FORMATS))
    command = child(code, journal, tmp_path, 4_000)
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert len(said) == len(FORMATS)
    for name, sentence in zip(FORMATS, said, strict=True):
        assert f"out.{name} was not written: " in sentence
        assert "nothing needs to be bought again" in sentence
        assert (tmp_path / f"out.{name}").read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"batch", *(f"out.{n}" for n in FORMATS)}


def test_ctrl_c_leaves_the_old_export(tmp_path: Path) -> None:
    """A real signal in the middle of a real export."""
    journal = journals.write(tmp_path / "a.journal", *pages(500))
    output = tmp_path / "out.sqlite"
    output.write_text("old")
    with subprocess.Popen(child(CONVERT, journal, output), stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 20
        while not any(p.stat().st_size for p in tmp_path.glob(".out.sqlite.*.part")):
            assert time.monotonic() < until
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT, said
    assert output.read_text() == "old"
    assert {p.name for p in tmp_path.iterdir()} == {"a.journal", "out.sqlite"}


def test_a_link_stays_and_what_it_points_to_is_replaced(journal: Path, tmp_path: Path) -> None:
    """The export goes to where the link points to."""
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    result = convert(journal, tmp_path / "link.csv")
    assert (tmp_path / "link.csv").is_symlink()
    assert result.path == tmp_path / "real.csv"
    assert result.bytes == len((tmp_path / "real.csv").read_bytes()) > 2_000


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("out", {}, "ValueError: out says no format: end it with .jsonl, .jsonl.gz, .csv"),
    ("out.json", {}, "ValueError: out.json says no format"),
    ("out.csv", {"format": "xlsx"}, "ValueError: no such format: 'xlsx'. There are jsonl, "),
    ("out.jsonl", {"spreadsheet": True}, "ValueError: spreadsheet is for csv: jsonl has no cells"),
    ("batch/a.journal", {"format": "csv"}, "ExportError: {}/batch/a.journal is a journal: "),
    ("batch/link.csv", {}, "ExportError: {}/batch/a.journal is a journal: "),
    ("other.jsonl", {}, "ExportError: {}/other.jsonl is a journal: "),
    ("text/out.csv", {}, "ExportError: {}/text/out.csv was not written: Not a directory. "),
    ("folder.csv", {}, "ExportError: {}/folder.csv was not written: it is a folder or a device"),
    ("pipe.csv", {}, "ExportError: {}/pipe.csv was not written: it is a folder or a device"),
]


@pytest.mark.parametrize(("output", "options", "says"), REFUSED)
def test_what_can_not_be_written_is_refused(
    journal: Path, tmp_path: Path, output: str, options: Any, says: str
) -> None:
    """With a sentence, and everything as it was."""
    journals.write(tmp_path / "other.jsonl", journals.page("bo", ["paid"]))
    (journal.parent / "link.csv").symlink_to(journal)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "text").touch()
    os.mkfifo(tmp_path / "pipe.csv")
    before = {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")}
    with pytest.raises((ValueError, ExportError)) as caught:
        convert(journal, tmp_path / output, **options)
    said = f"{caught.type.__name__}: {caught.value}"
    assert said.startswith(says.format(tmp_path.resolve()))
    assert {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")} == before


def test_what_can_not_be_read_is_refused(tmp_path: Path) -> None:
    """A missing journal, a file that is none, and no journal at all; nothing is written."""
    (tmp_path / "text").write_text("handle\nada\n")
    with pytest.raises(JournalError, match="No such file"):
        convert(tmp_path / "missing", tmp_path / "out.csv")
    with pytest.raises(JournalError, match="is not a journal"):
        convert(tmp_path / "text", tmp_path / "out.csv")
    with pytest.raises(ValueError, match="no journal was named"):
        convert([], tmp_path / "out.csv")
    assert [p.name for p in tmp_path.iterdir()] == ["text"]


def test_the_format_is_the_suffix_in_any_case_or_what_is_said(
    journal: Path, tmp_path: Path
) -> None:
    """`format` wins over the suffix, and a name without one is fine then."""
    assert (
        convert(journal, tmp_path / "A.JSONL").bytes
        == convert(journal, tmp_path / "plain.csv", format="jsonl").bytes
    )
    assert (
        convert([str(journal)], tmp_path / "tables", format="sqlite").path.read_bytes()[:6]
        == b"SQLite"
    )
    assert json.loads((tmp_path / "A.JSONL").read_text().splitlines()[0])["source"] == "ada"


def test_without_pyarrow_parquet_says_how_to_get_it(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One sentence; the other formats do not need it."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ExportError, match=r"pip install '\.\[parquet\]'"):
        convert(journal, tmp_path / "out.parquet")
    assert [p.name for p in tmp_path.iterdir()] == ["batch"]
    assert convert(journal, tmp_path / "out.csv").rows == 2_000


@pytest.fixture(scope="module")
def big_journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 56 MB: 60,000 followers with every documented field."""
    path = tmp_path_factory.mktemp("big") / "big.journal"
    export.write_journal(path, 60_000)
    return path


MOST_MB = {"jsonl": 30, "jsonl.gz": 30, "csv": 30, "parquet": 120, "sqlite": 55}


@pytest.mark.xdist_group("big")  # the journal is made once
@pytest.mark.parametrize("name", FORMATS)
def test_memory_does_not_grow_with_the_rows(name: str, big_journal: Path, tmp_path: Path) -> None:
    """A small version of `python -m benchmarks.export`, in a process of its own."""
    figures = export.measured(name, big_journal, tmp_path)
    assert figures["rows"] == 60_000
    assert figures["mb"] < MOST_MB[name]


def test_importing_the_exports_loads_nothing_heavy() -> None:
    """No pyarrow, no aiohttp: reading journals is offline."""
    code = (
        "import sys; from socialfetch_async.export import convert, diff; "
        "print([m for m in ('pyarrow', 'aiohttp', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(child(code), capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("content", ["empty", "broken", "header", "handles"])
def test_an_export_of_nothing_replaces_no_file(tmp_path: Path, content: str) -> None:
    """A journal without a page that can be read leaves an older export as it was."""
    lines = {"header": [], "handles": [journals.done("ada", "failed", error="Why.")]}
    journal = journals.write(tmp_path / "a.journal", *lines.get(content, pages(2)))
    if content == "empty":
        journal.write_bytes(b"")
    if content == "broken":
        journal.write_bytes(journal.read_bytes().replace(b'"ada"', b'"bob"'))
    output = tmp_path / "out.csv"
    output.write_text("last month's")
    with pytest.raises(ExportError, match="was left as it is: an export of nothing"):
        convert(journal, output)
    assert output.read_text() == "last month's"
    assert convert(journal, tmp_path / "new.csv").rows == 0


def test_a_damaged_journal_is_not_replaced(journal: Path, tmp_path: Path) -> None:
    """Its name says what it is, also when its beginning is lost."""
    damaged = tmp_path / "b.journal"
    damaged.write_bytes(journal.read_bytes()[5:])
    old = damaged.read_bytes()
    with pytest.raises(ExportError, match="is a journal"):
        convert(journal, damaged, format="csv")
    assert damaged.read_bytes() == old
