"""Synthetic people: the rows of both lists, and one profile, each from sixteen bytes."""

import base64
import re
from datetime import UTC, datetime
from typing import Any

_FIRST = ("ada", "bo", "cleo", "dev", "eli", "fay", "gus", "hana", "ivo", "jun", "kai", "lu")
_LAST = ("alps", "beats", "cooks", "draws", "edits", "films", "grows", "hikes")
_BIOS = (
    "",
    "cooking at midnight 🍜",
    "línea nueva\nsegunda línea",
    "she/her",
    "日本語 & emoji 👩‍🚀",
)
_PLACES = (("NO", "nb"), ("BR", "pt"), ("JP", "ja"), ("US", "en"))
_NUMBER = re.compile(r"\.(new)?([0-9]{1,12})$", re.ASCII)
_PICTURE = "https://p16.example.invalid/avatar/{id}~tplv-{size}.webp"
# What a trimmed account leaves out is not documented: the ids, as in a trimmed follower, and
# what else is only about the account itself.
_UNTRIMMED = ("platformUserId", "secUid", "region", "language", "accountCreatedAt")


def follower(bits: bytes, index: int, *, trim: bool) -> dict[str, Any]:
    """Return the follower with a number; those who were gained have negative ones."""
    number = _number(bits)
    row: dict[str, Any] = {
        "handle": _handle(bits, index),
        "displayName": _display_name(bits) if bits[8] % 16 else None,
        "avatarUrl": _PICTURE.format(id=number, size=720) if bits[9] % 16 else None,
        "bio": _BIOS[bits[10] % len(_BIOS)] if bits[11] % 16 else None,
        "verified": bits[12] == 0,
        "privateAccount": bits[13] % 5 == 0,
        "metrics": {"followers": bits[14] * bits[15], "following": bits[15] * 3},
    }
    if not trim:
        row["avatarUrls"] = {
            name: _PICTURE.format(id=number, size=size)
            for name, size in (("large", 1080), ("medium", 720), ("thumb", 100))
        }
        row["platformUserId"] = number
        row["secUid"] = _sec_uid(bits)
    return row


def account(bits: bytes, index: int, *, trim: bool) -> dict[str, Any]:
    """Return the account with a number in a list of accounts that are followed."""
    handle, number = _handle(bits, index), _number(bits)
    region, language = _PLACES[bits[6] % len(_PLACES)]
    metrics = {"followers": bits[14] * bits[15], "following": bits[15] * 3}
    if bits[14] % 4:
        metrics["posts"] = bits[13]
    optional = {
        "displayName": _display_name(bits),
        "bio": _BIOS[bits[10] % len(_BIOS)],
        "avatarUrl": _PICTURE.format(id=number, size=720),
        "platformUserId": number,
        "secUid": _sec_uid(bits),
        "privateAccount": bits[13] % 5 == 0,
        "region": region,
        "language": language,
        **_created(bits),
        "metrics": metrics,
    }
    there = {
        name: value
        for position, (name, value) in enumerate(optional.items())
        if (bits[7] + position * 5) % 16 and not (trim and name in _UNTRIMMED)
    }
    return {"handle": handle, "profileUrl": _url(handle), "verified": bits[12] == 0} | there


def profile(bits: bytes, handle: str) -> dict[str, Any]:
    """Return what is said of one profile that is found."""
    number = _number(bits)
    return {
        "platform": "tiktok",
        "handle": handle,
        "displayName": _display_name(bits) if bits[8] % 8 else None,
        "bio": _BIOS[bits[10] % len(_BIOS)] if bits[11] % 8 else None,
        "avatarUrl": _PICTURE.format(id=number, size=720) if bits[9] % 8 else None,
        "verified": bits[12] == 0,
        "profileUrl": _url(handle),
        "platformUserId": number,
        "secUid": _sec_uid(bits),
        **_created(bits),
    }


def profile_metrics(bits: bytes, followers: int, following: int) -> dict[str, int]:
    """Return the counts of one profile that is found."""
    counts = {
        "followers": followers,
        "following": following,
        "likes": bits[13] * bits[14] * bits[15],
        "posts": bits[13],
    }
    return counts | ({"friends": bits[14], "diggs": bits[15]} if bits[9] % 2 else {})


def _handle(bits: bytes, index: int) -> str:
    number = index if index >= 0 else f"new{-index}"  # a handle has no minus
    return f"{_FIRST[bits[0] % len(_FIRST)]}.{_LAST[bits[1] % len(_LAST)]}.{number}"


def number_of(handle: str) -> int | None:
    """Return the number in the handle of a follower; None where there is none."""
    found = _NUMBER.search(handle)
    return None if found is None else -int(found[2]) if found[1] else int(found[2])


def _display_name(bits: bytes) -> str:
    return f"{_FIRST[bits[0] % len(_FIRST)].title()} {_LAST[bits[1] % len(_LAST)].title()}"


def _url(handle: str) -> str:
    return f"https://tiktok.example.invalid/@{handle}"


def _number(bits: bytes) -> str:
    return str(7_000_000_000_000_000_000 + int.from_bytes(bits[2:8]))


def _sec_uid(bits: bytes) -> str:
    return f"MS4wLjABAAAA{base64.urlsafe_b64encode(bits).decode()}"


def _created(bits: bytes) -> dict[str, int | str]:
    """Return a time in seconds, in ISO 8601, or none: the vendor's docs have both kinds."""
    seconds = 1_480_000_000 + int.from_bytes(bits[2:6]) % 280_000_000
    kind = bits[13] % 3
    if kind == 0:
        return {}
    iso = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return {"accountCreatedAt": seconds if kind == 1 else iso}
