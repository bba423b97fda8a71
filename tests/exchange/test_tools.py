"""Tools that attach to aiohttp sessions see every request, and none leaves past them."""

import contextlib
import copy
import pickle
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import pytest
import vcr
import wrapt
from aioresponses import aioresponses
from multidict import CIMultiDict
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.serializers import yamlserializer

from socialfetch_async import (
    ConnectionLostError,
    InternalServerError,
    RequestTimeoutError,
    RetryPolicy,
    SocialFetchClient,
)
from socialfetch_async._exchange.secret import ApiKey
from tests.conftest import FAST, KEY, MakeClient
from tests.scripted import Scripted, error, page

ONCE = RetryPolicy(max_attempts=1)
URL = "https://api.socialfetch.dev/v1/tiktok/profiles/ada/followers"
BODY = page(["a"]).partition(b"\r\n\r\n")[2]
REFUSAL = error(500).partition(b"\r\n\r\n")[2]


@contextlib.asynccontextmanager
async def own_or_injected(kind: str, **options: Any) -> AsyncIterator[SocialFetchClient]:
    """Open a client of the real address, from which no request may come back."""
    async with contextlib.AsyncExitStack() as stack:
        if kind == "injected":
            options["session"] = await stack.enter_async_context(aiohttp.ClientSession())
        yield await stack.enter_async_context(
            SocialFetchClient(KEY, base_url="https://api.socialfetch.dev", retry=FAST, **options)
        )


@pytest.fixture(params=["own", "injected"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return whose session the client uses."""
    name: str = request.param
    return name


async def test_aioresponses_answers_in_the_place_of_the_api(kind: str) -> None:
    """No request leaves; the mock sees address and headers, and the key in them is hidden."""
    async with own_or_injected(kind) as client:
        with aioresponses() as mocked:
            mocked.get(URL, body=BODY)
            mocked.get(URL, status=500, body=REFUSAL, repeat=True)
            found = await client.get_followers_page("ada")
            with pytest.raises(InternalServerError):
                await client.get_followers_page("ada")
        assert found.followers[0].handle == "a"
        assert client.usage.requests_sent == 1 + FAST.max_attempts
        assert mocked.requests is not None
        [calls] = mocked.requests.values()
        assert calls[0].kwargs["headers"]["x-api-key"] == KEY
        assert KEY not in repr(calls)


async def test_what_aioresponses_raises_is_an_error_of_a_sent_request(kind: str) -> None:
    """It stands for a request that left: its credit may have been charged."""
    failures = [
        (TimeoutError(), RequestTimeoutError),
        (aiohttp.ServerDisconnectedError(), ConnectionLostError),
    ]
    for raised, expected in failures:
        async with own_or_injected(kind, max_concurrency=1) as client:
            with aioresponses() as mocked:
                mocked.get(URL, exception=raised, repeat=True)
                with pytest.raises(expected) as caught:
                    await client.get_followers_page("ada")
            assert caught.value.maybe_charged == FAST.max_attempts


async def test_a_mock_may_come_and_go_under_a_client(client_of: MakeClient) -> None:
    """It is looked for before each request, not once."""
    async with Scripted(page(["real"])) as api:
        client = client_of(api)
        assert (await client.get_followers_page("ada")).followers[0].handle == "real"
        with aioresponses() as mocked:
            mocked.get(f"{api.base_url}/v1/tiktok/profiles/ada/followers", body=BODY)
            assert (await client.get_followers_page("ada")).followers[0].handle == "a"
        assert (await client.get_followers_page("ada")).followers[0].handle == "real"
        assert len(api.seen) == 2


@pytest.mark.parametrize("method", ["_request", "get"])
async def test_a_mocked_method_gets_the_request(client_of: MakeClient, method: str) -> None:
    """Whatever stands in the place of aiohttp's own method."""
    async with Scripted(page(["real"])) as api:
        client = client_of(api, retry=ONCE)
        await client.get_followers_page("ada")
        with (
            mock.patch.object(aiohttp.ClientSession, method, side_effect=aiohttp.ClientOSError),
            pytest.raises(ConnectionLostError),
        ):
            await client.get_followers_page("ada")
        assert len(api.seen) == 1


@pytest.mark.parametrize("method", ["_request", "get"])
async def test_a_wrapped_method_gets_the_request(
    client_of: MakeClient, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Wrappers of monitoring agents look like the function itself, its code included."""
    log: list[str] = []

    def noted(wrapped: Any, _: Any, args: Any, kwargs: Any) -> Any:
        log.append(method)
        return wrapped(*args, **kwargs)

    async with Scripted(page(["a"])) as api:
        client = client_of(api)
        await client.get_followers_page("ada")
        wrapper = wrapt.FunctionWrapper(getattr(aiohttp.ClientSession, method), noted)
        monkeypatch.setattr(aiohttp.ClientSession, method, wrapper)
        await client.get_followers_page("ada")
    assert log == [method]


@contextlib.contextmanager
def recorded(cassette: Path, **options: Any) -> Iterator[Any]:
    """Record to a cassette, or play it; the key is filtered as VCR's documentation says."""
    with vcr.use_cassette(str(cassette), filter_headers=["x-api-key"], **options) as tape:
        yield tape


async def test_vcr_records_and_plays(client_of: MakeClient, kind: str, tmp_path: Path) -> None:
    """The second time no request leaves, and the cassette has no key."""
    cassette = tmp_path / "pages.yaml"
    async with contextlib.AsyncExitStack() as stack, Scripted(page(["a"], "1"), page(["b"])) as api:
        options: dict[str, Any] = {}
        if kind == "injected":
            options["session"] = await stack.enter_async_context(aiohttp.ClientSession())
        client = client_of(api, **options)
        for _ in range(2):
            with recorded(cassette):
                got = [one.handle async for one in client.iter_followers("ada")]
            assert got == ["a", "b"]
        assert len(api.seen) == 2
    assert "followers" in cassette.read_text()
    assert KEY not in cassette.read_text()


async def test_vcr_lets_no_unknown_request_out(client_of: MakeClient, tmp_path: Path) -> None:
    """With `record_mode="none"` a request that is not on the cassette is an error."""
    async with Scripted(page(["a"])) as api:
        client = client_of(api, retry=ONCE)
        with (
            recorded(tmp_path / "empty.yaml", record_mode="none"),
            pytest.raises(CannotOverwriteExistingCassetteException),
        ):
            await client.get_followers_page("ada")
        assert not api.seen


def test_a_cassette_that_would_hold_the_key_is_not_written() -> None:
    """The error says what to filter."""
    cassette = {"interactions": [{"request": {"headers": {"x-api-key": [ApiKey(KEY)]}}}]}
    with pytest.raises(TypeError, match="filter the header x-api-key"):
        yamlserializer.serialize(cassette)


async def test_a_recorder_does_not_change_how_often_a_request_is_sent(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """aiohttp would send a GET again when the connection ends; under VCR it is one as well."""
    async with Scripted(b"") as api:
        client = client_of(api, retry=ONCE)
        with recorded(tmp_path / "lost.yaml"), pytest.raises(ConnectionLostError):
            await client.get_followers_page("ada")
        assert len(api.seen) == 1


# -- middlewares ----------------------------------------------------------------------------------


class Seen:
    """A middleware that notes what goes through it."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self.log.append(f"{self.name} {request.url.path.rsplit('/', 1)[1]}")
        request.headers["X-Seen"] = self.name
        try:
            response = await handler(request)
        except Exception as raised:
            self.log.append(f"{self.name} {type(raised).__name__}")
            raise
        self.log.append(f"{self.name} {response.status}")
        return response


async def test_an_injected_sessions_middlewares_run_and_ours_are_the_innermost(
    client_of: MakeClient,
) -> None:
    """They see the request, may change it, and see what became of it; in their own order."""
    log: list[str] = []
    both = (Seen("outer", log), Seen("inner", log))
    async with Scripted(page(["a"]), error(500), b"") as api:
        async with aiohttp.ClientSession(middlewares=both) as session:
            client = client_of(api, session=session, retry=ONCE)
            await client.get_followers_page("ada")
            with pytest.raises(InternalServerError):
                await client.get_followers_page("ada")
            with pytest.raises(ConnectionLostError):
                await client.get_followers_page("ada")
        assert len(api.seen) == 3
        assert {seen.headers["x-seen"] for seen in api.seen} == {"inner"}
        assert {seen.headers["x-api-key"] for seen in api.seen} == {KEY}
    sent = ["outer followers", "inner followers"]
    assert log[:8] == [*sent, "inner 200", "outer 200", *sent, "inner 500", "outer 500"]
    assert log[8:10] == sent
    assert [line.split()[0] for line in log[10:]] == ["inner", "outer"]


async def test_a_tool_that_gives_every_session_a_middleware_sees_the_clients(
    client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client's own session is one of them."""
    log: list[str] = []
    made = aiohttp.ClientSession.__init__

    def instrumented(self: aiohttp.ClientSession, **options: Any) -> None:
        made(self, **options, middlewares=(Seen("tool", log),))

    monkeypatch.setattr(aiohttp.ClientSession, "__init__", instrumented)
    async with Scripted(page(["a"])) as api:
        await client_of(api).get_followers_page("ada")
    assert log == ["tool followers", "tool 200"]


# -- the key --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [copy.copy, copy.deepcopy, CIMultiDict.copy])
def test_the_key_can_be_copied_within_a_process(kind: Any) -> None:
    """With the headers that it is one of; its copy is as hidden as it is."""
    headers = CIMultiDict({"x-api-key": ApiKey(KEY)})
    copied = kind(headers)
    assert copied["x-api-key"] == KEY
    assert KEY not in repr(copied)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_key_is_written_nowhere(protocol: int) -> None:
    """The error says what to do."""
    with pytest.raises(TypeError, match=r"filter the header x-api-key") as caught:
        pickle.dumps({"key": ApiKey(KEY)}, protocol=protocol)
    assert KEY not in str(caught.value)
