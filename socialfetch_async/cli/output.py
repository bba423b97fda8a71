"""What goes to stdout: whole lines, and never a wait that Ctrl-C or SIGTERM can not end."""

import asyncio
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import Final

# A pipe that is ready takes this much at once (POSIX: PIPE_BUF; Linux and macOS have more).
_READY_BYTES: Final = 4096


def is_watched_pipe() -> bool:
    """Whether stdout is a pipe or socket whose reader the event loop can watch."""
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return sys.platform != "win32" and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode))


async def write_lines(lines: Sequence[bytes]) -> None:
    """Write lines and hand them over; return when they left this process.

    A plain write to a pipe whose reader has stopped reading would block the event loop, and with
    it every signal.
    """
    out, watched = sys.stdout.buffer, is_watched_pipe()
    for block in _blocks(lines):
        left = block
        while left:
            if watched:
                await _ready(out.fileno())
            left = left[out.write(left) :]  # with PYTHONUNBUFFERED it may take a part
            out.flush()


def _blocks(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Join lines to blocks that a ready pipe takes whole, so that no stop tears a line."""
    block = b""
    for line in lines:
        if block and len(block) + len(line) > _READY_BYTES:
            yield block
            block = b""
        block += line
    if block:
        yield block


async def _ready(fd: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(fd, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(fd)
