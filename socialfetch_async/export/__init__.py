"""Exports of journals, offline: JSON lines, CSV, Parquet, SQLite, and what changed between two.

A journal is the one place where paid pages are kept; everything here is derived from it and can
be made again at no cost in credits.

    lists.py       the saved pages in order, their rows numbered and counted
    rows.py        the followers of a page, and what the API sent besides
    columns.py     the table of columns, for every format and for the docs
    to_*.py        a format each
    atomic_write.py  a file that is there whole or not at all
    conversion.py  convert(): journals to one file
    difference.py  diff(): gained and lost followers
"""
