"""What a program sees of its client: events, aiohttp's traces, log records."""

import asyncio
import logging
import subprocess
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
import pytest

from socialfetch_async import (
    AuthenticationError,
    ConnectionLostError,
    FollowersPage,
    InternalServerError,
    RetryPolicy,
    ServiceUnavailableError,
    SocialFetchClient,
    SocialFetchError,
)
from socialfetch_async.emulator import Emulator
from socialfetch_async.events import (
    AttemptEnded,
    Event,
    OutageBegan,
    OutageEnded,
    RequestContext,
    RetryPlanned,
)
from tests.conftest import KEY, MakeClient, until
from tests.scripted import HANG, Scripted, error, page

FAULTS = {"503": 0.1, "500": 0.1, "drop": 0.1, "lose": 0.1, "truncate": 0.1}
PATIENT = RetryPolicy(max_attempts=50, base=0.001, cap=0.002)
ROUTE = "/v1/tiktok/profiles/{handle}/followers"


def of(kind: type[Any], events: list[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def assert_sums(events: list[Event], client: SocialFetchClient) -> None:
    """Check that the events add up to what the client has counted."""
    attempts, usage = of(AttemptEnded, events), client.usage
    assert sum(event.sent for event in attempts) == usage.requests_sent
    assert sum(event.attempt > 1 for event in attempts) == usage.retries
    assert sum(event.credits_charged for event in attempts) == usage.credits_charged
    assert sum(event.maybe_charged for event in attempts) == usage.maybe_charged


# -- events -------------------------------------------------------------------------------------


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("seed", range(3))
async def test_the_events_add_up(client_of: MakeClient, seed: int, *, traced: bool) -> None:
    """One AttemptEnded a request under every fault; the sums are the client's and the ledger's."""
    profiles = {f"u{number}": 60 for number in range(10)}
    async with Emulator(profiles, faults=FAULTS, seed=seed) as api:
        events: list[Event] = []
        client = client_of(
            api,
            retry=PATIENT,
            on_event=events.append,
            trace_configs=[aiohttp.TraceConfig()] if traced else [],
        )
        async with client.iter_followers_many(list(profiles), concurrency=5) as run:
            pages = [event async for event in run if isinstance(event, FollowersPage)]
        attempts = of(AttemptEnded, events)
        assert len(attempts) == len(api.requests)
        assert Counter((e.handle, e.cursor) for e in attempts if e.error is None) == Counter(
            (page_.handle, page_.cursor) for page_ in pages
        )
        assert_sums(events, client)
        lost = len(api.charges) - client.usage.credits_charged
        assert 0 < lost <= client.usage.maybe_charged
        retries = of(RetryPlanned, events)
        assert len(retries) == client.usage.retries == len(attempts) - len(pages)
        assert [e for e in attempts if e.cancelled] == []


async def test_an_attempt_says_what_it_was(client_of: MakeClient) -> None:
    """Route, handle, cursor, page, attempt, price, and why it failed."""
    answers = [page(["a"], "1"), error(500), b"", page(["b"], charged=2)]
    async with Scripted(*answers) as api:
        events: list[Event] = []
        client = client_of(api, on_event=events.append)
        [_ async for _ in client.iter_followers("@ada")]
        shown = [
            (
                e.handle,
                e.cursor,
                e.page,
                e.attempt,
                e.credits_charged,
                e.maybe_charged,
                type(e.error),
            )
            for e in of(AttemptEnded, events)
        ]
        assert shown == [
            ("ada", None, 1, 1, 1, 0, type(None)),
            ("ada", "1", 2, 1, 0, 1, InternalServerError),
            ("ada", "1", 2, 2, 0, 1, ConnectionLostError),
            ("ada", "1", 2, 3, 2, 0, type(None)),
        ]
        assert {e.path for e in of(AttemptEnded, events)} == {ROUTE}
        assert all(e.sent and not e.cancelled and e.seconds >= 0 for e in of(AttemptEnded, events))
        waits = [(e.handle, e.cursor, e.attempt, type(e.error)) for e in of(RetryPlanned, events)]
        assert waits == [
            ("ada", "1", 1, InternalServerError),
            ("ada", "1", 2, ConnectionLostError),
        ]
        assert [type(e).__name__ for e in events[1:4]] == [
            "AttemptEnded", "RetryPlanned", "AttemptEnded"
        ]  # fmt: skip
        assert_sums(events, client)


async def test_what_may_have_been_charged_is_counted_at_its_price(client_of: MakeClient) -> None:
    """After a page for 4 credits a lost answer counts 4, in the event as in `usage`."""
    answers = [page(["a"], "1", charged=4), error(500), page(["b"], charged=4)]
    async with Scripted(*answers) as api:
        events: list[Event] = []
        client = client_of(api, on_event=events.append)
        [_ async for _ in client.iter_followers("ada")]
        assert [e.maybe_charged for e in of(AttemptEnded, events)] == [0, 4, 0]
        assert_sums(events, client)


async def test_free_routes_and_profiles_are_events_too(client_of: MakeClient) -> None:
    """They have their route; what is free is never said to be charged."""
    async with Emulator({"ada": 5}) as api:
        api.script("ada", "lose")
        events: list[Event] = []
        client = client_of(api, on_event=events.append)
        await client.whoami()
        await client.get_profile("ada")
        assert [
            (e.path, e.handle, e.credits_charged, e.maybe_charged) for e in of(AttemptEnded, events)
        ] == [
            ("/v1/whoami", None, 0, 0),
            ("/v1/tiktok/profiles/{handle}", "ada", 0, 1),
            ("/v1/tiktok/profiles/{handle}", "ada", 1, 0),
        ]
        assert_sums(events, client)


async def test_what_never_left_is_an_attempt_and_no_request(client_of: MakeClient) -> None:
    """No connection: attempts with an error, nothing sent, nothing that may be charged."""
    events: list[Event] = []
    async with Scripted(page()) as api:
        pass  # nobody listens there any more
    client = client_of(api, on_event=events.append, retry=RetryPolicy(max_attempts=3, base=0.0))
    with pytest.raises(SocialFetchError):
        await client.get_followers_page("ada")
    attempts = of(AttemptEnded, events)
    assert [(e.sent, e.maybe_charged, e.attempt) for e in attempts] == [
        (False, 0, 1),
        (False, 0, 2),
        (False, 0, 3),
    ]
    assert_sums(events, client)


async def test_cancelled_attempts_are_events(client_of: MakeClient) -> None:
    """Requests on the wire when a run is left: each ends in one event that says so."""
    async with Scripted(HANG) as api:
        events: list[Event] = []
        client = client_of(api, on_event=events.append)
        async with client.iter_followers_many(["a", "b", "c", "d"], concurrency=3) as run:
            waiting = asyncio.ensure_future(anext(run))
            await until(lambda: len(api.seen) >= 3)
            waiting.cancel()
        attempts = of(AttemptEnded, events)
        assert len(attempts) == len(events) == 3
        assert all(e.cancelled and e.sent and e.error is None for e in attempts)
        assert [e.maybe_charged for e in attempts] == [1, 1, 1]
        assert_sums(events, client)


async def test_cancelled_before_it_left(client_of: MakeClient) -> None:
    """The attempt is told, and that nothing was sent or charged."""
    async with Emulator({"ada": 5}) as api:
        events: list[Event] = []
        client = client_of(api, on_event=events.append)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await client.get_followers_page("ada")
        assert [(e.cancelled, e.sent, e.maybe_charged) for e in of(AttemptEnded, events)] == [
            (True, False, 0)
        ]
        await client.whoami()  # after the connection that nobody used any more
        assert_sums(events, client)


async def test_an_outage_begins_and_ends(client_of: MakeClient) -> None:
    """One event each, with the failure that closed the gate and how long it was."""
    async with Emulator(dict.fromkeys(map(str, range(40)), 1), retry_after=None) as api:
        api.fault("503", 1.0)
        events: list[Event] = []

        def watch(event: Event) -> None:
            events.append(event)
            if isinstance(event, OutageBegan):
                api.fault("503", 0.0)

        client = client_of(api, on_event=watch, retry=PATIENT)
        await asyncio.gather(*(client.get_followers_page(str(n)) for n in range(40)))
        (began,), (ended,) = of(OutageBegan, events), of(OutageEnded, events)
        assert isinstance(began.error, ServiceUnavailableError)
        assert ended.seconds > 0
        assert events.index(began) < events.index(ended)
        assert_sums(events, client)
        assert len(of(AttemptEnded, events)) == len(api.requests)


async def test_a_hook_that_raises_costs_no_page(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Every page is delivered, every slot freed, and each failure of the hook is logged."""
    async with Emulator({"ada": 60}, faults={"503": 0.3}, seed=1) as api:
        told: list[Event] = []

        def broken(event: Event) -> None:
            told.append(event)
            raise ZeroDivisionError(f"at {len(told)}")

        client = client_of(api, on_event=broken, retry=PATIENT, max_concurrency=1)
        stream = client.iter_followers("ada")
        assert len([_ async for _ in stream]) == 60
        assert len(of(AttemptEnded, told)) == len(api.requests)
        assert of(RetryPlanned, told)
        failures = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert len(failures) == len(told)
        assert all(record.exc_info for record in failures)
        assert "AttemptEnded(" in failures[0].getMessage()
        assert KEY not in caplog.text


async def test_a_hook_may_stop_its_run(client_of: MakeClient) -> None:
    """It is called where that is safe: what is paid for still comes."""
    async with Emulator({"ada": 400, "bo": 400}) as api:

        def stop(event: Event) -> None:
            if isinstance(event, AttemptEnded) and event.page == 3:
                run.stop()

        async with client_of(api, on_event=stop).iter_followers_many(["ada", "bo"]) as run:
            pages = [event async for event in run if isinstance(event, FollowersPage)]
        assert len(pages) == len(api.charges) < 8
        assert set(run.pending()) == {"ada", "bo"}


async def test_no_event_shows_the_key(client_of: MakeClient) -> None:
    """Neither as text nor encoded, also where the API quotes it."""
    answers = [
        error(503, message=f"slow down, {KEY}"),
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        error(401, message=f"no such key: {KEY}"),
    ]
    async with Scripted(*answers) as api:
        events: list[Event] = []
        with pytest.raises(AuthenticationError):
            await client_of(api, on_event=events.append).get_followers_page("ada")
    assert len(events) == 7
    for event in events:
        plain = msgspec.to_builtins(event, enc_hook=repr)
        assert KEY not in f"{event!r} {event} {plain} {vars(event.error)}"


async def coroutine(event: Event) -> None:
    """Be told of an event too late."""


BAD_OPTIONS: dict[str, tuple[type[Exception], str, dict[str, Any]]] = {
    "a value": (TypeError, "on_event must be", {"on_event": 3}),
    "a coroutine function": (TypeError, "not awaited", {"on_event": coroutine}),
    "one trace": (TypeError, "trace_configs", {"trace_configs": aiohttp.TraceConfig()}),
    "a class of traces": (TypeError, "trace_configs", {"trace_configs": [aiohttp.TraceConfig]}),
    "no limiter": (TypeError, "limiter must be an async context manager", {"limiter": 10}),
    "a class of limiters": (TypeError, "not type", {"limiter": asyncio.Semaphore}),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_a_bad_option_is_refused(name: str) -> None:
    """When the client is made, with a sentence that names it."""
    kind, words, options = BAD_OPTIONS[name]
    with pytest.raises(kind, match=words):
        SocialFetchClient(KEY, **options)


# -- aiohttp's own tracing ----------------------------------------------------------------------


class Trace:
    """Keeps what aiohttp tells of each request."""

    def __init__(self) -> None:
        self.contexts: list[RequestContext] = []
        self.urls: list[str] = []
        self.headers = ""
        self.ends: list[str] = []
        self.config = aiohttp.TraceConfig()
        self.config.on_request_start.append(self._start)
        self.config.on_request_end.append(self._end)
        self.config.on_request_exception.append(self._exception)

    async def _start(self, _: Any, context: SimpleNamespace, params: Any) -> None:
        self.contexts.append(context.trace_request_ctx)
        self.urls.append(str(params.url))
        self.headers += f"{params.headers!r}{params!r}"

    async def _end(self, _: Any, context: SimpleNamespace, params: Any) -> None:
        self.ends.append(str(params.response.status))

    async def _exception(self, _: Any, context: SimpleNamespace, params: Any) -> None:
        self.ends.append(f"{params.exception}")


@pytest.mark.parametrize("injected", [False, True])
async def test_each_attempt_is_traced_with_what_it_is_for(
    client_of: MakeClient, *, injected: bool
) -> None:
    """Retries included, over the own session and over an injected one."""
    answers = [
        page(["a"], "1"),
        error(503),
        b"",
        b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        page(["b"]),
        error(503),
        error(401),
    ]
    trace = Trace()
    async with Scripted(*answers) as api, aiohttp.ClientSession(trace_configs=[trace.config]) as s:
        options = {"session": s} if injected else {"trace_configs": [trace.config]}
        client = client_of(api, **options)
        assert [f.handle async for f in client.iter_followers("ada")] == ["a", "b"]
        with pytest.raises(AuthenticationError):
            await client.whoami()
        shown = [(c.handle, c.cursor, c.page, c.attempt) for c in trace.contexts]
        assert shown == [
            ("ada", None, 1, 1),
            ("ada", "1", 2, 1),
            ("ada", "1", 2, 2),
            ("ada", "1", 2, 3),
            ("ada", "1", 2, 4),
            (None, None, 1, 1),
            (None, None, 1, 2),
        ]
        assert [url.removeprefix(api.base_url) for url in trace.urls] == [
            seen.target for seen in api.seen
        ]
        assert all(type(context) is RequestContext for context in trace.contexts)
        assert client.usage.requests_sent == 7
    ends = ["200", "503", "ServerDisconnectedError", "ClientResponseError", "200", "503", "401"]
    assert trace.ends == ends
    assert "x-api-key" in trace.headers
    assert KEY not in f"{trace.urls} {trace.contexts} {trace.ends} {trace.headers}"


async def test_tracing_changes_no_result(client_of: MakeClient) -> None:
    """The same pages, requests and credits as without it, under faults."""
    profiles = {f"u{number}": 70 for number in range(6)}
    results = []
    for configs in ([], [Trace().config, Trace().config]):
        async with Emulator(profiles, faults=FAULTS, seed=4) as api:
            client = client_of(api, retry=PATIENT, trace_configs=configs)
            pages = [
                [page_ async for page_ in client.iter_followers(handle).pages()]
                for handle in profiles
            ]
            results.append((pages, client.usage, [seen.path for seen in api.requests]))
    plain, traced = results
    assert [[p.followers for p in pages] for pages in plain[0]] == [
        [p.followers for p in pages] for pages in traced[0]
    ]
    assert plain[1:] == traced[1:]


async def test_a_trace_of_an_injected_session_belongs_to_it(client_of: MakeClient) -> None:
    """Given to the client it would never be called, so it is refused."""
    async with aiohttp.ClientSession() as session, Emulator() as api:
        with pytest.raises(ValueError, match="give them to the one injected"):
            client_of(api, session=session, trace_configs=[Trace().config])


# -- log records --------------------------------------------------------------------------------

SILENT = """
import asyncio
from socialfetch_async import RetryPolicy, SocialFetchClient, SocialFetchError
from socialfetch_async.emulator import Emulator

def broken(event):
    raise ZeroDivisionError

async def main():
    async with Emulator(faults={"503": 1.0}) as api, SocialFetchClient(
        api.api_key, base_url=api.base_url, on_event=broken,
        retry=RetryPolicy(base=0.0, max_attempts=12, deadline=3),
    ) as client:
        try:
            await client.get_followers_page("ada")
        except SocialFetchError as error:
            print(error.attempts > 9)

asyncio.run(main())
"""


def test_a_program_without_logging_sees_nothing() -> None:
    """Neither the records, nor that nobody handles them."""
    done = subprocess.run(
        [sys.executable, "-c", SILENT], capture_output=True, text=True, timeout=30, check=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def extra(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record has besides what every record has."""
    usual = vars(logging.makeLogRecord({})).keys() | {"message", "asctime"}
    return {name: value for name, value in vars(record).items() if name not in usual}


RETRY = {"handle", "cursor", "attempt", "wait", "request_id"}
RECORDS: dict[str, tuple[list[bytes], int, dict[str, Any], set[str]]] = {
    "Retrying": (
        [error(503), page()],
        logging.INFO,
        {"handle": "ada", "cursor": "7", "attempt": 1, "request_id": "req_e"},
        RETRY,
    ),
    "Retrying in": (
        [error(502, message="again"), page()],
        logging.INFO,
        {"handle": "ada", "cursor": "7", "attempt": 1, "request_id": "req_e"},
        RETRY,
    ),
    "not retried": (
        [error(500)],
        logging.WARNING,
        {"handle": "ada", "cursor": "7", "attempt": 1, "request_id": "req_e"},
        RETRY - {"wait"},
    ),
    "although hasMore is true": (
        [page(more=True)],
        logging.WARNING,
        {"handle": "ada", "cursor": "7"},
        {"handle", "cursor"},
    ),
    "are not as documented": (
        [page([""])],
        logging.WARNING,
        {"handle": "ada", "cursor": "7", "request_id": "req_1"},
        {"handle", "cursor", "request_id"},
    ),
}


@pytest.mark.parametrize("words", RECORDS)
@pytest.mark.parametrize("many", [False, True])
async def test_each_record_has_its_fields(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture, words: str, *, many: bool
) -> None:
    """Beside its sentence: what a program filters and counts by."""
    answers, level, fields, names = RECORDS[words]
    caplog.set_level(logging.DEBUG, logger="socialfetch_async")
    async with Scripted(*answers) as api:
        client = client_of(api)
        if many:
            async with client.iter_followers_many({"ada": "7"}, max_credits=1) as run:
                [_ async for _ in run]
        else:
            [_ async for _ in client.iter_followers("ada", cursor="7", max_credits=1)]
    (record,) = [record for record in caplog.records if record.name == "socialfetch_async"]
    assert words in record.getMessage()
    assert record.levelno == level
    shown = extra(record)
    assert shown.keys() == names
    assert {name: shown[name] for name in fields} == fields
    assert "wait" not in shown or shown["wait"] >= 0


async def test_an_outage_is_two_records(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning when it begins, one when it ends; they concern no page."""
    async with Scripted(*[error(503)] * 10, page()) as api:
        client = client_of(api, retry=PATIENT)
        await client.get_followers_page("ada")
    begins, ends = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "circuit breaker open since" in begins.getMessage()
    assert "the API responds again" in ends.getMessage()
    assert extra(begins) == extra(ends) == {}
    assert KEY not in caplog.text
