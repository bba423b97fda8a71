"""`socialfetch followers`: lists to stdout, one after the other."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from logging import WARNING, LogRecord

from socialfetch_async import _arguments as arguments
from socialfetch_async._terminal import Voice, is_terminal, say, stamped, write_lines
from socialfetch_async._text import count
from socialfetch_async.batch import (
    Picture,
    Screen,
    four_times_a_second,
    log_passed_to,
    outage_in_words,
    read_handles,
    status_in_words,
)
from socialfetch_async.cli import exit_codes, stopping, words
from socialfetch_async.cli.connecting import Connection, connected, max_credits, told
from socialfetch_async.cli.output import as_json, plain
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ProfileUnavailableError, SocialFetchError
from socialfetch_async.stream import FollowerStream


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
        return words.command([*said, *self.connection.words(), *self.voice.words()])


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
        return await _Command(client, options, limit).run(starts)


class _Command:
    """One call of the command."""

    def __init__(self, client: SocialFetchClient, options: Options, limit: int | None) -> None:
        self._client = client
        self._options = options
        self._limit = limit
        self._stream: FollowerStream | None = None
        self._rows: list[tuple[str, str]] = []
        self._latest = ""
        draws = is_terminal(sys.stderr) and not sys.stdout.isatty() and not options.voice.quiet
        self._screen = Screen(Picture(None, ())) if draws else None

    async def run(self, starts: Mapping[str, str | None]) -> int:
        """Write one list after the other; return the exit code."""
        try:
            with log_passed_to(self._log):
                async with four_times_a_second(self._tick):
                    return await self._all(starts)
        finally:
            if self._screen is not None:
                await asyncio.to_thread(self._screen.close)
                self._screen.restore()

    async def _all(self, starts: Mapping[str, str | None]) -> int:
        code, later = exit_codes.DONE, dict(starts)
        for position, (handle, cursor) in enumerate(starts.items()):
            left = self._left()
            if left is not None and left < 1:
                await self._say_rest(later)
                return exit_codes.CREDIT_LIMIT
            del later[handle]
            self._rows = [("handles", f"{position:,} of {len(starts):,} done"), ("now", handle)]
            ended = await self._one(handle, cursor, left, later)
            if ended not in {exit_codes.DONE, exit_codes.SOME_FAILED}:
                return ended
            code = code or ended
        return code

    def _left(self) -> int | None:
        usage = self._client.usage
        spent = usage.credits_charged + usage.maybe_charged
        return None if self._limit is None else self._limit - spent

    async def _one(
        self, handle: str, cursor: str | None, left: int | None, later: Mapping[str, str | None]
    ) -> int:
        """Write one list; return the exit code for it, and say how to resume if it is cut off."""
        options = self._options
        stream = self._stream = self._client.iter_followers(
            handle,
            cursor=cursor,
            trim=options.trim,
            max_followers=options.max_followers,
            max_pages=options.max_pages,
            max_credits=left,
        )
        try:
            await _write(handle, stream)
        except ProfileUnavailableError as error:
            await self._say(f"{handle}: {words.unavailable(error.lookup_status)}")
            return exit_codes.DONE
        except SocialFetchError as error:
            await self._say(f"{handle}: {told(error)}", error=True)
            code = stopping.exit_code(error)
            rest = later if code != exit_codes.SOME_FAILED else {}
            await self._say_how_to_resume(handle, stream, rest, error=True)
            return code
        except (asyncio.CancelledError, OSError):  # stopped, or stdout takes no more
            await self._say(f"Stopped. Written: {_progress(handle, stream)}")
            await self._say_how_to_resume(handle, stream, later)
            raise
        await self._say(f"{_progress(handle, stream)}: {status_in_words(stream.stop_reason or '')}")
        if stream.stop_reason != "max_credits":
            return exit_codes.DONE
        await self._say_how_to_resume(handle, stream, later)
        return exit_codes.CREDIT_LIMIT

    async def _tick(self) -> None:
        """Show how far the list is."""
        if self._screen is None or self._stream is None:
            return
        seen, total = self._stream.followers_seen, self._stream.total_followers
        usage, outage = self._client.usage, self._client.outage
        of_total = "" if total is None else f" of {total:,}"
        rows = [
            *self._rows,
            ("followers", f"{seen:,}{of_total}"),
            ("pages", f"{self._stream.pages_fetched:,}"),
            ("credits", f"{usage.credits_charged:,} charged"),
        ]
        note = f"Latest: {self._latest}" if self._latest else ""
        note = note if outage is None else outage_in_words(outage)
        share = min(1.0, seen / total) if total else None
        self._screen.picture = Picture(share, rows, [note] if note else [])

    def _log(self, record: LogRecord) -> None:
        """Show a sentence of the library's log: a command that waits must not look dead."""
        voice, self._latest = self._options.voice, record.getMessage()
        if self._screen is None:
            voice.tell([stamped(f"socialfetch: {self._latest}")])
        elif voice.verbose or record.levelno >= WARNING:
            self._screen.above.append(self._latest)

    async def _say(self, line: str, *, error: bool = False) -> None:
        if self._screen is not None:
            self._screen.above.append(line)
        elif error or not self._options.voice.quiet:
            await say([line])

    async def _say_how_to_resume(
        self,
        handle: str,
        stream: FollowerStream,
        later: Mapping[str, str | None],
        *,
        error: bool = False,
    ) -> None:
        """Print the command for what is left, without anything that was written already."""
        command = self._options.command([handle], stream.cursor)
        await self._say(f"Resume with: {command}", error=error)
        await self._say_rest(later, error=error)

    async def _say_rest(self, starts: Mapping[str, str | None], *, error: bool = False) -> None:
        """Print the commands for lists that were not started: one, but for cursors."""
        tops = [handle for handle, cursor in starts.items() if cursor is None]
        commands = [self._options.command(tops)] if tops else []
        commands += [self._options.command([h], c) for h, c in starts.items() if c is not None]
        for command in commands:
            await self._say(f"Not started: {command}", error=error)


async def _write(handle: str, stream: FollowerStream) -> None:
    async for page in stream.pages():
        # A page that its reader has not got is not handled: written before the next request.
        await write_lines(
            [as_json({"source": handle, **plain(follower)}) for follower in page.followers]
        )


def _progress(handle: str, stream: FollowerStream) -> str:
    total = stream.total_followers
    of_total = f" of {total:,}" if total is not None else ""
    noun = count(stream.followers_seen if total is None else total, "follower").split()[-1]
    return (
        f"{handle}: {stream.followers_seen:,}{of_total} {noun}, "
        f"{count(stream.pages_fetched, 'page')}, {count(stream.credits_charged, 'credit')}"
    )
