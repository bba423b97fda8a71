"""Figures 6 to 10: the key, the route, the cursor, memory, and time."""

import asyncio
import time
from collections.abc import Iterator
from random import Random
from urllib.parse import unquote

from socialfetch_async import (
    InvalidHandleError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    SocialFetchClient,
)
from tests.faults.child import FaultServer
from tests.faults.figures import Line, Scale, peak_megabytes, reset_peak, resident_megabytes
from tests.faults.harness import ONCE, client_of
from tests.faults.sightings import sightings

_PIECES = ("a", "Z", "9", ".", "_", "/", "\\", "?", "#", "%", "%2e", "%2F", "..", "@", ":", ";")
_ODD = ("&", "=", "+", " ", "\t", "\r\n", "\0", "é", "\u202e", "\U0001f600", "\ud83d", "'", '"')
_ROUTES = ("../balance", "/../../v1/balance", "x?cursor=1", "..%2f..%2fwhoami", "a/followers#")


async def key_sightings(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 6: the key in an error, traceback, pickle, log, or at another host."""
    del scale
    server.reset()
    looked, found = await sightings(server)
    return [Line(6, f"sightings of the key in {looked} texts", len(found), 0)]


async def routes_and_cursors(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 7: what a caller passes arrives as it is, or not at all."""
    random = Random(7)
    server.reset()
    asked: set[str] = set()
    async with client_of(server, retry=ONCE) as client:
        for number in range(scale.generated):
            pieces = (*_PIECES[:5], *_PIECES[:5], *(_PIECES + _ODD if number % 2 else ()))
            handle = "".join(random.choices(pieces, k=random.randint(1, 12)))
            if number % 10 == 0:
                handle += random.choice(_ROUTES)
            try:
                await client.get_followers_page(handle)
            except InvalidHandleError:
                continue
            asked.add(handle.strip().removeprefix("@"))
        seen = {entry.handle for entry in server.ledger()}
        lines = [
            Line(7, f"{scale.generated} handles: on another route", server.count.other_routes, 0),
            Line(7, f"{len(asked)} valid ones: that arrived changed", len(asked ^ seen), 0),
        ]
    cursors = [_cursor(random) for _ in range(scale.generated)]
    work = iter(cursors)
    async with client_of(server.reset(), retry=ONCE) as client:
        await asyncio.gather(*(_ask_for(client, work) for _ in range(20)))
    changed = len({entry.cursor for entry in server.ledger()} ^ set(cursors))
    return [*lines, Line(7, f"{scale.generated} cursors: that arrived changed", changed, 0)]


def _cursor(random: Random) -> str:
    """Return any text that is Unicode, with all that a URL library may want to change."""
    odd = [piece for piece in (*_PIECES, *_ODD) if piece.isascii() or piece.isprintable()]
    text = "".join(random.choices(odd, k=random.randint(1, 30)))
    text += chr(random.choice((random.randint(1, 0xD7FF), random.randint(0xE000, 0x10FFFF))))
    return unquote(text) if random.random() < 0.2 else text


async def _ask_for(client: SocialFetchClient, cursors: Iterator[str]) -> None:
    for cursor in cursors:
        await client.get_followers_page("echo", cursor=cursor)


async def large_and_slow(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 8: a bomb and a slow-loris."""
    del scale
    server.reset(pages=1).order("ann", 0, "bomb")
    async with client_of(server, timeout=30) as client:
        await client.get_followers_page("bob")  # so that connecting is not measured
        before = resident_megabytes()
        reset_peak()
        took = await _until_error(client, "ann", ResponseTooLargeError)
        grown = peak_megabytes() - before
        assert client.usage.maybe_charged == 1
    longest = 0.0
    for fault in ("loris-head", "loris-body", "stall-before", "stall-body"):
        server.order("ann", 0, fault)
        async with client_of(server, timeout=1.0, retry=ONCE) as client:
            longest = max(longest, await _until_error(client, "ann", RequestTimeoutError))
    return [
        Line(8, "300 MB bomb: memory grown by MB", grown, 40),
        Line(8, "seconds to its error", took, 1.0, timed=True),
        Line(8, "slow-loris, timeout 1 s: ended after", longest, 1.1, least=0.99, timed=True),
    ]


async def _until_error(client: SocialFetchClient, handle: str, error: type[Exception]) -> float:
    """Return how many seconds a page takes to fail in the way it should."""
    begun = time.monotonic()
    try:
        await client.get_followers_page(handle)
    except error:
        return time.monotonic() - begun
    raise AssertionError(f"no {error.__name__}")


async def waits_and_deadlines(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 9: Retry-After is a floor, the deadline a ceiling."""
    handles = [f"h{number}" for number in range(scale.draws)]
    server.reset()
    for handle in handles:
        server.order(handle, 0, "503 Retry-After: 1")

    async def draw(first: int) -> None:
        await asyncio.sleep(first / 800)  # or the queue in front of the server is what is timed
        async with client_of(server, retry=RetryPolicy()) as client:
            await asyncio.gather(*map(client.get_followers_page, handles[first : first + 8]))

    # Eight for a client, so that its circuit breaker stays closed and adds no wait of its own.
    await asyncio.gather(*map(draw, range(0, scale.draws, 8)))
    gaps: list[float] = server.call("gaps")
    assert len(gaps) == scale.draws
    early = sum(gap < 1.0 for gap in gaps)
    server.reset().always("*", "stall-before")
    policy = RetryPolicy(deadline=3, base=0.05, max_attempts=100)
    async with client_of(server, retry=policy, timeout=60) as client:
        late = [_until_error(client, handle, RequestTimeoutError) for handle in handles[:50]]
        overshoot = max(await asyncio.gather(*late)) - policy.deadline
    return [
        Line(9, f"{scale.draws} draws, Retry-After 1: early (soonest {min(gaps):.4f} s)", early, 0),
        Line(9, "deadline overshot by seconds", overshoot, 0.05, least=-0.001, timed=True),
    ]


async def long_list(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 10: one very long list."""
    server.reset(pages=scale.long_list)
    seen = 0
    samples: list[float] = []
    every = scale.long_list // 10
    async with client_of(server) as client:
        async for page in client.iter_followers("ann").pages():
            seen += len(page.followers) > 0
            if seen % every == 0:
                samples.append(resident_megabytes())
    pages = every * (len(samples) - 2)
    slope = (samples[-1] - samples[1]) / pages * 10_000
    return [
        Line(10, "pages lost", scale.long_list - seen, 0),
        Line(10, f"{seen} pages: MB for 10,000 pages", max(0.0, slope), 1.0),
    ]
