"""Files that are whole or not there: written beside, flushed to the disk, renamed."""

import contextlib
import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# A follower list is personal data: a new file is for its owner only, as the journal is.
_NEW_FILE: Final = 0o600
_PART: Final = ".part"
_ABANDONED: Final = 3_600  # seconds without a write, after which a part is one of a killed process
# Of a file's name in that of its part: both fit where a name has at most 255 bytes.
_SHOWN_NAME: Final = 100
# Bytes of a rollback journal that SQLite overwrites where it keeps the file.
_JOURNAL_HEAD: Final = 28


@contextmanager
def atomic_write(path: Path, *, keep: bool = True) -> Iterator[Path]:
    """Yield the path of a new, empty file that takes the place of `path` when the block ends.

    It gets the mode and, where the system allows it, the owner of the file it replaces. If the
    block raises, Ctrl-C included, the new file is removed and `path` stays as it was.

    Args:
        path: The file to write. Missing folders are made.
        keep: False for a rehearsal: nothing is replaced, and the new file is removed.

    Raises:
        OSError: The file cannot be written.
    """
    refuse_other_kinds(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder: a rename does not cross file systems.
    name = os.fsencode(path.name)[:_SHOWN_NAME].decode(errors="ignore")
    part = path.with_name(f".{name}.{secrets.token_hex(4)}{_PART}")
    _clear_away(path.parent, f".{name}.")
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _NEW_FILE))
        yield part
        if keep:
            _finish(part, path)
            part.replace(path)  # on Windows an error while another program has `path` open
    finally:
        with contextlib.suppress(OSError):  # after the rename it is gone
            part.unlink()
    if keep:
        _sync_folder(path.parent)


def _clear_away(folder: Path, begins: str) -> None:
    """Remove what processes that were killed have left, so that it does not fill the disk."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            is_part = entry.name.startswith(begins) and entry.name.endswith(_PART)
            if is_part and time.time() - entry.stat().st_mtime > _ABANDONED:
                Path(entry).unlink()


def refuse_other_kinds(path: Path) -> None:
    """Refuse what a rename would destroy, or fail at when all the work is done.

    Raises:
        OSError: The path is a folder or a device, its name is too long, or Windows refuses.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise FileExistsError(errno.EEXIST, "it is a folder or a device, not a file", str(path))
    if sys.platform == "win32" and not mode & stat.S_IWRITE:
        raise PermissionError(errno.EACCES, "it is read-only", str(path))


def refuse_in_use(path: Path) -> None:
    """Refuse to replace a database that has changes of another program beside it.

    SQLite would read them into the file that takes its place.

    Raises:
        OSError: There are some.
    """
    for ending in ("-wal", "-journal"):
        beside = path.with_name(path.name + ending)
        # A name that is too long is nobody's.
        if os.path.lexists(beside) and (ending == "-wal" or not _is_finished(beside)):
            raise OSError(
                errno.EBUSY,
                f"{beside.name} beside it has changes of another program, which SQLite would "
                "mix into the new file. Close that program; if none is running, move both "
                "files away",
            )


def _is_finished(journal: Path) -> bool:
    """Whether a rollback journal is one that SQLite has emptied, or has overwritten the head of."""
    if not journal.is_file():
        return False
    with journal.open("rb") as file:
        return not any(file.read(_JOURNAL_HEAD))


def _become_like(path: Path, part: Path) -> None:
    """Give a new file the owner and mode of the one that it replaces."""
    try:
        old = path.stat()
    except FileNotFoundError:
        return
    new = part.stat()
    if sys.platform != "win32" and (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        # Only root gives files away, and a group only one of its members.
        with contextlib.suppress(OSError):
            os.chown(part, -1, old.st_gid)
        with contextlib.suppress(OSError):
            os.chown(part, old.st_uid, -1)
    with contextlib.suppress(OSError):  # some file systems have no modes
        part.chmod(stat.S_IMODE(old.st_mode))


def _finish(part: Path, path: Path) -> None:
    """Make a written file like the one that it replaces, and flush it to the disk."""
    descriptor = os.open(part, os.O_RDWR)  # its new mode may forbid that, to its owner too
    try:
        _become_like(path, part)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk, where the file system has a way to do so."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
