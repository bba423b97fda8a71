"""CSV as RFC 4180 has it: UTF-8, commas, CRLF, quotation marks where they are needed.

An empty cell is None or "": CSV does not tell them apart. True and false are written as in JSON.
"""

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from socialfetch_async.export.columns import COLUMNS, NAMES
from socialfetch_async.export.lists import Lists

# What a spreadsheet takes for a formula (OWASP, "CSV Injection"), its full-width twins, and both
# behind what a reader trims or does not show.
_FORMULA: Final = re.compile(
    r"[\t\r\n]|[\s\x00-\x1f\x7f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*"
    r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
)
_BOOLS: Final = [at for at, column in enumerate(COLUMNS) if column.type == "bool"]

Cells = tuple[Any, ...]


def write(path: Path, lists: Lists) -> None:
    """Write a line of names, then every row."""
    _write(path, lists, _words)


def write_safe(path: Path, lists: Lists) -> None:
    """Write as `write` does, with an apostrophe before what a spreadsheet would run."""
    _write(path, lists, lambda row: map(safe_cell, _words(row)))


def _write(path: Path, lists: Lists, cells: Callable[[Cells], Iterable[Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(NAMES)
        for page in lists.pages():
            lines.writerows(map(cells, page.flat()))


def _words(row: Cells) -> list[Any]:
    cells = list(row)
    for at in _BOOLS:
        cells[at] = "true" if cells[at] else "false"
    return cells


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet runs. What is no text is no formula."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
