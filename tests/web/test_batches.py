"""A batch inside a web response whose reader leaves: Starlette's cancellation comes repeatedly."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import StreamingResponse
from starlette.routing import Route

from socialfetch_async import export_followers, read_journal
from socialfetch_async.emulator import Emulator
from tests.commands import until
from tests.conftest import MakeClient

HANDLES = [f"u{number}" for number in range(8)]


async def _passed_on(request: Any, call_next: Any) -> Any:
    return await call_next(request)


class Reader:
    """Somebody who asks, and may leave."""

    def __init__(self) -> None:
        self._came = False
        self._left = asyncio.Event()

    def leave(self) -> None:
        """Close the connection."""
        self._left.set()

    async def receive(self) -> dict[str, Any]:
        """Tell the server what the reader does."""
        if self._came:
            await self._left.wait()
            return {"type": "http.disconnect"}
        self._came = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, _: Any) -> None:
        """Take what the server says."""


@pytest.mark.parametrize("behind_middleware", [False, True])
async def test_a_batch_keeps_what_it_paid_for_when_its_reader_leaves(
    client_of: MakeClient, tmp_path: Path, *, behind_middleware: bool
) -> None:
    """Pages charged are pages kept and exported, and no request follows."""
    output, ended = tmp_path / "x.jsonl", asyncio.Event()
    async with Emulator(dict.fromkeys(HANDLES, 100), latency=0.005) as api:
        client, reader = client_of(api), Reader()

        async def body() -> AsyncIterator[bytes]:
            yield b"begun\n"
            try:
                await export_followers(client, HANDLES, output, concurrency=5)
            finally:
                ended.set()

        async def answer(_: Any) -> StreamingResponse:
            return StreamingResponse(body())

        wrapped = [Middleware(BaseHTTPMiddleware, dispatch=_passed_on)] * behind_middleware
        app = Starlette(routes=[Route("/", answer)], middleware=wrapped)
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "method": "GET",
            "path": "/", "raw_path": b"/", "query_string": b"", "headers": [],
            "http_version": "1.1", "scheme": "http", "server": ("t", 80), "client": ("c", 1),
        }  # fmt: skip
        task = asyncio.ensure_future(app(scope, reader.receive, reader.send))
        await until(lambda: len(api.charges) >= 7)
        reader.leave()
        async with asyncio.timeout(10):
            await ended.wait()
            await asyncio.gather(task, return_exceptions=True)
        saved, requests = read_journal(tmp_path / "x.journal"), len(api.requests)
        assert saved.credits_charged == len(api.charges) == len(list(saved.pages())) < 40
        assert saved.maybe_charged == 0
        assert len(output.read_text().splitlines()) == 20 * len(api.charges)
        await asyncio.sleep(0.05)
        assert len(api.requests) == requests
