"""The routes: what is asked for is exactly what was meant, byte for byte."""

import posixpath
import re
from itertools import product
from urllib.parse import unquote

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async._arguments import clean_handle
from socialfetch_async._protocol.endpoints import (
    BALANCE,
    FOLLOWERS,
    WHOAMI,
    PageRequests,
    Request,
    profile_list,
)
from socialfetch_async.errors import InvalidHandleError
from socialfetch_async.models import Follower, FollowerMetrics, FollowersPage

NASA = "/v1/tiktok/profiles/nasa/followers"


def requests(
    handle: str = "nasa", *, user_id: str | None = None, trim: bool = False
) -> PageRequests[FollowersPage]:
    """Return the requests for one list of followers."""
    return profile_list(FOLLOWERS, handle, user_id=user_id, trim=trim)


@pytest.mark.parametrize(
    ("cursor", "user_id", "trim", "target"),
    [
        (None, None, False, NASA),
        ("1779246345", None, False, f"{NASA}?cursor=1779246345"),
        (None, "7463232156317287456", False, f"{NASA}?userId=7463232156317287456"),
        (None, None, True, f"{NASA}?trim=true"),
        ("c", "7", False, f"{NASA}?cursor=c&userId=7"),
        ("c", None, True, f"{NASA}?cursor=c&trim=true"),
        (None, "7", True, f"{NASA}?userId=7&trim=true"),
        ("c", "7", True, f"{NASA}?cursor=c&userId=7&trim=true"),
        ("a+b%2F c/&=#?", None, False, f"{NASA}?cursor=a%2Bb%252F%20c%2F%26%3D%23%3F"),
        (None, "a&trim=true", False, f"{NASA}?userId=a%26trim%3Dtrue"),
        ("\U0001f680\x00\xe9", None, False, f"{NASA}?cursor=%F0%9F%9A%80%00%C3%A9"),
        ("-._~", None, False, f"{NASA}?cursor=-._~"),
    ],
)
def test_targets(cursor: str | None, user_id: str | None, *, trim: bool, target: str) -> None:
    """The query has cursor, userId and trim only when given, each percent-encoded once."""
    request = requests(user_id=user_id, trim=trim).at(cursor)

    assert request == Request(endpoint=FOLLOWERS, target=target, handle="nasa", cursor=cursor)


def test_pages_of_one_list_differ_by_the_cursor_only() -> None:
    """One object makes the requests of a whole list, in any order."""
    pages = requests(user_id="7")

    targets = [pages.at(cursor).target for cursor in ("a", None, "b", "a")]

    assert targets == [
        f"{NASA}?cursor=a&userId=7",
        f"{NASA}?userId=7",
        f"{NASA}?cursor=b&userId=7",
        f"{NASA}?cursor=a&userId=7",
    ]


def test_routes() -> None:
    """The routes are the documented ones, and a request without a list has no position."""
    assert FOLLOWERS.path == "/v1/tiktok/profiles/{handle}/followers"
    assert (WHOAMI.path, BALANCE.path) == ("/v1/whoami", "/v1/balance")
    asked = Request(WHOAMI, WHOAMI.path)
    assert (asked.handle, asked.cursor) == (None, None)


def follower(handle: str, user_id: str | None, bio: str = "") -> Follower:
    """Return a follower with these ids."""
    return Follower(
        handle=handle,
        bio=bio,
        verified=True,
        private_account=False,
        metrics=FollowerMetrics(followers=1, following=2),
        platform_user_id=user_id,
    )


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (follower("a", "1"), follower("a", "1", bio="changed"), True),
        (follower("a", None), follower("a", None), True),
        (follower("a", "1"), follower("b", "1"), False),
        (follower("a", None), follower("b", None), False),
    ],
    ids=["same", "same, trimmed", "other handle", "other handle, trimmed"],
)
def test_identity(one: Follower, other: Follower, *, same: bool) -> None:
    """A row is the same when its handle is: the vendor's two examples share the numeric id."""
    page = FollowersPage(
        handle="nasa",
        cursor=None,
        lookup_status="found",
        followers=[],
        next_cursor=None,
        has_more=False,
        total_followers=None,
        credits_charged=1,
        request_id="",
        cached=False,
        invalid_rows=0,
    )
    others = [follower("c", None), other]
    assert (FOLLOWERS.identity(page, [others[0], one]) == FOLLOWERS.identity(page, others)) is same


def assert_stays_on_the_route(handle: str) -> bool:
    """Check one handle; return whether it was accepted."""
    try:
        cleaned = clean_handle(handle)
    except InvalidHandleError:
        return False
    target = requests(cleaned).at(None).target
    assert target == f"/v1/tiktok/profiles/{cleaned}/followers"
    # Nothing in between decodes or normalises it into another path.
    assert posixpath.normpath(unquote(target)) == target
    assert re.fullmatch(r"/v1/tiktok/profiles/[A-Za-z0-9._]{1,64}/followers", target)
    return True


NASTY = st.sampled_from(
    [
        *(".", "..", "/", "\\", "%2e", "%2F", "?", "#", "@", " ", "\n", "\x00", ";"),
        *("a", "nasa", "_", "A" * 30, "{handle}", "{0}", "balance"),
        # Characters that look, or normalise, like a dot or a slash; half a character; no width.
        *map(chr, (0x2024, 0x2215, 0xFF0E, 0xD83D, 0x200B)),
    ]
)


@given(
    st.lists(
        st.lists(NASTY, max_size=5).map("".join)
        | st.from_regex(r"\A\s?@?[A-Za-z0-9._]{1,66}\s?\Z")
        | st.text(max_size=6),
        min_size=25,
        max_size=25,
    )
)
@settings(deadline=None, max_examples=80)
def test_no_handle_reaches_another_route(handles: list[str]) -> None:
    """Of 2,000 generated handles each is refused or stays on the followers route."""
    for handle in handles:
        assert_stays_on_the_route(handle)


def test_no_pair_of_characters_reaches_another_route() -> None:
    """Every pair of ASCII characters is refused or stays on the followers route."""
    accepted = sum(
        assert_stays_on_the_route(chr(a) + chr(b)) for a, b in product(range(128), repeat=2)
    )

    # 64 x 64 pairs without "..", and 63 characters (a lone dot is none) after or before white
    # space of ten kinds, or after an @.
    assert accepted == 64 * 64 - 1 + 2 * 10 * 63 + 63


@given(
    cursor=st.text(min_size=1),
    user_id=st.none() | st.text(min_size=1),
    trim=st.booleans(),
)
@settings(deadline=None, max_examples=500)
def test_cursors_survive_byte_for_byte(cursor: str, user_id: str | None, *, trim: bool) -> None:
    """Any cursor and user id come out of the query as they went in, and nothing else does."""
    target = requests(user_id=user_id, trim=trim).at(cursor).target
    path, _, query = target.partition("?")

    assert re.fullmatch(r"[A-Za-z0-9._~%&=-]+", query)
    pairs = [part.split("=") for part in query.split("&")]
    expected = [["cursor", cursor]]
    expected += [["userId", user_id]] if user_id is not None else []
    expected += [["trim", "true"]] if trim else []
    assert path == NASA
    assert [[name, unquote(value, errors="strict")] for name, value in pairs] == expected
