"""The rows of the fault matrix that are a situation and not one answer, as functions."""

import ast
import asyncio
import contextlib
import json
import resource
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

import socialfetch_async
from socialfetch_async import (
    AuthenticationError,
    ConnectError,
    DecodeError,
    FollowersPage,
    HandleDone,
    InsufficientCreditsError,
    InvalidHandleError,
    NotFoundError,
    PaginationError,
    PayloadError,
    ProfileUnavailableError,
    RetryPolicy,
    ServiceUnavailableError,
    SocialFetchClient,
    SocialFetchError,
    TLSError,
    TransportError,
    UnexpectedRedirectError,
    export_followers,
)
from tests.conftest import until
from tests.faults.book import cursor_of
from tests.faults.certificates import secured
from tests.faults.child import FaultServer
from tests.faults.harness import (
    FAST,
    KEY,
    ONCE,
    THREE,
    assert_bracketed,
    client_of,
    ids,
    names,
    on,
)
from tests.faults.wire import DAMAGED, UNUSUAL

Situation = Callable[[FaultServer], Awaitable[None]]
SITUATIONS: dict[int, list[Situation]] = {}


def row(number: int) -> Callable[[Situation], Situation]:
    """Enter a function in the table."""

    def enter(situation: Situation) -> Situation:
        SITUATIONS.setdefault(number, []).append(situation)
        return situation

    return enter


# -- statuses that end a run ----------------------------------------------------------------------


@row(2)
async def a_refused_key_ends_the_run(server: FaultServer) -> None:
    """401: no more than what is on its way is sent, the error comes last, all is pending."""
    server.always("*", "401")
    handles = [f"h{number}" for number in range(40)]
    async with (
        client_of(server) as client,
        client.iter_followers_many(handles, concurrency=4) as run,
    ):
        with pytest.raises(AuthenticationError):
            async for event in run:
                assert isinstance(event, HandleDone)
        assert server.count.requests <= 4
        assert run.pending() == dict.fromkeys(handles)
        await asyncio.sleep(0.02)
        assert server.count.requests == client.usage.requests_sent <= 4


@row(3)
async def no_credits_end_the_run_after_every_paid_page(server: FaultServer) -> None:
    """402 in a run: paid pages first, then the error, then the rest can be had from pending()."""
    server.reset(balance=25, latency=0.002)
    handles = [f"h{number}" for number in range(20)]
    pages: list[FollowersPage] = []
    async with (
        client_of(server) as client,
        client.iter_followers_many(handles, concurrency=5) as run,
    ):
        with pytest.raises(InsufficientCreditsError):
            async for event in run:
                if isinstance(event, FollowersPage):
                    pages.append(event)
        assert len(pages) == server.count.charged == 25
        assert server.count.after_402 <= 4
        assert client.usage.maybe_charged == 0
        server.call("credits", left=None)
        async with client.iter_followers_many(run.pending()) as rest:
            pages += [event async for event in rest if isinstance(event, FollowersPage)]
    assert sorted(on(pages)) == sorted(name for h in handles for name in ids(h, range(3)))


# -- how long to wait -----------------------------------------------------------------------------

GARBAGE = ("0", "-1", "nan", "inf", "1_000", "soon", "1.5", "\uff11", "+3", "0x10")
PAST = "Wed, 21 Oct 2015 07:28:00 GMT"


@row(11)
async def a_broken_retry_after_is_no_retry_after(server: FaultServer) -> None:
    """Zero, negative, past, nan, underscores and garbage mean the plain backoff."""
    async with client_of(server, retry=THREE) as client:
        for number, value in enumerate((*GARBAGE, PAST)):
            server.order(f"h{number}", 0, *[f"503 Retry-After: {value}"] * 3)
            with pytest.raises(ServiceUnavailableError) as caught:
                await client.get_followers_page(f"h{number}")
            assert caught.value.retry_after is None, value
            assert caught.value.attempts == 3
            await client.get_followers_page(f"h{number}")
        assert max(server.call("gaps")) < 1


@row(12)
async def retry_after_is_a_floor(server: FaultServer) -> None:
    """The next request does not come before the time asked for, as seconds or as a date."""
    server.order("ann", 0, "503 Retry-After: 1")
    server.order("bob", 0, "429 Retry-After: 1")
    async with client_of(server) as client:
        await asyncio.gather(*map(client.get_followers_page, ["ann", "bob"]))
    assert min(server.call("gaps")) >= 1.0


@row(13)
async def a_retry_after_beyond_the_cap_or_the_deadline_is_an_error_at_once(
    server: FaultServer,
) -> None:
    """It is not waited for and not cut short: the error says how long was asked for."""
    capped = RetryPolicy(base=0.001, retry_after_cap=20)
    short = RetryPolicy(base=0.001, deadline=20)
    for policy in (capped, short):
        server.reset().order("ann", 0, "503 Retry-After: 30")
        async with client_of(server, retry=policy) as client:
            begun = time.monotonic()
            with pytest.raises(ServiceUnavailableError) as caught:
                await client.get_followers_page("ann")
            assert time.monotonic() - begun < 10
            assert caught.value.retry_after == 30
            assert not caught.value.maybe_charged
            assert server.count.requests == 1
            assert client.usage.maybe_charged == 0


@row(31)
async def a_deadline_in_a_wait_ends_it_at_once(server: FaultServer) -> None:
    """A wait that would outlast the deadline is not begun; the last error is raised."""
    server.always("ann", "503")
    # Jitter draws from all of it: a wait below the deadline comes once in 50,000 times.
    patient = RetryPolicy(max_attempts=1000, base=1e6, cap=1e6, deadline=20)
    async with client_of(server, retry=patient) as client:
        stream = client.iter_followers("ann")
        begun = time.monotonic()
        with pytest.raises(ServiceUnavailableError, match="deadline"):
            await anext(stream)
        assert time.monotonic() - begun < 10
        server.always("ann", "")
        assert names([follower async for follower in stream]) == ids("ann", range(3))


@row(31)
async def a_deadline_cuts_a_running_attempt(server: FaultServer) -> None:
    """An attempt is not allowed to outlast the deadline, however long its own timeout is."""
    server.order("ann", 0, "stall-before")
    async with client_of(server, retry=RetryPolicy(deadline=0.2), timeout=60) as client:
        begun = time.monotonic()
        with pytest.raises(TransportError, match="deadline"):
            await client.get_followers_page("ann")
        assert time.monotonic() - begun < 30


# -- no connection --------------------------------------------------------------------------------


@row(14)
async def a_refused_connection_is_tried_again_and_costs_nothing(server: FaultServer) -> None:
    """While nobody listens: ConnectError, nothing sent; then the same stream goes on."""
    async with client_of(server, retry=THREE) as client:
        stream = client.iter_followers("ann")
        pages = [await anext(stream.pages())]
        server.call("outage", seconds=None, how="refuse")
        await asyncio.sleep(0.03)  # the idle connection's end is seen
        with pytest.raises(ConnectError) as caught:
            await anext(stream)
        assert caught.value.attempts == 3
        assert caught.value.cursor == stream.cursor == cursor_of(1)
        assert not caught.value.maybe_charged
        assert client.usage.maybe_charged == 0
        assert server.count.requests == client.usage.requests_sent == 1
        server.call("recover")
        pages += [page async for page in stream.pages()]
        assert on(pages) == ids("ann", range(3))


@row(14)
async def a_connection_that_is_never_accepted_is_a_connect_error(server: FaultServer) -> None:
    """Connecting has half of the attempt's time at most, and sent nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(3):  # the queue of connections nobody accepts is full with these
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(full.getsockname())
        base_url = f"http://127.0.0.1:{full.getsockname()[1]}"
        retry = RetryPolicy(max_attempts=2, base=0.001)
        async with client_of(server, base_url=base_url, timeout=0.4, retry=retry) as client:
            with pytest.raises(ConnectError) as caught:
                await client.get_followers_page("ann")
            assert caught.value.attempts == 2
            assert not caught.value.maybe_charged
            assert client.usage.requests_sent == client.usage.maybe_charged == 0


@row(14)
async def a_name_that_does_not_exist_is_a_connect_error(server: FaultServer) -> None:
    """The name lookup is part of connecting; `.invalid` never exists (RFC 6761)."""
    options = {"base_url": "https://api.invalid", "retry": THREE, "timeout": 4.0}
    async with client_of(server, **options) as client:
        with pytest.raises(ConnectError) as caught:
            await client.get_followers_page("ann")
        assert caught.value.attempts == 3
        assert client.usage.requests_sent == 0


@row(14)
async def a_host_that_no_lookup_takes_is_no_foreign_error(server: FaultServer) -> None:
    """Labels too long or empty are refused as base_url, or else fail as any other lookup."""
    del server
    for host in ("a" * 64 + ".example", "a..b.example"):
        try:
            client = SocialFetchClient(KEY, base_url=f"https://{host}", retry=ONCE)
        except ValueError:
            continue
        async with client:
            with pytest.raises(ConnectError):
                await client.get_followers_page("ann")
            assert client.usage.requests_sent == client.usage.maybe_charged == 0


@row(15)
async def a_certificate_of_an_unknown_authority_is_not_tried_again(server: FaultServer) -> None:
    """TLSError at the first handshake, nothing sent (test_tls.py has the other certificates)."""
    del server
    with secured() as (strange, _):
        async with client_of(strange, retry=THREE) as client:
            with pytest.raises(TLSError) as caught:
                await client.get_followers_page("ann")
            assert caught.value.attempts == 1
            assert not caught.value.maybe_charged
            assert strange.count.requests == strange.count.with_key == 0


@row(37)
async def too_many_open_files_are_a_connect_error(server: FaultServer) -> None:
    """Without a file descriptor nothing is sent; with one again the same stream goes on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with client_of(server, retry=THREE) as client:
        stream = client.iter_followers("ann")
        asyncio.get_running_loop()
        lowest = socket.socket()
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest.fileno(), hard))
        lowest.close()
        try:
            with contextlib.ExitStack() as stack:
                with suppress(OSError):
                    while True:
                        stack.enter_context(socket.socket())
                with pytest.raises(ConnectError) as caught:
                    await anext(stream)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert caught.value.attempts == 3
        assert not caught.value.maybe_charged
        assert client.usage.requests_sent == server.count.requests == 0
        assert names([follower async for follower in stream]) == ids("ann", range(3))


# -- lost connections -----------------------------------------------------------------------------


@row(16)
async def a_stale_connection_is_replaced_at_once(server: FaultServer) -> None:
    """The first retry after an idle connection's end does not wait."""
    server.order("ann", 1, "stale")
    async with client_of(server, retry=RetryPolicy(base=60, cap=60)) as client:
        begun = time.monotonic()
        pages = [page async for page in client.iter_followers("ann").pages()]
        assert time.monotonic() - begun < 30
        assert on(pages) == ids("ann", range(3))
        assert server.count.requests == 4 == client.usage.requests_sent
        assert client.usage.maybe_charged == 1


@row(17)
async def a_connection_reset_before_anything_is_read_is_lost(server: FaultServer) -> None:
    """A reset at the accept is seen while connecting or after; either way one try, one request."""
    server.call("refuse_accepts", times=2)
    async with client_of(server, retry=THREE) as client:
        page = await client.get_followers_page("ann")
        assert names(page.followers) == ids("ann", [0])
        assert server.count.requests == 3
        assert client.usage.retries == 2


# -- pages that are repaired or led nowhere --------------------------------------------------------


@row(21)
@row(24)
async def broken_text_and_unknown_fields_cost_no_request(server: FaultServer) -> None:
    """Lone surrogates, invalid UTF-8 and unknown fields: every row arrives, for one price."""
    server.order("ann", 0, "surrogate")
    server.order("ann", 1, "bad-utf8")
    server.order("ann", 2, "unknown-fields")
    async with client_of(server) as client:
        pages = [page async for page in client.iter_followers("ann").pages()]
        assert on(pages) == ids("ann", range(3))
        assert [page.invalid_rows for page in pages] == [0, 0, 0]
        assert server.count.requests == 3
        assert client.usage.credits_charged == server.count.charged == 3
        assert client.usage.maybe_charged == 0


@row(46)
async def damage_is_repaired_or_asked_for_once_more(server: FaultServer) -> None:
    """A text that no parser takes costs no request; one that is beyond repair costs one more."""
    async with client_of(server) as client:
        for number, damage in enumerate((*DAMAGED, *UNUSUAL)):
            server.order(f"h{number}", 0, damage)
            page = await client.get_followers_page(f"h{number}")
            assert on([page]) == ids(f"h{number}", [0])[damage == "nan" :], damage
        whole = len(DAMAGED) + len(UNUSUAL)
        assert server.count.requests == whole == client.usage.credits_charged
        assert client.usage.maybe_charged == 0
        server.always("ann", "beyond-repair")
        with pytest.raises(PayloadError) as caught:
            await client.get_followers_page("ann")
        assert caught.value.attempts == caught.value.maybe_charged == 2
        assert server.count.requests == whole + 2


@row(46)
async def what_arrives_unusual_is_exported_and_not_bought_again(server: FaultServer) -> None:
    """What a client could read, its journal can: no file is missing, and nothing is sent again."""
    kinds = {f"h{number}": kind for number, kind in enumerate((*DAMAGED, *UNUSUAL))}
    for handle, kind in kinds.items():
        server.order(handle, 1, kind)
    wanted = {
        name
        for handle, kind in kinds.items()
        for name in ids(handle, range(3))
        if kind != "nan" or name != f"{handle}.1.0"
    }
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            async with client_of(server) as client:
                result = await export_followers(client, list(kinds), folder)
            assert result.stop_reason == "complete"
            (export,) = result.exports
            rows = [json.loads(line) for line in export.path.read_text().splitlines()]
            assert {row["handle"] for row in rows} == wanted
            assert server.count.charged == 3 * len(kinds)


@row(47)
async def any_status_of_success_is_a_page(server: FaultServer) -> None:
    """A page that is whole is one under 201, 203 or 206 as well."""
    for number, status in enumerate(("201", "203", "206")):
        server.order("ann", number, status)
    async with client_of(server) as client:
        assert names([row async for row in client.iter_followers("ann")]) == ids("ann", range(3))
        assert server.count.requests == 3 == client.usage.credits_charged


@row(22)
async def a_bad_row_costs_a_row(server: FaultServer) -> None:
    """The other rows are delivered, the bad one is counted, the page is not bought again."""
    server.order("ann", 1, "bad-row")
    async with client_of(server) as client:
        pages = [page async for page in client.iter_followers("ann").pages()]
        assert on(pages) == [name for name in ids("ann", range(3)) if name != "ann.1.0"]
        assert [page.invalid_rows for page in pages] == [0, 1, 0]
        assert server.count.requests == client.usage.credits_charged == 3
        assert client.usage.maybe_charged == 0


@row(24)
async def an_unknown_lookup_status_passes_through(server: FaultServer) -> None:
    """It is data in a page, a ProfileUnavailableError in a stream, a status in a run."""
    server.reset(profiles={"ann": {"lookup": "banned"}})
    async with client_of(server) as client:
        page = await client.get_followers_page("ann")
        assert page.lookup_status == "banned"
        with pytest.raises(ProfileUnavailableError) as caught:
            await anext(client.iter_followers("ann"))
        assert caught.value.lookup_status == "banned"
        async with client.iter_followers_many(["ann"]) as run:
            events = [event async for event in run]
        assert isinstance(events[-1], HandleDone)
        assert (events[-1].status, events[-1].lookup_status) == ("unavailable", "banned")
        assert server.count.requests == client.usage.credits_charged == 3


@row(25)
async def a_cursor_or_page_that_comes_again_ends_the_walk(server: FaultServer) -> None:
    """A, A and A, B, A are not bought again; the same followers are not delivered again."""
    expected = {
        "repeat": ("repeated_cursor", 2, 2),
        "cycle": ("repeated_cursor", 3, 3),
        "same_ids": ("no_progress", 2, 1),
    }
    for shape, (reason, requests, delivered) in expected.items():
        server.reset(profiles={"ann": {"pages": 9, "shape": shape}})
        async with client_of(server) as client:
            stream = client.iter_followers("ann")
            seen: list[str] = []
            with pytest.raises(PaginationError) as caught:
                async for follower in stream:
                    seen.append(follower.handle)
            assert caught.value.reason == reason
            assert caught.value.maybe_charged == 0  # its pages are in credits_charged
            assert seen == ids("ann", range(delivered))
            assert server.count.requests == requests == client.usage.credits_charged
            with pytest.raises(PaginationError):
                await anext(stream)
            assert server.count.requests == requests
            assert client.usage.maybe_charged == 0


@row(25)
async def the_cursor_a_walk_began_with_is_not_bought_again(server: FaultServer) -> None:
    """The start cursor counts as asked for."""
    server.reset(profiles={"ann": {"pages": 9, "shape": "cycle"}})
    async with client_of(server) as client:
        stream = client.iter_followers("ann", cursor=cursor_of(1))
        with pytest.raises(PaginationError, match="came again"):
            async for _ in stream:
                pass
        assert server.count.requests == 2


@row(48)
async def a_list_that_begins_again_is_left_after_three_pages(server: FaultServer) -> None:
    """Under fresh cursors, in a circle of any period, shifted by new followers or not."""
    for begins, period, shift in (
        (0, 2, 0),
        (0, 3, 1),
        (4, 1, 0),
        (4, 2, 1),
        (0, 40, 2),
        (9, 40, 0),
    ):
        shape = {"shape": "again", "begins": begins, "period": period, "shift": shift}
        server.reset(profiles={"ann": shape})
        async with client_of(server) as client:
            stream = client.iter_followers("ann")
            with pytest.raises(PaginationError) as caught:
                async for _ in stream:
                    pass
            assert caught.value.reason == "no_progress"
            assert caught.value.cursor == stream.cursor
            assert server.count.requests <= begins + period + 3
            assert server.count.requests == client.usage.credits_charged


@row(48)
async def people_who_come_again_are_delivered(server: FaultServer) -> None:
    """Single repeated followers are normal: the list is read to its end."""
    server.reset(rows=20, profiles={"ann": {"pages": 60, "repeats": 0.02}})
    async with client_of(server) as client:
        stream = client.iter_followers("ann")
        seen = [follower.handle async for follower in stream]
    assert stream.stop_reason == "complete"
    assert len(seen) == 1_200 > len(set(seen))


@row(50)
async def a_format_that_nobody_can_read_ends_a_run(server: FaultServer) -> None:
    """After five answers it is over, and every handle stays pending."""
    server.always("*", "envelope-list")
    handles = [f"h{number}" for number in range(300)]
    async with client_of(server) as client:
        async with client.iter_followers_many(handles, concurrency=4) as run:
            with pytest.raises(DecodeError):
                async for _ in run:
                    pass
        assert 5 <= server.count.charged <= 5 + 3 == 5 + run.concurrency - 1
        failed = [done for done in run.outcomes.values() if done.status == "failed"]
        assert len(failed) == server.count.charged
        assert all(isinstance(done.error, DecodeError) for done in failed)
        assert run.pending() == dict.fromkeys(handles)


@row(50)
async def a_format_that_can_be_read_in_part_ends_a_run_as_well(server: FaultServer) -> None:
    """Each list has a page that can be read and one that cannot: five in a row may never come."""
    for concurrency in (1, 3, 10):
        server.reset(pages=2).always("*", "envelope-more")
        handles = [f"h{number}" for number in range(100)]
        async with (
            client_of(server) as client,
            client.iter_followers_many(handles, concurrency=concurrency) as run,
        ):
            with pytest.raises(DecodeError):
                async for _ in run:
                    pass
        failed = [done for done in run.outcomes.values() if done.status == "failed"]
        assert 5 <= len(failed) <= 7 + concurrency - 1
        assert len(run.pending()) == len(handles)


@row(56)
async def what_every_handle_fails_with_ends_a_run(server: FaultServer) -> None:
    """Ten handles in a row; another service answers here, or somebody redirects."""
    handles = [f"h{number}" for number in range(100)]
    for fault, kind in (("404", NotFoundError), ("301 Location: /", UnexpectedRedirectError)):
        server.reset()
        server.always("*", fault)
        async with client_of(server) as client:
            async with client.iter_followers_many(handles, concurrency=4) as run:
                with pytest.raises(kind):
                    async for _ in run:
                        pass
            assert 10 <= server.count.requests <= 13
            assert run.pending() == dict.fromkeys(handles)


@row(56)
async def what_is_about_each_handle_does_not_end_a_run(server: FaultServer) -> None:
    """The vendor's 400 and 502, however many: the last handle is fetched all the same."""
    handles = [f"h{number}" for number in range(40)]
    for number in range(39):
        server.always(f"h{number}", "400" if number % 2 else "502")
    async with client_of(server, retry=ONCE) as client:
        async with client.iter_followers_many(handles, concurrency=2) as run:
            events = [event async for event in run]
    assert len(run.outcomes) == 40
    assert run.outcomes["h39"].status == "complete"
    assert sum(isinstance(event, FollowersPage) for event in events) == 3


@row(26)
async def the_sixth_empty_page_in_a_row_ends_the_walk(server: FaultServer) -> None:
    """Single empty pages are passed; six in a row are an error with the cursor to go on from."""
    server.reset(profiles={"ann": {"pages": 99, "shape": "empty"}})
    async with client_of(server) as client:
        stream = client.iter_followers("ann")
        seen: list[str] = []
        with pytest.raises(PaginationError) as caught:
            async for follower in stream:
                seen.append(follower.handle)
        assert caught.value.reason == "empty_pages"
        assert caught.value.cursor == stream.cursor == cursor_of(7)
        assert seen == ids("ann", [0])
        assert server.count.requests == 7 == client.usage.credits_charged


@row(27)
async def a_price_that_is_none_counts_as_one(server: FaultServer) -> None:
    """Missing, negative, absurd or no number: delivered, and one credit of the limit."""
    for fault in ("price-missing", "price-negative", "price-absurd", "price-text"):
        server.reset(pages=5).order("ann", 0, fault)
        async with client_of(server) as client:
            stream = client.iter_followers("ann", max_credits=3)
            assert names([follower async for follower in stream]) == ids("ann", range(3)), fault
            assert stream.stop_reason == "max_credits"
            assert server.count.charged == server.count.requests == 3


@row(28)
async def a_body_over_the_cap_is_not_bought_again(server: FaultServer) -> None:
    """A good page that is larger than allowed is an error, counted as maybe charged."""
    async with client_of(server, max_response_bytes=100) as client:
        with pytest.raises(socialfetch_async.ResponseTooLargeError) as caught:
            await client.get_followers_page("ann")
        assert caught.value.maybe_charged
        assert server.count.requests == client.usage.maybe_charged == 1


# -- time and the caller --------------------------------------------------------------------------


@row(30)
async def waiting_for_a_slot_is_not_part_of_the_timeout(server: FaultServer) -> None:
    """Eight requests of 0.3 s on one slot all arrive with a timeout of 2 s each."""
    server.reset(latency=0.3)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        for options in ({"max_concurrency": 1}, {"session": session}):
            async with client_of(server, timeout=2.0, retry=ONCE, **options) as client:
                pages = await asyncio.gather(
                    *(client.get_followers_page(f"h{number}") for number in range(8))
                )
                assert len(pages) == 8
                assert client.usage.maybe_charged == 0


async def _cancelled_in(task: "asyncio.Task[Any]", holds: Callable[[], bool]) -> None:
    await until(holds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@row(32)
async def cancelled_while_the_answer_is_awaited(server: FaultServer) -> None:
    """The one slot is free again, the attempt is counted, the stream goes on at its page."""
    server.order("ann", 1, "stall-after", "stall-body")
    async with client_of(server, max_concurrency=1) as client:
        stream = client.iter_followers("ann")
        pages = [await anext(stream.pages())]
        for tries in (1, 2):
            task = asyncio.ensure_future(anext(stream))
            await _cancelled_in(task, lambda tries=tries: server.count.requests == 1 + tries)  # type: ignore[misc]
            assert stream.cursor == cursor_of(1)
            assert client.usage.maybe_charged == tries
        pages += [page async for page in stream.pages()]
        assert on(pages) == ids("ann", range(3))
        assert server.count.charged == 5
        assert_bracketed(server, client)
    await until(lambda: server.count.open == 0)


@row(32)
async def cancelled_in_a_wait_or_a_queue(server: FaultServer) -> None:
    """In front of a slot, or before a retry: nothing more is sent, and nothing is stuck."""
    server.order("ann", 0, "503 Retry-After: 60")
    server.order("bob", 0, "stall-before")
    async with client_of(server, max_concurrency=1) as client:
        waiting = asyncio.ensure_future(client.get_followers_page("ann"))
        await _cancelled_in(waiting, lambda: client.usage.requests_sent == 1)
        holding = asyncio.ensure_future(client.get_followers_page("bob"))
        await until(lambda: server.count.requests == 2)
        queued = asyncio.ensure_future(client.get_followers_page("cat"))
        await asyncio.sleep(0)
        await _cancelled_in(queued, lambda: True)
        await _cancelled_in(holding, lambda: True)
        assert (await client.get_followers_page("dan")).handle == "dan"
        assert server.count.requests == 3
        assert client.usage.maybe_charged == 1


@row(32)
@row(35)
async def a_cancelled_probe_hands_the_probe_on(server: FaultServer) -> None:
    """Who waits at the closed gate and is cancelled does not keep it closed for the others."""
    server.always("*", "503")
    policy = RetryPolicy(max_attempts=1000, base=0.001, cap=0.01, deadline=30)
    async with client_of(server, retry=policy) as client:
        tasks = [
            asyncio.create_task(client.get_followers_page(f"h{number}")) for number in range(12)
        ]
        await until(lambda: server.count.requests >= 12)
        await asyncio.sleep(0.05)
        for task in tasks[:10]:
            task.cancel()
        await asyncio.gather(*tasks[:10], return_exceptions=True)
        server.always("*", "")
        pages = await asyncio.gather(*tasks[10:])
        assert [page.handle for page in pages] == ["h10", "h11"]


@row(33)
async def nothing_is_sent_for_who_has_left(server: FaultServer) -> None:
    """After a break, out of a stream or a run, no further request leaves."""
    async with client_of(server) as client:
        async for _ in client.iter_followers("ann"):
            break
        await asyncio.sleep(0.03)
        assert server.count.requests == 1
        server.reset(pages=50)
        async with client.iter_followers_many(["ann", "bob"], concurrency=2) as run:
            async for _ in run:
                break
        # What had left may be read by the server only now: what the client sent is what counts.
        sent = client.usage.requests_sent
        assert sent <= 1 + 2 * 3  # of each list: delivered, read ahead, on its way
        await asyncio.sleep(0.03)
        assert client.usage.requests_sent == sent >= server.count.requests
        assert_bracketed(server, client)


@row(34)
async def a_client_closed_under_a_run_says_so(server: FaultServer) -> None:
    """A RuntimeError that names the client, and no request after it."""
    server.reset(pages=50, latency=0.005)
    async with client_of(server) as client, client.iter_followers_many(["ann", "bob"]) as run:
        await anext(run)
        await client.aclose()
        with pytest.raises(RuntimeError, match="SocialFetchClient"):
            async for _ in run:
                pass
        assert set(run.pending()) == {"ann", "bob"}
    # Only now have all requests come to their end and been counted. The server may still read some
    # of them: what the client sent is what counts.
    sent = client.usage.requests_sent
    await asyncio.sleep(0.25)
    assert client.usage.requests_sent == sent >= server.count.requests


# -- everybody at once ----------------------------------------------------------------------------


@row(35)
async def an_outage_is_found_out_once(server: FaultServer) -> None:
    """Forty handles through half a second without the API: none fails, few requests are sent."""
    server.reset(pages=5, latency=0.02)
    handles = [f"h{number}" for number in range(40)]
    async with client_of(server, retry=RetryPolicy(base=0.01)) as client:
        async with client.iter_followers_many(handles, concurrency=40) as run:
            pages = [await anext(run)]
            server.call("outage", seconds=0.5, how="reset")
            pages += [event async for event in run]
        assert {done.status for done in run.outcomes.values()} == {"complete"}
        # Those on their way when it began are not to be had back; a few probes come on top.
        assert server.count.outage_requests <= 1.2 * 40
        got = on(page for page in pages if isinstance(page, FollowersPage))
        assert sorted(got) == sorted(name for h in handles for name in ids(h, range(5)))
        assert_bracketed(server, client)


@row(43)
async def ten_failures_of_any_kind_are_an_outage(server: FaultServer) -> None:
    """Charged or not, of the API or a gateway; a lookup that failed shows the API alive."""
    kinds = ("429", "500", "504-after", "503-html", "half-json", "close-after", "502")
    for kind in kinds:
        server.reset().always("*", kind)
        async with client_of(server, retry=ONCE) as client:
            for number in range(10):
                assert client.outage is None
                with pytest.raises(SocialFetchError):
                    await client.get_followers_page(f"h{number}")
            assert (client.outage is None) is (kind == "502"), kind


@row(35)
async def an_outage_without_end_ends_with_each_deadline(server: FaultServer) -> None:
    """Every handle fails by its own deadline, with the cause, and stays pending."""
    server.always("*", "503")
    handles = [f"h{number}" for number in range(30)]
    # A deadline that a busy machine keeps: each handle has been answered before it passes.
    policy = RetryPolicy(max_attempts=1000, base=0.01, deadline=3)
    async with client_of(server, retry=policy) as client:
        begun = time.monotonic()
        async with client.iter_followers_many(handles, concurrency=30) as run:
            events = [event async for event in run]
        assert time.monotonic() - begun < 30
        assert len(events) == 30
        for event in events:
            assert isinstance(event, HandleDone)
            assert isinstance(event.error, ServiceUnavailableError)
        assert set(run.pending()) == set(handles)
        assert client.usage.maybe_charged == 0


@row(36)
async def only_dates_are_read_from_the_wall_clock(server: FaultServer) -> None:
    """The wall clock is asked in one place, to read a date; timeouts and waits are monotonic."""
    del server
    assert socialfetch_async.__file__
    package = Path(socialfetch_async.__file__).parent
    calls: list[str] = []
    for source in [
        *package.glob("*.py"),
        *package.glob("_protocol/*.py"),
        *package.glob("_exchange/*.py"),
    ]:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"time", "now", "utcnow", "today"}:
                calls.append(f"{source.name}: {ast.unparse(node)}")
    assert calls.count("transport.py: time.time") == 1
    dates = ("datetime.now", "datetime.utcnow", "date.today")
    assert not [call for call in calls if call.endswith(dates)]
    assert not [call for call in calls if call.endswith(": time.time") and "transport" not in call]


# -- arguments ------------------------------------------------------------------------------------


@row(38)
async def a_bad_argument_costs_no_request(server: FaultServer) -> None:
    """Every misuse is refused before anything is sent."""
    async with client_of(server) as client:
        for handle in ("", " ", "@", ".", "..", "a/b", "a b", "a" * 65, "é", "@@a", "a\nb", "%2e"):
            with pytest.raises(InvalidHandleError):
                client.iter_followers(handle)
            with pytest.raises(InvalidHandleError):
                await client.get_followers_page(handle)
            with pytest.raises(InvalidHandleError):
                client.iter_followers_many(["fine", handle])
        opaque: list[Any] = [{"cursor": ""}, {"user_id": ""}, {"cursor": "\ud83d"}]
        for value in opaque:
            with pytest.raises(ValueError):
                await client.get_followers_page("ann", **value)
        for limit in ("max_followers", "max_pages", "max_credits"):
            for number, error in ((0, ValueError), (-1, ValueError), (1.5, TypeError)):
                with pytest.raises(error):
                    client.iter_followers("ann", **{limit: number})  # type: ignore[arg-type]
        wrong: list[Any] = [None, 3, b"ann", ["ann"]]
        for argument in wrong:
            with pytest.raises(TypeError):
                client.iter_followers(argument)
        for many in ("ann", b"ann", 3, None):
            with pytest.raises(TypeError):
                client.iter_followers_many(many)  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            client.iter_followers_many(["ann"], concurrency=0)
        with pytest.raises(RuntimeError):
            await anext(client.iter_followers_many(["ann"]))
    for key in ("", " ", "sfk\n", "sfk_é"):
        with pytest.raises(ValueError):
            SocialFetchClient(key, base_url=server.base_url)
    for url in ("http://example.com", "ftp://127.0.0.1", "127.0.0.1", "https://", "https://a?b"):
        with pytest.raises(ValueError):
            SocialFetchClient(KEY, base_url=url)
    for timeout in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            SocialFetchClient(KEY, timeout=timeout)
    assert server.count.requests == server.count.connections == 0
    assert FAST.max_attempts == 6
