"""What an answer means: every documented body, and everything that can be wrong with one."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import asdict

from socialfetch_async._protocol.decode import decode
from socialfetch_async._protocol.endpoints import (
    BALANCE,
    FOLLOWERS,
    WHOAMI,
    Request,
    profile_list,
)
from socialfetch_async._protocol.envelope import HIGHEST_CREDIBLE_PRICE
from socialfetch_async._protocol.status import Answer
from socialfetch_async.errors import (
    APIStatusError,
    DecodeError,
    GatewayError,
    InsufficientCreditsError,
    PayloadError,
    ServiceUnavailableError,
    SocialFetchError,
)
from socialfetch_async.models import (
    AvatarUrls,
    Balance,
    Follower,
    FollowerMetrics,
    FollowersPage,
    Subscription,
    User,
)

CONTRACT = Path(__file__).parent.parent / "contract"
KEY = "sfk_0123456789"
ASKED = profile_list(FOLLOWERS, "nasa", user_id=None, trim=False).at("c1")
ASKED_WHOAMI = Request(WHOAMI, WHOAMI.path)
ASKED_BALANCE = Request(BALANCE, BALANCE.path)
DEEP = "[" * 1_000_000 + "]" * 1_000_000


def row(handle: str = "ada", **changed: Any) -> dict[str, Any]:
    """Return a row as a trimmed page has it, with some fields changed."""
    return {
        "handle": handle,
        "displayName": "Ada",
        "avatarUrl": "https://cdn.example/ada.webp",
        "bio": "Hello",
        "verified": True,
        "privateAccount": False,
        "metrics": {"followers": 3, "following": 4},
        **changed,
    }


def without(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the values without one of them."""
    return {key: value for key, value in values.items() if key != name}


def follower(handle: str = "ada", name: str | None = "Ada") -> Follower:
    """Return the follower that `row` stands for."""
    return Follower(
        handle=handle,
        display_name=name,
        avatar_url="https://cdn.example/ada.webp",
        bio="Hello",
        verified=True,
        private_account=False,
        metrics=FollowerMetrics(followers=3, following=4),
    )


def envelope(
    *rows: Any,
    page: Any = None,
    meta: Any = None,
    **data: Any,
) -> dict[str, Any]:
    """Return a body as documented, with these rows and some fields changed."""
    return {
        "data": {
            "lookupStatus": "found",
            "followers": list(rows),
            "page": {"nextCursor": "c2", "hasMore": True} if page is None else page,
            "totalFollowers": 70,
            **data,
        },
        "meta": {"requestId": "req_1", "creditsCharged": 1, "version": "v1"}
        if meta is None
        else meta,
    }


def dumped(body: Any) -> bytes:
    """Return the body as bytes; lone surrogates become escapes, as servers send them."""
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def with_bytes(body: Any, **replaced: bytes) -> bytes:
    """Return the body with bytes that no JSON writer makes in the place of words."""
    raw = dumped(body)
    for word, there in replaced.items():
        assert word.encode() in raw
        raw = raw.replace(word.encode(), there)
    return raw


def page_of(body: Any, request: Request[Any] = ASKED) -> FollowersPage:
    """Decode a 200 that has to be a page."""
    result = decode(request, Answer(200, dumped(body)), secret=KEY)
    assert type(result) is FollowersPage
    return result


def error_of(
    body: Any, status: int = 200, *, request: Request[Any] = ASKED, secret: str = KEY
) -> SocialFetchError:
    """Decode an answer that has to be an error."""
    result = decode(request, Answer(status, dumped(body)), secret=secret)
    assert isinstance(result, SocialFetchError)
    assert (result.handle, result.cursor) == (request.handle, request.cursor)
    assert result.retry_after is None
    return result


def expected_page(*followers: Follower, **changed: Any) -> FollowersPage:
    """Return the page that `envelope` stands for, with some fields changed."""
    fields: dict[str, Any] = {
        "handle": "nasa",
        "cursor": "c1",
        "lookup_status": "found",
        "followers": list(followers),
        "next_cursor": "c2",
        "has_more": True,
        "total_followers": 70,
        "credits_charged": 1,
        "request_id": "req_1",
        "cached": False,
        "invalid_rows": 0,
    }
    return FollowersPage(**fields | changed)


# -- the vendor's examples ----------------------------------------------------------------------

PICTURE = (
    "https://p16-pu-no.tiktokcdn-eu.com/tos-no1a-avt-0068c001-no/"
    "5e1cb895c26c2444bacc407a5b3d9ce3~tplv-tiktokx-cropcenter-q:{0}:{0}:q75.webp"
)
PICTURES = AvatarUrls(
    large=PICTURE.format(1080), medium=PICTURE.format(720), thumb=PICTURE.format(100)
)
SEC_UID = "MS4wLjABAAAAUleysic3f_A1ewqwn-lVlTHezlxxDcEt7X1Py0ohks-CzQ6qjHcZIhb1gtVNL4fy"

EXAMPLES: dict[str, tuple[Request[Any], Any]] = {
    "followers-first_page": (
        ASKED,
        FollowersPage(
            handle="nasa",
            cursor="c1",
            lookup_status="found",
            followers=[
                Follower(
                    handle="jamal.voyage",
                    display_name="Jamal Voyage",
                    avatar_url=PICTURE.format(300),
                    bio="",
                    verified=False,
                    private_account=False,
                    metrics=FollowerMetrics(followers=0, following=5),
                    avatar_urls=PICTURES,
                    platform_user_id="7463232156317287456",
                    sec_uid=SEC_UID,
                )
            ],
            next_cursor="1779246345",
            has_more=True,
            total_followers=4691921,
            credits_charged=1,
            request_id="req_01example_followers_page_1",
            cached=False,
            invalid_rows=0,
        ),
    ),
    "followers-paginated": (
        ASKED,
        FollowersPage(
            handle="nasa",
            cursor="c1",
            lookup_status="found",
            followers=[
                Follower(
                    handle="example.follower.page2",
                    display_name="Page Two Follower",
                    avatar_url=PICTURE.format(300),
                    bio="",
                    verified=False,
                    private_account=False,
                    metrics=FollowerMetrics(followers=0, following=5),
                    avatar_urls=PICTURES,
                    platform_user_id="7463232156317287456",
                    sec_uid=SEC_UID,
                )
            ],
            next_cursor="1779240839",
            has_more=True,
            total_followers=4691922,
            credits_charged=1,
            request_id="req_01example_followers_page_2",
            cached=False,
            invalid_rows=0,
        ),
    ),
    "followers-trimmed": (
        ASKED,
        FollowersPage(
            handle="nasa",
            cursor="c1",
            lookup_status="found",
            followers=[
                Follower(
                    handle="jamal.voyage",
                    display_name="Jamal Voyage",
                    avatar_url=PICTURE.format(300),
                    bio="",
                    verified=False,
                    private_account=False,
                    metrics=FollowerMetrics(followers=0, following=5),
                    avatar_urls=None,
                    platform_user_id=None,
                    sec_uid=None,
                )
            ],
            next_cursor="1779246412",
            has_more=True,
            total_followers=4691922,
            credits_charged=1,
            request_id="req_01example_followers_trimmed",
            cached=False,
            invalid_rows=0,
        ),
    ),
    **{
        f"followers-{name}": (
            ASKED,
            FollowersPage(
                handle="nasa",
                cursor="c1",
                lookup_status=status,
                followers=[],
                next_cursor=None,
                has_more=False,
                total_followers=total,
                credits_charged=1,
                request_id=f"req_01example_followers_{name}",
                cached=False,
                invalid_rows=0,
            ),
        )
        for name, status, total in [
            ("empty", "found", 0),
            ("hidden", "hidden", None),
            ("private", "private", None),
            ("not_found", "not_found", None),
        ]
    },
    "whoami": (ASKED_WHOAMI, User(id="usr_example", name="Example", email=None)),
    "balance": (
        ASKED_BALANCE,
        Balance(
            balance=59816,
            billing_alert="none",
            payg=9816,
            payg_spendable=9816,
            grace_debt_credits=0,
            refill_state="healthy",
            subscription_included_remaining=50000,
            subscription_included_total=50000,
            subscription=Subscription(
                tier="scale", status="active", period_end="2026-08-01T00:00:00.000Z"
            ),
            collection_status="current",
        ),
    ),
}
ERROR_EXAMPLES: dict[str, tuple[type[APIStatusError], dict[str, Any]]] = {
    "error-402": (
        InsufficientCreditsError,
        {
            "summary": 'the API responded with 402 insufficient_credits ("Example message.").',
            "status": 402,
            "code": "insufficient_credits",
            "message": "Example message.",
            "checkout_url": "https://app.example.invalid/checkout",
            "request_id": "req_example_402",
            "handle": "nasa",
            "cursor": "c1",
            "attempts": 0,
            "maybe_charged": False,
            "retry_after": None,
        },
    ),
    "error-503": (
        ServiceUnavailableError,
        {
            "summary": 'the API responded with 503 temporarily_unavailable ("Example message.").',
            "status": 503,
            "code": "temporarily_unavailable",
            "message": "Example message.",
            "request_id": "req_example_503",
            "handle": "nasa",
            "cursor": "c1",
            "attempts": 0,
            "maybe_charged": False,
            "retry_after": None,
        },
    ),
}


def test_every_example_is_in_a_table() -> None:
    """Each body in tests/contract is compared with what it means."""
    assert {path.stem for path in CONTRACT.iterdir()} == {*EXAMPLES, *ERROR_EXAMPLES}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples(name: str) -> None:
    """Each of the vendor's bodies decodes to the documented value, field by field."""
    request, expected = EXAMPLES[name]

    result = decode(request, Answer(200, (CONTRACT / f"{name}.json").read_bytes()), secret=KEY)

    assert type(result) is type(expected)
    assert result == expected


@pytest.mark.parametrize("name", ERROR_EXAMPLES)
def test_error_examples(name: str) -> None:
    """Each of the vendor's error bodies becomes the error of its status, field by field."""
    kind, attributes = ERROR_EXAMPLES[name]

    error = error_of((CONTRACT / f"{name}.json").read_bytes(), int(name[-3:]))

    assert type(error) is kind
    assert vars(error) == attributes


# -- pages as documented ------------------------------------------------------------------------


def test_a_page() -> None:
    """A page carries what was asked and what came."""
    assert page_of(envelope(row(), row("bob"))) == expected_page(follower(), follower("bob"))


def test_the_first_page_has_no_cursor() -> None:
    """A page that was asked for without a cursor says so."""
    first = profile_list(FOLLOWERS, "nasa", user_id=None, trim=False).at(None)

    assert page_of(envelope(row()), first) == expected_page(follower(), cursor=None)


@pytest.mark.parametrize("status", [200, 201, 206, 299])
def test_every_2xx_is_read(status: int) -> None:
    """A page is a page with every status of success."""
    assert decode(ASKED, Answer(status, dumped(envelope(row())))) == expected_page(follower())


@pytest.mark.parametrize("status", ["hidden", "private", "not_found", "suspended", "", "Found"])
def test_any_lookup_status_passes(status: str) -> None:
    """A lookup status is passed through as it came, also one that is not documented yet."""
    assert page_of(envelope(lookupStatus=status)) == expected_page(lookup_status=status)


def test_unknown_fields_are_ignored() -> None:
    """Fields that the vendor adds later, at any level, change nothing."""
    body = envelope(
        row(region="NO", metrics={"followers": 3, "following": 4, "posts": 9}),
        page={"nextCursor": "c2", "hasMore": True, "size": 20},
        meta={"requestId": "req_1", "creditsCharged": 1, "version": "v2", "node": [1]},
        profile={"handle": 5},
    )

    assert page_of({**body, "links": None}) == expected_page(follower())


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("displayName", "display_name"),
        ("avatarUrl", "avatar_url"),
        ("bio", "bio"),
        ("avatarUrls", "avatar_urls"),
        ("platformUserId", "platform_user_id"),
        ("secUid", "sec_uid"),
    ],
)
@pytest.mark.parametrize("how", ["null", "absent"])
def test_optional_fields_read_none(name: str, field: str, how: str) -> None:
    """An optional or nullable field that is null or absent reads None, and the row is valid."""
    full = row(avatarUrls={"large": "l"}, platformUserId="1", secUid="s")
    there = page_of(envelope(full)).followers[0]
    came = page_of(envelope({**full, name: None} if how == "null" else without(full, name)))

    assert getattr(there, field) is not None
    assert came.invalid_rows == 0
    assert getattr(came.followers[0], field) is None


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        ({}, AvatarUrls()),
        ({"large": "l"}, AvatarUrls(large="l")),
        ({"medium": "m", "thumb": None}, AvatarUrls(medium="m")),
        ({"large": "l", "medium": "m", "thumb": "t"}, AvatarUrls("l", "m", "t")),
    ],
    ids=str,
)
def test_avatar_urls(urls: dict[str, Any], expected: AvatarUrls) -> None:
    """Each of the three pictures may be missing."""
    assert page_of(envelope(row(avatarUrls=urls))).followers[0].avatar_urls == expected


@pytest.mark.parametrize(
    ("page", "cursor", "more"),
    [
        ({"hasMore": True}, None, True),
        ({"hasMore": True, "nextCursor": None}, None, True),
        ({"hasMore": True, "nextCursor": ""}, "", True),
        ({"hasMore": False, "nextCursor": "c9"}, "c9", False),
        ({"hasMore": False, "nextCursor": "a\ufffd\x00"}, "a\ufffd\x00", False),
    ],
    ids=repr,
)
def test_positions(page: dict[str, Any], cursor: str | None, *, more: bool) -> None:
    """The position is passed on as it came; what it means is the walk's business."""
    assert page_of(envelope(row(), page=page)) == expected_page(
        follower(), next_cursor=cursor, has_more=more
    )


def test_a_page_is_not_touched_by_retry_after() -> None:
    """A Retry-After on a page that came has no meaning."""
    answer = Answer(200, dumped(envelope(row())), retry_after=5.0)

    assert decode(ASKED, answer) == expected_page(follower())


# -- a broken price, id or total ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "counted"),
    [
        (0, 0),
        (1, 1),
        (2, 2),
        (1000, 1000),
        (1001, 1),
        (10**30, 1),
        (-1, 1),
        (-1000, 1),
        (True, 1),
        (False, 1),
        (None, 1),
        ("5", 1),
        (1.0, 1),
        (2.0, 2),
        (2.5, 1),
        ([5], 1),
        ({"credits": 5}, 1),
    ],
    ids=repr,
)
@pytest.mark.parametrize("bad_rows", [0, 1], ids=["good rows", "a bad row"])
def test_prices(price: Any, counted: int, bad_rows: int) -> None:
    """A price that is no credible number counts as one credit, and loses nothing else."""
    meta = {"requestId": "req_1", "creditsCharged": price, "cached": True}
    rows = [row(), *[None] * bad_rows, row("bob")]

    assert page_of(envelope(*rows, meta=meta)) == expected_page(
        follower(),
        follower("bob"),
        credits_charged=counted,
        cached=True,
        invalid_rows=bad_rows,
    )


def test_the_highest_credible_price() -> None:
    """No page is believed to cost more than 1,000 credits."""
    assert HIGHEST_CREDIBLE_PRICE == 1000


@pytest.mark.parametrize(
    ("meta", "changed"),
    [
        ({}, {"request_id": "", "credits_charged": 1}),
        ({"requestId": "req_1"}, {"credits_charged": 1}),
        ({"creditsCharged": 3}, {"request_id": "", "credits_charged": 3}),
        ({"creditsCharged": 3, "requestId": None}, {"request_id": "", "credits_charged": 3}),
        ({"creditsCharged": 3, "requestId": 17}, {"request_id": "", "credits_charged": 3}),
        ({"creditsCharged": 3, "requestId": ["r"]}, {"request_id": "", "credits_charged": 3}),
        ({"creditsCharged": 3, "requestId": "r"}, {"request_id": "r", "credits_charged": 3}),
    ],
    ids=repr,
)
def test_broken_meta(meta: dict[str, Any], changed: dict[str, Any]) -> None:
    """A paid page is not lost for a request id or a price that is missing or broken."""
    assert page_of(envelope(row(), meta=meta)) == expected_page(follower(), **changed)


@pytest.mark.parametrize(
    ("cached", "shown"),
    [(True, True), (False, False), (None, False), ("true", False), (1, False), ([], False)],
    ids=repr,
)
@pytest.mark.parametrize("price", [2, "2"], ids=["good price", "bad price"])
def test_cached(cached: Any, *, shown: bool, price: Any) -> None:
    """A page says that it came from the vendor's cache only when the answer clearly does."""
    meta = {"requestId": "req_1", "creditsCharged": price, "cached": cached}

    page = page_of(envelope(row(), meta=meta))

    assert (page.cached, page.followers, page.invalid_rows) == (shown, [follower()], 0)


@pytest.mark.parametrize(
    ("total", "shown"),
    [
        (0, 0),
        (4_691_921, 4_691_921),
        (None, None),
        ("70", 70),
        (70.0, 70),
        ("7e1", None),
        (70.5, None),
        (True, None),
        (False, None),
        ([70], None),
        ({}, None),
    ],
    ids=repr,
)
@pytest.mark.parametrize("bad_rows", [0, 2], ids=["good rows", "bad rows"])
def test_totals(total: Any, shown: int | None, bad_rows: int) -> None:
    """A total that is no whole number reads None: it is shown only, so no page is lost for it."""
    body = envelope(row(), *[5] * bad_rows, totalFollowers=total)

    assert page_of(body) == expected_page(follower(), total_followers=shown, invalid_rows=bad_rows)


def test_an_absent_total() -> None:
    """A total that is not there reads None."""
    body = envelope(row())
    body["data"] = without(body["data"], "totalFollowers")

    assert page_of(body) == expected_page(follower(), total_followers=None)


# -- broken rows --------------------------------------------------------------------------------

BAD_ROWS: dict[str, Any] = {
    "null": None,
    "number": 5,
    "text": "ada",
    "list": [row()],
    "empty object": {},
    "no handle": without(row(), "handle"),
    "empty handle": row(""),
    "null handle": {**row(), "handle": None},
    "numeric handle": {**row(), "handle": 5},
    "no verified": without(row(), "verified"),
    "verified is another text": row(verified="yes"),
    "verified is another number": row(verified=2),
    "verified is null": row(verified=None),
    "no privateAccount": without(row(), "privateAccount"),
    "privateAccount is null": row(privateAccount=None),
    "no metrics": without(row(), "metrics"),
    "metrics is null": row(metrics=None),
    "metrics is empty": row(metrics={}),
    "no following": row(metrics={"followers": 1}),
    "metrics is a list": row(metrics=[1, 2]),
    "followers is another text": row(metrics={"followers": "many", "following": 1}),
    "followers is a part": row(metrics={"followers": 1.5, "following": 1}),
    "followers is a bool": row(metrics={"followers": True, "following": 1}),
    "followers is endless": row(metrics={"followers": float("1e300"), "following": 1}),
    "a row inside": {"user": row()},
    "following is null": row(metrics={"followers": 1, "following": None}),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_bad_row(kind: str, position: int) -> None:
    """A row that is not a follower is counted and left out; the others come, in order."""
    rows = [row("a"), row("b")]
    rows.insert(position, BAD_ROWS[kind])

    assert page_of(envelope(*rows)) == expected_page(follower("a"), follower("b"), invalid_rows=1)


def test_all_rows_bad() -> None:
    """A page without one valid row is still a page, with its price and its cursor."""
    body = envelope(*BAD_ROWS.values())

    assert page_of(body) == expected_page(invalid_rows=len(BAD_ROWS))


@given(st.lists(st.sampled_from([None, *BAD_ROWS]), max_size=12))
@settings(deadline=None, max_examples=200)
def test_any_mixture_of_rows(kinds: list[str | None]) -> None:
    """Whichever rows are bad, the others come in order and the bad ones are counted."""
    rows = [row(f"u{n}") if kind is None else BAD_ROWS[kind] for n, kind in enumerate(kinds)]
    good = [follower(f"u{n}") for n, kind in enumerate(kinds) if kind is None]

    assert page_of(envelope(*rows)) == expected_page(*good, invalid_rows=len(kinds) - len(good))


def test_a_bad_row_and_a_bad_price_together() -> None:
    """Several breaks in one page are each repaired on their own."""
    meta = {"requestId": None, "creditsCharged": "free", "cached": 1}
    body = envelope(row(), None, meta=meta, totalFollowers="many", lookupStatus="odd")

    assert page_of(body) == expected_page(
        follower(),
        lookup_status="odd",
        total_followers=None,
        credits_charged=1,
        request_id="",
        invalid_rows=1,
    )


# -- broken text --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (envelope(row(displayName="Zo\ud83d")), expected_page(follower(name="Zo?"))),
        (envelope(row(displayName="\ude00Zo")), expected_page(follower(name="?Zo"))),
        (
            envelope(row(displayName="\ud83d"), row("bob", displayName="\U0001f600 \xe9")),
            expected_page(follower(name="?"), follower("bob", "\U0001f600 \xe9")),
        ),
        (envelope(row(signature="\ud83d")), expected_page(follower())),
        (envelope(row(), extra={"deep": ["\ud83d"]}), expected_page(follower())),
        (envelope(row(), **{"\ud83d": 1}), expected_page(follower())),
        (
            with_bytes(envelope(row(displayName="ZZ")), ZZ=b"\xff"),
            expected_page(follower(name="\ufffd")),
        ),
        (
            with_bytes(envelope(row(displayName="aZZb")), ZZ=b"\xf0\x9f\x98"),
            expected_page(follower(name="a\ufffdb")),
        ),
        (
            with_bytes(envelope(row(displayName="ZZ")), ZZ=b"\xed\xa0\xbd"),
            expected_page(follower(name="\ufffd\ufffd\ufffd")),
        ),
        (with_bytes(envelope(row(signature="ZZ")), ZZ=b"\xff"), expected_page(follower())),
        (
            with_bytes(envelope(row(displayName="ZZ", bio="Hello"), row("b")), ZZ="\xe9".encode()),
            expected_page(follower(name="\xe9"), follower("b")),
        ),
        (b"\xef\xbb\xbf" + dumped(envelope(row())), expected_page(follower())),
        (
            b"\xef\xbb\xbf" + dumped(envelope(row(), None)),
            expected_page(follower(), invalid_rows=1),
        ),
        (
            b"\xef\xbb\xbf" + with_bytes(envelope(row(displayName="\ud83dZZ")), ZZ=b"\xff"),
            expected_page(follower(name="?\ufffd")),
        ),
        (
            envelope(row(displayName="Zo\ud83d"), None),
            expected_page(follower(name="Zo?"), invalid_rows=1),
        ),
        (
            envelope(None, row(displayName="Zo\ud83d")),
            expected_page(follower(name="Zo?"), invalid_rows=1),
        ),
        (
            envelope(row(displayName="Zo\ud83d", verified="yes"), row("bob")),
            expected_page(follower("bob"), invalid_rows=1),
        ),
        (
            with_bytes(envelope(None, row(displayName="ZZ")), ZZ=b"\xff"),
            expected_page(follower(name="\ufffd"), invalid_rows=1),
        ),
        (
            envelope(row(), meta={"requestId": "r\ud83d", "creditsCharged": "x"}),
            expected_page(follower(), request_id="r?"),
        ),
    ],
    ids=[
        "cut emoji",
        "second half of an emoji",
        "whole emoji beside a cut one",
        "unmodelled field of a row",
        "unmodelled field of the data",
        "name of a field",
        "a byte that is not UTF-8",
        "an emoji cut in its bytes",
        "a surrogate in bytes",
        "bytes in an unmodelled field",
        "proper UTF-8",
        "byte order mark",
        "byte order mark and a bad row",
        "everything at once",
        "cut emoji, then a bad row",
        "bad row, then a cut emoji",
        "cut emoji in a bad row",
        "bad row, then bytes",
        "cut emoji and a bad price",
    ],
)
def test_broken_text_is_repaired(body: Any, expected: FollowersPage) -> None:
    """A page with text cut inside a character is repaired from the bytes that were paid for."""
    assert page_of(body) == expected


@pytest.mark.parametrize(
    ("cursor", "there"),
    [
        ("c\ud83d", {}),
        ("\ud83dc", {}),
        ("\ude00", {}),
        ("a\ud800b", {}),
        (chr(0xDFFF), {}),
        ("aZZ", {"ZZ": b"\xff"}),
        ("ZZ", {"ZZ": b"\xf0\x9f\x98"}),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("bad_rows", [0, 1], ids=["good rows", "a bad row"])
def test_a_broken_cursor_is_dropped(cursor: str, there: dict[str, bytes], bad_rows: int) -> None:
    """A repaired cursor would ask for another page, so it reads None and the rows are kept."""
    body = envelope(row(), *[None] * bad_rows, page={"nextCursor": cursor, "hasMore": True})

    assert page_of(with_bytes(body, **there)) == expected_page(
        follower(), next_cursor=None, invalid_rows=bad_rows
    )


@pytest.mark.parametrize(
    "cursor",
    ["c2", "", "a+b%2F", "\U0001f600", "\ud7ff", "\ue000", "\xe9", "\x00", "?", None],
    ids=ascii,
)
def test_a_whole_cursor_survives_a_repair(cursor: str | None) -> None:
    """A repair elsewhere in the body leaves the cursor exactly as it came."""
    page = {"nextCursor": cursor, "hasMore": True}

    assert page_of(envelope(row(displayName="\ud83d"), page=page)) == expected_page(
        follower(name="?"), next_cursor=cursor
    )


def test_no_cursor_survives_a_repair() -> None:
    """A body without a cursor is repaired like any other."""
    assert page_of(envelope(row(bio="\ud83d"), page={"hasMore": False})).next_cursor is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (envelope(x="\ud83d", page="\ud83d"), "$.data.page"),
        ({"data": "\ud83d", "meta": {}}, "$.data"),
        ({"data": ["\ud83d"], "meta": {}}, "$.data"),
        (envelope(x="\ud83d", page={"nextCursor": ["\ud83d"], "hasMore": True}), None),
    ],
    ids=ascii,
)
def test_a_repair_does_not_hide_a_wrong_shape(body: Any, path: str | None) -> None:
    """A body with broken text and a wrong shape is a wrong shape."""
    error = error_of(body)

    assert isinstance(error, DecodeError)
    assert error.path == (path or "$.data.page.nextCursor")


@given(
    st.lists(st.text(st.characters(exclude_categories=[]), max_size=5), max_size=5),
    st.sampled_from(["none", "null row", "bad price"]),
)
@settings(deadline=None, max_examples=300)
def test_any_names_are_delivered(names: list[str], also: str) -> None:
    """Whatever characters and halves of characters names have, every row is delivered."""
    rows: list[Any] = [row(f"u{n}", displayName=name) for n, name in enumerate(names)]
    meta = {"requestId": "req_1", "creditsCharged": "1" if also == "bad price" else 1}
    page = page_of(envelope(*rows, *[None] * (also == "null row"), meta=meta))

    # A server writes two halves in a row as one character: so does json.
    whole = [json.loads(json.dumps(name)) for name in names]
    repaired = [name.encode("utf-8", "replace").decode() for name in whole]
    assert page == expected_page(
        *[follower(f"u{n}", name) for n, name in enumerate(repaired)],
        invalid_rows=int(also == "null row"),
    )


# -- no JSON ------------------------------------------------------------------------------------

WHOLE = dumped(envelope(row(), row("bob", displayName="\U0001f600")))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<!doctype html><title>502</title>",
        b"\xff\xfe<html>",
        b"upstream error",
        b"\x00" * 100,
        b"\x1f\x8b\x08\x00",
        dumped(envelope(row()))[:-1],
        dumped(envelope(None, row()))[:-1],
        dumped(envelope(row(displayName="\ud83d")))[:-1],
        with_bytes(envelope(row(displayName="ZZ")), ZZ=b"\xff")[:-1],
        WHOLE.decode().encode("utf-16"),
        b'["\\ud83d"]',
        b"null and void",
    ],
    ids=[
        "nothing",
        "white space",
        "HTML",
        "HTML in UTF-16",
        "text",
        "zeros",
        "gzip",
        "no end",
        "no end after a bad row",
        "no end after a cut emoji",
        "no end after a bad byte",
        "UTF-16",
        "a damaged text that is no object",
        "words",
    ],
)
@pytest.mark.parametrize("request_", [ASKED, ASKED_WHOAMI, ASKED_BALANCE], ids=lambda r: r.target)
def test_what_is_no_json(body: bytes, request_: Request[Any]) -> None:
    """A 200 that is not JSON may have been charged, and is a payload that broke on its way."""
    error = error_of(body, request=request_)

    assert type(error) is PayloadError
    assert error.summary == "the response is not the JSON it should be."
    assert (error.maybe_charged, error.request_id) == (1, None)
    assert (error.whole, error.body) == (False, b"")


def test_no_content() -> None:
    """A 204 has no page in it, so something else than the API responded with."""
    error = error_of(b"", 204)

    assert type(error) is PayloadError
    assert error.maybe_charged == 1


@pytest.mark.parametrize("body", [WHOLE, dumped(envelope(row(bio="\ud83d")))], ids=["", "cut"])
def test_every_truncated_body(body: bytes) -> None:
    """A body that ends early, wherever that is, is never taken for a page or a wrong shape."""
    for end in range(len(body)):
        assert type(error_of(body[:end])) is PayloadError


@given(st.binary(max_size=40))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_an_error(body: bytes) -> None:
    """Random bytes are an error of the tree with every status, and nothing else is raised."""
    for request in (ASKED, ASKED_BALANCE):
        assert isinstance(error_of(body, request=request), PayloadError | DecodeError)
    assert type(error_of(body, 500)) is GatewayError


@given(
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=3)), max_size=4),
)
@settings(deadline=None, max_examples=500)
def test_any_damage_is_a_page_or_an_error(damage: list[tuple[int, bytes]]) -> None:
    """A damaged body is a page, a broken payload or a wrong shape, and nothing is raised."""
    body = WHOLE
    for position, there in damage:
        body = body[:position] + there + body[position + 1 :]

    result = decode(ASKED, Answer(200, body))

    assert type(result) in {FollowersPage, PayloadError, DecodeError}
    if isinstance(result, FollowersPage):
        assert len(result.followers) + result.invalid_rows <= 3
        assert 0 <= result.credits_charged <= HIGHEST_CREDIBLE_PRICE


# -- a wrong shape ------------------------------------------------------------------------------

SHAPES: dict[str, tuple[Any, str, str, str | None]] = {
    "a list": ([], "$", "Expected `object`, got `array`", None),
    "null": (None, "$", "Expected `object`, got `null`", None),
    "text": ("sfk", "$", "Expected `object`, got `str`", None),
    "a number": (5, "$", "Expected `object`, got `int`", None),
    "an empty object": ({}, "$", "missing required field `data`", None),
    "no data": ({"meta": {"requestId": "req_1"}}, "$", "missing required field `data`", "req_1"),
    "data is null": (
        {**envelope(), "data": None},
        "$.data",
        "Expected `object`, got `null`",
        "req_1",
    ),
    "data is a list": (
        {**envelope(), "data": []},
        "$.data",
        "Expected `object`, got `array`",
        "req_1",
    ),
    "no lookupStatus": (
        {**envelope(), "data": without(envelope()["data"], "lookupStatus")},
        "$.data",
        "missing required field `lookupStatus`",
        "req_1",
    ),
    "lookupStatus is null": (
        envelope(lookupStatus=None),
        "$.data.lookupStatus",
        "Expected `str`, got `null`",
        "req_1",
    ),
    "lookupStatus is a number": (envelope(lookupStatus=5), "$.data.lookupStatus", "int", "req_1"),
    "no followers": (
        {**envelope(), "data": without(envelope()["data"], "followers")},
        "$.data",
        "missing required field `followers`",
        "req_1",
    ),
    "followers is null": (
        envelope(followers=None),
        "$.data.followers",
        "Expected `array`, got `null`",
        "req_1",
    ),
    "followers is an object": (
        envelope(followers={"secret words": 1}),
        "$.data.followers",
        "Expected `array`, got `object`",
        "req_1",
    ),
    "no page": (
        {**envelope(), "data": without(envelope()["data"], "page")},
        "$.data",
        "missing required field `page`",
        "req_1",
    ),
    "page is a list": (envelope(page=[]), "$.data.page", "got `array`", "req_1"),
    "page is text": (envelope(page="secret words"), "$.data.page", "got `str`", "req_1"),
    "hasMore is text": (
        envelope(page={"hasMore": "secret words"}),
        "$.data.page.hasMore",
        "Expected `bool`, got `str`",
        "req_1",
    ),
    "nextCursor is an object": (
        envelope(page={"nextCursor": {"secret words": 1}, "hasMore": True}),
        "$.data.page.nextCursor",
        "got `object`",
        "req_1",
    ),
    "a bad row besides": (
        envelope("secret words", page={}),
        "$.data.page",
        "missing required field `hasMore`",
        "req_1",
    ),
    "a broken id besides": (
        envelope(page=[], meta={"requestId": 5}),
        "$.data.page",
        "got `array`",
        None,
    ),
    "an empty id besides": (
        envelope(page=[], meta={"requestId": ""}),
        "$.data.page",
        "got `array`",
        None,
    ),
    "an id of two lines besides": (
        envelope(page=[], meta={"requestId": "a\nb"}),
        "$.data.page",
        "got `array`",
        "a b",
    ),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_wrong_shapes(kind: str) -> None:
    """A 200 of another shape names the field, its request id, and nothing of its content."""
    body, path, what, request_id = SHAPES[kind]

    error = error_of(body)

    assert type(error) is DecodeError
    assert error.path == path
    assert error.summary.startswith(f"the response has not the documented shape at {path}: ")
    assert what in error.summary
    assert error.summary.endswith(".")
    assert " - at " not in error.summary
    assert "secret words" not in f"{error} {error!r}"
    assert (error.maybe_charged, error.request_id) == (1, request_id)
    assert error.body == dumped(body)


@pytest.mark.parametrize("beside", [{}, {"data": None}, {"meta": None}])
def test_an_error_with_the_status_of_a_page_says_what_it_is(beside: dict[str, Any]) -> None:
    """Whoever reads it is to know that credits are missing, and not a field."""
    said = {"code": "no_credits", "message": f"Buy\nsome, {KEY}.", "requestId": "req_9"}

    error = error_of({"error": said, **beside})

    assert type(error) is DecodeError
    assert error.summary == (
        "the response has the status of a page, but is an error: "
        'no_credits ("Buy some, [api key].").'
    )
    assert (error.request_id, error.maybe_charged) == ("req_9", 1)


@pytest.mark.parametrize("more", [True, False])
def test_an_error_beside_an_empty_page_is_no_end_of_a_list(*, more: bool) -> None:
    """Some servers send their usual answer with nothing in it, and the error beside it."""
    empty = envelope(followers=[], page={"nextCursor": "c2" if more else None, "hasMore": more})

    body = {**empty, "error": {"code": "lookup_failed", "message": "Try later."}}
    error = error_of(dumped(body) + b"\0")  # which has to be repaired first

    assert type(error) is DecodeError
    assert error.summary.endswith('but is an error: lookup_failed ("Try later.").')
    assert (error.credits_charged, error.request_id) == (1, "req_1")


@pytest.mark.parametrize(
    "beside",
    [{}, {"error": None}, {"error": {}}, {"error": {"code": ""}}, {"errors": []}],
    ids=str,
)
def test_an_empty_page_without_an_error_is_one(beside: dict[str, Any]) -> None:
    """Of a profile that has no followers."""
    empty = envelope(followers=[], page={"nextCursor": None, "hasMore": False})
    assert not page_of({**empty, **beside}).followers


def test_an_error_beside_rows_does_not_cost_them() -> None:
    """They are paid for."""
    assert page_of({**envelope(row("ada")), "error": {"code": "x", "message": "y"}}).followers


@pytest.mark.parametrize(
    ("body", "broken"),
    [
        (envelope(lookupStatus=None, extra="\ud83d"), {}),
        (envelope(lookupStatus=None, extra="ZZ"), {"ZZ": b"\xff"}),
        (envelope(extra="\ud83d", page=[]), {}),
    ],
    ids=["a cut emoji after it", "a bad byte after it", "a cut emoji before it"],
)
def test_a_wrong_shape_with_broken_text_has_its_request_id(
    body: Any, broken: dict[str, bytes]
) -> None:
    """The advice is to report a wrong shape with its request id, so broken text may not hide it."""
    error = error_of(with_bytes(body, **broken))

    assert type(error) is DecodeError
    assert error.request_id == "req_1"


def test_harmless_nesting() -> None:
    """A field that is nested as deep as JSON of people is, is ignored like any other."""
    nested: Any = []
    for _ in range(100):
        nested = [nested]

    assert page_of(envelope(row(x=nested), None)) == expected_page(follower(), invalid_rows=1)


# -- the free routes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "body", "expected"),
    [
        (ASKED_WHOAMI, {"data": {"user": {"id": "u"}}, "meta": {}}, User(id="u")),
        (
            ASKED_WHOAMI,
            {"data": {"user": {"id": "u", "name": "Zo\ud83d"}}, "meta": {"requestId": 5}},
            User(id="u", name="Zo?"),
        ),
        (
            ASKED_WHOAMI,
            {"data": {"user": {"id": "u", "email": "a@b.example", "role": 1}}, "meta": {}},
            User(id="u", email="a@b.example"),
        ),
        (ASKED_BALANCE, {"data": {"balance": 0}, "meta": {}}, Balance(balance=0)),
        (
            ASKED_BALANCE,
            {"data": {"balance": -3, "subscription": None, "x": 1}, "meta": {"x": "\ud83d"}},
            Balance(balance=-3),
        ),
        (
            ASKED_BALANCE,
            {"data": {"balance": 5, "subscription": {}}, "meta": {"creditsCharged": "0"}},
            Balance(balance=5, subscription=Subscription()),
        ),
        (
            ASKED_BALANCE,
            {"data": {"balance": 5.0, "payg": {}, "subscription": {"tier": 1, "status": []}}},
            Balance(balance=5, subscription=Subscription(tier="1")),
        ),
    ],
)
def test_values(request_: Request[Any], body: Any, expected: Any) -> None:
    """The free routes need only the fields that are always there."""
    assert decode(request_, Answer(200, dumped(body))) == expected


@pytest.mark.parametrize(
    ("request_", "body", "path"),
    [
        (ASKED_WHOAMI, {"data": {}, "meta": {"requestId": "r"}}, "$.data"),
        (ASKED_WHOAMI, {"data": {"user": None}, "meta": {"requestId": "r"}}, "$.data.user"),
        (ASKED_WHOAMI, {"data": {"user": {"id": 5}}, "meta": {"requestId": "r"}}, "$.data.user.id"),
        (ASKED_BALANCE, {"data": {}, "meta": {"requestId": "r"}}, "$.data"),
        (ASKED_BALANCE, {"data": {"balance": "?"}, "meta": {"requestId": "r"}}, "$.data.balance"),
        (ASKED_BALANCE, {"data": {"balance": 0.5}}, "$.data.balance"),
        (ASKED_BALANCE, {"balance": 5}, "$"),
    ],
)
def test_wrong_values(request_: Request[Any], body: Any, path: str) -> None:
    """A value of another shape names the field and, if there is one, the request id."""
    error = error_of(body, request=request_)

    assert type(error) is DecodeError
    assert error.path == path
    assert error.request_id == ("r" if "meta" in body else None)
    assert error.maybe_charged == 1


# -- what is beside the body --------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"[]"], ids=["payload", "shape"])
def test_errors_of_a_200_keep_retry_after(body: bytes) -> None:
    """A Retry-After is kept with any error, for the retries to honour."""
    error = decode(ASKED, Answer(200, body, retry_after=3.0))

    assert isinstance(error, PayloadError | DecodeError)
    assert (error.retry_after, error.handle, error.cursor) == (3.0, "nasa", "c1")


@pytest.mark.parametrize("text", [b"404 page not found", b'{"data": [], "meta"', b"[1, 2"])
def test_a_text_that_begins_like_json_is_a_broken_answer(text: bytes) -> None:
    """A wrong shape seen in the first half of a broken body is still a broken body: tried again."""
    assert type(error_of(text)) is PayloadError


def test_an_echoed_key_is_cut_out_of_a_request_id_and_a_host() -> None:
    """Where the API, or whatever answers for it, quotes the key, the error does not."""
    shape = decode(ASKED, Answer(200, b'{"meta": {"requestId": "r sfk_Key"}}'), secret="sfk_Key")
    assert (type(shape), shape.request_id) == (DecodeError, "r [api key]")
    answer = Answer(302, b"", location_host="sfk_key.example.invalid")
    assert "[api key].example.invalid" in str(decode(ASKED, answer, secret="sfk_Key"))


@pytest.mark.parametrize("broken", [b"", b"\xff"], ids=["whole text", "repaired text"])
@pytest.mark.parametrize("rows", [[row()], [row(), None]], ids=["good rows", "a bad row"])
def test_a_page_carries_its_answer_beside_its_value(broken: bytes, rows: list[Any]) -> None:
    """`body` holds all that came, repaired if need be, and is no part of what a page is."""
    page = page_of(with_bytes(envelope(*rows, row("bo", bio="ZZ"), extra="kept"), ZZ=broken))
    data = json.loads(page.body or b"")["data"]

    assert data["extra"] == "kept"
    assert len(data["followers"]) == len(rows) + 1
    by_hand = FollowersPage(**asdict(page))
    assert by_hand == page
    assert by_hand.body is None
    assert "kept" not in repr(page)
    assert b"kept" not in msgspec.json.encode(page)
