"""The programs that people read exports with: each returns the rows of a file."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import sqlite_utils

from socialfetch_async.export.columns import NAMES
from tests import journals

TIMES = ("fetched_at", "first_seen_at", "last_seen_at")
Cells = tuple[Any, ...]
Read = Callable[[Path], Iterable[dict[str, Any]]]


def cells(source: str, position: int, page: int, row: dict[str, Any], seconds: int) -> Cells:
    """Return what an export should say of a row, written down a second time."""
    pictures = row.get("avatarUrls") or {}
    extra = {k: v for k, v in row.items() if k == "region"}
    if "huge" in pictures:
        extra["avatarUrls"] = {"huge": pictures["huge"]}
    return (
        source, position, page,
        row["handle"], row["displayName"], row["avatarUrl"], row["bio"],
        row["verified"], row["privateAccount"],
        row["metrics"]["followers"], row["metrics"]["following"],
        pictures.get("large"), pictures.get("medium"), pictures.get("thumb"),
        row.get("platformUserId"), row.get("secUid"),
        extra or None,
        *[micros(journals.at(seconds))] * len(TIMES),
    )  # fmt: skip


def micros(time: Any) -> int:
    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    return time if isinstance(time, int) else round(time.timestamp() * 1e6)


def flat(line: dict[str, Any]) -> dict[str, Any]:
    """Take the nesting out of a JSON line."""
    pictures = line.pop("avatar_urls") or dict.fromkeys(("large", "medium", "thumb"))
    pictures = {f"avatar_{name}": url for name, url in pictures.items()}
    metrics: dict[str, Any] = line.pop("metrics")
    return {**line, **metrics, **pictures}


def extra(value: Any) -> Any:
    """Parse it where it is text; readers that make columns of it fill up with None."""
    if isinstance(value, str):
        return json.loads(value)
    return {
        k: extra(v) if isinstance(v, dict) else v for k, v in (value or {}).items() if v
    } or None


def found(rows: Iterable[dict[str, Any]]) -> list[Cells]:
    """Return the cells of rows in the order of the columns, whatever types a reader gave them."""
    result = []
    for row in rows:
        assert set(row) == set(NAMES)
        for name in TIMES:
            row[name] = micros(row[name])
        row["extra"] = extra(row["extra"])
        for name in ("verified", "private_account"):
            row[name] = {"true": True, "false": False}.get(row[name], row[name])
        result.append(tuple(row[name] for name in NAMES))
    return result


def by_duckdb(query: str, *, nested: bool = False) -> Read:
    def read(path: Path) -> list[dict[str, Any]]:
        with duckdb.connect() as database:
            # Python gets times with a zone only if yet another package is there.
            times = ", ".join(f"epoch_us(CAST({n} AS TIMESTAMPTZ)) AS {n}" for n in TIMES)
            answer = database.execute(f"SELECT * REPLACE ({times}) FROM {query.format(path=path)}")
            names = [column[0] for column in answer.description or []]
            rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
        return [flat(row) for row in rows] if nested else rows

    return read


def by_stdlib_json(text: bytes) -> list[dict[str, Any]]:
    *lines, end = text.split(b"\n")
    assert end == b""
    return [flat(json.loads(line)) for line in lines]


def by_stdlib_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file, strict=True))
    for row in rows:
        for name in ("position", "page", "followers", "following"):
            row[name] = row[name] and int(row[name])
    return [{k: None if v == "" else v for k, v in row.items()} for row in rows]


def by_sqlite_utils(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite_utils.Database(path)) as database:
        rows = list(
            database.query(
                "SELECT follows.*, accounts.* FROM follows JOIN accounts ON handle = follower "
                "ORDER BY source, position"
            )
        )
    for row in rows:
        assert row.pop("follower") == row["handle"]
        for name in ("verified", "private_account"):
            row[name] = bool(row[name])
    return rows


TEXT = "types = {{'bio': 'VARCHAR', 'platform_user_id': 'VARCHAR', 'extra': 'VARCHAR'}}"
POLARS_TEXT = {"platform_user_id": pl.String}
READERS: list[tuple[str, str, Read]] = [
    ("jsonl", "json", lambda p: by_stdlib_json(p.read_bytes())),
    ("jsonl", "duckdb", by_duckdb("read_json('{path}')", nested=True)),
    ("jsonl", "polars", lambda p: [flat(r) for r in pl.read_ndjson(p).to_dicts()]),
    ("jsonl.gz", "gzip", lambda p: by_stdlib_json(gzip.decompress(p.read_bytes()))),
    ("csv", "csv", by_stdlib_csv),
    ("csv", "duckdb", by_duckdb(f"read_csv('{{path}}', {TEXT})")),
    ("csv", "polars", lambda p: pl.read_csv(p, schema_overrides=POLARS_TEXT).to_dicts()),
    ("parquet", "duckdb", by_duckdb("'{path}'")),
    ("parquet", "polars", lambda p: pl.read_parquet(p).to_dicts()),
    ("sqlite", "sqlite-utils", by_sqlite_utils),
]  # fmt: skip
WITNESSES: dict[str, Read] = {
    "jsonl": lambda p: by_stdlib_json(p.read_bytes()),
    "csv": by_stdlib_csv,
    "parquet": lambda p: pl.read_parquet(p).to_dicts(),
    "sqlite": by_sqlite_utils,
}
