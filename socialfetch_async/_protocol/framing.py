"""An answer out of the bytes of a connection, where an HTTP parser finds none.

A length that counts characters and not bytes, or that stands twice; a last chunk that never comes;
text behind the end: nothing of that is HTTP, and the page has arrived all the same.
"""

import re
from typing import Final

from socialfetch_async._protocol.packed import text_of
from socialfetch_async._protocol.repair import is_object
from socialfetch_async._protocol.retry import parse_retry_after
from socialfetch_async._protocol.status import Answer

_HEAD: Final = re.compile(
    rb"[\r\n]*HTTP/[0-9.]+ +(?P<status>[0-9]{3})[^\n]*\n(?P<fields>(?:[^\r\n][^\n]*\n)*)\r?\n",
    re.IGNORECASE,
)
_NEXT: Final = re.compile(rb"HTTP/1\.[01] [0-9]{3}")
_CHUNK: Final = re.compile(rb"(?:\r?\n)?(?P<size>[0-9a-fA-F]{1,8})[^\r\n]*\r?\n")


def unframed(came: bytes, most: int, now: float) -> Answer | None:
    """Return the first answer in what came, with what stands behind its head as its body.

    Whether that is whole the body itself must say: JSON shows where it ends. Another answer behind
    it may be somebody else's, and is no part of it.

    Args:
        came: Everything that came over the connection since the request was sent.
        most: How many bytes its body may be, unpacked.
        now: The time in seconds since 1970.
    """
    head = _HEAD.match(came)
    while head is not None and head["status"].startswith(b"1"):  # the answer is still to come
        head = _HEAD.match(came, head.end())
    if head is None:
        return None
    fields = _fields(head["fields"])
    body = came[head.end() :]
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = _joined(body)
    if (other := _NEXT.search(body)) is not None:
        body = body[: other.start()]
    status, found = int(head["status"]), text_of(body, fields.get("content-encoding", ""), most)
    if found is None or (200 <= status < 300 and not is_object(found)):
        return None
    return Answer(status, found, parse_retry_after(fields.get("retry-after"), now))


def _fields(lines: bytes) -> dict[str, str]:
    parts = (line.partition(":") for line in lines.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in parts}


def _joined(body: bytes) -> bytes:
    """Return the chunks of a body as far as they are chunks; all of it if it has none."""
    parts, at = list[bytes](), 0
    while (chunk := _CHUNK.match(body, at)) is not None and (size := int(chunk["size"], 16)):
        at = chunk.end() + size
        parts.append(body[chunk.end() : at])
    return b"".join(parts) or body
