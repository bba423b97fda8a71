"""Answers of hostile sizes: bounded in memory and time, a page or an error, and never a crash."""

import sys
import tracemalloc
from typing import Any

import pytest

from socialfetch_async._protocol.decode import decode
from socialfetch_async._protocol.fields import MOST_COMMAS
from socialfetch_async._protocol.repair import MOST_TOKENS
from socialfetch_async._protocol.status import Answer
from socialfetch_async.errors import DecodeError, PayloadError
from socialfetch_async.models import FollowersPage
from tests.protocol.test_decode import (
    ASKED,
    ASKED_BALANCE,
    dumped,
    envelope,
    error_of,
    expected_page,
    follower,
    page_of,
    row,
)

SIZE = 1 << 19
FIXED = 4 << 20
"""Bytes that any answer may take besides."""
DEEP = b"[" * 1_000_000 + b"]" * 1_000_000
DIGITS = b"1" * 5_000


def many(piece: bytes) -> bytes:
    """Return as many pieces as fit, with a comma behind the last."""
    return piece * (SIZE // len(piece))


def placed(there: bytes, at: str = "rows") -> bytes:
    """Return a page with this JSON text in some place, valid or not."""
    if at == "rows":
        body = envelope("HERE")
    elif at == "row":
        body = envelope(row(), row("bob", x="HERE"))
    elif at == "data":
        body = envelope(row(), x="HERE")
    else:
        body = envelope(row(bio="HERE"))
    return dumped(body).replace(b'"HERE"', there)


HOSTILE: dict[str, bytes] = {
    "8 million rows": placed(b"0," * 8_000_000 + b"0"),
    "empty rows": placed(many(b"{},") + b"{}"),
    "nested rows": placed(many(b"[[0]],") + b"0"),
    "null rows": placed(many(b"null,") + b"0"),
    "rows with one field": placed(many(b'{"handle":"a"},') + b"0"),
    "rows and a NaN": placed(many(b"{},") + b"NaN"),
    "NaNs": placed(many(b"NaN,") + b"0"),
    "damaged texts": placed(many(b'"\x01",') + b"0"),
    "one field of many": placed(b"{" + many(b'"a":0,') + b'"b":0}', "row"),
    "fields with names": placed(
        b"{" + b",".join(b'"%d":0' % n for n in range(SIZE // 12)) + b"}", "rows"
    ),
    "a long text": placed(b'"' + many(b"x") + b'"', "bio"),
    "a long damaged text": placed(b'"' + many(b"\x01") + b'"', "bio"),
    "bad escapes": placed(b'"' + many(b"\\'") + b'"', "bio"),
    "halves of emojis": placed(b'"' + many(b"\\ud83d") + b'"', "bio"),
    "bytes that are not UTF-8": placed(b'"' + many(b"\xff") + b'"', "bio"),
    "escapes": placed(b'"' + many(b"\\n") + b'"', "bio"),
    "digits": placed(many(b"1"), "bio"),
    "digits for a row": placed(many(b"1")),
    "brackets": placed(many(b"["), "data"),
    "braces": placed(many(b'{"":'), "data"),
    "commas": placed(many(b",")),
    "quotes": placed(many(b'"')),
    "backslashes": placed(b'"' + many(b"\\")),
    "spaces": placed(many(b" ") + b"0"),
    "zeros": many(b"\x00"),
    "zeros before": many(b"\x00") + placed(b"{}"),
    "zeros behind": placed(b"{}") + many(b"\x00"),
    "garbage": many(bytes(range(256))),
    "text": many(b"<p>{ data: 1 }</p>"),
    "objects": many(b'{"data":{}}'),
    "keys": b"{" + many(b'"nextCursor" : '),
    "cursors": b"{" + many(b'"nextCursor":"\xff",') + b'"data":0}',
    "prefixes": b"x" + many(b'{ "data" '),
}


# A value has no rows of its own: one of each kind of size is enough for it.
VALUES = ["8 million rows", "a long text", "brackets", "digits", "zeros", "garbage"]


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        *(pytest.param(ASKED, kind, id=f"page-{kind}") for kind in HOSTILE),
        *(pytest.param(ASKED_BALANCE, kind, id=f"value-{kind}") for kind in VALUES),
    ],
)
def test_a_hostile_answer_takes_bounded_memory(request_: Any, kind: str) -> None:
    """At most ten times its size and a few MB; a page without these rows comes, or an error."""
    body = HOSTILE[kind]
    tracemalloc.start()
    try:
        result = decode(request_, Answer(200, body))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert isinstance(result, FollowersPage | DecodeError | PayloadError)
    assert peak <= 10 * len(body) + FIXED


@pytest.mark.parametrize("depth", [100, 10_000, 100_000])
@pytest.mark.parametrize("at", ["data", "row", "bio"])
def test_nesting_costs_no_page(depth: int, at: str) -> None:
    """However deep the decoder of this Python goes, a field that is nested deeper reads null."""
    page = page_of(placed(b"[" * depth + b"]" * depth, at))

    assert [f.handle for f in page.followers] == ["ada", "bob"][: 1 + (at == "row")]
    assert page.invalid_rows == 0


@pytest.mark.parametrize("depth", [10, 90, 400, 900])
def test_the_stack_of_the_caller_does_not_matter(depth: int) -> None:
    """Called where little of it is left, the same answer is still a page or an error."""
    body = placed(b"[" * depth + b"]" * depth, "data")

    def deeper(calls: int) -> Any:
        return deeper(calls - 1) if calls else decode(ASKED, Answer(200, body))

    for left in (100, 200, 500):
        result = deeper(sys.getrecursionlimit() - len_of_stack() - left)
        assert isinstance(result, FollowersPage | DecodeError)


def len_of_stack() -> int:
    """Return how many calls are under way."""
    frame, count = sys._getframe(), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


@pytest.mark.parametrize("at", ["data", "row"])
def test_nesting_without_end_is_an_error_that_keeps_the_body(at: str) -> None:
    """Two million brackets are no page, and no reason to buy it again."""
    body = placed(DEEP, at)

    error = error_of(body)

    assert isinstance(error, DecodeError)
    assert (error.path, error.body) == ("$", body)


def test_a_damaged_text_of_too_many_parts_is_an_error_that_keeps_the_body() -> None:
    """Beyond half a million brackets, texts and words nothing is repaired."""
    body = placed(b"NaN," * (MOST_TOKENS + 1) + b"0", "data")

    assert isinstance(error_of(body), DecodeError)


def test_rows_are_read_one_by_one_up_to_a_size() -> None:
    """A list decodes as a whole at any length; with odd rows it is read up to a number of them."""
    odd, plain = dumped(row("odd", bio=[])), dumped(row())
    page = page_of(placed(b"{}," * 10_000 + odd))
    assert ([f.handle for f in page.followers], page.invalid_rows) == (["odd"], 10_000)

    long = (plain + b",") * (MOST_COMMAS // 4)
    assert len(page_of(placed(long + plain)).followers) == MOST_COMMAS // 4 + 1
    error = error_of(placed(long + odd))
    assert isinstance(error, DecodeError)
    assert error.path == "$.data.followers"


def test_a_field_that_stands_twice_is_left_out_once_up_to_a_size() -> None:
    """Beyond it the answer cannot be kept in a form that a journal reads: an error that has it."""

    def twice(commas: int) -> bytes:
        body = placed(b"[" + b"0," * commas + b"0]", "data")
        return body.replace(b'{"data":', b'{"data": null, "data":', 1)

    others = placed(b"[0]", "data").count(b",") + 1
    assert page_of(twice(MOST_COMMAS - others)).followers == [follower()]
    error = error_of(twice(MOST_COMMAS - others + 1))
    assert isinstance(error, DecodeError)
    assert error.body == twice(MOST_COMMAS - others + 1)


@pytest.mark.parametrize(
    "number", [DIGITS, b"-" + DIGITS, DIGITS + b".0", b"1e400", b"1e999999999"]
)
@pytest.mark.parametrize(
    ("old", "lost"),
    [
        (b'"followers": 3', True),
        (b'"bio": "Hello"', False),
        (b'"totalFollowers": 70', False),
        (b'"creditsCharged": 1', False),
        (b'"requestId": "req_1"', False),
        (b'"avatarUrl": "https://cdn.example/ada.webp"', False),
    ],
    ids=ascii,
)
def test_numbers_without_end(number: bytes, old: bytes, *, lost: bool) -> None:
    """Python refuses to read some, and takes a year for others; here they cost one field."""
    name = old.split(b": ")[0]
    page = page_of(dumped(envelope(row(), row("bob"))).replace(old, name + b": " + number, 1))

    assert page.followers[-1] == follower("bob")
    assert page.invalid_rows == lost
    assert page.credits_charged == 1
    if b"total" in old:
        assert page == expected_page(follower(), follower("bob"), total_followers=None)


def test_a_cursor_of_many_digits_is_an_error() -> None:
    """It is no cursor of a list, and cut to a size it would be another page."""
    page = dumped(envelope(row(), page={"nextCursor": "HERE", "hasMore": True}))

    assert isinstance(error_of(page.replace(b'"HERE"', DIGITS)), DecodeError)
