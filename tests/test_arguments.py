"""What a caller may pass, and how everything else is refused before it costs anything."""

import re
from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async import _arguments as arguments
from socialfetch_async.errors import InvalidHandleError

# -- handles ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_handle", "sent"),
    [
        ("nasa", "nasa"),
        ("NASA", "NASA"),
        ("@nasa", "nasa"),
        ("  nasa\n", "nasa"),
        ("\t@nasa \r\n", "nasa"),
        ("\u00a0nasa\u2003", "nasa"),
        ("jamal.voyage", "jamal.voyage"),
        ("_", "_"),
        ("...", "..."),
        ("a", "a"),
        ("0", "0"),
        ("azAZ09._", "azAZ09._"),
        ("x" * 64, "x" * 64),
        ("@" + "x" * 64, "x" * 64),
    ],
)
def test_handles_that_are_sent(given_handle: str, sent: str) -> None:
    """A handle is sent as it is, without white space around it and one leading @."""
    assert arguments.clean_handle(given_handle) == sent


@pytest.mark.parametrize(
    "url",
    [
        "https://www.tiktok.com/@a.Handle_1",
        "http://www.tiktok.com/@a.Handle_1",
        "https://tiktok.com/@a.Handle_1",
        "https://m.tiktok.com/@a.Handle_1",
        "HTTPS://WWW.TikTok.com/@a.Handle_1",
        "www.tiktok.com/@a.Handle_1",
        "tiktok.com/@a.Handle_1/",
        " https://www.tiktok.com/@a.Handle_1/ ",
        "https://www.tiktok.com/@a.Handle_1?lang=en&q=a/b",
        "https://www.tiktok.com/@a.Handle_1/?_t=1#top",
        "https://www.tiktok.com/%40a.Handle_1",
    ],
)
def test_the_url_of_a_profile_is_a_handle(url: str) -> None:
    """People copy it from the browser, with a query or without."""
    assert arguments.clean_handle(url) == "a.Handle_1"


@pytest.mark.parametrize(
    "url",
    [
        "https://www.tiktok.com/@nasa/video/7301",
        "https://www.tiktok.com/nasa",
        "https://www.tiktok.com/@",
        "https://www.tiktok.com/@..",
        "https://www.tiktok.com/@a-b",
        "https://www.tiktok.com/@" + "x" * 65,
        "https://www.tiktok.com/",
        "https://vm.tiktok.com/ZM1/",
        "https://www.tiktok.com.example/@nasa",
        "https://evil.example/www.tiktok.com/@nasa",
        "https://user@www.tiktok.com/@nasa",
        "https://www.instagram.com/nasa",
        "ftp://www.tiktok.com/@nasa",
        "https://www.ti\u212atok.com/@nasa",
    ],
)
def test_other_urls_are_refused_with_a_sentence(url: str) -> None:
    """Nothing is guessed: what is not a profile's URL is said to be none."""
    with pytest.raises(InvalidHandleError) as caught:
        arguments.clean_handle(url)

    shown = url if len(url) <= 80 else f"{url[:77]}..."
    assert str(caught.value) == (
        f"not a TikTok handle: {shown!r}. Of URLs, only a profile's is a handle: "
        "https://www.tiktok.com/@name. No request was sent."
    )


@pytest.mark.parametrize(
    "handle",
    [
        "",
        " ",
        "@",
        "@@nasa",
        "@ nasa",
        "na sa",
        "nasa@",
        ".",
        "..",
        "@.",
        " @.. ",
        "x" * 65,
        "@" + "x" * 65,
        "a/b",
        "../balance",
        "a\\b",
        "a%2fb",
        "a?b",
        "a#b",
        "a;b",
        "a-b",
        "a\x00b",
        "a\nb",
        "n\u00e4sa",
        "\uff4e\uff41",
        "\u0661\u0662",
        "\ud83d",
        "\U0001f680",
    ],
)
def test_handles_that_are_refused(handle: str) -> None:
    """What is no handle is refused with its own quotation, and nothing else decides that."""
    with pytest.raises(InvalidHandleError) as caught:
        arguments.clean_handle(handle)

    text = str(caught.value)
    shown = handle if len(handle) <= 80 else f"{handle[:77]}..."
    assert text == (
        f"not a TikTok handle: {shown!r}. A handle is 1 to 64 letters, digits, dots and "
        "underscores, with or without a leading @. No request was sent."
    )
    text.encode()  # it can be logged, whatever the handle was


def test_a_long_handle_is_cut_in_the_message() -> None:
    """A message does not carry a megabyte that was passed by mistake."""
    with pytest.raises(InvalidHandleError, match=re.escape(f"'{'x' * 77}...'")) as caught:
        arguments.clean_handle("x" * 1_000_000)

    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("handle", [None, 5, b"nasa", ["nasa"], True], ids=repr)
def test_handles_are_text(handle: Any) -> None:
    """A handle that is not text is a TypeError that names the type and not the value."""
    with pytest.raises(TypeError) as caught:
        arguments.clean_handle(handle)

    assert str(caught.value) == f"a handle must be a str, not {type(handle).__name__}"


@pytest.mark.parametrize("code", range(128))
def test_every_ascii_character_in_a_handle(code: int) -> None:
    """Of ASCII, letters, digits, dot and underscore may stand in a handle, and nothing else."""
    handle = f"a{chr(code)}b"
    if chr(code).isalnum() or chr(code) in "._":
        assert arguments.clean_handle(handle) == handle
    else:
        with pytest.raises(InvalidHandleError):
            arguments.clean_handle(handle)


@given(st.text(max_size=70))
@settings(deadline=None, max_examples=300)
def test_a_cleaned_handle_stays(handle: str) -> None:
    """Cleaning is final: a handle that was accepted is accepted again as it came out."""
    try:
        cleaned = arguments.clean_handle(handle)
    except InvalidHandleError:
        return
    assert arguments.clean_handle(cleaned) == cleaned
    assert cleaned in handle


# -- cursors and user ids -----------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "1779246345", " ", "a+b%2F", "\x00", "\U0001f680"])
def test_opaque_values_pass_unchanged(value: str | None) -> None:
    """A cursor is whatever text the API gave, and None is none."""
    assert arguments.opaque("cursor", value) is value


def test_an_empty_cursor_is_refused() -> None:
    """An empty cursor would be page one again, so it is refused and told what to do."""
    with pytest.raises(ValueError) as caught:
        arguments.opaque("cursor", "")

    assert str(caught.value) == "cursor must not be empty: leave it out"


@pytest.mark.parametrize("value", ["\ud83d", "a\udc00b", "\ude00\ud83d"])
def test_lone_surrogates_are_refused(value: str) -> None:
    """A cursor that no URL can carry is refused, without a chain to an encoding error."""
    with pytest.raises(ValueError) as caught:
        arguments.opaque("user_id", value)

    assert type(caught.value) is ValueError
    assert str(caught.value) == "user_id has a character that is not valid Unicode text"
    assert caught.value.__suppress_context__ is True


@pytest.mark.parametrize("value", [0, 5, b"c", [], True], ids=repr)
def test_opaque_values_are_text(value: Any) -> None:
    """A cursor that is not text is a TypeError, also a false one."""
    with pytest.raises(TypeError) as caught:
        arguments.opaque("cursor", value)

    assert str(caught.value) == f"cursor must be a str or None, not {type(value).__name__}"


# -- many handles -------------------------------------------------------------------------------


def generated() -> Iterator[str]:
    """Yield handles as a generator does."""
    yield from ("a", "b", "a")


@pytest.mark.parametrize(
    ("handles", "cursors", "duplicates"),
    [
        ([], {}, 0),
        ({}, {}, 0),
        (["a"], {"a": None}, 0),
        (("b", "a"), {"b": None, "a": None}, 0),
        (["a", "a", "a"], {"a": None}, 2),
        (["NASA", "nasa", "@Nasa", " NASA "], {"NASA": None}, 3),
        (["@nasa", "NASA"], {"nasa": None}, 1),
        (["Foo", "foo", "Foo", "bar", "BAR"], {"Foo": None, "bar": None}, 3),
        (generated(), {"a": None, "b": None}, 1),
        ({"a": "c1", "b": None}, {"a": "c1", "b": None}, 0),
        ({"A": "c1", "a": "c2", "@a": None}, {"A": "c1"}, 2),
        ({"@a": None, "a": "c2"}, {"a": None}, 1),
        ({"@a": "c1", "a": "c2"}, {"a": "c1"}, 1),
        (dict.fromkeys(["a", "b"]).keys(), {"a": None, "b": None}, 0),
    ],
    ids=lambda value: "generated" if isinstance(value, Generator) else repr(value),
)
def test_starts(handles: Any, cursors: dict[str, str | None], duplicates: int) -> None:
    """Each handle is kept once, in order, with the spelling and the cursor that came first."""
    kept, again = arguments.starts(handles)

    assert list(kept.items()) == list(cursors.items())
    assert again == duplicates


@pytest.mark.parametrize(
    ("handles", "kind", "words"),
    [
        ("nasa", TypeError, "handles must be an iterable of handles"),
        (b"nasa", TypeError, "handles must be an iterable of handles"),
        (None, TypeError, "mapping of handle to cursor"),
        (5, TypeError, "handles must be an iterable of handles"),
        (["a", 5], TypeError, "a handle must be a str, not int"),
        ([("a", "c1")], TypeError, "a handle must be a str, not tuple"),
        (["a", "b c"], InvalidHandleError, "'b c'"),
        (["a", "a", ""], InvalidHandleError, "''"),
        ({"a": ""}, ValueError, "cursor must not be empty"),
        ({"a": 5}, TypeError, "cursor must be a str or None, not int"),
        ({"a": "c", "@a": ""}, ValueError, "cursor must not be empty"),
    ],
    ids=repr,
)
def test_starts_refused(handles: Any, kind: type[Exception], words: str) -> None:
    """One bad handle or cursor refuses the whole call, also when it is a duplicate's."""
    with pytest.raises(kind, match=re.escape(words)) as caught:
        arguments.starts(handles)

    assert type(caught.value) is kind


@given(st.lists(st.sampled_from(["a", "A", "@a", " a", "b", "B ", "@B", "c"]), max_size=20))
@settings(deadline=None, max_examples=200)
def test_nothing_is_lost_between_starts_and_duplicates(handles: list[str]) -> None:
    """What is kept and what came again are together what was passed."""
    kept, again = arguments.starts(handles)

    names = [handle.strip().removeprefix("@") for handle in handles]
    assert len(kept) + again == len(handles)
    assert {name.lower() for name in kept} == {name.lower() for name in names}
    for name in kept:
        assert names.index(name) == [other.lower() for other in names].index(name.lower())


# -- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [arguments.positive, arguments.required])
@pytest.mark.parametrize("value", [1, 2, 10**30])
def test_counts(check: Callable[[str, int], int | None], value: int) -> None:
    """A count from 1 on passes as it is."""
    assert check("max_pages", value) is value


def test_no_limit() -> None:
    """None is no limit where a count may be left out, and a TypeError where it may not."""
    assert arguments.positive("max_pages", None) is None
    nothing: Any = None
    with pytest.raises(TypeError, match="concurrency must be an int, not NoneType"):
        arguments.required("concurrency", nothing)


@pytest.mark.parametrize("check", [arguments.positive, arguments.required])
@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0, ValueError, "max_pages must be at least 1, not 0"),
        (-3, ValueError, "max_pages must be at least 1, not -3"),
        (True, TypeError, "max_pages must be an int, not bool"),
        (False, TypeError, "max_pages must be an int, not bool"),
        (1.0, TypeError, "max_pages must be an int, not float"),
        ("1", TypeError, "max_pages must be an int, not str"),
    ],
    ids=repr,
)
def test_counts_refused(
    check: Callable[[str, Any], int | None], value: Any, kind: type[Exception], text: str
) -> None:
    """What is not a count from 1 on is refused by name."""
    with pytest.raises(kind) as caught:
        check("max_pages", value)

    assert str(caught.value) == text


@pytest.mark.parametrize("value", [1, 0.001, 5e-324, 30.0, 1e308])
@pytest.mark.parametrize("zero", [False, True])
def test_seconds(value: float, *, zero: bool) -> None:
    """A finite number of seconds above 0 passes as it is."""
    assert arguments.seconds("timeout", value, zero=zero) is value


def test_no_seconds_at_all() -> None:
    """Zero seconds pass only where that is said, and by default it is not."""
    assert arguments.seconds("base", 0, zero=True) == 0
    assert arguments.seconds("base", 0.0, zero=True) == 0
    with pytest.raises(ValueError):
        arguments.seconds("timeout", 0)


@pytest.mark.parametrize(
    ("value", "zero", "kind", "text"),
    [
        (0, False, ValueError, "t must be a finite number of seconds, more than 0, not 0"),
        (-0.5, False, ValueError, "t must be a finite number of seconds, more than 0, not -0.5"),
        (-1, True, ValueError, "t must be a finite number of seconds, at least 0, not -1"),
        (
            -5e-324,
            True,
            ValueError,
            "t must be a finite number of seconds, at least 0, not -5e-324",
        ),
        (
            float("nan"),
            False,
            ValueError,
            "t must be a finite number of seconds, more than 0, not nan",
        ),
        (
            float("inf"),
            True,
            ValueError,
            "t must be a finite number of seconds, at least 0, not inf",
        ),
        (True, False, TypeError, "t must be a number of seconds, not bool"),
        ("5", False, TypeError, "t must be a number of seconds, not str"),
        (None, True, TypeError, "t must be a number of seconds, not NoneType"),
    ],
    ids=repr,
)
def test_seconds_refused(value: Any, *, zero: bool, kind: type[Exception], text: str) -> None:
    """What no clock can wait for is refused by name, with what would be right."""
    with pytest.raises(kind) as caught:
        arguments.seconds("t", value, zero=zero)

    assert str(caught.value) == text


def test_more_seconds_than_a_float_holds() -> None:
    """An integer that no clock can count is refused like any other bad number."""
    with pytest.raises(ValueError, match="t must be a finite number of seconds"):
        arguments.seconds("t", 10**400)


@pytest.mark.parametrize("value", [True, False])
def test_flags(*, value: bool) -> None:
    """A switch is True or False and passes as it is."""
    assert arguments.flag("trim", value) is value


@pytest.mark.parametrize("value", [None, 0, 1, "true", "false", ""], ids=repr)
def test_flags_refused(value: Any) -> None:
    """A switch that is no bool is refused by name, since `"false"` would read as True."""
    with pytest.raises(TypeError) as caught:
        arguments.flag("trim", value)

    assert str(caught.value) == f"trim must be a bool, not {type(value).__name__}"


# -- the key ------------------------------------------------------------------------------------

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


@pytest.mark.parametrize("key", ["sfk_abc", "x", "!", "~", PRINTABLE])
def test_keys(key: str) -> None:
    """Every key of printable ASCII characters passes as it is."""
    assert arguments.api_key(key) is key


@pytest.mark.parametrize("key", [None, ""])
def test_no_key(key: str | None) -> None:
    """A key that is missing or empty is told where to put one."""
    with pytest.raises(ValueError) as caught:
        arguments.api_key(key)

    assert str(caught.value) == (
        "no API key. Set SOCIALFETCH_API_KEY to a key from the vendor's dashboard "
        "(https://www.socialfetch.dev); it begins with sfk_, or pass api_key=... "
        "To try it without a key: socialfetch demo"
    )


@pytest.mark.parametrize(
    "key",
    [
        " sfk_secret",
        "sfk_secret ",
        "sfk_secret\n",
        "sfk_secret\r\nx: y",
        "sfk secret",
        "sfk_secret\x7f",
        "sfk_secret\x00",
        "sfk_s\u00e9cret",
        "sfk_secret\u200b",
        "\ud83dsecret",
    ],
    ids=ascii,
)
def test_bad_keys_are_not_shown(key: str) -> None:
    """A key that cannot be one is refused without a part of it in the message."""
    with pytest.raises(ValueError) as caught:
        arguments.api_key(key)

    text = str(caught.value)
    assert text.startswith("the API key has a character that is not valid in a key")
    assert "sfk" not in text
    assert "cret" not in text
    assert caught.value.args == (text,)


@pytest.mark.parametrize("key", [5, b"sfk_secret", ["sfk_secret"], False], ids=repr)
def test_keys_are_text(key: Any) -> None:
    """A key that is not text is a TypeError that names its type only."""
    with pytest.raises(TypeError) as caught:
        arguments.api_key(key)

    assert str(caught.value) == f"api_key must be a str, not {type(key).__name__}"


# -- the address --------------------------------------------------------------------------------

RULE = "base_url must be https://HOST, or http:// for localhost"


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("https://api.socialfetch.dev", "https://api.socialfetch.dev"),
        ("https://api.socialfetch.dev/", "https://api.socialfetch.dev"),
        ("https://api.socialfetch.dev///", "https://api.socialfetch.dev"),
        ("https://proxy.example/social/fetch/", "https://proxy.example/social/fetch"),
        ("https://proxy.example:8443", "https://proxy.example:8443"),
        ("HTTPS://proxy.example", "HTTPS://proxy.example"),
        ("https://10.0.0.1", "https://10.0.0.1"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_addresses(url: str, used: str) -> None:
    """An address over TLS, or of this machine, is used without a slash at its end."""
    assert arguments.base_url(url) == used


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://api.socialfetch.dev", "never sent in the clear; not 'http://api.socialfetch.dev'"),
        ("http://10.0.0.1", "never sent in the clear"),
        ("http://0.0.0.0", "never sent in the clear"),
        ("http://[2001:db8::1]", "never sent in the clear"),
        ("http://localhost.example", "never sent in the clear"),
        ("http://127.0.0.1.example", "never sent in the clear"),
        ("http://", "never sent in the clear"),
        ("https://", "never sent in the clear"),
        ("https:///path", "never sent in the clear"),
        ("https://:443", "never sent in the clear"),
        ("api.socialfetch.dev", "never sent in the clear"),
        ("", "never sent in the clear"),
        ("ftp://localhost", "never sent in the clear"),
        ("ws://127.0.0.1", "never sent in the clear"),
        ("file://localhost/etc", "never sent in the clear"),
        ("https://user@host.example", "no user name or password"),
        ("https://user:pass@host.example", "no user name or password"),
        ("http://localhost@evil.example", "no user name or password"),
        ("https://host.example?x=1", "no query and no fragment"),
        ("https://host.example?", "no query and no fragment"),
        ("https://host.example/#", "no query and no fragment"),
        ("https://host.example#@x", "no query and no fragment"),
        (" https://host.example", "a character that is not valid in a URL"),
        ("https://host.example\n", "a character that is not valid in a URL"),
        ("https://host.example/a\tb", "a character that is not valid in a URL"),
        ("https://host.example/\x00", "a character that is not valid in a URL"),
        ("https://host.example/\u202e", "a character that is not valid in a URL"),
        ("https://host.example\u3000", "a character that is not valid in a URL"),
        ("https:\\\\host.example", "a character that is not valid in a URL"),
        ("https://host.example\\@evil.example", "a character that is not valid in a URL"),
        ("https://[::1", "; its host or port is not valid"),
        ("https://host.example:99999", "; its host or port is not valid"),
        ("https://host.example:port", "; its host or port is not valid"),
    ],
    ids=ascii,
)
def test_addresses_refused(url: str, why: str) -> None:
    """What could send the key in the clear, or elsewhere, is refused with the rule and why."""
    with pytest.raises(ValueError) as caught:
        arguments.base_url(url)

    text = str(caught.value)
    assert text.startswith(RULE)
    assert why in text
    assert type(caught.value) is ValueError
    assert caught.value.__suppress_context__ is (caught.value.__context__ is not None)


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@host.example",
        "https://user:hunter2@[::1",
        "https://user:hunter2@host.example:99999",
        "https://user:hunter2@ho\u2100st.example",
    ],
    ids=ascii,
)
def test_a_password_in_an_address_is_not_shown(url: str) -> None:
    """A password that was pasted into the address is in no message."""
    with pytest.raises(ValueError) as caught:
        arguments.base_url(url)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", [None, 5, b"https://host.example"], ids=repr)
def test_addresses_are_text(url: Any) -> None:
    """An address that is not text is a TypeError that names its type."""
    with pytest.raises(TypeError) as caught:
        arguments.base_url(url)

    assert str(caught.value) == f"base_url must be a str, not {type(url).__name__}"
