"""Bodies that are still compressed when they arrive."""

import gzip
import zlib

import pytest

from socialfetch_async._protocol.packed import narrowed, unpacked

PAGE = b'{"data": {"followers": []}}' * 9
GZIP, ZLIB = gzip.compress(PAGE, mtime=0), zlib.compress(PAGE)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (PAGE, PAGE),
        (b"", b""),
        (GZIP, PAGE),
        (ZLIB, PAGE),
        (gzip.compress(PAGE[:50]) + gzip.compress(PAGE[50:]), PAGE),
        (gzip.compress(GZIP), PAGE),
        (gzip.compress(ZLIB), PAGE),
        (GZIP + b"\0" * 64, PAGE),
        (GZIP + b"\x1f\x8b garbage", PAGE),
        (GZIP + GZIP[:-8], PAGE + PAGE),
        (GZIP[:-8], PAGE),
        (ZLIB[:-4], PAGE),
        (GZIP[:30], PAGE[:19]),
        (GZIP[:2], GZIP[:2]),
        (b"x marks the spot", b"x marks the spot"),
        (b"\x1f\x8b\x08 no gzip", b"\x1f\x8b\x08 no gzip"),
    ],
    ids=[
        "page",
        "nothing",
        "gzip",
        "zlib",
        "two members",
        "twice",
        "zlib in gzip",
        "zeros behind",
        "magic behind",
        "second member without its checksum",
        "without its checksum",
        "zlib without its checksum",
        "cut",
        "magic alone",
        "text",
        "nearly gzip",
    ],
)
def test_what_is_packed_is_unpacked(body: bytes, found: bytes) -> None:
    """By how it begins, as far as it goes; what is something else stays as it came."""
    assert unpacked(body, 10_000) == found


@pytest.mark.parametrize("begins", ["", "\ufeff"])
@pytest.mark.parametrize("codec", ["utf_16_le", "utf_16_be", "utf_32_le", "utf_32_be"])
@pytest.mark.parametrize("text", ['{"data":"\u00e9\U0001f35c"}', '{\r\n "data": {}}'])
def test_wide_text_is_narrowed(text: str, codec: str, begins: str) -> None:
    """With a mark before it and without; each character is there, and damage stays damage."""
    wide = (begins + text).encode(codec)

    assert narrowed(wide) == text.encode()
    assert narrowed(wide[:-1]).decode().startswith(text[:-1])


@pytest.mark.parametrize(
    "body", [b"", b"{", PAGE, b"\0" + PAGE, b"{\0" + PAGE[1:], b"\xef\xbb\xbf{}"]
)
def test_what_is_not_wide_stays_as_it_came(body: bytes) -> None:
    """Also with a stray byte where wide text has one."""
    assert narrowed(body) == body


@pytest.mark.parametrize("begins", ['{\n  "data"', '{\r\n "data"', '{ "data"', "{}"])
@pytest.mark.parametrize("codec", ["utf_8", "utf_16_le"])
def test_text_is_not_deflate_whatever_the_header_says(begins: str, codec: str) -> None:
    """A line break behind the first bracket reads as the end of packed data."""
    body = f'{begins}: {{"followers": []}}}}'.encode(codec)
    assert unpacked(body, 10_000, deflate=True) == body


@pytest.mark.parametrize("cut", [0, 9])
def test_deflate_without_its_beginning_is_known_by_the_header(cut: int) -> None:
    """Nothing in it says what it is; what is cut stays as it came."""
    raw = ZLIB[2 : len(ZLIB) - 4 - cut]

    assert unpacked(raw, 10_000) == raw
    assert unpacked(raw, 10_000, deflate=True) == (raw if cut else PAGE)
    assert unpacked(ZLIB, 10_000, deflate=True) == PAGE
    assert unpacked(PAGE, 10_000, deflate=True) == PAGE
    assert unpacked(raw, 10, deflate=True) is None


def test_three_layers_are_unpacked_and_no_more() -> None:
    """One by the API, one by each of two proxies; nobody packs more than that."""
    twice = gzip.compress(gzip.compress(GZIP))

    assert unpacked(twice, 10_000) == PAGE
    assert unpacked(gzip.compress(twice), 10_000) == GZIP


def test_no_more_than_may_be_is_unpacked() -> None:
    """However little of it arrived, over all its members and layers."""
    bomb = gzip.compress(b"a" * 1_000_000)

    assert unpacked(bomb, 999_999) is None
    assert unpacked(gzip.compress(bomb), 999_999) is None
    assert unpacked(bomb + bomb, 1_999_999) is None
    assert unpacked(bomb, 1_000_000) == b"a" * 1_000_000
