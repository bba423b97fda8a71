"""Synthetic profiles: the same seed gives the same followers, and none of them is held."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

_LOOKUP_STATUSES = ("found", "hidden", "private", "not_found")
_HANDLE = re.compile(r"[A-Za-z0-9._]{1,64}")
_MOST_FOLLOWERS = 2**32 - 1  # a cursor has four bytes for the position
_FIRST = ("ada", "bo", "cleo", "dev", "eli", "fay", "gus", "hana", "ivo", "jun", "kai", "lu")
_LAST = ("alps", "beats", "cooks", "draws", "edits", "films", "grows", "hikes")
_BIOS = (
    "",
    "cooking at midnight 🍜",
    "línea nueva\nsegunda línea",
    "she/her",
    "日本語 & emoji 👩‍🚀",
)
_PICTURE = "https://p16.example.invalid/avatar/{id}~tplv-{size}.webp"


@dataclass(frozen=True)
class Profile:
    """One profile of the emulator.

    Attributes:
        followers: How many follow it.
        lookup_status: `found`, `hidden`, `private` or `not_found`; only a profile that is found
            has followers.
    """

    followers: int = 0
    lookup_status: str = "found"

    def __post_init__(self) -> None:
        if self.lookup_status not in _LOOKUP_STATUSES:
            raise ValueError(
                f"no such lookup status: {self.lookup_status!r}. There are "
                f"{', '.join(_LOOKUP_STATUSES)}"
            )
        most = _MOST_FOLLOWERS if self.lookup_status == "found" else 0
        if not 0 <= self.followers <= most:
            raise ValueError(
                f"a profile that is {self.lookup_status} has 0 to {most} followers, not "
                f"{self.followers}"
            )


def well_formed(handle: str) -> bool:
    """Whether the API accepts a handle at all."""
    return _HANDLE.fullmatch(handle) is not None


class Profiles:
    """All profiles of one emulator.

    Args:
        given: The profiles that exist, each as a `Profile`, a number of followers, or a lookup
            status. None: every handle exists, with a size that follows from its name, except
            those that begin with `private`, `hidden` or `missing`.
        seed: Another seed, other followers.
        page_size: Followers on a page.
    """

    def __init__(
        self, given: Mapping[str, Profile | int | str] | None, *, seed: int, page_size: int
    ) -> None:
        for handle in given or {}:
            if not well_formed(handle):
                raise ValueError(f"no profile can have the handle {handle!r}")
        self._given = None if given is None else {k.lower(): _profile(v) for k, v in given.items()}
        self._key = str(seed).encode()
        self._page_size = page_size

    def find(self, handle: str) -> Profile:
        """Return the profile of a handle, of whatever case."""
        handle = handle.lower()
        if self._given is not None:
            return self._given.get(handle, Profile(lookup_status="not_found"))
        for word, status in (("private", ""), ("hidden", ""), ("missing", "not_found")):
            if handle.startswith(word):
                return Profile(lookup_status=status or word)
        return Profile(int.from_bytes(self._digest("size", handle)[:2]) % 500)

    def cursor(self, handle: str, offset: int) -> str:
        """Return the opaque cursor of a position. It has `+`, `/` and `=` in it on purpose."""
        proof = self._digest("cursor", handle.lower(), offset)[:7]
        return base64.b64encode(b"\xfb\xff" + proof + offset.to_bytes(4)).decode()

    def offset(self, handle: str, cursor: str | None) -> int | None:
        """Return the position behind a cursor; None when it is not one of this list."""
        if cursor is None:
            return 0
        try:
            offset = int.from_bytes(base64.b64decode(cursor, validate=True)[9:])
        except ValueError:
            return None
        return offset if offset < 2**32 and self.cursor(handle, offset) == cursor else None

    def page(self, handle: str, offset: int, *, trim: bool) -> dict[str, Any]:
        """Return the documented `data` of one page."""
        profile = self.find(handle)
        end = min(offset + self._page_size, profile.followers)
        more = end < profile.followers
        found = profile.lookup_status == "found"
        return {
            "lookupStatus": profile.lookup_status,
            "followers": [self.follower(handle, i, trim=trim) for i in range(offset, end)],
            "page": {
                "nextCursor": self.cursor(handle, end) if more else None,
                "hasMore": more,
            },
            "totalFollowers": profile.followers if found else None,
        }

    def follower(self, handle: str, index: int, *, trim: bool = False) -> dict[str, Any]:
        """Return the follower at a position of a list, newest first."""
        bits = self._digest("follower", handle.lower(), index)
        first, last = _FIRST[bits[0] % len(_FIRST)], _LAST[bits[1] % len(_LAST)]
        number = str(7_000_000_000_000_000_000 + int.from_bytes(bits[2:8]))
        follower: dict[str, Any] = {
            "handle": f"{first}.{last}.{index}",
            "displayName": f"{first.title()} {last.title()}" if bits[8] % 16 else None,
            "avatarUrl": _PICTURE.format(id=number, size=720) if bits[9] % 16 else None,
            "bio": _BIOS[bits[10] % len(_BIOS)] if bits[11] % 16 else None,
            "verified": bits[12] == 0,
            "privateAccount": bits[13] % 5 == 0,
            "metrics": {"followers": bits[14] * bits[15], "following": bits[15] * 3},
        }
        if not trim:
            follower["avatarUrls"] = {
                name: _PICTURE.format(id=number, size=size)
                for name, size in (("large", 1080), ("medium", 720), ("thumb", 100))
            }
            follower["platformUserId"] = number
            follower["secUid"] = f"MS4wLjABAAAA{base64.urlsafe_b64encode(bits).decode()}"
        return follower

    def _digest(self, *parts: object) -> bytes:
        text = "\0".join(map(str, parts)).encode()
        return blake2b(text, digest_size=16, key=self._key).digest()


def _profile(value: Profile | int | str) -> Profile:
    if isinstance(value, Profile):
        return value
    return Profile(value) if isinstance(value, int) else Profile(lookup_status=value)
