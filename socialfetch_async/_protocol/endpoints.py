"""The routes: one row each. A further list route is one more `ListEndpoint`."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct, field
from msgspec.json import Decoder

from socialfetch_async.models import (
    Account,
    Balance,
    Follower,
    FollowersPage,
    FollowingPage,
    ItemsPage,
    ListPage,
    Profile,
    ProfileDetails,
    ProfileMetrics,
    User,
)

Data = TypeVar("Data")
MetaT = TypeVar("MetaT")


class Meta(Struct, rename="camel"):
    """`meta` as documented."""

    request_id: str
    credits_charged: int
    cached: bool = False


class LooseMeta(Struct, rename="camel"):
    """`meta` with any content: a paid page is not lost for a broken price or id."""

    request_id: Any = ""
    credits_charged: Any = None
    cached: Any = False


class Position(Struct, rename="camel"):
    """`data.page`, the same on every list route of the vendor."""

    has_more: bool
    next_cursor: str | None = None


class Envelope(Struct, Generic[Data, MetaT]):
    """`{"data": ..., "meta": ...}`: every 200 of the vendor."""

    data: Data
    meta: MetaT


class UserData(Struct):
    """`data` of whoami."""

    user: User


class ProfileData(Struct, rename="camel"):
    """`data` of a profile."""

    lookup_status: str
    profile: ProfileDetails | None = None
    metrics: ProfileMetrics | None = None


class Parts(Struct, gc=False):
    """What every paid answer has besides its data; the price is one that can be believed."""

    credits_charged: int
    request_id: str
    cached: bool
    invalid_rows: int = 0


class ListEndpoint(NamedTuple):
    """A route that answers with rows and a cursor, one credit a page."""

    path: str
    page: Callable[["Request", Any, list[Any], Parts], ListPage]
    """Makes the page from the request, `data`, the rows and the parts."""
    identity: Callable[[ListPage, Sequence[Any]], object]
    """What makes a page, given with its rows, the same as the one before."""
    decoder: Decoder[Any]
    # For a page that does not decode as documented: rows one by one, so that one bad row costs
    # a row and not the page.
    loose_decoder: Decoder[Any]
    row_decoder: Decoder[Any]

    @property
    def paid(self) -> bool:
        """Whether an answer is charged: the pages of all lists are."""
        return True


class ValueEndpoint(NamedTuple):
    """A route that answers with one value."""

    path: str
    decoder: Decoder[Any]
    value: Callable[["Request", Any, Parts], Any]
    """Makes the value from the request, `data` and the parts."""
    paid: bool = True
    """Whether an answer is charged."""


class Request(Struct, frozen=True):
    """One page, or one value, to ask for."""

    endpoint: ListEndpoint | ValueEndpoint
    target: str
    """Path and query, percent-encoded: it goes on the wire as it is."""
    handle: str | None = None
    cursor: str | None = None
    page: int = 1
    """The number of the page in its stream."""


def _decoders(
    rows: str, row: Any, total: str | None = None, *, lookup_status: str | Any = msgspec.NODEFAULT
) -> tuple[Decoder[Any], Decoder[Any], Decoder[Any]]:
    """Return the decoders of a list whose rows and total have these names: strict, loose, row.

    Attributes of what they return: `rows`, `total`, `page`, `lookup_status`.
    """

    def envelope(row: Any, count: Any, meta: Any) -> Any:
        data = msgspec.defstruct(
            "ListData",
            [
                ("rows", list[row], field(name=rows)),
                ("page", Position),
                ("lookup_status", str, field(name="lookupStatus", default=lookup_status)),
                ("total", count | None, field(name=total or "", default=None)),
            ],
            kw_only=True,
        )
        return Decoder(Envelope[data, meta])  # type: ignore[valid-type]

    return envelope(row, int, Meta), envelope(Raw, Any, LooseMeta), Decoder(row)


def _handles(_page: ListPage, rows: Sequence[Any]) -> object:
    # In any order. Not the platform's id: the vendor's own examples share one.
    return frozenset([row.handle for row in rows])


def _followers_page(request: Request, data: Any, rows: list[Any], parts: Parts) -> FollowersPage:
    assert request.handle is not None
    return FollowersPage(
        handle=request.handle,
        cursor=request.cursor,
        lookup_status=data.lookup_status,
        followers=rows,
        next_cursor=data.page.next_cursor,
        has_more=data.page.has_more,
        total_followers=data.total,
        credits_charged=parts.credits_charged,
        request_id=parts.request_id,
        cached=parts.cached,
        invalid_rows=parts.invalid_rows,
    )


FOLLOWERS: Final = ListEndpoint(
    "/v1/tiktok/profiles/{handle}/followers",
    _followers_page,
    _handles,
    *_decoders("followers", Follower, "totalFollowers"),
)


def _following_page(request: Request, data: Any, rows: list[Any], parts: Parts) -> FollowingPage:
    assert request.handle is not None
    return FollowingPage(
        handle=request.handle,
        cursor=request.cursor,
        lookup_status=data.lookup_status,
        accounts=rows,
        next_cursor=data.page.next_cursor,
        has_more=data.page.has_more,
        total_following=data.total,
        credits_charged=parts.credits_charged,
        request_id=parts.request_id,
        cached=parts.cached,
        invalid_rows=parts.invalid_rows,
    )


FOLLOWING: Final = ListEndpoint(
    "/v1/tiktok/profiles/{handle}/following",
    _following_page,
    _handles,
    *_decoders("accounts", Account, "totalFollowing"),
)


def items_endpoint(path: str, rows: str, row: Any) -> ListEndpoint:
    """Return a row of the table for a list that has none.

    Args:
        path: The route, percent-encoded.
        rows: The field of `data` that holds the rows.
        row: Their type, as msgspec decodes it.

    Raises:
        TypeError: JSON can not be decoded to this type.
    """
    array, *decoders = _items_decoders(rows, row)

    def page(request: Request, data: Any, rows: list[Any], parts: Parts) -> ItemsPage[Any]:
        return ItemsPage(
            path=request.target.partition("?")[0],
            cursor=request.cursor,
            lookup_status=data.lookup_status,
            items=rows,
            next_cursor=data.page.next_cursor,
            has_more=data.page.has_more,
            credits_charged=parts.credits_charged,
            request_id=parts.request_id,
            cached=parts.cached,
            invalid_rows=parts.invalid_rows,
        )

    def text(page: ListPage, _rows: Sequence[Any]) -> object:
        # Nothing is known of these rows, so they are the same if the answer says the same. What
        # was decoded would not do: a type may read one field that all rows have in common.
        assert page.body is not None
        return bytes(array.decode(page.body).data.rows)

    return ListEndpoint(path, page, text, *decoders)


@lru_cache(maxsize=64)
def _items_decoders(rows: str, row: Any) -> tuple[Decoder[Any], ...]:
    """Return what decodes the array of rows as it is, and the decoders of the list."""
    if isinstance(msgspec.inspect.type_info(row), msgspec.inspect.CustomType):
        raise TypeError(
            f"rows can not be decoded to {row!r}: pass a msgspec.Struct, a dataclass, a TypedDict "
            "or dict"
        )
    data = msgspec.defstruct("ListText", [("rows", Raw, field(name=rows))])
    array = Decoder(msgspec.defstruct("Text", [("data", data)]))
    return array, *_decoders(rows, row, lookup_status="found")


def _profile(request: Request, data: Any, parts: Parts) -> Profile:
    assert request.handle is not None
    return Profile(
        handle=request.handle,
        lookup_status=data.lookup_status,
        profile=data.profile,
        metrics=data.metrics,
        credits_charged=parts.credits_charged,
        request_id=parts.request_id,
        cached=parts.cached,
    )


PROFILE: Final = ValueEndpoint(
    "/v1/tiktok/profiles/{handle}",
    Decoder(Envelope[ProfileData, LooseMeta]),
    _profile,
)
WHOAMI: Final = ValueEndpoint(
    "/v1/whoami",
    Decoder(Envelope[UserData, LooseMeta]),
    lambda _request, data, _parts: data.user,
    paid=False,
)
BALANCE: Final = ValueEndpoint(
    "/v1/balance",
    Decoder(Envelope[Balance, LooseMeta]),
    lambda _request, data, _parts: data,
    paid=False,
)


class PageRequests:
    """Makes the requests for the pages of one list: everything but the cursor stays the same.

    Args:
        endpoint: The list.
        path: Its path, percent-encoded.
        query: What is asked with every page, percent-encoded.
        handle: The profile, if it is a list of one.
    """

    __slots__ = ("_path", "_query", "endpoint", "handle")

    def __init__(
        self, endpoint: ListEndpoint, path: str, query: str = "", *, handle: str | None = None
    ) -> None:
        self._path = path
        self._query = query
        self.endpoint = endpoint
        self.handle = handle

    @property
    def name(self) -> str:
        """The handle, or the path of a list that belongs to none."""
        return self._path if self.handle is None else self.handle

    def at(self, cursor: str | None, page: int = 1) -> Request:
        """Ask for the page behind a cursor; None is the first page.

        Encoded here and sent as it stands: a URL library that normalises would change cursors
        such as `a+b%2F`, and a changed cursor is another page.
        """
        query = self._query
        if cursor is not None:
            plain = cursor.isascii() and cursor.isalnum()
            asked = "cursor=" + (cursor if plain else quote(cursor, safe=""))
            query = f"{asked}&{query}" if query else asked
        target = f"{self._path}?{query}" if query else self._path
        return Request(self.endpoint, target, self.handle, cursor, page)


def query_of(values: Mapping[str, str | int | bool | None]) -> str:
    """Return a query, percent-encoded, in the order given. None is left out, as is False."""
    return "&".join(
        f"{quote(name, safe='')}={quote(_text(value), safe='')}"
        for name, value in values.items()
        if value is not None and value is not False
    )


def _text(value: str | int) -> str:
    if value is True:
        return "true"
    # An enum that is a str or an int is sent as what it stands for, not under its own name.
    return value if isinstance(value, str) else str(int(value))


def profile_request(endpoint: ValueEndpoint, handle: str) -> Request:
    """Ask for a value of a profile."""
    return Request(endpoint, _path_of(endpoint, handle), handle)


def profile_list(
    endpoint: ListEndpoint, handle: str, *, user_id: str | None = None, trim: bool
) -> PageRequests:
    """Ask for a list of a profile."""
    query = query_of({"userId": user_id, "trim": trim})
    return PageRequests(endpoint, _path_of(endpoint, handle), query, handle=handle)


def _path_of(endpoint: ListEndpoint | ValueEndpoint, handle: str) -> str:
    # Quoted whole: nothing in a handle can reach another route.
    return endpoint.path.format(handle=quote(handle, safe=""))
