"""The columns of an export: one table, for every format and for the docs.

The names are those of the Structs in `models.py`, so that rows of two formats can be joined.
CSV, Parquet and SQLite are flat; a JSON line nests `metrics` and `avatar_urls` as the Struct
does, as `socialfetch followers` writes them, and has the same names for all else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from socialfetch_async.models import AvatarUrls, Follower

# What Parquet's and SQLite's integers hold. A count beyond it is no count, but it was paid for.
HIGHEST: Final = 2**63 - 1


class Column(NamedTuple):
    """One column.

    Attributes:
        type: `text`, `int` (64 bits), `bool` or `time`.
        unit: What a number counts, or the time zone.
        nullable: Whether a cell can be empty.
        field: Where a Follower has it, such as `metrics.followers`; "" when the export adds it.
    """

    name: str
    type: str
    unit: str
    nullable: bool
    field: str
    about: str


COLUMNS: Final = (
    Column("source", "text", "", False, "", "handle of the profile that is followed"),
    Column("position", "int", "rows", False, "", "place in the list of `source`, from 0"),
    Column("page", "int", "pages", False, "", "page of that list the row came on, from 0"),
    Column("handle", "text", "", False, "handle", "the follower's user name, without @"),
    Column("display_name", "text", "", True, "display_name", "name shown on the profile"),
    Column("avatar_url", "text", "", True, "avatar_url", "best available picture"),
    Column("bio", "text", "", True, "bio", "profile text"),
    Column("verified", "bool", "", False, "verified", "marked as verified by TikTok"),
    Column("private_account", "bool", "", False, "private_account", "whether it is private"),
    Column("followers", "int", "accounts", True, "metrics.followers", "accounts that follow it"),
    Column("following", "int", "accounts", True, "metrics.following", "accounts it follows"),
    Column("avatar_large", "text", "", True, "avatar_urls.large", "picture, large"),
    Column("avatar_medium", "text", "", True, "avatar_urls.medium", "picture, medium"),
    Column("avatar_thumb", "text", "", True, "avatar_urls.thumb", "picture, small"),
    Column("platform_user_id", "text", "", True, "platform_user_id", "numeric id, as text"),
    Column("sec_uid", "text", "", True, "sec_uid", "opaque stable id"),
    Column("extra", "text", "JSON", True, "", "fields of the API that have no other column"),
    Column("fetched_at", "time", "UTC", False, "", "when the page arrived"),
    Column("first_seen_at", "time", "UTC", False, "", "first page with it, in any reading"),
    Column("last_seen_at", "time", "UTC", False, "", "last page with it, in any reading"),
)
NAMES: Final = tuple(column.name for column in COLUMNS)
OF_ACCOUNT: Final = tuple(column for column in COLUMNS if column.field)

_NO_PICTURES: Final = AvatarUrls()
_encode: Final = msgspec.json.Encoder().encode


def account_cells(follower: Follower, extra: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Return the flat cells of one account: those of `OF_ACCOUNT`, then `extra` as text."""
    return tuple(cell for (cell,) in account_columns([follower], [extra]))


def account_columns(
    followers: Sequence[Follower], extras: Sequence[Mapping[str, Any] | None]
) -> list[Sequence[Any]]:
    """Return the cells of `account_cells` for many accounts, column by column."""
    metrics = [follower.metrics for follower in followers]
    pictures = [follower.avatar_urls or _NO_PICTURES for follower in followers]
    followers_, extras = _bounded("followers", [one.followers for one in metrics], extras)
    following, extras = _bounded("following", [one.following for one in metrics], extras)
    # Written out: by names from a table each cell would take twice as long.
    return [
        [follower.handle for follower in followers],
        [follower.display_name for follower in followers],
        [follower.avatar_url for follower in followers],
        [follower.bio for follower in followers],
        [follower.verified for follower in followers],
        [follower.private_account for follower in followers],
        followers_,
        following,
        [one.large for one in pictures],
        [one.medium for one in pictures],
        [one.thumb for one in pictures],
        [follower.platform_user_id for follower in followers],
        [follower.sec_uid for follower in followers],
        [None if extra is None else _encode(extra).decode() for extra in extras],
    ]


def _bounded(
    name: str, counts: Sequence[int], extras: Sequence[Mapping[str, Any] | None]
) -> tuple[Sequence[int | None], Sequence[Mapping[str, Any] | None]]:
    """Move the counts that no integer column holds into `extra`."""
    if not counts or (max(counts) <= HIGHEST and min(counts) >= -HIGHEST):
        return counts, extras
    kept = [int64(count) for count in counts]
    extras = [
        extra if count is not None else _with_count(extra, name, counts[at])
        for at, (count, extra) in enumerate(zip(kept, extras, strict=True))
    ]
    return kept, extras


def _with_count(extra: Mapping[str, Any] | None, name: str, count: int) -> Mapping[str, Any]:
    extra = extra or {}
    return {**extra, "metrics": {**extra.get("metrics", {}), name: count}}


def int64(count: int | None) -> int | None:
    """Return a count of a page as an integer column can hold it, or None."""
    return count if count is not None and -HIGHEST <= count <= HIGHEST else None
