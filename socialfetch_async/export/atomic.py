"""Files that are there whole or not at all: written aside, flushed to the disk, renamed."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield the path of a new, empty file that takes the place of `path` when the block ends.

    If the block raises, Ctrl-C included, that file is removed and `path` is as it was.
    """
    if path.exists() and not path.is_file():
        # A rename would take the place of a device, or fail when all the work is done.
        raise FileExistsError(errno.EEXIST, "it is a folder or a device, not a file", str(path))
    # In the same folder: a rename does not cross file systems. Opened here and not by `tempfile`,
    # whose files are for their owner only: this one is to have the mode of any new file.
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        yield aside
        _to_disk(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # elsewhere a folder can not be opened, and the rename is kept anyway
        _to_disk(path.parent)


def _to_disk(path: Path) -> None:
    """Flush a file, or a folder's names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
