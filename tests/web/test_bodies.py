"""Lists as bodies: what is sent, when the next page is bought, and what is left behind."""

import asyncio
import json
from contextlib import aclosing
from typing import Any
from urllib.parse import unquote

import pytest

from socialfetch_async import (
    CreditLimitError,
    InvalidHandleError,
    ProfileUnavailableError,
    RetryPolicy,
    ServiceUnavailableError,
)
from socialfetch_async.emulator import Emulator
from socialfetch_async.web import (
    LAST_EVENT_ID,
    InvalidRequestError,
    about_the_request,
    collect,
    http_error,
    ndjson,
    server_sent_events,
    started,
)
from tests.conftest import MakeClient
from tests.scripted import HANG, Scripted, error, page

ONCE = RetryPolicy(max_attempts=1)
FORMS = (ndjson, server_sent_events)


def read(part: bytes) -> dict[str, Any]:
    """Return one event as a browser reads it, with its data as JSON."""
    fields = dict(line.split(": ", 1) for line in part.decode().splitlines() if line)
    return fields | {"data": json.loads(fields["data"])}


async def parts(body: Any) -> list[bytes]:
    """Return every part of a body that is not empty."""
    return [part async for part in body if part]


@pytest.mark.parametrize("form", FORMS)
async def test_the_next_page_is_not_bought_before_the_last_is_out(
    client_of: MakeClient, form: Any
) -> None:
    """Behind each page comes an empty part, where a server waits until the page has left."""
    async with (
        Emulator({"ada": 45}) as api,
        aclosing(form(client_of(api).iter_followers("ada"))) as body,
    ):
        for bought in (1, 2, 3):
            assert await anext(body)
            assert await anext(body) == b""
            assert len(api.charges) == bought
        assert b'"done":true' in await anext(body)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("answers", "end"),
    [
        ([page(["b"])], {"done": True, "cursor": None, "stopReason": "complete"}),
        ([page(["b"], more=True)], {"done": True, "cursor": None, "stopReason": "missing_cursor"}),
        ([page(["b"], "2")], {"done": False, "cursor": "2", "stopReason": "max_credits"}),
        (
            [error(503)],
            {
                "done": False,
                "cursor": "1",
                "stopReason": None,
                "error": {
                    "code": "upstream_busy",
                    "message": "The source of the followers is not available.",
                },
            },
        ),
        (
            [page(status="private")],
            {
                "done": False,
                "cursor": "1",
                "stopReason": None,
                "error": {"code": "profile_private", "message": "This profile is private."},
            },
        ),
    ],
    ids=["end", "missing_cursor", "max_credits", "error", "private"],
)
async def test_the_last_part_says_how_the_list_ended(
    client_of: MakeClient, form: Any, answers: list[bytes], end: dict[str, Any]
) -> None:
    """Complete, cut off by a limit or failed: never silently short."""
    async with Scripted(page(["a"], "1"), *answers) as api:
        stream = client_of(api, retry=ONCE).iter_followers("ada", max_credits=2)
        last = (await parts(form(stream)))[-1]
    assert (json.loads(last) if form is ndjson else read(last)["data"]) == end


@pytest.mark.parametrize("form", FORMS)
async def test_a_failure_before_the_first_page_is_raised(client_of: MakeClient, form: Any) -> None:
    """Then nothing has been sent, and it can be an HTTP status."""
    async with Emulator({"ada": "private"}) as api:
        with pytest.raises(ProfileUnavailableError):
            await started(client_of(api).iter_followers("ada"), form)
    assert len(api.charges) == 1


async def test_an_event_has_the_cursor_behind_it_as_its_id(client_of: MakeClient) -> None:
    """Percent-encoded: a line break or a star in a cursor changes nothing."""
    cursor = "a\n*\0é +/="
    async with Scripted(page(["a"], cursor, total=7), page(["b"])) as api:
        events = [
            read(p) for p in await parts(server_sent_events(client_of(api).iter_followers("ada")))
        ]
    assert unquote(events[0]["id"]) == cursor
    assert events[0]["id"].isascii()
    assert LAST_EVENT_ID not in events[0]["id"]
    assert events[0]["data"]["totalFollowers"] == 7
    assert [row["handle"] for row in events[0]["data"]["followers"]] == ["a"]
    assert "id" not in events[1]
    assert (events[2]["event"], events[2]["id"]) == ("end", LAST_EVENT_ID)


@pytest.mark.parametrize(
    ("answer", "again"),
    [
        (error(503, Retry_After="3"), {"retry": "3000"}),
        (error(502), {"retry": "5000"}),
        (error(401), {"id": LAST_EVENT_ID}),
        (page(status="private"), {"id": LAST_EVENT_ID}),
        (page(["a"], "3"), {"id": LAST_EVENT_ID}),  # no progress
    ],
    ids=["503", "502", "401", "private", "no_progress"],
)
async def test_a_browser_comes_again_only_where_that_helps(
    client_of: MakeClient, answer: bytes, again: dict[str, str]
) -> None:
    """After what may pass it goes on from the last page; after what stays it is sent away."""
    async with Scripted(page(["a"], "1"), answer) as api:
        stream = client_of(api, retry=ONCE).iter_followers("ada")
        last = read((await parts(server_sent_events(stream)))[-1])
    assert {name: last[name] for name in ("id", "retry") if name in last} == again


@pytest.mark.jumping
async def test_a_slow_page_is_bridged_by_comments(client_of: MakeClient) -> None:
    """From the second page on, so that the first can still fail with a status."""
    async with Emulator({"ada": 25}, latency=20) as api:
        stream = client_of(api).iter_followers("ada")
        sent = await parts(server_sent_events(stream, keep_alive=5))
    assert sent[0].startswith(b"id: ")
    assert sent[1] == sent[2] == b":\n\n"
    assert sent[-2].startswith(b"data: ")


@pytest.mark.parametrize("cancellations", [0, 1, 5])
async def test_leaving_in_the_middle_of_a_page_leaves_nothing_behind(
    client_of: MakeClient, cancellations: int
) -> None:
    """The request is cancelled and accounted for when the body is closed, however often that is."""
    async with Scripted(page(["a"], "1"), HANG) as api:
        client = client_of(api)
        body = await started(
            client.iter_followers("ada"),
            lambda stream: server_sent_events(stream, keep_alive=0.005),
        )
        while await anext(body) != b":\n\n":
            pass
        before = asyncio.all_tasks()
        closing = asyncio.ensure_future(body.aclose())
        for _ in range(cancellations):  # as anyio does, in every turn of the loop
            await asyncio.sleep(0)
            closing.cancel()
        await asyncio.wait({closing})
        assert client.usage.maybe_charged == 1
        assert len(api.seen) == 2
    assert asyncio.all_tasks() < before


@pytest.mark.parametrize("form", FORMS)
async def test_a_body_that_was_never_sent_can_be_closed(client_of: MakeClient, form: Any) -> None:
    """The reader may leave between the first page and the answer's head."""
    async with Emulator({"ada": 45}) as api:
        body = await started(client_of(api).iter_followers("ada"), form)
        await body.aclose()
        assert [part async for part in body][1:] == []
        assert len(api.charges) == 1


async def test_collecting_stops_at_the_page_that_is_enough(client_of: MakeClient) -> None:
    """Whole pages, and a cursor behind them: going on buys none of them again."""
    async with Emulator({"ada": 65}) as api:
        client = client_of(api)
        first = await collect(client.iter_followers("ada"), max_followers=21)
        rest = await collect(client.iter_followers("ada", cursor=first.cursor), max_followers=1_000)
    assert (len(first.followers), first.done, first.stop_reason) == (40, False, "max_followers")
    assert (len(rest.followers), rest.done, rest.stop_reason) == (25, True, "complete")
    assert first.total_followers == 65
    assert len(api.charges) == 4
    assert [row["handle"] for row in api.followers("ada")] == [
        follower.handle for follower in first.followers + rest.followers
    ]


async def test_enough_on_the_last_page_is_the_end(client_of: MakeClient) -> None:
    """No cursor is given out that leads to nothing."""
    async with Emulator({"ada": 40}) as api:
        found = await collect(client_of(api).iter_followers("ada"), max_followers=40)
    assert (found.done, found.cursor, found.stop_reason) == (True, None, "complete")


async def test_collecting_for_a_reader_that_left_stops(client_of: MakeClient) -> None:
    """It is asked before each further page."""
    asked = 0

    async def gone() -> bool:
        nonlocal asked
        asked += 1
        return asked == 2

    async with Emulator({"ada": 200}) as api:
        await collect(client_of(api).iter_followers("ada"), max_followers=200, gone=gone)
    assert len(api.charges) == 2


async def test_what_was_collected_before_a_failure_is_answered(client_of: MakeClient) -> None:
    """It is paid for; the answer says why it is short and where to go on."""
    async with Emulator({"ada": 65}) as api:
        api.script("ada", None, None, "503")
        stream = client_of(api, retry=ONCE).iter_followers("ada")
        found = json.loads((await collect(stream, max_followers=65)).encode())
        assert len(found["followers"]) == 40
        assert (found["done"], found["stopReason"]) == (False, None)
        assert found["error"]["code"] == "upstream_busy"
        rest = await collect(
            client_of(api).iter_followers("ada", cursor=found["cursor"]), max_followers=65
        )
    assert len(rest.followers) == 25
    assert len(api.charges) == 4


async def test_a_failure_before_anything_was_collected_is_raised(client_of: MakeClient) -> None:
    """Then there is nothing to answer with."""
    async with Emulator({"ada": 65}) as api:
        api.script("ada", "503")
        stream = client_of(api, retry=ONCE).iter_followers("ada")
        with pytest.raises(ServiceUnavailableError):
            await collect(stream, max_followers=65)


async def test_no_followers_at_all_are_refused(client_of: MakeClient) -> None:
    """Before anything is sent."""
    async with Emulator({"ada": 65}) as api:
        with pytest.raises(InvalidRequestError, match="max_followers must be at least 1, not 0"):
            await collect(client_of(api).iter_followers("ada"), max_followers=0)
    assert api.requests == []


@pytest.mark.parametrize("form", FORMS)
async def test_a_limit_that_is_used_up_is_an_error_before_the_first_page(
    client_of: MakeClient, form: Any
) -> None:
    """A status, and not an empty list: 503, out of credits."""
    async with Emulator({"ada": 65}) as api:
        client = client_of(api, max_credits=1)
        await client.get_followers_page("ada")
        with pytest.raises(CreditLimitError):
            await started(client.iter_followers("ada"), form)
        with pytest.raises(CreditLimitError):
            await collect(client.iter_followers("ada"), max_followers=5)
    assert len(api.charges) == 1


async def test_requests_share_the_limit_of_the_client_to_its_last_credit(
    client_of: MakeClient,
) -> None:
    """However many are served at once, each with a limit of its own."""
    async with Emulator({"ada": 10_000}, latency=0.002) as api:
        client = client_of(api, max_credits=25)

        async def served() -> str:
            with about_the_request():
                stream = client.iter_followers("ada", max_credits=10)
            end: str = json.loads((await parts(ndjson(stream)))[-1])["stopReason"]
            return end

        ends = await asyncio.gather(*(served() for _ in range(5)), return_exceptions=True)
        assert {end for end in ends if isinstance(end, str)} == {"max_credits"}
        assert all(isinstance(end, str | CreditLimitError) for end in ends)
        assert len(api.charges) == 25


@pytest.mark.parametrize(
    ("handle", "options", "kind"),
    [
        ("../x", {}, InvalidHandleError),
        ("ada", {"cursor": ""}, InvalidRequestError),
        ("ada", {"cursor": "\ud800"}, InvalidRequestError),
        ("ada", {"max_credits": 0}, InvalidRequestError),
    ],
)
async def test_what_can_not_be_asked_for_is_the_http_clients_error(
    client_of: MakeClient, handle: str, options: dict[str, Any], kind: type[Exception]
) -> None:
    """With its sentence, and no request is sent."""
    async with Emulator() as api:
        with pytest.raises(kind) as caught:
            with about_the_request():
                client_of(api).iter_followers(handle, **options)
        assert type(caught.value) is kind
        assert http_error(caught.value).status == 400
    assert api.requests == []
