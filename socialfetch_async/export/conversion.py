"""`convert`: from journals to one file, in any of the formats."""

import os
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from socialfetch_async._protocol.ending import is_short
from socialfetch_async._text import count
from socialfetch_async.errors import ExportError
from socialfetch_async.export import to_csv, to_jsonl, to_parquet, to_sqlite
from socialfetch_async.export.atomic import atomic_write, refuse_in_use
from socialfetch_async.export.lists import Lists
from socialfetch_async.export.outputs import (
    STREAMED,
    SUFFIXES,
    PathLike,
    checked_format,
    format_of,
    real_path,
    refuse_to_replace,
)
from socialfetch_async.journal import SavedHandle, SavedRun, read_journal

Journals = PathLike | SavedRun | Iterable[PathLike]

_WRITERS: Final[Mapping[str, Callable[[Path, Lists], None]]] = MappingProxyType(
    {
        "jsonl": to_jsonl.write,
        "jsonl.gz": to_jsonl.write_gzip,
        "csv": to_csv.write,
        "parquet": to_parquet.write,
        "sqlite": to_sqlite.write,
    }
)
CANNOT_WRITE: Final = (OSError, sqlite3.Error)


class Target(msgspec.Struct, frozen=True):
    """How an export is written.

    Attributes:
        form: The format.
        spreadsheet: Whether a spreadsheet reads it.
    """

    form: str
    spreadsheet: bool = False

    def write(self, path: Path, lists: Lists) -> None:
        """Write all rows."""
        if self.spreadsheet:
            to_csv.write_for_spreadsheets(path, lists)
        else:
            _WRITERS[self.form](path, lists)

    def refuse_in_use(self, path: Path) -> None:
        """Refuse a place where what is written would be changed by what another program left.

        Raises:
            OSError: It is one.
        """
        if self.form == "sqlite":
            refuse_in_use(path)

    def blocks(self, lists: Lists) -> Iterator[bytes]:
        """Yield all rows as bytes, for a pipe."""
        if self.form == "jsonl":
            return to_jsonl.blocks(lists)
        return to_csv.blocks(lists, spreadsheet=self.spreadsheet)


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an export holds, and what it does not.

    Attributes:
        path: The file.
        rows: Followers in it, each list's own: one who follows two profiles counts twice.
        pages: Pages they came on. `handles`: profiles in the journals, with or without pages.
        bytes: Size of the file.
        invalid_rows: Rows that were no followers and are left out.
        statuses: How many handles have which status.
        incomplete: The handles whose lists are not complete: unfinished, failed, or ended without
            a next cursor. `unfinished`: how many of them a further run would continue.
        short: The handles whose lists are complete, but have less than 90 % of the followers that
            the vendor counts.
        gone: The handles whose profiles are private, hidden or not found by now. The lists are
            those that were read before.
        set_aside: The handles whose last reading looks cut short. The lists are those that were
            read before.
        without_first_page: Lists that went on from a cursor and whose beginning is in another
            journal, so that they are short here.
        broken_lines: Lines of the journals that cannot be read; the log names them.
        unchanged: The file was not written again, because it holds this already.
    """

    path: Path
    rows: int
    pages: int
    handles: int
    bytes: int
    invalid_rows: int
    statuses: dict[str, int]
    incomplete: tuple[str, ...]
    short: tuple[str, ...]
    gone: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    unfinished: int
    without_first_page: int
    broken_lines: int
    unchanged: bool = False


def convert(
    journal: Journals,
    output: PathLike,
    *,
    format: str | None = None,  # noqa: A002 - what everyone calls it
    spreadsheet: bool = False,
) -> ExportResult:
    """Write the followers in one or several journals to one file. No request is sent.

    The file is written beside its place and renamed when it is whole: an export that fails, or is
    interrupted, leaves an older one as it was. A journal that is being written can be read.

    Args:
        journal: A path, a folder that a batch has written, what `read_journal` returned, or
            several paths: attempts at the same handles are read as one.
        output: The file to write; an older one is replaced, but no journal. Its suffix says the
            format, unless `format` does. Missing folders are made.
        format: `jsonl`, `jsonl.gz`, `csv`, `parquet` or `sqlite`.
        spreadsheet: For CSV that a spreadsheet reads: it begins with a byte order mark, and text
            that would run as a formula gets an apostrophe before it.

    Raises:
        ValueError: The format is unknown, or `spreadsheet` is not for it.
        ExportError: The output cannot be written, is a journal, needs pyarrow, or would be
            replaced although the journals have no page.
        JournalError: A journal cannot be read.
    """
    target = target_of(output, format, spreadsheet=spreadsheet)
    saved = saved_run(journal)
    path = real_path(output)
    refuse_to_replace(path, saved.paths)
    is_empty = not any(handle.pages for handle in saved.handles.values())
    if is_empty and os.path.exists(path):  # noqa: PTH110 - a name may be too long
        broken = f": {count(saved.broken_lines, 'line')} cannot be read" * bool(saved.broken_lines)
        raise ExportError(
            f"no page is in {', '.join(map(str, saved.paths))}{broken}. {path} was left as it is: "
            "an export of nothing replaces no file. Name another journal, or another output."
        )
    return write_export(saved, path, target)


def write_export(
    saved: SavedRun,
    path: Path,
    target: Target,
    before_rename: Callable[[Path, Lists], None] = lambda _, __: None,
) -> ExportResult:
    """Write one file.

    Args:
        saved: What to write.
        path: The file; it is replaced.
        target: How to write it.
        before_rename: Called with the file that is about to take its place, and what it holds.

    Raises:
        ExportError: The file cannot be written.
        JournalError: A journal cannot be read.
    """
    lists = Lists(saved)
    try:
        target.refuse_in_use(path)
        with atomic_write(path) as part:
            target.write(part, lists)
            before_rename(part, lists)
        size = path.stat().st_size
    except CANNOT_WRITE as error:
        raise ExportError(
            f"{path} was not written: {reason(error)}. What stood there is as it was, and the "
            "journal has everything: nothing needs to be bought again."
        ) from error
    return result_of(saved, lists, path, size)


def result_of(
    saved: SavedRun, lists: Lists, path: Path, size: int, *, unchanged: bool = False
) -> ExportResult:
    """Return what lists that were read to their end hold."""
    handles = saved.handles.values()
    return ExportResult(
        path=path,
        rows=lists.rows,
        pages=lists.page_count,
        handles=len(handles),
        bytes=size,
        invalid_rows=lists.invalid_rows,
        statuses=dict(sorted(Counter(handle.status for handle in handles).items())),
        incomplete=tuple(handle.handle for handle in handles if is_incomplete(handle)),
        short=tuple(handle.handle for handle in handles if is_much_shorter(handle)),
        gone=tuple(handle.handle for handle in handles if handle.gone is not None),
        set_aside=tuple(handle.handle for handle in handles if handle.set_aside),
        unfinished=sum(not handle.finished for handle in handles),
        without_first_page=lists.without_first_page,
        broken_lines=saved.broken_lines,
        unchanged=unchanged,
    )


def is_incomplete(handle: SavedHandle) -> bool:
    """Whether followers of a list are missing, or may be."""
    return not handle.finished or handle.status in {"missing_cursor", "failed"}


def is_much_shorter(handle: SavedHandle) -> bool:
    """Whether a complete list has much fewer followers than the vendor counts."""
    return handle.status == "complete" and is_short(handle.followers, handle.total_followers)


def saved_run(journal: Journals) -> SavedRun:
    """Return what journals hold, read if that is to be done.

    Raises:
        JournalError: One cannot be read.
        ValueError: None is named.
    """
    if isinstance(journal, SavedRun):
        return journal
    paths = [journal] if isinstance(journal, str | os.PathLike) else list(journal)
    if not paths:
        raise ValueError("no journal was named")
    return read_journal(*paths)


def target_of(output: PathLike, form: str | None, *, spreadsheet: bool = False) -> Target:
    """Return how a file is written, by its name or by what is said.

    Raises:
        ValueError: Neither says a format, or `spreadsheet` is not for it.
    """
    if form is None:
        form = format_of(output)
        if form is None:
            raise ValueError(
                f"{Path(output).name or output} says no format: end it with {SUFFIXES}, or name "
                "one with format=..."
            )
    if spreadsheet and checked_format(form) != "csv":
        raise ValueError(f"spreadsheet is for csv: {form} has no cells that run as formulas")
    return Target(checked_format(form), spreadsheet)


def streamed_target(form: str | None, *, spreadsheet: bool = False) -> Target:
    """Return how stdout is written.

    Raises:
        ValueError: A pipe cannot carry the format, or `spreadsheet` is not for it.
    """
    target = target_of(f"-.{STREAMED[0]}", form, spreadsheet=spreadsheet)
    if target.form not in STREAMED:
        raise ValueError(
            f"stdout takes {' or '.join(STREAMED)}, not {target.form}: name a file with --output"
        )
    return target


def reason(error: Exception) -> str:
    """Return why a file cannot be written."""
    return getattr(error, "strerror", None) or str(error)
