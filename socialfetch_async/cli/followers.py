"""`socialfetch followers`, `whoami`, `balance`: one client, data to stdout."""

import asyncio
import logging
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from socialfetch_async import _arguments as arguments
from socialfetch_async._log import logger
from socialfetch_async.cli import exit_codes, stopping
from socialfetch_async.cli.output import write_lines
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

    def __str__(self) -> str:
        limits = {
            "followers": self.max_followers,
            "pages": self.max_pages,
            "credits": self.max_credits,
        }
        given = [f" --max-{name}={most}" for name, most in limits.items() if most is not None]
        return "".join([" --trim"] * self.trim + given)


async def write_value(get: Callable[[SocialFetchClient], Awaitable[Any]]) -> int:
    """Write one value as a line of JSON, its fields in snake_case."""
    _show_the_log()
    async with SocialFetchClient() as client:
        value = await get(client)
    await write_lines([_encoder.encode(_plain(value)) + b"\n"])
    return 0


async def write_followers(given: Sequence[str], cursor: str | None, options: Options) -> int:
    """Write the followers of each handle; return the exit code."""
    _show_the_log()
    # Every handle is checked before the first one costs anything, and none is bought twice.
    starts, _ = arguments.starts(given)
    handles, code = list(starts), exit_codes.DONE
    async with SocialFetchClient() as client:
        for position, handle in enumerate(handles):
            later = handles[position + 1 :]
            left = options.max_credits
            if left is not None:
                left -= client.usage.credits_charged + client.usage.maybe_charged
                if left < 1:
                    _say_rest(handles[position:], options)
                    return exit_codes.CREDIT_LIMIT
            stream = client.iter_followers(
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
                _say(f"{handle}: {error.lookup_status}")
            except SocialFetchError as error:
                _say(f"{handle}: {error}")
                _say_how_to_go_on(handle, stream, options)
                code = stopping.exit_code(error)
                if code != exit_codes.SOME_FAILED:
                    _say_rest(later, options)
                    return code
            except (asyncio.CancelledError, OSError):  # stopped, or stdout takes no more
                _say_how_to_go_on(handle, stream, options)
                _say_rest(later, options)
                raise
            else:
                _say(f"{_progress(handle, stream)}: {stream.stop_reason}")
                if stream.stop_reason == "max_credits":
                    _say_how_to_go_on(handle, stream, options)
                    _say_rest(later, options)
                    return exit_codes.CREDIT_LIMIT
    return code


def _show_the_log() -> None:
    """Let retries and warnings be seen on stderr: a command that waits must not look dead."""
    shown = logging.StreamHandler()
    shown.setFormatter(logging.Formatter("socialfetch: %(message)s"))
    logger.addHandler(shown)
    logger.setLevel(logging.INFO)


async def _write(handle: str, stream: FollowerStream) -> None:
    shows_progress = sys.stderr.isatty() and not sys.stdout.isatty()
    async for page in stream.pages():
        # A page that its reader has not got is not handled: written before the next is asked for.
        await write_lines(
            [
                _encoder.encode({"source": handle, **_plain(follower)}) + b"\n"
                for follower in page.followers
            ]
        )
        if shows_progress:
            click.echo(f"\r{_progress(handle, stream)}\x1b[K", err=True, nl=False)


def _plain(value: object) -> Any:
    """Return a model as dicts, with the names that it has in Python at every level."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return value


def _progress(handle: str, stream: FollowerStream) -> str:
    total = stream.page.total_followers if stream.page is not None else None
    of_total = f" of {total:,}" if total is not None else ""
    return (
        f"{handle}: {stream.followers_seen:,}{of_total} followers, "
        f"{stream.pages_fetched:,} pages, {stream.credits_charged:,} credits"
    )


def _say(text: str) -> None:
    """Write a line to stderr, over the line of progress if there is one."""
    click.echo(f"\r\x1b[K{text}" if sys.stderr.isatty() else text, err=True)


def _say_how_to_go_on(handle: str, stream: FollowerStream, options: Options) -> None:
    """Print the command that buys what is left, and nothing that was written already."""
    # A cursor is opaque: after `=` even one that begins with a dash is a value.
    cursor = f" --cursor={shlex.quote(stream.cursor)}" if stream.cursor else ""
    _say(f"go on with: socialfetch followers {handle}{cursor}{options}")


def _say_rest(handles: Sequence[str], options: Options) -> None:
    if handles:
        _say(f"not begun: socialfetch followers {shlex.join(handles)}{options}")
