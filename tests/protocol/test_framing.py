"""An answer out of bytes that no HTTP parser takes."""

import gzip
import json
from typing import Any

import pytest

from socialfetch_async._protocol.framing import unframed

PAGE = json.dumps({"data": {"followers": [{"handle": "ada"}]}, "meta": {}}).encode()
OTHER = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"data": "x"}'


def _http(*lines: str, body: bytes = PAGE) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _chunks(*parts: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + end


OK = "HTTP/1.1 200 OK"
CHUNKED = "Transfer-Encoding: gzip, Chunked"


@pytest.mark.parametrize(
    "came",
    {
        "as it should be": _http(OK, f"Content-Length: {len(PAGE)}"),
        "a length that is too short": _http(OK, f"Content-Length: {len(PAGE) - 9}"),
        "a length that stands twice": _http(OK, *[f"Content-Length: {len(PAGE)}"] * 2),
        "another answer behind it": _http(OK, body=PAGE + OTHER),
        "answers before it": b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 H\r\na: b\r\n\r\n" + _http(OK),
        "empty lines before it": b"\r\n\n" + _http(OK),
        "line feeds alone": _http(OK, "a: b").replace(b"\r\n", b"\n"),
        "another version": _http("http/2 200"),
        "a field without a name": _http(OK, ": x", "nothing", "a\x00: \xe9"),
        "chunks": _http(OK, CHUNKED, body=_chunks(PAGE[:9], PAGE[9:])),
        "chunks without an end": _http(OK, CHUNKED, body=_chunks(PAGE[:9], PAGE[9:], end=b"")),
        "chunks and nonsense": _http(OK, CHUNKED, body=_chunks(PAGE, end=b"zz\r\n")),
        "chunks that are none": _http(OK, CHUNKED),
        "packed": _http(OK, "content-encoding: GZIP", body=gzip.compress(PAGE)),
        "packed, without its end": _http(OK, body=gzip.compress(PAGE)[:-8]),
        "raw deflate": _http(OK, "Content-Encoding: Deflate", body=gzip.compress(PAGE)[10:-8]),
        "wide": _http(OK, body=PAGE.decode().encode("utf-16")),
    }.items(),
    ids=lambda case: case[0],
)
def test_a_page_is_found(came: tuple[str, bytes]) -> None:
    """Its body says where it ends; the head does not count."""
    answer = unframed(came[1], 1_000, 0.0)
    assert answer is not None
    assert answer.status == 200
    assert answer.body.startswith(PAGE)
    assert b"HTTP/" not in answer.body


@pytest.mark.parametrize(
    "came",
    {
        "nothing": b"",
        "no HTTP": PAGE,
        "half a head": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        "answers to come": b"HTTP/1.1 100 Continue\r\n\r\n",
        "HTML with an object in it": _http(OK, body=b"<html>" + PAGE),
        "nothing, and somebody else's answer": _http(OK, "Content-Length: 0", body=OTHER),
        "chunks of nothing, and somebody else's answer": _http(
            OK, CHUNKED, body=b"0\r\n\r\n" + OTHER
        ),
        "more than it may be": _http(OK, body=gzip.compress(b" " * 5_000)),
    }.items(),
    ids=lambda case: case[0],
)
def test_what_is_no_answer_is_none(came: tuple[str, bytes]) -> None:
    """Least of all is an answer to somebody else taken for one."""
    assert unframed(came[1], 1_000, 0.0) is None


@pytest.mark.parametrize(
    ("fields", "wait"),
    [
        (["Retry-After: 30"], 30.0),
        (["retry-after:  7 "], 7.0),
        (["Retry-After: x"], None),
        ([], None),
    ],
)
def test_a_refusal_keeps_its_status_and_its_wait(fields: list[str], wait: Any) -> None:
    """Whatever its body is."""
    answer = unframed(_http("HTTP/1.1 503 Busy", *fields, body=b"<html>"), 1_000, 0.0)
    assert answer is not None
    assert (answer.status, answer.body, answer.retry_after) == (503, b"<html>", wait)
