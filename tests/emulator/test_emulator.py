"""The emulator against the vendor's page, by a plain HTTP client that knows nothing of ours."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from socialfetch_async.emulator import Emulator, Profile
from tests.conftest import until
from tests.emulator.harness import Broken, send_once

CONTRACT = Path(__file__).parent.parent / "contract"
REQUIRED = {
    "handle": str,
    "displayName": str | None,
    "avatarUrl": str | None,
    "bio": str | None,
    "verified": bool,
    "privateAccount": bool,
    "metrics": dict,
}
OPTIONAL = {"avatarUrls": dict, "platformUserId": str, "secUid": str}
ACCOUNT_REQUIRED = {"handle": str, "profileUrl": str, "verified": bool}
ACCOUNT_OPTIONAL = {
    "displayName": str,
    "bio": str,
    "avatarUrl": str,
    "privateAccount": bool,
    "metrics": dict,
}
ACCOUNT_UNTRIMMED = {
    "platformUserId": str,
    "secUid": str,
    "region": str,
    "language": str,
    "accountCreatedAt": int | str,
}
ISO_8601 = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z")


class Answer(NamedTuple):
    """What came back, decoded."""

    status: int
    json: Any
    headers: Mapping[str, str]


async def get(
    http: aiohttp.ClientSession,
    api: Emulator,
    path: str,
    *,
    key: str | None = "sfk_emulator",
    method: str = "GET",
) -> Answer:
    """Send one request, its path and query as they stand."""
    headers = {} if key is None else {"x-api-key": key}
    url = URL(api.base_url + path, encoded=True)
    async with http.request(method, url, headers=headers) as response:
        return Answer(response.status, await response.json(), response.headers)


def page_path(
    handle: str, cursor: str | None = None, route: str = "/followers", **query: str
) -> str:
    """Return path and query of one page, encoded as the vendor's page asks for."""
    if cursor is not None:
        query["cursor"] = cursor
    encoded = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return f"/v1/tiktok/profiles/{handle}{route}{'?' if encoded else ''}{encoded}"


PAID = [page_path("ada"), page_path("ada", route="/following"), page_path("ada", route="")]


async def page(
    http: aiohttp.ClientSession,
    api: Emulator,
    handle: str,
    cursor: str | None = None,
    **query: str,
) -> Answer:
    """Ask for one page of a profile's followers, or of another `route`."""
    return await get(http, api, page_path(handle, cursor, **query))


async def walk(
    http: aiohttp.ClientSession, api: Emulator, handle: str, route: str = "/followers"
) -> list[Any]:
    """Read a whole list the way the vendor's page says."""
    rows: list[Any] = []
    cursor = None
    while True:
        data = (await page(http, api, handle, cursor, route=route)).json["data"]
        rows += data["followers" if route == "/followers" else "accounts"]
        cursor = data["page"]["nextCursor"]
        if not data["page"]["hasMore"] or cursor is None:
            return rows


def shape(value: Any) -> Any:
    """Reduce a JSON value to its keys, with rows reduced to the keys of all of them."""
    if isinstance(value, list):
        return shape({k: v for row in value for k, v in row.items()}) if value else []
    return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else None


def check_envelope(
    answer: Answer, lookup_status: str, rows: str = "followers", total: str = "totalFollowers"
) -> None:
    """Compare everything but the rows with the documented types."""
    check_meta(answer)
    data = answer.json["data"]
    assert set(data) == {"lookupStatus", rows, "page", total}
    assert data["lookupStatus"] == lookup_status
    assert type(data["page"]["hasMore"]) is bool
    assert isinstance(data["page"]["nextCursor"], str | None)


def check_meta(answer: Answer) -> None:
    """Compare what every paid answer has with the documented types."""
    assert answer.status == 200
    assert set(answer.json) == {"data", "meta"}
    meta = answer.json["meta"]
    assert isinstance(meta["requestId"], str)
    assert meta["requestId"]
    assert meta["creditsCharged"] == 1
    assert meta["version"] == "v1"


def check_follower(follower: Any, *, trim: bool) -> None:
    """Compare one row with the documented fields and types."""
    types = REQUIRED if trim else REQUIRED | OPTIONAL
    assert set(follower) == set(types)
    for name, kind in types.items():
        assert isinstance(follower[name], kind), name
    assert follower["handle"]
    assert not follower["handle"].startswith("@")
    assert set(follower["metrics"]) == {"followers", "following"}
    assert all(type(n) is int and n >= 0 for n in follower["metrics"].values())
    if not trim:
        assert set(follower["avatarUrls"]) == {"large", "medium", "thumb"}
        assert all(isinstance(url, str) for url in follower["avatarUrls"].values())
        assert follower["platformUserId"].isdecimal()


def check_account(account: Any, *, trim: bool) -> None:
    """Compare one followed account with the documented fields and types."""
    optional = ACCOUNT_OPTIONAL if trim else ACCOUNT_OPTIONAL | ACCOUNT_UNTRIMMED
    assert set(ACCOUNT_REQUIRED) <= set(account) <= set(ACCOUNT_REQUIRED | optional)
    for name, value in account.items():
        assert isinstance(value, (ACCOUNT_REQUIRED | optional)[name]), name
    assert account["profileUrl"].endswith(f"/@{account['handle']}")
    metrics = account.get("metrics", {"followers": 0, "following": 0})
    assert {"followers", "following"} <= set(metrics) <= {"followers", "following", "posts"}
    assert all(type(n) is int and n >= 0 for n in metrics.values())
    created = account.get("accountCreatedAt", 1_500_000_000)
    assert ISO_8601.fullmatch(created) if isinstance(created, str) else 10**9 < created < 2 * 10**9


def error_of(answer: Answer) -> str:
    """Check an error's envelope and return its code."""
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) - {"checkoutUrl"} == {"code", "message", "requestId"}
    assert all(isinstance(value, str) and value for value in error.values())
    assert ("checkoutUrl" in error) == (answer.status == 402)
    code: str = error["code"]
    return code


# -- the documented answers ---------------------------------------------------------------------


@pytest.mark.parametrize("trim", ["false", "true"])
async def test_every_documented_field_is_there(http: aiohttp.ClientSession, trim: str) -> None:
    """A page of a hundred rows has the documented fields and types, null where they may be."""
    async with Emulator({"ada": 101}, page_size=100) as api:
        answer = await page(http, api, "ada", trim=trim)
    check_envelope(answer, "found")
    followers = answer.json["data"]["followers"]
    assert len(followers) == 100
    for follower in followers:
        check_follower(follower, trim=trim == "true")
    for nullable in ("displayName", "avatarUrl", "bio"):
        assert {type(f[nullable]) for f in followers} == {str, type(None)}
    for flag in ("verified", "privateAccount"):
        assert {f[flag] for f in followers} >= {False}
    assert answer.json["data"]["totalFollowers"] == 101


@pytest.mark.parametrize(
    "name", ["first_page", "trimmed", "empty", "hidden", "private", "not_found"]
)
async def test_answers_have_the_shape_of_the_vendors_examples(
    http: aiohttp.ClientSession, name: str
) -> None:
    """The same keys at every level as in the example bodies of the vendor's page."""
    example = json.loads((CONTRACT / f"followers-{name}.json").read_text())
    profile: int | str = (
        name if name in {"hidden", "private", "not_found"} else 0 if name == "empty" else 50
    )
    async with Emulator({"ada": profile}) as api:
        answer = await page(http, api, "ada", trim="true" if name == "trimmed" else "false")
    assert shape(answer.json) == shape(example)


@pytest.mark.parametrize("name", ["whoami", "balance"])
async def test_free_answers_have_the_shape_of_the_examples(
    http: aiohttp.ClientSession, name: str
) -> None:
    """whoami and balance answer with the fields of the contract's examples, and cost nothing."""
    example = json.loads((CONTRACT / f"{name}.json").read_text())
    async with Emulator(credits=12) as api:
        answer = await get(http, api, f"/v1/{name}")
        assert api.charges == []
    assert answer.status == 200
    assert shape(answer.json) == shape(example)
    assert answer.json["meta"]["creditsCharged"] == 0
    if name == "balance":
        assert answer.json["data"]["balance"] == 12


async def test_a_list_is_walked_to_its_end_once(http: aiohttp.ClientSession) -> None:
    """Page after page gives every follower once, in order, and the last page says so."""
    async with Emulator({"ada": 45}) as api:
        assert await walk(http, api, "ada") == api.followers("ada")
        assert len({f["handle"] for f in api.followers("ada")}) == 45
        assert [c.handle for c in api.charges] == ["ada"] * 3


async def test_a_profile_without_followers_is_found(http: aiohttp.ClientSession) -> None:
    """Zero followers is one empty page with a total of 0."""
    async with Emulator({"ada": 0}) as api:
        answer = await page(http, api, "ada")
    check_envelope(answer, "found")
    assert answer.json["data"]["followers"] == []
    assert answer.json["data"]["totalFollowers"] == 0
    assert answer.json["data"]["page"] == {"nextCursor": None, "hasMore": False}


@pytest.mark.parametrize("status", ["hidden", "private", "not_found"])
async def test_a_list_that_can_not_be_had_is_a_200_and_charged(
    http: aiohttp.ClientSession, status: str
) -> None:
    """No rows, no cursor, no total, and one credit."""
    async with Emulator({"ada": Profile(lookup_status=status)}) as api:
        answer = await page(http, api, "ada")
        assert len(api.charges) == 1
    check_envelope(answer, status)
    data = answer.json["data"]
    assert data["followers"] == []
    assert data["totalFollowers"] is None
    assert data["page"] == {"nextCursor": None, "hasMore": False}


async def test_an_unknown_handle_is_not_found(http: aiohttp.ClientSession) -> None:
    """With given profiles every other handle is not_found, with status 200."""
    async with Emulator({"ada": 1}) as api:
        check_envelope(await page(http, api, "bo"), "not_found")


async def test_without_profiles_every_handle_exists(http: aiohttp.ClientSession) -> None:
    """Sizes follow from the names, and three beginnings of names from their meaning."""
    async with Emulator() as api:
        check_envelope(await page(http, api, "private.x"), "private")
        check_envelope(await page(http, api, "hidden.x"), "hidden")
        check_envelope(await page(http, api, "missing.x"), "not_found")
        sizes = [(await page(http, api, f"x{n}")).json["data"]["totalFollowers"] for n in range(9)]
        follows = [len(api.following(f"x{n}")) for n in range(9)]
    assert len(set(sizes)) > 4
    assert len(set(follows)) > 4


async def test_case_of_a_handle_does_not_matter(http: aiohttp.ClientSession) -> None:
    """The same list and the same cursors under every spelling."""
    async with Emulator({"Ada": 30}) as api:
        first = await page(http, api, "aDA")
        cursor = first.json["data"]["page"]["nextCursor"]
        second = await page(http, api, "ADA", cursor)
    rows = first.json["data"]["followers"] + second.json["data"]["followers"]
    assert rows == api.followers("ada")


async def test_trim_leaves_out_and_changes_nothing_else(http: aiohttp.ClientSession) -> None:
    """A trimmed row is the full row without the optional fields; other values are refused."""
    async with Emulator({"ada": 3}) as api:
        full = (await page(http, api, "ada")).json["data"]["followers"]
        trimmed = (await page(http, api, "ada", trim="true")).json["data"]["followers"]
        assert (await page(http, api, "ada", trim="maybe")).status == 400
    assert trimmed == [{k: v for k, v in f.items() if k not in OPTIONAL} for f in full]


async def test_a_user_id_changes_nothing_and_is_not_empty(http: aiohttp.ClientSession) -> None:
    """userId only speeds up; with no character in it the request is bad."""
    async with Emulator({"ada": 3}) as api:
        with_id = await page(http, api, "ada", userId="700")
        without = await page(http, api, "ada")
        refused = await page(http, api, "ada", userId="")
        assert len(api.charges) == 2
    assert with_id.json["data"] == without.json["data"]
    assert (refused.status, error_of(refused)) == (400, "bad_request")


# -- the sibling routes --------------------------------------------------------------------------


@pytest.mark.parametrize("trim", ["false", "true"])
async def test_followed_accounts_have_the_documented_fields(
    http: aiohttp.ClientSession, trim: str
) -> None:
    """Of two hundred rows some have each optional field and some do not; both kinds of time."""
    profile = Profile(following=201)
    async with Emulator({"ada": profile}, page_size=200) as api:
        answer = await page(http, api, "ada", route="/following", trim=trim)
    check_envelope(answer, "found", "accounts", "totalFollowing")
    accounts = answer.json["data"]["accounts"]
    assert len(accounts) == 200
    for account in accounts:
        check_account(account, trim=trim == "true")
    for name in ACCOUNT_OPTIONAL if trim == "true" else ACCOUNT_OPTIONAL | ACCOUNT_UNTRIMMED:
        assert 0 < len([a for a in accounts if name in a]) < 200, name
    assert 0 < len([a for a in accounts if "posts" in a.get("metrics", ())]) < 200
    kinds = {type(a.get("accountCreatedAt")) for a in accounts}
    assert kinds == ({type(None)} if trim == "true" else {int, str, type(None)})
    assert answer.json["data"]["totalFollowing"] == 201


async def test_a_following_list_is_walked_to_its_end_once(http: aiohttp.ClientSession) -> None:
    """Every account once, in order; the followers of the same profile are another list."""
    async with Emulator({"ada": Profile(30, following=45)}) as api:
        assert await walk(http, api, "ada", "/following") == api.following("ada")
        assert await walk(http, api, "ada") == api.followers("ada")
        assert len({a["handle"] for a in api.following("ada")}) == 45
        routes = ["following"] * 3 + ["followers"] * 2
        assert [(c.handle, c.route) for c in api.charges] == [("ada", r) for r in routes]


async def test_a_cursor_belongs_to_one_list(http: aiohttp.ClientSession) -> None:
    """A cursor of the followers is refused for the accounts followed, and the other way round."""
    async with Emulator({"ada": Profile(30, following=30)}) as api:
        for route, other in (("/followers", "/following"), ("/following", "/followers")):
            first = await page(http, api, "ada", route=route)
            cursor = first.json["data"]["page"]["nextCursor"]
            refused = await page(http, api, "ada", cursor, route=other)
            assert (refused.status, error_of(refused)) == (400, "bad_request")
        assert len(api.charges) == 2


async def test_following_has_no_user_id(http: aiohttp.ClientSession) -> None:
    """A parameter that the route does not have changes nothing, whatever its value."""
    async with Emulator({"ada": Profile(following=3)}) as api:
        answers = [
            await page(http, api, "ada", route="/following", **query)
            for query in ({}, {"userId": ""}, {"userId": "700"})
        ]
        assert (await page(http, api, "ada", route="/following", trim="maybe")).status == 400
    assert [a.json["data"] for a in answers] == [answers[0].json["data"]] * 3


@pytest.mark.parametrize("status", ["hidden", "private", "not_found"])
async def test_following_that_can_not_be_had_is_a_200_and_charged(
    http: aiohttp.ClientSession, status: str
) -> None:
    """No rows, no cursor, no total, and one credit."""
    async with Emulator({"ada": status}) as api:
        answer = await page(http, api, "ada", route="/following")
        assert len(api.charges) == 1
    check_envelope(answer, status, "accounts", "totalFollowing")
    assert answer.json["data"] == {
        "lookupStatus": status,
        "accounts": [],
        "page": {"nextCursor": None, "hasMore": False},
        "totalFollowing": None,
    }


async def test_a_profile_has_the_documented_fields(http: aiohttp.ClientSession) -> None:
    """Who it is and how many follow it; charged under the handle as it was sent."""
    async with Emulator({"ada": Profile(230, following=12)}) as api:
        answer = await page(http, api, "ADA", route="")
        charges = [tuple(c)[:3] for c in api.charges]
    check_meta(answer)
    assert charges == [("ADA", None, answer.json["meta"]["requestId"])]
    data = answer.json["data"]
    assert set(data) == {"lookupStatus", "profile", "metrics"}
    assert data["lookupStatus"] == "found"
    profile, metrics = data["profile"], data["metrics"]
    assert set(profile) >= {
        "platform", "handle", "displayName", "bio", "avatarUrl", "verified", "profileUrl",
    }  # fmt: skip
    assert (profile["platform"], profile["handle"]) == ("tiktok", "ada")
    assert {"followers", "following", "likes", "posts"} <= set(metrics)
    assert set(metrics) <= {"followers", "following", "likes", "posts", "friends", "diggs"}
    assert (metrics["followers"], metrics["following"]) == (230, 12)
    assert all(type(n) is int and n >= 0 for n in metrics.values())


async def test_profiles_differ_in_what_is_known_of_them(http: aiohttp.ClientSession) -> None:
    """Of fifty profiles some lack a name, a time or a count; times come as both kinds."""
    async with Emulator() as api:
        found = [(await page(http, api, f"x{n}", route="")).json["data"] for n in range(50)]
    assert {type(data["profile"]["displayName"]) for data in found} == {str, type(None)}
    kinds = {type(data["profile"].get("accountCreatedAt")) for data in found}
    assert kinds == {int, str, type(None)}
    assert len({tuple(data["metrics"]) for data in found}) > 1


@pytest.mark.parametrize(
    ("given", "status"),
    [("private", "private"), ("not_found", "not_found"), ("hidden", "found")],
)
async def test_a_profile_that_tells_no_counts(
    http: aiohttp.ClientSession, given: str, status: str
) -> None:
    """Nothing but a hidden list hides no profile; the counts of such a one are not known."""
    async with Emulator({"ada": given}) as api:
        data = (await page(http, api, "ada", route="")).json["data"]
        assert len(api.charges) == 1
    assert (data["lookupStatus"], data["metrics"]) == (status, None)
    assert (data["profile"] is not None) == (status == "found")


async def test_each_route_is_cached_for_itself(http: aiohttp.ClientSession) -> None:
    """The first page of one route is not the first page of another."""
    async with Emulator({"ada": 3}) as api:
        answers = [await get(http, api, path) for path in PAID * 2]
        assert len(api.charges) == 6
    assert ["cached" in a.json["meta"] for a in answers] == [False] * 3 + [True] * 3


@pytest.mark.parametrize("path", PAID)
async def test_every_paid_route_wants_a_handle_and_a_credit(
    http: aiohttp.ClientSession, path: str
) -> None:
    """400 without a handle that can be one, 402 without a credit, and neither is charged."""
    async with Emulator(credits=0) as api:
        assert (await get(http, api, path.replace("ada", "a%20b"))).status == 400
        answer = await get(http, api, path)
        assert (answer.status, error_of(answer)) == (402, "insufficient_credits")
        assert api.charges == []


# -- cursors ------------------------------------------------------------------------------------


async def test_cursors_must_be_percent_encoded(http: aiohttp.ClientSession) -> None:
    """A cursor has +, / and = in it; sent without encoding the + arrives as a space."""
    async with Emulator({"ada": 50}) as api:
        cursor = (await page(http, api, "ada")).json["data"]["page"]["nextCursor"]
        assert {"+", "/", "="} <= set(cursor)
        raw = await get(http, api, f"/v1/tiktok/profiles/ada/followers?cursor={cursor}")
        assert error_of(raw) == "bad_request"
        assert (await page(http, api, "ada", cursor)).status == 200
        assert api.requests[-1].cursor == cursor
        assert api.requests[-1].query == f"cursor={quote(cursor, safe='')}"


async def test_a_cursor_that_was_not_given_is_refused(http: aiohttp.ClientSession) -> None:
    """Empty, forged, of another handle, of another emulator, not text at all: 400, no charge."""
    async with Emulator({"ada": 50, "bo": 50}) as api, Emulator({"ada": 50}, seed=1) as other:
        good = (await page(http, api, "ada")).json["data"]["page"]["nextCursor"]
        elsewhere = (await page(http, other, "ada")).json["data"]["page"]["nextCursor"]
        assert good != elsewhere
        forged = ["", "1779246345", good[:-4], "A" + good[1:], good + "=", elsewhere, "é", "\0"]
        for cursor in forged:
            answer = await page(http, api, "ada", cursor)
            assert (answer.status, error_of(answer)) == (400, "bad_request"), cursor
        assert error_of(await page(http, api, "bo", good)) == "bad_request"
        assert (await get(http, api, f"{page_path('ada')}?cursor=%ff")).status == 400
        assert len(api.charges) == 1


async def test_millions_of_followers_are_not_held(http: aiohttp.ClientSession) -> None:
    """The first page of five million comes at once, and every page before the end is as quick."""
    async with Emulator({"ada": Profile(5_000_000)}) as api:
        began = time.perf_counter()
        first = await page(http, api, "ada")
        cursor = api._profiles.cursor("ada", 4_999_990)
        last = await page(http, api, "ada", cursor)
        took = time.perf_counter() - began
    assert first.json["data"]["totalFollowers"] == 5_000_000
    assert len(last.json["data"]["followers"]) == 10
    assert last.json["data"]["page"] == {"nextCursor": None, "hasMore": False}
    assert took < 1


async def test_a_seed_decides_the_data(http: aiohttp.ClientSession) -> None:
    """The same seed repeats every row and cursor, another gives others."""
    answers = []
    for seed in (1, 1, 2):
        async with Emulator({"ada": Profile(25, following=25)}, seed=seed) as api:
            answers.append([(await get(http, api, path)).json["data"] for path in PAID])
    assert answers[0] == answers[1]
    for position, field in enumerate(("followers", "accounts", "profile")):
        assert answers[0][position][field] != answers[2][position][field]


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/whoami", "/v1/balance", *PAID])
@pytest.mark.parametrize("key", [None, "", "sfk_other"])
async def test_a_wrong_key_is_refused(
    http: aiohttp.ClientSession, path: str, key: str | None
) -> None:
    """401 on every route that needs a key, and no charge."""
    async with Emulator() as api:
        answer = await get(http, api, path, key=key)
        assert (answer.status, error_of(answer)) == (401, "unauthorized")
        assert api.charges == []


async def test_the_accepted_keys_are_given(http: aiohttp.ClientSession) -> None:
    """The first is `api_key`, each is accepted, and the default one no longer is."""
    async with Emulator(api_keys=iter(["sfk_a", "sfk_b"])) as api:
        assert api.api_key == "sfk_a"
        statuses = [
            (await get(http, api, "/v1/whoami", key=key)).status
            for key in ("sfk_a", "sfk_b", "sfk_emulator")
        ]
    assert statuses == [200, 200, 401]


async def test_health_needs_no_key(http: aiohttp.ClientSession) -> None:
    """/health answers everybody."""
    async with Emulator() as api:
        assert (await get(http, api, "/health", key=None)).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/tiktok/profiles"),
        ("GET", "/v1/tiktok/profiles/"),
        ("GET", "/v1/tiktok/profiles/ada/"),
        ("GET", "/v1/tiktok/profiles/ada/likes"),
        ("GET", "/v1/tiktok/profiles//followers"),
        ("GET", "/v1/tiktok/profiles/ada/followers/"),
        ("POST", "/v1/whoami"),
        ("DELETE", page_path("ada")),
    ],
)
async def test_an_unknown_route_is_an_error_with_an_envelope(
    http: aiohttp.ClientSession, method: str, path: str
) -> None:
    """404 not_found, for another method too."""
    async with Emulator() as api:
        answer = await get(http, api, path, method=method)
        assert (answer.status, error_of(answer)) == (404, "not_found")
        assert api.charges == []


@pytest.mark.parametrize("handle", ["a" * 65, "a%20b", "%C3%A9", "a%2Fb", "%40ada", "a%00"])
async def test_a_handle_that_can_not_be_one_is_refused(
    http: aiohttp.ClientSession, handle: str
) -> None:
    """400 bad_request, no charge; 64 characters are accepted."""
    async with Emulator() as api:
        answer = await page(http, api, handle)
        assert (answer.status, error_of(answer)) == (400, "bad_request")
        assert api.charges == []
        assert (await page(http, api, "a" * 64)).status == 200


async def test_without_credits_nothing_is_charged(http: aiohttp.ClientSession) -> None:
    """402 with a checkout URL; credits that are bought are accepted at once."""
    async with Emulator({"ada": 100}, credits=1) as api:
        assert (await page(http, api, "ada")).status == 200
        assert api.credits == 0
        answer = await page(http, api, "ada")
        assert (answer.status, error_of(answer)) == (402, "insufficient_credits")
        assert answer.json["error"]["checkoutUrl"].startswith("https://")
        assert len(api.charges) == 1
        assert (await get(http, api, "/v1/whoami")).status == 200
        api.credits = 5
        assert (await page(http, api, "ada")).status == 200
        assert api.credits == 4


async def test_a_repeated_request_is_cached_and_charged(http: aiohttp.ClientSession) -> None:
    """`meta.cached` is absent, then true; both cost a credit."""
    async with Emulator({"ada": 30}) as api:
        answers = [await page(http, api, handle) for handle in ("ada", "ADA")]
        cursor = answers[0].json["data"]["page"]["nextCursor"]
        other = await page(http, api, "ada", cursor)
        assert len(api.charges) == 3
    assert ["cached" in a.json["meta"] for a in (*answers, other)] == [False, True, False]
    assert answers[1].json["meta"]["cached"] is True


# -- faults -------------------------------------------------------------------------------------


async def outcome(
    http: aiohttp.ClientSession, api: Emulator, handle: str, path: str | None = None
) -> str:
    """Ask for a page; return its status, or how the connection broke."""
    try:
        return str((await get(http, api, path or page_path(handle))).status)
    except aiohttp.ClientPayloadError:
        return "truncate"
    except Broken:
        return "drop"


async def test_a_truncated_body_is_cut_in_the_middle() -> None:
    """On the wire: a 200, a length, and half of it."""
    async with Emulator({"ada": 30}) as api:
        api.script("ada", "truncate")
        head, _, body = (await raw(api, page_path("ada"))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    assert len(body) == length // 2


@pytest.mark.parametrize("fault", ["drop", "lose"])
async def test_a_broken_connection_carries_no_byte(fault: str) -> None:
    """On the wire: nothing, then the end."""
    async with Emulator() as api:
        api.script(None, fault)
        assert await raw(api, page_path("ada")) == b""


async def raw(api: Emulator, path: str) -> bytes:
    """Send one request over a bare socket; return all that came."""
    host, port = api.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nx-api-key: sfk_emulator\r\n\r\n".encode())
    came = b""
    try:
        while part := await reader.read(65_536):
            came += part
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return came


async def test_the_script_of_a_handle_goes_before_the_common_one(
    http: aiohttp.ClientSession,
) -> None:
    """Then the common one, then none; None in a script lets a request pass."""
    async with Emulator() as api:
        api.script(None, "500")
        api.script("Ada", "502", None, "503")
        statuses = [await outcome(http, api, handle) for handle in ["ada"] * 5 + ["bo"]]
        assert statuses == ["502", "200", "503", "500", "200", "200"]
        assert len(api.charges) == 3


async def test_rates_are_kept_and_repeat_with_the_seed(http: aiohttp.ClientSession) -> None:
    """A tenth of each of two faults in 300 requests, in the same order for the same seed."""
    runs = []
    for seed in (3, 3, 4):
        async with Emulator({"ada": 1}, seed=seed, faults={"503": 0.1, "429": 0.1}) as api:
            runs.append([await outcome(http, api, "ada") for _ in range(300)])
            assert len(api.charges) == runs[-1].count("200")
    assert runs[0] == runs[1] != runs[2]
    assert 15 < runs[0].count("503") < 50
    assert 15 < runs[0].count("429") < 50


# -- the emulator itself ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"page_size": 0},
        {"latency": -0.1},
        {"latency": float("nan")},
        {"latency": float("inf")},
        {"credits": -1},
        {"retry_after": -1},
        {"port": -1},
        {"port": 65_536},
        {"api_keys": ()},
        {"faults": {"418": 0.1}},
        {"faults": {"503": -0.1}},
        {"faults": {"503": 1.1}},
        {"faults": {"503": float("nan")}},
        {"faults": {"503": 0.6, "500": 0.6}},
        {"profiles": {"ada": -1}},
        {"profiles": {"ada": 2**32}},
        {"profiles": {"ada": "privat"}},
        {"profiles": {"a da": 1}},
        {"profiles": {"": 1}},
    ],
    ids=str,
)
def test_arguments_that_no_emulator_can_have_are_refused(arguments: dict[str, Any]) -> None:
    """ValueError, before anything is started."""
    with pytest.raises(ValueError, match=r"."):
        Emulator(**arguments)


@pytest.mark.parametrize("counts", [{"followers": 10}, {"following": 10}], ids=str)
def test_only_a_found_profile_has_lists(counts: dict[str, int]) -> None:
    """A hidden list of ten would contradict the contract."""
    with pytest.raises(ValueError, match="hidden has 0 to 0 follow"):
        Profile(lookup_status="hidden", **counts)


def test_an_unknown_fault_can_not_be_scripted() -> None:
    """The message lists the faults that exist, and nothing of the script is kept."""
    api = Emulator()
    with pytest.raises(ValueError, match="truncate"):
        api.script("ada", "500", "explode")
    assert api._faults.next("ada") is None


async def test_the_log_and_the_ledger_are_exact(http: aiohttp.ClientSession) -> None:
    """Every request as sent, in order of arrival; every charge with the id that was answered."""
    async with Emulator({"ada": 30}) as api:
        first = await page(http, api, "ada", trim="true")
        cursor = first.json["data"]["page"]["nextCursor"]
        second = await page(http, api, "%61da", cursor)
        await get(http, api, "/v1/whoami", key=None)
        await get(http, api, "/health")
        await http.get(api.base_url + "/")
        assert [tuple(r) for r in api.requests] == [
            ("/v1/tiktok/profiles/ada/followers", "trim=true", "ada", None, 200),
            (
                "/v1/tiktok/profiles/%61da/followers",
                f"cursor={quote(cursor, safe='')}",
                "ada",
                cursor,
                200,
            ),
            ("/v1/whoami", "", None, None, 401),
            ("/health", "", None, None, 200),
        ]
        ids = [answer.json["meta"]["requestId"] for answer in (first, second)]
        assert [tuple(c) for c in api.charges] == [
            ("ada", None, ids[0], "followers", 1),
            ("ada", cursor, ids[1], "followers", 1),
        ]


@pytest.mark.jumping
async def test_requests_at_once_are_counted_and_told_apart(http: aiohttp.ClientSession) -> None:
    """The peak is how many were here together; each has its own id, and shows while it is here."""
    async with Emulator(latency=1) as api:
        tasks = [asyncio.ensure_future(page(http, api, f"x{n}")) for n in range(7)]
        await until(lambda: len(api.requests) >= 7)
        assert [r.status for r in api.requests] == [0] * 7
        answers = await asyncio.gather(*tasks)
        await page(http, api, "x1")
        assert api.peak_concurrency == 7
        ids = {answer.json["meta"]["requestId"] for answer in answers}
        assert ids == {charge.request_id for charge in api.charges[:7]}
        assert len(ids) == 7
        assert [r.status for r in api.requests] == [200] * 8


async def test_it_can_be_steered_while_it_runs(http: aiohttp.ClientSession) -> None:
    """Profiles, fault rates, waits and credits count from the next request on."""
    async with Emulator({}) as api:
        api.profile("Ada", 45)
        api.profile("bo", "private")
        assert await walk(http, api, "ada") == api.followers("ADA")
        check_envelope(await page(http, api, "bo"), "private")
        api.profile("bo", Profile(2, following=1))
        assert len(await walk(http, api, "bo")) == 2
        api.fault("503", 1)
        api.retry_after = 3
        assert (await page(http, api, "ada")).headers["Retry-After"] == "3"
        api.fault("503", 0)
        api.credits = 1
        assert [await outcome(http, api, "ada") for _ in range(2)] == ["200", "402"]
        assert api.credits == 0
        api.credits = None
        assert await outcome(http, api, "ada") == "200"
        assert api.credits is None


async def test_a_profile_can_be_added_to_everybody(http: aiohttp.ClientSession) -> None:
    """Where every handle exists the others go on existing."""
    async with Emulator() as api:
        api.profile("missing.one", 1)
        check_envelope(await page(http, api, "missing.one"), "found")
        check_envelope(await page(http, api, "missing.two"), "not_found")
        check_envelope(await page(http, api, "x1"), "found")


@pytest.mark.parametrize(
    "order",
    [
        lambda api: api.profile("a da", 1),
        lambda api: api.profile("ada", "privat"),
        lambda api: api.fault("418", 0.1),
        lambda api: api.fault("503", 1.1),
        lambda api: api.fault("503", 0.6),
    ],
)
def test_an_order_that_can_not_be_is_refused(order: Callable[[Emulator], None]) -> None:
    """ValueError where the order is given, and nothing of it is kept."""
    api = Emulator({"ada": 3}, faults={"500": 0.5})
    with pytest.raises(ValueError, match=r"."):
        order(api)
    assert len(api.followers("ada")) == 3
    assert api._faults._rates == {"500": 0.5}


async def test_latency_is_kept(http: aiohttp.ClientSession) -> None:
    """A page and an ordered status take that long."""
    async with Emulator(latency=0.05) as api:
        api.script("ada", "500")
        for _ in range(2):
            began = time.perf_counter()
            await page(http, api, "ada")
            assert time.perf_counter() - began >= 0.045


@pytest.mark.parametrize("fault", [None, "lose", "truncate"])
async def test_a_client_that_leaves_has_been_charged(
    http: aiohttp.ClientSession, fault: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The credit is taken on arrival, as it may be at the vendor's."""
    async with Emulator(latency=0.02) as api:
        api.script("ada", fault)
        task = asyncio.ensure_future(page(http, api, "ada"))
        await until(lambda: api.requests)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        while api._here:
            await asyncio.sleep(0.001)
        assert len(api.charges) == 1
    assert caplog.records == []


async def test_the_status_page_has_the_numbers(http: aiohttp.ClientSession) -> None:
    """HTML at `/`, for anybody, with requests, charges and credits left."""
    async with Emulator(credits=2_000) as api:
        for handle in ("ada", "bo"):
            await page(http, api, handle)
        await get(http, api, "/v1/whoami")
        async with http.get(api.base_url + "/") as response:
            assert response.content_type == "text/html"
            text = await response.text()
    assert "<td>requests<td>3<" in text
    assert "<td>credits charged<td>2<" in text
    assert "<td>credits left<td>1,998<" in text
    async with Emulator() as api, http.get(api.base_url + "/") as response:
        assert "without end" in await response.text()


async def test_it_stops_cleanly_with_requests_under_way() -> None:
    """No task is left, the port is closed, and a request that was waiting ends."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession(middlewares=(send_once,)) as http:
        async with Emulator(latency=30) as api:
            task = asyncio.ensure_future(page(http, api, "ada"))
            await until(lambda: api.requests)
            began = time.perf_counter()
        assert time.perf_counter() - began < 20
        with pytest.raises(Broken):
            await task
    host, port = api.base_url.removeprefix("http://").split(":")
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection(host, int(port))
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_port_that_is_taken_is_an_os_error(http: aiohttp.ClientSession) -> None:
    """The one that has it goes on, and a given port is the one that is served."""
    async with Emulator() as first:
        port = int(first.base_url.rsplit(":", 1)[1])
        before = asyncio.all_tasks()
        with pytest.raises(OSError, match="in use"):
            await Emulator(port=port).__aenter__()
        assert asyncio.all_tasks() == before
        assert (await get(http, first, "/health")).status == 200
    async with Emulator(port=port) as second:
        assert second.base_url == first.base_url


async def test_one_that_never_started_can_be_left() -> None:
    """Leaving without entering does nothing."""
    await Emulator().__aexit__(None, None, None)


def test_it_is_an_independent_witness() -> None:
    """Importing it loads nothing else of the package but the package's own name."""
    code = (
        "import sys, socialfetch_async.emulator\n"
        "print(*[m for m in sys.modules if m.startswith('socialfetch_async.')], sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split()) - {"socialfetch_async._version"}
    assert loaded
    assert all(name.startswith("socialfetch_async.emulator") for name in loaded), loaded
