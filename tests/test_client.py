"""The client itself: arguments, sessions, event loops, closing, forgetting."""

import asyncio
import copy
import gc
import inspect
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

import socialfetch_async
from socialfetch_async import (
    AuthenticationError,
    Balance,
    DecodeError,
    InvalidHandleError,
    RetryPolicy,
    SocialFetchClient,
    Subscription,
    User,
)
from socialfetch_async.emulator import Emulator
from tests.conftest import KEY, MakeClient, until
from tests.scripted import Scripted, http, page

CONTRACT = Path(__file__).parent / "contract"
BAD_HANDLES = [
    "",
    " ",
    "@",
    "..",
    ".",
    "a/b",
    "a" * 65,
    "👩‍🚀",
    "a\nb",
    "a b",
    "a?b",
    "a#b",
    "%2e%2e",
    "@@a",
    "\uff41",
    "\u0663",
]


@pytest.mark.parametrize("handle", BAD_HANDLES)
async def test_a_bad_handle_sends_nothing(client_of: MakeClient, handle: str) -> None:
    """Every way to ask refuses it before a request."""
    async with Emulator() as api:
        client = client_of(api)
        with pytest.raises(InvalidHandleError, match="No request was sent"):
            client.iter_followers(handle)
        with pytest.raises(InvalidHandleError):
            await client.get_followers_page(handle)
        assert not api.requests


BAD_ARGUMENTS: dict[str, tuple[type[Exception], Callable[[SocialFetchClient], object]]] = {
    "handle, int": (TypeError, lambda c: c.iter_followers(7)),  # type: ignore[arg-type]
    "empty cursor": (ValueError, lambda c: c.iter_followers("a", cursor="")),
    "cursor, int": (TypeError, lambda c: c.iter_followers("a", cursor=7)),  # type: ignore[arg-type]
    "cursor, surrogate": (ValueError, lambda c: c.iter_followers("a", cursor="a\ud83d")),
    "empty user id": (ValueError, lambda c: c.iter_followers("a", user_id="")),
    "trim, int": (TypeError, lambda c: c.iter_followers("a", trim=1)),  # type: ignore[arg-type]
    "max_followers 0": (ValueError, lambda c: c.iter_followers("a", max_followers=0)),
    "max_pages -1": (ValueError, lambda c: c.iter_followers("a", max_pages=-1)),
    "max_credits 0": (ValueError, lambda c: c.iter_followers("a", max_credits=0)),
    "max_credits 1.5": (TypeError, lambda c: c.iter_followers("a", max_credits=1.5)),  # type: ignore[arg-type]
    "max_pages True": (TypeError, lambda c: c.iter_followers("a", max_pages=True)),
    "concurrency 0": (ValueError, lambda c: c.iter_followers_many(["a"], concurrency=0)),
    "concurrency None": (TypeError, lambda c: c.iter_followers_many(["a"], concurrency=None)),  # type: ignore[arg-type]
    "many, max_credits 0": (ValueError, lambda c: c.iter_followers_many(["a"], max_credits=0)),
    "many, max_pages 0": (
        ValueError,
        lambda c: c.iter_followers_many(["a"], max_pages_per_handle=0),
    ),
    "many, empty cursor": (ValueError, lambda c: c.iter_followers_many({"a": ""})),
    "many, None": (TypeError, lambda c: c.iter_followers_many(None)),  # type: ignore[arg-type]
    "many, trim": (TypeError, lambda c: c.iter_followers_many(["a"], trim="yes")),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
async def test_a_bad_argument_sends_nothing(client_of: MakeClient, name: str) -> None:
    """It is refused when it is passed, not when the loop begins."""
    kind, call = BAD_ARGUMENTS[name]
    async with Emulator() as api:
        with pytest.raises(kind):
            call(client_of(api))
        assert not api.requests


BAD_OPTIONS: dict[str, tuple[type[Exception], dict[str, object]]] = {
    "no key": (ValueError, {"api_key": ""}),
    "key with a line break": (ValueError, {"api_key": "sfk_secret\n"}),
    "key with a space": (ValueError, {"api_key": "sfk secret"}),
    "key in another script": (ValueError, {"api_key": "sfk_sécret"}),
    "key, bytes": (TypeError, {"api_key": b"sfk_secret"}),
    "plain http": (ValueError, {"base_url": "http://api.example.invalid"}),
    "plain http, like loopback": (ValueError, {"base_url": "http://127.0.0.1.example.invalid"}),
    "plain http, loopback as user": (ValueError, {"base_url": "http://127.0.0.1@example.invalid"}),
    "user and password": (ValueError, {"base_url": "https://u:p@api.example.invalid"}),
    "another scheme": (ValueError, {"base_url": "ftp://127.0.0.1"}),
    "no scheme": (ValueError, {"base_url": "api.example.invalid"}),
    "a query": (ValueError, {"base_url": "https://api.example.invalid/?x=1"}),
    "a line break": (ValueError, {"base_url": "https://api.example.invalid\n"}),
    "a backslash": (ValueError, {"base_url": "https://api.example.invalid\\@x"}),
    "a bad port": (ValueError, {"base_url": "https://api.example.invalid:http"}),
    "url, int": (TypeError, {"base_url": 7}),
    "max_concurrency 0": (ValueError, {"max_concurrency": 0}),
    "max_concurrency None": (TypeError, {"max_concurrency": None}),
    "timeout 0": (ValueError, {"timeout": 0}),
    "timeout inf": (ValueError, {"timeout": float("inf")}),
    "timeout, str": (TypeError, {"timeout": "30"}),
    "max_response_bytes 0": (ValueError, {"max_response_bytes": 0}),
    "retry, int": (TypeError, {"retry": 3}),
    "session, class": (TypeError, {"session": aiohttp.ClientSession}),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
def test_a_bad_option_is_refused_and_a_key_not_shown(name: str) -> None:
    """The sentence says what is wrong and never quotes the key."""
    kind, options = BAD_OPTIONS[name]
    with pytest.raises(kind) as caught:
        SocialFetchClient(**{"api_key": KEY, **options})  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "policy",
    [
        {"max_attempts": 0},
        {"deadline": 0},
        {"base": -1},
        {"cap": float("nan")},
        {"retry_after_cap": -1},
    ],
)
def test_a_bad_retry_policy_is_refused(policy: dict[str, float]) -> None:
    """Limits of a policy are checked where it is made."""
    with pytest.raises(ValueError, match=next(iter(policy))):
        RetryPolicy(**policy)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.invalid",
        "https://api.example.invalid:8443/prefix/",
        "http://localhost:80",
        "http://127.9.9.9",
        "http://[::1]:8080",
    ],
)
def test_these_addresses_are_taken(url: str) -> None:
    """TLS anywhere; plain http only on this machine."""
    client = SocialFetchClient(KEY, base_url=url)
    assert repr(client) == f"<SocialFetchClient {url.rstrip('/')} open>"


async def test_a_prefix_of_the_base_url_is_kept(client_of: MakeClient) -> None:
    """An API behind a gateway is reached under its path."""
    async with Scripted(page(["a"])) as api:
        api.base_url += "/gateway/"
        await client_of(api).get_followers_page("ada")
    assert api.seen[0].target == "/gateway/v1/tiktok/profiles/ada/followers"


async def test_the_environment_gives_key_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """SOCIALFETCH_API_KEY and SOCIALFETCH_BASE_URL; the vendor's address otherwise."""
    monkeypatch.delenv("SOCIALFETCH_API_KEY", raising=False)
    monkeypatch.delenv("SOCIALFETCH_BASE_URL", raising=False)
    with pytest.raises(ValueError, match="SOCIALFETCH_API_KEY"):
        SocialFetchClient()
    assert "https://api.socialfetch.dev" in repr(SocialFetchClient(KEY))
    async with Emulator() as api:
        monkeypatch.setenv("SOCIALFETCH_API_KEY", api.api_key)
        monkeypatch.setenv("SOCIALFETCH_BASE_URL", api.base_url)
        async with SocialFetchClient() as client:
            assert (await client.whoami()).id == "usr_emulator"


async def test_the_free_routes_decode_the_documented_bodies(client_of: MakeClient) -> None:
    """whoami and balance as in the vendor's examples; missing optional fields are None."""
    bodies = [http(200, (CONTRACT / f"{name}.json").read_bytes()) for name in ("whoami", "balance")]
    short = http(200, b'{"data": {"balance": 5}, "meta": {}}')
    async with Scripted(*bodies, short) as api:
        client = client_of(api)
        assert await client.whoami() == User(id="usr_example", name="Example", email=None)
        assert await client.get_balance() == Balance(
            balance=59816,
            billing_alert="none",
            payg=9816,
            payg_spendable=9816,
            grace_debt_credits=0,
            refill_state="healthy",
            subscription_included_remaining=50000,
            subscription_included_total=50000,
            subscription=Subscription(
                tier="scale", status="active", period_end="2026-08-01T00:00:00.000Z"
            ),
            collection_status="current",
        )
        assert await client.get_balance() == Balance(balance=5)
        assert [seen.target for seen in api.seen] == ["/v1/whoami", "/v1/balance", "/v1/balance"]
        assert client.usage.credits_charged == client.usage.pages == 0


async def test_a_free_route_of_another_shape_is_a_decode_error(client_of: MakeClient) -> None:
    """It names the field that is wrong."""
    async with Scripted(http(200, b'{"data": {"user": {"id": 7}}, "meta": {}}')) as api:
        with pytest.raises(DecodeError) as caught:
            await client_of(api).whoami()
    assert caught.value.path == "$.data.user.id"


async def test_a_wrong_key_is_named(client_of: MakeClient) -> None:
    """401 becomes AuthenticationError with advice."""
    async with Emulator(api_keys=["sfk_other"]) as api:
        api.api_key = KEY
        with pytest.raises(AuthenticationError, match="SOCIALFETCH_API_KEY"):
            await client_of(api).whoami()


async def test_one_page_is_a_plain_value(client_of: MakeClient) -> None:
    """It says what was asked; a profile that cannot be listed is data; it can be asked again."""
    async with Emulator({"ada": 30, "p": "private"}) as api:
        client = client_of(api)
        first = await client.get_followers_page(" @ada ", trim=True)
        assert (first.handle, first.cursor, first.lookup_status) == ("ada", None, "found")
        assert (len(first.followers), first.has_more, first.total_followers) == (20, True, 30)
        assert first.followers[0].avatar_urls is None
        again = await client.get_followers_page(first.handle, cursor=first.cursor)
        assert again.cached
        assert not first.cached
        second = await client.get_followers_page("ada", cursor=first.next_cursor, user_id="7")
        assert (len(second.followers), second.has_more, second.next_cursor) == (10, False, None)
        assert (await client.get_followers_page("p")).lookup_status == "private"
        assert client.usage.pages == client.usage.credits_charged == 4
        assert pickle.loads(pickle.dumps(first)) == first


async def test_an_injected_session_is_not_closed() -> None:
    """It belongs to its owner."""
    async with Emulator() as api, aiohttp.ClientSession() as session:
        async with SocialFetchClient(api.api_key, base_url=api.base_url, session=session) as client:
            await client.whoami()
        assert not session.closed


@pytest.mark.jumping
async def test_the_limit_of_an_injected_session_is_kept(client_of: MakeClient) -> None:
    """Waiting in its pool would count as connecting; so requests wait for a slot instead."""
    connector = aiohttp.TCPConnector(limit=3)
    async with (
        Emulator(latency=1) as api,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        client = client_of(api, session=session, timeout=5.0)
        await asyncio.gather(*(client.get_followers_page(f"u{i}") for i in range(20)))
        assert api.peak_concurrency == 3


async def test_an_injected_session_with_its_own_ideas(client_of: MakeClient) -> None:
    """`raise_for_status`, timeouts and a base URL of the session do not change ours."""
    async with Scripted(page(["a"])) as api:
        session = aiohttp.ClientSession(
            "http://127.0.0.1:1/other/",
            raise_for_status=True,
            timeout=aiohttp.ClientTimeout(total=1e-9),
        )
        async with session:
            assert (await client_of(api, session=session).get_followers_page("a")).followers


async def test_closing_twice_is_fine_and_using_it_then_is_not(client_of: MakeClient) -> None:
    """`aclose()` is idempotent; a closed client says that it is closed."""
    async with Emulator() as api:
        client = client_of(api)
        await client.whoami()
        await client.aclose()
        await client.aclose()
        assert repr(client).endswith("closed>")
        with pytest.raises(RuntimeError, match="closed"):
            await client.whoami()
        with pytest.raises(RuntimeError, match="closed"):
            await anext(client.iter_followers("a"))
        with pytest.raises(RuntimeError, match="closed"):
            async with client:
                pass


def test_another_event_loop_is_refused() -> None:
    """The connections belong to the loop of the first use."""
    client = SocialFetchClient(
        KEY, base_url="http://127.0.0.1:9", retry=RetryPolicy(max_attempts=1)
    )

    async def use() -> None:
        await client.whoami()

    with pytest.raises(socialfetch_async.ConnectError):
        asyncio.run(use())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(use())
    asyncio.run(client.aclose())


async def test_a_forgotten_client_warns_by_name() -> None:
    """ResourceWarning names the client and what to do."""
    async with Emulator() as api:
        client = SocialFetchClient(api.api_key, base_url=api.base_url)
        await client.whoami()
        session = client._transport._session
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client
            gc.collect()
        told = [str(w.message) for w in caught if w.category is ResourceWarning]
        assert any("SocialFetchClient" in text and "aclose" in text for text in told)
        assert session is not None
        await session.close()


def test_a_client_that_was_never_used_warns_of_nothing() -> None:
    """No session was made, so none is left open; warnings are errors here."""
    SocialFetchClient(KEY)
    gc.collect()


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_is_not_pickled_or_copied(act: Callable[[object], object]) -> None:
    """It would carry the key to where nobody looks for it."""
    with pytest.raises(TypeError, match="in each process") as caught:
        act(SocialFetchClient(KEY))
    assert KEY not in str(caught.value)


def in_a_new_interpreter(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_the_import_loads_nothing_of_weight() -> None:
    """`import socialfetch_async` loads no aiohttp; the client loads no command line or server."""
    heavy = "{'click', 'rich', 'pyarrow', 'aiohttp.web', 'aiohttp', 'msgspec', 'backoff'}"
    code = f"import sys, socialfetch_async; print(sorted({heavy} & set(sys.modules)))"
    assert in_a_new_interpreter(code) == "[]\n"
    code = code.replace(
        "import sys,", "from socialfetch_async import SocialFetchClient; import sys,"
    )
    assert in_a_new_interpreter(code) == "['aiohttp', 'backoff', 'msgspec']\n"


def test_every_public_name_is_there_and_documented() -> None:
    """`__all__`, `dir()` and the lazy names agree; a wrong name is an AttributeError."""
    assert dir(socialfetch_async) == sorted(socialfetch_async.__all__)
    for name in socialfetch_async.__all__:
        value = getattr(socialfetch_async, name)
        assert name == "__version__" or inspect.getdoc(value)
    with pytest.raises(AttributeError, match="nothing_like_it"):
        socialfetch_async.nothing_like_it  # noqa: B018


async def test_closing_ends_everybody_who_waits(client_of: MakeClient) -> None:
    """Whoever is in the queue for a slot is told that the client was closed, and nobody hangs."""
    async with Emulator(latency=30) as api:
        client = client_of(api, max_concurrency=1)
        tasks = [asyncio.ensure_future(client.get_followers_page("ada")) for _ in range(5)]
        await until(lambda: api.requests)
        await client.aclose()
        async with asyncio.timeout(20):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, RuntimeError) for result in results)
        assert all("SocialFetchClient" in str(result) for result in results)
