"""TikTok followers over HTTP, with Litestar and uvicorn: `python examples/web/litestar_app.py`.

GET /followers/HANDLE   some followers at once, as JSON   ?cursor= &max_followers= &max_credits=
GET /stream/HANDLE      one after the other, as NDJSON    ?cursor= &max_credits=
GET /events/HANDLE      the same as server-sent events    ?cursor= &max_credits=

From the environment: SOCIALFETCH_API_KEY, SOCIALFETCH_BASE_URL, PORT, and SOCIALFETCH_MAX_CREDITS,
which all requests to this process may spend together.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import unquote

import anyio
import serving
import uvicorn
from litestar import Litestar, Request, Response, get
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import State
from litestar.exceptions import ValidationException
from litestar.params import FromPath, FromQuery
from litestar.response import Stream
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from socialfetch_async import RetryPolicy, SocialFetchClient, web


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    """Open the client of this process, and close it when the last request is over."""
    async with SocialFetchClient(retry=RetryPolicy.interactive()) as client:
        app.state.client = client
        yield


def streamed(body: web.StartedBody, media_type: str) -> Stream:
    """Send a body, and close it when it ends or the reader leaves; Litestar alone does not."""
    closing = BackgroundTask(body.aclose)
    return Stream(body, media_type=media_type, headers=web.HEADERS, background=closing)


async def gone(request: Request[Any, Any, State]) -> bool:
    """Whether the reader has left: Litestar's own requests do not say it."""
    with anyio.CancelScope() as no_wait:
        no_wait.cancel()
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                return True
    return False


@get("/followers/{handle:path}", media_type="application/json")
async def collected(
    request: Request[Any, Any, State],
    state: State,
    handle: FromPath[str],
    cursor: FromQuery[str | None] = None,
    max_followers: FromQuery[int] = 100,
    max_credits: FromQuery[int] = 20,
) -> bytes:
    """Answer when there are enough; a reader that left is noticed between two pages."""
    stream = serving.followers(state.client, handle.removeprefix("/"), cursor, max_credits)
    found = await web.collect(stream, max_followers=max_followers, gone=lambda: gone(request))
    return found.encode()


@get("/stream/{handle:path}")
async def ndjson(
    state: State,
    handle: FromPath[str],
    cursor: FromQuery[str | None] = None,
    max_credits: FromQuery[int] = 100,
) -> Stream:
    """Send each page as it comes."""
    stream = serving.followers(state.client, handle.removeprefix("/"), cursor, max_credits)
    return streamed(await web.started(stream, web.ndjson), "application/x-ndjson")


@get("/events/{handle:path}")
async def events(
    request: Request[Any, Any, State],
    state: State,
    handle: FromPath[str],
    cursor: FromQuery[str | None] = None,
    max_credits: FromQuery[int] = 100,
) -> Stream | Response[None]:
    """Send each page as an event; a browser that comes again goes on where it was."""
    last_event_id = request.headers.get("Last-Event-ID")
    if last_event_id == web.LAST_EVENT_ID:
        return Response(None, status_code=204)  # the only answer after which a browser stays away
    if last_event_id:
        cursor = unquote(last_event_id)
    stream = serving.followers(state.client, handle.removeprefix("/"), cursor, max_credits)
    return streamed(await web.started(stream, web.server_sent_events), "text/event-stream")


def failed(_: Request[Any, Any, State], error: Exception) -> Response[bytes]:
    """Answer with what an error means for the reader."""
    if isinstance(error, ValidationException):
        wrong = cast("list[dict[str, str]]", error.extra)[0]
        error = web.InvalidRequestError(f"{wrong['key']} is not valid: {wrong['message']}.")
    answer = web.http_error(error)
    return Response(answer.body, status_code=answer.status, headers=answer.headers)


app = Litestar(
    [collected, ndjson, events],
    lifespan=[lifespan],
    logging_config=None,  # as the process has it; Litestar's own turns every INFO on
    exception_handlers=dict.fromkeys([*web.ERRORS, ValidationException], failed),
)


class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # chosen at import
    """Lets a page wait in the server's buffer only when the reader has taken the one before."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report every byte that the system does not take."""
        super().connection_made(transport)
        cast(asyncio.Transport, transport).set_write_buffer_limits(0)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    listener = serving.listen("127.0.0.1", int(os.environ.get("PORT", "8000")))
    print("http://{}:{}".format(*listener.getsockname()), flush=True)
    config = uvicorn.Config(app, http=Protocol, log_level="warning", timeout_graceful_shutdown=5)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
