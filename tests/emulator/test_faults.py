"""Every fault of the emulator over a real socket, by a plain HTTP client."""

import asyncio
import json
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from socialfetch_async.emulator import FAULTS, Emulator, Fault
from socialfetch_async.emulator.faults import FORMS, STATUSES
from tests.emulator.harness import Answer, Broken, fetch, handles, path_of

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
NAMED = [name for name in FAULTS if not name[0].isdigit()]
ROUTES = ("/followers", "/following", "")


async def outcome(http: aiohttp.ClientSession, api: Emulator, path: str) -> Answer | str:
    """Return the answer, or how there was none."""
    try:
        return await fetch(http, api, path)
    except TimeoutError:
        return "stall"
    except aiohttp.ClientPayloadError:
        return "truncate"
    except Broken:
        return "drop"


def value(answer: Answer) -> Any:
    """Return the body as JSON, read without mercy."""
    return json.loads(answer.body, parse_constant=lambda _: pytest.fail("no JSON: NaN"))


def page(answer: Answer) -> Any:
    """Return the `data` of a page."""
    return value(answer)["data"]


def is_no_json(answer: Answer) -> bool:
    """Whether a strict parser refuses the body."""
    with pytest.raises(ValueError):
        json.loads(answer.body)
    return True


def is_damaged(what: bytes) -> Callable[[Answer], bool]:
    """Return a check: these bytes are in a body that is whole and is refused."""
    return lambda answer: what in answer.body and b'"version"' in answer.body and is_no_json(answer)


def is_html(answer: Answer) -> bool:
    """Whether it is a web page."""
    return answer.headers["Content-Type"].startswith("text/html") and b"<html>" in answer.body


def has_nan(answer: Answer) -> bool:
    """Whether the first row's number of followers is none."""
    rows = json.loads(answer.body)["data"]["followers"]
    return math.isnan(rows[0]["metrics"]["followers"]) and rows[1]["metrics"]["followers"] >= 0


def unpacked(answer: Answer) -> Any:
    """Return what a packed body holds, and whether it has its end."""
    assert answer.headers["Content-Encoding"] == "gzip"
    unpacker = zlib.decompressobj(31)
    body = unpacker.decompress(answer.body)
    return body, unpacker.eof


# What an answer with a status is, for a first page of 20 of 30 followers.
SEEN: dict[str, Callable[[Answer], Any]] = {
    "redirect": lambda a: a.status == 302 and a.headers["Location"].endswith(".invalid/"),
    "portal": is_html,
    "html": is_html,
    "empty": lambda a: a.body == b"",
    "half": lambda a: len(a.body) > 1000 and is_no_json(a),
    "gzip-truncated": lambda a: len(unpacked(a)[0]) > 1000 and not unpacked(a)[1],
    "bomb": lambda a: len(a.body) < 200_000 and len(unpacked(a)[0]) > 10**8,
    "expired": lambda a: len(page(a)["followers"]) == 20,  # a first page
    "stray-408": lambda a: len(page(a)["followers"]) == 20,
    "stray-200": lambda a: len(page(a)["followers"]) == 20,
    "control-character": is_damaged(b"\x01"),
    "raw-newline": is_damaged(b"\n"),
    "bad-escape": is_damaged(b"\\'"),
    "bad-utf8": is_damaged(b"\xf0\x9f"),
    "nul-behind": is_damaged(b"\0"),
    "text-behind": is_damaged(b"<!--"),
    "beyond-repair": is_damaged(b'"lookupStatus" "found"'),
    "surrogate": lambda a: page(a)["followers"][0]["displayName"].endswith("\ud83d"),
    "nan": has_nan,
    "bad-row": lambda a: page(a)["followers"][0]["verified"] == "no",
    "unknown-fields": lambda a: value(a)["new"] == page(a)["new"] == [1],
    "unknown-status": lambda a: page(a)["lookupStatus"] == "suspended",
    "no-meta": lambda a: set(value(a)) == {"data"},
    "meta-null": lambda a: value(a)["meta"] is None,
    "price-missing": lambda a: "creditsCharged" not in value(a)["meta"],
    "price-negative": lambda a: value(a)["meta"]["creditsCharged"] < 0,
    "price-absurd": lambda a: value(a)["meta"]["creditsCharged"] == 10**12,
    "envelope-list": lambda a: isinstance(value(a), list),
    "envelope-page": lambda a: "page" not in page(a),
    "envelope-rows": lambda a: len(page(a)["items"]) == 20 and "followers" not in page(a),
    "same-cursor": lambda a: page(a)["page"]["hasMore"],  # the walks are below
    "empty-page": lambda a: page(a)["followers"] == [] and page(a)["page"]["nextCursor"],
    "begin-again": lambda a: page(a)["page"]["hasMore"],
    "no-cursor": lambda a: page(a)["page"] == {"nextCursor": None, "hasMore": True},
}
UNSEEN = {
    "drop": "drop", "lose": "drop", "truncate": "truncate",
    "stall": "stall", "stall-after": "stall", "stall-body": "stall",
}  # fmt: skip
BODIES = {"": b'"requestId"', "-html": b"<html>", "-empty": b"", "-json": b'"statusCode"'}


def test_every_kind_has_a_check() -> None:
    """The table of kinds and the table of what is seen are the same."""
    assert {*SEEN, *UNSEEN} == {*NAMED}
    assert len(FAULTS) == len(NAMED) + len(STATUSES) * (1 + len(FORMS)) + 1 + 6 * len(FORMS)
    assert all(isinstance(fault, Fault) and fault.what for fault in FAULTS.values())


def test_the_page_about_testing_has_every_kind() -> None:
    """In its table, as charged or not; the forms of a status are written out for one."""
    cells = [
        line.split("|")[1:4] for line in PAGE.read_text().splitlines() if line.startswith('| `"')
    ]
    charged = {
        name: charge.strip() == "yes"
        for names, _, charge in cells
        for name in re.findall(r'"([a-z0-9-]+)"', names)
    }
    listed = [name for name in FAULTS if "-" not in name or name in NAMED]
    listed += [name for name in FAULTS if name.startswith("502-") or name == "500-after"]
    assert charged == {name: FAULTS[name].charged for name in listed}


@pytest.mark.jumping
@pytest.mark.parametrize("fault", NAMED)
async def test_a_fault_does_what_it_says(
    http: aiohttp.ClientSession, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its charge is in the ledger, also when the answer was lost; the next request is served."""
    async with Emulator({"ada": 30}) as api:
        api.script("ada", fault)
        seen = await outcome(http, api, path_of("ada"))
        if isinstance(seen, Answer):
            assert SEEN[fault](seen), seen
        else:
            assert seen == UNSEEN[fault]
        charged = FAULTS[fault].charged or fault == "expired"
        assert [c.handle for c in api.charges] == ["ada"] * charged
        # A leftover may be on its way already: it lies on the old connection.
        async with aiohttp.ClientSession() as fresh:
            asked = fresh if fault.startswith("stray") else http
            after = await outcome(asked, api, path_of("ada"))
        assert isinstance(after, Answer)
        assert handles(page(after)["followers"]) == handles(api.followers("ada"))[:20]
        while api._here:
            await asyncio.sleep(0.01)  # a stalled answer ends when its client has left
        status = 0 if isinstance(seen, str) else seen.status
        assert [r.status for r in api.requests] == [status, 200]
    assert caplog.records == []


@pytest.mark.parametrize("after", ["", "-after"])
@pytest.mark.parametrize("form", BODIES)
async def test_a_status_comes_from_the_api_or_from_a_gateway(
    http: aiohttp.ClientSession, form: str, after: str
) -> None:
    """With the envelope or without; before the charge or after it."""
    kinds = [f"{status}{form}{after}" for status in STATUSES if f"{status}{form}{after}" in FAULTS]
    assert len(kinds) == (1 if not form else 6) if after else 29
    async with Emulator({"ada": 30}) as api:
        api.script("ada", *kinds)
        for kind in kinds:
            seen = await outcome(http, api, path_of("ada"))
            assert isinstance(seen, Answer)
            assert seen.status == int(kind[:3])
            assert BODIES[form] in seen.body
            assert bool(seen.body) == (form != "-empty")
            if not form:
                assert ("checkoutUrl" in value(seen)["error"]) == (seen.status == 402)
            if form == "-json":
                assert not isinstance(value(seen)["error"], dict)
        assert len(api.charges) == (len(kinds) if after else 0)


@pytest.mark.parametrize("route", ROUTES)
async def test_every_route_meets_every_fault(http: aiohttp.ClientSession, route: str) -> None:
    """Whatever is bought; nothing fails inside the emulator, and every charge is in the ledger."""
    kinds = [name for name in NAMED if "stall" not in name and "stray" not in name]
    async with Emulator() as api:
        for handle in ("ada", "private.one"):
            api.script(handle, *kinds)
            before = len(api.charges)
            for kind in kinds:
                seen = await outcome(http, api, path_of(handle, route=route))
                assert isinstance(seen, str) or seen.status < 400, kind
            charged = sum(FAULTS[kind].charged for kind in kinds) + 1  # `expired` is a first page
            assert len(api.charges) - before == charged


@pytest.mark.jumping
@pytest.mark.parametrize("kind", ["425", "504-html", "502-json-after", "stall", "nan", "portal"])
async def test_a_share_of_the_requests_fails(http: aiohttp.ClientSession, kind: str) -> None:
    """By rate, as it was by script."""
    async with Emulator({"ada": 30}, faults={kind: 1}) as api:
        seen = await outcome(http, api, path_of("ada"))
        assert seen == "stall" if kind == "stall" else isinstance(seen, Answer)
        assert len(api.charges) == FAULTS[kind].charged


# -- answers that nobody asked for --------------------------------------------------------------


class Wire:
    """One connection to an emulator, spoken to by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, api: Emulator) -> "Wire":
        host, port = api.base_url.removeprefix("http://").split(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def ask(self, *handles: str) -> None:
        """Send requests, all in one write."""
        rest = "HTTP/1.1\r\nHost: x\r\nx-api-key: sfk_emulator\r\n\r\n"
        self.writer.write("".join(f"GET {path_of(who)} {rest}" for who in handles).encode())

    async def answer(self) -> tuple[int, bytes]:
        """Return the next answer, asked for or not."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return int(head.split(b" ")[1]), await self.reader.readexactly(length)


@pytest.mark.parametrize(("fault", "status"), [("stray-408", 408), ("stray-200", 200)])
async def test_a_stray_answer_lies_on_an_idle_connection(fault: str, status: int) -> None:
    """The page, then the leftover, for one request and one charge; the connection goes on."""
    async with Emulator({"ada": 3, "bo": 3}) as api:
        api.script("ada", fault)
        wire = await Wire.to(api)
        wire.ask("ada")
        assert people(await wire.answer()) == handles(api.followers("ada"))
        found, body = await wire.answer()
        assert found == status
        if fault == "stray-200":
            assert len(people((found, body))) == 20
            assert not set(people((found, body))) & set(handles(api.followers("ada")))
        wire.ask("bo")
        assert people(await wire.answer()) == handles(api.followers("bo"))
        wire.writer.close()
        assert len(api.requests) == len(api.charges) == 2


async def test_a_stray_answer_is_for_nobody() -> None:
    """It is not sent while somebody asks, whose answer it would be."""
    async with Emulator({"ada": 3, "bo": 3}) as api:
        api.script("ada", "stray-200")
        api.script("bo", "stall")
        wire = await Wire.to(api)
        wire.ask("ada", "bo")
        assert people(await wire.answer()) == handles(api.followers("ada"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.reader.read(1), 0.2)
        wire.writer.close()


def people(answer: tuple[int, bytes]) -> list[str]:
    """Return who is on a page."""
    assert answer[0] == 200
    return handles(json.loads(answer[1])["data"]["followers"])


# -- lists that go wrong ------------------------------------------------------------------------


async def walk(
    http: aiohttp.ClientSession, api: Emulator, pages: int
) -> tuple[list[str], list[str]]:
    """Read so many pages of ada's list; return who was on them and the cursors."""
    people: list[str] = []
    cursors: list[str] = []
    cursor = None
    for _ in range(pages):
        data = page(await fetch(http, api, path_of("ada", cursor)))
        people += handles(data["followers"])
        cursor = data["page"]["nextCursor"]
        if cursor is None:
            break
        cursors.append(cursor)
    return people, cursors


@pytest.mark.parametrize("gained", [0, 3])
@pytest.mark.parametrize("period", [1, 2, 3, 20])
async def test_a_list_begins_again_under_fresh_cursors(
    http: aiohttp.ClientSession, period: int, gained: int
) -> None:
    """After so many pages, below the followers who are new by then; no cursor comes twice."""
    async with Emulator({"ada": 100_000}, page_size=5) as api:
        api.script("ada", *[*[None] * (period - 1), "begin-again"] * 2)
        first, cursors = await walk(http, api, period)
        new = api.gain("ada", gained)
        cursor = cursors[-1]
        data = page(await fetch(http, api, path_of("ada", cursor)))
        assert handles(data["followers"]) == (new + first)[:5]
        for _ in range(period):
            cursors.append(data["page"]["nextCursor"])
            data = page(await fetch(http, api, path_of("ada", cursors[-1])))
        assert len(set(cursors)) == len(cursors)
        assert len(api.charges) == 2 * period + 1


async def test_a_cursor_is_repeated(http: aiohttp.ClientSession) -> None:
    """The page that it leads to says itself as the next one."""
    async with Emulator({"ada": 100}) as api:
        api.script("ada", None, "same-cursor", "same-cursor")
        people, cursors = await walk(http, api, 3)
        assert people[20:40] == people[40:60]
        assert cursors[0] == cursors[1] == cursors[2]


async def test_empty_pages_come_under_fresh_cursors(http: aiohttp.ClientSession) -> None:
    """And miss nobody when they end."""
    async with Emulator({"ada": 60}) as api:
        api.script("ada", None, *["empty-page"] * 4)
        people, cursors = await walk(http, api, 9)
        assert people == handles(api.followers("ada"))
        assert len(cursors) == len(set(cursors)) == 6
        assert len(api.charges) == 7


async def test_an_expired_cursor_is_refused(http: aiohttp.ClientSession) -> None:
    """400 with the envelope, not charged; first pages are served."""
    async with Emulator({"ada": 60}, faults={"expired": 1}) as api:
        data = page(await fetch(http, api, path_of("ada")))
        refused = await fetch(http, api, path_of("ada", data["page"]["nextCursor"]))
        assert (refused.status, value(refused)["error"]["code"]) == (400, "bad_request")
        assert len(api.charges) == 1


# -- limits, outages, prices --------------------------------------------------------------------


@pytest.mark.parametrize("retry_after", [None, 7])
@pytest.mark.parametrize("kind", ["429", "503", "429-html", "503-empty"])
async def test_a_refusal_may_ask_to_wait(
    http: aiohttp.ClientSession, kind: str, retry_after: int | None
) -> None:
    """With the envelope or without."""
    async with Emulator({"ada": 30}, retry_after=retry_after, faults={kind: 1}) as api:
        seen = await fetch(http, api, path_of("ada"))
        assert seen.headers.get("Retry-After") == (None if retry_after is None else "7")


@pytest.mark.parametrize("limited", ["429", "503-html"])
async def test_a_rate_limit_lets_so_many_through(http: aiohttp.ClientSession, limited: str) -> None:
    """A second's worth, then so many a second; above it a refusal that is not charged."""
    async with Emulator({"ada": 3}, rate_limit=30, limited=limited) as api:
        began = asyncio.get_running_loop().time()
        found = Counter([(await fetch(http, api, path_of("ada"))).status for _ in range(60)])
        allowed = 31 + 30 * (asyncio.get_running_loop().time() - began)
        assert 30 <= found[200] <= allowed
        assert found[int(limited[:3])] == 60 - found[200]
        assert len(api.charges) == found[200]
        await asyncio.sleep(0.1)
        assert (await fetch(http, api, path_of("ada"))).status == 200
        api.limit_rate(0, "408")
        assert (await fetch(http, api, path_of("ada"))).status == 408
        api.limit_rate(None)
        assert (await fetch(http, api, path_of("ada"))).status == 200


async def test_an_outage_is_for_everybody_and_for_a_time(http: aiohttp.ClientSession) -> None:
    """On every route, free ones too; then the emulator answers as before."""
    paths = [path_of("ada"), "/v1/balance", "/health"]
    async with Emulator(outages=[("503", 0, 1_000)]) as api:
        assert [(await fetch(http, api, path)).status for path in paths] == [503] * 3
    async with Emulator({"ada": 3}, outages=[("503", 0, 0.15)]) as api:
        while (await fetch(http, api, path_of("ada"))).status != 200:
            await asyncio.sleep(0.02)
        api.outage("521-html", 60)
        assert [(await fetch(http, api, path)).status for path in paths] == [521] * 3
        assert len(api.charges) == 1


async def test_an_outage_may_close_connections(http: aiohttp.ClientSession) -> None:
    """Or be any other fault that charges nothing."""
    async with Emulator({"ada": 3}, outages=[("drop", 0, 60)]) as api:
        assert await outcome(http, api, path_of("ada")) == "drop"


@pytest.mark.parametrize("price", [1, 2, 5, 7])
async def test_a_page_has_a_price(http: aiohttp.ClientSession, price: int) -> None:
    """Said on the page, taken from the balance, in the ledger; 402 where less than it is left."""
    async with Emulator({"ada": 30}, price=price, credits=3 * price - 1) as api:
        found = [await fetch(http, api, path_of("ada")) for _ in range(3)]
        assert [answer.status for answer in found] == [200, 200, 402]
        assert value(found[0])["meta"]["creditsCharged"] == price
        assert [charge.credits for charge in api.charges] == [price] * 2
        balance = value(await fetch(http, api, "/v1/balance"))["data"]["balance"]
        assert balance == api.credits == price - 1
        api.price = price - 1 or 1
        api.credits = price
        assert (await fetch(http, api, path_of("ada"))).status == 200
        assert api.charges[-1].credits == (price - 1 or 1)


async def test_an_account_without_end_is_charged(http: aiohttp.ClientSession) -> None:
    """Its balance falls by what was taken, lost answers included."""
    async with Emulator({"ada": 30}, price=5) as api:
        before = value(await fetch(http, api, "/v1/balance"))["data"]["balance"]
        api.script("ada", None, "lose", "503", "504-html-after")
        for _ in range(4):
            await outcome(http, api, path_of("ada"))
        after = value(await fetch(http, api, "/v1/balance"))["data"]["balance"]
        assert before - after == sum(charge.credits for charge in api.charges) == 15
        assert api.credits is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"price": 0}, "price"),
        ({"rate_limit": -1}, "per_second"),
        ({"rate_limit": 5, "limited": "lose"}, "lose answers a page"),
        ({"limited": "999"}, "no such fault: '999'"),
        ({"outages": [("html", 0, 1)]}, "html answers a page"),
        ({"outages": [("503", 2, 1)]}, "after its beginning"),
        ({"outages": [("503", 0, math.nan)]}, "after its beginning"),
        ({"faults": {"502-htm": 0.1}}, "503-html-after"),
    ],
    ids=str,
)
def test_arguments_that_are_not_valid_are_refused(arguments: dict[str, Any], words: str) -> None:
    """ValueError with what is wrong."""
    with pytest.raises(ValueError, match=words):
        Emulator({"ada": 10}, **arguments)
