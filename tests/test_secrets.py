"""Secrets in the arguments of a client: in no traceback, even with locals, whatever is wrong."""

import traceback
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from socialfetch_async import (
    FollowersRun,
    FollowerStream,
    FollowingRun,
    FollowingStream,
    Journal,
    SocialFetchClient,
    export_followers,
)
from socialfetch_async.journal import SavedRun
from tests import scripted

KEY = "sfk_secret_0123456789abcdef"
PROXY = "http://somebody:p%40Hush@127.0.0.1:3128"


def shown_by(error: BaseException) -> str:
    """Return its traceback with locals, without the frames of this file."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours: traceback.TracebackException | None = told
    while ours is not None:
        ours.stack[:] = [frame for frame in ours.stack if frame.filename != __file__]
        ours = ours.__context__ or ours.__cause__
    return "".join(told.format())


WRONG: dict[str, dict[str, Any]] = {
    "nothing about it": {"timeout": -1},
    "timeout": {"timeout": "x"},
    "retry": {"retry": 3},
    "session": {"session": object()},
    "base_url": {"base_url": "http://api.example.com"},
    "on_event": {"on_event": 1},
    "limiter": {"limiter": 1},
    "max_concurrency": {"max_concurrency": 0},
    "max_response_bytes": {"max_response_bytes": 0},
    "trace_configs": {"trace_configs": [1]},
    "key with a space": {"api_key": f"{KEY} "},
    "key as bytes": {"api_key": KEY.encode()},
    "key in a list": {"api_key": [KEY]},
    "scheme of the proxy": {"proxy": PROXY.replace("http", "socks5")},
    "port of the proxy": {"proxy": PROXY.replace("3128", "x")},
    "no port": {"proxy": PROXY.replace(":3128", "")},
    "a slash in the password": {"proxy": PROXY.replace("%40", "/")},
    "brackets in the password": {"proxy": PROXY.replace("%40", "[")},
    "a space in the password": {"proxy": PROXY.replace("%40", " ")},
    "proxy as bytes": {"proxy": PROXY.encode()},
    "proxy as a URL": {"proxy": [PROXY]},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_constructor_that_fails_shows_no_secret(name: str) -> None:
    """No frame of the library holds it bare, nor does the message."""
    arguments = {"api_key": KEY, "proxy": PROXY, **WRONG[name]}
    with pytest.raises((TypeError, ValueError)) as caught:
        SocialFetchClient(**arguments)
    text = shown_by(caught.value)
    assert "client.py" in text
    assert KEY not in text
    assert "Hush" not in text
    assert KEY not in str(caught.value)
    assert "Hush" not in str(caught.value)


def test_a_key_of_the_environment_is_hidden_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is wrapped where it is read."""
    monkeypatch.setenv("SOCIALFETCH_API_KEY", KEY)
    with pytest.raises(ValueError) as caught:
        SocialFetchClient(max_concurrency=0)
    assert KEY not in shown_by(caught.value)


@pytest.mark.parametrize(
    ("proxy", "problem"),
    [
        ("socks5://127.0.0.1:1080", "it has another scheme"),
        ("127.0.0.1:3128", "its scheme is missing"),
        ("//127.0.0.1:3128", "its scheme is missing"),
        ("", "its scheme is missing"),
        ("http://127.0.0.1", "its host or port is missing"),
        ("http://:3128", "its host or port is missing"),
        ("http://127.0.0.1:0", "its host or port is missing"),
        ("http://127.0.0.1:99999", "its host or port is not valid"),
        ("http://127.0.0.1:3128/x", "it has a path, a query or a fragment"),
        ("http://127.0.0.1:3128?x", "it has a path, a query or a fragment"),
        ("http://127.0.0.1:31 28", "it has a character that is not valid in a URL"),
        ("http://127.0.0.1:3128\n", "it has a character that is not valid in a URL"),
    ],
)
def test_what_is_no_proxy_is_refused(proxy: str, problem: str) -> None:
    """The sentence says what it must be, and what is wrong."""
    with pytest.raises(ValueError) as caught:
        SocialFetchClient(KEY, proxy=proxy)
    expected = f"proxy must be http://[user:password@]host:port, or https://; {problem}"
    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize("proxy", [1, b"http://127.0.0.1:3128", True])
def test_a_proxy_of_another_type_is_refused(proxy: Any) -> None:
    """As any other argument is."""
    with pytest.raises(
        TypeError, match=f"^proxy must be a str or None, not {type(proxy).__name__}$"
    ):
        SocialFetchClient(KEY, proxy=proxy)


@pytest.mark.parametrize(
    "proxy",
    [
        "http://127.0.0.1:3128",
        "http://127.0.0.1:3128/",
        "https://proxy.example.com:443",
        "http://user@[::1]:3128",
        "http://user:@proxy:3128",
        PROXY,
    ],
)
def test_a_proxy_is_taken(proxy: str) -> None:
    """With a user name, a password, both or neither."""
    client = SocialFetchClient(KEY, proxy=proxy)
    assert "Hush" not in f"{client!r} {vars(client)!r} {vars(client._transport)!r}"


@pytest.mark.parametrize(
    "kind",
    [
        SocialFetchClient,
        FollowerStream,
        FollowingStream,
        FollowersRun,
        FollowingRun,
        Journal,
        SavedRun,
    ],
)
def test_what_is_half_made_can_be_shown(kind: type[Any]) -> None:
    """A traceback with locals shows `self` of a constructor that failed."""
    assert repr(object.__new__(kind)) == f"<{kind.__name__}>"


async def test_a_session_may_have_a_proxy_argument_beside_it() -> None:
    """The proxy goes with each request."""
    async with aiohttp.ClientSession() as session:
        SocialFetchClient(KEY, session=session, proxy=PROXY)


def files_with_the_key(folder: Path) -> list[str]:
    """Return the names of the files that hold it."""
    return [file.name for file in folder.iterdir() if KEY.encode() in file.read_bytes()]


async def test_a_page_that_echoes_the_key_is_kept_without_it(tmp_path: Path) -> None:
    """Not in a row, the body, a journal or a file."""
    body = scripted.page(["ada"]).partition(b"\r\n\r\n")[2]
    body = body.replace(b'"bio": null', f'"bio": "{KEY}", "apiKey": "{KEY}"'.encode())
    async with (
        scripted.Scripted(scripted.http(200, body)) as api,
        SocialFetchClient(KEY, base_url=api.base_url) as client,
    ):
        page = await client.get_followers_page("ada")
        assert page.followers[0].bio == "[api key]"
        assert KEY.encode() not in (page.body or b"")
        await export_followers(client, ["ada"], tmp_path, format="csv")
    assert files_with_the_key(tmp_path) == []
