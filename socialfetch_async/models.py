"""What the API says, as frozen values. The fields are the documented ones in snake_case.

Contract: the vendor's page "List TikTok profile followers", section "Response body (200)".
Fields the vendor adds later are ignored; an optional field that is absent reads None.
"""

from typing import Annotated, Any, Final, Generic, Self, TypeVar

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

Item = TypeVar("Item")

# The leaves hold no lists and cannot form cycles, so the garbage collector need not track them:
# collecting a million followers takes less than half the time. Pages hold a list and stay tracked.


class AvatarUrls(Struct, frozen=True, gc=False):
    """URLs of the profile picture at three resolutions."""

    large: str | None = None
    medium: str | None = None
    thumb: str | None = None


class FollowerMetrics(Struct, frozen=True, gc=False):
    """Counts that TikTok reports for the follower's own account."""

    followers: int
    following: int


class Follower(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """One account that follows the requested profile.

    Attributes:
        handle: Public user name, without @.
        display_name: Name shown on the profile; None when the API has none.
        avatar_url: Best available picture.
        bio: Profile text.
        verified: Whether TikTok marks the account as verified.
        private_account: Whether the account is private.
        metrics: Its own follower and following counts.
        avatar_urls: Pictures by size; None with `trim=True`.
        platform_user_id: Numeric id as text; None with `trim=True`.
        sec_uid: Opaque stable id; None with `trim=True`.
    """

    handle: Annotated[str, Meta(min_length=1)]
    display_name: str | None = None
    avatar_url: str | None = None
    bio: str | None = None
    verified: bool
    private_account: bool
    metrics: FollowerMetrics
    avatar_urls: AvatarUrls | None = None
    platform_user_id: str | None = None
    sec_uid: str | None = None

    def to_dict(self, *, flat: bool = False) -> dict[str, Any]:
        """Return the fields under their names here.

        Args:
            flat: Without dicts inside: the columns of an export, for a DataFrame.
        """
        return _as_dict(self, _FLAT_FOLLOWER if flat else ())


class Account(Struct, frozen=True, gc=False, kw_only=True, rename="camel"):
    """One account that a profile follows, from `/following`.

    Attributes:
        private_account: Whether the account is private; None where the API does not say.
        account_created_at: As the API sends it: seconds since 1970 or an ISO-8601 text.
        metrics: Its own counts, or None.

    The others are those of `Follower`.
    """

    handle: Annotated[str, Meta(min_length=1)]
    display_name: str | None = None
    bio: str | None = None
    avatar_url: str | None = None
    profile_url: str | None = None
    platform_user_id: str | None = None
    sec_uid: str | None = None
    verified: bool
    private_account: bool | None = None
    region: str | None = None
    language: str | None = None
    account_created_at: int | float | str | None = None
    metrics: "AccountMetrics | None" = None

    def to_dict(self, *, flat: bool = False) -> dict[str, Any]:
        """Return the fields under their names here.

        Args:
            flat: Without dicts inside: counts as columns, for a DataFrame.
        """
        return _as_dict(self, _FLAT_ACCOUNT if flat else ())


class AccountMetrics(Struct, frozen=True, gc=False):
    """Counts that TikTok reports for an account."""

    followers: int | None = None
    following: int | None = None
    posts: int | None = None


# The structs inside a row: what their fields are called in a flat one, before the field's name.
_Flat = tuple[tuple[str, type[Struct], str], ...]
_FLAT_FOLLOWER: Final[_Flat] = (
    ("metrics", FollowerMetrics, ""),
    ("avatar_urls", AvatarUrls, "avatar_"),
)
_FLAT_ACCOUNT: Final[_Flat] = (("metrics", AccountMetrics, ""),)


def _as_dict(row: Struct, flat: _Flat) -> dict[str, Any]:
    fields = asdict(row)
    for name, kind, before in flat:
        inside = fields.pop(name)
        for field in kind.__struct_fields__:
            fields[before + field] = None if inside is None else getattr(inside, field)
    return {
        name: asdict(value) if isinstance(value, Struct) else value
        for name, value in fields.items()
    }


class ListPage(Struct, frozen=True, kw_only=True, dict=True):
    """One page of a list, with its request: the same page can be requested again.

    Attributes:
        cursor: The cursor that was requested; None is the first page.
        lookup_status: `found`, `hidden`, `private`, `not_found`, or a later value.
        next_cursor: The cursor of the next page. Opaque: never build or decode one.
        has_more: Whether the API says that another page exists.
        credits_charged: Price of this page in credits, as charged; 1 if the response did not say.
        request_id: The API's id of this response.
        cached: Whether the response came from the API's cache (charged all the same).
        invalid_rows: Rows that were not valid and are missing here.
    """

    cursor: str | None
    lookup_status: str
    next_cursor: str | None
    has_more: bool
    credits_charged: int
    request_id: str
    cached: bool
    invalid_rows: int

    @property
    def body(self) -> bytes | None:
        """The response as it was received, decompressed, with every field the API sent.

        A journal keeps it. It is no part of the value: `repr`, `==`, encoders, copies and
        pickles leave it out, and a page made by hand or cut by a limit has None.
        """
        return self.__dict__.get("body")

    @property
    def rows(self) -> list[Any]:
        """The rows, whatever the list calls them; a page of a list knows their type."""
        raise NotImplementedError

    @property
    def total(self) -> int | None:
        """The vendor's count of the whole list, whatever the list calls it; None without one."""
        return None

    def with_rows(self, rows: list[Any]) -> Self:
        """Return this page with other rows, such as a part of its own."""
        raise NotImplementedError


PageT = TypeVar("PageT", bound=ListPage)


def keep_body(page: PageT, body: bytes) -> PageT:
    """Keep the answer with its page, and return the page.

    Not a field: msgspec has none that `repr`, `==` and its encoders leave out.
    """
    page.__dict__["body"] = body  # pyright: ignore[reportIndexIssue] - it has one of its own
    return page


class FollowersPage(ListPage, frozen=True, kw_only=True):
    """One page of the followers of a profile.

    Attributes:
        handle: The handle that was requested.
        followers: The rows, newest follower first as the API sends them.
        total_followers: The API's count for the profile, or None. It changes while you read.
    """

    handle: str
    followers: list[Follower]
    total_followers: int | None

    @property
    def rows(self) -> list[Follower]:
        """`followers`."""
        return self.followers

    @property
    def total(self) -> int | None:
        """`total_followers`."""
        return self.total_followers

    def with_rows(self, rows: list[Follower]) -> Self:
        """Return this page with other followers, such as a part of its own."""
        return replace(self, followers=rows)


class FollowingPage(ListPage, frozen=True, kw_only=True):
    """One page of the accounts that a profile follows.

    Attributes:
        handle: The handle that was requested.
        accounts: The rows.
        total_following: The API's count for the profile, or None.
    """

    handle: str
    accounts: list[Account]
    total_following: int | None

    @property
    def rows(self) -> list[Account]:
        """`accounts`."""
        return self.accounts

    @property
    def total(self) -> int | None:
        """`total_following`."""
        return self.total_following

    def with_rows(self, rows: list[Account]) -> Self:
        """Return this page with other accounts, such as a part of its own."""
        return replace(self, accounts=rows)


class ItemsPage(ListPage, Generic[Item], frozen=True, kw_only=True):
    """One page of any other list.

    Attributes:
        path: The path that was requested.
        items: The rows, of the type that was given.
    """

    path: str
    items: list[Item]

    @property
    def rows(self) -> list[Item]:
        """`items`."""
        return self.items

    def with_rows(self, rows: list[Item]) -> Self:
        """Return this page with other items, such as a part of its own."""
        return replace(self, items=rows)


class ProfileDetails(Struct, frozen=True, kw_only=True, rename="camel"):
    """The details of a profile. Only `handle` is always there."""

    handle: str
    platform: str | None = None
    display_name: str | None = None
    bio: str | None = None
    avatar_url: str | None = None
    verified: bool | None = None
    profile_url: str | None = None


class ProfileMetrics(Struct, frozen=True, rename="camel"):
    """The counts of a profile, as far as the API has them."""

    followers: int | None = None
    following: int | None = None
    likes: int | None = None
    posts: int | None = None
    friends: int | None = None
    diggs: int | None = None


class Profile(Struct, frozen=True, kw_only=True):
    """One profile; charged also when it is private or does not exist.

    Attributes:
        handle: The handle that was requested.
        lookup_status: `found`, `private`, `not_found`, or a later value.
        profile: Its details, or None.
        metrics: Its counts, or None.
        credits_charged: Price in credits.
        request_id: The API's id of this response.
        cached: Whether the response came from the API's cache (charged all the same).
    """

    handle: str
    lookup_status: str
    profile: ProfileDetails | None
    metrics: ProfileMetrics | None
    credits_charged: int
    request_id: str
    cached: bool


class User(Struct, frozen=True, rename="camel"):
    """The user to whom the API key belongs, from `/v1/whoami` (free)."""

    id: str
    name: str | None = None
    email: str | None = None


class Subscription(Struct, frozen=True, rename="camel"):
    """The plan behind a balance."""

    tier: str | None = None
    status: str | None = None
    period_end: str | None = None


class Balance(Struct, frozen=True, rename="camel"):
    """The account's credits, from `/v1/balance` (free). Only `balance` is always there.

    Attributes:
        balance: Credits left, all sources together.
        payg: Credits bought one by one; `payg_spendable` of them can be spent now.
        subscription_included_remaining: Credits of the plan that are left in this period.
    """

    balance: int
    billing_alert: str | None = None
    payg: int | None = None
    payg_spendable: int | None = None
    grace_debt_credits: int | None = None
    refill_state: str | None = None
    subscription_included_remaining: int | None = None
    subscription_included_total: int | None = None
    subscription: Subscription | None = None
    collection_status: str | None = None
