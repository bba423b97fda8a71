"""One attempt: what aiohttp does by default and must not, and its errors as ours."""

import asyncio
import copy
import errno
import gzip
import logging
import os
import pickle
import socket
import traceback
import zlib
from typing import NoReturn

import aiohttp
import pytest

from socialfetch_async import (
    APIStatusError,
    ConnectError,
    ConnectionLostError,
    GatewayError,
    PayloadError,
    RequestTimeoutError,
    ResponseTooLargeError,
    RetryPolicy,
    SocialFetchClient,
    SocialFetchError,
    TLSError,
    TransportError,
    UnexpectedRedirectError,
    __version__,
)
from socialfetch_async._exchange.failures import explained
from socialfetch_async._exchange.secret import ApiKey
from tests.conftest import FAST, KEY, MakeClient, until
from tests.scripted import HANG, Scripted, error, http, page

ONCE = RetryPolicy(max_attempts=1)
OK = page(["a"])
BODY = OK.partition(b"\r\n\r\n")[2]


async def failure(make: MakeClient, *answers: bytes, **options: object) -> SocialFetchError:
    """Return the error of one page over one attempt; check that one request was sent."""
    async with Scripted(*answers) as api:
        client = make(api, retry=ONCE, **options)
        with pytest.raises(SocialFetchError) as caught:
            await client.get_followers_page("ada")
        assert len(api.seen) == client.usage.requests_sent == 1
        assert caught.value.__context__ is None
        return caught.value


WIRE = {
    "no byte": (b"", ConnectionLostError),
    "half a status line": (b"HT", PayloadError),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", PayloadError),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", PayloadError),
    "a length that is no number": (
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\nConnection: close\r\n\r\n",
        PayloadError,
    ),
    "a short body": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\nConnection: close\r\n\r\n" + BODY[:-20],
        PayloadError,
    ),
    "a large one, cut": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\nConnection: close\r\n\r\n"
        + b" " * 2**21
        + BODY,
        PayloadError,
    ),
    "a body until the end, cut": (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY[:-20],
        PayloadError,
    ),
    "a bad chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        PayloadError,
    ),
    "gzip, truncated": (
        http(200, gzip.compress(BODY)[:-30], Content_Encoding="gzip"),
        PayloadError,
    ),
    "gzip that is none": (
        http(200, gzip.compress(BODY)[:12] + b"\xff" * 60, Content_Encoding="gzip"),
        PayloadError,
    ),
    "nothing": (http(200), PayloadError),
    "HTML": (http(200, b"<html>Welcome</html>"), PayloadError),
}


@pytest.mark.parametrize("name", WIRE)
async def test_a_broken_answer_is_one_request_and_one_error(
    client_of: MakeClient, name: str
) -> None:
    """aiohttp would send a GET a second time by itself; here the server sees one request."""
    answer, kind = WIRE[name]
    error_ = await failure(client_of, answer)
    assert type(error_) is kind
    assert error_.maybe_charged


CHUNK = b"%x\r\n%s\r\n" % (len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
LENGTH = b"Content-Length: %d\r\n"
WITH_LENGTH = b"HTTP/1.1 200 OK\r\n" + LENGTH
WHOLE = {
    "a length in characters": WITH_LENGTH % (len(BODY) - 3) + b"\r\n" + BODY,
    "a length that is too long": WITH_LENGTH % 999 + b"Connection: close\r\n\r\n" + BODY,
    "a length that never comes": WITH_LENGTH % 999 + b"\r\n" + BODY,
    "a length that stands twice": (WITH_LENGTH + LENGTH) % (2 * (len(BODY),)) + b"\r\n" + BODY,
    "a length and chunks": CHUNKED + b"Content-Length: 9\r\n\r\n" + CHUNK + b"0\r\n\r\n",
    "chunks without an end": CHUNKED + b"Connection: close\r\n\r\n" + CHUNK,
    "chunks that stall": CHUNKED + b"\r\n" + CHUNK,
    "bytes behind it": WITH_LENGTH % len(BODY) + b"\r\n" + BODY + b"garbage",
    "no content": b"HTTP/1.1 204 No\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
}


@pytest.mark.jumping
@pytest.mark.parametrize("name", WHOLE)
async def test_a_page_that_arrived_whole_is_kept_whatever_its_frame(
    client_of: MakeClient, name: str
) -> None:
    """JSON shows where it ends: what HTTP says of it is no reason to buy it again."""
    async with Scripted(WHOLE[name]) as api:
        client = client_of(api)
        assert (await client.get_followers_page("ada")).followers
    assert (len(api.seen), client.usage.maybe_charged) == (1, 0)


async def test_the_answer_to_somebody_else_is_not_taken_for_a_page(client_of: MakeClient) -> None:
    """It comes behind an answer without a body, in one piece with it."""
    answer = http(200) + page(["eve"])
    error_ = await failure(client_of, answer)
    assert isinstance(error_, PayloadError)


@pytest.mark.jumping
@pytest.mark.parametrize("status", [402, 403, 503])
@pytest.mark.parametrize("frame", ["bytes behind it", "a length that never comes", "no last chunk"])
async def test_a_refusal_is_read_whatever_its_frame(
    client_of: MakeClient, status: int, frame: str
) -> None:
    """Else it would count as a gateway's, or a 402 be asked again."""
    whole = error(status)
    body = whole.partition(b"\r\n\r\n")[2]
    head = b"HTTP/1.1 %d X\r\n" % status
    answer = {
        "bytes behind it": whole + b"garbage",
        "a length that never comes": head + b"Content-Length: 999\r\n\r\n" + body,
        "no last chunk": head
        + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\nzz"
        % (len(body), body),
    }[frame]
    error_ = await failure(client_of, answer)
    assert isinstance(error_, APIStatusError)
    assert not isinstance(error_, GatewayError)
    assert (error_.status, error_.code, error_.maybe_charged) == (status, "some_code", 0)


async def test_an_injected_session_sends_nothing_twice_either(client_of: MakeClient) -> None:
    """The guard goes with the request, not with the session."""
    async with aiohttp.ClientSession() as session:
        error_ = await failure(client_of, b"", session=session)
    assert isinstance(error_, ConnectionLostError)
    assert error_.reused is None


async def test_a_redirect_is_not_followed(client_of: MakeClient) -> None:
    """Neither the request nor the key goes to another host; the message names only the host."""
    async with Scripted(OK) as other:
        where = f"{other.base_url}/take?this=secret".replace("127.0.0.1", "localhost")
        error_ = await failure(client_of, http(302, Location=where))
        assert isinstance(error_, UnexpectedRedirectError)
        assert "localhost" in str(error_)
        assert "secret" not in str(error_)
        assert not other.seen
        assert not error_.maybe_charged


@pytest.mark.parametrize("location", ["", "http://[bad", "/elsewhere"])
async def test_a_redirect_to_nowhere_is_an_error_too(client_of: MakeClient, location: str) -> None:
    """A location that is missing or no URL does not hide the redirect."""
    error_ = await failure(client_of, http(302, Location=location))
    assert isinstance(error_, UnexpectedRedirectError)


async def test_a_body_is_not_read_beyond_its_cap(client_of: MakeClient) -> None:
    """The cap counts bytes after decompression."""
    bomb = http(200, gzip.compress(b" " * 5_000_000), Content_Encoding="gzip")
    error_ = await failure(client_of, bomb, max_response_bytes=1_000_000)
    assert isinstance(error_, ResponseTooLargeError)
    assert "1000000 bytes" in str(error_)
    assert error_.maybe_charged


async def test_a_body_as_large_as_the_cap_is_read(client_of: MakeClient) -> None:
    """The cap itself is allowed."""
    async with Scripted(OK) as api:
        client = client_of(api, max_response_bytes=len(BODY))
        assert (await client.get_followers_page("ada")).followers


async def test_a_compressed_page_is_read(client_of: MakeClient) -> None:
    """What aiohttp can decompress is asked for and decoded."""
    async with Scripted(http(200, gzip.compress(BODY), Content_Encoding="gzip")) as api:
        assert (await client_of(api).get_followers_page("ada")).followers
    assert "gzip" in api.seen[0].headers["accept-encoding"]


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("x-gzip", gzip.compress(BODY)),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
        ("", gzip.compress(BODY)),
        ("gzip", BODY),
        ("gzip", gzip.compress(BODY) + b"\0" * 32),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY)[2:-4]),
    ],
    ids=["x-gzip", "twice", "unannounced", "no gzip", "padded", "zlib", "raw deflate"],
)
async def test_a_page_packed_in_another_way_than_announced_is_read(
    client_of: MakeClient, coding: str, body: bytes
) -> None:
    """It has arrived: asking once more would buy it again, packed as this one is."""
    async with Scripted(http(200, body, Content_Encoding=coding)) as api:
        client = client_of(api)
        assert (await client.get_followers_page("ada")).followers
    assert (len(api.seen), client.usage.maybe_charged) == (1, 0)


async def test_a_session_that_unpacks_nothing_may_be_injected(client_of: MakeClient) -> None:
    """Pages and errors are read all the same."""
    refusal = error(503).partition(b"\r\n\r\n")[2]
    answers = [http(503, gzip.compress(refusal), Content_Encoding="gzip")]
    answers.append(http(200, gzip.compress(BODY), Content_Encoding="gzip"))
    async with (
        Scripted(*answers) as api,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        client = client_of(api, session=session)
        assert (await client.get_followers_page("ada")).followers
        assert client.usage.maybe_charged == 0  # it was the API that refused


@pytest.mark.jumping
@pytest.mark.parametrize("body", ["short", "huge", "stalled"])
async def test_the_status_counts_whatever_becomes_of_its_body(
    client_of: MakeClient, body: str
) -> None:
    """An error answer whose body breaks off, stalls or is endless keeps its status.

    Without its envelope it may be a gateway's, and then nobody says that it was not charged.
    """
    head = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 9999\r\n\r\n"
    if body == "huge":
        answer = http(503, b"x" * 200_000)
    elif body == "stalled":
        answer = head.replace(b"Connection: close\r\n", b"")
    else:
        answer = head
    error_ = await failure(client_of, answer)
    assert isinstance(error_, GatewayError)
    assert (error_.status, error_.maybe_charged) == (503, 1)


@pytest.mark.parametrize("status", [200, 201, 203, 206, 299])
async def test_any_success_is_read_whole(client_of: MakeClient, status: int) -> None:
    """A proxy may change the status of what it passes on; the page is paid for all the same."""
    body = page([f"user{number}" for number in range(2000)]).partition(b"\r\n\r\n")[2]
    assert len(body) > 300_000
    async with Scripted(http(status, body)) as api:
        client = client_of(api, retry=ONCE)
        assert len((await client.get_followers_page("ada")).followers) == 2000
        assert client.usage.maybe_charged == 0


async def test_a_large_page_with_the_status_of_a_refusal_is_kept(client_of: MakeClient) -> None:
    """What an error says takes less, but a page is read whole."""
    body = page([f"user{number}" for number in range(2000)], "c2").partition(b"\r\n\r\n")[2]
    async with Scripted(http(502, body)) as api:
        client = client_of(api)
        assert len((await client.get_followers_page("ada")).followers) == 2000
    assert (len(api.seen), client.usage.maybe_charged, client.usage.credits_charged) == (1, 0, 1)


async def test_too_many_open_files_is_no_connection(client_of: MakeClient) -> None:
    """It may be better a moment later, so it is tried again; nothing was sent."""
    async with Scripted(OK) as api:
        client = client_of(api)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "socket", _no_more_files)
            with pytest.raises(ConnectError, match="Too many open files") as caught:
                await client.get_followers_page("ada")
        assert caught.value.attempts == FAST.max_attempts
        assert client.usage.maybe_charged == client.usage.requests_sent == 0
        assert (await client.get_followers_page("ada")).followers


async def test_a_refused_connection_is_told_in_the_words_of_the_system() -> None:
    """Neither the class that aiohttp raised nor an address as Python has it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    async with SocialFetchClient(KEY, base_url=url, retry=ONCE) as client:
        with pytest.raises(ConnectError) as caught:
            await client.get_followers_page("ada")
    assert caught.value.summary == "no connection to the API (Connection refused)."


def _no_more_files(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


@pytest.mark.jumping
async def test_a_slow_answer_ends_with_the_timeout(client_of: MakeClient) -> None:
    """The message says after how long."""
    error_ = await failure(client_of, HANG, timeout=12.5)
    assert isinstance(error_, RequestTimeoutError)
    assert "12.5 s" in str(error_)


async def test_the_headers_are_the_documented_ones(client_of: MakeClient) -> None:
    """Key, user agent, JSON; no cookie is kept and no other authorization sent."""
    async with Scripted(
        page(["a"], "1").replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n", 1), page(["b"])
    ) as api:
        async for _ in client_of(api).iter_followers("ada").pages():
            pass
    for seen in api.seen:
        assert seen.headers["x-api-key"] == KEY
        assert seen.headers["user-agent"] == f"socialfetch-async-python/{__version__}"
        assert seen.headers["accept"] == "application/json"
        assert not {"cookie", "authorization"} & set(seen.headers)


def all_client_errors() -> list[type[Exception]]:
    """Return every exception class that aiohttp's client can raise."""
    found: list[type[Exception]] = []
    todo: list[type[Exception]] = [aiohttp.ClientError]
    while todo:
        kind = todo.pop()
        found.append(kind)
        todo += kind.__subclasses__()
    return found


# What each of them is to us. A class that a new aiohttp adds is missing here and fails the test.
OURS = {
    "ClientError": TransportError,
    "ClientConnectionError": ConnectionLostError,
    "ClientConnectionResetError": ConnectionLostError,
    "ClientConnectorCertificateError": TLSError,
    "ClientConnectorDNSError": ConnectError,
    "ClientConnectorError": ConnectError,
    "ClientConnectorSSLError": ConnectError,
    "ClientHttpProxyError": ConnectError,
    "ClientOSError": ConnectionLostError,
    "ClientPayloadError": PayloadError,
    "ClientProxyConnectionError": ConnectError,
    "ClientResponseError": PayloadError,
    "ClientSSLError": ConnectError,
    "ConnectionTimeoutError": ConnectError,
    "ContentTypeError": PayloadError,
    "InvalidURL": TransportError,
    "InvalidUrlClientError": TransportError,
    "InvalidUrlRedirectClientError": TransportError,
    "NonHttpUrlClientError": TransportError,
    "NonHttpUrlRedirectClientError": TransportError,
    "RedirectClientError": TransportError,
    "ServerConnectionError": ConnectionLostError,
    "ServerDisconnectedError": ConnectionLostError,
    "ServerFingerprintMismatch": TLSError,
    "ServerTimeoutError": RequestTimeoutError,
    "SocketTimeoutError": RequestTimeoutError,
    "TooManyRedirects": PayloadError,
    "UnixClientConnectorError": ConnectError,
    "UploadAbortedError": TransportError,
    "WSServerHandshakeError": PayloadError,
}


@pytest.mark.parametrize("kind", all_client_errors(), ids=lambda kind: str(kind.__name__))
def test_every_error_of_aiohttp_is_one_of_ours(kind: type[Exception]) -> None:
    """The table fits aiohttp as it is installed."""
    raised = kind.__new__(kind)
    if isinstance(raised, aiohttp.ServerDisconnectedError):
        raised.message = "Server disconnected"
    ours = explained(raised, 1.0, sent=True, reused=True)
    assert type(ours) is OURS[kind.__name__]
    assert ours.maybe_charged == (not isinstance(ours, ConnectError | TLSError))


def test_the_words_of_the_system_are_kept() -> None:
    """An error number is explained, so that `too many open files` is seen as that."""
    ours = explained(OSError(24, "Too many open files"), 1.0, sent=True, reused=False)
    assert "Too many open files" in str(ours)


def sightings(text: str) -> int:
    """Count how often the key, or a good part of it, is in a text."""
    return text.count(KEY) + text.count(KEY[4:])


SHOWING_THE_KEY = {
    **{name: answer for name, (answer, _) in WIRE.items()},
    "401 with the key": error(401, message=f"bad key {KEY}"),
    "402 with the key": error(402, code=KEY),
    "302 with the key": http(302, Location=f"https://x.invalid/{KEY}"),
    "500": error(500),
    "hang": HANG,
}


@pytest.mark.jumping
@pytest.mark.parametrize("name", SHOWING_THE_KEY)
async def test_the_key_is_shown_nowhere(
    client_of: MakeClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a message, repr, traceback with locals, pickle or log, whatever came."""
    caplog.set_level(logging.DEBUG)
    async with Scripted(SHOWING_THE_KEY[name]) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=2, base=0.0))
        with pytest.raises(SocialFetchError) as caught:
            await client.get_followers_page("ada")
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        del told.stack[0]  # this test, which has the key among its own variables
        shown = [
            str(caught.value),
            repr(caught.value),
            "".join(told.format()),
            pickle.dumps(caught.value).decode("latin-1"),
            repr(copy.copy(caught.value).__dict__),
            repr(client),
            repr(vars(client)),
            repr(vars(client._transport)),
            repr(vars(client._exchange)),
            caplog.text,
        ]
    assert [sightings(text) for text in shown] == [0] * len(shown)


async def test_a_cancelled_request_shows_no_key(client_of: MakeClient) -> None:
    """Its traceback goes through aiohttp's frames, which hold the headers."""
    async with Scripted(HANG) as api:
        pull = asyncio.ensure_future(client_of(api).get_followers_page("ada"))
        await until(lambda: api.seen)
        pull.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await pull
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        text = "".join(told.format())
        assert "aiohttp" in text
        assert sightings(text) == 0


def test_a_key_is_masked_wherever_it_is_printed_by_repr() -> None:
    """And goes on the wire as it is."""
    key = ApiKey(KEY)
    assert repr({"x-api-key": key}) == "{'x-api-key': '[api key]'}"
    assert str(key) == KEY


@pytest.mark.jumping
async def test_plain_http_on_a_tls_address_is_no_connection(client_of: MakeClient) -> None:
    """A server that speaks no TLS ends the attempt before the key is sent."""
    async with Scripted(OK) as api:
        api.base_url = api.base_url.replace("http:", "https:")
        client = client_of(api, retry=ONCE)
        with pytest.raises(ConnectError) as caught:
            await client.get_followers_page("ada")
        assert not caught.value.maybe_charged
        assert not api.seen
