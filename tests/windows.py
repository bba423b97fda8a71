"""Runs the command as on Windows: what the package asks of that system is answered as it answers.

Only what differs for us: there is no `flock`, `writev` or `statvfs`, a folder cannot be opened, and
the event loop has neither signals nor pipes. All else stays the system that runs it.
"""

import asyncio
import errno
import os
import signal
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
    opened = os.open

    def open_(path: Any, flags: int, mode: int = 0o777, **options: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path, flags, mode, **options)

    os.open = open_
    loop = asyncio.SelectorEventLoop
    for name in ("add_reader", "remove_reader", "add_signal_handler", "remove_signal_handler"):
        setattr(loop, name, refused)
    sys.platform = "win32"


if __name__ == "__main__":
    become_windows()
    cli.main()
