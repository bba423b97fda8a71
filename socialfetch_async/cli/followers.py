"""`socialfetch followers`: lists to stdout, one after the other."""

import asyncio
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import LogRecord

import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async._text import count
from socialfetch_async.batch import read_handles
from socialfetch_async.cli import exit_codes, stopping, words
from socialfetch_async.cli.connecting import Connection, connected, max_credits, told
from socialfetch_async.cli.output import (
    Voice,
    draw,
    is_terminal,
    plain,
    say,
    stamped,
    window,
    write_lines,
)
from socialfetch_async.cli.progress import down, logged
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ProfileUnavailableError, SocialFetchError
from socialfetch_async.stream import FollowerStream

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True)
class Options:
    """The options of `followers` that hold for every handle."""

    trim: bool
    max_followers: int | None
    max_pages: int | None
    max_credits: int | None
    connection: Connection
    voice: Voice

    def command(self, handles: Sequence[str], cursor: str | None = None) -> str:
        """Return a command for some handles with the same options."""
        said = ["socialfetch", "followers", *handles]
        # A cursor is opaque: after `=` even one that begins with a dash is a value.
        said += [] if cursor is None else [f"--cursor={cursor}"]
        said += ["--trim"] * self.trim
        for name in ("followers", "pages", "credits"):
            if (most := getattr(self, f"max_{name}")) is not None:
                said.append(f"--max-{name}={most}")
        return shlex.join([*said, *self.connection.words(), *self.voice.words()])


def starts_of(
    given: Sequence[str], cursor: str | None, column: str | None, *, header: bool
) -> dict[str, str | None]:
    """Return each handle once, with the cursor to begin at; `-` are those on stdin.

    Raises:
        ValueError: One of the handles is not valid.
    """
    if list(given) == ["-"]:
        return dict(read_handles("-", column=column, header=header).handles)
    starts, _ = arguments.starts(dict.fromkeys(given, cursor))
    return starts


async def write_followers(starts: Mapping[str, str | None], options: Options) -> int:
    """Write the followers of each handle; return the exit code."""
    limit = max_credits(options.max_credits)
    async with connected(options.connection.client(max_credits=limit)) as client:
        command = _Command(client, options, limit)
        with logged(command.log):
            return await command.run(starts)


class _Command:
    """One call of the command."""

    def __init__(self, client: SocialFetchClient, options: Options, limit: int | None) -> None:
        self._client = client
        self._options = options
        self._limit = limit
        self._draws = is_terminal(sys.stderr) and not sys.stdout.isatty()
        self._draws = self._draws and not options.voice.quiet

    async def run(self, starts: Mapping[str, str | None]) -> int:
        handles, code = list(starts), exit_codes.DONE
        for position, handle in enumerate(handles):
            left = self._left()
            if left is not None and left < 1:
                await self._say_rest(handles[position:])
                return exit_codes.CREDIT_LIMIT
            ended = await self._one(handle, starts[handle], left, handles[position + 1 :])
            if ended not in {exit_codes.DONE, exit_codes.SOME_FAILED}:
                return ended
            code = code or ended
        return code

    def _left(self) -> int | None:
        usage = self._client.usage
        spent = usage.credits_charged + usage.maybe_charged
        return None if self._limit is None else self._limit - spent

    async def _one(
        self, handle: str, cursor: str | None, left: int | None, later: Sequence[str]
    ) -> int:
        """Write one list; return the exit code for it, and say how to resume if it is cut off."""
        options = self._options
        stream = self._client.iter_followers(
            handle,
            cursor=cursor,
            trim=options.trim,
            max_followers=options.max_followers,
            max_pages=options.max_pages,
            max_credits=left,
        )
        try:
            await self._write(handle, stream)
        except ProfileUnavailableError as error:
            await self._say(f"{handle}: {words.status(error.lookup_status)}")
            return exit_codes.DONE
        except SocialFetchError as error:
            await self._say(f"{handle}: {told(error)}", error=True)
            code = stopping.exit_code(error)
            rest = later if code != exit_codes.SOME_FAILED else ()
            await self._say_how_to_resume(handle, stream, rest, error=True)
            return code
        except (asyncio.CancelledError, OSError):  # stopped, or stdout takes no more
            await self._say(f"Stopped. Written: {_progress(handle, stream)}")
            await self._say_how_to_resume(handle, stream, later)
            raise
        await self._say(f"{_progress(handle, stream)}: {words.status(stream.stop_reason or '')}")
        if stream.stop_reason != "max_credits":
            return exit_codes.DONE
        await self._say_how_to_resume(handle, stream, later)
        return exit_codes.CREDIT_LIMIT

    async def _write(self, handle: str, stream: FollowerStream) -> None:
        async for page in stream.pages():
            # A page that its reader has not got is not handled: written before the next request.
            await write_lines(
                [
                    _encoder.encode({"source": handle, **plain(follower)}) + b"\n"
                    for follower in page.followers
                ]
            )
            if self._draws:
                await self._draw(_progress(handle, stream))

    async def _draw(self, text: str) -> None:
        """Show a line that is written over."""
        await draw(f"\r{text[: window()[0] - 1]}\x1b[K")

    def log(self, record: LogRecord) -> None:
        """Show a sentence of the library's log: a command that waits must not look dead."""
        if not self._options.voice.quiet:
            outage = self._client.outage
            text = record.getMessage() if outage is None else down(outage)
            self._options.voice.tell([self._fresh(stamped(f"socialfetch: {text}"))])

    def _fresh(self, line: str) -> str:
        """Return a line that stands over the line of progress, if there is one."""
        return f"\r\x1b[K{line}" if is_terminal(sys.stderr) else line

    async def _say(self, line: str, *, error: bool = False) -> None:
        if error or not self._options.voice.quiet:
            await say([self._fresh(line)])

    async def _say_how_to_resume(
        self,
        handle: str,
        stream: FollowerStream,
        later: Sequence[str],
        *,
        error: bool = False,
    ) -> None:
        """Print the command for what is left, without anything that was written already."""
        command = self._options.command([handle], stream.cursor)
        await self._say(f"Resume with: {command}", error=error)
        await self._say_rest(later, error=error)

    async def _say_rest(self, handles: Sequence[str], *, error: bool = False) -> None:
        if handles:
            await self._say(f"Not started: {self._options.command(handles)}", error=error)


def _progress(handle: str, stream: FollowerStream) -> str:
    total = stream.total_followers
    of_total = f" of {total:,}" if total is not None else ""
    noun = count(stream.followers_seen if total is None else total, "follower").split()[-1]
    return (
        f"{handle}: {stream.followers_seen:,}{of_total} {noun}, "
        f"{count(stream.pages_fetched, 'page')}, {count(stream.credits_charged, 'credit')}"
    )
