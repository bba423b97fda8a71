"""Synthetic profiles: the same seed gives the same lists, and none of them is held."""

import base64
import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from socialfetch_async.emulator import people
from socialfetch_async.emulator.growth import Growth
from socialfetch_async.emulator.roster import Roster

_LOOKUP_STATUSES = ("found", "hidden", "private", "not_found")
_HANDLE = re.compile(r"[A-Za-z0-9._]{1,64}")
_MOST_ROWS = 2**32 - 1  # a cursor has five bytes for a number, and one can be gained
_TOP = -(2**39)  # before the newest, whoever that is by then
_CURSOR_BYTES = 17  # not a multiple of three, so that there is padding in its base64


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


TURNS: Final = ("same-cursor", "empty-page", "begin-again", "no-cursor")


class Place(NamedTuple):
    """Where a cursor points to.

    Attributes:
        number: The person it begins with, or the next one if that has left.
        lap: Nothing but another cursor for the same place.
    """

    number: int = _TOP
    lap: int = 0


class Profiles:
    """All profiles of one emulator.

    Args:
        given: The profiles that exist, each as a `Profile`, a number of followers, or a lookup
            status. None: every handle exists, with sizes that follow from its name, except
            those that begin with `private`, `hidden` or `missing`.
        seed: Another seed, other people.
        page_size: Rows on a page.
        growth: How lists of followers move by themselves.

    Attributes:
        depth: How many of a list can be walked; None: all.
    """

    def __init__(
        self,
        given: Mapping[str, Profile | int | str] | None,
        *,
        seed: int,
        page_size: int,
        growth: Growth | None = None,
        depth: int | None = None,
    ) -> None:
        self._everybody = given is None
        self._given: dict[str, Profile] = {}
        self._moved: dict[str, Roster] = {}
        self._moving = threading.Lock()
        self._epoch = 0
        for handle, value in (given or {}).items():
            self.give(handle, value)
        self._key = str(seed).encode()
        self._page_size = page_size
        self._growth = growth or Growth({})
        self.depth = depth
        for handle in self._growth.handles:
            self._check_found(handle)

    def give(self, handle: str, value: Profile | int | str) -> None:
        """Let a profile exist, in the place of one that did."""
        if not well_formed(handle):
            raise ValueError(f"no profile can have the handle {handle!r}")
        with self._moving:
            self._given[handle.lower()] = _profile(value)
            self._moved.pop(handle.lower(), None)

    def find(self, handle: str) -> Profile:
        """Return the profile of a handle, of whatever case, as it was given."""
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

    # -- lists that move --------------------------------------------------------------------

    def grow(self, handle: str, rate: str) -> None:
        """Let a list of followers move by itself from now on."""
        self._check_found(handle)
        with self._moving:
            self._move(handle)
            self._growth.set(handle, rate)

    def gain(self, handle: str, count: int) -> list[str]:
        """Put new followers at the top; return their handles, newest first."""
        self._check_found(handle)
        if count < 0:
            raise ValueError(f"followers to gain must be at least 0, not {count}")
        with self._moving:
            roster = self._move(handle, count)
        return self._handles(handle, range(roster.newest, roster.newest + count))

    def lose(self, handle: str, who: int | Iterable[str]) -> list[str]:
        """Take some followers away, drawn by the seed or named; return their handles."""
        self._check_found(handle)
        with self._moving:
            before = self._move(handle)
            numbers = self._drawn(handle, before, who) if isinstance(who, int) else None
            if numbers is None:
                assert not isinstance(who, int)
                numbers = [self._number(handle, before, follower) for follower in who]
            self._moved[handle.lower()] = before.lose(numbers)
        return self._handles(handle, sorted(numbers))

    def _move(self, handle: str, gained: int = 0) -> Roster:
        """Bring the followers of a handle up to date, and add some."""
        handle = handle.lower()
        roster = self._moved.get(handle) or Roster(0, self.find(handle).followers)
        due = self._growth.due(handle)
        if due < 0:
            roster = roster.lose(self._drawn(handle, roster, min(-due, roster.size)))
        roster = roster.gain(gained + max(due, 0))
        if roster.newest or roster.lost:
            self._moved[handle] = roster
        return roster

    def _roster(self, route: str, handle: str) -> Roster:
        if route != "followers":
            return Roster(0, getattr(self.find(handle), route))
        with self._moving:
            return self._move(handle)

    def _drawn(self, handle: str, roster: Roster, count: int) -> list[int]:
        if not 0 <= count <= roster.size:
            raise ValueError(f"{handle} can lose 0 to {roster.size} followers, not {count}")
        seed = self._digest("lose", handle.lower(), roster.newest, len(roster.lost))
        draw = random.Random(seed)  # noqa: S311 - people, not secrets
        return [roster.at(position) for position in draw.sample(range(roster.size), count)]

    def _number(self, handle: str, roster: Roster, follower: str) -> int:
        number = people.number_of(follower)
        if number is None or number not in roster or self._handles(handle, [number]) != [follower]:
            raise ValueError(f"{follower!r} does not follow {handle}")
        return number

    def _handles(self, handle: str, numbers: Iterable[int]) -> list[str]:
        return [row["handle"] for row in self._rows("followers", handle, numbers, trim=True)]

    def _check_found(self, handle: str) -> None:
        status = self.find(handle).lookup_status
        if status != "found" or not well_formed(handle):
            raise ValueError(f"{handle!r} has no list of followers that could move: {status}")

    # -- cursors ----------------------------------------------------------------------------

    def expire_cursors(self) -> None:
        """Refuse every cursor that was handed out so far."""
        self._epoch += 1

    def cursor(self, handle: str, number: int, route: str = "followers", lap: int = 0) -> str:
        """Return the opaque cursor of a place. It has `+`, `/` and `=` in it on purpose."""
        lap %= 2**16
        proof = self._digest("cursor", route, handle.lower(), number, lap, self._epoch)[:8]
        place = lap.to_bytes(2) + number.to_bytes(5, signed=True)
        return base64.b64encode(b"\xfb\xff" + proof + place).decode()

    def place(self, route: str, handle: str, cursor: str | None) -> Place | None:
        """Return the place behind a cursor; None when it is not one of this list."""
        if cursor is None:
            return Place()
        try:
            packed = base64.b64decode(cursor, validate=True)
        except ValueError:
            return None
        if len(packed) != _CURSOR_BYTES:
            return None
        lap, number = int.from_bytes(packed[10:12]), int.from_bytes(packed[12:], signed=True)
        return Place(number, lap) if self.cursor(handle, number, route, lap) == cursor else None

    # -- answers ----------------------------------------------------------------------------

    def page(
        self, route: str, handle: str, place: Place, *, trim: bool, turn: str | None = None
    ) -> dict[str, Any]:
        """Return the documented `data` of one page of a list.

        Args:
            route: `followers` or `following`.
            handle: Whose list.
            place: Where the page begins.
            trim: Whether fields are left out.
            turn: Where the list goes wrong, one of `TURNS`; None where it goes on.
        """
        names, found = _LISTS[route], self.find(handle).lookup_status == "found"
        roster = self._roster(route, handle)
        left = roster.size if self.depth is None else self.depth - roster.before(place.number)
        count = max(0, min(self._page_size, left))
        numbers = roster.following(place.number, count + 1)
        beyond = Place(numbers[count], place.lap) if min(left, len(numbers)) > count else None
        following, more = beyond, beyond is not None
        if found and turn is not None:
            following, more = _turned(turn, place), True
        return {
            "lookupStatus": self.find(handle).lookup_status,
            names.rows: self._rows(
                route, handle, numbers[: 0 if turn == "empty-page" else count], trim=trim
            ),
            "page": {
                "nextCursor": following
                and self.cursor(handle, following.number, route, following.lap),
                "hasMore": more,
            },
            names.total: roster.size if found else None,
        }

    def rows(self, route: str, handle: str) -> list[dict[str, Any]]:
        """Return a whole list as it is now, newest first."""
        roster = self._roster(route, handle)
        return self._rows(route, handle, roster.following(roster.newest, roster.size), trim=False)

    def _rows(
        self, route: str, handle: str, numbers: Iterable[int], *, trim: bool
    ) -> list[dict[str, Any]]:
        names, handle = _LISTS[route], handle.lower()
        return [
            names.row(self._digest(names.word, handle, number), number, trim=trim)
            for number in numbers
        ]

    def lookup(self, handle: str) -> dict[str, Any]:
        """Return the documented `data` of one profile: only its lists can be hidden."""
        handle = handle.lower()
        given = self.find(handle)
        if given.lookup_status in {"private", "not_found"}:
            return {"lookupStatus": given.lookup_status, "profile": None, "metrics": None}
        bits = self._digest("profile", handle)
        followers = self._roster("followers", handle).size
        metrics = people.profile_metrics(bits, followers, given.following)
        return {
            "lookupStatus": "found",
            "profile": people.profile(bits, handle),
            "metrics": metrics if given.lookup_status == "found" else None,
        }

    def _digest(self, *parts: object) -> bytes:
        text = "\0".join(map(str, parts)).encode()
        return blake2b(text, digest_size=16, key=self._key).digest()


def _turned(turn: str, place: Place) -> Place | None:
    """Return where a list goes on that goes wrong."""
    match turn:
        case "same-cursor":
            return place
        case "empty-page":
            return place._replace(lap=place.lap + 1)
        case "begin-again":
            return Place(lap=place.lap + 1)
        case _:
            return None


def _profile(value: Profile | int | str) -> Profile:
    if isinstance(value, Profile):
        return value
    return Profile(value) if isinstance(value, int) else Profile(lookup_status=value)
