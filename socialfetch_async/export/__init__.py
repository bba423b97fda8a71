"""Exports of journals, offline: JSON lines, CSV, Parquet, SQLite, and what changed between two.

A journal is the one place where paid pages are kept; everything here is derived from it and can
be made again at no cost in credits.

    lists.py       the saved pages in order, their rows numbered and counted
    rows.py        the followers of a page, and what the API sent besides
    columns.py     the table of columns, for every format and for the docs
    to_*.py        a format each
    atomic.py      a file that is there whole or not at all
    conversion.py  convert(): journals to one file
    difference.py  diff(): gained and lost followers
"""

from socialfetch_async.export.atomic import atomic_write as atomic_write
from socialfetch_async.export.conversion import (
    FORMATS as FORMATS,
    ExportResult,
    Journals as Journals,
    PathLike as PathLike,
    convert,
    paths_of as paths_of,
    refuse_a_journal as refuse_a_journal,
)
from socialfetch_async.export.difference import Change, diff

__all__ = ["Change", "ExportResult", "convert", "diff"]
