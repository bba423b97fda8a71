"""A paid answer that nobody could read: its body is kept, and a later version finds the page."""

import json
from pathlib import Path
from typing import Any

import pytest

from socialfetch_async import FollowersPage, export_followers, read_journal
from socialfetch_async._protocol.decode import decode_page
from socialfetch_async.journal import lines
from tests.conftest import MakeClient
from tests.scripted import Scripted, Seen, http, page


def in_a_new_shape(answer: bytes) -> bytes:
    """Return a page as an API of later days may send it."""
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    return http(200, json.dumps({"result": body["data"], "meta": body["meta"]}).encode())


def later(endpoint: Any, handle: str | None, cursor: str | None, body: bytes) -> Any:
    """Decode as a version does that knows both shapes."""
    fields = json.loads(body)
    if "result" in fields:
        body = json.dumps({"data": fields["result"], "meta": fields["meta"]}).encode()
    return decode_page(endpoint, handle, cursor, body)


async def test_a_later_version_buys_nothing(
    client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was paid for is read again; until then it may have been charged."""

    def answer(seen: Seen) -> bytes:
        if seen.cursor is None:
            return page(["a"], "1")
        if seen.cursor == "1":
            return in_a_new_shape(page(["b"], "2"))
        return page(["c"])

    async with Scripted(by=answer) as api:
        client = client_of(api)
        first = await export_followers(client, ["ada"], tmp_path)
        assert (first.stop_reason, first.total_credits_charged) == ("failed", 1)
        asked = [seen.cursor for seen in api.seen if "/followers" in seen.target]
        assert first.maybe_charged == len(asked) - 1 >= 1
        kept = [
            json.loads(line)
            for line in (tmp_path / "followers.journal").read_bytes().splitlines()
            if line.startswith(b'{"type":"unread"')
        ]
        assert [(line["handle"], line["cursor"]) for line in kept] == [("ada", "1")]
        monkeypatch.setattr(lines, "decode_page", later)
        saved = read_journal(tmp_path / "followers.journal")
        assert saved.pending() == {"ada": "2"}
        assert (saved.credits_charged, saved.handles["ada"].pages) == (2, 2)
        second = await export_followers(client, ["ada"], tmp_path)
        assert second.stop_reason == "complete"
        last = [seen.cursor for seen in api.seen if "/followers" in seen.target]
        assert last == [*asked, "2"]
        names = [n for p in read_journal(second.journal).pages("ada") for n in p.names()]
        assert names == ["a", "b", "c"]
        assert isinstance(await client.get_followers_page("ada"), FollowersPage)


def test_any_bytes_are_kept() -> None:
    """As text, or in base 64."""
    at = lines.parse_page(_page()).at
    for body in (b"{}", b"\xff\xfe\0", "ñ語🍜".encode()):
        line = lines.unread_line("ada", None, body, at, "r")
        again = lines.parse(b"".join(lines.encode(line)))
        assert isinstance(again, lines.Unread)
        assert again.body == body


def _page() -> bytes:
    from tests.journals import as_line, page as line

    return as_line(line("ada", ["x"]))
