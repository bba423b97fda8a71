"""Bodies that are still compressed: no JSON begins as gzip and zlib do.

aiohttp unpacks what a header announces in the way it knows. A session may be told not to, a proxy
may write `x-gzip` or pack what is packed: the page has arrived all the same.
"""

import zlib
from typing import Final

PACKED: Final = (b"\x1f\x8b", b"\x78")
"""What gzip begins with, and zlib (`Content-Encoding: deflate`)."""
_EITHER: Final = 32 + zlib.MAX_WBITS
_LAYERS: Final = 3


def unpacked(body: bytes, most: int) -> bytes | None:
    """Return what is packed in a body, or the body if it is not packed or not whole.

    What stands behind the packed data is left out, as gzip itself does.

    Args:
        body: What came.
        most: How many bytes it may be; None is returned when it is more.
    """
    for _ in range(_LAYERS):
        parts, rest, size = list[bytes](), body, 0
        while rest.startswith(PACKED):
            unpack = zlib.decompressobj(_EITHER)
            try:
                part = unpack.decompress(rest, most - size + 1)
            except zlib.error:
                break
            size += len(part)
            if size > most:
                return None
            if not unpack.eof:
                return body
            parts.append(part)
            rest = unpack.unused_data
        if not parts:
            break
        body = b"".join(parts)
    return body
