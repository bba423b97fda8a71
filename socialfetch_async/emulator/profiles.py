"""Synthetic profiles: the same seed gives the same lists, and none of them is held."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from socialfetch_async.emulator import people

_LOOKUP_STATUSES = ("found", "hidden", "private", "not_found")
_HANDLE = re.compile(r"[A-Za-z0-9._]{1,64}")
_MOST_ROWS = 2**32 - 1  # a cursor has four bytes for the position


@dataclass(frozen=True)
class Profile:
    """One profile of the emulator.

    Attributes:
        followers: How many follow it.
        lookup_status: `found`, `hidden`, `private` or `not_found`; only a profile that is found
            has followers and follows others.
        following: How many it follows.
    """

    followers: int = 0
    lookup_status: str = "found"
    following: int = 0

    def __post_init__(self) -> None:
        if self.lookup_status not in _LOOKUP_STATUSES:
            raise ValueError(
                f"no such lookup status: {self.lookup_status!r}. There are "
                f"{', '.join(_LOOKUP_STATUSES)}"
            )
        most = _MOST_ROWS if self.lookup_status == "found" else 0
        for name in ("followers", "following"):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(
                    f"a profile that is {self.lookup_status} has 0 to {most} {name}, not "
                    f"{getattr(self, name)}"
                )


class _List(NamedTuple):
    """One list route: what its answer calls its rows and their number, and who is in them."""

    rows: str
    total: str
    word: str
    row: Callable[..., dict[str, Any]]


_LISTS: Final = {
    "followers": _List("followers", "totalFollowers", "follower", people.follower),
    "following": _List("accounts", "totalFollowing", "account", people.account),
}


def well_formed(handle: str) -> bool:
    """Whether the API accepts a handle at all."""
    return _HANDLE.fullmatch(handle) is not None


class Profiles:
    """All profiles of one emulator.

    Args:
        given: The profiles that exist, each as a `Profile`, a number of followers, or a lookup
            status. None: every handle exists, with sizes that follow from its name, except
            those that begin with `private`, `hidden` or `missing`.
        seed: Another seed, other people.
        page_size: Rows on a page.
    """

    def __init__(
        self, given: Mapping[str, Profile | int | str] | None, *, seed: int, page_size: int
    ) -> None:
        self._everybody = given is None
        self._given: dict[str, Profile] = {}
        for handle, value in (given or {}).items():
            self.give(handle, value)
        self._key = str(seed).encode()
        self._page_size = page_size

    def give(self, handle: str, value: Profile | int | str) -> None:
        """Let a profile exist, in the place of one that did."""
        if not well_formed(handle):
            raise ValueError(f"no profile can have the handle {handle!r}")
        self._given[handle.lower()] = _profile(value)

    def find(self, handle: str) -> Profile:
        """Return the profile of a handle, of whatever case."""
        handle = handle.lower()
        given = self._given.get(handle)
        if given is not None:
            return given
        if not self._everybody:
            return Profile(lookup_status="not_found")
        for word, status in (("private", ""), ("hidden", ""), ("missing", "not_found")):
            if handle.startswith(word):
                return Profile(lookup_status=status or word)
        size = self._digest("size", handle)
        return Profile(int.from_bytes(size[:2]) % 500, following=int.from_bytes(size[2:4]) % 200)

    def cursor(self, handle: str, offset: int, route: str = "followers") -> str:
        """Return the opaque cursor of a position. It has `+`, `/` and `=` in it on purpose."""
        proof = self._digest("cursor", route, handle.lower(), offset)[:7]
        return base64.b64encode(b"\xfb\xff" + proof + offset.to_bytes(4)).decode()

    def offset(self, route: str, handle: str, cursor: str | None) -> int | None:
        """Return the position behind a cursor; None when it is not one of this list."""
        if cursor is None:
            return 0
        try:
            offset = int.from_bytes(base64.b64decode(cursor, validate=True)[9:])
        except ValueError:
            return None
        return offset if offset < 2**32 and self.cursor(handle, offset, route) == cursor else None

    def page(self, route: str, handle: str, offset: int, *, trim: bool) -> dict[str, Any]:
        """Return the documented `data` of one page of a list."""
        profile, names = self.find(handle), _LISTS[route]
        size: int = getattr(profile, route)
        end = min(offset + self._page_size, size)
        more = end < size
        found = profile.lookup_status == "found"
        return {
            "lookupStatus": profile.lookup_status,
            names.rows: self._rows(route, handle, range(offset, end), trim=trim),
            "page": {
                "nextCursor": self.cursor(handle, end, route) if more else None,
                "hasMore": more,
            },
            names.total: size if found else None,
        }

    def rows(self, route: str, handle: str) -> list[dict[str, Any]]:
        """Return a whole list, newest first."""
        return self._rows(route, handle, range(getattr(self.find(handle), route)), trim=False)

    def _rows(
        self, route: str, handle: str, positions: range, *, trim: bool
    ) -> list[dict[str, Any]]:
        names, handle = _LISTS[route], handle.lower()
        return [
            names.row(self._digest(names.word, handle, index), index, trim=trim)
            for index in positions
        ]

    def lookup(self, handle: str) -> dict[str, Any]:
        """Return the documented `data` of one profile: only its lists can be hidden."""
        handle = handle.lower()
        given = self.find(handle)
        if given.lookup_status in {"private", "not_found"}:
            return {"lookupStatus": given.lookup_status, "profile": None, "metrics": None}
        bits = self._digest("profile", handle)
        metrics = people.profile_metrics(bits, given.followers, given.following)
        return {
            "lookupStatus": "found",
            "profile": people.profile(bits, handle),
            "metrics": metrics if given.lookup_status == "found" else None,
        }

    def _digest(self, *parts: object) -> bytes:
        text = "\0".join(map(str, parts)).encode()
        return blake2b(text, digest_size=16, key=self._key).digest()


def _profile(value: Profile | int | str) -> Profile:
    if isinstance(value, Profile):
        return value
    return Profile(value) if isinstance(value, int) else Profile(lookup_status=value)
