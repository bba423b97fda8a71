"""Bodies that are still compressed, or text of wide characters: no JSON in UTF-8 begins so.

A header says what a body is packed with, and is not always right: proxies unpack and leave it, pack
what is packed, write `x-gzip`, or append something. The page has arrived all the same.
"""

import re
import zlib
from typing import Final

_PACKED: Final = (b"\x1f\x8b", b"\x78")  # gzip, and zlib (`Content-Encoding: deflate`)
_EITHER: Final = 32 + zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_LAYERS: Final = 3
# By the mark before a text, or by how its first characters stand; each name is that of a codec.
_WIDE: Final = re.compile(
    rb"(?P<utf_32>\xff\xfe\0\0|\0\0\xfe\xff)|(?P<utf_16>\xff\xfe|\xfe\xff)"
    rb"|(?P<utf_32_le>[{\s]\0\0\0[^\0]\0\0\0)|(?P<utf_32_be>\0\0\0[{\s]\0\0\0[^\0])"
    rb"|(?P<utf_16_le>[{\s]\0[^\0]\0)|(?P<utf_16_be>\0[{\s]\0[^\0])"
)


def unpacked(body: bytes, most: int, *, deflate: bool = False) -> bytes | None:
    """Return what is packed in a body, or the body if it is not packed.

    What stands behind the packed data is left out, as gzip itself does. Of packed data that ends
    too soon all is returned that is there: it may be only the checksum that is missing.

    Args:
        body: What came.
        most: How many bytes it may be; None is returned when it is more.
        deflate: The header says so: some servers leave out how zlib begins.
    """
    if deflate and not body.startswith((b"{", *_PACKED)):  # it may read text as packed, too
        found, _ = _one(body, _RAW, most)
        return body if found is None else found if len(found) <= most else None
    for _ in range(_LAYERS):
        parts, rest, size = list[bytes](), body, 0
        while rest.startswith(_PACKED):
            part, rest = _one(rest, _EITHER, most - size)
            if part is None:
                break
            parts.append(part)
            size += len(part)
            if size > most:
                return None
        if not parts:
            break
        body = b"".join(parts)
    return body


def text_of(body: bytes, encoding: str, most: int) -> bytes | None:
    """Return a body as it is read: unpacked, and an object in UTF-8.

    Args:
        body: What came.
        encoding: Its Content-Encoding, or "". Only a deflate has no other mark.
        most: How many bytes it may be, unpacked.

    Returns:
        None if it is larger.
    """
    found = unpacked(body, most, deflate=encoding.lower() == "deflate")
    return None if found is None else narrowed(found)


def narrowed(body: bytes) -> bytes:
    """Return an object as UTF-8 if it is in UTF-16 or UTF-32, and anything else as it came."""
    found = _WIDE.match(body)
    if found is None or found.lastgroup is None:
        return body
    return body.decode(found.lastgroup, "replace").encode()


def _one(body: bytes, kind: int, most: int) -> tuple[bytes | None, bytes]:
    """Return what the first stream in a body holds, and what stands behind it.

    It is None if the stream is damaged, and one byte more than `most` if it is too large.
    """
    unpack = zlib.decompressobj(kind)
    try:
        found = unpack.decompress(body, most + 1)
    except zlib.error:
        return None, b""
    # Without its first bytes a stream cannot be told from text: then it must have its last ones.
    ended = unpack.eof or (found and kind == _EITHER)
    return (found if ended or len(found) > most else None), unpack.unused_data
