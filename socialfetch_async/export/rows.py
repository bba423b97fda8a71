"""The rows of a saved page: followers, what the API sent besides, and a count of what is neither.

Contract: an unknown extra field is normal. The Structs leave it out; an export keeps it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from socialfetch_async._protocol.endpoints import FOLLOWERS_READER
from socialfetch_async._protocol.fields import Mismatch
from socialfetch_async._protocol.repair import repaired
from socialfetch_async.journal import Answered
from socialfetch_async.models import AvatarUrls, Follower, FollowerMetrics


class _Metrics(FollowerMetrics, frozen=True, gc=False, forbid_unknown_fields=True):
    """Metrics without a field that is not documented."""


class _AvatarUrls(AvatarUrls, frozen=True, gc=False, forbid_unknown_fields=True):
    """Pictures without a field that is not documented."""


class _Documented(
    Follower, frozen=True, gc=False, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """A follower without a field that is not documented."""

    metrics: _Metrics
    avatar_urls: _AvatarUrls | None = None


# Most pages have documented fields only, and are decoded as a whole, in C. Only the others are
# looked at field by field, which takes five times as long.
_documented: Final = msgspec.json.Decoder(Answered[list[_Documented]])
_raw_rows: Final = msgspec.json.Decoder(Answered[list[msgspec.Raw]])
_NULL: Final = msgspec.Raw(b"null")
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])

# What is not UTF-8 is not an error of msgspec's own.
_BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError)

_KNOWN: Final = frozenset(Follower.__struct_encode_fields__)
_KNOWN_INSIDE: Final = {
    "metrics": frozenset(FollowerMetrics.__struct_encode_fields__),
    "avatarUrls": frozenset(AvatarUrls.__struct_encode_fields__),
}


class Rows(NamedTuple):
    """The followers of a page, and what belongs to each of them.

    Attributes:
        followers: In their order.
        places: The place of each on the page, from 0, rows that are no followers counted.
        extras: The fields that a follower has no place for, under the API's names, each as the
            JSON that came; None when there are none.
        total: How many rows there were.
    """

    followers: Sequence[Follower]
    places: Sequence[int]
    extras: Sequence[Mapping[str, Any] | None]
    total: int


def rows_of(line: bytes) -> Rows:
    """Return the followers among the rows of a page, from its line in a journal."""
    try:
        documented = _documented.decode(line).rows
    except _BROKEN:
        pass
    else:
        count = len(documented)
        return Rows(documented, range(count), [None] * count, count)
    raw_rows = _raw_rows.decode(line).rows
    found = [(*one, at) for at, row in enumerate(raw_rows) if (one := _one(row))]
    followers, extras, places = zip(*found, strict=True) if found else ((), (), ())
    return Rows(followers, places, extras, len(raw_rows))


def _one(raw: msgspec.Raw) -> tuple[Follower, Mapping[str, Any] | None] | None:
    try:
        follower = FOLLOWERS_READER.rows.one(raw)
    except (Mismatch, *_BROKEN):
        return None
    # It is a follower: where a field that nobody has looked at is broken, it is a character, on a
    # disk or by an editor.
    return follower, _extra(_fields.decode(repaired(bytes(raw)) or b"{}")) or None


def _extra(fields: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    extra: dict[str, Any] = {name: fields[name] for name in fields if name not in _KNOWN}
    for name, known in _KNOWN_INSIDE.items():
        inside = fields.get(name, _NULL)
        if bytes(inside)[:1] == b"{":
            unknown = {n: v for n, v in _fields.decode(inside).items() if n not in known}
            if unknown:
                extra[name] = unknown
        elif bytes(inside) != b"null":
            extra[name] = inside  # optional, and makes no sense: the follower has None
    return extra
