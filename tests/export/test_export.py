"""Every format, read back by the programs that people read it with."""

import gzip
import sqlite3
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest
import sqlite_utils
from hypothesis import given, settings, strategies as st

from socialfetch_async import Journal, convert
from socialfetch_async.emulator import Emulator
from socialfetch_async.export.columns import NAMES
from socialfetch_async.export.outputs import FORMATS
from tests import journals
from tests.conftest import MakeClient
from tests.consumers import READERS, TIMES, WITNESSES, Cells, Read, cells, found

ODD = [
    journals.row("plain"),
    journals.row(
        "whole",
        displayName="Whole",
        avatarUrl="https://a.invalid/b?c=d&e",
        avatarUrls={name: f"https://a.invalid/{name}" for name in ("large", "medium", "thumb")},
        platformUserId="7463232156317287456",
        secUid="MS4_-",
        bio="",
        verified=True,
        privateAccount=True,
        metrics={"followers": 2**63 - 1, "following": 0},
    ),
    journals.row("trimmed", avatarUrls={"thumb": "https://a.invalid/t"}, bio='says "hi", twice'),
    journals.row("new.fields", region="DE", avatarUrls={"huge": [1, None]}, bio=" spaces "),
    journals.row("breaks", bio="one\ntwo\r\nthree\rfour\u2028five", displayName=","),
    journals.row("formula", bio="=1+1", displayName="@SUM(A1)"),
    journals.row("right.to.left", bio="שלום \u202eabc", displayName="مرحبا"),
    journals.row("nul", bio="a\0b", displayName="\0"),
    journals.row("emoji", bio="👩‍🚀🇳🇴 e\u0301", displayName="日本語"),
]


def odd_batch(folder: Path) -> tuple[Path, list[Cells]]:
    """Write a journal with everything odd in it; return it and the rows it holds."""
    more = [journals.row("bo.1"), journals.row("plain", bio="later")]
    path = journals.write(
        folder / "odd.journal",
        journals.page("bo", more, "c1", seconds=3),
        journals.page("Ada", ODD, None, "c1", seconds=1),
        journals.done("priv", "private", seconds=1),
        journals.page("ada", [], "c1", "c2", seconds=1),
        journals.page("priv", [], lookup_status="private", seconds=1),
        journals.page("ADA", ["last"], "c2", seconds=2),
        journals.done("broken", "failed", error="it failed", pages=0),
    )
    rows = [cells("Ada", at, 0, row, 1) for at, row in enumerate(ODD)]
    rows.append(cells("Ada", len(rows), 2, journals.row("last"), 2))
    rows += [cells("bo", at, 0, row, 3) for at, row in enumerate(more)]
    return path, rows


@pytest.mark.parametrize(("name", "reader", "read"), READERS, ids=lambda v: str(v)[:9])
def test_every_row_is_found_again(name: str, reader: str, read: Read, tmp_path: Path) -> None:
    """Each program reads each row of a batch with odd values, in order, cell by cell."""
    journal, expected = odd_batch(tmp_path)
    convert(journal, tmp_path / f"out.{name}")
    if name == "csv":  # None and "" are both an empty cell
        expected = [tuple(None if cell == "" else cell for cell in row) for row in expected]
    if name == "sqlite":  # an account is one row, as it was seen last
        seen = len(TIMES) - 1  # which are the row's own
        expected = [
            row if row[3] != "plain" else row[:3] + expected[-1][3:-seen] + row[-seen:]
            for row in expected
        ]
    assert found(read(tmp_path / f"out.{name}")) == expected


async def test_a_batch_that_was_fetched_is_exported_whole(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """From the emulator through the journal: every follower of every handle, in each format."""
    wanted: list[tuple[str, str]] = []
    async with Emulator({"ada": 95, "bo": "private", "cleo": 40, "dev": 0}) as api:
        client = client_of(api)
        for handle in ("ada", "cleo"):
            wanted += [(handle, f.handle) async for f in client.iter_followers(handle)]
        with Journal(tmp_path / "batch.journal") as journal:
            todo = journal.pending(["dev", "cleo", "bo", "ada", "missing"])
            async with client.iter_followers_many(todo) as run:
                async for _ in journal.record(run):
                    pass
    for name, reader, read in READERS:
        result = convert(tmp_path / "batch.journal", tmp_path / f"{reader}.{name}")
        assert [row[:1] + row[3:4] for row in found(read(result.path))] == wanted
        assert (result.rows, result.pages, result.handles) == (135, 10, 5)
        assert result.statuses == {"complete": 3, "not_found": 1, "private": 1}
        assert (result.unfinished, result.invalid_rows, result.broken_lines) == (0, 0, 0)
        assert result.bytes == result.path.stat().st_size


def content(path: Path) -> Any:
    """Return what has to be the same: the bytes, or every row of every table."""
    if path.suffix == ".parquet":
        return pl.read_parquet(path).to_dicts()
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as database:
            return list(database.iterdump())
    return path.read_bytes()


texts = st.none() | st.text()
counts = st.integers(-(2**63) + 1, 2**63 - 1)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(st.text(min_size=1), texts, texts, counts), unique_by=itemgetter(0)))
def test_no_text_and_no_count_is_changed(
    rows: list[tuple[str, str | None, str | None, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever characters are in it, on the way through each format and back."""
    folder = tmp_path_factory.mktemp("any")
    api = [
        journals.row(handle, bio=bio, secUid=uid, metrics={"followers": count, "following": 0})
        for handle, bio, uid, count in rows
    ]
    journal = journals.write(folder / "a.journal", journals.page("ada", api))
    for name, read in WITNESSES.items():
        expected = [cells("ada", at, 0, row, 0) for at, row in enumerate(api)]
        if name == "csv":
            expected = [tuple(None if cell == "" else cell for cell in row) for row in expected]
        assert found(read(convert(journal, folder / f"out.{name}").path)) == expected


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_pages_give_the_same_file(name: str, tmp_path: Path) -> None:
    """In whatever order they were saved, and in whichever of two journals."""
    pages = [
        journals.page(
            handle, [f"{handle}.{n}", "both"], str(n) if n else None, str(n + 1), seconds=n
        )
        for handle in ("ada", "bo", "cleo")
        for n in range(5)
    ]
    random = Random(1)
    seen = []
    for turn in range(4):
        random.shuffle(pages)
        one = journals.write(tmp_path / f"{turn}.a", *pages[: turn * 4])
        two = journals.write(tmp_path / f"{turn}.b", *pages[turn * 4 :])
        convert([one, two], tmp_path / f"{turn}.{name}")
        seen.append(content(tmp_path / f"{turn}.{name}"))
    assert seen[1:] == seen[:1] * 3
    assert len(seen[0]) >= 30


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_of_nothing_has_the_columns(name: str, tmp_path: Path) -> None:
    """Where a format can say them; JSON lines are empty."""
    journal = journals.write(
        tmp_path / "a.journal", journals.page("ada", [], lookup_status="hidden")
    )
    result = convert(journal, tmp_path / f"out.{name}")
    assert (result.rows, result.pages, result.handles) == (0, 1, 1)
    if name == "csv":
        assert result.path.read_bytes() == ",".join(NAMES).encode() + b"\r\n"
    elif name == "parquet":
        assert pl.read_parquet(result.path).columns == list(NAMES)
    elif name == "sqlite":
        with closing(sqlite_utils.Database(result.path)) as database:
            assert database["follows"].count == database["accounts"].count == 0
            assert [row["status"] for row in database["handles"].rows] == ["hidden"]
    else:
        text = result.path.read_bytes()
        assert (gzip.decompress(text) if name == "jsonl.gz" else text) == b""


@pytest.mark.parametrize("name", FORMATS)
def test_a_short_list_is_not_silent(name: str, tmp_path: Path) -> None:
    """The result counts what is missing, whatever the format."""
    journal = journals.write(
        tmp_path / "a.journal",
        journals.page("stopped", ["a"], None, "c1"),
        journals.done("stopped", "stopped"),
        journals.page("killed", ["a", {"handle": "no.follower"}, None, "b"], None, "c1"),
        journals.page("later", ["c"], "c7"),
        journals.done("broken", "failed", error="it failed"),
        journals.page("whole", ["a"]),
    )
    result = convert(journal, tmp_path / f"out.{name}")
    assert (result.rows, result.pages, result.handles) == (5, 4, 5)
    assert (result.unfinished, result.without_first_page, result.invalid_rows) == (3, 1, 2)
    assert result.statuses == {"complete": 2, "failed": 1, "stopped": 1, "unfinished": 1}
