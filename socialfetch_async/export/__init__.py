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

from socialfetch_async.export.atomic import atomic_write as atomic_write
from socialfetch_async.export.conversion import CANNOT_WRITE as CANNOT_WRITE
from socialfetch_async.export.conversion import ExportResult, convert
from socialfetch_async.export.conversion import Journals as Journals
from socialfetch_async.export.conversion import Target as Target
from socialfetch_async.export.conversion import is_incomplete as is_incomplete
from socialfetch_async.export.conversion import is_short as is_short
from socialfetch_async.export.conversion import reason as reason
from socialfetch_async.export.conversion import result_of as result_of
from socialfetch_async.export.conversion import saved_run as saved_run
from socialfetch_async.export.conversion import streamed_target as streamed_target
from socialfetch_async.export.conversion import write_export as write_export
from socialfetch_async.export.difference import Change, diff
from socialfetch_async.export.difference import blocks_of as blocks_of
from socialfetch_async.export.difference import write_diff as write_diff
from socialfetch_async.export.lists import Lists as Lists
from socialfetch_async.export.outputs import FORMATS as FORMATS
from socialfetch_async.export.outputs import SUFFIXES as SUFFIXES
from socialfetch_async.export.outputs import Contents as Contents
from socialfetch_async.export.outputs import Input as Input
from socialfetch_async.export.outputs import PathLike as PathLike
from socialfetch_async.export.outputs import checked_format as checked_format
from socialfetch_async.export.outputs import contents_of as contents_of
from socialfetch_async.export.outputs import format_of as format_of
from socialfetch_async.export.outputs import real_path as real_path
from socialfetch_async.export.outputs import refuse_to_replace as refuse_to_replace
from socialfetch_async.export.outputs import same_file as same_file

__all__ = ["Change", "ExportResult", "convert", "diff"]
