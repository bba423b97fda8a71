"""A certificate that is not right ends it before the key is sent."""

import asyncio
from datetime import datetime

import aiohttp
import pytest

from socialfetch_async import ConnectError, TLSError, TransportError
from tests.faults.certificates import EXPIRED, secured
from tests.faults.child import FaultServer
from tests.faults.harness import KEY, THREE, client_of, ids, on


@pytest.mark.parametrize(
    ("name", "not_after"),
    [
        pytest.param("api.example.com", None, id="wrong-host-name"),
        pytest.param("127.0.0.1", EXPIRED, id="expired"),
    ],
)
async def test_a_wrong_certificate_is_an_error_without_a_retry(
    name: str, not_after: datetime | None
) -> None:
    """The authority is trusted, the certificate is not: no retry, no key, nothing charged."""
    with secured(name, not_after=not_after) as (server, trusting):
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with aiohttp.ClientSession(connector=connector) as session:
            await assert_refused(server, session)


async def test_an_unknown_authority_is_an_error_without_a_retry() -> None:
    """The client's own session trusts the system's authorities and no other."""
    with secured() as (server, _):
        await assert_refused(server, None)


async def test_a_server_that_speaks_no_tls_is_asked_again(server: FaultServer) -> None:
    """As a gateway that restarts; plain http on the port of an https address never gets the key."""
    base_url = f"https://127.0.0.1:{server.port}"
    await assert_refused(server, None, ConnectError, base_url=base_url, connections=3)


@pytest.mark.parametrize("banner", [b"", b"\x15\x03\x03\x00\x02\x02\x28"], ids=["end", "alert"])
async def test_a_handshake_that_is_refused_is_asked_again(
    server: FaultServer, banner: bytes
) -> None:
    """The end of the connection or a TLS alert instead of a certificate."""
    connections = 0

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1000)
        writer.write(banner)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as refusing:
        port = refusing.sockets[0].getsockname()[1]
        await assert_refused(server, None, ConnectError, base_url=f"https://127.0.0.1:{port}")
    assert connections == 3


async def assert_refused(
    server: FaultServer,
    session: aiohttp.ClientSession | None,
    kind: type[TransportError] = TLSError,
    *,
    base_url: str | None = None,
    connections: int = 0,
) -> None:
    """No request, no key, and an error that says so; a wrong certificate is not tried again."""
    options = {"session": session, "base_url": base_url or server.base_url, "retry": THREE}
    async with client_of(server, **options) as client:
        stream = client.iter_followers("ann")
        with pytest.raises(TransportError) as caught:
            await anext(stream)
        error = caught.value
        assert type(error) is kind
        assert error.attempts == (1 if kind is TLSError else 3)
        assert error.handle == "ann"
        assert not error.maybe_charged
        assert KEY not in f"{error}{error!r}"
        assert client.usage.requests_sent == client.usage.maybe_charged == 0
        assert server.count.requests == server.count.with_key == server.count.charged == 0
        # One that failed its handshake never becomes a connection of the server's protocol.
        assert server.count.connections == connections


async def test_the_right_authority_is_accepted() -> None:
    """An injected session with its own context works, and is not closed by the client."""
    with secured() as (server, trusting):
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with aiohttp.ClientSession(connector=connector) as session:
            async with client_of(server, session=session) as client:
                pages = [page async for page in client.iter_followers("ann").pages()]
            assert on(pages) == ids("ann", range(3))
            assert server.count.with_key == server.count.requests == 3
            assert not session.closed
