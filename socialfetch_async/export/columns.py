"""The columns of an export: one table, for every format and for the docs.

The names are those of the Structs in `models.py`, so that rows of two formats can be joined.
CSV, Parquet and SQLite are flat; a JSON line nests `metrics` and `avatar_urls` as the Struct
does, as `socialfetch followers` writes them, and has the same names for all else.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
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
        field: Where a Follower has it, as `attrgetter` takes it; "" when the export adds it.
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

_cells: Final[Callable[[Any], tuple[Any, ...]]] = attrgetter(*(c.field for c in OF_ACCOUNT))
_cells_without_pictures: Final[Callable[[Any], tuple[Any, ...]]] = attrgetter(
    *(c.field for c in OF_ACCOUNT if not c.field.startswith("avatar_urls."))
)
_PICTURES_AT: Final = next(
    at for at, column in enumerate(OF_ACCOUNT) if column.field.startswith("avatar_urls.")
)
_NO_PICTURES: Final = (None,) * len(AvatarUrls.__struct_fields__)
_COUNTS: Final = tuple((at, column) for at, column in enumerate(OF_ACCOUNT) if column.type == "int")
_encode: Final = msgspec.json.Encoder().encode


def account_cells(follower: Follower, extra: Mapping[str, Any] | None) -> tuple[Any, ...]:
    """Return the flat cells of one account: those of `OF_ACCOUNT`, then `extra` as text."""
    if follower.avatar_urls is None:
        cells = _cells_without_pictures(follower)
        cells = cells[:_PICTURES_AT] + _NO_PICTURES + cells[_PICTURES_AT:]
    else:
        cells = _cells(follower)
    metrics = follower.metrics
    if not -HIGHEST <= metrics.followers <= HIGHEST or not (
        -HIGHEST <= metrics.following <= HIGHEST
    ):
        cells, extra = _without_large_counts(cells, extra)
    return *cells, None if extra is None else _encode(extra).decode()


def account_columns(
    followers: Sequence[Follower], extras: Sequence[Mapping[str, Any] | None]
) -> list[Sequence[Any]]:
    """Return the cells of `account_cells` for many accounts, column by column.

    Most pages are of one kind, and then no account is touched by itself.
    """
    pictures = [follower.avatar_urls is not None for follower in followers]
    texts: Sequence[str | None] = [None] * len(extras)
    if any(extras) or (any(pictures) and not all(pictures)):
        return _by_account(followers, extras)
    columns: list[Sequence[Any]]
    if all(pictures):
        columns = list(zip(*map(_cells, followers), strict=True))
    else:
        columns = list(zip(*map(_cells_without_pictures, followers), strict=True))
        columns[_PICTURES_AT:_PICTURES_AT] = [texts] * len(_NO_PICTURES)
    if any(max(columns[at]) > HIGHEST or min(columns[at]) < -HIGHEST for at, _ in _COUNTS):
        return _by_account(followers, extras)
    return [*columns, texts]


def _by_account(
    followers: Sequence[Follower], extras: Sequence[Mapping[str, Any] | None]
) -> list[Sequence[Any]]:
    return list(zip(*map(account_cells, followers, extras), strict=True))


def _without_large_counts(
    cells: tuple[Any, ...], extra: Mapping[str, Any] | None
) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """Move counts that no integer column holds into `extra`."""
    kept = list(cells)
    large = {}
    for at, column in _COUNTS:
        if not -HIGHEST <= kept[at] <= HIGHEST:
            large[column.name] = kept[at]
            kept[at] = None
    extra = dict(extra or {})
    extra["metrics"] = {**extra.get("metrics", {}), **large}
    return tuple(kept), extra


def int64(count: int | None) -> int | None:
    """Return a count of a page as an integer column can hold it, or None."""
    return count if count is not None and -HIGHEST <= count <= HIGHEST else None
