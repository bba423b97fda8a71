"""The routes: one row each. A second list route is a second `ListEndpoint`."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from msgspec import Raw, Struct, field
from msgspec.json import Decoder

from socialfetch_async.models import Balance, Follower, FollowersPage, User

Row = TypeVar("Row")
Total = TypeVar("Total")
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


class FollowersData(Struct, Generic[Row, Total], rename="camel"):
    """`data` of a followers page; rows and total can be typed strictly or loosely."""

    lookup_status: str
    page: Position
    rows: list[Row] = field(name="followers")
    total: Total | None = field(name="totalFollowers", default=None)


class UserData(Struct):
    """`data` of whoami."""

    user: User


class ListEndpoint(NamedTuple):
    """A route that answers with rows and a cursor, one credit a page."""

    path: str
    page: Callable[["Request", Any, list[Any], int, int], Any]
    """Makes the page from the request, the envelope, the rows, the price and `invalid_rows`."""
    identity: Callable[[Any], object]
    """What makes a row the same row. Not the platform's id: the vendor's own examples share one."""
    decoder: Decoder[Any]
    # For a page that does not decode as documented: rows one by one, so that one bad row costs
    # a row and not the page.
    loose_decoder: Decoder[Any]
    row_decoder: Decoder[Any]


class ValueEndpoint(NamedTuple):
    """A free route that answers with one value."""

    path: str
    decoder: Decoder[Any]
    value: Callable[[Any], Any]


class Request(Struct, frozen=True):
    """One page, or one value, to ask for."""

    endpoint: ListEndpoint | ValueEndpoint
    target: str
    """Path and query, percent-encoded: it goes on the wire as it is."""
    handle: str | None = None
    cursor: str | None = None


def _followers_page(
    request: Request, envelope: Any, rows: list[Any], price: int, invalid_rows: int
) -> FollowersPage:
    data = envelope.data
    assert request.handle is not None
    return FollowersPage(
        handle=request.handle,
        cursor=request.cursor,
        lookup_status=data.lookup_status,
        followers=rows,
        next_cursor=data.page.next_cursor,
        has_more=data.page.has_more,
        total_followers=data.total,
        credits_charged=price,
        request_id=envelope.meta.request_id,
        cached=envelope.meta.cached,
        invalid_rows=invalid_rows,
    )


FOLLOWERS: Final = ListEndpoint(
    path="/v1/tiktok/profiles/{handle}/followers",
    page=_followers_page,
    identity=attrgetter("handle"),
    decoder=Decoder(Envelope[FollowersData[Follower, int], Meta]),
    loose_decoder=Decoder(Envelope[FollowersData[Raw, Any], LooseMeta]),
    row_decoder=Decoder(Follower),
)
WHOAMI: Final = ValueEndpoint(
    path="/v1/whoami",
    decoder=Decoder(Envelope[UserData, LooseMeta]),
    value=lambda data: data.user,
)
BALANCE: Final = ValueEndpoint(
    path="/v1/balance",
    decoder=Decoder(Envelope[Balance, LooseMeta]),
    value=lambda data: data,
)


class PageRequests:
    """Makes the requests for the pages of one list: everything but the cursor stays the same."""

    __slots__ = ("_endpoint", "_fixed", "_handle", "_path")

    def __init__(
        self, endpoint: ListEndpoint, handle: str, *, user_id: str | None, trim: bool
    ) -> None:
        self._endpoint = endpoint
        self._handle = handle
        self._path = endpoint.path.format(handle=quote(handle, safe=""))
        fixed = [f"userId={quote(user_id, safe='')}"] if user_id is not None else []
        if trim:
            fixed.append("trim=true")
        self._fixed = "&".join(fixed)

    def at(self, cursor: str | None) -> Request:
        """Ask for the page behind a cursor; None is the first page.

        Encoded here and sent as it stands: a URL library that normalises would change cursors
        such as `a+b%2F`, and a changed cursor is another page.
        """
        query = self._fixed
        if cursor is not None:
            plain = cursor.isascii() and cursor.isalnum()
            asked = "cursor=" + (cursor if plain else quote(cursor, safe=""))
            query = f"{asked}&{query}" if query else asked
        target = f"{self._path}?{query}" if query else self._path
        return Request(self._endpoint, target, self._handle, cursor)
