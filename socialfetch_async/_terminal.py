"""What is written: whole lines, and never a wait that Ctrl-C or SIGTERM cannot end."""

import asyncio
import contextlib
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TextIO

# A pipe that is ready takes this much at once (POSIX: PIPE_BUF; Linux and macOS have more).
_READY_BYTES: Final = 4096


class Voice(NamedTuple):
    """How much a command says, and how.

    Attributes:
        quiet: On stderr only errors, and that another API than the vendor's is used.
        verbose: On stderr also every retry, and every handle that ended.
        json: The result on stdout, as JSON.
    """

    quiet: bool = False
    verbose: bool = False
    json: bool = False

    async def say(self, lines: Iterable[str]) -> None:
        """Write lines to stderr, unless only errors are wanted."""
        if not self.quiet:
            await say(lines)

    def tell(self, lines: Iterable[str]) -> None:
        """Write lines to stderr as `say` does, where there is no event loop."""
        if not self.quiet:
            text = "".join(f"{line}\n" for line in lines)
            with contextlib.suppress(OSError):
                sys.stderr.write(text)
                sys.stderr.flush()

    def words(self) -> list[str]:
        """Return these options as they are typed."""
        return [f"--{name}" for name, given in self._asdict().items() if given]


async def say(lines: Iterable[str]) -> None:
    """Write lines to stderr. If it takes none, as a closed terminal, the work matters more."""
    encoded = [f"{line}\n".encode(sys.stderr.encoding or "utf-8", "replace") for line in lines]
    with contextlib.suppress(OSError):
        await write_lines(encoded, sys.stderr)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream is a terminal that can be drawn on."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}


def window() -> tuple[int, int]:
    """Return the columns and rows of the terminal at stderr."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    except OSError:
        return 80, 24
    return columns or 80, rows or 24


def stamped(line: str) -> str:
    """Return a line about something that just happened: with the time, if it goes to a log."""
    return line if sys.stderr.isatty() else f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {line}"


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
