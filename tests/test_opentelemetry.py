"""OpenTelemetry's instrumentation of aiohttp sees every attempt, and never the key."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import (
    AioHttpClientInstrumentor,
    create_trace_config,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from yarl import URL

from socialfetch_async import AuthenticationError, ConnectionLostError, RetryPolicy
from socialfetch_async.emulator import Emulator
from socialfetch_async.events import AttemptEnded, Event
from tests.conftest import KEY, MakeClient
from tests.scripted import HANG, Scripted, error, page

ONCE = RetryPolicy(max_attempts=1)
PATIENT = RetryPolicy(max_attempts=30, base=0.001, cap=0.002)
FAULTS = {"503": 0.1, "500": 0.1, "drop": 0.1, "lose": 0.1, "truncate": 0.1}


class Tracing:
    """Spans in memory, and the instrumentor, which a test turns on when it wants."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def instrument(self, **options: Any) -> None:
        AioHttpClientInstrumentor().instrument(tracer_provider=self.provider, **options)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Every span that has ended."""
        return self._exporter.get_finished_spans()

    @property
    def text(self) -> str:
        """Everything that is exported, its exceptions with their tracebacks included."""
        return "\n".join(span.to_json() for span in self.spans)


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    """Return a place for spans; nothing is instrumented any more at the end."""
    yield Tracing()
    if AioHttpClientInstrumentor().is_instrumented_by_opentelemetry:
        AioHttpClientInstrumentor().uninstrument()


def without_handle(url: URL) -> str:
    """Return what of a URL is exported."""
    return re.sub("/profiles/[^/]+", "/profiles/-", str(url.with_query(None)))


def statuses(spans: tuple[ReadableSpan, ...]) -> list[object]:
    return [(span.attributes or {}).get("http.status_code") for span in spans]


async def test_one_span_an_attempt(client_of: MakeClient, tracing: Tracing) -> None:
    """As many as requests and events, under every fault, with what each was answered."""
    tracing.instrument()
    async with Emulator({"ada": 200, "bo": 90}, faults=FAULTS, seed=5) as api:
        events: list[Event] = []
        client = client_of(api, retry=PATIENT, on_event=events.append)
        async with client.iter_followers_many(["ada", "bo"]) as run:
            assert len([_ async for _ in run.followers()]) == 290
        await client.whoami()
        spans = tracing.spans
        assert client.usage.retries > 0
        assert len(spans) == len(api.requests) == client.usage.requests_sent
        assert len(spans) == sum(isinstance(event, AttemptEnded) for event in events)
        refused = Counter(status for status in statuses(spans) if status not in {200, None})
        assert refused == Counter(r.status for r in api.requests if r.status not in {200, 0})
        urls = {(span.attributes or {})["http.url"] for span in spans}
        assert urls == {f"{api.base_url}{seen.path}{'?' * bool(seen.query)}{seen.query}"
                        for seen in api.requests}  # fmt: skip
        assert api.api_key not in tracing.text


async def test_the_key_is_in_no_attribute(client_of: MakeClient, tracing: Tracing) -> None:
    """Also not in the exceptions that are recorded, nor where an answer quotes it."""
    tracing.instrument()
    answers = [
        error(503, message=KEY),
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        error(401, message=KEY),
    ]
    async with Scripted(*answers) as api:
        with pytest.raises(AuthenticationError):
            await client_of(api, retry=PATIENT).get_followers_page("ada", cursor="c7")
    assert statuses(tracing.spans) == [503, None, None, None, 401]
    failures = [event for span in tracing.spans for event in span.events]
    assert [(event.attributes or {})["exception.message"] for event in failures] == [
        "ServerDisconnectedError", "ServerDisconnectedError", "ClientResponseError"
    ]  # fmt: skip
    assert KEY not in tracing.text


async def test_captured_headers_are_without_the_key(
    client_of: MakeClient, tracing: Tracing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the documented setting, also when all headers are captured."""
    prefix = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS"
    monkeypatch.setenv(f"{prefix}_CLIENT_REQUEST", ".*")
    monkeypatch.setenv(f"{prefix}_SANITIZE_FIELDS", "x-api-key")
    tracing.instrument()
    async with Scripted(page(["a"])) as api:
        await client_of(api).get_followers_page("ada")
    assert "http.request.header.x_api_key" in tracing.text
    assert KEY not in tracing.text


@pytest.mark.jumping
async def test_handles_can_be_kept_out(client_of: MakeClient, tracing: Tracing) -> None:
    """With the documented `url_filter` neither handle nor cursor is exported, failures included."""
    tracing.instrument(url_filter=without_handle)
    answers = [
        page(["a"], "cursor.7"),
        error(503),
        b"",
        b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        HANG,
        page(["b"]),
    ]
    async with Scripted(*answers) as api:
        client = client_of(api, retry=PATIENT)
        assert [f.handle async for f in client.iter_followers("ada.secret")] == ["a", "b"]
        assert len(tracing.spans) == len(api.seen) == 7
        assert {(span.attributes or {})["http.url"] for span in tracing.spans} == {
            f"{api.base_url}/v1/tiktok/profiles/-/followers"
        }
    assert "ada.secret" not in tracing.text
    assert "cursor.7" not in tracing.text


async def test_a_span_can_have_the_page_and_the_attempt(
    client_of: MakeClient, tracing: Tracing
) -> None:
    """A trace config of the program's own finds the span, and what the request is for."""
    own = aiohttp.TraceConfig()

    async def name(_: Any, context: Any, __: Any) -> None:
        asked = context.trace_request_ctx
        trace.get_current_span().set_attributes({"page": asked.page, "attempt": asked.attempt})

    own.on_request_end.append(name)
    own.on_request_exception.append(name)
    tracing.instrument()
    async with Scripted(page(["a"], "1"), error(503), b"", page(["b"])) as api:
        client = client_of(api, trace_configs=[own])
        assert [f.handle async for f in client.iter_followers("ada")] == ["a", "b"]
    named = [span.attributes or {} for span in tracing.spans]
    assert [(span["page"], span["attempt"]) for span in named] == [(1, 1), (2, 1), (2, 2), (2, 3)]


async def test_the_own_session_is_traced_from_its_first_request_on(
    client_of: MakeClient, tracing: Tracing
) -> None:
    """It is made then: a client may be older than `instrument()`, its first request may not."""
    async with Emulator({"ada": 1}) as api:
        used, unused = client_of(api), client_of(api)
        await used.get_followers_page("ada")
        tracing.instrument()
        await used.get_followers_page("ada")
        assert not tracing.spans
        await unused.get_followers_page("ada")
        assert len(tracing.spans) == 1


@pytest.mark.parametrize("instrumented", [False, True])
async def test_spans_are_for_who_traces(
    client_of: MakeClient, tracing: Tracing, *, instrumented: bool
) -> None:
    """Either way it is known that the connection was new."""
    if instrumented:
        tracing.instrument()
    async with Scripted(b"") as api:
        with pytest.raises(ConnectionLostError) as caught:
            await client_of(api, retry=ONCE).get_followers_page("ada")
    assert caught.value.reused is False
    assert len(tracing.spans) == instrumented


async def test_an_injected_session_is_traced_if_it_was_made_to_be(
    client_of: MakeClient, tracing: Tracing
) -> None:
    """By the instrumentor when it is younger than that, or by a trace config of its own."""
    by_hand = create_trace_config(tracer_provider=tracing.provider)
    async with (
        Emulator({"ada": 1}) as api,
        aiohttp.ClientSession() as older,
        aiohttp.ClientSession(trace_configs=[by_hand]) as traced,
    ):
        tracing.instrument()
        async with aiohttp.ClientSession() as younger:
            for session, spans in ((older, 0), (younger, 1), (traced, 2)):
                client = client_of(api, session=session)
                await client.get_followers_page("ada")
                assert len(tracing.spans) == spans
        assert api.api_key not in tracing.text


async def test_a_client_can_be_traced_alone(client_of: MakeClient, tracing: Tracing) -> None:
    """With OpenTelemetry's trace config given to it, and nothing else instrumented."""
    config = create_trace_config(tracer_provider=tracing.provider, url_filter=without_handle)
    async with Scripted(error(503), page(["a"])) as api, aiohttp.ClientSession() as other:
        await client_of(api, trace_configs=[config]).get_followers_page("ada.secret")
        async with other.get(f"{api.base_url}/other"):
            pass
    assert statuses(tracing.spans) == [503, 200]
    assert "ada.secret" not in tracing.text
