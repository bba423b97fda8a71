"""Paid answers that are valid JSON and not as documented: what can be read is delivered."""

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from socialfetch_async._protocol.decode import decode, decode_page
from socialfetch_async._protocol.endpoints import FOLLOWERS, FOLLOWING, PROFILE, profile_request
from socialfetch_async._protocol.status import Answer
from socialfetch_async.errors import DecodeError
from socialfetch_async.models import (
    Account,
    AccountMetrics,
    AvatarUrls,
    Follower,
    FollowersPage,
    FollowingPage,
    Profile,
    ProfileDetails,
    ProfileMetrics,
)
from tests.protocol.test_decode import (
    ASKED,
    dumped,
    envelope,
    error_of,
    expected_page,
    follower,
    page_of,
    row,
    without,
)


class Absent:
    """In the place of a value: the field is missing. Its text names a test."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


def raw_row(**fields: str) -> bytes:
    """Return a page of one row, some of whose fields are this JSON text."""
    body = dumped(envelope(row(**dict.fromkeys(fields, "HERE"))))
    for text in fields.values():
        body = body.replace(b'"HERE"', text.encode(), 1)
    return body


def changed(name: str, value: Any, *, of: str = "data") -> dict[str, Any]:
    """Return a body of one row with another value in `data`, or without it."""
    body = envelope(row())
    body[of] = without(body[of], name) if value is ABSENT else {**body[of], name: value}
    return body


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1500.0", 1500),
        ("1.5e3", 1500),
        ("15e2", 1500),
        ("-0.0", 0),
        ("9007199254740993.0", 9007199254740992),
        ('"1500"', 1500),
        ('"0"', 0),
        ("-1", -1),
        ('"-1"', -1),
        ("123456789012345678901", 123456789012345678901),
        ("1500.5", None),
        ("1e400", None),
        ("1e300", None),
        ("-1e400", None),
        ("0.0000000000000000000000000000000000000000000000000000000000000001", None),
        ("1" * 5000, None),
        ("1" * 5000 + ".0", None),
        ('"1500.0"', None),
        ('"1,500"', None),
        ('"1_500"', None),
        ('"1.5K"', None),
        ('"\\u0661"', None),
        ('""', None),
        ("true", None),
        ("null", None),
        ("[]", None),
        ("[1500]", None),
        ("{}", None),
    ],
)
def test_counts(text: str, count: int | None) -> None:
    """A whole number is read however it is written; a row without its counts is left out."""
    page = page_of(raw_row(metrics=f'{{"followers": {text}, "following": 2}}'))

    assert [f.metrics.followers for f in page.followers] == ([] if count is None else [count])
    assert page.invalid_rows == (count is None)
    total = page_of(dumped(envelope(totalFollowers="HERE")).replace(b'"HERE"', text.encode()))
    assert total.total_followers == count


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("1", True),
        ("0", False),
        ("1.0", True),
        ('"true"', True),
        ('"False"', False),
        ('"1"', True),
        ("2", None),
        ("-1", None),
        ('"yes"', None),
        ('""', None),
        ("null", None),
        ("[]", None),
        ("[true]", None),
        ("{}", None),
    ],
)
def test_flags(text: str, value: bool | None) -> None:  # noqa: FBT001
    """Yes and no are read where they are plain, and nothing is guessed."""
    page = page_of(raw_row(privateAccount=text))

    assert [f.private_account for f in page.followers] == ([] if value is None else [value])
    assert page.invalid_rows == (value is None)


@pytest.mark.parametrize("name", ["displayName", "avatarUrl", "bio", "platformUserId", "secUid"])
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"x"', "x"),
        ('""', ""),
        ("null", None),
        ("7463232156317287456", "7463232156317287456"),
        ("1779246345.10", "1779246345.10"),
        ("0", "0"),
        ("-5", "-5"),
        ("1e400", "1e400"),
        ("1" * 5000, None),
        ("true", None),
        ("false", None),
        ("[]", None),
        ('["x"]', None),
        ('{"a": 1}', None),
    ],
)
def test_optional_texts(name: str, text: str, value: str | None) -> None:
    """A number is read as it stands; what makes no sense is None, and the row stays."""
    (found,) = page_of(raw_row(**{name: text})).followers

    fields = {"displayName": "display_name", "avatarUrl": "avatar_url", "bio": "bio"}
    ids = {"platformUserId": "platform_user_id", "secUid": "sec_uid"}
    assert found == replace(follower(), **{(fields | ids)[name]: value})


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ([], None),
        ("large", None),
        (5, None),
        (False, None),
        ({"large": 5, "medium": [], "thumb": "t"}, AvatarUrls(large="5", thumb="t")),
        ({"large": {}, "huge": 1}, AvatarUrls()),
    ],
)
def test_pictures(urls: Any, expected: AvatarUrls | None) -> None:
    """Pictures are optional as a whole and one by one."""
    page = page_of(envelope(row(avatarUrls=urls)))

    assert [f.avatar_urls for f in page.followers] == [expected]


def test_each_field_is_read_on_its_own() -> None:
    """A row with everything wrong that may be wrong is a follower."""
    odd = row(
        displayName=7,
        avatarUrl=[],
        bio={"text": "Hello"},
        verified="TRUE",
        privateAccount=0,
        metrics={"followers": "3", "following": 4.0, "likes": []},
        avatarUrls="none",
        platformUserId=12,
        region=[1],
    )

    assert page_of(envelope(odd, row("bob"))).followers == [
        replace(follower(), display_name="7", avatar_url=None, bio=None, platform_user_id="12"),
        follower("bob"),
    ]


def test_of_a_repeated_field_the_last_counts() -> None:
    """In a page as documented and in one that is not: both are read as all JSON readers do."""
    twice = dumped(envelope(row())).replace(b'"bio": "Hello"', b'"bio": "x", "bio": "Hello"')

    assert page_of(twice) == expected_page(follower())
    assert page_of(twice.replace(b'"creditsCharged": 1', b'"creditsCharged": null')) == (
        expected_page(follower())
    )


# -- the position -------------------------------------------------------------------------------

GOES_ON = ("c2", True)
CUT = (None, True)  # the walk ends as missing_cursor
COMPLETE = (None, False)


@pytest.mark.parametrize(
    ("page", "position"),
    [
        ({"nextCursor": "c2"}, GOES_ON),
        ({"nextCursor": "c2", "hasMore": None}, GOES_ON),
        ({"nextCursor": "c2", "hasMore": 1}, GOES_ON),
        ({"nextCursor": "c2", "hasMore": "true"}, GOES_ON),
        ({"nextCursor": "c2", "hasMore": "True"}, GOES_ON),
        ({"nextCursor": "c2", "hasMore": "maybe"}, GOES_ON),
        ({"nextCursor": "c2", "hasMore": []}, GOES_ON),
        ({"nextCursor": "c2", "hasMore": 0}, ("c2", False)),
        ({"nextCursor": "c2", "hasMore": "false"}, ("c2", False)),
        ({"nextCursor": None}, COMPLETE),
        ({"nextCursor": None, "hasMore": None}, COMPLETE),
        ({"nextCursor": None, "hasMore": 0}, COMPLETE),
        ({"hasMore": 0}, COMPLETE),
        ({"hasMore": "false"}, COMPLETE),
        ({"nextCursor": [], "hasMore": False}, COMPLETE),
        ({"nextCursor": None, "hasMore": 1}, CUT),
        ({"hasMore": 1}, CUT),
        ({"nextCursor": False, "hasMore": True}, CUT),
        ({"nextCursor": False}, CUT),
        ({"nextCursor": ""}, ("", True)),
        ({"nextCursor": "", "hasMore": None}, ("", True)),
        ({"nextCursor": "", "hasMore": "true"}, ("", True)),
        ({"nextCursor": 1779246345, "hasMore": True}, ("1779246345", True)),
        ({"nextCursor": 0}, ("0", True)),
        ({"nextCursor": -1, "hasMore": True}, ("-1", True)),
        ({"nextCursor": -1, "hasMore": False}, ("-1", False)),
    ],
    ids=str,
)
@pytest.mark.parametrize("rows", [[row()], [row(bio=5)], []], ids=["a row", "an odd row", "none"])
def test_positions(page: dict[str, Any], position: tuple[str | None, bool], rows: Any) -> None:
    """Whether a list goes on is read where it is plain; nothing ends it silently."""
    found = page_of(envelope(*rows, page=page))

    assert (found.next_cursor, found.has_more) == position
    assert len(found.followers) == len(rows)


@pytest.mark.parametrize(
    "digits", ["1779246345", "1779246345.10", "1e3", "1" * 40, "-0", "1.50E+7"]
)
def test_a_cursor_that_is_a_number_is_asked_for_byte_for_byte(digits: str) -> None:
    """Not as a float of it: another cursor would be another page."""
    body = dumped(envelope(row(), page={"nextCursor": "HERE", "hasMore": True}))

    assert page_of(body.replace(b'"HERE"', digits.encode())).next_cursor == digits


NO_POSITION: dict[str, tuple[Any, str]] = {
    "no page": (ABSENT, "$.data"),
    "page is null": (None, "$.data.page"),
    "page is a list": ([], "$.data.page"),
    "page is empty": ({}, "$.data.page"),
    "other names": ({"next_cursor": "c2", "has_more": True}, "$.data.page"),
    "hasMore is null, no cursor": ({"hasMore": None}, "$.data.page"),
    "hasMore is a text": ({"hasMore": "maybe"}, "$.data.page.hasMore"),
    "hasMore is a list": ({"hasMore": [], "nextCursor": None}, "$.data.page.hasMore"),
    "the cursor is a list": ({"hasMore": True, "nextCursor": []}, "$.data.page.nextCursor"),
    "the cursor is an object": ({"nextCursor": {"id": 5}}, "$.data.page.nextCursor"),
    "the cursor is true": ({"nextCursor": True, "hasMore": True}, "$.data.page.nextCursor"),
}


@pytest.mark.parametrize("kind", NO_POSITION)
def test_a_list_whose_end_is_unknown_is_an_error(kind: str) -> None:
    """Not a complete list, and not one that ends for want of a cursor: its body is kept."""
    page, path = NO_POSITION[kind]
    body = dumped(changed("page", page))

    error = error_of(body)

    assert type(error) is DecodeError
    assert (error.path, error.body) == (path, body)
    # A profile without a list has no next page, whatever its answer says.
    for status in ("private", "not_found", "later"):
        hidden = changed("page", page)
        hidden["data"] |= {"lookupStatus": status, "followers": []}
        found = page_of(hidden)
        assert (found.lookup_status, found.followers) == (status, [])


@pytest.mark.parametrize(("total", "rows"), [(1, 1), (0, 0), (0, 1), (2, 2)])
@pytest.mark.parametrize("page", [ABSENT, None, {}, [], {"hasMore": None}], ids=str)
def test_a_first_page_with_all_rows_needs_no_position(page: Any, total: int, rows: int) -> None:
    """A list that is there as a whole is complete; behind a cursor nobody can say so."""
    body = changed("page", page)
    body["data"] |= {"totalFollowers": total, "followers": [row(str(n)) for n in range(rows)]}

    first = decode_page(FOLLOWERS, "nasa", None, dumped(body))

    assert isinstance(first, FollowersPage)
    assert (first.has_more, first.next_cursor, len(first.followers)) == (False, None, rows)
    later = decode_page(FOLLOWERS, "nasa", "c1", dumped(body))
    assert isinstance(later, DecodeError)
    body["data"]["totalFollowers"] = rows + 1
    short = decode_page(FOLLOWERS, "nasa", None, dumped(body))
    assert isinstance(short, DecodeError)


def test_that_all_rows_are_there_ends_no_list_that_goes_on() -> None:
    """The vendor's count may be too low; a cursor is a cursor."""
    body = envelope(row(), page={"nextCursor": "c2"}, totalFollowers=1)

    first = decode_page(FOLLOWERS, "nasa", None, dumped(body))

    assert isinstance(first, FollowersPage)
    assert (first.has_more, first.next_cursor) == (True, "c2")


# -- the status and the rows --------------------------------------------------------------------


@pytest.mark.parametrize("status", [ABSENT, None, 5, True, [], ["found"], {}], ids=str)
def test_a_status_that_is_missing_beside_rows_is_found(status: Any) -> None:
    """Rows say that there is a list; without them nobody knows, and it is an error."""
    assert page_of(changed("lookupStatus", status)) == expected_page(follower())
    empty = changed("lookupStatus", status)
    empty["data"]["followers"] = []
    error = error_of(empty)
    assert isinstance(error, DecodeError)
    assert error.path == ("$.data" if status is ABSENT else "$.data.lookupStatus")


@pytest.mark.parametrize("rows", [ABSENT, None, {}, "", False, 0], ids=str)
@pytest.mark.parametrize("status", ["private", "hidden", "not_found", "suspended", "complete", ""])
def test_a_profile_without_a_list_needs_no_rows(status: str, rows: Any) -> None:
    """It is that status and no broken answer, which would be bought again."""
    body = changed("followers", rows)
    body["data"] |= {"lookupStatus": status, "page": {"nextCursor": None, "hasMore": False}}

    assert page_of(body) == expected_page(lookup_status=status, next_cursor=None, has_more=False)


@pytest.mark.parametrize("rows", [ABSENT, None, {}, {"0": row()}, "", 5], ids=str)
def test_a_list_without_rows_is_an_error(rows: Any) -> None:
    """Where a profile was found the rows are what was paid for."""
    error = error_of(changed("followers", rows))

    assert isinstance(error, DecodeError)
    assert error.path == ("$.data" if rows is ABSENT else "$.data.followers")
    assert (error.request_id, error.credits_charged) == ("req_1", 1)


@pytest.mark.parametrize("rows", [ABSENT, None])
def test_an_empty_list_may_be_null(rows: Any) -> None:
    """As servers in Go write it: the vendor's count of 0 says that nothing is missing."""
    body = changed("followers", rows)
    body["data"] |= {"totalFollowers": 0, "page": {"nextCursor": None, "hasMore": False}}

    assert page_of(body) == expected_page(total_followers=0, next_cursor=None, has_more=False)


def test_rows_in_another_place_are_not_looked_for() -> None:
    """What is nested once more is an answer nobody can read."""
    for body in ({"data": envelope(row())}, {"data": [envelope(row())["data"]]}):
        assert isinstance(error_of(body), DecodeError)


# -- the meta -----------------------------------------------------------------------------------


@pytest.mark.parametrize("meta", [ABSENT, None, [], "x", 5, True, {}], ids=str)
def test_a_page_without_meta_is_a_page(meta: Any) -> None:
    """The price counts as 1 and the request id is empty; no page is lost for it."""
    body = envelope(row())
    body = without(body, "meta") if meta is ABSENT else {**body, "meta": meta}

    assert page_of(body) == expected_page(follower(), request_id="")


@pytest.mark.parametrize(
    ("meta", "request_id", "price", "maybe"),
    [
        ({"requestId": "r", "creditsCharged": 5}, "r", 5, 5),
        ({"requestId": "r", "creditsCharged": 0}, "r", 0, 0),
        ({"requestId": "r", "creditsCharged": 2.0}, "r", 2, 2),
        ({"requestId": "r", "creditsCharged": -1}, "r", None, 1),
        ({"requestId": "r", "creditsCharged": 10**6}, "r", None, 1),
        ({"requestId": ["r"], "creditsCharged": "5"}, None, None, 1),
        ({}, None, None, 1),
        (None, None, None, 1),
        ([], None, None, 1),
    ],
    ids=str,
)
def test_an_error_has_what_could_be_read_of_the_meta(
    meta: Any, request_id: str | None, price: int | None, maybe: int
) -> None:
    """So that the vendor's support can find it, and the price is counted."""
    error = error_of({"data": {"lookupStatus": "found"}, "meta": meta})

    assert isinstance(error, DecodeError)
    assert (error.request_id, error.credits_charged) == (request_id, price)
    assert error.maybe_charged == maybe


# -- the other routes ---------------------------------------------------------------------------


def test_accounts_are_read_field_by_field() -> None:
    """Only the handle and `verified` are required of them."""
    odd = {"handle": "bo", "verified": 1, "privateAccount": "x", "accountCreatedAt": 1.5}
    worse = {"handle": "cy", "verified": "false", "accountCreatedAt": [], "region": 49}
    counts = {"handle": "di", "verified": True, "metrics": {"followers": "many", "posts": 3.0}}
    bad = {"handle": "ed"}
    body = {
        "data": {"accounts": [odd, bad, worse, counts], "page": {"nextCursor": 7, "hasMore": 1}},
    }

    page = decode_page(FOLLOWING, "nasa", None, dumped(body))

    assert page == FollowingPage(
        handle="nasa",
        cursor=None,
        lookup_status="found",
        accounts=[
            Account(handle="bo", verified=True, account_created_at=1.5),
            Account(handle="cy", verified=False, region="49"),
            Account(handle="di", verified=True, metrics=AccountMetrics(posts=3)),
        ],
        next_cursor="7",
        has_more=True,
        total_following=None,
        credits_charged=1,
        request_id="",
        cached=False,
        invalid_rows=1,
    )


def profile_of(data: Any) -> Any:
    """Decode a profile."""
    request = profile_request(PROFILE, "ada")
    return decode(request, Answer(200, dumped({"data": data, "meta": {"creditsCharged": 1}})))


def test_a_profile_is_read_field_by_field() -> None:
    """It is paid for like a page."""
    details = {"handle": "ada", "bio": [], "verified": "true", "displayName": 5}
    counts = {"followers": 5.0, "likes": {}, "posts": "7"}

    assert profile_of({"profile": details, "metrics": counts}) == Profile(
        handle="ada",
        lookup_status="found",
        profile=ProfileDetails(handle="ada", verified=True, display_name="5"),
        metrics=ProfileMetrics(followers=5, posts=7),
        credits_charged=1,
        request_id="",
        cached=False,
    )
    assert profile_of({"lookupStatus": "private", "profile": []}).profile is None
    assert profile_of({"lookupStatus": "found", "metrics": counts}).metrics.posts == 7


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({}, "$.data"),
        ({"lookupStatus": "found"}, "$.data.profile"),
        ({"lookupStatus": "found", "profile": {"handle": 1}}, "$.data.profile"),
        ({"lookupStatus": 5, "profile": None}, "$.data"),
        ([], "$.data"),
        (None, "$.data"),
    ],
    ids=str,
)
def test_a_profile_nobody_can_read(data: Any, path: str) -> None:
    """An error with the field, also where the answer is valid in every part."""
    error = profile_of(data)

    assert isinstance(error, DecodeError)
    assert error.path == path


# -- everything at once -------------------------------------------------------------------------

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
PLACES = [
    ("data", "lookupStatus"),
    ("data", "followers"),
    ("data", "page"),
    ("data", "totalFollowers"),
    ("data", "page", "hasMore"),
    ("data", "page", "nextCursor"),
    ("meta",),
    ("meta", "requestId"),
    ("meta", "creditsCharged"),
    ("data", "followers", 0),
    *(("data", "followers", 0, name) for name in row()),
    ("data", "followers", 0, "metrics", "followers"),
]


@given(st.lists(st.tuples(st.sampled_from(PLACES), ANY_JSON), min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_any_change_of_shape_is_a_page_or_an_error(changes: list[tuple[Any, Any]]) -> None:
    """No row but a changed one is lost, types are as documented, and nothing ends silently."""
    body = json.loads(json.dumps(envelope(row("a"), row("b"))))
    untouched = True
    for place, value in changes:
        at = body
        try:
            for name in place[:-1]:
                at = at[name]
            at[place[-1]] = value
        except (TypeError, IndexError, KeyError):
            continue
        untouched &= place[:2] != ("data", "followers") or len(place) > 2

    result = decode(ASKED, Answer(200, dumped(body)))

    if isinstance(result, DecodeError):
        assert result.body == dumped(body)
        return
    assert isinstance(result, FollowersPage)
    if untouched:
        assert result.followers[-1] == follower("b")
        assert len(result.followers) + result.invalid_rows == 2
    for found in result.followers:
        assert_typed(found)
    if not result.has_more:
        page = body["data"]["page"]
        assert result.lookup_status != "found" or "nextCursor" in page or "hasMore" in page


def assert_typed(found: Follower) -> None:
    """Check the documented types, which a Struct made field by field does not check itself."""
    optional = (str, type(None))
    assert type(found.handle) is str
    assert type(found.verified) is type(found.private_account) is bool
    assert type(found.metrics.followers) is type(found.metrics.following) is int
    for value in (found.display_name, found.bio, found.avatar_url, found.sec_uid):
        assert isinstance(value, optional)
