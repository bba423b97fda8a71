"""Lists that gain and lose followers while they are read, by a plain HTTP client."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from socialfetch_async.emulator import Emulator, Profile
from tests.emulator.harness import fetch, handles, path_of


async def data(
    http: aiohttp.ClientSession, api: Emulator, handle: str, cursor: str | None = None
) -> Any:
    """Ask for one page and return its `data`."""
    answer = await fetch(http, api, path_of(handle, cursor))
    assert answer.status == 200, answer
    return json.loads(answer.body)["data"]


async def walk(
    http: aiohttp.ClientSession,
    api: Emulator,
    between: Callable[[int], object] = lambda _: None,
    cursor: str | None = None,
) -> list[str]:
    """Read ada's list from a cursor to its end; do something after each page."""
    found: list[str] = []
    number = 0
    while True:
        page = await data(http, api, "ada", cursor)
        found += handles(page["followers"])
        cursor = page["page"]["nextCursor"]
        assert page["page"]["hasMore"] == (cursor is not None)
        if cursor is None:
            return found
        between(number)
        number += 1


async def test_new_followers_stand_at_the_top(http: aiohttp.ClientSession) -> None:
    """Newest first, the others below them as before; the total follows, on every route."""
    async with Emulator({"ada": 30}, page_size=50) as api:
        before = handles(api.followers("ada"))
        new = api.gain("Ada", 3)
        newer = api.gain("ada", 2)
        page = await data(http, api, "ada")
        assert handles(page["followers"]) == newer + new + before == handles(api.followers("ada"))
        assert len({*newer, *new, *before}) == 35
        assert page["totalFollowers"] == 35
        profile = await fetch(http, api, path_of("ada", route=""))
        assert json.loads(profile.body)["data"]["metrics"]["followers"] == 35


async def test_followers_leave(http: aiohttp.ClientSession) -> None:
    """As many as were asked for, or these; the others stay in their order."""
    async with Emulator({"ada": 30}, page_size=50) as api:
        before = handles(api.followers("ada"))
        lost = api.lose("ada", 3)
        left = [who for who in before if who not in lost]
        assert len(left) == 27
        named = [left[0], left[-1]]
        assert api.lose("ADA", iter(named)) == named
        page = await data(http, api, "ada")
        assert handles(page["followers"]) == left[1:-1] == handles(api.followers("ada"))
        assert page["totalFollowers"] == 25


async def test_a_seed_decides_who_leaves() -> None:
    """The same emulator loses the same; each time others."""
    runs = []
    for seed in (1, 1, 2):
        api = Emulator({"ada": 1_000_000}, seed=seed)
        runs.append([api.lose("ada", 5), api.lose("ada", 5)])
    assert runs[0] == runs[1] != runs[2]
    assert not set(runs[0][0]) & set(runs[0][1])


async def test_a_cursor_is_a_place_among_people(http: aiohttp.ClientSession) -> None:
    """With new ones at the top an old cursor repeats nobody and misses nobody."""
    async with Emulator({"ada": 100}, page_size=7) as api:
        before = handles(api.followers("ada"))
        assert await walk(http, api, lambda _: api.gain("ada", 5)) == before
        assert handles(api.followers("ada"))[-100:] == before
        assert len(api.followers("ada")) == 100 + 14 * 5


async def test_who_stays_is_read_while_others_leave(http: aiohttp.ClientSession) -> None:
    """Nobody twice, and everybody who was there before and after."""
    async with Emulator({"ada": 300}, page_size=20, seed=3) as api:
        before = set(handles(api.followers("ada")))
        found = await walk(http, api, lambda _: (api.lose("ada", 8), api.gain("ada", 3)))
        after = set(handles(api.followers("ada")))
        assert len(found) == len(set(found))
        assert before & after <= set(found) <= before


async def test_the_person_at_a_cursor_may_leave(http: aiohttp.ClientSession) -> None:
    """It goes on with the next one; with none left it is an empty page that ends the list."""
    async with Emulator({"ada": 50}) as api:
        everybody = handles(api.followers("ada"))
        cursor = (await data(http, api, "ada"))["page"]["nextCursor"]
        api.lose("ada", everybody[20:23])
        assert await walk(http, api, cursor=cursor) == everybody[23:]
        api.lose("ada", everybody[23:])
        page = await data(http, api, "ada", cursor)
        assert page == {
            "lookupStatus": "found",
            "followers": [],
            "page": {"nextCursor": None, "hasMore": False},
            "totalFollowers": 20,
        }


async def test_expired_cursors_are_refused(http: aiohttp.ClientSession) -> None:
    """400 with the envelope and no charge; the list itself and its new cursors are served."""
    async with Emulator({"ada": 50}) as api:
        old = (await data(http, api, "ada"))["page"]["nextCursor"]
        api.expire_cursors()
        refused = await fetch(http, api, path_of("ada", old))
        assert refused.status == 400
        assert json.loads(refused.body)["error"]["code"] == "bad_request"
        assert len(api.charges) == 1
        new = (await data(http, api, "ada"))["page"]["nextCursor"]
        assert new != old
        assert await walk(http, api, cursor=new) == handles(api.followers("ada"))[20:]


@pytest.mark.parametrize("depth", [1, 40, 45, 1000])
async def test_a_list_may_end_early(http: aiohttp.ClientSession, depth: int) -> None:
    """Complete by what it says, and shorter than the total; new ones push the end up."""
    async with Emulator({"ada": 100}, depth=depth) as api:
        everybody = handles(api.followers("ada"))
        assert await walk(http, api) == everybody[:depth]
        page = await data(http, api, "ada")
        assert page["totalFollowers"] == 100
        new = api.gain("ada", 10)
        assert await walk(http, api) == (new + everybody)[:depth]


async def test_a_cursor_below_the_depth_is_the_end(http: aiohttp.ClientSession) -> None:
    """The new ones at the top have pushed it out of what can be walked."""
    async with Emulator({"ada": 100}, depth=40) as api:
        cursor = (await data(http, api, "ada"))["page"]["nextCursor"]
        api.gain("ada", 30)
        page = await data(http, api, "ada", cursor)
        assert (page["followers"], page["page"]["hasMore"]) == ([], False)


async def test_lists_move_with_time(http: aiohttp.ClientSession) -> None:
    """By the same mechanism: at the top, with an old cursor behind them, and down to nobody."""
    async with Emulator({"ada": 30, "bo": 30}, growth={"Ada": "200/s", "bo": "-2000/s"}) as api:
        first = await data(http, api, "ada")
        everybody = handles(api.followers("ada"))[-30:]
        while (await data(http, api, "ada"))["totalFollowers"] < first["totalFollowers"] + 5:
            await asyncio.sleep(0.01)
        rest = await walk(http, api, cursor=first["page"]["nextCursor"])
        assert rest[-10:] == everybody[-10:]
        assert not set(rest) & set(handles(first["followers"]))
        while (await data(http, api, "bo"))["totalFollowers"]:
            await asyncio.sleep(0.01)
        assert api.followers("bo") == []


async def test_a_rate_can_be_set_while_it_runs(http: aiohttp.ClientSession) -> None:
    """What is due by then stays; a rate of 0 ends it; the depth can be set as well."""
    async with Emulator({"ada": 30}) as api:
        api.grow("ada", "1000/s")
        while (await data(http, api, "ada"))["totalFollowers"] < 40:
            await asyncio.sleep(0.01)
        api.grow("Ada", "0/s")
        people = handles(api.followers("ada"))
        await asyncio.sleep(0.02)
        assert handles(api.followers("ada")) == people
        api.depth = 20
        assert await walk(http, api) == people[:20]
        assert api.depth == 20


def test_a_profile_that_is_given_anew_has_not_moved() -> None:
    """Its list is the one that its number says."""
    api = Emulator({"ada": 10})
    everybody = api.followers("ada")
    api.gain("ada", 5)
    api.profile("ada", Profile(10))
    assert api.followers("ada") == everybody


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (lambda api: api.gain("ada", -1), "at least 0, not -1"),
        (lambda api: api.gain("bo", 1), "'bo' has no list .* private"),
        (lambda api: api.gain("nobody", 1), "not_found"),
        (lambda api: api.lose("ada", 11), "0 to 10 followers, not 11"),
        (lambda api: api.lose("ada", -1), "0 to 10"),
        (lambda api: api.lose("ada", ["nobody"]), "'nobody' does not follow ada"),
        (lambda api: api.lose("ada", ["ada.alps.99"]), "'ada.alps.99' does not follow"),
        (lambda api: api.lose("bo", 0), "private"),
        (lambda api: api.grow("bo", "1/s"), "private"),
        (lambda api: api.grow("ada", "fast"), "5/min"),
    ],
)
def test_a_move_that_is_not_possible_is_refused(
    order: Callable[[Emulator], None], words: str
) -> None:
    """ValueError, and nothing has moved."""
    api = Emulator({"ada": 10, "bo": "private"})
    with pytest.raises(ValueError, match=words):
        order(api)
    assert len(api.followers("ada")) == 10


@pytest.mark.parametrize(
    "arguments", [{"growth": {"ada": "5"}}, {"growth": {"bo": "5/s"}}, {"depth": -1}], ids=str
)
def test_arguments_that_no_list_can_have_are_refused(arguments: dict[str, Any]) -> None:
    """A rate without a time, a list that is not there, a negative depth."""
    with pytest.raises(ValueError, match=r"."):
        Emulator({"ada": 10}, **arguments)
