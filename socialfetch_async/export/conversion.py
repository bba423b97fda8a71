"""`convert`: from journals to one file, in any of the formats."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from socialfetch_async.errors import ExportError
from socialfetch_async.export import to_csv, to_jsonl, to_parquet, to_sqlite
from socialfetch_async.export.atomic import atomic_write
from socialfetch_async.export.lists import Lists
from socialfetch_async.journal import HEADER_BEGINS, read_journal

PathLike = str | os.PathLike[str]
Journals = PathLike | Iterable[PathLike]

# The name of a format is the suffix of its files.
FORMATS: Final[Mapping[str, Callable[[Path, Lists], None]]] = MappingProxyType(
    {
        "jsonl": to_jsonl.write,
        "jsonl.gz": to_jsonl.write_gzip,
        "csv": to_csv.write,
        "parquet": to_parquet.write,
        "sqlite": to_sqlite.write,
    }
)


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds, and what it does not.

    Attributes:
        path: The file.
        rows: Followers in it, each list's own: one who follows two profiles counts twice.
        pages: Pages they came on. `handles`: profiles in the journals, with or without pages.
        bytes: Size of the file.
        invalid_rows: Rows that were no followers and are left out.
        statuses: How many handles have which status. `missing_cursor` lists may be short.
        unfinished: Handles that are not finished: their lists are short.
        without_first_page: Lists that went on from a cursor and whose beginning is in another
            journal, so that they are short here.
        broken_lines: Lines of the journals that can not be read; the log names them.
    """

    path: Path
    rows: int
    pages: int
    handles: int
    bytes: int
    invalid_rows: int
    statuses: dict[str, int]
    unfinished: int
    without_first_page: int
    broken_lines: int


def convert(
    journals: Journals,
    output: PathLike,
    *,
    format: str | None = None,  # noqa: A002 - what everyone calls it
    spreadsheet: bool = False,
) -> ExportResult:
    """Write the followers in one or several journals to one file. Nothing is sent or spent.

    The file is written aside and renamed when it is whole: an export that fails, or is
    interrupted, leaves an older one as it was. A journal that is being written can be read.

    Args:
        journals: A path, or several: attempts at the same handles are read as one.
        output: The file to write. Its suffix says the format, unless `format` does.
        format: `jsonl`, `jsonl.gz`, `csv`, `parquet` or `sqlite`.
        spreadsheet: For CSV that goes into a spreadsheet: text that would run as a formula gets
            an apostrophe before it.

    Raises:
        ValueError: The format is unknown, or has no cells to make safe.
        ExportError: The output can not be written, is a journal, or needs pyarrow.
        JournalError: A journal can not be read.
    """
    path = Path(os.path.realpath(output))  # a link stays, what it points to is replaced
    write = _writer(Path(output).name, format, spreadsheet=spreadsheet)
    sources = paths_of(journals)
    refuse_a_journal(path, sources)
    saved = read_journal(*sources)
    lists = Lists(saved)
    try:
        with atomic_write(path) as aside:
            write(aside, lists)
    except (OSError, sqlite3.Error) as error:
        raise ExportError(
            f"{path} was not written: {_reason(error)}. What stood there is as it was, and the "
            "journal has everything: nothing needs to be bought again."
        ) from error
    return ExportResult(
        path=path,
        rows=lists.rows,
        pages=lists.page_count,
        handles=len(saved.handles),
        bytes=path.stat().st_size,
        invalid_rows=lists.invalid_rows,
        statuses=dict(sorted(Counter(h.status for h in saved.handles.values()).items())),
        unfinished=sum(not handle.finished for handle in saved.handles.values()),
        without_first_page=lists.without_first_page,
        broken_lines=saved.broken_lines,
    )


def paths_of(journals: Journals) -> list[PathLike]:
    """Return the one path, or the several."""
    paths = [journals] if isinstance(journals, str | os.PathLike) else list(journals)
    if not paths:
        raise ValueError("no journal was named")
    return paths


def _writer(file: str, name: str | None, *, spreadsheet: bool) -> Callable[[Path, Lists], None]:
    if name is None:
        names = [n for n in FORMATS if file.lower().endswith(f".{n}")]
        if not names:
            raise ValueError(
                f"{file} says no format: end it with .{', .'.join(FORMATS)}, or name one with "
                "format=..."
            )
        name = names[0]
    if name not in FORMATS:
        raise ValueError(f"no such format: {name!r}. There are {', '.join(FORMATS)}")
    if spreadsheet:
        if name != "csv":
            raise ValueError(f"spreadsheet is for csv: {name} has no cells that run as formulas")
        return to_csv.write_safe
    return FORMATS[name]


def refuse_a_journal(path: Path, journals: Sequence[PathLike]) -> None:
    """Keep paid pages: no export takes the place of a journal, also not of another batch's."""
    if any(path == Path(os.path.realpath(journal)) for journal in journals) or _is_journal(path):
        raise ExportError(
            f"{path} is a journal: the export would take its place, and with it the pages that "
            "were paid for. Choose another output."
        )


def _is_journal(path: Path) -> bool:
    if not path.is_file():  # to open a pipe would wait for its other end
        return False
    with path.open("rb") as file:
        return file.read(len(HEADER_BEGINS)) == HEADER_BEGINS


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
