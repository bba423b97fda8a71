"""Exports of journals, offline: JSON lines, CSV, Parquet, SQLite, and what changed between two.

A journal is the one place where paid pages are kept; everything here is derived from it and can
be made again at no cost in credits.

    lists.py       the saved pages in order, their rows numbered and counted
    rows.py        the followers of a page, and what the API sent besides
    columns.py     the table of columns, for every format and for the docs
    to_*.py        a format each
    atomic.py      a file that is there whole or not at all
    outputs.py     names of exports, and what they must not replace
    conversion.py  convert(): journals to one file
    difference.py  diff(): gained and lost followers
"""

from socialfetch_async.export.atomic import (
    atomic_write as atomic_write,
    refuse_other_kinds as refuse_other_kinds,
)
from socialfetch_async.export.conversion import (
    CANNOT_WRITE as CANNOT_WRITE,
    ExportResult,
    Journals as Journals,
    Target as Target,
    convert,
    is_incomplete as is_incomplete,
    is_much_shorter as is_much_shorter,
    reason as reason,
    result_of as result_of,
    saved_run as saved_run,
    streamed_target as streamed_target,
    write_export as write_export,
)
from socialfetch_async.export.difference import (
    Change,
    blocks_of as blocks_of,
    diff,
    not_compared as not_compared,
    write_diff as write_diff,
)
from socialfetch_async.export.lists import Lists as Lists
from socialfetch_async.export.outputs import (
    FORMATS as FORMATS,
    SUFFIXES as SUFFIXES,
    Contents as Contents,
    Input as Input,
    PathLike as PathLike,
    checked_format as checked_format,
    contents_of as contents_of,
    format_of as format_of,
    real_path as real_path,
    refuse_to_replace as refuse_to_replace,
    same_file as same_file,
)

__all__ = ["Change", "ExportResult", "convert", "diff"]
