"""The files of a batch: where they are, and whether they can be written, before it spends."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from socialfetch_async.errors import ExportError
from socialfetch_async.export import FORMATS, ExportResult, PathLike, convert, refuse_a_journal
from socialfetch_async.journal import AppendOnly

_NAME = "followers"  # of the files in a folder that was named as the output


class BatchFiles(NamedTuple):
    """The journal of a batch, and each export with its format.

    Attributes:
        folder: The folder that was named as the output; None where a file was.
    """

    folder: Path | None
    journal: Path
    exports: dict[str, Path]
    spreadsheet: bool

    def write(self) -> Iterator[ExportResult]:
        """Write each export from the journal.

        Raises:
            ExportError: One can not be written.
            JournalError: The journal can not be read.
        """
        for name, path in self.exports.items():
            yield self._convert(self.journal, path, name)

    def rehearse(self) -> None:
        """Make the folder, and every export of a journal that is empty, to see that it works.

        Raises:
            ExportError: An export could not be written, or would take the place of a journal.
        """
        for path in map(_real, self.exports.values()):
            refuse_a_journal(path, [self.journal])
            if path.exists() and not path.is_file():
                raise ExportError(
                    f"{path} is a folder or a device, not a file: name another output. Nothing "
                    "was sent."
                )
        folder = _real(next(iter(self.exports.values()))).parent
        try:
            if self.folder is not None:
                folder.mkdir(exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".socialfetch-", dir=folder) as aside:
                empty = Path(aside, "empty.journal")
                empty.touch()
                for name in self.exports:
                    self._convert(empty, Path(aside, f"{_NAME}.{name}"), name)
        except OSError as error:
            raise ExportError(
                f"{folder} can not be written to: {error.strerror}. Name another output. Nothing "
                "was sent."
            ) from None

    def _convert(self, journal: Path, path: Path, name: str) -> ExportResult:
        spreadsheet = self.spreadsheet and name == "csv"
        return convert(journal, path, format=name, spreadsheet=spreadsheet)


def files_of(
    output: PathLike,
    formats: str | Sequence[str] | None,
    journal: PathLike | None = None,
    *,
    spreadsheet: bool = False,
) -> BatchFiles:
    """Return the files of a batch: the output is a file if its name ends as a format does.

    Raises:
        ValueError: An unknown format, a file with several, or no cells to make safe.
    """
    path = Path(output)
    names = [formats] if isinstance(formats, str) else list(formats or ())
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise ValueError(f"no such format: {unknown[0]!r}. There are {', '.join(FORMATS)}")
    of_file = next((name for name in FORMATS if path.name.lower().endswith(f".{name}")), None)
    if path.is_dir() or os.fspath(output).endswith(("/", os.sep)) or of_file is None:
        if path.exists() and not path.is_dir():
            raise ValueError(
                f"{path} is no folder, and its name says no format: end it with "
                f".{', .'.join(FORMATS)}, or name a folder"
            )
        exports = {name: path / f"{_NAME}.{name}" for name in names or ["jsonl"]}
        folder, beside = path, path / f"{_NAME}.journal"
    else:
        if set(names) - {of_file}:
            raise ValueError(
                f"{path} is one file, and its name says {of_file}: name a folder for the output "
                "in other formats"
            )
        exports, folder, beside = {of_file: path}, None, path.with_name(f"{path.name}.journal")
    if spreadsheet and "csv" not in exports:
        raise ValueError("spreadsheet is for csv: no other format has cells that run as formulas")
    return BatchFiles(folder, beside if journal is None else Path(journal), exports, spreadsheet)


def set_aside(journal: Path) -> Path | None:
    """Give a journal a number, so that another begins under its name; None if there is none.

    Raises:
        JournalError: Another process writes it.
    """
    if not journal.is_file():
        return None
    file = AppendOnly(journal)
    try:
        number = 1
        while (kept := journal.with_name(f"{journal.stem}.{number}{journal.suffix}")).exists():
            number += 1
        # Under its lock, so that nobody else moves it, or goes on writing it, meanwhile.
        journal.rename(kept)
    finally:
        file.close()
    return kept


def _real(path: Path) -> Path:
    """Return what a link leads to: that is what an export replaces."""
    return Path(os.path.realpath(path))
