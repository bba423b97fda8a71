"""The handles of a batch, from a text or CSV file: everything is checked before a request is sent.

A text file has one handle or profile URL per line, with or without a leading @. Blank lines and
lines that begin with # are skipped.

A CSV file begins with a header. The column `handle` or `username` is read, or the one that the
caller names; in a column `cursor` stands the cursor to resume from. Any other first line that
looks like a header (`user`, `profile_url`, "TikTok handles") is refused and never bought as a
handle. To buy the handle "username", write it as @username.

URLs are accepted because spreadsheets are full of them and the handle stands literally in them,
after the @. A short link or the URL of a video would need a guess or a request, and is refused.
"""

import csv
import io
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from socialfetch_async._arguments import clean_handle
from socialfetch_async._text import quoted, shortened
from socialfetch_async.errors import InvalidHandleError

_SHOWN: Final = 20
_DELIMITERS: Final = (",", ";", "\t")
_LOOKED_AT: Final = 20  # records, to tell the delimiter
_READ: Final = ("handle", "username")
# A header is made of these words and nothing else, at least one of them from the first group:
# `user` and `social_media_link` are headers, `user1` and `media` are handles.
_NOUNS: Final = (
    "account|artist|author|benutzer|blogger|brand|channel|competitor|contact|cr[ée]at(?:or|eur)|"
    "email|follower|following|handle|id|influencer|kol|konto|link|list|login|member|nam|nick|"
    "nombre|page|peopl|perfil|person|profil|talent|tik ?tok(?:er)?|title|uid|uri|url|user|"
    "usuario|utilisateur|website"
)
_MODIFIERS: Final = (
    "address|display|full|main|media|my|number|of|official|our|public|screen|site|social|the|"
    "unique|web"
)
_HEADER: Final = re.compile(
    rf"(?=.*(?:{_NOUNS}))(?:(?:{_NOUNS}|{_MODIFIERS})e?[sn]?\W*)+", re.IGNORECASE
)
_LONGEST: Final = 64  # characters of a header, and of a handle
# Columns that only an export of ours has beside `source` and `handle`.
_EXPORTED: Final = {"position", "page", "change", "fetched_at", "first_seen_at"}
_RULE: Final = (
    "A line is one handle: 1 to 64 letters, digits, dots and underscores, with or without a "
    "leading @, or https://www.tiktok.com/@HANDLE. A CSV file begins with the names of its "
    "columns, one of them `handle` or `username`, or the one that --column names. Correct the "
    "file; no request was sent."
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
    """Where the handle and the cursor of a record stand, and how many lines precede the first."""

    delimiter: str = ","
    width: int = 1
    handle: int = 0
    cursor: int | None = None
    begin: int = 0


class _Record(NamedTuple):
    """One record of a CSV file: the physical line where it begins, and its cells.

    Attributes:
        end: The number of its last physical line.
        cells: None if the csv module cannot read it.
    """

    line: int
    end: int
    cells: list[str] | None


def read_handles(
    path: str | Path, *, column: str | None = None, header: bool = True
) -> HandlesFile:
    """Read a file of handles; `-` is stdin.

    Args:
        path: The file.
        column: The name of the column to read, compared without case, spaces and underscores.
        header: Whether the first line can be a header. If not, it is a handle like all others.

    Raises:
        ValueError: The file cannot be read, is not UTF-8 text, has no handle, its first line
            looks like a header without a column to read, or lines are not valid; the message
            names up to 20 of these lines.
    """
    stdin = str(path) == "-"
    name = "stdin" if stdin else str(path)
    if column is not None and not header:
        raise ValueError("--column and --no-header exclude each other: use one of them")
    if stdin and sys.stdin is None:
        raise ValueError("stdin is closed: name a file, or send the handles there.")
    try:
        data = sys.stdin.buffer.read() if stdin else Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror}. No request was sent.") from None
    lines = _lines(data, name)
    try:
        columns = _columns(lines, column) if header else _Columns()
    except ValueError as error:
        raise ValueError(f"{name}: {error} No request was sent.") from None
    return _handles(lines, columns, name)


def _handles(lines: list[str], columns: _Columns, name: str) -> HandlesFile:
    """Read every record behind the header."""
    handles: dict[str, str | None] = {}
    came: dict[str, tuple[int, str | None]] = {}
    duplicates: list[Duplicate] = []
    bad: list[str] = []
    # In a file whose handles stand further right, `#1` may be the rank of one.
    comments = columns.handle == 0
    for record in _records(lines, columns.delimiter, columns.begin, comments=comments):
        try:
            row = _row(record.cells, columns)
            if row is None:
                continue
            first_line, first_cursor = came.setdefault(row[0].lower(), (record.line, row[1]))
            if first_cursor != row[1]:
                raise ValueError(f"{row[0]} came in line {first_line} with another cursor")
        except ValueError as error:
            bad.append(f"line {record.line}: {error}")
            continue
        if first_line == record.line:
            handles[row[0]] = row[1]
        else:
            duplicates.append(Duplicate(row[0], record.line, first_line))
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
        "No request was sent."
    )


def _records(
    lines: list[str], delimiter: str, begin: int = 0, *, comments: bool = True
) -> Iterator[_Record]:
    """Yield the records behind a physical line, without blank lines and comments."""
    at = begin

    def rest() -> Iterator[str]:
        nonlocal at
        while at < len(lines):
            at += 1
            yield lines[at - 1]

    reader = csv.reader(rest(), delimiter=delimiter, strict=True)
    while at < len(lines):
        text = lines[at].strip()
        if not text or (comments and text.startswith("#")):
            at += 1
            continue
        first = at + 1
        try:
            cells = next(reader)
        except csv.Error:
            # A quotation mark that is not closed has run to the end of the file. The lines
            # below it are looked at all the same: everything that is wrong is said at once.
            yield _Record(first, first, None)
            at = first
            reader = csv.reader(rest(), delimiter=delimiter, strict=True)
        else:
            yield _Record(first, at, cells)


def _columns(lines: list[str], column: str | None) -> _Columns:
    """Return the columns that the first record names; those of a plain list if it is a handle.

    Raises:
        ValueError: It is a header without a column to read.
    """
    begin, delimiters = _separator_line(lines)
    header, delimiter = _header(lines, begin, delimiters, column)
    if header is None or header.cells is None:
        return _Columns()  # nothing in it, or reported as a bad line
    cells = [cell.strip() for cell in header.cells]
    while len(cells) > 1 and not cells[-1]:
        cells.pop()  # spreadsheets write a delimiter behind the last column
    names = [cell.lower() for cell in cells]
    cursor = _only(cells, "cursor", header.line) if "cursor" in names else None
    if column is not None:
        handle = _only(cells, column, header.line)
    elif _is_export(names):
        raise ValueError(
            "this is an export of socialfetch: reading it would buy the followers of these "
            "followers. If you want that, add --column handle."
        )
    elif (name := next((name for name in _READ if name in names), None)) is not None:
        handle = _only(cells, name, header.line)
    elif cursor is not None and len(names) == 2:
        handle = 1 - cursor
    elif len(names) > 1:
        raise ValueError(_several(cells, header.line))
    elif _looks_like_a_header(cells[0]):
        raise ValueError(_one(cells[0], header.line))
    else:
        _refuse_a_second_header(lines, header)
        return _Columns(delimiter, begin=begin)
    return _Columns(delimiter, len(names), handle, cursor, header.end)


def _separator_line(lines: list[str]) -> tuple[int, tuple[str, ...]]:
    """Return how many lines `sep=;`, which Excel puts before a header, takes, and delimiters."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            said = line.strip(" \r\n")
            if said[:4].lower() == "sep=" and said[4:] in _DELIMITERS:
                return number, (said[4:],)
            break
    return 0, _DELIMITERS


def _header(
    lines: list[str], begin: int, delimiters: tuple[str, ...], column: str | None
) -> tuple[_Record | None, str]:
    """Return the first record, read with the delimiter that fits the file best."""
    wanted = set(map(_folded, _READ if column is None else (column,)))

    def fit(delimiter: str) -> tuple[bool, int, int]:
        first, *others = [
            record.cells or [] for record in islice(_records(lines, delimiter, begin), _LOOKED_AT)
        ] or [[]]
        alike = sum(len(cells) == len(first) for cells in others) if len(first) > 1 else 0
        return any(_folded(cell) in wanted for cell in first), alike, len(first)

    delimiter = max(delimiters, key=fit)  # of two that are as good, the first
    return next(_records(lines, delimiter, begin), None), delimiter


def _folded(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _only(cells: list[str], name: str, line: int) -> int:
    """Return the place of the one column with a name."""
    for same in (str.lower, _folded):
        places = [at for at, cell in enumerate(cells) if same(cell) == same(name.strip())]
        if len(places) > 1:
            raise ValueError(
                f"line {line} names {len(places)} columns {shortened(name)}. Rename the ones that "
                "are not meant."
            )
        if places:
            return places[0]
    raise ValueError(
        f"line {line} names no column {shortened(name)}. Its columns are {_listed(cells)}."
    )


def _is_export(names: list[str]) -> bool:
    return {"source", "handle"} <= set(names) and not _EXPORTED.isdisjoint(names)


def _looks_like_a_header(cell: str) -> bool:
    words = cell.replace("_", " ").strip()
    return len(words) <= _LONGEST and _HEADER.fullmatch(words) is not None


def _refuse_a_second_header(lines: list[str], first: _Record) -> None:
    """Refuse a header below a title that happens to be a valid handle."""
    second = next(_records(lines, ",", first.end), None)
    if second is not None and second.cells is not None:
        name = second.cells[0].strip()
        if name.lower() in _READ:
            raise ValueError(
                f"line {second.line} looks like a header: {shortened(name)}. If line {first.line} "
                f"is a title, delete it. If {name} is a handle, write @{name}."
            )


def _one(name: str, line: int) -> str:
    return (
        f"line {line} looks like a header: {shortened(name)}. If it is one, add "
        f"--column {_typed(name)}. If it is a handle, add --no-header."
    )


def _several(cells: list[str], line: int) -> str:
    return (
        f"line {line} has {len(cells)} columns, {_listed(cells)}, and none of them is `handle` or "
        "`username`. If it is a header, choose a column with --column NAME. A file without a "
        "header has one handle per line."
    )


def _listed(cells: list[str]) -> str:
    more = f" and {len(cells) - _SHOWN:,} more" if len(cells) > _SHOWN else ""
    return ", ".join(map(shortened, cells[:_SHOWN])) + more


def _typed(name: str) -> str:
    return quoted(name) if name.isprintable() else "NAME"


def _row(cells: list[str] | None, columns: _Columns) -> tuple[str, str | None] | None:
    """Return the handle and the cursor of a record, or None if all its cells are empty."""
    if cells is None:
        raise ValueError("its quotation marks do not match, or it is too long")
    if not any(map(str.strip, cells)):
        return None
    if any(map(str.strip, cells[columns.width :])):
        raise ValueError(f"{len(cells)} columns instead of {columns.width}")
    handle = cells[columns.handle] if columns.handle < len(cells) else ""
    cursor = None
    if columns.cursor is not None and columns.cursor < len(cells):
        cursor = cells[columns.cursor] or None
    try:
        return clean_handle(handle), cursor
    except InvalidHandleError:
        raise ValueError(
            f"{shortened(handle)} is not a handle" if handle else "no handle"
        ) from None


def _complaint(name: str, bad: list[str]) -> str:
    more = [f"and {len(bad) - _SHOWN:,} more"] * (len(bad) > _SHOWN)
    count = "1 invalid line" if len(bad) == 1 else f"{len(bad):,} invalid lines"
    return "\n  ".join([f"{name} has {count}:", *bad[:_SHOWN], *more]) + f"\n{_RULE}"
