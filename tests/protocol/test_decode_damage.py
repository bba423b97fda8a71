"""Damaged text: repaired from the bytes in hand; what is cut off is told apart from it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async._protocol.decode import decode, decode_page
from socialfetch_async._protocol.endpoints import FOLLOWERS
from socialfetch_async._protocol.repair import DEEPEST, Damage, repair, repaired
from socialfetch_async._protocol.status import Answer
from socialfetch_async.errors import DecodeError, PayloadError
from socialfetch_async.models import FollowersPage
from tests.protocol.test_decode import (
    ASKED,
    KEY,
    dumped,
    envelope,
    error_of,
    expected_page,
    follower,
    page_of,
    row,
    with_bytes,
)

WHOLE = dumped(envelope(row(), row("bob")))
PAGE = expected_page(follower(), follower("bob"))
OTHER = dumped(envelope(row("of another request"), page={"nextCursor": "x", "hasMore": True}))


@pytest.mark.parametrize(
    ("there", "name"),
    [
        (b"a\x01b", "a\x01b"),
        (b"a\nb", "a\nb"),
        (b"a\r\n\tb", "a\r\n\tb"),
        (b"\x00", "\x00"),
        (bytes(range(32)), "".join(map(chr, range(32)))),
        (rb"b\'o", "b'o"),
        (rb"\a\c\-", "ac-"),
        (rb"\x41\x1b", "A\x1b"),
        (b"\\\n", "\n"),
        (rb"\u", "?"),
        (rb"\u12", "?"),
        (rb"\u12 b", "? b"),
        (rb"\ud83", "?"),
        (rb"\ud83d", "?"),
        (rb"\ude00\ud83d", "??"),
        (rb"\ud83dx\ude00", "?x?"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\ud83d", "\\ud83d"),
        (rb"\\\'", "\\'"),
        (rb"\"\/\b\f\n\r\t\u00e9\'", "\"/\b\f\n\r\t\xe9'"),
        (rb"\uD83D\uDE00\'", "\U0001f600'"),
        (b"\xff", "\ufffd"),
        (b"\xc3\xa9\xff\x01", "\xe9\ufffd\x01"),
        (b"\xf0\x9f\x98", "\ufffd"),
        (b"{[\x01]}:,", "{[\x01]}:,"),
        (b"\x7f\xc2\x85\xe2\x80\xa8", "\x7f\x85\u2028"),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("also", ["nothing", "a bad row", "an odd row"])
def test_texts(there: bytes, name: str, also: str) -> None:
    """Whatever stands in a text, its row comes, and all others as they are."""
    more: Any = {"nothing": [], "a bad row": [None], "an odd row": [row("odd", bio=[])]}[also]
    page = page_of(with_bytes(envelope(row(displayName="ZZ"), row("bob"), *more), ZZ=there))

    assert page.followers[:2] == [follower(name=name), follower("bob")]
    assert page.invalid_rows == (also == "a bad row")
    assert json.loads(page.body or b"")["data"]["followers"][0]["displayName"] == name


@pytest.mark.parametrize("field", ["new", "region"])
def test_fields_that_nobody_reads(field: str) -> None:
    """Damage in a field of later days costs nothing."""
    body = with_bytes(envelope(row(**{field: "ZZ"}), row("bob"), later="ZZ"), ZZ=b"\\'\x02\xff")

    assert page_of(body) == PAGE


@pytest.mark.parametrize(
    "word", ["NaN", "Infinity", "-Infinity", "nan", "-inf", "undefined", "1.#INF"]
)
def test_numbers_that_json_does_not_have(word: str) -> None:
    """They cost their row where they stand in a required count, and else only their field."""
    said = word.encode()
    count = envelope(row(), row("x", metrics={"followers": "ZZ", "following": 1}), row("bob"))
    page = page_of(with_bytes(count, **{'"ZZ"': said}))
    assert page == expected_page(follower(), follower("bob"), invalid_rows=1)

    optional = envelope(row(displayName="ZZ"), row("bob"))
    page = page_of(with_bytes(optional, **{'"ZZ"': said}))
    assert page == expected_page(follower(name=None), follower("bob"))

    total = envelope(row(), row("bob"), totalFollowers="ZZ", new="ZZ")
    page = page_of(with_bytes(total, **{'"ZZ"': said}))
    assert page == expected_page(follower(), follower("bob"), total_followers=None)

    price = envelope(row(), row("bob"), meta={"creditsCharged": "ZZ", "requestId": "req_1"})
    assert page_of(with_bytes(price, **{'"ZZ"': said})) == PAGE


@pytest.mark.parametrize(
    ("word", "verified"), [("True", True), ("False", False), ("TRUE", True), ("None", None)]
)
def test_words_of_python(word: str, verified: bool | None) -> None:  # noqa: FBT001
    """A flag that was printed and not encoded is read; `None` is none, and costs the row."""
    page = page_of(with_bytes(envelope(row(verified="ZZ")), **{'"ZZ"': word.encode()}))

    assert [f.verified for f in page.followers] == ([] if verified is None else [verified])


@pytest.mark.parametrize(
    "behind",
    [
        *(b"\x00", b"\x00" * 4096, b"<!-- cached -->", b"\r\n0\r\n\r\n", b"}", b"]", b"null"),
        *(b'"', b",", b"\xff\xfe", b"\xef\xbb\xbf", b");", b"{", b"[", b'{"data"', b"\\"),
        *(WHOLE, OTHER, OTHER[:-9], b"\n" + OTHER, b'HTTP/1.1 200 OK\r\n\r\n{"data":null}'),
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_what_stands_behind_the_end_is_not_read(behind: bytes) -> None:
    """Above all not an answer to another request, which is another page."""
    page = page_of(WHOLE + behind)

    assert page == PAGE
    assert page.body == WHOLE
    damaged = with_bytes(envelope(row(displayName="ZZ"), row("bob")), ZZ=b"\x01") + behind
    assert page_of(damaged).followers == [follower(name="\x01"), follower("bob")]


@pytest.mark.parametrize(
    "before",
    [
        *(b"\x00", b"\x00\x00\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\xef\xbb\xbf \n", b"\x1e"),
        *(b")]}',\n", b"while(1);", b"callback(", b"\xff\xfe", b"HTTP/1.1 200 OK\r\n\r\n"),
        *(b"<br />\n<b>Notice</b>: {x} in a.php\n", b"null", b"[]\n", b'"', b"7"),
    ],
    ids=ascii,
)
def test_what_stands_before_the_beginning_is_not_read(before: bytes) -> None:
    """Zeros, marks, warnings, and what keeps an answer from being run as a script."""
    assert page_of(before + WHOLE) == PAGE
    assert page_of(before + WHOLE + b"\x00") == PAGE
    # Half of an answer behind something is half of an answer.
    for end in (10, len(WHOLE) // 2, len(WHOLE) - 1):
        error = error_of(before + WHOLE[:end])
        assert type(error) is PayloadError
        assert not error.whole


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"req_1",', b'"req_1",,'),
        (b'"meta"', b"'meta'"),
        (b'"Hello"', b'"he said "hi" to"'),
        (b'"bio": ', b'"bio" '),
        (b'"found", ', b'"found" '),
        (b'"followers": [{', b'"followers": {{'),
        (b'"lookupStatus": ', b""),
        (b'"page": {', b'"page": '),
        (b'"Hello"', b'"Hello'),
        (b'"Hello"', b'Hello"'),
        (b'"Hello"', rb'"Hello\"'),
    ],
    ids=ascii,
)
def test_what_arrived_whole_and_is_beyond_repair(old: bytes, new: bytes) -> None:
    """The error says so, for the retries, and keeps the answer, which was paid for."""
    assert old in WHOLE
    body = WHOLE.replace(old, new, 1)

    error = error_of(body)

    assert type(error) is PayloadError
    assert (error.whole, error.body, error.maybe_charged) == (True, body, 1)
    assert error.summary == "the response arrived whole, but is damaged beyond repair."
    assert "ada" not in f"{error} {error!r} {error.args}"


@pytest.mark.parametrize(
    "body",
    [WHOLE, with_bytes(envelope(row(displayName="ZZ"), row("bob", bio="\ud83d")), ZZ=b"\\'\x01")],
    ids=["", "damaged"],
)
def test_what_is_cut_off_is_no_damage(body: bytes) -> None:
    """Wherever it ends: the next answer may be whole, so it is tried again like a lost one."""
    for end in range(len(body)):
        error = error_of(body[:end])
        assert type(error) is PayloadError, end
        assert (error.whole, error.body) == (False, b""), end


def test_a_comma_too_many_is_no_damage() -> None:
    """Writers by hand leave one behind the last row."""
    body = WHOLE.replace(b"}], ", b"},\n], ").replace(b'"v1"}', b'"v1" , }')

    assert page_of(body) == PAGE


@pytest.mark.parametrize("damage", [b"c\xff", b"c\\'", b"c\\u12", b"c\\ud83d", b"\\x41", b"\xf0"])
@pytest.mark.parametrize("more", ["true", "1", "null", "NaN", None])
def test_a_cursor_that_is_not_certain_is_not_asked_for(damage: bytes, more: str | None) -> None:
    """Nor does it end a list: the rows come, and the walk ends as `missing_cursor`."""
    page: dict[str, Any] = {"nextCursor": "ZZ"} | ({} if more is None else {"hasMore": "YY"})
    body = with_bytes(envelope(row(), page=page), ZZ=damage)
    if more is not None:
        body = body.replace(b'"YY"', more.encode())

    assert page_of(body) == expected_page(follower(), next_cursor=None, has_more=True)


@pytest.mark.parametrize("space", ["", " ", "\n\t", " " * 500])
def test_a_damaged_cursor_is_found_wherever_it_stands(space: str) -> None:
    """With any white space around its colon."""
    body = dumped(envelope(row(), page={"nextCursor": "ZZ", "hasMore": True}))
    body = body.replace(
        b'"nextCursor": "ZZ"', f'"nextCursor"{space}:{space}"c\xff"'.encode("latin-1")
    )

    assert page_of(body).next_cursor is None


def test_a_cursor_with_control_characters_is_certain() -> None:
    """They are what they are; `\\n` and a line break are the same text."""
    body = with_bytes(envelope(row(), page={"nextCursor": "aZZb", "hasMore": True}), ZZ=b"\n\x01")

    assert page_of(body).next_cursor == "a\n\x01b"


@pytest.mark.parametrize("text", [b"<html>{}</html>", b'<script>x={"data":{"id":1}}</script>'])
def test_a_page_of_html_is_no_answer_of_the_api(text: bytes) -> None:
    """Whatever objects are in it: it is tried again, and it is not a wrong shape."""
    error = error_of(b"<!doctype html>" + text)

    assert type(error) is PayloadError
    assert (error.whole, error.body) == (False, b"")


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"', b" [1, 2] "], ids=ascii)
def test_other_json_has_a_wrong_shape(body: bytes) -> None:
    """It is whole and it is no object: it would be the same again."""
    error = error_of(body)

    assert isinstance(error, DecodeError)
    assert (error.path, error.body) == ("$", body)


def test_a_body_of_an_error_quotes_no_key() -> None:
    """It may be shown, kept and pickled; the summary says nothing of it at all."""
    for body in (f'{{"data": "{KEY}"}}', f'{{"data": "{KEY}",,}}'):
        error = error_of(body.encode())
        assert isinstance(error, DecodeError | PayloadError)
        assert error.body == body.replace(KEY, "[api key]").encode()
        assert "[api key]" not in repr(error)


def test_a_kept_body_is_read_again_like_the_first_time() -> None:
    """By a function of the body and what was asked, without a client."""
    damaged = with_bytes(envelope(row(displayName="ZZ")), ZZ=b"\x01")
    for body in (WHOLE, damaged, dumped(envelope(page=[])), b"", WHOLE[:-1] + b",}}"):
        first: Any = decode(ASKED, Answer(200, body))
        again: Any = decode_page(FOLLOWERS, "nasa", "c1", body)
        assert type(again) is type(first)
        if isinstance(first, FollowersPage):
            assert again == first
        else:
            assert isinstance(first, DecodeError | PayloadError)
            assert (str(again), again.body) == (str(first), first.body)


# -- the text itself ----------------------------------------------------------------------------


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=3
            )
        ),
        max_leaves=12,
    ),
    st.booleans(),
    st.binary(max_size=5).filter(lambda text: b"\\" not in text),
)
@settings(deadline=None, max_examples=300)
def test_valid_text_stays_what_it_is(value: Any, ascii_: bool, behind: bytes) -> None:  # noqa: FBT001
    """Every pair, every escape, every number; the scanner changes nothing that is valid."""
    body = json.dumps({"x": value}, ensure_ascii=ascii_).encode()

    assert repair(body) == body
    assert repair(b"\x00" + body + b"\x00") == body
    assert repair(body + b"\x00" + behind) == body


@given(st.text(st.characters(exclude_categories=[]), max_size=12), st.binary(max_size=6))
@settings(deadline=None, max_examples=300)
def test_any_text_is_repaired(text: str, also: bytes) -> None:
    """Raw control characters, halves of emojis and any bytes: the next field is not lost."""
    inside = text.replace("\\", "").replace('"', "").encode("utf-8", "surrogatepass")
    inside += also.replace(b"\\", b"").replace(b'"', b"")
    fixed = repaired(b'{"x": "' + inside + b'", "y": [1]}')

    assert fixed is not None
    assert json.loads(fixed)["y"] == [1]


@given(
    st.lists(
        st.sampled_from(
            [
                *'{}[]",:\\ \n',
                '"a"',
                '"nextCursor":',
                "\\u12",
                "\\'",
                "1",
                "NaN",
                "true",
                "\x00",
                "é",
                "\ud83d",
            ]
        ),
        max_size=30,
    )
)
@settings(deadline=None, max_examples=1000)
def test_any_structure_is_json_or_damage(pieces: list[str]) -> None:
    """What comes out is an object that every JSON reader takes, or a reason."""
    fixed = repair(("{" + "".join(pieces)).encode("utf-8", "surrogatepass"))

    if not isinstance(fixed, Damage):
        assert isinstance(json.loads(fixed.decode()), dict)


@pytest.mark.parametrize("more", [0, 1, 2, 5000])
def test_what_is_nested_too_deeply_reads_null(more: int) -> None:
    """How deep a decoder can go depends on the Python; how deep an answer goes does not."""
    deep = "[" * (DEEPEST + more) + "]" * (DEEPEST + more)
    body = f'{{"x": {deep}, "y": "\x01"}}'.encode()

    fixed = repaired(body)

    assert fixed is not None
    found = json.loads(fixed)
    assert found["y"] == "\x01"
    depth, at = 0, found["x"]
    while at:
        at, depth = at[0], depth + 1
    assert at is None
    assert depth == DEEPEST - 1


def test_a_long_text_in_many_parts_is_one_text() -> None:
    """More escapes than one match takes, valid and not."""
    body = ('{"x": "' + "\\n" * 5000 + "\\'" * 20 + '", "y": 1}').encode()

    assert json.loads(repaired(body) or b"") == {"x": "\n" * 5000 + "'" * 20, "y": 1}
