"""How a command ends: exit codes, Ctrl-C, SIGTERM, SIGHUP, and a reader that disconnected."""

import asyncio
import contextlib
import math
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TextIO

import click

from socialfetch_async._terminal import is_pipe
from socialfetch_async.cli import exit_codes
from socialfetch_async.cli.connecting import told
from socialfetch_async.errors import (
    AuthenticationError,
    ConnectError,
    ExportError,
    InsufficientCreditsError,
    InvalidHandleError,
    JournalError,
    PermissionDeniedError,
    SocialFetchError,
)

# `timeout`, `uv run` and others pass a signal on that the whole process group had already.
_SAME_SIGNAL: Final = 0.5  # seconds


def exit_code(error: SocialFetchError) -> int:
    """Return the exit code of an error that ends a command."""
    if isinstance(error, AuthenticationError | PermissionDeniedError):
        return exit_codes.KEY_REFUSED
    if isinstance(error, InsufficientCreditsError):
        return exit_codes.OUT_OF_CREDITS
    if isinstance(error, ConnectError) or error.unanswered:
        return exit_codes.NO_ANSWER
    if isinstance(error, InvalidHandleError | JournalError | ExportError):
        return exit_codes.USAGE
    return exit_codes.SOME_FAILED


def code_of(stop_reason: str | None) -> int:
    """Return the exit code of a job that no error ended.

    Args:
        stop_reason: Why it ended; None if it did not begin.
    """
    if stop_reason == "max_credits":
        return exit_codes.CREDIT_LIMIT
    return exit_codes.SOME_FAILED if stop_reason == "failed" else exit_codes.DONE


def run(command: Coroutine[Any, Any, int]) -> None:
    """Run a command to its end and exit with its code.

    Ctrl-C, SIGTERM, SIGHUP and a closed pipe cancel it: it says how to resume, and no request
    follows. A second signal cancels it again, and a third one kills it. A signal that the caller
    has the command ignore, as `nohup` does, stays ignored.
    """
    _exit(_run(command))


def run_offline(command: Callable[[], None]) -> None:
    """Run a command that sends nothing; signals end it, and what it has begun to write is removed.

    Raises:
        SystemExit: Always, with the exit code.
    """

    def stop(number: int, _: object) -> NoReturn:
        sys.exit(128 + number)

    for number in _signals():
        signal.signal(number, stop)
    try:
        command()
    except (ValueError, ExportError, JournalError) as error:
        complain(error)
        _exit(exit_codes.USAGE)
    _exit(exit_codes.DONE)


def _signals() -> list[signal.Signals]:
    """Return the signals that stop a command."""
    names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    known = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return [number for number in known if signal.getsignal(number) is not signal.SIG_IGN]


def complain(error: Exception) -> None:
    """Print the sentence of an error."""
    text = told(error)
    with contextlib.suppress(OSError):
        click.echo(f"socialfetch: {text}", err=True)


def _exit(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            if stream is sys.stdout:  # what stderr was for matters less than how the work ended
                code = code or _cannot_write(error)
            # The interpreter's own flush at exit must not fail, and complain, once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def _run(command: Coroutine[Any, Any, int]) -> int:
    stopped: list[int] = []
    try:
        return asyncio.run(_supervised(command, stopped))
    except asyncio.CancelledError:
        return stopped[0]
    except SocialFetchError as error:
        complain(error)
        return exit_code(error)
    except ValueError as error:
        complain(error)
        return exit_codes.USAGE
    except OSError as error:
        return _cannot_write(error)


async def _supervised(command: Coroutine[Any, Any, int], stopped: list[int]) -> int:
    task = asyncio.ensure_future(command)
    loop = asyncio.get_running_loop()
    signals = _signals()
    came = -math.inf

    def stop(code: int) -> None:
        nonlocal came
        if loop.time() - came < _SAME_SIGNAL:
            return
        came = loop.time()
        stopped.append(code)
        task.cancel()
        if len(stopped) > 1:
            for number in signals:
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_DFL)

    def reader_left(stream: TextIO) -> None:
        loop.remove_reader(stream.fileno())
        if not stopped:  # Ctrl-C ends the whole pipeline: that is no second wish
            stop(exit_codes.PIPE_CLOSED)

    for number in signals:
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, stop, 128 + number)
    pipes = {stream.fileno(): stream for stream in (sys.stdout, sys.stderr) if is_pipe(stream)}
    for fd, stream in pipes.items():
        # The writing end of a pipe becomes "readable" when its reader goes away.
        loop.add_reader(fd, reader_left, stream)
    try:
        return await task
    finally:
        for fd in pipes:
            loop.remove_reader(fd)


def _cannot_write(error: OSError) -> int:
    if isinstance(error, BrokenPipeError):
        return exit_codes.PIPE_CLOSED
    with contextlib.suppress(OSError):
        click.echo(f"socialfetch: cannot write to stdout: {error.strerror}", err=True)
    return exit_codes.SOME_FAILED
