"""The files of a batch: where they are, and whether they can be written, before it spends.

An export replaces a file that its own journal wrote, or none. The journal keeps what it wrote:
size and digest of each file, so that a copy or a touch does not make a file foreign.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple, Protocol
from zlib import crc32

import msgspec

from socialfetch_async._version import __version__
from socialfetch_async.errors import ExportError
from socialfetch_async.export import (
    CANNOT_WRITE,
    SUFFIXES,
    Contents,
    ExportResult,
    Input,
    Lists,
    PathLike,
    Target,
    atomic_write,
    checked_format,
    contents_of,
    format_of,
    real_path,
    reason,
    refuse_other_kinds,
    refuse_to_replace,
    result_of,
    same_file,
    write_export,
)
from socialfetch_async.journal import FOLDER_JOURNAL, SavedRun

_NAME: Final = Path(FOLDER_JOURNAL).stem  # of all files in a folder that was named as the output
_JOURNAL: Final = Path(FOLDER_JOURNAL).suffix
_encode: Final = msgspec.json.Encoder().encode


class Written(Protocol):
    """What a journal knows of a file that was written from it."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    @property
    def digest(self) -> str:
        """Of both its ends."""
        ...

    @property
    def options(self) -> str:
        """What was written, and how."""
        ...


Record = Callable[[Path, Contents, str], None]


class BatchFiles(NamedTuple):
    """The journal of a batch, and each export with its format.

    Attributes:
        folder: The folder that was named as the output; None where a file was.
        spreadsheet: Whether a spreadsheet reads the CSV.
        overwrite: Whether a file that the journal did not write may be replaced.
    """

    folder: Path | None
    journal: Path
    exports: dict[str, Path]
    spreadsheet: bool
    overwrite: bool = False

    def target(self, form: str) -> Target:
        """Return how a format is written."""
        return Target(form, self.spreadsheet and form == "csv")

    def keep_apart(self, *inputs: Input) -> None:
        """See that the files of a batch are different files, and no export takes a journal's place.

        Args:
            inputs: Files that the batch reads, by path or by the number of an open file.

        Raises:
            ExportError: Two are one file.
        """
        exports = [real_path(path) for path in self.exports.values()]
        for path in exports:
            refuse_to_replace(path, [self.journal, *inputs])
        pairs = [*combinations(exports, 2), *((self.journal, given) for given in inputs)]
        for one, other in pairs:
            if same_file(one, other):
                raise ExportError(
                    f"{one} would be written over another file of the batch. Name another "
                    "output. No request was sent."
                )

    def rehearse(self) -> None:
        """Make missing folders, and write every export without a row, to see that it works.

        Raises:
            ExportError: An export could not be written, or would take the place of a journal.
        """
        self.keep_apart()
        exports = {form: real_path(path) for form, path in self.exports.items()}
        if not os.path.exists(self.journal):  # noqa: PTH110 - a name may be too long
            self.refuse_foreign(())
        for path in (self.journal, *exports.values()):
            try:
                _make_folder(path)
            except OSError as error:
                raise self._unwritable(path, error) from None
        for form, path in exports.items():
            target = self.target(form)
            try:
                target.refuse_in_use(path)
                with atomic_write(path, keep=False) as part:
                    target.write(part, Lists(None))
            except CANNOT_WRITE as error:
                raise self._unwritable(path, error) from None

    def refuse_foreign(self, written: Iterable[Written]) -> None:
        """Refuse to replace what the journal did not write.

        Args:
            written: What it wrote.

        Raises:
            ExportError: An export is another's file, and `overwrite` is not set.
        """
        known = _contents(written)
        for path in map(real_path, () if self.overwrite else self.exports.values()):
            if not os.path.exists(path):  # noqa: PTH110 - as above
                continue
            try:
                refuse_other_kinds(path)  # reading a pipe would wait for somebody to write
                contents = contents_of(path)
            except OSError as error:
                raise self._unwritable(path, error) from None
            if contents.size and contents not in known:
                # For another output, with a journal of its own, all would be bought again.
                there = os.path.exists(self.journal)  # noqa: PTH110 - as above
                move = "Move it away" if there else "Name another output"
                raise ExportError(
                    f"{path} exists, and was not written from {self.journal} or was changed "
                    f"since. {move}, or replace it with overwrite=True. No request was sent."
                )

    def _unwritable(self, path: Path, error: Exception) -> ExportError:
        advice = "Name another output"
        if os.path.exists(self.journal):  # noqa: PTH110 - as above
            # Another output has a journal of its own.
            advice = (
                f"Another output would buy again what is in {self.journal}; `socialfetch convert` "
                "writes that elsewhere"
            )
        return ExportError(
            f"{path} cannot be written: {reason(error)}. {advice}. No request was sent."
        )

    def write(
        self, saved: SavedRun, written: Iterable[Written], record: Record
    ) -> Iterator[ExportResult]:
        """Write each export whose pages have changed since it was written; none without pages.

        Args:
            saved: What the journal holds.
            written: What it wrote before.
            record: Keeps what it writes. Called before a file takes its place.

        Raises:
            ExportError: One cannot be written.
            JournalError: The journal cannot be read.
        """
        if not any(handle.pages for handle in saved.handles.values()):
            return
        before = list(written)
        for form, path in self.exports.items():
            yield self._write(saved, before, record, form, real_path(path))

    def _write(
        self, saved: SavedRun, before: list[Written], record: Record, form: str, path: Path
    ) -> ExportResult:
        target = self.target(form)
        made = _Made(target, __version__, _digest(saved, form))
        unchanged = _unchanged(made, before, path)
        if unchanged is not None:
            return unchanged.result(saved, path)

        def before_rename(part: Path, lists: Lists) -> None:
            record(path, contents_of(part), made.counted(lists).options())

        return write_export(saved, path, target, before_rename)


class _Made(msgspec.Struct, frozen=True):
    """What an export was made of, and what it held: kept with it in the journal.

    Attributes:
        target: How it was written. `by`: the version of the library.
        of: A digest of what the journal held.
        rows: As `Lists` counts them, so that they need not be counted again.
    """

    target: Target
    by: str
    of: str
    rows: int = 0
    invalid_rows: int = 0
    page_count: int = 0
    without_first_page: int = 0

    def options(self) -> str:
        return _encode(self).decode()

    def counted(self, lists: Lists) -> "_Made":
        counts = (lists.rows, lists.invalid_rows, lists.page_count, lists.without_first_page)
        return _Made(self.target, self.by, self.of, *counts)

    def is_of(self, other: "_Made") -> bool:
        return (self.target, self.by, self.of) == (other.target, other.by, other.of)

    def result(self, saved: SavedRun, path: Path) -> ExportResult:
        lists = Lists(saved)
        lists.rows, lists.invalid_rows = self.rows, self.invalid_rows
        lists.page_count, lists.without_first_page = self.page_count, self.without_first_page
        return result_of(saved, lists, path, path.stat().st_size, unchanged=True)


def _unchanged(made: _Made, before: list[Written], path: Path) -> _Made | None:
    """Return what is known of a file that would be written again as it is."""
    if not path.is_file():
        return None
    try:
        contents = contents_of(path)
    except OSError:  # it is written again, or that says why not
        return None
    for known in before:
        if Contents(known.size, known.digest) == contents:
            try:
                options = msgspec.json.decode(known.options, type=_Made)
            except msgspec.DecodeError:  # another version of the library wrote it
                continue
            if options.is_of(made):
                return options
    return None


def _contents(written: Iterable[Written]) -> set[Contents]:
    return {Contents(known.size, known.digest) for known in written}


def _digest(saved: SavedRun, form: str) -> str:
    """Return what changes when something that an export shows comes to the journal."""
    digest = 0
    for one in saved.handles.values():
        shown: object = (one.handle, one.pages, one.followers, one.first_at, one.read_at)
        if form == "sqlite":  # it has a table of the handles
            shown = msgspec.structs.replace(one, last_at=one.first_at)
        digest = crc32(_encode(shown), digest)
    return f"{digest:08x}"


def files_of(
    output: PathLike,
    formats: str | Sequence[str] | None,
    journal: PathLike | None = None,
    *,
    spreadsheet: bool = False,
    overwrite: bool = False,
) -> BatchFiles:
    """Return the files of a batch: the output is a file if its name ends as a format does.

    A folder is what is one, or ends with a slash, or has no dot in its name. The exports of one
    stem share a journal: `x.csv` and `x.jsonl.gz` have `x.journal`.

    Raises:
        ValueError: No name, an unknown format, a name that says none, a file with several, or
            `spreadsheet` without CSV.
    """
    if os.fspath(output) in {"", "-"}:
        raise ValueError(
            "a batch writes to a file or a folder: name one (./- is a folder called -). To write "
            "to stdout, run `socialfetch convert` when it has ended"
        )
    path = Path(output)
    names = [formats] if isinstance(formats, str) else list(formats or ())
    for name in names:
        checked_format(name)
    form = format_of(path)
    # Unlike those of a Path, these two never raise: a name may be too long.
    is_folder = os.path.isdir(path)  # noqa: PTH112
    if is_folder or os.fspath(output).endswith(("/", os.sep)) or "." not in path.name:
        if os.path.exists(path) and not is_folder:  # noqa: PTH110
            raise ValueError(
                f"{path} is not a folder, and its name says no format: end it with {SUFFIXES}, or "
                "name a folder"
            )
        exports = {name: path / f"{_NAME}.{name}" for name in names or ["jsonl"]}
        folder, beside = path, path / FOLDER_JOURNAL
    elif form is None or not (stem := path.name[: -len(form) - 1]):
        raise ValueError(
            f"{path} says no format: end it with {SUFFIXES}, or with {os.sep} if it is a folder"
        )
    elif set(names) - {form}:
        raise ValueError(
            f"{path} is one file, and its name says {form}: name a folder for the output in other "
            "formats"
        )
    else:
        exports, folder, beside = {form: path}, None, path.with_name(stem + _JOURNAL)
    if spreadsheet and "csv" not in exports:
        raise ValueError("spreadsheet is for csv: no other format has cells that run as formulas")
    place = beside if journal is None else Path(journal)
    return BatchFiles(folder, place, exports, spreadsheet, overwrite)


def _make_folder(path: Path) -> None:
    """Make the folder of a file, and see that the file's name can be one."""
    with contextlib.suppress(FileNotFoundError):
        path.stat()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        path.stat()
