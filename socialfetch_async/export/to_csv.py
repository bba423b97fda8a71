"""CSV as RFC 4180 has it: UTF-8, commas, CRLF, quotation marks where they are needed.

An empty cell is None or "": CSV does not tell them apart. True and false are written as in JSON.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from socialfetch_async.export.columns import COLUMNS, NAMES
from socialfetch_async.export.lists import Lists

# What a spreadsheet takes for a formula (OWASP, "CSV Injection"), its full-width twins, and both
# behind characters that a reader trims or does not show. Where the system's separator is another
# than the comma, a cell begins behind that one, too: then it splits in the middle of a text.
_HIDDEN: Final = r"[\s\x00-\x1f\x7f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*"
_RUN: Final = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_AT_ITS_BEGINNING: Final = re.compile(rf"[\t\r\n]|{_HIDDEN}{_RUN}")
_BEHIND_A_SEPARATOR: Final = re.compile(rf"(?<=[^\s][;\t\r\n])(?={_HIDDEN}{_RUN})")
_BOOLS: Final = [at for at, column in enumerate(COLUMNS) if column.type == "bool"]
_WORDS: Final = {True: "true", False: "false"}
_BYTE_ORDER_MARK: Final = "\ufeff"  # without it Excel reads the code page of the system

Cells = tuple[Any, ...]


def write(path: Path, lists: Lists) -> None:
    """Write a line of names, then every row."""
    with path.open("wb") as file:
        file.writelines(blocks(lists))


def write_for_spreadsheets(path: Path, lists: Lists) -> None:
    """Write as `write` does, so that a spreadsheet reads every letter and runs no text."""
    with path.open("wb") as file:
        file.writelines(blocks(lists, spreadsheet=True))


def blocks(lists: Lists, *, spreadsheet: bool = False) -> Iterator[bytes]:
    """Yield the names, then the rows of page after page."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    if spreadsheet:
        text.write(_BYTE_ORDER_MARK)
    lines.writerow(NAMES)
    yield _taken(text)
    for page in lists.pages():
        rows: Iterable[Iterable[Any]] = map(_words, page.flat())
        if spreadsheet:
            rows = (map(safe_cell, row) for row in rows)
        lines.writerows(rows)
        yield _taken(text)


def lines_of(rows: Iterable[Cells]) -> Iterator[bytes]:
    """Yield other rows as lines of the same CSV."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    for row in rows:
        lines.writerow(_WORDS[cell] if isinstance(cell, bool) else cell for cell in row)
        yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    """Return what was written, and begin anew."""
    block = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return block


def _words(row: Cells) -> list[Any]:
    cells = list(row)
    for at in _BOOLS:
        cells[at] = _WORDS[cells[at]]
    return cells


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet runs: an apostrophe stands before each formula."""
    if not isinstance(value, str):
        return value
    text = _BEHIND_A_SEPARATOR.sub("'", value)
    return f"'{text}" if _AT_ITS_BEGINNING.match(value) else text
