"""The routes: one row each. A further list route is one more `ListEndpoint`."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast
from urllib.parse import quote

import msgspec
from msgspec import Struct

from socialfetch_async._protocol.envelope import (
    FOUND,
    Listing,
    ListReader,
    Parts,
    ValueReader,
    parts_of,
)
from socialfetch_async._protocol.fields import Mismatch, Reader, lacks
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
    keep_body,
)

Result = TypeVar("Result")
RowT = TypeVar("RowT")
PageT = TypeVar("PageT", bound=ListPage)
StructT = TypeVar("StructT", bound=Struct)


class ListEndpoint(NamedTuple, Generic[Result]):
    """A route that answers with rows and a cursor, one credit a page."""

    path: str
    read: Callable[["Request[Result]", bytes], Result]
    """Decodes an answer as documented; raises msgspec's errors, or `Mismatch`."""
    salvage: Callable[["Request[Result]", bytes], Result]
    """Reads what can be read of one that is not; raises `Mismatch`."""
    identity: Callable[[ListPage, Sequence[Any]], Sequence[Hashable]]
    """What makes each row of a page, given with its rows, the same as another row."""

    @property
    def paid(self) -> bool:
        """Whether an answer is charged: the pages of all lists are."""
        return True


class ValueEndpoint(NamedTuple, Generic[Result]):
    """A route that answers with one value."""

    path: str
    read: Callable[["Request[Result]", bytes], Result]
    """Decodes an answer as documented; raises msgspec's errors, or `Mismatch`."""
    salvage: Callable[["Request[Result]", bytes], Result]
    """Reads what can be read of one that is not; raises `Mismatch`."""
    paid: bool = True
    """Whether an answer is charged."""


class Request(Struct, Generic[Result], frozen=True):
    """One page, or one value, to ask for."""

    endpoint: ListEndpoint[Result] | ValueEndpoint[Result]
    target: str
    """Path and query, percent-encoded: it goes on the wire as it is."""
    handle: str | None = None
    cursor: str | None = None
    page: int = 1
    """The number of the page in its stream."""


def _list_endpoint(
    path: str,
    reader: ListReader[RowT],
    page: Callable[[Request[PageT], Listing[RowT], Parts], PageT],
    identity: Callable[[ListPage, Sequence[Any]], Sequence[Hashable]],
    *,
    types_are_ours: bool = True,
) -> ListEndpoint[PageT]:
    """Return a row of the table.

    Args:
        path: The route.
        reader: Reads its answers.
        page: Makes the page from the request, `data` and the parts.
        identity: What makes each row of a page the same as another row.
        types_are_ours: Whether the rows are of a documented type. A type of the caller's that
            fits no row of the first page is wrong, and six pages later that would be less plain
            and have cost six times as much.
    """
    decode, salvaged = reader.strict.decode, reader.salvage

    def read(request: Request[PageT], body: bytes) -> PageT:
        answer = decode(body)
        return keep_body(page(request, answer.data, parts_of(answer.meta)), body)

    def salvage(request: Request[PageT], body: bytes) -> PageT:
        data = salvaged(body, first=request.cursor is None)
        if not types_are_ours and data.problem and not data.rows and request.page == 1:
            raise data.problem
        return keep_body(page(request, data, data.parts), reader.unequivocal(body))

    return ListEndpoint(path, read, salvage, identity)


def _value_endpoint(
    path: str,
    kind: type[StructT],
    value: Callable[[Request[Result], StructT, Parts], Result],
    *,
    paid: bool,
) -> ValueEndpoint[Result]:
    """Return a row of the table; `value` makes the value of the request, `data` and the parts."""
    reader = ValueReader(kind)
    decode, salvaged = reader.strict.decode, reader.salvage

    def read(request: Request[Result], body: bytes) -> Result:
        answer = decode(body)
        return value(request, answer.data, parts_of(answer.meta))

    def salvage(request: Request[Result], body: bytes) -> Result:
        return value(request, *salvaged(body))

    return ValueEndpoint(path, read, salvage, paid)


def _handles(_page: ListPage, rows: Sequence[Any]) -> Sequence[Hashable]:
    # Not the platform's id: the vendor's own examples share one.
    return [row.handle for row in rows]


# Two functions for two pages: with the names of their rows as data, a page would be made through
# a dict, which takes a tenth of the time that decoding it takes.


def _followers_page(
    request: Request[FollowersPage], data: Listing[Follower], parts: Parts
) -> FollowersPage:
    assert request.handle is not None
    return FollowersPage(
        handle=request.handle,
        cursor=request.cursor,
        lookup_status=data.lookup_status,
        followers=data.rows,
        next_cursor=data.page.next_cursor,
        has_more=data.page.has_more,
        total_followers=data.total,
        credits_charged=parts.credits_charged,
        request_id=parts.request_id,
        cached=parts.cached,
        invalid_rows=parts.invalid_rows,
    )


FOLLOWERS_READER: Final = ListReader(
    Follower, "followers", "totalFollowers", loosely=Reader(Follower).loosely
)
FOLLOWERS: Final = _list_endpoint(
    "/v1/tiktok/profiles/{handle}/followers", FOLLOWERS_READER, _followers_page, _handles
)


def _following_page(
    request: Request[FollowingPage], data: Listing[Account], parts: Parts
) -> FollowingPage:
    assert request.handle is not None
    return FollowingPage(
        handle=request.handle,
        cursor=request.cursor,
        lookup_status=data.lookup_status,
        accounts=data.rows,
        next_cursor=data.page.next_cursor,
        has_more=data.page.has_more,
        total_following=data.total,
        credits_charged=parts.credits_charged,
        request_id=parts.request_id,
        cached=parts.cached,
        invalid_rows=parts.invalid_rows,
    )


FOLLOWING: Final = _list_endpoint(
    "/v1/tiktok/profiles/{handle}/following",
    ListReader(Account, "accounts", "totalFollowing", loosely=Reader(Account).loosely),
    _following_page,
    _handles,
)


def items_endpoint(path: str, rows: str, row: type[RowT]) -> ListEndpoint[ItemsPage[RowT]]:
    """Return a row of the table for a list that has none.

    Args:
        path: The route, percent-encoded.
        rows: The field of `data` that holds the rows.
        row: Their type, as msgspec decodes it.

    Raises:
        TypeError: JSON cannot be decoded to this type.
    """
    reader = _items_reader(rows, cast(Hashable, row))

    def page(
        request: Request[ItemsPage[RowT]], data: Listing[RowT], parts: Parts
    ) -> ItemsPage[RowT]:
        return ItemsPage(
            path=request.target.partition("?")[0],
            cursor=request.cursor,
            lookup_status=data.lookup_status,
            items=data.rows,
            next_cursor=data.page.next_cursor,
            has_more=data.page.has_more,
            credits_charged=parts.credits_charged,
            request_id=parts.request_id,
            cached=parts.cached,
            invalid_rows=parts.invalid_rows,
        )

    def texts(page: ListPage, _rows: Sequence[Any]) -> Sequence[Hashable]:
        # Nothing is known of these rows, so they are the same if the answer says the same. What
        # was decoded would not do: a type may read one field that all rows have in common.
        assert page.body is not None
        return [hash(bytes(row)) for row in reader.texts.decode(page.body).data.rows]

    return _list_endpoint(path, reader, page, texts, types_are_ours=False)


@lru_cache(maxsize=64)
def _items_reader(rows: str, row: Any) -> ListReader[Any]:
    if isinstance(msgspec.inspect.type_info(row), msgspec.inspect.CustomType):
        raise TypeError(
            f"rows cannot be decoded to {row!r}: pass a msgspec.Struct, a dataclass, a TypedDict "
            "or dict"
        )
    return ListReader(row, rows, lookup_status=FOUND)


class _ProfileData(Struct, rename="camel"):
    """`data` of a profile. The status is required, but if it is missing a profile was found."""

    lookup_status: str = ""
    profile: ProfileDetails | None = None
    metrics: ProfileMetrics | None = None


def _profile(request: Request[Profile], data: _ProfileData, parts: Parts) -> Profile:
    assert request.handle is not None
    if not data.lookup_status and data.profile is None:
        raise lacks("lookupStatus").within(".data")
    status = data.lookup_status or FOUND
    if status == FOUND and data.profile is None and data.metrics is None:
        raise Mismatch("nothing of it can be read", ".data.profile")
    return Profile(
        handle=request.handle,
        lookup_status=status,
        profile=data.profile,
        metrics=data.metrics,
        credits_charged=parts.credits_charged,
        request_id=parts.request_id,
        cached=parts.cached,
    )


class _UserData(Struct):
    """`data` of whoami."""

    user: User


PROFILE: Final = _value_endpoint("/v1/tiktok/profiles/{handle}", _ProfileData, _profile, paid=True)
WHOAMI: Final = _value_endpoint(
    "/v1/whoami", _UserData, lambda _request, data, _parts: data.user, paid=False
)
BALANCE: Final = _value_endpoint(
    "/v1/balance", Balance, lambda _request, data, _parts: data, paid=False
)


class PageRequests(Generic[Result]):
    """Makes the requests for the pages of one list: everything but the cursor stays the same.

    Args:
        endpoint: The list.
        path: Its path, percent-encoded.
        query: What is asked with every page, percent-encoded.
        handle: The profile, if it is a list of one.
    """

    __slots__ = ("_path", "_query", "endpoint", "handle")

    def __init__(
        self,
        endpoint: ListEndpoint[Result],
        path: str,
        query: str = "",
        *,
        handle: str | None = None,
    ) -> None:
        self._path = path
        self._query = query
        self.endpoint = endpoint
        self.handle = handle

    @property
    def name(self) -> str:
        """The handle, or the path of a list that belongs to none."""
        return self._path if self.handle is None else self.handle

    def at(self, cursor: str | None, page: int = 1) -> Request[Result]:
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


def profile_request(endpoint: ValueEndpoint[Result], handle: str) -> Request[Result]:
    """Ask for a value of a profile."""
    return Request(endpoint, _path_of(endpoint, handle), handle)


def profile_list(
    endpoint: ListEndpoint[Result], handle: str, *, user_id: str | None = None, trim: bool
) -> PageRequests[Result]:
    """Ask for a list of a profile."""
    query = query_of({"userId": user_id, "trim": trim})
    return PageRequests(endpoint, _path_of(endpoint, handle), query, handle=handle)


def _path_of(endpoint: ListEndpoint[Any] | ValueEndpoint[Any], handle: str) -> str:
    # Quoted whole: nothing in a handle can reach another route.
    return endpoint.path.format(handle=quote(handle, safe=""))
