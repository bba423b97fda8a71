"""`socialfetch followers`, `whoami`, `balance`: one client, data to stdout."""

import asyncio
import shlex
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import click
import msgspec

from socialfetch_async.cli import stopping
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.errors import ProfileUnavailableError, SocialFetchError
from socialfetch_async.models import FollowersPage
from socialfetch_async.stream import FollowerStream

_encoder = msgspec.json.Encoder()


async def write_value(get: Callable[[SocialFetchClient], Awaitable[Any]]) -> int:
    """Write one value as a line of JSON, its fields in snake_case."""
    async with SocialFetchClient() as client:
        value = await get(client)
    sys.stdout.buffer.write(_encoder.encode(msgspec.structs.asdict(value)) + b"\n")
    return 0


async def write_followers(
    handles: Sequence[str],
    *,
    cursor: str | None,
    trim: bool,
    max_followers: int | None,
    max_pages: int | None,
    max_credits: int | None,
) -> int:
    """Write the followers of each handle; return the exit code."""
    code = 0
    async with SocialFetchClient() as client:
        # Every handle is checked before the first one costs anything.
        for handle in handles:
            client.iter_followers(handle, cursor=cursor)
        for position, handle in enumerate(handles):
            spent = client.usage.credits_charged + client.usage.maybe_charged
            if max_credits is not None and spent >= max_credits:
                _say_rest(handles[position:])
                return stopping.CREDIT_LIMIT
            stream = client.iter_followers(
                handle,
                cursor=cursor,
                trim=trim,
                max_followers=max_followers,
                max_pages=max_pages,
                max_credits=None if max_credits is None else max_credits - spent,
            )
            try:
                await _write(handle, stream)
            except ProfileUnavailableError as error:
                click.echo(f"{handle}: {error.lookup_status}", err=True)
            except SocialFetchError as error:
                click.echo(f"{handle}: {error}", err=True)
                _say_how_to_go_on(handle, stream, handles[position + 1 :])
                code = stopping.exit_code(error)
                if code != stopping.SOME_FAILED:
                    return code
            except (asyncio.CancelledError, BrokenPipeError):
                _say_how_to_go_on(handle, stream, handles[position + 1 :])
                raise
            else:
                _say_how_it_ended(handle, stream)
                if stream.stop_reason == "max_credits":
                    _say_how_to_go_on(handle, stream, handles[position + 1 :])
                    return stopping.CREDIT_LIMIT
    return code


async def _write(handle: str, stream: FollowerStream) -> None:
    async for page in stream.pages():
        sys.stdout.buffer.write(b"".join(_lines(handle, page)))
        # A page that its reader has not got is not handled: flushed before the next is asked for.
        sys.stdout.buffer.flush()
        if sys.stderr.isatty():
            click.echo(f"\r{_progress(handle, stream)}\x1b[K", err=True, nl=False)


def _lines(handle: str, page: FollowersPage) -> list[bytes]:
    return [
        _encoder.encode({"source": handle, **msgspec.structs.asdict(follower)}) + b"\n"
        for follower in page.followers
    ]


def _progress(handle: str, stream: FollowerStream) -> str:
    total = stream.page.total_followers if stream.page is not None else None
    of_total = f" of {total:,}" if total is not None else ""
    return (
        f"{handle}: {stream.followers_seen:,}{of_total} followers, "
        f"{stream.pages_fetched:,} pages, {stream.credits_charged:,} credits"
    )


def _say_how_it_ended(handle: str, stream: FollowerStream) -> None:
    before = "\r\x1b[K" if sys.stderr.isatty() else ""
    click.echo(f"{before}{_progress(handle, stream)}: {stream.stop_reason}", err=True)


def _say_how_to_go_on(handle: str, stream: FollowerStream, later: Sequence[str]) -> None:
    """Print the commands that buy what is left, and nothing that was written already."""
    if not stream.done:
        # A cursor is opaque: after `=` even one that begins with a dash is a value.
        cursor = f" --cursor={shlex.quote(stream.cursor)}" if stream.cursor else ""
        click.echo(f"go on with: socialfetch followers {handle}{cursor}", err=True)
    _say_rest(later)


def _say_rest(handles: Sequence[str]) -> None:
    if handles:
        click.echo(f"not begun: socialfetch followers {shlex.join(handles)}", err=True)
