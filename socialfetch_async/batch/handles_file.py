"""The handles of a batch, from a text or CSV file: all is checked before anything is spent.

A line is a handle, with or without a leading @, or a profile's address; blank lines and those
that begin with # are left out. A first line with the name `handle` or `username` makes it a CSV
file, whose other columns do not matter but `cursor`, the page to go on from; `name,cursor` does
so too. (A list that begins with the handle "username" is written with its @.)

Addresses are taken because lists come from spreadsheets full of them and the handle stands in
them literally, after the @; a short link or a video's address would need a guess or a request,
and is refused.
"""

import csv
import io
import re
import sys
from pathlib import Path
from typing import Final, NamedTuple

from socialfetch_async._arguments import clean_handle
from socialfetch_async._text import shortened
from socialfetch_async.errors import InvalidHandleError

_SHOWN: Final = 20
_DELIMITERS: Final = (",", ";", "\t")
_PROFILE: Final = re.compile(
    r"(?:https?://)?(?:www\.|m\.)?tiktok\.com/@([A-Za-z0-9._]+)/?(?:[?#]\S*)?", re.IGNORECASE
)
_RULE: Final = (
    "A line is one handle: 1 to 64 letters, digits, dots and underscores, with or without a "
    "leading @, or https://www.tiktok.com/@HANDLE. A CSV file begins with the names of its "
    "columns, one of them `handle` or `username`. Correct the file; nothing was sent."
)


class Duplicate(NamedTuple):
    """A handle that came again; the spelling and the cursor of `first_line` are kept."""

    handle: str
    line: int
    first_line: int


class HandlesFile(NamedTuple):
    """What a file asks for.

    Attributes:
        handles: Each handle once, in the order of the file, with its start cursor or None; what
            `iter_followers_many` takes.
        duplicates: Lines whose handle, compared without case and a leading @, came before.
    """

    handles: dict[str, str | None]
    duplicates: tuple[Duplicate, ...]


class _Columns(NamedTuple):
    """Where the handle and the cursor of a line stand."""

    delimiter: str = ","
    width: int = 1
    handle: int = 0
    cursor: int | None = None


def read_handles(path: str | Path) -> HandlesFile:
    """Read a file of handles; `-` is stdin.

    Raises:
        ValueError: The file can not be read, is no UTF-8 text or has no handle, or lines of it
            are none; the message names up to 20 of these lines.
    """
    stdin = str(path) == "-"
    name = "stdin" if stdin else str(path)
    if stdin and sys.stdin is None:
        raise ValueError("stdin is closed: name a file, or send the handles there.")
    try:
        data = sys.stdin.buffer.read() if stdin else Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"can not read {name}: {error.strerror}. Nothing was sent.") from None
    lines = _lines(data, name)
    begin, columns = _header(lines)
    handles: dict[str, str | None] = {}
    came: dict[str, tuple[int, str | None]] = {}
    duplicates: list[Duplicate] = []
    bad: list[str] = []
    for number, line in enumerate(lines[begin:], begin + 1):
        try:
            row = _row(line, columns)
            if row is None:
                continue
            first_line, first_cursor = came.setdefault(row[0].lower(), (number, row[1]))
            if first_cursor != row[1]:
                raise ValueError(f"{row[0]} came in line {first_line} with another cursor")
        except ValueError as error:
            bad.append(f"line {number}: {error}")
            continue
        if first_line == number:
            handles[row[0]] = row[1]
        else:
            duplicates.append(Duplicate(row[0], number, first_line))
    if bad:
        raise ValueError(_complaint(name, bad))
    if not handles:
        raise ValueError(f"{name} has no handle in it. {_RULE}")
    return HandlesFile(handles, tuple(duplicates))


def _lines(data: bytes, name: str) -> list[str]:
    """Decode the file; line breaks may be those of any system."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        kind = "is UTF-16"
    elif b"\0" in data:
        kind = "is not a text file"
    else:
        try:
            return list(io.StringIO(data.decode("utf-8-sig"), newline=None))
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            kind = f"is not UTF-8 text (line {line})"
    raise ValueError(
        f"{name} {kind}: save it as UTF-8 text, from a spreadsheet as `CSV UTF-8`. "
        "Nothing was sent."
    )


def _header(lines: list[str]) -> tuple[int, _Columns]:
    """Return how many lines stand before the first handle, and the columns."""
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            columns = _columns(line)
            return (0, _Columns()) if columns is None else (number, columns)
    return 0, _Columns()


def _columns(line: str) -> _Columns | None:
    """Return the columns that the first line names, or None if it is a handle."""
    for delimiter in _DELIMITERS:
        try:
            names = [name.strip().lower() for name in _cells(line, delimiter)]
        except ValueError:
            continue  # it is reported as a line of the list
        cursor = names.index("cursor") if "cursor" in names else None
        for name in ("handle", "username"):
            if name in names:
                return _Columns(delimiter, len(names), names.index(name), cursor)
        if cursor is not None and len(names) == 2:
            return _Columns(delimiter, 2, 1 - cursor, cursor)
    return None


def _row(line: str, columns: _Columns) -> tuple[str, str | None] | None:
    """Return the handle and the cursor of a line, or None if it holds neither."""
    # In a file whose handles stand further right, `#1` may be the rank of one.
    if not line.strip() or (columns.handle == 0 and line.lstrip().startswith("#")):
        return None
    cells = _cells(line, columns.delimiter)
    if not any(map(str.strip, cells)):
        return None
    if len(cells) > columns.width:
        raise ValueError(f"{len(cells)} columns instead of {columns.width}")
    handle = cells[columns.handle] if columns.handle < len(cells) else ""
    cursor = None
    if columns.cursor is not None and columns.cursor < len(cells):
        cursor = cells[columns.cursor] or None
    profile = _PROFILE.fullmatch(handle.strip())
    try:
        return clean_handle(profile[1] if profile else handle), cursor
    except InvalidHandleError:
        raise ValueError(f"{shortened(handle)} is no handle" if handle else "no handle") from None


def _cells(line: str, delimiter: str) -> list[str]:
    # A line at a time: a stray quotation mark must not swallow the handles below it.
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        raise ValueError("its quotation marks do not match, or it is too long") from None


def _complaint(name: str, bad: list[str]) -> str:
    more = [f"and {len(bad) - _SHOWN:,} more"] * (len(bad) > _SHOWN)
    count = "1 line that is" if len(bad) == 1 else f"{len(bad):,} lines that are"
    return "\n  ".join([f"{name} has {count} no handle:", *bad[:_SHOWN], *more]) + f"\n{_RULE}"
