"""Every fault as the bytes, pauses and endings that a connection sees.

A fault is a name, with an optional header line after a space: `503 Retry-After: 30`. It is charged
where its name ends in `-after`, or where the table says so.

| names | what the connection sees | charged |
| --- | --- | --- |
| `400` to `526`, `500-after` | that status with the API's error envelope | by name |
| `502-html`, `-empty`, `-json` | a gateway's: HTML, nothing, another service's JSON | no |
| `502-html-after`, ... | the same, for a page the API sold: `GATEWAY_LOSSES` | yes |
| `502-echo`, `echo-host`, `echo-envelope` | the key, wherever an answer has room | no, no, yes |
| `402-stall`, `503-stall`, `503-endless` | a refusal without an end | no |
| `201`, `203`, `206` | the page, under another status of success | yes |
| `portal` | a 200 with HTML that did not come from the API | no |
| `html`, `html-as-json`, `empty`, `half-json` | a 200 without a whole page | yes |
| `DAMAGED` | a whole page, in a text that no strict parser takes | yes |
| `nan`, `nan-optional` | of these: NaN where a number must stand, and where it need not | yes |
| `UNUSUAL` | a whole page: a field twice, in UTF-16, a header of 9 kB | yes |
| `beyond-repair` | a text that arrives whole and is no JSON at all | yes |
| `bad-row`, `unknown-fields`, `no-meta`, `meta-null` | the page, not quite as documented | yes |
| `bio-object`, `count-text` | the same, in a field of every row | yes |
| `envelope-...` | another shape: a list; no page, no `hasMore`, rows or handles renamed | yes |
| `price-...` | `creditsCharged` missing, negative, absurd, text | yes |
| `many-rows` | eight million rows | yes |
| `long-number`, `huge-number`, `deep` | 5,000 digits; 1e400; 100,000 brackets | yes |
| `reset-...`, `close-...`, `head-...` | the connection's end, before or in the head | by name |
| `not-http` | bytes that are no HTTP | no |
| `stale`, `stale-after` | its end, but only if it has served a request; else the page | by name |
| `short-body`, `cut-chunked`, `bad-chunk` | its end in the body, or nonsense there | yes |
| `until-close`, `gzip-truncated`, `gzip-corrupt` | half a body that looks like a whole one | yes |
| `SLOW`, `endless`, `bomb` | what only a timeout or a limit ends | all but `stall-before` |
| `last`, `closes`, `gzip` | the page; then the end, announced or not; packed | yes |
| `stray-408`, `stray-408-close` | the page; then a 408 to nobody, and the end or not | yes |
| `stray-200`, `stray-part` | the page; then another profile's, whole or cut | yes |

Behind a `stray-...` stands no header but a pause in seconds: `stray-200 0.05` writes it that long
after the page, if the connection is still idle then; `stray-200` writes both in one.
"""

import gzip
import json
import re
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


class Stray(NamedTuple):
    """An answer to nobody, so many seconds after the page, which ends the connection or not."""

    body: bytes
    pause: float
    closes: bool


Step = bytes | float | End | Stray
"""Send these bytes, wait these seconds, end the connection, or leave an answer on it."""

STALL = 3600.0


class Asked(NamedTuple):
    """What a fault may build on.

    Attributes:
        body: The good answer.
        header: The fault's own header line.
        key: The key that came.
        other: The good answer to somebody who asked for another profile.
    """

    body: bytes
    header: str
    key: str
    other: bytes = b""


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
_FORMS = {
    "html": (HTML, "text/html"),
    "empty": (b"", "text/plain"),
    "json": (
        b'{"statusCode":0,"error":"Gateway","message":"no healthy upstream"}',
        "application/json",
    ),
}


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


def _gateway(status: int, form: str, *, charged: bool = False) -> Fault:
    """Answer in the API's place, without its envelope."""
    body, kind = _FORMS[form]

    def play(asked: Asked) -> Iterable[Step]:
        return [answer(body, asked.header, status=f"{status} Status", kind=kind)]

    return Fault(play, charged)


def _success(status: int) -> Fault:
    def play(asked: Asked) -> Iterable[Step]:
        return [answer(asked.body, asked.header, status=f"{status} Status")]

    return Fault(play, charged=True, delivered=True)


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


def _changed(old: bytes, new: bytes, *, delivered: bool = True, every: bool = False) -> Fault:
    """Replace the first match of a pattern in the page, or every one."""

    def play(asked: Asked) -> Iterable[Step]:
        body, found = re.subn(old, lambda _: new, asked.body, count=0 if every else 1)
        assert found, old
        return [answer(body)]

    return Fault(play, charged=True, delivered=delivered)


def _behind(text: bytes) -> Fault:
    return Fault(lambda asked: [answer(asked.body + text)], charged=True, delivered=True)


def _many_rows(_: Asked) -> Iterable[Step]:
    return [answer(many_rows())]


@lru_cache(maxsize=1)
def many_rows() -> bytes:
    """Return eight million rows, none of which is a follower, in just under 16 MiB."""
    page = b'],"page":{"nextCursor":null,"hasMore":false},"totalFollowers":8000000},'
    meta = b'"meta":{"requestId":"req_many","creditsCharged":1,"version":"v1"}}'
    first = b'{"data":{"lookupStatus":"found","followers":[0'
    return b"".join([first, b",0" * 7_999_999, page, meta])


def _stray(other: Callable[[Asked], bytes], *, closes: bool = False) -> Fault:
    def play(asked: Asked) -> Iterable[Step]:
        page = answer(asked.body)
        if not asked.header and not closes:
            return [page + other(asked)]
        return [page, Stray(other(asked), float(asked.header or 0), closes)]

    return Fault(play, charged=True, delivered=True)


def _late_408(_: Asked) -> bytes:
    return answer(_FORMS["html"][0], "Connection: close", status="408 Request Time-out")


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
_MORE_STATUSES = (405, 407, 408, 411, 413, 414, 425, 431, 521, 522, 523, 524, 525, 526)
_OF_GATEWAYS = (400, 401, 402, 403, 404, 429, *_SERVER_ERRORS, *_MORE_STATUSES)
_LOSING = (502, 503, 504, 520, 524)
_CHUNKED_ENDLESS = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
_NAME, _COUNT = b'"displayName":"D"', b'"followers":1,"following"'
_PRICE = b'"creditsCharged":[0-9]+'

FAULTS: dict[str, Fault] = {
    **{str(status): _status(status) for status in (*_STATUSES, *_SERVER_ERRORS, *_MORE_STATUSES)},
    **{f"{status}-{form}": _gateway(status, form) for status in _OF_GATEWAYS for form in _FORMS},
    **{
        f"{status}-{form}-after": _gateway(status, form, charged=True)
        for status in (500, *_LOSING)
        for form in _FORMS
    },
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
    **{str(status): _success(status) for status in (201, 203, 206)},
    "portal": Fault(lambda _: [answer(HTML, kind="text/html")], charged=False),
    "html": _body(HTML, "text/html"),
    "html-as-json": _body(HTML),
    "empty": _body(b""),
    "half-json": Fault(lambda asked: [answer(asked.body[:-30])], charged=True),
    "surrogate": _changed(_NAME, b'"displayName":"cut \\ud83d"'),
    "bad-utf8": _changed(_NAME, b'"displayName":"cut \xf0\x9f"'),
    "control-character": _changed(_NAME, b'"displayName":"a\x01b"'),
    "raw-newline": _changed(_NAME, b'"displayName":"a\nb"'),
    "bad-escape": _changed(_NAME, b'"displayName":"it\\\'s"'),
    "nan": _changed(_COUNT, b'"followers":NaN,"following"'),
    "nan-optional": _changed(b'"avatarUrl":null', b'"avatarUrl":NaN'),
    "nul-behind": _behind(b"\0\0\0\0"),
    "text-behind": _behind(b"\n<!-- served by edge-7 -->\n"),
    "field-twice": _changed(b'{"data":', b'{"data":null,"data":'),
    "utf-16": Fault(
        lambda asked: [answer(asked.body.decode().encode("utf-16"))], charged=True, delivered=True
    ),
    "long-header": Fault(
        lambda asked: [answer(asked.body, f"X-Policy: {'a' * 9_000}")],
        charged=True,
        delivered=True,
    ),
    "beyond-repair": _changed(b'"found",', b'"found" ', delivered=False),
    "bad-row": _changed(b'"verified":false', b'"verified":"no"'),
    "unknown-fields": _changed(b'{"data":{', b'{"new":[1],"data":{"newer":{"a":null},'),
    "bio-object": _changed(b'"bio":""', b'"bio":{"text":""}', every=True),
    "count-text": _changed(_COUNT, b'"followers":"1","following"', every=True),
    "no-meta": _changed(b',"meta":{[^}]*}', b""),
    "meta-null": _changed(b'"meta":{[^}]*}', b'"meta":null'),
    "price-missing": _changed(_PRICE + b",", b""),
    "price-negative": _changed(_PRICE, b'"creditsCharged":-3'),
    "price-absurd": _changed(_PRICE, b'"creditsCharged":999999999999'),
    "price-text": _changed(_PRICE, b'"creditsCharged":"one"'),
    "envelope-list": _body(b"[]"),
    "envelope-page": _changed(b'"page":{', b'"pages":{', delivered=False),
    "envelope-more": _changed(b'"hasMore":', b'"hasMore":"yes","x":', delivered=False),
    "envelope-rows": _changed(b'"followers":\\[', b'"items":[', delivered=False),
    "envelope-names": _changed(b'{"handle":', b'{"name":', delivered=False, every=True),
    "many-rows": Fault(_many_rows, charged=True),
    "long-number": _changed(_COUNT, b'"followers":%b,"following"' % (b"7" * 5000)),
    "huge-number": _changed(_COUNT, b'"followers":1e400,"following"'),
    "deep": _changed(b'"bio":""', b'"bio":%b%b' % (b"[" * 100_000, b"]" * 100_000)),
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
    "stray-408": _stray(_late_408),
    "stray-408-close": _stray(_late_408, closes=True),
    "stray-200": _stray(lambda asked: answer(asked.other)),
    "stray-part": _stray(lambda asked: answer(asked.other)[:-20]),
}

GATEWAY_LOSSES = tuple(f"{status}-{form}-after" for status in _LOSING for form in _FORMS)
"""Gateways' answers for pages that were charged and are lost with them."""

DAMAGED = (
    *("surrogate", "bad-utf8", "control-character", "raw-newline", "bad-escape"),
    *("nul-behind", "text-behind", "nan", "nan-optional"),
)
"""Pages that arrive whole, in a text that no strict parser takes."""

UNUSUAL = ("field-twice", "utf-16", "long-header")
"""Pages that arrive whole, as few servers send them."""

RETRIED = (
    *("429", "502-html", "502-html-after", "503", "503-empty", "503-empty-after"),
    *("504-after", "500", "500-after"),
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
    if name.startswith("stray"):
        float(header or 0)
    return FAULTS[name], header
