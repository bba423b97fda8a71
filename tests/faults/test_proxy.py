"""Through a proxy: what it sees, what it may refuse, and that it never sees the key in clear."""

import asyncio
import contextlib
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from socialfetch_async import ConnectError, RetryPolicy, SocialFetchClient, TLSError
from tests.conftest import until
from tests.faults.certificates import Secured, secured
from tests.faults.child import FaultServer
from tests.faults.harness import KEY, THREE, ids, on
from tests.proxies import Proxy

USER, PASSWORD = "us er", "p@ss:w/rd"
QUOTED = "us%20er:p%40ss%3Aw%2Frd"


@pytest.fixture(scope="module")
def https() -> Iterator[Secured]:
    """Return a server behind TLS, and the context that trusts its authority."""
    with secured() as found:
        yield found


@pytest.fixture
def behind_tls(https: Secured, monkeypatch: pytest.MonkeyPatch) -> FaultServer:
    """Return that server, new; its authority is one of the system's."""
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", https.trusting)
    return https.server.reset()


@asynccontextmanager
async def client_of(server: FaultServer, **options: Any) -> AsyncIterator[SocialFetchClient]:
    """Open a client that comes to its error soon."""
    settings = {"base_url": server.base_url, "retry": THREE, **options}
    async with SocialFetchClient(KEY, **settings) as client:
        yield client


def shown(error: BaseException) -> str:
    """Return all that an error shows, this test's own frame left out."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    del told.stack[0]
    return f"{error!r} {vars(error)!r} {''.join(told.format())}"


@pytest.mark.parametrize("injected", [False, True])
async def test_tls_goes_through_a_tunnel(behind_tls: FaultServer, *, injected: bool) -> None:
    """The proxy sees the API's host and port, the password meant for it, and no key."""
    async with (
        Proxy(f"{USER}:{PASSWORD}") as proxy,
        aiohttp.ClientSession() as session,
        client_of(
            behind_tls,
            proxy=f"http://{QUOTED}@{proxy.name}",
            session=session if injected else None,
        ) as client,
    ):
        pages = [page async for page in client.iter_followers("ann").pages()]
        assert on(pages) == ids("ann", range(3))
        assert proxy.lines == [f"CONNECT 127.0.0.1:{behind_tls.port} HTTP/1.1"]  # kept alive
        assert "x-api-key" not in "".join(proxy.heads).lower()
        assert KEY not in "".join(proxy.heads)
        assert PASSWORD not in f"{client!r} {vars(client)!r} {vars(client._transport)!r}"
    assert behind_tls.count.with_key == behind_tls.count.requests == 3


async def test_the_certificate_is_the_apis_and_is_checked(https: Secured) -> None:
    """A proxy that reads along would need an authority that the system trusts."""
    async with (
        Proxy() as proxy,
        client_of(https.server.reset(), proxy=f"http://{proxy.name}") as client,
    ):
        with pytest.raises(TLSError) as caught:
            await client.get_followers_page("ann")
        assert caught.value.attempts == len(proxy.heads) == 1
        assert KEY not in "".join(proxy.heads)
    assert https.server.count.requests == 0


@pytest.mark.parametrize("injected", [False, True])
@pytest.mark.parametrize(("status", "attempts"), [(403, 1), (407, 1), (404, 1), (502, 3), (503, 3)])
async def test_a_tunnel_that_is_refused_is_an_error_that_names_the_proxy(
    behind_tls: FaultServer, status: int, attempts: int, *, injected: bool
) -> None:
    """A refusal is final; a proxy that does not reach the API may reach it later."""
    async with (
        Proxy(refuses=status) as proxy,
        aiohttp.ClientSession() as session,
        client_of(
            behind_tls,
            proxy=f"http://{QUOTED}@{proxy.name}",
            session=session if injected else None,
        ) as client,
    ):
        with pytest.raises(ConnectError) as caught:
            await client.get_followers_page("ann")
        error = caught.value
        assert type(error) is ConnectError
        assert error.proxy_status == status
        assert str(error).startswith(
            f"the proxy {proxy.name} made no connection to the API (its status is {status})."
        )
        assert "Check the proxy" in str(error)
        assert error.attempts == len(proxy.heads) == attempts
        assert not error.maybe_charged
        assert client.usage.requests_sent == client.usage.maybe_charged == 0
        assert not {KEY, PASSWORD, QUOTED} & set(shown(error).split())
        assert "p%40ss" not in shown(error)
    assert behind_tls.count.requests == 0


async def test_a_password_that_is_wrong_is_an_error_without_a_retry(
    behind_tls: FaultServer,
) -> None:
    """407: the same request would be refused again."""
    async with (
        Proxy("somebody:else") as proxy,
        client_of(behind_tls, proxy=f"http://{QUOTED}@{proxy.name}") as client,
    ):
        with pytest.raises(ConnectError, match="407") as caught:
            await client.get_followers_page("ann")
        assert caught.value.attempts == 1


async def test_a_proxy_that_is_not_there_is_no_connection(server: FaultServer) -> None:
    """It is tried again, and the message names the proxy."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        name = f"127.0.0.1:{closed.getsockname()[1]}"
    async with client_of(server, proxy=f"http://{QUOTED}@{name}") as client:
        with pytest.raises(ConnectError, match=f"^no connection to the proxy {name} ") as caught:
            await client.get_followers_page("ann")
        assert caught.value.attempts == 3
        assert "p%40ss" not in shown(caught.value)


async def test_plain_http_on_this_machine_is_passed_on_by_the_proxy(server: FaultServer) -> None:
    """It sees the request, as it must; the password is for it alone."""
    async with (
        Proxy(f"{USER}:{PASSWORD}") as proxy,
        client_of(server, proxy=f"http://{QUOTED}@{proxy.name}") as client,
    ):
        pages = [page async for page in client.iter_followers("ann").pages()]
        assert on(pages) == ids("ann", range(3))
        route = f"{server.base_url}/v1/tiktok/profiles/ann/followers"
        assert [line.partition("?")[0].split()[:2] for line in proxy.lines] == [["GET", route]] * 3
    assert server.count.with_key == 3


async def test_a_cancelled_connection_shows_no_password(behind_tls: FaultServer) -> None:
    """The traceback goes through aiohttp's frames, which hold the proxy's headers."""
    heads = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heads
        await reader.readuntil(b"\r\n\r\n")
        heads += 1
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as listening:
        name = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        async with client_of(behind_tls, proxy=f"http://{QUOTED}@{name}") as client:
            pull = asyncio.ensure_future(client.get_followers_page("ann"))
            await until(lambda: heads)
            pull.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await pull
            text = shown(caught.value)
    assert "_create_proxy_connection" in text
    assert "Basic " not in text
    assert "p%40ss" not in text
    assert KEY not in text


async def test_no_proxy_comes_from_the_environment_and_no_password_from_netrc(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """What is not passed is not used."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with Proxy() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{proxy.name}")
        async with client_of(server) as client:
            await client.get_followers_page("ann")
        assert not proxy.heads
        async with client_of(server, proxy=f"http://{proxy.name}") as client:
            await client.get_followers_page("ann")
        assert "authorization" not in proxy.heads[0].lower()


async def test_a_proxy_that_speaks_tls_is_checked_itself(https: Secured) -> None:
    """Its certificate is wrong here: no head reaches it."""
    fault = https.server.reset()
    async with client_of(
        fault, proxy=f"https://127.0.0.1:{fault.port}", retry=RetryPolicy(max_attempts=2, base=0.0)
    ) as client:
        with pytest.raises(TLSError):
            await client.get_followers_page("ann")
    assert fault.count.connects == fault.count.requests == 0
    assert isinstance(https.trusting, ssl.SSLContext)
