"""Runs the command as on Windows: what the package asks of that system is answered as it answers.

Only what differs for us: there is no `flock`, `writev` or `statvfs`; a folder cannot be opened; a
file that is open or read-only is not removed and not replaced; a text has the code page and the
line ends of the system, unless it says which; and the event loop has neither signals nor pipes. All
else stays the system that runs it.
"""

import asyncio
import contextlib
import errno
import io
import os
import signal
import stat
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, NoReturn

from socialfetch_async import cli

FAR = 1 << 40  # where the lock is: no text is that long


def locks() -> ModuleType:
    """Return a `msvcrt` whose locks are refused as there, to a second process or opening."""
    import fcntl

    def locking(fd: int, mode: int, length: int) -> None:
        assert (mode, length) == (2, 1)
        assert os.lseek(fd, 0, os.SEEK_CUR) == FAR, "it would keep others from reading"
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    return module("msvcrt", LK_NBLCK=2, locking=locking)


def module(name: str, **content: Any) -> ModuleType:
    """Return a new module."""
    made = ModuleType(name)
    vars(made).update(content)
    return made


def refused(*_: object) -> NoReturn:
    """Answer as the proactor event loop does."""
    raise NotImplementedError


def refuse_held(path: Any) -> None:
    """Refuse to remove or replace what this process has open, or what is read-only.

    Raises:
        PermissionError: As there.
    """
    with contextlib.suppress(FileNotFoundError):
        there = Path(path).stat()
        held = any(is_open(there, int(fd.name)) for fd in Path("/dev/fd").iterdir())
        if held or not there.st_mode & stat.S_IWRITE:
            raise PermissionError(errno.EACCES, "Permission denied", path)


def is_open(there: os.stat_result, fd: int) -> bool:
    """Whether a file is what a descriptor leads to."""
    try:
        return os.path.samestat(there, os.fstat(fd))
    except OSError:  # it was that of the listing itself
        return False


def hold_files() -> None:
    """Have files and folders opened, removed and replaced as there."""
    opened, unlink, replace, open_file = os.open, os.unlink, os.replace, io.open

    def open_(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, flags, mode, **options)

    def unlink_(path: Any, **options: Any) -> None:
        refuse_held(path)
        unlink(path, **options)

    def replace_(path: Any, target: Any) -> None:
        refuse_held(path)
        refuse_held(target)
        replace(path, target)

    def open_file_(file: Any, mode: str = "r", *given: Any, **options: Any) -> Any:
        options |= dict(zip(("buffering", "encoding", "errors", "newline"), given, strict=False))
        if "b" not in mode:
            if options.get("encoding") in {None, "locale"}:
                options["encoding"] = "cp1252"
            if options.get("newline") is None and "r" not in mode:
                options["newline"] = "\r\n"
        return open_file(file, mode, **options)

    io.open = open_file_
    for name, function in {"open": open_, "unlink": unlink_, "replace": replace_}.items():
        setattr(os, name, function)


def become_windows() -> None:
    """Change this process; everything that looks at the system while it is imported is there."""
    for found in iter_modules(cli.__path__, f"{cli.__name__}."):
        import_module(found.name)
    sys.modules["msvcrt"] = locks()
    sys.modules["fcntl"] = None  # type: ignore[assignment]  # to import it is an error
    for name in ("writev", "statvfs"):
        delattr(os, name)
    for name in ("SIGHUP", "SIGTSTP"):
        delattr(signal, name)
    hold_files()
    loop = asyncio.SelectorEventLoop
    for name in ("add_reader", "remove_reader", "add_signal_handler", "remove_signal_handler"):
        setattr(loop, name, refused)
    asyncio.new_event_loop().close()  # from Python 3.14 on the first one looks at the platform
    sys.platform = "win32"


if __name__ == "__main__":
    become_windows()
    cli.main()
