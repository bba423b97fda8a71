"""Lists as bodies: sent while they are bought, or collected first."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Final, Self
from urllib.parse import quote

import msgspec
from msgspec import structs

from socialfetch_async import _arguments as arguments
from socialfetch_async.errors import CreditLimitError, SocialFetchError
from socialfetch_async.models import Follower, FollowersPage
from socialfetch_async.stream import FollowerStream
from socialfetch_async.web._answers import ErrorBody, http_error
from socialfetch_async.web._requests import about_the_request

# A proxy that collects a body before it passes it on would keep rows from the reader, and the
# reader's absence from us.
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
LAST_EVENT_ID: Final = "*"
"""Id of an event after which nothing follows; no quoted cursor is equal to it."""

_KEEP_ALIVE: Final = b":\n\n"
_ENCODER: Final = msgspec.json.Encoder()


class ListEnd(msgspec.Struct, kw_only=True, rename="camel"):
    """How a list ended.

    Attributes:
        done: Whether it is complete: nothing is left to request.
        cursor: The cursor to resume from, behind everything that was sent; None when done.
        stop_reason: `complete`, `missing_cursor`, `max_followers`, `max_credits`; None
            with an error.
        error: Why it ended early, if it failed.
    """

    done: bool
    cursor: str | None
    stop_reason: str | None
    error: ErrorBody | msgspec.UnsetType = msgspec.UNSET


class FollowerList(ListEnd, kw_only=True, rename="camel"):
    """A list that was collected before it was sent.

    Attributes:
        total_followers: The API's count for the profile, or None.
    """

    followers: list[Follower]
    total_followers: int | None

    def encode(self) -> bytes:
        """Return the JSON of it."""
        return _ENCODER.encode(self)


class _Event(msgspec.Struct, rename="camel"):
    followers: list[Follower]
    total_followers: int | None


async def ndjson(stream: FollowerStream) -> AsyncGenerator[bytes, None]:
    """Yield followers as lines of JSON, a page at a time; a `ListEnd` is the last line.

    Raises:
        SocialFetchError: Before the first page; CreditLimitError if no limit leaves room for it.
            Later it is the last line's `error`.
    """
    begun = False
    failure: SocialFetchError | None = None
    try:
        async for page in stream.pages():
            begun = True
            yield _ENCODER.encode_lines(page.followers)
            # Writes nothing. A server waits here until the page is out of its buffer, so that the
            # next one is not bought for a reader that has stopped reading.
            yield b""
            await _hear()
    except SocialFetchError as error:
        if not begun:
            raise
        failure = error
    if not begun:
        raise _nothing_left(stream)
    yield _ENCODER.encode(_end(stream, failure)) + b"\n"


async def server_sent_events(
    stream: FollowerStream, *, keep_alive: float = 15.0
) -> AsyncGenerator[bytes, None]:
    """Yield followers as server-sent events, a page each; `event: end` with a `ListEnd` is last.

    The id of an event is the cursor behind it, percent-encoded: after a lost connection the
    browser sends it as Last-Event-ID, and `unquote` makes it a cursor again. If another
    request would change nothing, the last event has the id `LAST_EVENT_ID`: respond to that id with
    204, or the browser requests, and you pay, again and again.

    Args:
        stream: What to send.
        keep_alive: Seconds without a page after which a comment is sent.

    Raises:
        SocialFetchError: Before the first page; CreditLimitError if no limit leaves room for it.
            Later it is the last event's `error`.
    """
    begun = False
    failure: SocialFetchError | None = None
    pages = stream.pages()
    while True:
        pull = asyncio.ensure_future(anext(pages, None))
        try:
            while not pull.done():
                await asyncio.wait({pull}, timeout=keep_alive)
                if begun and not pull.done():
                    yield _KEEP_ALIVE
            page = pull.result()
        except SocialFetchError as error:
            if not begun:
                raise
            failure = error
            break
        finally:
            await _ended(pull)
        if page is None:
            if not begun:
                raise _nothing_left(stream)
            break
        begun = True
        yield _page_event(page)
        yield b""  # as in ndjson
        await _hear()
    yield _end_event(stream, failure)


async def _hear() -> None:
    """Let it be heard that the reader has left, before a page is bought.

    When a connection ends, the server first wakes whoever waits to write; that the reader is gone
    follows a turn of the event loop later (uvicorn), or three (hypercorn).
    """
    for _ in range(3):
        await asyncio.sleep(0)


async def _ended(task: "asyncio.Future[FollowersPage | None]") -> None:
    """Cancel a task and wait until it has accounted for what it sent."""
    task.cancel()
    while not task.done():
        # anyio cancels whoever waits again and again; what it cancels ends all the same.
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # seen, so that asyncio does not log it


def _page_event(page: FollowersPage) -> bytes:
    data = _ENCODER.encode(_Event(page.followers, page.total_followers))
    following = page.next_cursor if page.has_more else None
    position = f"id: {quote(following, safe='')}\n".encode() if following else b""
    return b"%bdata: %b\n\n" % (position, data)


def _end_event(stream: FollowerStream, failure: SocialFetchError | None) -> bytes:
    data = _ENCODER.encode(_end(stream, failure))
    seconds = None if failure is None else http_error(failure).retry_after
    if seconds is None:
        return b"event: end\nid: %b\ndata: %b\n\n" % (LAST_EVENT_ID.encode(), data)
    # The browser asks again by itself, from the last page's id on.
    return b"event: end\nretry: %d\ndata: %b\n\n" % (1000 * seconds, data)


def _end(stream: FollowerStream, failure: SocialFetchError | None) -> ListEnd:
    return ListEnd(
        done=stream.done,
        cursor=stream.cursor,
        stop_reason=stream.stop_reason,
        error=msgspec.UNSET if failure is None else http_error(failure).error,
    )


class StartedBody:
    """A body whose first part is here. Closing it closes the generator, begun or not."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None]) -> None:
        self._first: bytes | None = first
        self._rest = rest

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        first, self._first = self._first, None
        return first if first is not None else await anext(self._rest)

    async def aclose(self) -> None:
        """Close the generator; no further page is bought."""
        await self._rest.aclose()


async def started(
    stream: FollowerStream, form: Callable[[FollowerStream], AsyncGenerator[bytes, None]]
) -> StartedBody:
    """Wait for the first page of a list, while its failure can still be an HTTP status.

    Args:
        stream: The list.
        form: `ndjson` or `server_sent_events`.

    Returns:
        The whole body. Close it: `contextlib.aclosing`, or whatever the framework has for that.

    Raises:
        SocialFetchError: The first page failed.
    """
    body = form(stream)
    return StartedBody(await anext(body), body)


def _nothing_left(stream: FollowerStream) -> CreditLimitError:
    """Return the error of a list that ended before its first page: no limit leaves room for it."""
    return CreditLimitError(
        "the credit limits of this service allow no further request.", cursor=stream.cursor
    )


async def collect(
    stream: FollowerStream,
    *,
    max_followers: int,
    gone: Callable[[], Awaitable[bool]] | None = None,
) -> FollowerList:
    """Collect whole pages until there are enough followers; `cursor` is behind the last of them.

    The last page is not cut, because it was charged, and only whole pages can be requested again.

    Args:
        stream: What to collect.
        max_followers: Request no further page when there are as many.
        gone: Called before each further page; True means that the HTTP client has disconnected, and
            no further page is bought.

    Raises:
        InvalidRequestError: `max_followers` is less than 1.
        SocialFetchError: Before the first page; CreditLimitError if no limit leaves room for it.
            Later it is in the response, as `error`.
    """
    with about_the_request():
        arguments.required("max_followers", max_followers)
    followers: list[Follower] = []
    page: FollowersPage | None = None
    try:
        async for page in stream.pages():
            followers += page.followers
            if not (page.has_more and page.next_cursor):
                continue  # the stream says how it ended, and asks for nothing more
            enough = len(followers) >= max_followers
            if enough or (gone is not None and await gone()):
                end = ListEnd(done=False, cursor=page.next_cursor, stop_reason="max_followers")
                break
        else:
            end = _end(stream, None)
    except SocialFetchError as error:
        if page is None:
            raise
        end = _end(stream, error)
    if page is None:
        raise _nothing_left(stream)
    return FollowerList(
        followers=followers, total_followers=page.total_followers, **structs.asdict(end)
    )
