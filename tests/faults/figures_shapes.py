"""Figure 14: the vendor changes a field's shape while three hundred handles are at work."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from socialfetch_async import DecodeError, FollowersPage, export_followers, read_journal
from socialfetch_async._protocol.decode import decode_page
from socialfetch_async.batch import BatchProgress
from socialfetch_async.journal import lines as journal_lines
from tests.faults.child import FaultServer
from tests.faults.figures import Line, Scale
from tests.faults.harness import client_of, ids, on

_READABLE = ("unknown-fields", "bio-object", "count-text", "price-text", "no-meta")
# What is in the answer, and what a reader that knows the new shape takes it for.
_UNREADABLE = {
    "envelope-names": (b'{"name":', b'{"handle":'),
    "envelope-rows": (b'"items":[', b'"followers":['),
    "envelope-page": (b'"pages":{', b'"page":{'),
}
_PAGES = 2
_CONCURRENCY = 10


async def new_shapes(server: FaultServer, scale: Scale) -> list[Line]:
    """Figure 14: what can be read, what cannot, and what a later reader has to buy again."""
    handles = [f"h{number}" for number in range(scale.reshaped_handles)]
    wrong = sum([await _read_on(server, shape, handles) for shape in _READABLE])
    found = [await _ended(server, shape, handles) for shape in _UNREADABLE]
    paid, lost, again = (max(numbers) for numbers in zip(*found, strict=True))
    shapes = len(_READABLE)
    most = 5 + _CONCURRENCY - 1
    return [
        Line(14, f"{shapes} shapes that can be read: handles not complete", wrong, 0),
        Line(14, f"{len(found)} that cannot: pages paid for, {_CONCURRENCY} at once", paid, most),
        Line(14, "answers that were paid for and not kept", lost, 0),
        Line(14, "pages that a reader of the new shape buys again", again, 0),
    ]


async def _read_on(server: FaultServer, shape: str, handles: list[str]) -> int:
    """Fetch all lists while they change; return how many did not come whole, at their price."""
    server.reset(pages=_PAGES)
    got: dict[str, list[str]] = {handle: [] for handle in handles}
    pages = 0
    async with (
        client_of(server) as client,
        client.iter_followers_many(handles, concurrency=_CONCURRENCY) as run,
    ):
        async for event in run:
            if isinstance(event, FollowersPage):
                got[event.handle] += on([event])
                pages += 1
                if pages == len(handles) // 3:
                    server.always("*", shape)
    assert server.count.requests == len(handles) * _PAGES == client.usage.credits_charged
    return sum(rows != ids(handle, range(_PAGES)) for handle, rows in got.items())


async def _ended(server: FaultServer, shape: str, handles: list[str]) -> tuple[int, int, int]:
    """Run into a shape that nobody can read, and go on with a reader that knows it.

    Returns:
        Pages that were charged after the change, answers of them that were not kept, and pages
        that were charged again to finish.
    """
    server.reset(pages=_PAGES)
    before = 0

    def changes(live: BatchProgress) -> None:
        nonlocal before
        if live.pages >= len(handles) // 3 and not before:
            server.always("*", shape)
            before = server.count.charged

    with tempfile.TemporaryDirectory() as folder:
        options: dict[str, Any] = {"concurrency": _CONCURRENCY, "fsync": "never"}
        async with client_of(server) as client:
            try:
                await export_followers(client, handles, folder, progress=changes, **options)
            except DecodeError:
                charged = server.count.charged
            server.always("*", "")
            with _knowing(*_UNREADABLE[shape]):
                kept = read_journal(Path(folder) / "followers.journal").credits_charged
                await export_followers(client, handles, folder, **options)
    return charged - before, charged - kept, server.count.charged - len(handles) * _PAGES


@contextmanager
def _knowing(new: bytes, old: bytes) -> Iterator[None]:
    """Let journals be read as by a version that knows both shapes."""

    def decoded(endpoint: Any, handle: str | None, cursor: str | None, body: bytes) -> Any:
        return decode_page(endpoint, handle, cursor, body.replace(new, old))

    with patch.object(journal_lines, "decode_page", decoded):
        yield
