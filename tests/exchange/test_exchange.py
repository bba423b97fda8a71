"""One page: retries, Retry-After, deadlines, the circuit breaker, slots, and what is counted."""

import asyncio
import socket
import time
import types
from email.utils import formatdate

import aiohttp
import pytest

from socialfetch_async import (
    ConnectError,
    ConnectionLostError,
    InternalServerError,
    LookupFailedError,
    ProfileUnavailableError,
    RequestTimeoutError,
    RetryPolicy,
    ServiceUnavailableError,
    SocialFetchError,
)
from socialfetch_async.emulator import Emulator
from tests.conftest import KEY, MakeClient, until
from tests.scripted import HANG, Scripted, error, page

OK = page(["a"])


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
async def test_these_statuses_are_tried_again(client_of: MakeClient, status: int) -> None:
    """Two failures, then the page: three requests, two of them retries."""
    async with Scripted(error(status), error(status), OK) as api:
        client = client_of(api)
        assert (await client.get_followers_page("ada")).followers[0].handle == "a"
        assert len(api.seen) == client.usage.requests_sent == 3
        assert client.usage.retries == 2
        charged = status in {500, 504, 599}
        assert client.usage.maybe_charged == (2 if charged else 0)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 422, 301, 307])
async def test_these_statuses_are_not(client_of: MakeClient, status: int) -> None:
    """One request, one error, nothing charged."""
    async with Scripted(error(status, Location="https://elsewhere.invalid/x?y")) as api:
        client = client_of(api)
        with pytest.raises(SocialFetchError) as caught:
            await client.get_followers_page("ada", cursor="7")
        assert (caught.value.attempts, caught.value.maybe_charged) == (1, False)
        assert (caught.value.handle, caught.value.cursor) == ("ada", "7")
        assert len(api.seen) == 1
        assert client.usage.maybe_charged == 0


async def test_attempts_end_with_the_last_error(client_of: MakeClient) -> None:
    """`max_attempts` requests, then the error with their number and what may have been billed."""
    async with Scripted(error(500), error(502)) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=4, base=0.001))
        with pytest.raises(LookupFailedError) as caught:
            await client.get_followers_page("ada")
        assert len(api.seen) == caught.value.attempts == 4
        assert caught.value.maybe_charged  # by the 500 before
        assert caught.value.request_id == "req_e"
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None


@pytest.mark.jumping
async def test_retry_after_is_a_floor(client_of: MakeClient) -> None:
    """The request comes back after what was asked, and no sooner."""
    async with Scripted(error(503, Retry_After="1"), OK) as api:
        clock = asyncio.get_running_loop().time
        began = clock()
        await client_of(api).get_followers_page("ada")
        assert clock() - began >= 1


@pytest.mark.parametrize(
    "value", ["0", "-5", "nan", "inf", "1_000", "٣٠", "soon", formatdate(0, usegmt=True)]
)
async def test_an_unusable_retry_after_is_ignored(client_of: MakeClient, value: str) -> None:
    """Zero, negative, past and garbage values leave the plain backoff."""
    busy = error(503).replace(b"\r\n\r\n", f"\r\nRetry-After: {value}\r\n\r\n".encode(), 1)
    async with Scripted(busy, OK) as api:
        began = time.monotonic()
        await client_of(api).get_followers_page("ada")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("value", "words"), [("300", "retry_after_cap"), ("30", "deadline of 20 s")]
)
async def test_a_retry_after_that_is_too_long_fails_now(
    client_of: MakeClient, value: str, words: str
) -> None:
    """Over the cap or the deadline: no waiting, the same error class, `retry_after` set."""
    async with Scripted(error(503, Retry_After=value)) as api:
        client = client_of(api, retry=RetryPolicy(deadline=20.0))
        began = time.monotonic()
        with pytest.raises(ServiceUnavailableError, match=words) as caught:
            await client.get_followers_page("ada")
        assert time.monotonic() - began < 10
        assert caught.value.retry_after == float(value)
        assert len(api.seen) == 1


async def test_a_retry_after_date_is_understood(client_of: MakeClient) -> None:
    """An HTTP date is as good as seconds."""
    async with Scripted(error(503, Retry_After=formatdate(time.time() + 500, usegmt=True))) as api:
        with pytest.raises(ServiceUnavailableError) as caught:
            await client_of(api).get_followers_page("ada")
        assert caught.value.retry_after is not None
        assert 490 < caught.value.retry_after <= 500


@pytest.mark.jumping
async def test_a_timeout_is_per_attempt_and_retried(client_of: MakeClient) -> None:
    """A hanging attempt is cut after `timeout`, counted as maybe charged, and tried again."""
    async with Scripted(HANG, OK) as api:
        client = client_of(api)
        await client.get_followers_page("ada")
        assert (len(api.seen), client.usage.maybe_charged) == (2, 1)


@pytest.mark.jumping
async def test_the_deadline_cuts_attempts_and_is_named(client_of: MakeClient) -> None:
    """Attempts end with the deadline, whatever `timeout` says."""
    async with Scripted(HANG) as api:
        client = client_of(api, retry=RetryPolicy(deadline=20.0, base=0.001))
        clock = asyncio.get_running_loop().time
        began = clock()
        with pytest.raises(RequestTimeoutError, match="deadline of 20 s") as caught:
            await client.get_followers_page("ada")
        assert 20 <= clock() - began < 30
        assert caught.value.maybe_charged


@pytest.mark.jumping
async def test_waiting_for_a_slot_costs_neither_timeout_nor_deadline(
    client_of: MakeClient,
) -> None:
    """A queue in front of the own limit fails nobody."""
    async with Emulator({"ada": 5}, latency=10) as api:
        client = client_of(
            api, max_concurrency=1, timeout=60, retry=RetryPolicy(deadline=70, base=0.001)
        )
        pages = await asyncio.gather(*(client.get_followers_page("ada") for _ in range(15)))
        assert len(pages) == 15
        assert api.peak_concurrency == 1
        assert client.usage.retries == 0


@pytest.mark.jumping
async def test_a_retry_that_finds_no_slot_ends_at_the_deadline(client_of: MakeClient) -> None:
    """The deadline cuts the wait for a slot too, once the first attempt was made."""
    async with Scripted(error(503), HANG) as api:
        client = client_of(api, max_concurrency=1, timeout=60, retry=RetryPolicy(deadline=20.0))
        first = asyncio.ensure_future(client.get_followers_page("ada"))
        blockers = [asyncio.ensure_future(client.get_followers_page("bo")) for _ in range(2)]
        with pytest.raises(ServiceUnavailableError, match="deadline"):
            await first
        for blocker in blockers:
            blocker.cancel()
        await asyncio.gather(*blockers, return_exceptions=True)


async def test_an_idle_connection_that_was_closed_is_replaced_at_once(
    client_of: MakeClient,
) -> None:
    """A reused connection that ends without a byte: once, at once, and it is no outage."""
    async with Scripted(page(["a"], "1"), b"", page(["b"])) as api:
        client = client_of(api, retry=RetryPolicy(base=60.0, cap=60.0))
        stream = client.iter_followers("ada")
        began = time.monotonic()
        assert [f.handle async for f in stream] == ["a", "b"]
        assert time.monotonic() - began < 10
        assert (client.usage.requests_sent, client.usage.maybe_charged) == (3, 1)
        assert client._exchange.admission.breaker._failures == 0


async def test_a_fresh_connection_that_is_dropped_waits(client_of: MakeClient) -> None:
    """The backoff applies, and the failure counts as a sign of an outage."""
    async with Scripted(b"") as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=1))
        with pytest.raises(ConnectionLostError) as caught:
            await client.get_followers_page("ada")
        assert caught.value.reused is False
        assert caught.value.maybe_charged
        assert client._exchange.admission.breaker._failures == 1


async def test_nobody_listening_is_a_connect_error_and_charges_nothing(
    client_of: MakeClient,
) -> None:
    """A refused connection: tried again, never counted as sent or charged."""
    async with Scripted(OK) as api:
        pass
    client = client_of(api)
    with pytest.raises(ConnectError) as caught:
        await client.get_followers_page("ada")
    assert caught.value.attempts == 6
    assert not caught.value.maybe_charged
    assert (client.usage.requests_sent, client.usage.maybe_charged) == (0, 0)


async def test_an_outage_is_found_out_once_for_all(client_of: MakeClient) -> None:
    """Ten failures open the breaker; probes go one at a time; the first success closes it."""
    down = True
    seen_down = 0

    def answer(_: object) -> bytes:
        nonlocal seen_down
        seen_down += down
        return error(503) if down else OK

    async with Scripted(by=answer) as api:
        client = client_of(api, max_concurrency=20)
        tasks = [asyncio.ensure_future(client.get_followers_page(f"u{i}")) for i in range(60)]
        await asyncio.sleep(0.4)
        down = False
        await asyncio.gather(*tasks)
        assert seen_down <= 20 + 10
        assert client.usage.pages == 60


async def test_without_patience_an_outage_fails_at_once(client_of: MakeClient) -> None:
    """`RetryPolicy.interactive()` does not wait in an outage, but somebody probes."""
    async with Scripted(error(503)) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=2, base=0.0, wait_in_outage=False))
        results = await asyncio.gather(
            *(client.get_followers_page(f"u{i}") for i in range(30)), return_exceptions=True
        )
        assert all(isinstance(r, ServiceUnavailableError) for r in results)
        unsent = [r for r in results if isinstance(r, ServiceUnavailableError) and not r.attempts]
        before = len(api.seen)
        with pytest.raises(ServiceUnavailableError):
            await client.get_followers_page("probe")
        assert len(api.seen) > before
        async with asyncio.timeout(60):
            api._answers = [OK]
            assert (await client.get_followers_page("probe")).followers
            assert (await client.get_followers_page("all")).followers
        for quick in unsent:
            assert "nothing was sent" in str(quick)


@pytest.mark.jumping
async def test_the_breaker_costs_the_deadline_and_no_attempts(client_of: MakeClient) -> None:
    """Who waits at the circuit breaker until its deadline gets the reason of the outage."""
    async with Scripted(error(503)) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=2, deadline=20.0, base=0.0))
        results = await asyncio.gather(
            *(client.get_followers_page(f"u{i}") for i in range(40)), return_exceptions=True
        )
        assert all(isinstance(r, ServiceUnavailableError) for r in results)
        assert any("deadline of 20 s" in str(r) for r in results)
        assert len(api.seen) <= 60


async def test_a_cancelled_request_frees_its_slot_and_its_probe(client_of: MakeClient) -> None:
    """Cancelled while waiting in an outage or on the wire: the others go on."""
    async with Scripted(error(503)) as api:
        client = client_of(api, max_concurrency=12, retry=RetryPolicy(max_attempts=50, base=0.0))
        tasks = [asyncio.ensure_future(client.get_followers_page(f"u{i}")) for i in range(12)]
        await until(lambda: client._exchange.admission.breaker.open)
        await asyncio.sleep(0.02)
        for task in tasks[:11]:
            task.cancel()
        await asyncio.wait(tasks[:11])
        api._answers = [OK]
        async with asyncio.timeout(60):
            assert (await tasks[11]).followers
        assert client._exchange.admission.slots._value == 12
        assert not client._exchange.admission.breaker._probing.locked()


@pytest.mark.jumping
async def test_no_request_beyond_max_concurrency(client_of: MakeClient) -> None:
    """One semaphore for all of a client."""
    async with Emulator(latency=1) as api:
        client = client_of(api, max_concurrency=7)
        await asyncio.gather(*(client.get_followers_page(f"u{i}") for i in range(50)))
        assert api.peak_concurrency == 7


@pytest.mark.parametrize("charged", [None, -3, 10**9, "1", 2.5, True])
async def test_a_broken_price_counts_as_one(client_of: MakeClient, charged: object) -> None:
    """The page is delivered, and the budget takes one credit for it."""
    async with Scripted(
        page(["a"], "1", charged=charged), page(["b"], "2", charged=charged)
    ) as api:
        client = client_of(api)
        stream = client.iter_followers("ada", max_credits=2)
        assert [f.handle async for f in stream] == ["a", "b"]
        assert (stream.stop_reason, stream.credits_charged) == ("max_credits", 2)


async def test_a_free_answer_frees_its_credit(client_of: MakeClient) -> None:
    """A page that cost nothing leaves the limit as it was."""
    async with Scripted(page(["a"], "1", charged=0), page(["b"], "2"), page(["c"])) as api:
        stream = client_of(api).iter_followers("ada", max_credits=2)
        assert [f.handle async for f in stream] == ["a", "b", "c"]
        assert stream.credits_charged == 2


async def test_the_highest_price_seen_is_reserved(client_of: MakeClient) -> None:
    """After a page for 2 credits the last single credit buys nothing more."""
    async with Scripted(page(["a"], "1", charged=2), page(["b"], "2", charged=2)) as api:
        stream = client_of(api).iter_followers("ada", max_credits=3)
        assert [f.handle async for f in stream] == ["a"]
        assert stream.stop_reason == "max_credits"


async def test_free_routes_are_retried_and_cost_nothing(client_of: MakeClient) -> None:
    """whoami and balance take part in retries and not in credits."""
    async with Scripted(error(500), error(500)) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=2, base=0.0))
        with pytest.raises(InternalServerError):
            await client.whoami()
        assert len(api.seen) == 2
        assert client.usage.maybe_charged == 0


@pytest.mark.parametrize("injected", [False, True])
async def test_what_never_left_is_not_counted(client_of: MakeClient, *, injected: bool) -> None:
    """Cancelled before the request was written: nothing sent, nothing spent."""
    async with Emulator({"ada": 100}) as api, aiohttp.ClientSession() as session:
        client = client_of(api, session=session if injected else None)
        stream = client.iter_followers("ada", max_credits=5)
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await anext(stream)
        assert not api.requests
        if not injected:
            assert (client.usage.requests_sent, client.usage.maybe_charged) == (0, 0)
            assert len([f async for f in stream]) == 100


@pytest.mark.jumping
async def test_free_routes_are_never_said_to_be_charged(client_of: MakeClient) -> None:
    """Neither by the attribute nor by the words, and there is no page to go on from."""
    async with Scripted(HANG) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=1))
        with pytest.raises(RequestTimeoutError) as caught:
            await client.whoami()
        assert not caught.value.maybe_charged
        assert "charged" not in str(caught.value)
        assert "cursor" not in str(caught.value)


@pytest.mark.jumping
async def test_a_limit_used_up_by_a_failure_does_not_wait_for_a_retry(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream ends at once, and the log says which failure it was."""
    async with Scripted(error(500, Retry_After="60")) as api:
        stream = client_of(api).iter_followers("ada", max_credits=1)
        async with asyncio.timeout(30):
            assert [f async for f in stream] == []
        assert stream.stop_reason == "max_credits"
        assert "500" in caplog.text


async def test_a_closed_injected_session_is_named(client_of: MakeClient) -> None:
    """Its owner is told, and nothing is counted."""
    async with Emulator() as api:
        session = aiohttp.ClientSession()
        await session.close()
        client = client_of(api, session=session)
        with pytest.raises(RuntimeError, match="session given to the SocialFetchClient"):
            await client.get_followers_page("ada")
        assert client.usage.requests_sent == 0


async def test_a_connection_that_is_not_made_in_time_is_a_connect_error(
    client_of: MakeClient,
) -> None:
    """A deadline that ends in the middle of connecting has sent and charged nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    with listener, socket.create_connection(("127.0.0.1", port)), socket.socket() as filler:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        server = types.SimpleNamespace(base_url=f"http://127.0.0.1:{port}")
        client = client_of(server, retry=RetryPolicy(max_attempts=1, deadline=0.05))
        with pytest.raises(ConnectError) as caught:
            await client.get_followers_page("ada")
        assert not caught.value.maybe_charged
        assert client.usage.requests_sent == 0


async def test_texts_of_a_page_are_one_line_without_the_key(client_of: MakeClient) -> None:
    """A request id and a status stand in errors and logs: they forge no line and quote no key."""
    body = page(["a"], "1", status="gone\n\x1b[31m").replace(b"req_1", b"r\\u202e" + KEY.encode())
    head, _, text = body.partition(b"\r\n\r\n")
    length = f"Content-Length: {len(text)}".encode()
    body = b"\r\n".join([head.split(b"\r\n")[0], length, b"", text])
    async with Scripted(body) as api:
        client = client_of(api)
        got = await client.get_followers_page("ada")
        assert got.request_id == "r [api key]"
        assert got.lookup_status == "gone  [31m"
        assert got.body is not None
        with pytest.raises(ProfileUnavailableError) as caught:
            [_ async for _ in client.iter_followers("ada", cursor="x\x1b[2J")]
        said = f"{caught.value} {caught.value!r} {caught.value.request_id}"
        assert said.isprintable()
        assert KEY not in said
