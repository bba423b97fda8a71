"""Response bodies in the documented shape, rendered once; only the cursor is put in later.

Eight different pages are rendered of each size, and follow each other in a list. The number of the
page is put into the handles as well: a client that remembers whom it saw sees that nobody comes
again. In a gzip body the part with the cursor is a stored block, so that the cursor can be put in
without compressing again; there the handles stay, and more pages are rendered.
"""

import json
import random
import struct
import zlib
from functools import cache

PAGES_RENDERED = 8
_GZIP_PAGES = 128  # more than any list of the benchmark has
_NUMBER = b"PAGENUMBER"  # ten digits in its place
FIRST_CURSOR = 1_700_000_000  # ten digits, and so are the ones that follow
# Names and profile texts are full of these, sent as they are: one of them makes a decoded page a
# string of four bytes a character, which json.loads pays for.
_SPICE = ("", "", "", " ✨", " 🎬", " café", " música", " 旅行", " 🇳🇴", " ❤️‍🔥")
_CDN = "https://p16-pu-no.tiktokcdn-eu.com/tos-no1a-avt-0068c001-no"
_WORDS = (
    "art", "bake", "code", "dance", "film", "hike", "jazz", "music", "photo", "read", "run",
    "sing", "swim", "travel", "voyage",
)  # fmt: skip


def follower(random_: random.Random) -> dict[str, object]:
    """Return one row with every documented field."""
    handle = f"{random_.choice(_WORDS)}.{random_.choice(_WORDS)}.{random_.randrange(10**6)}"
    picture = f"{_CDN}/{random_.randbytes(16).hex()}~tplv-tiktokx-cropcenter-q"
    sizes = {"large": 1080, "medium": 720, "thumb": 100}
    return {
        "handle": handle,
        "displayName": handle.replace(".", " ").title() + random_.choice(_SPICE),
        "avatarUrl": f"{picture}:300:300:q75.webp",
        "avatarUrls": {name: f"{picture}:{size}:{size}:q75.webp" for name, size in sizes.items()},
        "platformUserId": str(7 * 10**18 + random_.randrange(10**17)),
        "secUid": "MS4wLjABAAAA" + random_.randbytes(32).hex(),
        "bio": " ".join(random_.choices(_WORDS, k=random_.randrange(12))) + random_.choice(_SPICE),
        "verified": random_.random() < 0.01,
        "privateAccount": random_.random() < 0.3,
        "metrics": {
            "followers": random_.randrange(10_000),
            "following": random_.randrange(1_000),
        },
    }


class Page:
    """One page before its cursor is known."""

    def __init__(self, size: int, seed: int, encoding: str, *, last: bool) -> None:
        rows = [follower(self._random(size, seed, row)) for row in range(size)]
        self._compressed = encoding == "gzip"
        if not self._compressed:
            for number, row in enumerate(rows):
                row["handle"] = (
                    f"{random.Random(number).choice(_WORDS)}.{number}.{_NUMBER.decode()}"
                )
        page = {"nextCursor": None if last else _NUMBER.decode(), "hasMore": not last}
        data = {"lookupStatus": "found", "followers": rows, "page": page, "totalFollowers": 4691921}
        meta = {"requestId": "req_01benchmark", "creditsCharged": 1, "version": "v1"}
        envelope = {"data": data, "meta": meta}
        text = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
        # Everything up to the cursor (or to the end) stays the same.
        before, cursor, self._after = (
            text.partition(_NUMBER) if self._compressed else (text, b"", b"")
        )
        self._has_cursor = bool(cursor)
        length = len(text)
        self._before = before
        if self._compressed:
            self._crc, self._length = zlib.crc32(before), length
            packer = zlib.compressobj(6, zlib.DEFLATED, -15)
            packed = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
            self._before = b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + packed
            length = len(self._before) + 5 + (length - len(before)) + 8
        kind = b"Content-Encoding: gzip\r\n" if self._compressed else b""
        self._head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n"
            b"Cache-Control: no-store\r\n%bContent-Length: %d\r\n\r\n" % (kind, length)
        )
        self._fixed = self._head + self._before

    @staticmethod
    def _random(size: int, seed: int, row: int) -> random.Random:
        return random.Random(f"{size} {seed} {row}")

    def response(self, cursor: int) -> bytes:
        """Return head and body, with the cursor of the next page."""
        if not self._compressed:
            return self._fixed.replace(_NUMBER, b"%010d" % cursor)
        rest = b"%d%b" % (cursor, self._after) if self._has_cursor else self._after
        stored = struct.pack("<BHH", 1, len(rest), len(rest) ^ 0xFFFF) + rest
        return self._fixed + stored + struct.pack("<II", zlib.crc32(rest, self._crc), self._length)

    def body(self, cursor: int) -> bytes:
        """Return the body alone."""
        return self.response(cursor)[len(self._head) :]


@cache
def pages(size: int, encoding: str) -> tuple[list[Page], Page]:
    """Return the pages that follow each other, and the last one of a list."""
    count = _GZIP_PAGES if encoding == "gzip" else PAGES_RENDERED if size <= 200 else 1
    going_on = [Page(size, seed, encoding, last=False) for seed in range(count)]
    return going_on, Page(size, count, encoding, last=True)
