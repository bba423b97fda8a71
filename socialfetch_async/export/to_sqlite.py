"""SQLite: accounts once, who follows whom, and the pages and handles it is known from.

An account is its handle, as the API writes it: `platform_user_id` is absent from trimmed answers,
and the vendor's own examples share one. Of an account that came several times the row fetched
last is kept.
"""

import sqlite3
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Final

from socialfetch_async.export.columns import COLUMNS, NAMES, OF_ACCOUNT, Column, int64
from socialfetch_async.export.lists import Lists, Page, as_text, columns_of
from socialfetch_async.journal import SavedHandle

# `PRAGMA user_version` of the files: it grows when a table changes.
SCHEMA_VERSION: Final = 2
_TYPES: Final = {"text": "TEXT", "int": "INTEGER", "bool": "INTEGER", "time": "TEXT"}


def _declared(column: Column) -> str:
    return f"{column.name} {_TYPES[column.type]}{'' if column.nullable else ' NOT NULL'}"


_KEPT: Final = tuple(c for c in COLUMNS if c in OF_ACCOUNT or c.name in {"extra", "fetched_at"})
_COLUMNS: Final = ",\n  ".join(map(_declared, _KEPT))
_TABLES: Final = f"""
CREATE TABLE handles (
  handle TEXT PRIMARY KEY,
  status TEXT NOT NULL,
  finished INTEGER NOT NULL,
  cursor TEXT,
  pages INTEGER NOT NULL,
  followers INTEGER NOT NULL,
  total_followers INTEGER,
  credits_charged INTEGER NOT NULL,
  error TEXT,
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE pages (
  source TEXT NOT NULL REFERENCES handles (handle),
  page INTEGER NOT NULL,
  cursor TEXT,
  lookup_status TEXT NOT NULL,
  next_cursor TEXT,
  has_more INTEGER NOT NULL,
  total_followers INTEGER,
  credits_charged INTEGER NOT NULL,
  request_id TEXT NOT NULL,
  cached INTEGER NOT NULL,
  invalid_rows INTEGER NOT NULL,
  fetched_at TEXT NOT NULL,
  PRIMARY KEY (source, page)
) WITHOUT ROWID;
CREATE TABLE accounts (
  {_COLUMNS},
  PRIMARY KEY (handle)
);
CREATE TABLE follows (
  source TEXT NOT NULL REFERENCES handles (handle),
  follower TEXT NOT NULL REFERENCES accounts (handle),
  position INTEGER NOT NULL,
  page INTEGER NOT NULL,
  first_seen_at TEXT NOT NULL,
  last_seen_at TEXT NOT NULL,
  PRIMARY KEY (source, position),
  FOREIGN KEY (source, page) REFERENCES pages (source, page)
) WITHOUT ROWID;
"""
# Made when the rows are there, which takes less time.
_INDEXES: Final = """
CREATE INDEX follows_of_follower ON follows (follower);
CREATE INDEX follows_of_page ON follows (source, page);
"""
_ACCOUNT: Final = (
    f"INSERT INTO accounts VALUES ({', '.join('?' * len(_KEPT))}) ON CONFLICT (handle) DO UPDATE "  # noqa: S608 - our own names
    f"SET {', '.join(f'{c.name} = excluded.{c.name}' for c in _KEPT[1:])} "
    "WHERE excluded.fetched_at >= accounts.fetched_at"
)
_FOLLOW: Final = ("source", "handle", "position", "page", "first_seen_at", "last_seen_at")
_account: Final = itemgetter(*map(COLUMNS.index, _KEPT))
_follow: Final = itemgetter(*map(NAMES.index, _FOLLOW))


def write(path: Path, lists: Lists) -> None:
    """Write the four tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # The file is thrown away if anything fails, so it needs no way back of its own, and it is
        # flushed to the disk once, at the end. 32 MiB of it may stay in memory.
        database.executescript(
            "PRAGMA page_size = 32768; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "PRAGMA cache_size = -32768;"
            f"PRAGMA user_version = {SCHEMA_VERSION};{_TABLES}"
        )
        database.execute("BEGIN")
        database.executemany(_insert("handles", 11), map(_handle, lists.handles))
        for pages in lists.batches():
            columns = columns_of(pages)
            database.executemany(_insert("pages", 12), map(_page, pages))
            database.executemany(_ACCOUNT, zip(*_account(columns), strict=True))
            database.executemany(
                _insert("follows", len(_FOLLOW)), zip(*_follow(columns), strict=True)
            )
        database.execute("COMMIT")
        database.executescript(_INDEXES)


def _insert(table: str, columns: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - our own names


def _handle(handle: SavedHandle) -> tuple[object, ...]:
    return (
        handle.handle,
        handle.status,
        handle.finished,
        handle.cursor,
        handle.pages,
        handle.followers,
        int64(handle.total_followers),
        handle.credits_charged,
        handle.error,
        as_text(handle.first_at),
        as_text(handle.last_at),
    )


def _page(page: Page) -> tuple[object, ...]:
    saved = page.saved
    return (
        page.source,
        page.number,
        saved.cursor,
        saved.lookup_status,
        saved.next_cursor,
        saved.has_more,
        int64(saved.total_followers),
        saved.credits_charged,
        saved.request_id,
        saved.cached,
        saved.invalid_rows,
        page.fetched_at,
    )
