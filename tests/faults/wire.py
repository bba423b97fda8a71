"""Every fault as the bytes, pauses and endings that a connection sees.

A fault is a name, with an optional header line after a space: `503 Retry-After: 30`. Names end in
`-after` where the page was charged first and in `-before` where it was not; the table says which.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

BOMB_BYTES = 300_000_000


class End(Enum):
    """How a connection ends before its answer does."""

    CLOSE = "close"
    RESET = "reset"


Step = bytes | float | End
"""Send these bytes, wait these seconds, or end the connection."""

STALL = 3600.0


class Asked(NamedTuple):
    """What a fault may build on: the good answer, the fault's own header, the key that came."""

    body: bytes
    header: str
    key: str


class Fault(NamedTuple):
    """What happens instead of the answer, or to it.

    Attributes:
        charged: The page is charged first.
        delivered: The rows arrive all the same.
    """

    play: Callable[[Asked], Iterable[Step]]
    charged: bool
    delivered: bool = False


def answer(
    body: bytes, *headers: str, status: str = "200 OK", kind: str = "application/json"
) -> bytes:
    """Return a whole answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *filter(None, headers), "", ""]).encode() + body


def _head(*headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode()


CODES = {
    400: "bad_request",
    401: "unauthorized",
    402: "insufficient_credits",
    403: "forbidden",
    404: "not_found",
    429: "temporarily_unavailable",
    500: "internal_error",
    502: "lookup_failed",
    503: "temporarily_unavailable",
}
CHECKOUT_URL = "https://www.socialfetch.dev/checkout/example"
HTML = b"<!doctype html><html><body><h1>Bad gateway</h1></body></html>"


def status_body(status: int, message: str = "No.") -> bytes:
    """Return the vendor's error envelope."""
    error = {"code": CODES.get(status, "other"), "message": message, "requestId": "req_error"}
    if status == 402:
        error["checkoutUrl"] = CHECKOUT_URL
    return json.dumps({"error": error}).encode()


def _status(status: int, *, charged: bool = False) -> Fault:
    def play(asked: Asked) -> Iterable[Step]:
        return [answer(status_body(status), asked.header, status=f"{status} Status")]

    return Fault(play, charged)


def _status_html(status: int) -> Fault:
    return Fault(
        lambda asked: [answer(HTML, asked.header, status=f"{status} Status", kind="text/html")],
        charged=False,
    )


def _status_empty(status: int) -> Fault:
    return Fault(
        lambda asked: [answer(b"", asked.header, status=f"{status} Status")], charged=False
    )


def _status_echo(status: int) -> Fault:
    def play(asked: Asked) -> Iterable[Step]:
        body = status_body(status, f"the key {asked.key} is not welcome")
        return [answer(body, f"X-Echo: {asked.key}", asked.header, status=f"{status} {asked.key}")]

    return Fault(play, charged=False)


def _status_stall(status: int) -> Fault:
    head = f"HTTP/1.1 {status} Status\r\nContent-Length: 99\r\n\r\n".encode()
    return Fault(lambda _: [head, STALL], charged=False)


def _status_endless(status: int) -> Fault:
    head = f"HTTP/1.1 {status} Status\r\nContent-Type: text/html\r\n\r\n".encode()
    return Fault(lambda _: _endlessly(head, b"a" * 65_536), charged=False)


def _endlessly(head: bytes, block: bytes) -> Iterator[Step]:
    yield head
    while True:
        yield block


def _short(asked: Asked) -> Iterable[Step]:
    head = _head(f"Content-Length: {len(asked.body) + 100}", asked.header)
    return [head + asked.body[:-1], End.CLOSE]


def _cut_chunked(asked: Asked) -> Iterable[Step]:
    size = f"{len(asked.body):x}\r\n".encode()
    return [_head("Transfer-Encoding: chunked") + size + asked.body[:-9], End.CLOSE]


def _bad_chunk(asked: Asked) -> Iterable[Step]:
    return [_head("Transfer-Encoding: chunked") + b"zz\r\n" + asked.body, End.CLOSE]


def _until_close(asked: Asked) -> Iterable[Step]:
    # No length: a body cut short looks to HTTP like a whole one.
    return [_head("Connection: close") + asked.body[: len(asked.body) // 2], End.CLOSE]


def _gzip(change: Callable[[bytes], bytes]) -> Callable[[Asked], Iterable[Step]]:
    def play(asked: Asked) -> Iterable[Step]:
        return [answer(change(gzip.compress(asked.body, 1)), "Content-Encoding: gzip")]

    return play


def _flipped(packed: bytes) -> bytes:
    middle = len(packed) // 2
    return packed[:middle] + bytes(byte ^ 0xFF for byte in packed[middle:])


def _body(body: bytes, kind: str = "application/json") -> Fault:
    return Fault(lambda _: [answer(body, kind=kind)], charged=True)


def _changed(old: bytes, new: bytes, *, delivered: bool = True) -> Fault:
    def play(asked: Asked) -> Iterable[Step]:
        assert old in asked.body
        return [answer(asked.body.replace(old, new, 1))]

    return Fault(play, charged=True, delivered=delivered)


def _loris_head(asked: Asked) -> Iterator[Step]:
    for byte in answer(asked.body):
        yield bytes([byte])
        yield 0.02


def _loris_body(asked: Asked) -> Iterator[Step]:
    yield _head(f"Content-Length: {len(asked.body)}")
    for byte in asked.body:
        yield bytes([byte])
        yield 0.02


def _stall_body(asked: Asked) -> Iterable[Step]:
    return [_head(f"Content-Length: {len(asked.body)}") + asked.body[:50], STALL]


@lru_cache(maxsize=1)
def bomb() -> bytes:
    """Return 300 MB of JSON text in 300 kB of gzip."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    block = b"a" * 1_000_000
    parts = [packer.compress(b'{"data": "')]
    parts += [packer.compress(block) for _ in range(BOMB_BYTES // len(block))]
    return b"".join([*parts, packer.flush()])


def _ends(end: End) -> Callable[[Asked], Iterable[Step]]:
    return lambda _: [end]


def _partial_head(_: Asked) -> Iterable[Step]:
    return [b"HTTP/1.1 200 OK\r\nContent-Ty", End.CLOSE]


def _stalls(_: Asked) -> Iterable[Step]:
    return [STALL]


_STATUSES = (301, 302, 307, 308, 400, 401, 402, 403, 404, 409, 410, 422, 429)
_SERVER_ERRORS = (500, 501, 502, 503, 504, 520)
_CHUNKED_ENDLESS = b"10000\r\n" + b"a" * 65_536 + b"\r\n"

FAULTS: dict[str, Fault] = {
    **{str(status): _status(status) for status in (*_STATUSES, *_SERVER_ERRORS)},
    **{f"{status}-html": _status_html(status) for status in (402, 429, *_SERVER_ERRORS)},
    **{f"{status}-empty": _status_empty(status) for status in (402, 429, *_SERVER_ERRORS)},
    **{f"{status}-echo": _status_echo(status) for status in (*_STATUSES, *_SERVER_ERRORS)},
    "500-after": _status(500, charged=True),
    "504-after": _status(504, charged=True),
    "402-stall": _status_stall(402),
    "503-stall": _status_stall(503),
    "503-endless": _status_endless(503),
    "echo-host": Fault(
        lambda asked: [answer(b"", f"Location: https://{asked.key}.example/", status="302 Found")],
        charged=False,
    ),
    "echo-envelope": Fault(
        lambda asked: [
            answer(json.dumps({"meta": {"requestId": asked.key, asked.key: 1}}).encode())
        ],
        charged=True,
    ),
    "reset-before": Fault(_ends(End.RESET), charged=False),
    "reset-after": Fault(_ends(End.RESET), charged=True),
    "close-before": Fault(_ends(End.CLOSE), charged=False),
    "close-after": Fault(_ends(End.CLOSE), charged=True),
    # Only on a connection that has served a request; on a fresh one the page is served.
    "stale": Fault(_ends(End.CLOSE), charged=False),
    "stale-after": Fault(_ends(End.CLOSE), charged=True),
    "head-before": Fault(_partial_head, charged=False),
    "head-after": Fault(_partial_head, charged=True),
    "not-http": Fault(lambda _: [b"\x16\x03\x01 not HTTP\r\n\r\n", End.CLOSE], charged=False),
    "short-body": Fault(_short, charged=True),
    "cut-chunked": Fault(_cut_chunked, charged=True),
    "bad-chunk": Fault(_bad_chunk, charged=True),
    "until-close": Fault(_until_close, charged=True),
    "gzip-truncated": Fault(_gzip(lambda packed: packed[:-20]), charged=True),
    "gzip-corrupt": Fault(_gzip(_flipped), charged=True),
    "gzip": Fault(_gzip(bytes), charged=True, delivered=True),
    "html": _body(HTML, "text/html"),
    "html-as-json": _body(HTML),
    "empty": _body(b""),
    "half-json": Fault(lambda asked: [answer(asked.body[:-30])], charged=True),
    "surrogate": _changed(b'"displayName":"D"', b'"displayName":"cut \\ud83d"'),
    "bad-utf8": _changed(b'"displayName":"D"', b'"displayName":"cut \xf0\x9f"'),
    "bad-row": _changed(b'"verified":false', b'"verified":"no"'),
    "unknown-fields": _changed(b'{"data":{', b'{"new":[1],"data":{"newer":{"a":null},'),
    "price-missing": _changed(b'"creditsCharged":1,', b""),
    "price-negative": _changed(b'"creditsCharged":1', b'"creditsCharged":-3'),
    "price-absurd": _changed(b'"creditsCharged":1', b'"creditsCharged":999999999999'),
    "price-text": _changed(b'"creditsCharged":1', b'"creditsCharged":"one"'),
    "envelope-list": _body(b"[]"),
    "envelope-page": _changed(b'"page":{', b'"pages":{', delivered=False),
    "envelope-more": _changed(b'"hasMore":', b'"hasMore":"yes","x":', delivered=False),
    "loris-head": Fault(_loris_head, charged=True),
    "loris-body": Fault(_loris_body, charged=True),
    "stall-before": Fault(_stalls, charged=False),
    "stall-after": Fault(_stalls, charged=True),
    "stall-body": Fault(_stall_body, charged=True),
    "endless": Fault(
        lambda _: _endlessly(_head("Transfer-Encoding: chunked"), _CHUNKED_ENDLESS), charged=True
    ),
    "bomb": Fault(lambda _: [answer(bomb(), "Content-Encoding: gzip")], charged=True),
    # Announced, so that the next request comes on a fresh connection; and not.
    "last": Fault(
        lambda asked: [answer(asked.body, "Connection: close"), End.CLOSE],
        charged=True,
        delivered=True,
    ),
    "closes": Fault(lambda asked: [answer(asked.body), End.CLOSE], charged=True, delivered=True),
}

RETRIED = (
    *("429", "502-html", "503", "503-empty", "504-after", "500", "500-after"),
    *("reset-before", "reset-after", "close-before", "close-after", "stale", "stale-after"),
    *("head-before", "head-after", "short-body", "cut-chunked", "bad-chunk", "until-close"),
    *("gzip-truncated", "gzip-corrupt", "html", "empty", "half-json"),
)
"""Faults that a further attempt gets past, none of which needs a timeout."""

DELIVERED = ("surrogate", "bad-utf8", "unknown-fields", "gzip", "last")
"""Faults that the rows arrive in spite of."""

SLOW = ("stall-before", "stall-after", "stall-body", "loris-head", "loris-body")
"""Faults that only a timeout ends."""


def split(order: str) -> tuple[Fault, str]:
    """Return the fault of a name with its header line."""
    name, _, header = order.partition(" ")
    return FAULTS[name], header
