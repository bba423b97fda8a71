"""A raw server that answers what a test says, byte for byte, and keeps what it was asked."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs


class Seen(NamedTuple):
    """One request as it came."""

    target: str
    headers: dict[str, str]

    @property
    def cursor(self) -> str | None:
        """The cursor after decoding, or None."""
        query = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return query.get("cursor", [None])[0]


HANG = b"hang"
"""An answer that never comes."""

Script = Sequence[bytes] | Callable[[Seen], bytes]


class Scripted:
    """Answers in order, the last answer again and again; or what a function returns."""

    def __init__(self, *answers: bytes, by: Callable[[Seen], bytes] | None = None) -> None:
        self._answers = list(answers)
        self._by = by
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.seen: list[Seen] = []
        self.connections = 0
        self.base_url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # As a task of ours, so that none is left when the test ends.
        self.connections += 1
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                pairs = (line.partition(": ") for line in head[1:] if line)
                seen = Seen(head[0].split(" ")[1], {name.lower(): v for name, _, v in pairs})
                self.seen.append(seen)
                answer = self._next(seen)
                if answer is HANG:
                    await asyncio.Event().wait()
                writer.write(answer)
                await writer.drain()
                if b"\r\nConnection: close\r\n" in answer or b"\r\n\r\n" not in answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def _next(self, seen: Seen) -> bytes:
        if self._by is not None:
            return self._by(seen)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a whole HTTP answer; header names have `_` for `-`."""
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def row(handle: str, **fields: Any) -> dict[str, Any]:
    """Return one follower as documented."""
    return {
        "handle": handle,
        "displayName": None,
        "avatarUrl": None,
        "bio": None,
        "verified": False,
        "privateAccount": False,
        "metrics": {"followers": 0, "following": 0},
        **fields,
    }


def page(
    handles: Sequence[str] = (),
    next_cursor: str | None = None,
    *,
    more: bool | None = None,
    status: str = "found",
    charged: Any = 1,
    total: int | None = None,
) -> bytes:
    """Return a followers page as a whole HTTP answer."""
    return listing(
        "followers",
        [row(handle) for handle in handles],
        next_cursor,
        more=more,
        charged=charged,
        lookupStatus=status,
        totalFollowers=total,
    )


def listing(
    field: str,
    rows: Sequence[Any] | None,
    next_cursor: str | None = None,
    *,
    more: bool | None = None,
    charged: Any = 1,
    **data: Any,
) -> bytes:
    """Return a page of any list as a whole HTTP answer; `data` has what is beside its rows."""
    following = {
        "nextCursor": next_cursor,
        "hasMore": next_cursor is not None if more is None else more,
    }
    meta = {"requestId": "req_1", "creditsCharged": charged, "version": "v1"}
    body = {"data": {**data, field: rows, "page": following}, "meta": meta}
    return http(200, json.dumps(body).encode())


def error(
    status: int, code: str = "some_code", message: str = "Some words.", **headers: str
) -> bytes:
    """Return an error of the vendor as a whole HTTP answer."""
    body = {"error": {"code": code, "message": message, "requestId": "req_e"}}
    return http(status, json.dumps(body).encode(), **headers)
