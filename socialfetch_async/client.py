"""The client: joins the parts; one short method for each thing to ask."""

import contextlib
import inspect
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar

import aiohttp

from socialfetch_async import _arguments as arguments
from socialfetch_async._exchange.exchange import Exchange
from socialfetch_async._exchange.proxy import Proxy
from socialfetch_async._exchange.secret import ApiKey, hidden
from socialfetch_async._exchange.shared_budget import NothingMoreMaySend, SharedBudget
from socialfetch_async._exchange.transport import Transport
from socialfetch_async._protocol.endpoints import (
    BALANCE,
    FOLLOWERS,
    FOLLOWING,
    PROFILE,
    WHOAMI,
    ListEndpoint,
    PageRequests,
    Request,
    ValueEndpoint,
    items_endpoint,
    profile_list,
    profile_request,
    query_of,
)
from socialfetch_async.errors import CreditLimitError
from socialfetch_async.events import OnEvent, Outage, Usage
from socialfetch_async.models import Balance, FollowersPage, Profile, User
from socialfetch_async.policy import RetryPolicy
from socialfetch_async.run import FollowersRun, FollowingRun
from socialfetch_async.stream import FollowerStream, FollowingStream, ItemStream, Position

DEFAULT_BASE_URL: Final = "https://api.socialfetch.dev"

Item = TypeVar("Item")
T = TypeVar("T")


class SocialFetchClient:
    """A client of the Social Fetch API, for one event loop, shared by all its tasks.

    Use it as `async with SocialFetchClient() as client:`, or call `aclose()` at the end.

    Args:
        api_key: `sfk_...`; by default the environment's SOCIALFETCH_API_KEY.
        base_url: By default the environment's SOCIALFETCH_BASE_URL, else the vendor's URL.
            Plain http only to localhost.
        session: An aiohttp session to use; it is never closed here, and its middlewares see every
            request. By default the client makes its own at the first request.
        proxy: `http://[user:password@]host:port` of a proxy for all requests. The environment and
            ~/.netrc are not read for it. By default the client uses none.
        max_concurrency: Requests in flight at a time. An injected session's connection limit
            lowers it.
        timeout: Seconds for one attempt, from its slot to the decoded body.
        retry: How often and for how long a failed request is retried.
        max_credits: The most that all calls of this client together may spend, in credits; by
            default the environment's SOCIALFETCH_MAX_CREDITS, else no limit. Streams and runs
            can also have limits of their own.
        limiter: An async context manager around each request, such as aiolimiter's
            `AsyncLimiter(10, 1)` for ten requests per second. Several tasks may enter it
            together. Its `__aexit__` must not wait: a task cancelled there loses its page.
        on_event: A function that gets every attempt, retry and outage, as values of
            `socialfetch_async.events`; for metrics. It must not block.
        trace_configs: aiohttp's own tracing, for the client's own session. It costs a tenth of a
            page's CPU. An injected session brings its own.
        max_response_bytes: The largest response, after decompression, in bytes.

    Attributes:
        usage: Live counters of everything this client sent.

    Raises:
        ValueError: A missing or malformed key, a base URL that would send it in the clear, a
            limit below 1.
        TypeError: An argument of another type.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        session: aiohttp.ClientSession | None = None,
        proxy: str | None = None,
        max_concurrency: int = 50,
        timeout: float = 30.0,
        retry: RetryPolicy = RetryPolicy(),
        max_credits: int | None = None,
        limiter: AbstractAsyncContextManager[object] | None = None,
        on_event: OnEvent | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        max_response_bytes: int = 16 * 2**20,
    ) -> None:
        # First of all: a traceback with locals shows this frame, whichever argument is wrong.
        api_key, proxy = hidden(api_key, ApiKey), hidden(proxy)
        if api_key is None:
            api_key = hidden(os.environ.get("SOCIALFETCH_API_KEY"), ApiKey)
        if base_url is None:
            base_url = os.environ.get("SOCIALFETCH_BASE_URL") or DEFAULT_BASE_URL
        if session is not None and not isinstance(session, aiohttp.ClientSession):
            raise TypeError(
                f"session must be an aiohttp.ClientSession, not {type(session).__name__}"
            )
        if limiter is not None and not isinstance(limiter, AbstractAsyncContextManager):
            raise TypeError(
                f"limiter must be an async context manager, not {type(limiter).__name__}"
            )
        if on_event is not None and not callable(on_event):
            raise TypeError(f"on_event must be a function, not {type(on_event).__name__}")
        if inspect.iscoroutinefunction(on_event):
            raise TypeError("on_event must be a plain function: it is called and not awaited")
        if not _are_trace_configs(trace_configs):
            raise TypeError("trace_configs must be a sequence of aiohttp.TraceConfig")
        if session is not None and trace_configs:
            raise ValueError("trace_configs belong to the session: give them to the one injected")
        if not isinstance(retry, RetryPolicy):
            raise TypeError(f"retry must be a RetryPolicy, not {type(retry).__name__}")
        self._base_url = arguments.base_url(base_url)
        arguments.required("max_concurrency", max_concurrency)
        arguments.required("max_response_bytes", max_response_bytes)
        arguments.seconds("timeout", timeout)
        self._max_credits = arguments.positive("max_credits", max_credits)
        if max_credits is None:
            name = "SOCIALFETCH_MAX_CREDITS"
            self._max_credits = arguments.credits_of(name, os.environ.get(name))
        proxy = arguments.proxy(proxy)
        key = ApiKey(arguments.api_key(api_key))
        self._transport = Transport(
            self._base_url,
            key,
            session=session,
            proxy=None if proxy is None else Proxy.of(proxy),
            trace_configs=trace_configs,
            max_response_bytes=max_response_bytes,
        )
        self._exchange = Exchange(
            self._transport,
            secret=key,
            policy=retry,
            timeout=timeout,
            max_concurrency=max_concurrency,
            max_credits=self._max_credits,
            limiter=limiter,
            on_event=on_event,
        )

    @property
    def usage(self) -> Usage:
        """Live counters: requests, retries, pages, credits."""
        return self._exchange.usage

    @property
    def outage(self) -> Outage | None:
        """The outage that the circuit breaker sees now, or None."""
        return self._exchange.outage

    async def __aenter__(self) -> Self:
        self._exchange.check_usable()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the client and the session it made; closing again does nothing."""
        self._exchange.closed = True
        await self._transport.aclose()

    def iter_followers(
        self,
        handle: str | Position,
        *,
        cursor: str | None = None,
        user_id: str | None = None,
        trim: bool = False,
        max_followers: int | None = None,
        max_pages: int | None = None,
        max_credits: int | None = None,
    ) -> FollowerStream:
        """Iterate over the followers of one profile, newest first, page after page.

        The first request is sent when the loop asks for the first follower. Nothing runs between
        two followers, and leaving the loop buys no further page.
        `GET /v1/tiktok/profiles/{handle}/followers`, one credit per page.

        Args:
            handle: TikTok handle, with or without @, or the URL of the profile; or the `position`
                of an earlier stream, to resume it. If that position is done, the stream yields
                nothing and sends no request.
            cursor: The cursor to resume from: `stream.cursor` of an earlier stream, or
                `page.next_cursor`.
            user_id: TikTok user id; speeds the request up on the vendor's side.
            trim: Ask for fewer fields: no `avatar_urls`, `platform_user_id` and `sec_uid`.
            max_followers: Stop after this many followers.
            max_pages: Stop after this many pages.
            max_credits: The most to spend, in credits; attempts that may have been charged count.

        Raises:
            InvalidHandleError: The handle is not valid; no request was sent.
            ValueError: An empty cursor or user id, a limit below 1, a cursor beside a position.
            TypeError: An argument of another type.

        The iteration itself raises any `SocialFetchError`. The stream's position is then
        unchanged, and iterating over it again requests the same page again.
        """
        done = False
        if isinstance(handle, Position):
            if cursor is not None:
                raise ValueError("cursor is part of the position: pass the position alone")
            cursor, done, handle = handle.cursor, handle.done, handle.handle
        return FollowerStream(
            self._exchange.fetch,
            _list_of(FOLLOWERS, arguments.clean_handle(handle), user_id=user_id, trim=trim),
            arguments.opaque("cursor", cursor),
            done=done,
            max_rows=arguments.positive("max_followers", max_followers),
            max_pages=arguments.positive("max_pages", max_pages),
            budget=self._budget(max_credits),
        )

    def iter_following(
        self,
        handle: str,
        *,
        cursor: str | None = None,
        trim: bool = False,
        max_accounts: int | None = None,
        max_pages: int | None = None,
        max_credits: int | None = None,
    ) -> FollowingStream:
        """Iterate over the accounts that one profile follows, page after page.

        It works like `iter_followers`. `GET /v1/tiktok/profiles/{handle}/following`, one credit
        per page.

        Args:
            handle: TikTok handle, with or without @.
            cursor: The cursor to resume from: `stream.cursor` of an earlier stream, or
                `page.next_cursor`.
            trim: Ask for fewer fields.
            max_accounts: Stop after this many accounts.
            max_pages: Stop after this many pages.
            max_credits: The most to spend, in credits; attempts that may have been charged count.

        Raises:
            InvalidHandleError: The handle is not valid; no request was sent.
            ValueError: An empty cursor, a limit below 1.
            TypeError: An argument of another type.
        """
        return FollowingStream(
            self._exchange.fetch,
            _list_of(FOLLOWING, arguments.clean_handle(handle), trim=trim),
            arguments.opaque("cursor", cursor),
            max_rows=arguments.positive("max_accounts", max_accounts),
            max_pages=arguments.positive("max_pages", max_pages),
            budget=self._budget(max_credits),
        )

    def iter_items(
        self,
        path: str,
        params: Mapping[str, str | int | bool | None] | None = None,
        *,
        items: str,
        type: type[Item],  # noqa: A002 - msgspec's word for it
        cursor: str | None = None,
        max_items: int | None = None,
        max_pages: int | None = None,
        max_credits: int | None = None,
    ) -> ItemStream[Item]:
        """Iterate over any other list route of the API, with rows of a type of your own.

        It works like `iter_followers`: all list routes of the API have the same envelope and the
        same `data.page`.

        Args:
            path: The route, such as `/v1/tiktok/videos/123/comments`; percent-encode its
                parts.
            params: Its query, without the cursor; None and False are left out.
            items: The field of `data` that holds the rows.
            type: The type of a row: a `msgspec.Struct`, a dataclass, a TypedDict, `dict`.
            cursor: The cursor to resume from: `stream.cursor` of an earlier stream, or
                `page.next_cursor`.
            max_items: Stop after this many rows.
            max_pages: Stop after this many pages.
            max_credits: The most to spend, in credits; attempts that may have been charged count.

        Raises:
            ValueError: An invalid path, a cursor among the params, an empty cursor, a limit below
                1; no request was sent.
            TypeError: An argument of another type.
        """
        query = arguments.params(params)
        row: Any = type
        endpoint = items_endpoint(arguments.path(path), arguments.rows_field(items), row)
        return ItemStream(
            self._exchange.fetch,
            PageRequests(endpoint, path, query_of(query)),
            arguments.opaque("cursor", cursor),
            max_rows=arguments.positive("max_items", max_items),
            max_pages=arguments.positive("max_pages", max_pages),
            budget=self._budget(max_credits),
        )

    def iter_followers_many(
        self,
        handles: Iterable[str] | Mapping[str, str | None],
        *,
        concurrency: int = 10,
        trim: bool = False,
        max_followers_per_handle: int | None = None,
        max_pages_per_handle: int | None = None,
        max_credits: int | None = None,
    ) -> FollowersRun:
        """Fetch the followers of many profiles concurrently.

        Use it as `async with client.iter_followers_many(...) as run:` and iterate over `run`, or
        over `run.followers()`.

        Args:
            handles: The handles, or a mapping of handle to start cursor, as `run.pending()` is.
                The same handle twice is fetched once.
            concurrency: Pages in flight, or received and not yet taken by the loop, together.
            trim: Ask for fewer fields.
            max_followers_per_handle: Stop each handle when it has this many followers. They come
                in whole pages: the page that reaches the limit is the last.
            max_pages_per_handle: Stop each handle after this many pages.
            max_credits: The most to spend in the whole run, in credits.

        Raises:
            InvalidHandleError: One of the handles is not valid; no request was sent.
            ValueError: An empty cursor, a limit below 1.
            TypeError: An argument of another type, such as one handle instead of many.
        """
        starts, duplicates = arguments.starts(handles)
        arguments.flag("trim", trim)
        return FollowersRun(
            self._exchange.fetch,
            lambda handle: profile_list(FOLLOWERS, handle, trim=trim),
            starts,
            duplicates=duplicates,
            concurrency=arguments.required("concurrency", concurrency),
            max_rows=arguments.positive("max_followers_per_handle", max_followers_per_handle),
            max_pages=arguments.positive("max_pages_per_handle", max_pages_per_handle),
            budget=self._budget(max_credits),
            origin=arguments.origin(self._base_url),
        )

    def iter_following_many(
        self,
        handles: Iterable[str] | Mapping[str, str | None],
        *,
        concurrency: int = 10,
        trim: bool = False,
        max_pages_per_handle: int | None = None,
        max_credits: int | None = None,
    ) -> FollowingRun:
        """Fetch the accounts that many profiles follow, as `iter_followers_many` does followers.

        Args:
            handles: The handles, or a mapping of handle to start cursor, as `run.pending()` is.
            concurrency: Pages in flight, or received and not yet taken by the loop, together.
            trim: Ask for fewer fields.
            max_pages_per_handle: Stop each handle after this many pages.
            max_credits: The most to spend in the whole run, in credits.

        Raises:
            InvalidHandleError: One of the handles is not valid; no request was sent.
            ValueError: An empty cursor, a limit below 1.
            TypeError: An argument of another type, such as one handle instead of many.
        """
        starts, duplicates = arguments.starts(handles)
        arguments.flag("trim", trim)
        return FollowingRun(
            self._exchange.fetch,
            lambda handle: profile_list(FOLLOWING, handle, trim=trim),
            starts,
            duplicates=duplicates,
            concurrency=arguments.required("concurrency", concurrency),
            max_pages=arguments.positive("max_pages_per_handle", max_pages_per_handle),
            budget=self._budget(max_credits),
        )

    @property
    def base_url(self) -> str:
        """The base URL of the API."""
        return self._base_url

    async def get_followers_page(
        self,
        handle: str,
        *,
        cursor: str | None = None,
        user_id: str | None = None,
        trim: bool = False,
    ) -> FollowersPage:
        """Fetch one page: one credit. A profile without a readable list is data, not an error.

        Args:
            handle: TikTok handle, with or without @.
            cursor: `next_cursor` of the page before; None is the first page.
            user_id: TikTok user id; speeds the request up on the vendor's side.
            trim: Ask for fewer fields.

        Raises:
            InvalidHandleError: The handle is not valid; no request was sent.
            ValueError: An empty cursor or user id.
            SocialFetchError: The request failed.
        """
        handle = arguments.clean_handle(handle)
        requests = _list_of(FOLLOWERS, handle, user_id=user_id, trim=trim)
        request = requests.at(arguments.opaque("cursor", cursor))
        return await self._one(request)

    async def get_profile(self, handle: str) -> Profile:
        """Fetch the details of a profile: one credit, also if it is private or not found.

        Args:
            handle: TikTok handle, with or without @.

        Raises:
            InvalidHandleError: The handle is not valid; no request was sent.
            SocialFetchError: The request failed.
        """
        request = profile_request(PROFILE, arguments.clean_handle(handle))
        return await self._one(request)

    async def whoami(self) -> User:
        """Return the user to whom the API key belongs. Free; use it to check a key.

        Raises:
            AuthenticationError: The key is not valid.
            SocialFetchError: The request failed.
        """
        return await self._value(WHOAMI)

    async def get_balance(self) -> Balance:
        """Return the credits of the account. Free.

        Raises:
            AuthenticationError: The key is not valid.
            SocialFetchError: The request failed.
        """
        return await self._value(BALANCE)

    async def _value(self, endpoint: ValueEndpoint[T]) -> T:
        return await self._one(Request(endpoint, endpoint.path))

    async def _one(self, request: Request[T]) -> T:
        """Fetch one page or value that is no part of a stream or run."""
        with contextlib.suppress(NothingMoreMaySend):
            return await self._exchange.fetch(request, self._exchange.budget_of())
        raise CreditLimitError(
            f"the client's max_credits={self._max_credits} allows no further request.",
            handle=request.handle,
            cursor=request.cursor,
        )

    def _budget(self, max_credits: int | None) -> SharedBudget:
        return self._exchange.budget_of(arguments.positive("max_credits", max_credits))

    def __repr__(self) -> str:
        if not hasattr(self, "_exchange"):  # half made: a traceback of the constructor shows it
            return "<SocialFetchClient>"
        state = "closed" if self._exchange.closed else "open"
        return f"<SocialFetchClient {self._base_url} {state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a SocialFetchClient cannot be pickled or copied: it holds the API key and open "
            "connections. Make one in each process"
        )

    def __del__(self) -> None:
        # A constructor that raised leaves no transport.
        transport = self.__dict__.get("_transport")
        if transport is not None and transport.open:
            warnings.warn(
                f"unclosed {self!r}: use `async with`, or call `await client.aclose()`",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )


def _are_trace_configs(values: object) -> bool:
    return isinstance(values, Sequence) and all(
        isinstance(value, aiohttp.TraceConfig) for value in values
    )


def _list_of(
    endpoint: ListEndpoint[T], handle: str, *, user_id: str | None = None, trim: bool
) -> PageRequests[T]:
    arguments.opaque("user_id", user_id)
    arguments.flag("trim", trim)
    return profile_list(endpoint, handle, user_id=user_id, trim=trim)
