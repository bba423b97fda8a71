"""CSV as RFC 4180 has it: UTF-8, commas, CRLF, quotation marks where they are needed.

An empty cell is None or "": CSV does not tell them apart. True and false are written as in JSON.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from socialfetch_async.export.columns import COLUMNS, NAMES
from socialfetch_async.export.lists import Lists, columns_of

# What a spreadsheet takes for a formula (OWASP, "CSV Injection"), its full-width twins, and both
# behind characters that a reader trims or does not show. Where the system's separator is another
# than the comma, a cell begins behind that one, too: then it splits in the middle of a text.
_HIDDEN: Final = r"[\s\x00-\x1f\x7f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*"
_RUN: Final = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_AT_ITS_BEGINNING: Final = re.compile(rf"[\t\r\n]|{_HIDDEN}{_RUN}")
_BEHIND_A_SEPARATOR: Final = re.compile(rf"(?<=[^\s][;\t\r\n])(?={_HIDDEN}{_RUN})")
_TYPES: Final = [column.type for column in COLUMNS]
_END: Final = "\r\n"
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
    head = f"{_BYTE_ORDER_MARK if spreadsheet else ''}{','.join(NAMES)}{_END}"
    yield head.encode()
    for pages in lists.batches():
        columns = columns_of(pages)
        if spreadsheet:
            columns = [[safe_cell(cell) for cell in column] for column in columns]
        texts = map(_texts, columns, _TYPES)
        lines = map(",".join, zip(*texts, strict=True))
        if block := "".join([line + _END for line in lines]):
            yield block.encode()


def _texts(cells: Sequence[Any], kind: str) -> Sequence[str]:
    """Return the cells of a column as they stand in the file.

    As `csv.writer` writes them, which looks at every letter of every cell and takes six times as
    long: most columns need no quotation mark, and a whole column is searched for that at once.
    """
    if kind == "bool":
        return [_WORDS[cell] for cell in cells]
    if None in cells:
        cells = ["" if cell is None else cell for cell in cells]
    if kind == "int":
        return list(map(str, cells))
    if not _needs_quotes("".join(cells)):
        return cells
    return [_quoted(cell) if _needs_quotes(cell) else cell for cell in cells]


def _needs_quotes(text: str) -> bool:
    return "," in text or '"' in text or "\n" in text or "\r" in text


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def lines_of(rows: Iterable[Cells]) -> Iterator[bytes]:
    """Yield other rows as lines of the same CSV."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    for row in rows:
        lines.writerow(_WORDS[cell] if isinstance(cell, bool) else cell for cell in row)
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()


def safe_cell(value: Any) -> Any:
    """Return a cell that no spreadsheet runs: an apostrophe stands before each formula."""
    if not isinstance(value, str):
        return value
    text = _BEHIND_A_SEPARATOR.sub("'", value)
    return f"'{text}" if _AT_ITS_BEGINNING.match(value) else text
