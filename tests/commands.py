"""Runs the real command in a process of its own, on pipes or on a pseudo terminal."""

import asyncio
import atexit
import contextlib
import functools
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from socialfetch_async.emulator import Emulator

KEY = "sfk_secret_0123456789"
ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-W", "error", "-m", "socialfetch_async")
# Where nothing may write bytecode, a hundred commands would compile aiohttp a hundred times.
BYTECODE = os.environ.get("PYTHONPYCACHEPREFIX") or tempfile.mkdtemp(prefix="socialfetch-tests-")
if "PYTHONPYCACHEPREFIX" not in os.environ:
    atexit.register(shutil.rmtree, BYTECODE, ignore_errors=True)


class Done(NamedTuple):
    """How a command ended. The key was in none of its output."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """Every line of stdout as JSON: it carries nothing else."""
        return [json.loads(line) for line in self.out.splitlines()]

    def says(self, what: str) -> list[str]:
        """Return the arguments of the command that stderr tells to run, without its first word."""
        told = re.search(rf"^{what}: socialfetch (.*)$", self.err, re.MULTILINE)
        assert told is not None, self.err
        return shlex.split(told[1])


def named(api: Emulator) -> str:
    """Return the first line of stderr: another API than the vendor's is used."""
    return (
        f"socialfetch: using {api.base_url} instead of the vendor's API "
        "(https://api.socialfetch.dev)\n"
    )


def environment(api: Emulator | None, **variables: str | None) -> dict[str, str]:
    """Return the environment of a command: this one, with the key and address of an emulator."""
    given: dict[str, str | None] = {
        "SOCIALFETCH_API_KEY": KEY,
        "SOCIALFETCH_BASE_URL": None if api is None else api.base_url,
        "TERM": "xterm",
        "NO_COLOR": None,
        "FORCE_COLOR": None,
        "COLUMNS": None,
        "PYTHONUNBUFFERED": None,
        "PYTHONDONTWRITEBYTECODE": None,
        "PYTHONPYCACHEPREFIX": BYTECODE,
        "SOCIALFETCH_MAX_CREDITS": None,
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")),
    }
    merged = {**os.environ, **given, **variables}
    return {name: value for name, value in merged.items() if value is not None}


@asynccontextmanager
async def started(*arguments: str, env: dict[str, str], **streams: Any) -> AsyncIterator[Process]:
    """Start a command; it does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, env=env, **{"stdin": DEVNULL, **streams}
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            send(process, signal.SIGKILL)
        await process.wait()


def send(process: Process, number: signal.Signals) -> None:
    """Send a signal to a process that may have ended.

    The process's own `send_signal` would look whether it has, and take the exit code from the one
    who waits for it.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)


async def ended(process: Process, given: bytes | None = None) -> Done:
    """Wait for a command's end and what it wrote."""
    async with asyncio.timeout(60):
        out, err = await process.communicate(given)
    assert process.returncode is not None
    return seen((process.returncode, out or b"", err or b""))


def seen(end: tuple[int, bytes, bytes]) -> Done:
    """Return how a command ended, and see that it kept the key, and had no traceback."""
    code, out, err = end
    done = Done(code, out.decode(), err.decode())
    assert KEY not in done.out + done.err
    assert "Traceback" not in done.err, done.err
    return done


async def run(
    api: Emulator | None,
    *arguments: str,
    given: bytes | None = None,
    cwd: Path | None = None,
    **variables: str | None,
) -> Done:
    """Run a command to its end."""
    env = environment(api, **variables)
    # An interpreter reads its own variables when it starts; and forks are safe on Linux alone.
    if sys.platform == "linux" and not any(name.startswith("PYTHON") for name in variables):
        return seen(await _forked(arguments, env, cwd, given))
    stdin = DEVNULL if given is None else PIPE
    async with started(
        *arguments, env=env, cwd=cwd, stdin=stdin, stdout=PIPE, stderr=PIPE
    ) as process:
        return await ended(process, given)


async def _forked(
    arguments: tuple[str, ...], env: dict[str, str], cwd: Path | None, given: bytes | None
) -> tuple[int, bytes, bytes]:
    """Run a command in a fork; return its exit code and what it wrote."""
    channel = await asyncio.to_thread(_forks)
    request = json.dumps([arguments, env, None if cwd is None else str(cwd)]).encode()
    (stdin, to_stdin), *pipes = (os.pipe() for _ in range(4))
    socket.send_fds(channel, [request], [stdin, *(write for _, write in pipes)])
    for fd in (stdin, *(write for _, write in pipes)):
        os.close(fd)
    with contextlib.suppress(BrokenPipeError), os.fdopen(to_stdin, "wb") as file:
        file.write(given or b"")  # less than a pipe takes at once
    out, err, end = [await _reader(read) for read, _ in pipes]
    process, code = int(await end.readline()), b""
    try:
        async with asyncio.timeout(60):
            written = await asyncio.gather(out.read(), err.read())
            code = await end.read()
    finally:
        if not code:
            os.kill(process, signal.SIGKILL)
    return int(code), *written


async def _reader(fd: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(fd, "rb"))
    return reader


@functools.cache
def _forks() -> socket.socket:
    """Start the process that is forked; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.forked", str(theirs.fileno())],
            cwd=ROOT, env=environment(None), stdin=DEVNULL, pass_fds=[theirs.fileno()],
        )  # fmt: skip
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


class Terminal:
    """A pseudo terminal: `slave` is for the command, `text` is what it has shown so far."""

    def __init__(self) -> None:
        self._master, self.slave = pty.openpty()
        os.set_blocking(self._master, False)
        self._came = b""

    @property
    def text(self) -> str:
        """What was shown, control sequences included."""
        return self._came.decode(errors="replace")

    def __enter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._master, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        if self._master >= 0:
            self._read()
            self.hang_up()

    def type(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._master, keys)

    def hang_up(self) -> None:
        """Close it: what is written to it from now on is an error."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self.slave)
        self._master = -1

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while part := os.read(self._master, 65_536):
                self._came += part
