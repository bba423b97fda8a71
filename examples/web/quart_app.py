"""TikTok followers over HTTP, with Quart and hypercorn: `python examples/web/quart_app.py`.

GET /followers/HANDLE   some followers at once, as JSON   ?cursor= &max_followers= &max_credits=
GET /stream/HANDLE      one after the other, as NDJSON    ?cursor= &max_credits=
GET /events/HANDLE      the same as server-sent events    ?cursor= &max_credits=

From the environment: SOCIALFETCH_API_KEY, SOCIALFETCH_BASE_URL, PORT, Quart's own settings as
QUART_*, and SOCIALFETCH_MAX_CREDITS, which all requests to this process may spend together.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from urllib.parse import unquote

import serving
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Response, request

from socialfetch_async import FollowerStream, RetryPolicy, SocialFetchClient, web

app = Quart(__name__)
app.config.from_prefixed_env()


@app.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    """Open the client of this process, and close it when the last request is over."""
    async with SocialFetchClient(retry=RetryPolicy.interactive()) as client:
        app.extensions["client"] = client
        yield


def asked(handle: str, max_credits: int) -> FollowerStream:
    """Open the stream that a request asks for."""
    wanted = serving.whole_number("max_credits", request.args.get("max_credits"), max_credits)
    client: SocialFetchClient = app.extensions["client"]
    cursor = request.args.get("cursor")
    if last_event_id := request.headers.get("Last-Event-ID"):
        cursor = unquote(last_event_id)
    return serving.followers(client, handle, cursor, wanted)


@app.before_request
async def no_head() -> Response | None:
    """Refuse HEAD, which Quart lets through wherever GET is: it would buy a list for nobody."""
    return Response(status=405, headers={"Allow": "GET"}) if request.method == "HEAD" else None


@app.get("/followers/<path:handle>")
async def collected(handle: str) -> Response:
    """Answer when there are enough; Quart cancels this when the reader leaves."""
    enough = serving.whole_number("max_followers", request.args.get("max_followers"), 100)
    found = await web.collect(asked(handle, 20), max_followers=enough)
    return Response(found.encode(), content_type="application/json")


@app.get("/stream/<path:handle>")
async def ndjson(handle: str) -> Response:
    """Send each page as it comes."""
    return await streamed(asked(handle, 100), web.ndjson, "application/x-ndjson")


@app.get("/events/<path:handle>")
async def events(handle: str) -> Response:
    """Send each page as an event; a browser that comes again goes on where it was."""
    if request.headers.get("Last-Event-ID") == web.LAST_EVENT_ID:
        return Response(status=204)  # the only answer after which a browser stays away
    return await streamed(asked(handle, 100), web.server_sent_events, "text/event-stream")


async def streamed(
    stream: FollowerStream,
    form: Callable[[FollowerStream], AsyncGenerator[bytes, None]],
    content_type: str,
) -> Response:
    """Send a body; Quart closes it when it ends or the reader leaves."""
    body = await web.started(stream, form)
    response = Response(body, content_type=content_type, headers=web.HEADERS)
    response.timeout = None  # else Quart cuts the list off after a minute, in silence
    return response


async def failed(error: Exception) -> Response:
    """Answer with what an error means for the reader."""
    answer = web.http_error(error)
    return Response(answer.body, answer.status, answer.headers)


for kind in web.ERRORS:
    app.register_error_handler(kind, failed)


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    listener = serving.listen("127.0.0.1", int(os.environ.get("PORT", "8000")))
    print("http://{}:{}".format(*listener.getsockname()), flush=True)
    config = Config()
    config.loglevel = "WARNING"
    config.bind = [f"fd://{listener.detach()}"]
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()
