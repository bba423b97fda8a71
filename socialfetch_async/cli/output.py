"""What is written: whole lines, and never a wait that Ctrl-C or SIGTERM can not end."""

import asyncio
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import Final, TextIO

# A pipe that is ready takes this much at once (POSIX: PIPE_BUF; Linux and macOS have more).
_READY_BYTES: Final = 4096


def is_pipe(stream: TextIO) -> bool:
    """Whether a stream is a pipe whose reader can be seen to go away.

    With a socket that is seen when something is written: that its other end sends nothing, as the
    journal of systemd says, does not mean that it no longer reads.
    """
    return sys.platform != "win32" and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)


def _has_reader(stream: TextIO) -> bool:
    return is_pipe(stream) or (
        sys.platform != "win32" and stat.S_ISSOCK(os.fstat(stream.fileno()).st_mode)
    )


async def write_lines(lines: Sequence[bytes], stream: TextIO | None = None) -> None:
    """Write lines, by default to stdout, and return when they left this process.

    A plain write to a pipe whose reader has stopped reading would block the event loop, and with
    it every signal.
    """
    target: TextIO = sys.stdout if stream is None else stream
    out, watched = target.buffer, _has_reader(target)
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
