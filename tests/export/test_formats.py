"""What one format has that the others have not."""

import csv
import io
import json
from contextlib import closing
from pathlib import Path

import duckdb
import polars as pl
import pytest
import sqlite_utils
from hypothesis import given, settings, strategies as st

from socialfetch_async import convert, read_journal
from socialfetch_async.export import Lists
from socialfetch_async.export.to_csv import blocks, safe_cell
from tests import journals
from tests.consumers import WITNESSES


def test_a_count_no_column_holds_is_the_number_in_json_lines(tmp_path: Path) -> None:
    """And stands in `extra` elsewhere, as the docs say."""
    big = journals.row("big", metrics={"followers": 10**30, "following": 2**63})
    journal = journals.write(tmp_path / "a.journal", journals.page("ada", [big, "small"]))
    for name, read in WITNESSES.items():
        one, two = read(convert(journal, tmp_path / f"out.{name}").path)
        assert (two["followers"], two["extra"]) == (1, None)
        if name == "jsonl":
            assert ({k: one[k] for k in big["metrics"]}, one["extra"]) == (big["metrics"], None)
        else:
            assert (one["followers"], one["following"]) == (None, None)
            assert json.loads(one["extra"]) == {"metrics": big["metrics"]}


def test_csv_is_as_the_rfc_has_it(tmp_path: Path) -> None:
    """CRLF, quotation marks doubled and only where needed, true and false as in JSON."""
    rows = [journals.row("ada", bio='a "b",\nc', verified=True)]
    journal = journals.write(tmp_path / "a.journal", journals.page("src", rows))
    convert(journal, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes().split(b"\r\n")[1:] == [
        b'src,0,0,ada,,,"a ""b"",\nc",true,false,1,2,,,,,,,'
        + b",".join([b"2026-11-22T12:00:00.000000Z"] * 3),
        b"",
    ]


def test_csv_has_no_block_without_text(tmp_path: Path) -> None:
    """Whoever writes the blocks to a pipe would take some in a row for the end of the lists."""
    none = [journals.page("ada", [], None if n == 0 else str(n), str(n + 1)) for n in range(3_000)]
    saved = read_journal(journals.write(tmp_path / "j", *none, journals.page("bo", ["x"])))
    head, row = blocks(Lists(saved))
    assert head.startswith(b"source,")
    assert row.startswith(b"bo,0,0,x,")


def test_spreadsheet_are_for_spreadsheets(tmp_path: Path) -> None:
    """Formulas get an apostrophe, in every column of text; without it they stay as they came."""
    rows = [journals.row("=1", bio="\t@x", displayName="a=1", secUid="\uff0b1")]
    journal = journals.write(tmp_path / "a.journal", journals.page("src", rows))
    kinds = {}
    for safe in (True, False):
        convert(journal, tmp_path / "out.csv", spreadsheet=safe)
        text = (tmp_path / "out.csv").read_bytes()
        assert text.startswith(b"\xef\xbb\xbfsource," if safe else b"source,")
        (row,) = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""))
        kinds[safe] = [row[name] for name in ("handle", "bio", "display_name", "sec_uid")]
    assert kinds[True] == ["'=1", "'\t@x", "a=1", "'\uff0b1"]
    assert kinds[False] == ["=1", "\t@x", "a=1", "\uff0b1"]


def test_parquet_is_typed_and_compressed(tmp_path: Path) -> None:
    """Times in UTC, whole numbers, truth values; repeated values once; zstd."""
    journal = journals.write(tmp_path / "a.journal", journals.page("ada", ["a", "b", "c"]))
    convert(journal, tmp_path / "out.parquet")
    schema = pl.read_parquet_schema(tmp_path / "out.parquet")
    assert schema["fetched_at"] == pl.Datetime("us", "UTC")
    assert schema["followers"] == schema["position"] == pl.Int64
    assert schema["verified"] == pl.Boolean
    with duckdb.connect() as database:
        stored = database.execute(
            "SELECT path_in_schema, compression, encodings FROM parquet_metadata(?)",
            [str(tmp_path / "out.parquet")],
        ).fetchall()
    assert {compression for _, compression, _ in stored} == {"ZSTD"}
    assert {"source", "bio", "fetched_at", "first_seen_at", "last_seen_at"} == {
        name for name, _, how in stored if "DICTIONARY" in how
    }


def test_sqlite_has_keys_that_hold(tmp_path: Path) -> None:
    """An account is one row for all whom it follows, as it was seen last; nothing dangles."""
    journal = journals.write(
        tmp_path / "a.journal",
        journals.page("ada", [journals.row("x", bio="new")] * 2 + ["y"], seconds=9),
        journals.page(
            "bo", [journals.row("x", bio="old"), journals.row("Y", bio="old")], seconds=2
        ),
        journals.page("cy", [], total_followers=2**70),
        journals.done("cleo", "failed", error="it failed"),
    )
    convert(journal, tmp_path / "out.sqlite")
    with closing(sqlite_utils.Database(tmp_path / "out.sqlite")) as database:
        assert [(row["handle"], row["bio"]) for row in database["accounts"].rows] == [
            ("x", "new"), ("y", None), ("Y", "old"),
        ]  # fmt: skip
        assert [tuple(row.values())[:4] for row in database["follows"].rows] == [
            ("ada", "x", 0, 0), ("ada", "x", 1, 0), ("ada", "y", 2, 0),
            ("bo", "x", 0, 0), ("bo", "Y", 1, 0),
        ]  # fmt: skip
        assert [row["status"] for row in database["handles"].rows] == [
            "complete",
            "complete",
            "failed",
            "complete",
        ]
        assert [row["total_followers"] for row in database["pages"].rows] == [9, 9, None]
        assert list(database.query("PRAGMA foreign_key_check")) == []
        assert list(database.query("PRAGMA integrity_check")) == [{"integrity_check": "ok"}]
        (plan,) = database.query(
            "EXPLAIN QUERY PLAN SELECT source FROM follows WHERE follower = 'x'"
        )
        assert "follows_of_follower" in plan["detail"]


@settings(deadline=None)  # it waits for the disk
@given(
    rows=st.lists(
        st.tuples(st.text(), st.none() | st.text(alphabet='a",\r\n;\u00e9 '), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_csv_is_what_the_standard_library_writes(
    rows: list[tuple[str, str | None, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Byte for byte: our writer is only faster."""
    folder = tmp_path_factory.mktemp("csv")
    given_ = [journals.row("x", displayName=a, bio=b, verified=c) for a, b, c in rows]
    journal = journals.write(folder / "a.journal", journals.page("ada", given_))
    convert(journal, folder / "out.csv")
    text = (folder / "out.csv").read_bytes().decode()
    found = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    again = io.StringIO(newline="")
    csv.writer(again).writerows(found)
    assert again.getvalue() == text
    at = [found[0].index(name) for name in ("display_name", "bio", "verified")]
    assert [[row[n] for n in at] for row in found[1:]] == [
        [a, b or "", str(c).lower()] for a, b, c in rows
    ]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a\n=1", "a\n'=1"),
        ("a\t @x", "a\t' @x"),
        ("a; b=1", "a; b=1"),
        ("=1;=2", "'=1;'=2"),
    ],
)
def test_a_formula_behind_another_separator(cell: str, safe: str) -> None:
    """Where the semicolon separates, a text is split there, quotation marks or not."""
    assert safe_cell(cell) == safe
