"""Runs the real command in a process of its own, on pipes or on a pseudo terminal."""

import asyncio
import atexit
import contextlib
import json
import os
import pty
import re
import shlex
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

from socialfetch_async.emulator import Emulator

KEY = "sfk_secret_0123456789"
COMMAND = (sys.executable, "-W", "error", "-m", "socialfetch_async")
# Where nothing may write bytecode, a hundred commands would compile aiohttp a hundred times.
BYTECODE = tempfile.mkdtemp(prefix="socialfetch-tests-")
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
        *COMMAND, *arguments, env=env, **{"stdin": asyncio.subprocess.DEVNULL, **streams}
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
        await process.wait()


async def ended(process: Process, given: bytes | None = None) -> Done:
    """Wait for a command's end and what it wrote."""
    async with asyncio.timeout(30):
        out, err = await process.communicate(given)
    assert process.returncode is not None
    done = Done(process.returncode, (out or b"").decode(), (err or b"").decode())
    assert KEY not in done.out + done.err
    assert "Traceback" not in done.err, done.err
    return done


async def run(
    api: Emulator | None, *arguments: str, given: bytes | None = None, **variables: str | None
) -> Done:
    """Run a command to its end."""
    stdin = asyncio.subprocess.DEVNULL if given is None else PIPE
    async with started(
        *arguments, env=environment(api, **variables), stdin=stdin, stdout=PIPE, stderr=PIPE
    ) as process:
        return await ended(process, given)


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


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
