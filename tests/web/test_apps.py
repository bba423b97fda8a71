"""The examples as their readers see them, and what they buy, in the emulator's ledger."""

import json
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import quote, unquote

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from socialfetch_async.emulator import Emulator
from tests.commands import KEY
from tests.web.apps import (
    LATENCY,
    NAMES,
    App,
    all_lines,
    charged,
    connected,
    events,
    lines,
    running,
    settled,
    until_charged,
)

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("web"),  # each application is started once
]

PAGE = 100  # some 60 kB: more than the sockets on our side hold
BIG = 20_000  # followers: 200 pages
SMALL = 250  # followers: 3 pages
BIG_LISTS = ("left", "events.left", "collect.left", "slow", "slow.events", "input", "limit")
SMALL_LISTS = ("whole", "events", "collect", "fails", "events.fails", "busy")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def api() -> AsyncIterator[Emulator]:
    """The API with a list for each use and application; whoever is not there is not found."""
    sizes = dict.fromkeys(BIG_LISTS, BIG) | dict.fromkeys(SMALL_LISTS, SMALL)
    profiles: dict[str, int | str] = {"closed": "private", "veiled": "hidden"}
    for use, size in sizes.items():
        profiles |= {f"{use}.{name}": size for name in NAMES}
    async with Emulator(profiles, page_size=PAGE, latency=LATENCY, api_keys=[KEY]) as emulator:
        yield emulator


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=NAMES)
async def app(request: pytest.FixtureRequest, api: Emulator) -> AsyncIterator[App]:
    """Each of the examples."""
    async with running(request.param, api) as started:
        yield started


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A reader's client."""
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(20), read_bufsize=2**20
    ) as session:
        yield session


async def test_a_list_streams_as_ndjson_with_its_end_as_the_last_line(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """Every follower once, in order, as the API has it; then that the list is complete."""
    handle = f"whole.{app.name}"
    *rows, end = await all_lines(http, f"{app.url}/stream/@{handle}")
    assert rows == api.followers(handle)
    assert end == {"done": True, "cursor": None, "stopReason": "complete"}
    assert len(charged(api, handle)) == 3


async def test_a_list_streams_as_events_and_goes_on_from_the_last_id(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """A browser that lost its connection gets what is missing, and what it has is not bought."""
    handle = f"events.{app.name}"
    url = f"{app.url}/events/{handle}"
    async with http.get(url) as response:
        assert response.content_type == "text/event-stream"
        assert response.headers["X-Accel-Buffering"] == "no"
        first = await anext(events(response))
        response.close()
    last_id = {"Last-Event-ID": first["id"]}
    async with http.get(url, headers=last_id) as response:
        *pages, end = [event async for event in events(response)]
    rows = [row for page in [first, *pages] for row in page["data"]["followers"]]
    assert rows == api.followers(handle)
    assert charged(api, handle)[-2:] == [unquote(first["id"]), unquote(pages[0]["id"])]
    assert end == {
        "event": "end",
        "id": "*",
        "data": {"done": True, "cursor": None, "stopReason": "complete"},
    }


async def test_a_browser_that_comes_again_after_the_end_is_sent_away(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """A 204 is what an EventSource does not come back after, so it buys nothing for ever."""
    handle = f"events.{app.name}"
    before = len(charged(api, handle))
    url, headers = f"{app.url}/events/{handle}", {"Last-Event-ID": "*"}
    async with http.get(url, headers=headers) as response:
        assert response.status == 204
    assert len(charged(api, handle)) == before


async def test_some_followers_at_once_are_whole_pages_and_a_cursor(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """The page that is paid for is not cut, and the cursor goes on behind it."""
    handle = f"collect.{app.name}"
    url = f"{app.url}/followers/{handle}"
    async with http.get(url, params={"max_followers": "101"}) as response:
        assert response.content_type == "application/json"
        first = await response.json()
    assert len(first["followers"]) == 200
    assert (first["done"], first["stopReason"]) == (False, "max_followers")
    assert first["totalFollowers"] == SMALL
    async with http.get(
        url, params={"cursor": first["cursor"], "max_followers": "101"}
    ) as response:
        rest = await response.json()
    assert first["followers"] + rest["followers"] == api.followers(handle)
    assert (rest["done"], rest["cursor"], rest["stopReason"]) == (True, None, "complete")
    assert len(charged(api, handle)) == 3


async def test_a_reader_that_leaves_a_stream_stops_the_buying(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """What was on its way is the only page that is bought after the reader has left."""
    handle = f"left.{app.name}"
    seen = 0
    async with http.get(f"{app.url}/stream/{handle}") as response:
        async for _ in lines(response):
            seen += 1
            if seen == 2 * PAGE + 1:
                break
        response.close()
    assert await settled(api, handle) <= 3 + 1


async def test_a_reader_that_leaves_the_events_stops_the_buying(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """The same for server-sent events."""
    handle = f"events.left.{app.name}"
    seen = 0
    async with http.get(f"{app.url}/events/{handle}") as response:
        async for _ in events(response):
            seen += 1
            if seen == 3:
                break
        response.close()
    assert await settled(api, handle) <= 3 + 1


async def test_a_reader_that_leaves_before_the_answer_stops_the_buying(
    app: App, api: Emulator
) -> None:
    """An answer that is collected first is not bought to its end for nobody."""
    handle = f"collect.left.{app.name}"
    target = f"/followers/{handle}?max_followers=2000&max_credits=100"
    with connected(app) as reader:
        reader.sendall(f"GET {target} HTTP/1.1\r\nHost: web\r\n\r\n".encode())
        await until_charged(api, handle, 3)
    # The third page is on its way; whether the reader has left is asked when it is here.
    assert await settled(api, handle) <= 3 + 1


# Pages that are bought for a reader that does not read, when its own system holds 4 KiB for it.
# hypercorn's transport holds 64 KiB, and there is no way to tell it otherwise.
SLOW = {"fastapi": 1, "litestar": 1, "quart": 2, "aiohttp": 1}


@pytest.mark.parametrize(("use", "route"), [("slow", "stream"), ("slow.events", "events")])
async def test_for_a_reader_that_does_not_read_the_next_page_is_not_bought(
    app: App, api: Emulator, use: str, route: str
) -> None:
    """One page waits in the server; when the reader leaves at last, no further one is bought."""
    handle = f"{use}.{app.name}"
    with connected(app, receive_buffer=4096) as reader:
        reader.sendall(f"GET /{route}/{handle} HTTP/1.1\r\nHost: web\r\n\r\n".encode())
        await until_charged(api, handle, 1)
        await settled(api, handle)
    assert await settled(api, handle) <= SLOW[app.name]


@pytest.mark.parametrize("route", ["stream", "events", "followers"])
async def test_head_buys_nothing(
    app: App, api: Emulator, http: aiohttp.ClientSession, route: str
) -> None:
    """Some frameworks answer HEAD wherever GET is, and run the whole handler for it."""
    handle = f"input.{app.name}"
    async with http.head(f"{app.url}/{route}/{handle}") as response:
        assert response.status == 405
    assert charged(api, handle) == []


async def test_a_failure_in_the_middle_is_the_last_line_and_the_list_goes_on_from_there(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """The 200 is sent by then, so the body says that it is short; nothing is bought twice."""
    handle = f"fails.{app.name}"
    api.script(handle, None, "503", "503")
    *rows, end = await all_lines(http, f"{app.url}/stream/{handle}")
    assert (end["done"], end["error"]["code"]) == (False, "upstream_busy")
    *rest, end = await all_lines(http, f"{app.url}/stream/{handle}?cursor={quote(end['cursor'])}")
    assert rows + rest == api.followers(handle)
    assert end["done"] is True
    assert len(charged(api, handle)) == 3


async def test_a_failure_in_the_middle_of_events_lets_the_browser_come_again(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """It is told when, and the id of the last page stays the place to go on from."""
    handle = f"events.fails.{app.name}"
    api.script(handle, None, "503", "503")
    async with http.get(f"{app.url}/events/{handle}") as response:
        first, end = [event async for event in events(response)]
    assert end["data"]["cursor"] == unquote(first["id"])
    assert (end["event"], end["retry"], "id" in end) == ("end", "5000", False)


async def test_a_failure_before_the_first_page_is_a_status(
    app: App, api: Emulator, http: aiohttp.ClientSession
) -> None:
    """With the time after which to ask again."""
    handle = f"busy.{app.name}"
    api.script(handle, "503", "503")
    async with http.get(f"{app.url}/stream/{handle}") as response:
        body = await response.json()
    assert (response.status, response.headers["Retry-After"]) == (503, "5")
    assert body["error"]["code"] == "upstream_busy"
    assert charged(api, handle) == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_process_spends_no_more_than_it_may(
    api: Emulator, http: aiohttp.ClientSession, name: str
) -> None:
    """A reader that left gives back what it did not spend; who comes last is told to wait."""
    handle = f"limit.{name}"
    async with running(name, api, SOCIALFETCH_MAX_CREDITS="6") as app:
        with connected(app, receive_buffer=4096) as reader:  # it leaves while it is sent to
            target = f"/stream/{handle}?max_credits=5"
            reader.sendall(f"GET {target} HTTP/1.1\r\nHost: web\r\n\r\n".encode())
            await until_charged(api, handle, 1)
            await settled(api, handle)
        # Until the process has seen that its reader left, and has what it did not spend again.
        assert await settled(api, handle, 2.0) <= SLOW[name]
        *_, end = await all_lines(http, f"{app.url}/stream/{handle}?max_credits=50")
        assert end["stopReason"] == "max_credits"
        async with http.get(f"{app.url}/stream/{handle}") as response:
            body = await response.json()
    assert (response.status, body["error"]["code"]) == (503, "out_of_credits")
    assert len(charged(api, handle)) == 6


async def test_a_list_that_takes_long_is_not_cut_off(
    api: Emulator, http: aiohttp.ClientSession
) -> None:
    """Quart ends an answer after RESPONSE_TIMEOUT seconds, without a word: not this one."""
    async with running("quart", api, QUART_RESPONSE_TIMEOUT="0.05") as app:
        *rows, end = await all_lines(http, f"{app.url}/stream/whole.quart")
    assert (len(rows), end["done"]) == (SMALL, True)


async def test_a_refused_key_is_the_operators_and_not_the_readers(
    api: Emulator, http: aiohttp.ClientSession
) -> None:
    """A 500 without details: neither the key nor why it was refused."""
    async with running("aiohttp", api, SOCIALFETCH_API_KEY="sfk_wrong") as app:
        async with http.get(f"{app.url}/followers/whole.aiohttp") as response:
            text = await response.text()
    assert (response.status, json.loads(text)["error"]["code"]) == (500, "internal_error")
    assert not {"sfk_wrong", "key", api.base_url} & set(text.replace('"', " ").split())


class Refused(NamedTuple):
    """A request that is refused, and the beginning of the sentence that says why."""

    handle: str
    query: str
    status: int
    code: str
    message: str


BAD = [
    Refused("..%2Fx", "", 400, "invalid_handle", "not a TikTok handle: '../x'."),
    Refused("..", "", 400, "invalid_handle", "not a TikTok handle: '..'."),
    Refused("a%20b", "", 400, "invalid_handle", "not a TikTok handle: 'a b'."),
    Refused("%F0%9F%98%80", "", 400, "invalid_handle", "not a TikTok handle: '😀'."),
    Refused("{own}", "?cursor=", 400, "invalid_request", "cursor must not be empty"),
    Refused("{own}", "?cursor=made%20up", 400, "invalid_request", "The handle or the cursor"),
    Refused("{own}", "?max_credits=0", 400, "invalid_request", "max_credits "),
    Refused("{own}", "?max_credits=-5", 400, "invalid_request", "max_credits "),
    Refused("{own}", "?max_credits=abc", 400, "invalid_request", "max_credits "),
    Refused("{own}", f"?max_credits={'9' * 5000}", 400, "invalid_request", "max_credits "),
    Refused("{own}", "?max_credits=", 400, "invalid_request", "max_credits "),
    Refused("closed", "", 403, "profile_private", "This profile is private."),
    Refused("veiled", "", 403, "profile_hidden", "This profile hides its followers."),
    Refused("nobody", "", 404, "profile_not_found", "There is no such profile."),
]


@pytest.mark.parametrize("route", ["stream", "events", "followers"])
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.handle}{bad.query}"[:30])
async def test_what_can_not_be_had_is_refused_with_a_sentence(
    app: App, api: Emulator, http: aiohttp.ClientSession, route: str, bad: Refused
) -> None:
    """A 4xx with JSON on every route, before anything of a list is bought; never a 500."""
    own = f"input.{app.name}"
    await refused(http, f"{app.url}/{route}/{bad.handle.format(own=own)}", bad)
    assert charged(api, own) == []


@pytest.mark.parametrize("value", ["0", "abc", "-1"])
async def test_a_number_of_followers_that_can_not_be_is_refused(
    app: App, api: Emulator, http: aiohttp.ClientSession, value: str
) -> None:
    """The same for what only one route takes."""
    own = f"input.{app.name}"
    bad = Refused(own, f"?max_followers={value}", 400, "invalid_request", "max_followers ")
    await refused(http, f"{app.url}/followers/{own}", bad)
    assert charged(api, own) == []


async def refused(http: aiohttp.ClientSession, url: str, bad: Refused) -> None:
    """Ask as written, and compare the refusal."""
    async with http.get(URL(url + bad.query, encoded=True)) as response:
        body = await response.json()
    assert (response.status, response.content_type) == (bad.status, "application/json")
    assert list(body) == ["error"]
    assert body["error"]["code"] == bad.code
    assert body["error"]["message"].startswith(bad.message)
