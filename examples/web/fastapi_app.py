"""TikTok followers over HTTP, with FastAPI and uvicorn: `python examples/web/fastapi_app.py`.

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
from typing import Annotated, Any, cast
from urllib.parse import unquote

import serving
import uvicorn
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from socialfetch_async import RetryPolicy, SocialFetchClient, web


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open the client of this process, and close it when the last request is over."""
    async with SocialFetchClient(retry=RetryPolicy.interactive()) as client:
        yield {"client": client}


app = FastAPI(title="Followers", lifespan=lifespan)


def shared_client(request: Request) -> SocialFetchClient:
    """Return the client that all requests share, with its credit limit."""
    client: SocialFetchClient = request.state.client
    return client


Client = Annotated[SocialFetchClient, Depends(shared_client)]


def streamed(body: web.StartedBody, media_type: str) -> StreamingResponse:
    """Send a body, and close it when it ends or the reader leaves; FastAPI alone does not."""
    closing = BackgroundTask(body.aclose)
    return StreamingResponse(body, media_type=media_type, headers=web.HEADERS, background=closing)


@app.get("/followers/{handle:path}")
async def collected(
    request: Request,
    client: Client,
    handle: str,
    cursor: str | None = None,
    max_followers: int = 100,
    max_credits: int = 20,
) -> Response:
    """Answer when there are enough; a reader that left is noticed between two pages."""
    stream = serving.followers(client, handle, cursor, max_credits)
    found = await web.collect(stream, max_followers=max_followers, gone=request.is_disconnected)
    return Response(found.encode(), media_type="application/json")


@app.get("/stream/{handle:path}")
async def ndjson(
    client: Client, handle: str, cursor: str | None = None, max_credits: int = 100
) -> Response:
    """Send each page as it comes."""
    stream = serving.followers(client, handle, cursor, max_credits)
    return streamed(await web.started(stream, web.ndjson), "application/x-ndjson")


@app.get("/events/{handle:path}")
async def events(
    client: Client,
    handle: str,
    cursor: str | None = None,
    max_credits: int = 100,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Send each page as an event; a browser that comes again goes on where it was."""
    if last_event_id == web.LAST_EVENT_ID:
        return Response(status_code=204)  # the only answer after which a browser stays away
    if last_event_id:
        cursor = unquote(last_event_id)
    stream = serving.followers(client, handle, cursor, max_credits)
    return streamed(await web.started(stream, web.server_sent_events), "text/event-stream")


async def failed(_: Request, error: Exception) -> Response:
    """Answer with what an error means for the reader."""
    if isinstance(error, RequestValidationError):
        wrong = error.errors()[0]
        error = web.InvalidRequestError(f"{wrong['loc'][-1]} is not valid: {wrong['msg']}.")
    answer = web.http_error(error)
    return Response(answer.body, answer.status, answer.headers)


for kind in (*web.ERRORS, RequestValidationError):
    app.add_exception_handler(kind, failed)


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
