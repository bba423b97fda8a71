"""TikTok followers over HTTP, with aiohttp alone: `python examples/web/aiohttp_app.py`.

GET /followers/HANDLE   some followers at once, as JSON   ?cursor= &max_followers= &max_credits=
GET /stream/HANDLE      one after the other, as NDJSON    ?cursor= &max_credits=
GET /events/HANDLE      the same as server-sent events    ?cursor= &max_credits=

From the environment: SOCIALFETCH_API_KEY, SOCIALFETCH_BASE_URL, PORT, and SOCIALFETCH_MAX_CREDITS,
which all requests to this process may spend together.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from urllib.parse import unquote

import serving
from aiohttp import web as http

from socialfetch_async import FollowerStream, RetryPolicy, SocialFetchClient, web

CLIENT = http.AppKey("CLIENT", SocialFetchClient)


async def lifespan(app: http.Application) -> AsyncIterator[None]:
    """Open the client of this process, and close it when the last request is over."""
    async with SocialFetchClient(retry=RetryPolicy.interactive()) as client:
        app[CLIENT] = client
        yield


def asked(request: http.Request, max_credits: int) -> FollowerStream:
    """Open the stream that a request asks for."""
    wanted = serving.whole_number("max_credits", request.query.get("max_credits"), max_credits)
    cursor = request.query.get("cursor")
    if last_event_id := request.headers.get("Last-Event-ID"):
        cursor = unquote(last_event_id)
    return serving.followers(request.app[CLIENT], request.match_info["handle"], cursor, wanted)


async def collected(request: http.Request) -> http.Response:
    """Answer when there are enough; `handler_cancellation` ends this when the reader leaves."""
    enough = serving.whole_number("max_followers", request.query.get("max_followers"), 100)
    found = await web.collect(asked(request, 20), max_followers=enough)
    return http.Response(body=found.encode(), content_type="application/json")


async def ndjson(request: http.Request) -> http.StreamResponse:
    """Send each page as it comes."""
    body = await web.started(asked(request, 100), web.ndjson)
    return await streamed(request, body, "application/x-ndjson")


async def events(request: http.Request) -> http.StreamResponse:
    """Send each page as an event; a browser that comes again goes on where it was."""
    if request.headers.get("Last-Event-ID") == web.LAST_EVENT_ID:
        return http.Response(status=204)  # the only answer after which a browser stays away
    body = await web.started(asked(request, 100), web.server_sent_events)
    return await streamed(request, body, "text/event-stream")


async def streamed(
    request: http.Request, body: web.StartedBody, content_type: str
) -> http.StreamResponse:
    """Send a body, each part when the reader has taken the one before."""
    response = http.StreamResponse(headers=web.HEADERS | {"Content-Type": content_type})
    async with aclosing(body):
        await response.prepare(request)
        if request.transport is not None:
            request.transport.set_write_buffer_limits(0)
        async for part in body:
            await response.write(part)
            await request.writer.drain()  # `write` itself waits every 64 KiB only
    return response


@http.middleware
async def errors(
    request: http.Request, handler: Callable[[http.Request], Awaitable[http.StreamResponse]]
) -> http.StreamResponse:
    """Answer with what an error means for the reader."""
    try:
        return await handler(request)
    except web.ERRORS as error:
        answer = web.http_error(error)
        return http.Response(body=answer.body, status=answer.status, headers=answer.headers)


def application() -> http.Application:
    """Return the application."""
    app = http.Application(middlewares=[errors])
    app.cleanup_ctx.append(lifespan)
    for name, handler in (("followers", collected), ("stream", ndjson), ("events", events)):
        # By default aiohttp lets HEAD in too: it would buy the whole list for nobody.
        app.router.add_get(f"/{name}/{{handle:.*}}", handler, allow_head=False)
    return app


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    listener = serving.listen("127.0.0.1", int(os.environ.get("PORT", "8000")))
    print("http://{}:{}".format(*listener.getsockname()), flush=True)
    http.run_app(
        application(), sock=listener, handler_cancellation=True, shutdown_timeout=5, print=None
    )


if __name__ == "__main__":
    main()
