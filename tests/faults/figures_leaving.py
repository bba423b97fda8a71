"""Figure 16: a batch that is cancelled, in every way that programs do it."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route

from socialfetch_async import export_followers, read_journal
from tests.conftest import until
from tests.faults.child import FaultServer
from tests.faults.figures import Line, Scale
from tests.faults.harness import client_of

Work = Callable[[], Awaitable[object]]
"""Begins a batch, or waits for the moment to leave it."""

_HANDLES = [f"h{number}" for number in range(8)]
_PAGES = 5


async def _task(batch: Work, moment: Work) -> None:
    task = asyncio.ensure_future(batch())
    await moment()
    task.cancel()
    await asyncio.wait([task])


async def _timeout(batch: Work, moment: Work) -> None:
    async def expire(limit: asyncio.Timeout) -> None:
        await moment()
        limit.reschedule(asyncio.get_running_loop().time())

    with suppress(TimeoutError):
        async with asyncio.timeout(None) as limit:
            task = asyncio.ensure_future(expire(limit))
            await batch()
    await task


async def _scope(batch: Work, moment: Work) -> None:
    async def leave(scope: anyio.CancelScope) -> None:
        await moment()
        scope.cancel()

    with anyio.CancelScope() as scope:
        task = asyncio.ensure_future(leave(scope))
        await batch()
    await task


async def _response(batch: Work, moment: Work) -> None:
    await _served(batch, moment, [])


async def _behind_middleware(batch: Work, moment: Work) -> None:
    async def passed_on(request: Any, call_next: Any) -> Any:
        return await call_next(request)

    await _served(batch, moment, [Middleware(BaseHTTPMiddleware, dispatch=passed_on)])


_WAYS = {
    "Task.cancel": _task,
    "asyncio.timeout": _timeout,
    "anyio's scope": _scope,
    "Starlette's response": _response,
    "behind a middleware": _behind_middleware,
}


async def _served(batch: Work, moment: Work, middleware: list[Middleware]) -> None:
    """Run a batch inside a response whose reader leaves, which cancels it again and again."""
    asked, ended = False, asyncio.Event()

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await moment()
            return {"type": "http.disconnect"}
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        """Take what the server says."""

    async def body() -> AsyncIterator[bytes]:
        yield b"begun\n"
        try:
            await batch()
        finally:
            ended.set()

    async def answer(_: Any) -> StreamingResponse:
        return StreamingResponse(body())

    app = Starlette(routes=[Route("/", answer)], middleware=middleware)
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET",
        "path": "/", "raw_path": b"/", "query_string": b"", "headers": [],
        "http_version": "1.1", "scheme": "http", "server": ("t", 80), "client": ("c", 1),
    }  # fmt: skip
    await asyncio.gather(app(scope, receive, send), return_exceptions=True)
    async with asyncio.timeout(10):
        await ended.wait()


async def cancelled_batches(server: FaultServer, scale: Scale, seed: int) -> list[Line]:
    """Figure 16: pages that were charged are kept and exported, and none is bought again."""
    lines: list[Line] = []
    random = Random(seed)
    for way, leave in _WAYS.items():
        times = scale.cancelled_batches
        found = [await _cancelled(server, leave, random) for _ in range(times)]
        what = f"seed {seed}, {way}"
        charged, lost, again = map(sum, zip(*found, strict=True))
        lines += [
            Line(16, f"{what}: not kept of {charged} pages", lost, 0),
            Line(16, f"{what}: bought again", again, 0),
        ]
    return lines


async def _cancelled(
    server: FaultServer, leave: Callable[[Work, Work], Awaitable[None]], random: Random
) -> tuple[int, int, int]:
    """Cancel a batch somewhere in its first half and finish it.

    Returns:
        Pages that were charged until then, those of them that the journal or the export lacks, and
        pages that were charged again.
    """
    server.reset(pages=_PAGES, latency=0.005)
    pages = len(_HANDLES) * _PAGES
    after, pause = random.randrange(1, pages // 2), random.uniform(0, 0.01)

    async def moment() -> None:
        await until(lambda: server.count.charged >= after)
        await asyncio.sleep(pause)

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "x.jsonl"
        async with client_of(server) as client:

            async def batch() -> object:
                return await export_followers(
                    client, _HANDLES, output, concurrency=5, fsync="never"
                )

            await leave(batch, moment)
            charged = server.count.charged
            saved = read_journal(output.with_suffix(".journal"))
            exported = len(output.read_bytes().splitlines()) // 3
            assert saved.maybe_charged == 0
            kept = min(saved.credits_charged, exported)
            await batch()
        assert len(output.read_bytes().splitlines()) == 3 * pages
        return charged, charged - kept, server.count.charged - pages
