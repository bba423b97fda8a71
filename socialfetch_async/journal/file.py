"""The file of a journal as the operating system has it: open, locked, appended to, synced."""

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from socialfetch_async.errors import JournalError

_PART: Final = 1 << 20  # bytes that are copied at once


class AppendOnly:
    """A locked file that only grows, a whole line at a time.

    Attributes:
        fd: The open file.
        end: Bytes up to the end of the last line.
    """

    def __init__(self, path: Path) -> None:
        """Open and lock the file; make it if there is none.

        Raises:
            JournalError: It cannot be written, or another process has it.
        """
        self.path = path
        self.end = 0
        self.fd = _opened_and_locked(path)
        while not self.is_there():
            # It was moved between the two, and another file may have taken its name.
            os.close(self.fd)
            self.fd = _opened_and_locked(path)
        self._torn = False

    def is_there(self) -> bool:
        """Return whether the name still leads to this file."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self.fd))  # noqa: PTH116 - asked at each line
        except OSError:
            return False

    def rescue(self) -> Path | None:
        """Return where a file is that lost its name; one that was deleted is copied back.

        Returns:
            Its new name, which later lines go to; None if that cannot be found out.

        Raises:
            OSError: The copy could not be written.
        """
        if os.fstat(self.fd).st_nlink:
            return _name_of(self.fd)
        path = self.path
        while os.path.lexists(path):
            path = path.with_name(f"{path.name}.rescued")
        copy = _opened_and_locked(path)
        for offset in range(0, self.end, _PART):
            os.write(copy, self.read(offset, min(_PART, self.end - offset)))
        os.fsync(copy)
        os.close(self.fd)
        self.fd = copy
        return path

    def reader(self) -> BinaryIO:
        """Return the content, from its beginning; closing it leaves the journal open."""
        os.lseek(self.fd, 0, os.SEEK_SET)  # the lock of Windows moved it far behind the text
        return open(self.fd, "rb", buffering=1 << 20, closefd=False)

    def read(self, offset: int, length: int) -> bytes:
        """Return some bytes of the content."""
        os.lseek(self.fd, offset, os.SEEK_SET)  # what is appended goes to the end all the same
        parts = []
        while length > 0 and (part := os.read(self.fd, length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def append(self, pieces: Sequence[bytes]) -> tuple[int, int]:
        """Write a line; return where it begins and its length, in bytes.

        After an error nothing of it is in the file.

        Raises:
            OSError: It could not be written as a whole.
        """
        if self._torn:
            self.cut(self.end)
        length = sum(map(len, pieces))
        try:
            written = 0
            if sys.platform != "win32":
                written = os.writev(self.fd, pieces)
            while written < length:
                written += os.write(self.fd, b"".join(pieces)[written:])
        except BaseException:
            self._torn = True  # a broken line in the middle would be worse than this one missing
            with contextlib.suppress(OSError):
                self.cut(self.end)
            raise
        begins, self.end = self.end, self.end + length
        return begins, length

    def cut(self, end: int) -> None:
        """Drop everything behind a position, in bytes."""
        os.ftruncate(self.fd, end)
        self.end = end
        self._torn = False

    def sync(self) -> None:
        """Have what was written survive the power going."""
        os.fsync(self.fd)

    def sync_folder(self) -> None:
        """Have the name of a new file survive it, too, where the folder may be opened for that."""
        with contextlib.suppress(OSError):
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Close the file, which unlocks it."""
        fd, self.fd = self.fd, -1  # its number may soon be another file's
        os.close(fd)


def free_bytes(fd: int) -> int | None:
    """Return how much the disk of a file still takes, in bytes; None where nobody knows."""
    if sys.platform == "win32":
        return None
    disk = os.statvfs(fd)
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def _opened_and_locked(path: Path) -> int:
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        # For its owner only: it holds what was paid for, and people's names.
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise _not_opened(path, error) from None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise JournalError(f"{path} is not a file: name another one. No request was sent.")
        _lock(fd, path)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _name_of(fd: int) -> Path | None:
    """Return the name that an open file has now, on systems that tell."""
    if sys.platform == "darwin":
        import fcntl  # noqa: PLC0415 - Windows has none

        return Path(os.fsdecode(fcntl.fcntl(fd, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
    try:
        return Path(f"/proc/self/fd/{fd}").readlink()
    except OSError:
        return None


def _lock(fd: int, path: Path) -> None:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - there is one only there

            os.lseek(fd, 1 << 40, os.SEEK_SET)  # far behind the text, which others may read
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - as above

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK}:
            raise JournalError(
                f"{path} cannot be locked ({error.strerror}), so nothing would keep a second "
                "process from buying the same pages. Name a file on another disk. No request was "
                "sent."
            ) from None
        raise JournalError(
            f"{path} is being written by another process, or a second time by this one. Two "
            "would buy the same pages: wait for it, or name another file. No request was sent."
        ) from None


def _not_opened(path: Path, error: OSError) -> JournalError:
    folder = path.parent
    match error.errno:
        case errno.EISDIR:
            why = f"{path} is a folder: name a file in it."
        case errno.ENOTDIR:
            why = f"{folder} is not a folder: name another file."
        case errno.ENOENT if not folder.is_dir():
            why = f"there is no folder {folder}: make it, or name another file."
        case _:
            why = f"{path} cannot be written ({error.strerror}): name another file."
    return JournalError(f"{why} No request was sent.")
