"""What an export may be called, and which files it must not replace.

A name says its format by its suffix. A journal and an input are never replaced, however they are
spelled: files are compared by inode, so that a hard link or a symbolic link is seen through.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from socialfetch_async.errors import ExportError
from socialfetch_async.journal import FOLDER_JOURNAL, HEADER_BEGINS

PathLike = str | os.PathLike[str]
Input = PathLike | int

# The name of a format is the suffix of its files.
FORMATS: Final = ("jsonl", "jsonl.gz", "csv", "parquet", "sqlite")
# Formats that a pipe can carry.
STREAMED: Final = ("jsonl", "csv")
SUFFIXES: Final = f".{', .'.join(FORMATS)}"
_JOURNAL: Final = Path(FOLDER_JOURNAL).suffix

_END: Final = 64 * 1024  # bytes of a file's beginning and end that tell it from another one


class Contents(NamedTuple):
    """What tells a file from every other one: its size in bytes, and a digest of both its ends."""

    size: int
    digest: str


def format_of(path: PathLike) -> str | None:
    """Return the format that a name says, or None."""
    name = Path(path).name.lower()
    return next((form for form in FORMATS if name.endswith(f".{form}")), None)


def checked_format(form: str) -> str:
    """Return the name of a format.

    Raises:
        ValueError: There is no such format.
    """
    if form not in FORMATS:
        raise ValueError(f"no such format: {form!r}. There are {', '.join(FORMATS)}")
    return form


def contents_of(path: Path) -> Contents:
    """Return what a file is known by. A copy or a touch does not change it."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = crc32(file.read(_END))
        if size > _END:
            file.seek(max(_END, size - _END))
            digest = crc32(file.read(_END), digest)
    return Contents(size, f"{digest:08x}")


def real_path(path: PathLike) -> Path:
    """Return where a link leads: the link stays, the file that it names is replaced.

    Raises:
        ExportError: The path is relative, and somebody has deleted the current folder.
    """
    try:
        return Path(os.path.realpath(path))
    except OSError as error:
        raise ExportError(
            f"{path} cannot be found ({error.strerror}): the current folder was deleted. Change "
            "to another one. Nothing was written."
        ) from None


def same_file(one: PathLike, other: Input) -> bool:
    """Whether two paths are one file, also by a hard link, or would be if it were there.

    Args:
        one: A path.
        other: A path, or the number of an open file.
    """
    try:
        return os.path.samestat(os.stat(one), os.stat(other))  # noqa: PTH116 - Path takes no number
    except OSError:
        return not isinstance(other, int) and os.path.realpath(one) == os.path.realpath(other)


def refuse_to_replace(path: Path, inputs: Iterable[Input]) -> None:
    """Keep what was paid for: an export takes the place of no journal and of no input.

    Raises:
        ExportError: It would.
    """
    try:
        journal = is_journal(path)
    except OSError as error:
        raise ExportError(
            f"{path} cannot be read ({error.strerror}), so it may be a journal, which no export "
            "replaces. Choose another output."
        ) from None
    if journal:
        raise ExportError(
            f"{path} is a journal: the export would take its place, and with it the pages that "
            "were paid for. Choose another output."
        )
    for given in inputs:
        if same_file(path, given):
            raise ExportError(
                f"{path} is an input: the export would take its place. Choose another output."
            )


def is_journal(path: Path) -> bool:
    """Whether a file is a journal: by its name, as it may be damaged, or by its beginning."""
    if not os.path.isfile(path):  # noqa: PTH113 - a name may be too long; a pipe would wait
        return False
    if path.suffix.lower() == _JOURNAL:
        return True
    with path.open("rb") as file:
        return file.read(len(HEADER_BEGINS)) == HEADER_BEGINS
