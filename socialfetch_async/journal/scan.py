"""Journals as files: which of them belong to a batch, and all their lines counted in."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from socialfetch_async._log import logger
from socialfetch_async.errors import JournalError
from socialfetch_async.journal.index import Index
from socialfetch_async.journal.lines import HEADER_BEGINS, VERSION, parse, version_of

# The journal of a batch whose output is a folder.
FOLDER_JOURNAL: Final = "followers.journal"


def shards_folder(journal: Path) -> Path:
    """Return where the workers of a cluster keep what they buy for the batch of a journal."""
    return journal.with_name(f"{journal.name}s")


def shard_journals(folder: Path, shard: str = "*") -> list[Path]:
    """Return the journals of all attempts at the shards in a folder, or at one of them."""
    if not os.path.isdir(folder):  # noqa: PTH112 - its name may be too long
        return []
    return sorted(folder.glob(f"shard-{shard}.attempt-*.journal"))


def journals_of(path: Path) -> list[Path]:
    """Return the journals of a batch, those of its shards included; it is named, or its folder.

    Raises:
        JournalError: The folder has none.
    """
    if not path.is_dir():
        return [path, *shard_journals(shards_folder(path))]
    if (one := path / FOLDER_JOURNAL).exists():
        return journals_of(one)
    if shards := shard_journals(path):
        return shards
    raise JournalError(
        f"{path} cannot be read: it is a folder without {FOLDER_JOURNAL}. Name a journal."
    )


def opened(path: Path) -> BinaryIO:
    """Return a journal that was opened to be read.

    Raises:
        JournalError: It cannot be.
    """
    try:
        # Before it is opened: a pipe would wait for somebody to write.
        if not stat.S_ISREG(path.stat().st_mode):
            raise JournalError(f"{path} cannot be read: it is not a file. Name a journal.")
        return path.open("rb", buffering=1 << 16)
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {error.strerror}.") from None


def read_files(files: Sequence[Path], index: Index, first: int = 0) -> int:
    """Count all lines of some journals in; return how many cannot be read, and are left out.

    Args:
        files: The journals.
        index: What counts the lines.
        first: The number of the first of them among the index's files.

    Raises:
        JournalError: One is not a journal of this version, or they have pages of different APIs.
    """
    broken_lines = 0
    origins: dict[str, Path] = {}
    for number, path in enumerate(files, first):
        index.origin, index.paid = None, False
        with opened(path) as file:
            broken = read_lines(file, path, number, index).broken
        index.ledger.next_file()
        if index.origin is not None and index.paid:
            for origin, other in origins.items():
                refuse_origins(path, index.origin, origin, f" in {other}")
            origins[index.origin] = path
        for line in broken:
            logger.warning("%s: line %d is not a line of a journal and is left out", path, line)
        broken_lines += len(broken)
    index.origin = next(iter(origins), None)
    return broken_lines


class Tail(NamedTuple):
    """How a journal ends.

    Attributes:
        end: Bytes up to the end of the last good line.
        torn: Bytes behind it, of a line that is not whole.
        unended: The last good line has no line break.
        broken: The numbers of lines before the last good one that cannot be read.
    """

    end: int
    torn: int
    unended: bool
    broken: list[int]


def read_lines(file: BinaryIO, path: Path, number: int, index: Index) -> Tail:
    """Count all lines of a journal in, from its beginning.

    A line is torn when it is the last one and has no end, or when it holds NUL bytes and no good
    line follows: file systems leave these where the power went before the data came.

    Args:
        file: The journal.
        path: Its name, for messages.
        number: Which of the index's files it is.
        index: What counts the lines.

    Raises:
        JournalError: It is not a journal, or one of another version, or of several APIs.
    """
    offset = end = 0
    broken: list[int] = []
    bad: list[int] = []  # behind the last good line
    torn = ended = True
    for at, text in enumerate(file, 1):
        ended = text.endswith(b"\n")
        if at == 1 and not _is_torn_header(text):
            _check_version(text, path)
        elif text.startswith(HEADER_BEGINS) and version_of(text) not in {None, VERSION}:
            _check_version(text, path)  # journals that were put together
        try:
            index.add(parse(text), number, offset, len(text))
        except ValueError:
            bad.append(at)
            torn = torn and (b"\0" in text or not ended)
        else:
            broken += bad
            bad, torn, end = [], True, offset + len(text)
        offset += len(text)
        if not ended:
            break  # a journal that is being written may go on here, in the middle of a line
    if index.mixed:
        raise JournalError(
            f"{path} was put together from journals of different APIs, {index.origin} the last of "
            "them: their pages are not mixed. It was left as it is; name another file."
        )
    if torn:
        return Tail(end, offset - end, unended=not ended and end == offset, broken=broken)
    return Tail(offset, 0, unended=not ended, broken=broken + bad)


def _check_version(first_line: bytes, path: Path) -> None:
    """Refuse what is not a journal of this version, by its first line."""
    version = version_of(first_line)
    if version == VERSION:
        return
    if version is None:
        raise JournalError(
            f"{path} is not a journal: its first line is not the header of one. It was left as it "
            "is; name another file."
        )
    raise JournalError(
        f"{path} is a journal of version {version}; this socialfetch-async knows version "
        f"{VERSION}. It was left as it is: use a socialfetch-async that knows it."
    )


def _is_torn_header(text: bytes) -> bool:
    if text.endswith(b"\n"):
        return False
    begun = text.rstrip(b"\0")
    return bool(begun) and begun[: len(HEADER_BEGINS)] == HEADER_BEGINS[: len(begun)]


def refuse_origins(path: Path, origin: str | None, other: str | None, where: str = "") -> None:
    """Keep the pages of two APIs apart.

    Raises:
        JournalError: The origins differ.
    """
    if origin is not None and other is not None and origin != other:
        raise JournalError(
            f"{path} has pages of {origin}, not of {other}{where}: their pages are not mixed. "
            "Name another journal, or set SOCIALFETCH_BASE_URL to that API. No request was sent."
        )
