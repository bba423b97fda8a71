"""The fault server by itself: what it says it does, seen by bare sockets and a plain session."""

import asyncio
import json
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from yarl import URL

from tests.emulator.harness import Broken, send_once
from tests.faults.book import cursor_of
from tests.faults.certificates import secured
from tests.faults.child import FaultServer
from tests.faults.wire import DAMAGED, FAULTS, GATEWAY_LOSSES, SLOW

ENDLESS = {"endless", "bomb", "many-rows", *SLOW}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Give a plain session that sends each request once and follows nothing."""
    async with aiohttp.ClientSession(middlewares=(send_once,)) as session:
        yield session


async def get(
    http: aiohttp.ClientSession, server: FaultServer, handle: str, page: int = 0
) -> tuple[int, bytes]:
    """Ask for a page; return status and body, status 0 if there is none."""
    url = URL(f"{server.base_url}/v1/tiktok/profiles/{handle}/followers")
    cursor = cursor_of(page)
    params = {} if cursor is None else {"cursor": cursor}
    try:
        async with http.get(url, params=params, allow_redirects=False) as response:
            return response.status, await response.read()
    except (Broken, aiohttp.ClientError):
        return 0, b""


def rows_of(body: bytes) -> list[str]:
    """Return the handles on a page."""
    return [row["handle"] for row in json.loads(body)["data"]["followers"]]


class Wire:
    """One connection, spoken to by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self._writer = reader, writer

    @classmethod
    async def to(cls, server: FaultServer) -> "Wire":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    def ask(self, handle: str, *, method: str = "GET", path: str = "") -> None:
        path = path or f"/v1/tiktok/profiles/{handle}/followers"
        self._writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    async def answer(self) -> tuple[int, bytes]:
        """Return the next answer on the connection, asked for or not."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 5)
        length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
        return int(head.split(b" ")[1]), await self.reader.readexactly(length)

    async def something(self) -> None:
        """Wait for the first bytes, or for the end."""
        with suppress(ConnectionError):
            await asyncio.wait_for(self.reader.read(1), 5)

    def close(self) -> None:
        self._writer.close()


# -- who answered -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 404, 408, 414, 425, 429, 500, 502, 504, 521, 524, 526])
async def test_a_status_has_four_senders(
    server: FaultServer, http: aiohttp.ClientSession, status: int
) -> None:
    """The API's envelope, HTML, nothing, or another service's JSON; none is charged."""
    server.order("ann", 0, *(f"{status}{form}" for form in ("", "-html", "-empty", "-json")))
    answers = [await get(http, server, "ann") for _ in range(4)]
    assert {found for found, _ in answers} == {status}
    envelope, html, empty, other = [body for _, body in answers]
    assert set(json.loads(envelope)["error"]) >= {"code", "message", "requestId"}
    assert html.startswith(b"<!doctype html>")
    assert empty == b""
    assert not isinstance(json.loads(other)["error"], dict)
    assert (server.count.charged, server.count.faults_before) == (0, 4)


@pytest.mark.parametrize("rate", [0.05, 0.3])
async def test_a_gateway_loses_what_was_charged(
    server: FaultServer, http: aiohttp.ClientSession, rate: float
) -> None:
    """Charged is delivered and lost, to the credit, at the rate that was ordered."""
    server.reset(pages=1, rate=rate, kinds=list(GATEWAY_LOSSES), seed=1)
    answers = Counter([(await get(http, server, f"h{n}"))[0] for n in range(500)])
    count = server.count
    assert count.charged == 500 == count.delivered + count.faults_after
    assert count.faults_after == 500 - answers[200]
    assert 0.6 * rate < count.faults_after / 500 < 1.5 * rate
    assert set(answers) <= {200, 502, 503, 504, 520, 524}


@pytest.mark.parametrize("status", ["201", "203", "206"])
async def test_a_page_under_another_status_of_success(
    server: FaultServer, http: aiohttp.ClientSession, status: str
) -> None:
    """The normal body, charged and delivered."""
    server.order("ann", 0, status)
    found, body = await get(http, server, "ann")
    assert (found, rows_of(body)) == (int(status), ["ann.0.0", "ann.0.1", "ann.0.2"])
    assert server.count.charged == server.count.delivered == 1


async def test_a_captive_portal_charges_nothing(
    server: FaultServer, http: aiohttp.ClientSession
) -> None:
    """A 200 with HTML, for anybody."""
    server.always("*", "portal")
    found, body = await get(http, server, "ann")
    assert (found, body[:9]) == (200, b"<!doctype")
    assert server.count.charged == 0


async def test_every_kind_is_charged_as_its_table_says(server: FaultServer) -> None:
    """One request for each; what does not end by itself is left out."""
    for name, fault in FAULTS.items():
        if name in ENDLESS or name.endswith(("-stall", "-endless")):
            continue
        before = server.count.charged
        server.order("ann", 0, name if not name.startswith("stray") else f"{name} 60")
        wire = await Wire.to(server)  # a fresh connection for each
        wire.ask("ann")
        await wire.something()
        wire.close()
        expected = fault.charged or name.startswith("stale")  # not stale: the page
        assert server.count.charged - before == expected, name


@pytest.mark.parametrize("name", DAMAGED)
async def test_damaged_text_arrives_whole(
    server: FaultServer, http: aiohttp.ClientSession, name: str
) -> None:
    """No strict parser takes it, and the last row's name is in it."""
    server.order("ann", 0, name)
    found, body = await get(http, server, "ann")
    assert found == 200
    assert b'"ann.0.2"' in body
    strict = name in {"surrogate", "nan", "nan-optional"}  # Python's own parser takes these
    if not strict:
        with pytest.raises(ValueError):
            json.loads(body)


def test_an_order_that_was_stopped_leaves_nothing_to_the_next(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As pytest-timeout stops a test while it waits for an answer, which comes nevertheless."""

    def stop() -> None:
        raise TimeoutError

    with monkeypatch.context() as stopped:
        stopped.setattr(server, "_read", stop)
        with pytest.raises(TimeoutError):
            server.call("counters")
    assert server.ledger() == []


# -- answers that nobody asked for --------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status"),
    [("stray-408", 408), ("stray-200", 200), ("stray-408 0.02", 408), ("stray-200 0.02", 200)],
)
async def test_a_stray_answer_lies_on_an_idle_connection(
    server: FaultServer, fault: str, status: int
) -> None:
    """The page, then the leftover, without a request and without a charge; then it goes on."""
    server.order("ann", 0, fault)
    wire = await Wire.to(server)
    wire.ask("ann")
    assert rows_of((await wire.answer())[1])[0] == "ann.0.0"
    found, body = await wire.answer()
    assert found == status
    if status == 200:
        assert rows_of(body)[0] == "stranger.0.0"
    wire.ask("bob")
    assert rows_of((await wire.answer())[1])[0] == "bob.0.0"
    wire.close()
    assert (server.count.requests, server.count.charged) == (2, 2)
    assert server.count.strays == (" " in fault)


async def test_a_stray_408_may_be_the_end(server: FaultServer) -> None:
    """As a proxy's is, which closes what was idle for too long."""
    server.order("ann", 0, "stray-408-close")
    wire = await Wire.to(server)
    wire.ask("ann")
    assert [(await wire.answer())[0] for _ in range(2)] == [200, 408]
    assert await wire.reader.read() == b""
    wire.close()


async def test_a_pause_that_a_request_cuts_leaves_no_stray(server: FaultServer) -> None:
    """It would be the answer to that request, which no client could tell."""
    server.order("ann", 0, "stray-200 1")
    server.order("bob", 0, "stall-before")
    wire = await Wire.to(server)
    wire.ask("ann")
    await wire.answer()
    wire.ask("bob")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wire.reader.read(1), 1.3)
    wire.close()
    assert server.count.strays == 0


async def test_all_idle_connections_can_end_at_once(
    server: FaultServer, http: aiohttp.ClientSession
) -> None:
    """And none that has a request."""
    server.reset(latency=0.02).order("x", 0, "stall-before")
    waiting = asyncio.ensure_future(get(http, server, "x"))
    await asyncio.gather(*(get(http, server, f"h{n}") for n in range(5)))
    assert server.call("drop_idle") == 5
    assert not waiting.done()
    waiting.cancel()


# -- outages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["503", "500", "504", "521", "521-html", "portal", "503-json"])
async def test_an_outage_answers_everybody_alike(
    server: FaultServer, http: aiohttp.ClientSession, how: str
) -> None:
    """Until it is ended; nothing is charged, every request is counted."""
    server.call("outage", seconds=None, how=how)
    expected = 200 if how == "portal" else int(how[:3])
    for handle in ("ann", "bob"):
        found, body = await get(http, server, handle)
        assert found == expected
        assert b"ann.0.0" not in body
    assert (server.count.outage_requests, server.count.charged) == (2, 0)
    server.call("recover")
    assert rows_of((await get(http, server, "ann"))[1])[0] == "ann.0.0"


async def test_an_outage_can_ask_to_wait(server: FaultServer, http: aiohttp.ClientSession) -> None:
    """A Retry-After behind the name, and the end after the seconds that were ordered."""
    server.call("outage", seconds=None, how="503 Retry-After: 3")
    async with http.get(f"{server.base_url}/v1/tiktok/profiles/ann/followers") as response:
        assert response.headers["Retry-After"] == "3"
    server.call("outage", seconds=0.05, how="503")
    while (await get(http, server, "ann"))[0] != 200:
        await asyncio.sleep(0.01)


def test_an_outage_charges_nothing(server: FaultServer) -> None:
    """What takes a credit is no outage."""
    with pytest.raises(AssertionError, match="charges"):
        server.call("outage", seconds=None, how="502-html-after")


@pytest.mark.parametrize("how", ["plain", "no-handshake", "refuse"])
async def test_a_tls_port_without_tls(how: str) -> None:
    """Plain HTTP, an alert, or nobody there; afterwards TLS again, on the same port."""
    with secured() as (server, trusting):
        connector = aiohttp.TCPConnector(ssl=trusting, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as http:
            url = f"{server.base_url}/v1/tiktok/profiles/ann/followers"
            async with http.get(url) as response:
                assert response.status == 200
            server.call("outage", seconds=None, how=how)
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await http.get(url)
            refused = isinstance(caught.value.os_error, ssl.SSLError)
            assert refused == (how != "refuse")
            assert (server.count.requests, server.count.with_key) == (1, 0)
            assert server.count.handshakes_refused == (how == "no-handshake")
            server.call("recover")
            async with http.get(url) as response:
                assert response.status == 200


async def test_a_proxy_refuses_a_tunnel(server: FaultServer) -> None:
    """CONNECT gets the status that was set; a plain request with a whole URL is served."""
    server.reset(refuses_connect="407 Proxy Authentication Required")
    wire = await Wire.to(server)
    wire.ask("", method="CONNECT", path="api.example.com:443")
    assert (await wire.answer())[0] == 407
    assert (server.count.connects, server.count.requests) == (1, 0)
    wire.ask("", path="http://api.example.com/v1/tiktok/profiles/ann/followers")
    assert (await wire.answer())[0] == 200
    wire.close()


# -- limits, prices, lists ----------------------------------------------------------------------


@pytest.mark.parametrize("limited", ["429", "503 Retry-After: 1", "429-html"])
async def test_a_rate_limit_lets_so_many_through(
    server: FaultServer, http: aiohttp.ClientSession, limited: str
) -> None:
    """A burst, and then so many in a second; above it a refusal that is not charged."""
    server.reset(rate_limit=20, burst=10, limited=limited)
    began = time.monotonic()
    statuses = Counter([(await get(http, server, f"h{n}"))[0] for n in range(40)])
    allowed = 10 + 20 * (time.monotonic() - began)
    count = server.count
    assert 10 <= statuses[200] <= allowed + 1
    assert statuses[int(limited[:3])] == count.limited == 40 - statuses[200]
    assert (count.charged, count.faults_before) == (statuses[200], 0)
    await asyncio.sleep(0.15)
    assert (await get(http, server, "later"))[0] == 200


@pytest.mark.parametrize("price", [1, 2, 5, 7])
async def test_a_page_has_a_price(
    server: FaultServer, http: aiohttp.ClientSession, price: int
) -> None:
    """Said in the answer, taken from the balance; 402 where less than it is left."""
    server.reset(price=price, balance=3 * price + price - 1)
    answers = [await get(http, server, f"h{n}") for n in range(4)]
    assert [found for found, _ in answers] == [200, 200, 200, 402]
    assert json.loads(answers[0][1])["meta"]["creditsCharged"] == price
    assert server.count.charged == 3 * price
    assert sum(entry.charged for entry in server.ledger()) == 3 * price


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("period", [1, 2, 3, 20, 1000])
async def test_a_list_begins_again_under_fresh_cursors(
    server: FaultServer, http: aiohttp.ClientSession, period: int, shift: int
) -> None:
    """The same people after a period, below some new ones; no cursor comes twice."""
    shape = {"shape": "again", "period": period, "shift": shift}
    server.reset(profiles={"ann": shape})
    first = await people(http, server, range(min(period, 3)))
    second = await people(http, server, range(period, period + min(period, 3)))
    assert len(set(first)) == len(first)
    assert second[shift:] == first[: len(first) - shift]
    assert not set(second[:shift]) & set(first)
    _, body = await get(http, server, "ann", period)
    data = json.loads(body)["data"]
    assert data["page"] == {"nextCursor": cursor_of(period + 1), "hasMore": True}
    assert data["totalFollowers"] == 3 * period


async def test_a_circle_may_lie_deep_inside_a_list(
    server: FaultServer, http: aiohttp.ClientSession
) -> None:
    """Four pages that come once, then two for ever."""
    server.reset(profiles={"ann": {"shape": "again", "begins": 4, "period": 2}})
    assert len(set(await people(http, server, range(6)))) == 18
    assert await people(http, server, [6, 7]) == await people(http, server, [4, 5])
    assert await people(http, server, [9]) == await people(http, server, [5])


async def test_an_honest_list_may_repeat_somebody(
    server: FaultServer, http: aiohttp.ClientSession
) -> None:
    """A share of its rows, the same each time."""
    server.reset(profiles={"ann": {"pages": 40, "rows": 20, "repeats": 0.1}})
    found = await people(http, server, range(40))
    assert len(found) == 800
    assert 40 < 800 - len(set(found)) < 120
    assert await people(http, server, [39]) == found[-20:]


async def people(
    http: aiohttp.ClientSession, server: FaultServer, pages: Iterable[int]
) -> list[Any]:
    """Return who is on these pages of ann's list."""
    return [who for page in pages for who in rows_of((await get(http, server, "ann", page))[1])]
