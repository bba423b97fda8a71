"""How a command ends: its exit codes, Ctrl-C, SIGTERM, and a reader that went away."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, Final

import click

from socialfetch_async.cli.output import is_watched_pipe
from socialfetch_async.errors import (
    AuthenticationError,
    InsufficientCreditsError,
    PermissionDeniedError,
    SocialFetchError,
)

DONE: Final = 0
SOME_FAILED: Final = 1
USAGE: Final = 2
KEY_REFUSED: Final = 3
OUT_OF_CREDITS: Final = 4
CREDIT_LIMIT: Final = 5
PIPE_CLOSED: Final = 128 + 13  # what a shell reports for SIGPIPE; Windows has no such signal
EXIT_CODES: Final = """\
Exit codes: 0 all done; 1 some handles failed; 2 usage; 3 key refused; 4 out of credits;
5 own credit limit reached; 130, 141, 143 after Ctrl-C, a closed pipe, SIGTERM. Those three stop
the buying at once and say how to go on."""


def exit_code(error: SocialFetchError) -> int:
    """Return the exit code of an error that ends a command."""
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return KEY_REFUSED
    return OUT_OF_CREDITS if isinstance(error, InsufficientCreditsError) else SOME_FAILED


def run(command: Coroutine[Any, Any, int]) -> None:
    """Run a command to its end and exit with its code.

    Ctrl-C, SIGTERM and a closed pipe cancel it: it says how to go on, and no request follows.
    """
    code = _run(command)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code or _cannot_write(error)
        # The interpreter's own flush at exit must not fail, and complain, once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(command: Coroutine[Any, Any, int]) -> int:
    stopped: list[int] = []
    try:
        return asyncio.run(_supervised(command, stopped))
    except asyncio.CancelledError:
        return stopped[0]
    except SocialFetchError as error:
        click.echo(f"socialfetch: {error}", err=True)
        return exit_code(error)
    except ValueError as error:
        click.echo(f"socialfetch: {error}", err=True)
        return USAGE
    except OSError as error:
        return _cannot_write(error)


async def _supervised(command: Coroutine[Any, Any, int], stopped: list[int]) -> int:
    task = asyncio.ensure_future(command)

    def stop(code: int) -> None:
        if not stopped:
            stopped.append(code)
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop, 128 + number)
    watched = is_watched_pipe()
    if watched:
        # The writing end of a pipe becomes "readable" when its reader goes away.
        loop.add_reader(sys.stdout.fileno(), stop, PIPE_CLOSED)
    try:
        return await task
    finally:
        if watched:
            loop.remove_reader(sys.stdout.fileno())


def _cannot_write(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return PIPE_CLOSED
    click.echo(f"socialfetch: can not write to stdout: {error.strerror}", err=True)
    return SOME_FAILED
