"""Texts from outside in messages, logs and terminals."""

import pytest
from hypothesis import given, strategies as st

from socialfetch_async import SocialFetchError
from socialfetch_async._text import one_line, quoted, shortened


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("plain é \U0001f600", "plain é \U0001f600"),
        ("a\nb\r\tc", "a b  c"),
        ("\x1b[31mred\x1b[0m", " [31mred [0m"),
        ("abc\u202edef\u2066\u200f", "abc def  "),
        ("\u2028\u2029\x85\x00\x7f", "     "),
        ("half \ud83d", "half  "),
        ("zero\u200bwidth\ufeff", "zero width "),
        (None, ""),
        (5, ""),
        (["x"], ""),
    ],
    ids=repr,
)
def test_one_line(text: object, line: str) -> None:
    """What could start a line, move the cursor or turn the text around is a space."""
    assert one_line(text) == line


def test_the_key_is_cut_out_before_the_text_is_cut() -> None:
    """No part of it is left at the end."""
    assert one_line("x" * 95 + "sfk_secret", "sfk_secret", most=100) == "x" * 95 + "[api "
    assert one_line("sfk_secret sfk_secret", "sfk_secret") == "[api key] [api key]"


def test_it_is_short() -> None:
    """Five hundred characters, unless told otherwise."""
    assert one_line("x" * 1000) == "x" * 500
    assert one_line("x" * 1000, most=3) == "xxx"


@given(st.text(alphabet=st.characters(), max_size=600))
def test_any_text_becomes_one_printable_line(text: str) -> None:
    """Whatever characters it has; so does an error that carries it."""
    assert one_line(text).isprintable()
    assert len(one_line(text)) <= 500
    assert shortened(text).isprintable()
    error = SocialFetchError("x.", handle=text, cursor=text, request_id=text)
    assert str(error).isprintable()


@pytest.mark.parametrize(
    ("word", "on_windows"),
    [
        ("--max-credits=5", "--max-credits=5"),
        (r"C:\Users\ada\out", r"C:\Users\ada\out"),
        (r"my lists\out.csv", r'"my lists\out.csv"'),
        ("my lists\\", '"my lists\\\\"'),
        ("R&D.txt", '"R&D.txt"'),
        ("", '""'),
    ],
    ids=repr,
)
def test_a_word_is_quoted_for_cmd_and_powershell(
    monkeypatch: pytest.MonkeyPatch, word: str, on_windows: str
) -> None:
    """Neither takes the quotes of sh; and cmd would look for a file whose name has them."""
    monkeypatch.setattr("sys.platform", "win32")
    assert quoted(word) == on_windows
