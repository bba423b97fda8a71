"""Figures 13 and 18: outages and a rate limit, on a clock that jumps over the waits."""

import asyncio
import socket
from types import SimpleNamespace
from typing import Any

from socialfetch_async import HandleDone, RetryPolicy, SocialFetchClient
from socialfetch_async.events import Event, OutageBegan, OutageEnded
from tests import travel
from tests.conftest import KEY
from tests.faults.child import FaultServer
from tests.faults.figures import Line, Scale
from tests.scripted import Scripted, Seen, error, http, page

HTML = b"<!doctype html><html><body>Please log in</body></html>"
DOWN: dict[str, bytes] = {
    "503": error(503),
    "503 with Retry-After": error(503, Retry_After="200"),
    "500": error(500),
    "504": error(504),
    "521": error(521),
    "502 of a gateway": http(502, HTML, Content_Type="text/html"),
    "401 of a gateway": http(401, HTML, Content_Type="text/html"),
    "HTML 200": http(200, HTML, Content_Type="text/html"),
    "connections that end": b"",
}
CONCURRENCY = 10
# Their probes may be charged, and become rarer while the outage lasts.
_CHARGED = {"500", "504", "502 of a gateway", "HTML 200", "connections that end"}

LIMIT = 60
_LISTS = 100
REFUSALS = {
    "429": error(429),
    "503": error(503),
    "429 with Retry-After": error(429, Retry_After="1"),
    "503 with Retry-After": error(503, Retry_After="1"),
}


def now() -> float:
    """Return the time of the loop."""
    return asyncio.get_running_loop().time()


def client_of(server: Any, **options: Any) -> SocialFetchClient:
    """Return a client of a server, which waits as a batch does."""
    return SocialFetchClient(
        KEY, base_url=server.base_url, **{"retry": RetryPolicy.batch(), **options}
    )


async def outcomes_of(
    client: SocialFetchClient, handles: int, concurrency: int = CONCURRENCY
) -> list[HandleDone]:
    """Fetch many handles; return how each of them ended."""
    names = [f"h{number}" for number in range(handles)]
    async with client.iter_followers_many(names, concurrency=concurrency) as run:
        return [event async for event in run if isinstance(event, HandleDone)]


# -- figure 13 ------------------------------------------------------------------------------------


class Api:
    """Lists of two pages, and an outage after so many of them."""

    def __init__(self, answer: bytes, minutes: float, after: int) -> None:
        self._answer = answer
        self._minutes = minutes
        self._after = after
        self._pages = 0
        self._until: float | None = None
        self.refused = 0

    def __call__(self, seen: Seen) -> bytes:
        if self._pages == self._after and self._until is None:
            self._until = now() + 60 * self._minutes
        if self._until is not None and now() < self._until:
            self.refused += 1
            return self._answer
        self._pages += 1
        return page([f"f{self._pages}"], None if seen.cursor else f"c{self._pages}")


def long_outages(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 13: a batch waits for the end, and one request at a time asks whether it is there."""
    del server  # its clock is the one on the wall
    minutes, handles = scale.outage_minutes, scale.outage_handles
    lines: list[Line] = []
    complete = 0
    for how in DOWN:
        requests, late, finished = _outage(how, minutes, handles)
        lines += [requests, late]
        complete += finished
    sent, finished = travel.run(_nobody_listens(minutes, handles))
    lines.append(Line(13, "refused connections: requests besides one a page", sent - handles, 0))
    complete += finished
    failed = (len(DOWN) + 1) * handles - complete
    what = f"{len(DOWN) + 1} outages of {minutes:g} min: failed of {handles} each"
    return [Line(13, what, failed, 0), *lines]


def _outage(how: str, minutes: float, handles: int) -> tuple[Line, Line, int]:
    """Go through one outage; return its two numbers, and how many handles were completed."""
    api, events = Api(DOWN[how], minutes, handles // 5), list[Event]()

    async def main() -> list[HandleDone]:
        async with Scripted(by=api) as server, client_of(server, on_event=events.append) as client:
            return await outcomes_of(client, handles)

    done = travel.run(main())
    # Once each: the others that waited did not find it out again.
    (_,) = (event for event in events if isinstance(event, OutageBegan))
    (ended,) = (event for event in events if isinstance(event, OutageEnded))
    charged = how in _CHARGED
    late = 360.0 if charged else 10.0  # a tenth of the patience
    probes = _most_probes(ended.seconds, late if charged else 5.0)
    if "Retry-After" in how:
        late, probes = 250.0, int(ended.seconds / 200) + 1
    # An idle connection that has ended is replaced at once, once.
    in_flight = CONCURRENCY * (2 if how == "connections that end" else 1)
    after = max(0.0, ended.seconds - 60 * minutes)
    return (
        Line(13, f"{how}: requests, {in_flight} + probes", api.refused, in_flight + probes),
        Line(13, f"{how}: seconds until its end is seen", after, late, timed=True),
        sum(outcome.status == "complete" for outcome in done),
    )


def _most_probes(seconds: float, longest: float) -> int:
    """Return how many probes fit into an outage if each leaves after half of its wait."""
    wait, probes = 0.1, 0
    while seconds > 0:
        seconds -= wait / 2
        probes += 1
        wait = min(wait * (2 if longest > 5 and wait >= 2 else 1.3), longest)
    return probes


async def _nobody_listens(minutes: float, handles: int) -> tuple[int, int]:
    """Refuse connections at first; return requests sent, and how many handles were completed."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with client_of(SimpleNamespace(base_url=f"http://127.0.0.1:{port}")) as client:
        fetching = asyncio.ensure_future(outcomes_of(client, handles))
        await asyncio.sleep(60 * minutes)
        async with await asyncio.start_server(_one_page, "127.0.0.1", port):
            done = await fetching
        assert client.usage.maybe_charged == 0
        return client.usage.requests_sent, sum(outcome.status == "complete" for outcome in done)


async def _one_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(page(["a"]))
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


# -- figure 18 ------------------------------------------------------------------------------------


class Limited:
    """A second's tokens at a time; more requests are refused."""

    def __init__(self, refusal: bytes, pages: int = 20) -> None:
        self._refusal = refusal
        self._last = pages  # of each list
        self._tokens = float(LIMIT)
        self._at = 0.0
        self.pages = self.refusals = 0

    def __call__(self, seen: Seen) -> bytes:
        self._tokens = min(LIMIT, self._tokens + (now() - self._at) * LIMIT)
        self._at = now()
        if self._tokens < 1:
            self.refusals += 1
            return self._refusal
        self._tokens -= 1
        self.pages += 1
        number = int(seen.cursor or 0) + 1
        return page([f"f{self.pages}"], f"{number}" if number < self._last else None)


def rate_limits(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 18: few refusals, and close to the time that the limit allows."""
    del server
    lines: list[Line] = []
    failed = 0
    for how, refusal in REFUSALS.items():
        api = Limited(refusal, scale.limited_pages)
        pages, seconds, incomplete = travel.run(_limited(api))
        ideal = pages / LIMIT
        lines += [
            Line(18, f"{how}: refusals of {pages} pages", api.refusals, 0.25 * pages),
            Line(18, f"{how}: seconds, ideal {ideal:.1f}", seconds, 1.2 * ideal, timed=True),
        ]
        failed += incomplete
    what = f"{LIMIT} requests per second: failed of {len(REFUSALS) * _LISTS} handles"
    return [Line(18, what, failed, 0), *lines]


async def _limited(api: Limited) -> tuple[int, float, int]:
    """Fetch lists at fifty at once; return pages, seconds, and how many handles failed."""
    names = [f"h{number}" for number in range(_LISTS)]
    async with Scripted(by=api) as server, client_of(server, retry=RetryPolicy()) as client:
        began = now()
        async with client.iter_followers_many(names, concurrency=50) as run:
            failed = sum([e.status != "complete" async for e in run if isinstance(e, HandleDone)])
        return run.pages_fetched, now() - began, failed
