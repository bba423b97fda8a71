"""Where the API key may be seen after a fault: everything an error or a log shows of itself."""

import asyncio
import logging
import pickle
import socket
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp

from socialfetch_async import HandleDone, RetryPolicy, SocialFetchClient, SocialFetchError
from tests.faults.child import FaultServer
from tests.faults.harness import KEY, client_of
from tests.faults.wire import FAULTS

# A cut key is a seen key.
_PART = KEY[4:20]
_TWICE = RetryPolicy(max_attempts=2, base=0.001, cap=0.002)


class Heard(logging.Handler):
    """Keeps everything that is logged, arguments and tracebacks included."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.args!r}")


@contextmanager
def all_logs() -> Iterator[Heard]:
    """Listen to every logger at DEBUG, aiohttp's and asyncio's among them."""
    heard, root = Heard(), logging.getLogger()
    before = root.level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        root.removeHandler(heard)
        root.setLevel(before)


def faces(error: BaseException) -> Iterator[tuple[str, str]]:
    """Yield every way in which an error shows itself, its chain included."""
    seen: BaseException | None = error
    while seen is not None:
        yield "str", str(seen)
        yield "repr", f"{seen!r} {seen.args!r} {vars(seen)!r}"
        yield "pickle", pickle.dumps(seen, protocol=0).decode("latin-1")
        seen = seen.__cause__ or seen.__context__
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    yield "traceback", "".join(shown.format())


async def sightings(server: FaultServer) -> tuple[int, list[str]]:
    """Meet every fault; return how many texts were looked at, and where the key was in one."""
    looked = 0
    found: list[str] = []
    asyncio.get_running_loop().set_debug(enabled=True)  # asyncio then logs what it runs
    with all_logs() as heard:
        for fault in (*FAULTS, "302 Location: ELSEWHERE/stolen"):
            order = fault.replace("ELSEWHERE", server.elsewhere)
            for text_of, text in await _texts_of_a_fault(server, order):
                looked += 1
                if _PART in text:
                    found.append(f"{fault}: {text_of}")
        for text_of, text in await _texts_of_no_connection(server):
            looked += 1
            if _PART in text:
                found.append(f"no connection: {text_of}")
    looked += len(heard.lines)
    found += [f"log: {line.replace(_PART, '...')}" for line in heard.lines if _PART in line]
    if server.count.other_host_keys or server.count.other_host:
        found.append("another host")
    return looked, found


async def _texts_of_a_fault(server: FaultServer, fault: str) -> list[tuple[str, str]]:
    server.always("ann", fault)
    async with client_of(server, retry=_TWICE, timeout=0.15) as client:
        texts = await _failed_page(client)
        async with client.iter_followers_many(["ann"], max_pages_per_handle=1) as run:
            try:
                async for event in run:
                    texts.append(("event", f"{event!r}"))
                    if isinstance(event, HandleDone) and event.error is not None:
                        texts += faces(event.error)
            except SocialFetchError as error:
                texts += faces(error)
            texts.append(("run", f"{run!r} {run.outcomes!r} {run.pending()!r}"))
        texts.append(("client", f"{client!r} {client.usage!r}"))
    return texts


async def _texts_of_no_connection(server: FaultServer) -> list[tuple[str, str]]:
    """Nobody listens, at the API's address or at that of a proxy."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with client_of(server, base_url=nowhere, retry=_TWICE) as client:
        texts = await _failed_page(client)
    async with (
        aiohttp.ClientSession(proxy=nowhere) as session,
        client_of(server, session=session, retry=_TWICE) as client,
    ):
        texts += await _failed_page(client)
    # A tunnel is refused; the head that asks for it has the proxy's password and not the key.
    proxy = f"http://user:{_PART}@127.0.0.1:{server.port}"
    async with client_of(
        server, base_url="https://api.example.com", proxy=proxy, retry=_TWICE
    ) as client:
        texts += await _failed_page(client)
    assert server.count.connects
    return texts


async def _failed_page(client: SocialFetchClient) -> list[tuple[str, str]]:
    try:
        page = await client.get_followers_page("ann")
    except SocialFetchError as error:
        return list(faces(error))
    return [("page", f"{page!r}")]
