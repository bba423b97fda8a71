"""One handle: position, limits, guards, and going on after anything."""

import asyncio
import json
import logging
from pathlib import Path
from random import Random
from urllib.parse import quote

import anyio
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from socialfetch_async import (
    FollowerStream,
    PaginationError,
    Position,
    ProfileUnavailableError,
    RetryPolicy,
    ServiceUnavailableError,
    SocialFetchClient,
)
from socialfetch_async.emulator import Emulator
from tests.conftest import KEY, MakeClient, until
from tests.scripted import HANG, Scripted, Seen, error, http, page

CONTRACT = Path(__file__).parent / "contract"
ONCE = RetryPolicy(max_attempts=1)
PATH = "/v1/tiktok/profiles/ada/followers"


async def names(stream: FollowerStream) -> list[str]:
    return [follower.handle async for follower in stream]


async def test_the_documented_bodies_are_asked_for_in_the_documented_way(
    client_of: MakeClient,
) -> None:
    """A walk over the vendor's examples asks for exactly the documented URLs."""
    bodies = [
        http(200, (CONTRACT / f"followers-{name}.json").read_bytes())
        for name in ("first_page", "paginated", "empty")
    ]
    async with Scripted(*bodies) as api:
        stream = client_of(api).iter_followers("@ada")
        assert await names(stream) == ["jamal.voyage", "example.follower.page2"]
    assert [seen.target for seen in api.seen] == [
        PATH,
        f"{PATH}?cursor=1779246345",
        f"{PATH}?cursor=1779240839",
    ]
    assert (stream.stop_reason, stream.done, stream.cursor) == ("complete", True, None)
    assert (stream.pages_fetched, stream.followers_seen, stream.credits_charged) == (3, 2, 3)


async def test_user_id_and_trim_travel_with_every_page(client_of: MakeClient) -> None:
    """`userId` and `trim=true` are sent when given, and only then."""
    async with Scripted(page(["a"], "1"), page(["b"])) as api:
        await names(client_of(api).iter_followers("ada", user_id="7 7", trim=True))
    assert [seen.target for seen in api.seen] == [
        f"{PATH}?userId=7%207&trim=true",
        f"{PATH}?cursor=1&userId=7%207&trim=true",
    ]


ODD_CURSORS = [
    "a+b",
    "a b",
    "a%2Fb",
    "ä&=?#/;",
    "\n\r\t\0",
    "==",
    "👩‍🚀",
    "'\"\\<>",
    "1779246345",
    "%",
]


@pytest.mark.parametrize("cursor", ODD_CURSORS)
async def test_a_cursor_arrives_byte_for_byte(client_of: MakeClient, cursor: str) -> None:
    """Whatever characters a cursor has, the server gets exactly these."""
    async with Scripted(page(["a"], cursor), page(["b"])) as api:
        await names(client_of(api).iter_followers("ada"))
    assert api.seen[1].cursor == cursor
    assert api.seen[1].target == f"{PATH}?cursor={quote(cursor, safe='')}"


@pytest.mark.jumping
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.randoms(use_true_random=False))
async def test_any_split_with_interruptions_yields_each_follower_once(
    sizes: list[int], random: Random
) -> None:
    """`break`, an error or a cancellation, then going on with the same stream: each once."""
    choice = random.choice
    pages: dict[str | None, bytes] = {}
    expected: list[str] = []
    empties = 0
    for number, wanted in enumerate(sizes):
        empties = empties + 1 if wanted == 0 else 0
        size = wanted if empties < 6 else 1
        empties = empties if size == 0 else 0
        handles = [f"f{number}.{i}" for i in range(size)]
        expected += handles
        following = f"c{number + 1}" if number + 1 < len(sizes) else None
        pages[f"c{number}" if number else None] = page(handles, following)
    faults = iter([choice(["", "", "503", "hang"]) for _ in range(3 * len(sizes))])

    def answer(seen: Seen) -> bytes:
        fault = next(faults, "")
        if fault == "hang":
            return HANG
        return error(503) if fault else pages[seen.cursor]

    async with (
        Scripted(by=answer) as api,
        SocialFetchClient(KEY, base_url=api.base_url, retry=ONCE) as client,
    ):
        got: list[str] = []
        stream = client.iter_followers("ada")
        while True:
            try:
                async with asyncio.timeout(3):
                    async for follower in stream:
                        got.append(follower.handle)
                        if choice([True, False]):
                            break
                    else:
                        break
            except (TimeoutError, ServiceUnavailableError):
                continue
        assert got == expected
        assert stream.done
        assert stream.followers_seen == len(expected)


async def test_a_new_stream_from_the_cursor_repeats_at_most_the_page_in_hand(
    client_of: MakeClient,
) -> None:
    """Going on from `cursor` after every single follower loses none and repeats one page's."""
    async with Emulator({"ada": 50}, page_size=8) as api:
        client = client_of(api)
        everything = [row_["handle"] for row_ in api.followers("ada")]
        for taken in range(50):
            first = client.iter_followers("ada")
            got = [(await anext(first)).handle for _ in range(taken)]
            rest = await names(client.iter_followers("ada", cursor=first.cursor))
            assert got + rest[len(got) + len(rest) - 50 :] == everything
            assert 0 <= len(got) + len(rest) - 50 <= 8


async def test_nothing_is_sent_before_the_first_pull_or_after_a_break(
    client_of: MakeClient,
) -> None:
    """A stream buys a page when a follower of it is asked for, and no sooner."""
    async with Emulator({"ada": 100}) as api:
        stream = client_of(api).iter_followers("ada")
        assert not api.requests
        async for _ in stream:
            break
        await asyncio.sleep(0.02)
        assert len(api.requests) == 1
        assert stream.page is not None
        assert stream.page.total_followers == 100


async def test_max_followers_in_the_middle_of_a_page_keeps_its_cursor(
    client_of: MakeClient,
) -> None:
    """The page is cut, its cursor stays, and pulling again sends nothing."""
    async with Emulator({"ada": 100}) as api:
        stream = client_of(api).iter_followers("ada", max_followers=25)
        got = await names(stream)
        assert len(got) == stream.followers_seen == 25
        assert (stream.stop_reason, stream.done) == ("max_followers", False)
        assert stream.page is not None
        assert stream.cursor == stream.page.cursor == api.requests[1].cursor
        assert await names(stream) == []
        assert len(api.requests) == 2
        rest = await names(client_of(api).iter_followers("ada", cursor=stream.cursor))
        assert got[:20] + rest == [row_["handle"] for row_ in api.followers("ada")]


async def test_max_followers_at_the_end_of_a_page_goes_on_behind_it(
    client_of: MakeClient,
) -> None:
    """A page that was delivered whole is handled: its cursor is left."""
    async with Emulator({"ada": 100}) as api:
        stream = client_of(api).iter_followers("ada", max_followers=20)
        assert len(await names(stream)) == 20
        assert (stream.stop_reason, stream.done) == ("max_followers", False)
        assert stream.page is not None
        assert stream.cursor == stream.page.next_cursor
        assert len(api.requests) == 1


async def test_max_followers_that_is_the_whole_list_is_the_end(client_of: MakeClient) -> None:
    """A limit that falls on the last follower ends as `end`."""
    async with Emulator({"ada": 40}) as api:
        stream = client_of(api).iter_followers("ada", max_followers=40)
        assert len(await names(stream)) == 40
        assert (stream.stop_reason, stream.done, stream.cursor) == ("complete", True, None)


async def test_max_pages_and_max_credits_end_without_an_exception(client_of: MakeClient) -> None:
    """Each limit stops before the page too many, and says which limit it was."""
    async with Emulator({"ada": 100}) as api:
        for limit in ("max_pages", "max_credits"):
            stream = client_of(api).iter_followers("ada", **{limit: 3})  # type: ignore[arg-type]
            assert len(await names(stream)) == 60
            assert (stream.stop_reason, stream.done) == (limit, False)
            assert stream.page is not None
            assert stream.cursor == stream.page.next_cursor
            assert await names(stream) == []
        assert len(api.charges) == 6


async def test_attempts_that_may_have_been_charged_draw_on_the_limit(
    client_of: MakeClient,
) -> None:
    """Two pages that were charged and lost leave one of three credits."""
    async with Emulator({"ada": 100}) as api:
        api.script("ada", "truncate", "lose")
        client = client_of(api)
        stream = client.iter_followers("ada", max_credits=3)
        assert len(await names(stream)) == 20
        assert stream.stop_reason == "max_credits"
        assert len(api.charges) == 3
        assert (client.usage.credits_charged, client.usage.maybe_charged) == (1, 2)


async def test_a_limit_reached_between_two_attempts_keeps_the_cursor(
    client_of: MakeClient,
) -> None:
    """With nothing left for a further attempt the stream ends, on the page it could not have."""
    async with Emulator({"ada": 100}) as api:
        api.script("ada", None, "truncate")
        stream = client_of(api).iter_followers("ada", max_credits=2)
        assert len(await names(stream)) == 20
        assert stream.stop_reason == "max_credits"
        assert stream.cursor == api.requests[1].cursor


async def test_pages_and_followers_share_one_position(client_of: MakeClient) -> None:
    """Pages after some followers bring the rest of the page in hand, then the next."""
    async with Emulator({"ada": 50}) as api:
        everything = [row_["handle"] for row_ in api.followers("ada")]
        stream = client_of(api).iter_followers("ada", max_followers=45)
        got = [(await anext(stream)).handle for _ in range(3)]
        async for part in stream.pages():
            got += [follower.handle for follower in part.followers]
        assert got == everything[:45]
        assert stream.stop_reason == "max_followers"
        assert len(api.requests) == 3


async def test_empty_pages_are_pages_too(client_of: MakeClient) -> None:
    """An empty page with a cursor is walked through, and `pages()` shows it."""
    async with Scripted(page([], "1"), page(["a"], "2"), page([])) as api:
        sizes = [len(p.followers) async for p in client_of(api).iter_followers("ada").pages()]
    assert sizes == [0, 1, 0]


async def test_the_sixth_empty_page_in_a_row_ends_the_spending(client_of: MakeClient) -> None:
    """The error names the cursor to go on from; going on buys the next page and no other."""
    empty = [page([], f"c{i}") for i in range(1, 7)]
    async with Scripted(page(["a"], "c0"), *empty, page(["b"])) as api:
        stream = client_of(api).iter_followers("ada")
        got = []
        with pytest.raises(PaginationError) as caught:
            async for follower in stream:
                got.append(follower.handle)
        assert caught.value.reason == "empty_pages"
        assert caught.value.cursor == stream.cursor == "c6"
        assert len(api.seen) == 7
        assert [*got, *(await names(stream))] == ["a", "b"]


@pytest.mark.parametrize("distance", [1, 2, 3])
async def test_a_repeated_cursor_is_not_paid_for_again(
    client_of: MakeClient, distance: int
) -> None:
    """At any distance: what came is delivered, then it ends, and pulling again sends nothing."""
    cursors = [f"c{i}" for i in range(distance)]
    answers = [page([f"f{i}"], c) for i, c in enumerate(cursors)]
    async with Scripted(*answers, page(["last"], "c0"), page(["never"])) as api:
        stream = client_of(api).iter_followers("ada")
        got = []
        for _ in range(3):
            with pytest.raises(PaginationError) as caught:
                async for follower in stream:
                    got.append(follower.handle)
            assert (caught.value.reason, caught.value.cursor) == ("repeated_cursor", "c0")
    assert len(got) == len(api.seen) == distance + 1


async def test_the_followers_of_the_page_before_are_not_delivered_again(
    client_of: MakeClient,
) -> None:
    """A new cursor with the same followers raises instead of repeating them."""
    async with Scripted(page(["a", "b"], "1"), page(["a", "b"], "2")) as api:
        stream = client_of(api).iter_followers("ada")
        got = []
        for _ in range(2):
            with pytest.raises(PaginationError) as caught:
                async for follower in stream:
                    got.append(follower.handle)
            assert (caught.value.reason, caught.value.cursor) == ("no_progress", "1")
            assert caught.value.maybe_charged == 0
    assert got == ["a", "b"]
    assert len(api.seen) == 2
    assert stream.cursor == "1"


@pytest.mark.parametrize("cursor", [None, ""])
async def test_more_without_a_cursor_is_an_end_that_is_seen(
    client_of: MakeClient, cursor: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """`hasMore` without a cursor ends as `missing_cursor`, with one warning, never at page one."""
    async with Scripted(page(["a"], "1"), page(["b"], cursor, more=True)) as api:
        stream = client_of(api).iter_followers("ada")
        assert await names(stream) == ["a", "b"]
        assert await names(stream) == []
    assert (stream.stop_reason, stream.done, stream.cursor) == ("missing_cursor", True, None)
    assert len(api.seen) == 2
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "hasMore" in warnings[0].getMessage()


async def test_no_more_with_a_cursor_is_the_end(client_of: MakeClient) -> None:
    """`hasMore` false ends the list, whatever cursor comes with it."""
    async with Scripted(page(["a"], "1", more=False)) as api:
        stream = client_of(api).iter_followers("ada")
        assert await names(stream) == ["a"]
    assert stream.stop_reason == "complete"


@pytest.mark.parametrize("status", ["hidden", "private", "not_found", "in_maintenance"])
async def test_a_profile_that_cannot_be_listed_is_asked_for_once(
    client_of: MakeClient, status: str
) -> None:
    """At page one or later, the cursor is kept, and pulling again does not pay again."""
    for before in (0, 1):
        answers = [page(["a"], "1")] * before
        async with Scripted(*answers, page(status=status)) as api:
            stream = client_of(api).iter_followers("ada")
            got: list[str] = []
            for _ in range(2):
                with pytest.raises(ProfileUnavailableError) as caught:
                    async for follower in stream:
                        got.append(follower.handle)
                assert caught.value.lookup_status == status
                assert caught.value.handle == "ada"
                assert caught.value.cursor == stream.cursor == ("1" if before else None)
                assert caught.value.request_id == "req_1"
        assert len(got) == before
        assert len(api.seen) == before + 1
        assert stream.credits_charged == before + 1


async def test_rows_of_an_unknown_status_are_delivered_before_the_error(
    client_of: MakeClient,
) -> None:
    """Followers that were paid for are not lost to a status we do not know."""
    async with Scripted(page(["a"], "1", status="partial")) as api:
        stream = client_of(api).iter_followers("ada")
        assert (await anext(stream)).handle == "a"
        with pytest.raises(ProfileUnavailableError):
            await anext(stream)
    assert len(api.seen) == 1


async def test_bad_rows_are_counted_and_warned_of_once(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The other rows are delivered, with one warning a stream and the count on each page."""

    def with_bad_row(handle: str, cursor: str | None) -> bytes:
        body = page([handle, "BAD"], cursor)
        return body.replace(b'"BAD"', b"12345")

    async with Scripted(with_bad_row("a", "1"), with_bad_row("b", None)) as api:
        stream = client_of(api).iter_followers("ada")
        counted = [(len(p.followers), p.invalid_rows) async for p in stream.pages()]
    assert counted == [(1, 1), (1, 1)]
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


async def test_a_cancelled_pull_leaves_the_position(client_of: MakeClient) -> None:
    """CancelledError passes untouched, and the same stream goes on with the same page."""
    async with Scripted(page(["a"], "1"), HANG, page(["b"])) as api:
        client = client_of(api)
        stream = client.iter_followers("ada")
        assert (await anext(stream)).handle == "a"
        pull = asyncio.ensure_future(anext(stream))
        await until(lambda: len(api.seen) >= 2)
        pull.cancel()
        with pytest.raises(asyncio.CancelledError):
            await pull
        assert stream.cursor == "1"
        assert client.usage.maybe_charged == 1
        assert await names(stream) == ["b"]
    assert [seen.cursor for seen in api.seen] == [None, "1", "1"]


async def test_two_tasks_on_one_stream_are_refused(client_of: MakeClient) -> None:
    """The same page is never bought twice by two tasks."""
    async with Emulator({"ada": 100}, latency=0.02) as api:
        stream = client_of(api).iter_followers("ada")
        results = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        refused = [r for r in results if isinstance(r, RuntimeError)]
        assert len(refused) == 1
        assert "another task" in str(refused[0])
        assert len(api.charges) == 1


async def test_an_error_is_raised_with_its_place_and_the_page_is_tried_again(
    client_of: MakeClient,
) -> None:
    """Retries spent: everything before was delivered, and `async for` tries that page again."""
    async with Emulator({"ada": 60}) as api:
        api.script("ada", None, *["503"] * 6)
        stream = client_of(api).iter_followers("ada")
        got = []
        with pytest.raises(ServiceUnavailableError) as caught:
            async for follower in stream:
                got.append(follower.handle)
        assert len(got) == 20
        assert caught.value.attempts == 6
        assert caught.value.handle == "ada"
        assert caught.value.cursor == stream.cursor == api.requests[1].cursor
        assert caught.value.__context__ is None
        got += await names(stream)
        assert got == [row_["handle"] for row_ in api.followers("ada")]


async def test_a_stream_shows_where_it_is(client_of: MakeClient) -> None:
    """The repr names handle and position."""
    async with Emulator({"ada": 60}) as api:
        stream = client_of(api).iter_followers("ada")
        await anext(stream)
        assert repr(stream) == "<FollowerStream 'ada' pages_fetched=1 cursor=None done=False>"


# -- positions ----------------------------------------------------------------------------------


async def test_a_position_goes_on_where_a_stream_stood(client_of: MakeClient) -> None:
    """Saved as text at any moment, it leads to the rest of the list."""
    async with Emulator({"ada": 50}) as api:
        client = client_of(api)
        stream = client.iter_followers("ada", max_pages=2)
        assert stream.position == Position("ada", None, done=False)
        got = await names(stream)
        saved = stream.position.to_json()
        assert json.loads(saved) == {"handle": "ada", "cursor": stream.cursor, "done": False}
        rest = client.iter_followers(Position.from_json(saved))
        got += await names(rest)
        assert got == [row_["handle"] for row_ in api.followers("ada")]
        assert len(api.charges) == 3
        assert rest.position == Position("ada", None, done=True)


async def test_a_position_that_is_done_sends_nothing(client_of: MakeClient) -> None:
    """A saved cursor of None would buy the finished list again; a position does not."""
    async with Emulator({"ada": 50}) as api:
        stream = client_of(api).iter_followers(Position("ada", None, done=True))
        assert (stream.done, stream.stop_reason) == (True, "complete")
        assert await names(stream) == []
        assert [page_ async for page_ in stream.pages()] == []
        assert (stream.done, stream.stop_reason, stream.cursor) == (True, "complete", None)
        assert not api.requests


async def test_a_position_and_a_cursor_are_one_too_many(client_of: MakeClient) -> None:
    """Which of them would count is not guessed."""
    async with Emulator() as api:
        with pytest.raises(ValueError, match="pass the position alone"):
            client_of(api).iter_followers(Position("ada", "1", done=False), cursor="2")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "{}",
        '"ada"',
        '{"handle": "ada"}',
        '{"handle": "ada", "cursor": null}',
        '{"handle": "ada", "done": false}',
        '{"handle": "ada", "cursor": 7, "done": false}',
        '{"handle": "ada", "cursor": "", "done": false}',
        '{"handle": "ada", "cursor": "1", "done": true}',
        '{"handle": "ada", "cursor": "1", "done": 0}',
        '{"handle": "..", "cursor": null, "done": false}',
        '{"handle": "ada", "cursor": null, "done": false',
        '{"handle": "ada", "cursor": "\ud800", "done": false}',
    ],
)
def test_what_is_no_position_is_refused(text: str) -> None:
    """A file that was cut, or is another one, is not taken for the top of a list."""
    with pytest.raises(ValueError, match="not a saved position"):
        Position.from_json(text)


@pytest.mark.parametrize("cursor", ODD_CURSORS)
def test_a_position_keeps_any_cursor(cursor: str) -> None:
    """What was saved is what is read again."""
    position = Position("ada", cursor, done=False)
    assert Position.from_json(position.to_json()) == position


async def test_the_url_of_a_profile_can_be_passed(client_of: MakeClient) -> None:
    """It is sent as the handle that it names."""
    async with Emulator({"ada": 5}) as api:
        assert len(await names(client_of(api).iter_followers("https://www.tiktok.com/@ada?x"))) == 5


async def test_the_total_is_that_of_the_last_page(client_of: MakeClient) -> None:
    """The vendor's count changes while a list is read; it is shown and never used to stop."""
    async with Scripted(page(["a"], "1", total=7), page(["b"], total=8)) as api:
        stream = client_of(api).iter_followers("ada")
        totals = [stream.total_followers]
        async for _ in stream:
            totals.append(stream.total_followers)
    assert totals == [None, 7, 8]


def warned_of_few(caplog: pytest.LogCaptureFixture) -> int:
    return sum("the API counts" in r.getMessage() for r in caplog.records)


@pytest.mark.parametrize(("total", "warnings"), [(3, 1), (2, 0), (None, 0), (0, 0)])
async def test_a_complete_list_that_is_short_is_said_aloud(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture, total: int | None, warnings: int
) -> None:
    """Fewer than 90 % of the vendor's count: one warning, however often the end is met."""
    async with Scripted(page(["a"], "1"), page(["b"], total=total)) as api:
        stream = client_of(api).iter_followers("ada")
        for _ in range(2):
            await names(stream)
    assert stream.stop_reason == "complete"
    assert warned_of_few(caplog) == warnings


async def test_a_list_that_is_read_from_its_middle_is_not_called_short(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """How many rows came before is not known then."""
    async with Scripted(page(["b"], total=100)) as api:
        await names(client_of(api).iter_followers("ada", cursor="1"))
    assert warned_of_few(caplog) == 0


# -- lists that begin again ---------------------------------------------------------------------


@pytest.mark.parametrize("period", [2, 3, 20])
@pytest.mark.parametrize("new", [0, 2])
async def test_a_list_that_begins_again_is_left_after_three_pages(
    client_of: MakeClient, period: int, new: int
) -> None:
    """Three pages of known followers are delivered, as they were paid for; no fourth is bought."""
    people = [f"u{n}" for n in range(5 * period)]

    def answer(seen: Seen) -> bytes:
        number = int(seen.cursor or 0)
        lap, at = divmod(number, period)
        now = [f"new{lap}.{n}" for n in range(new * min(lap, 1))] + people
        return page(now[5 * at : 5 * at + 5], str(number + 1))

    async with Scripted(by=answer) as api:
        stream = client_of(api).iter_followers("ada")
        pages = 0
        for _ in range(2):
            with pytest.raises(PaginationError) as caught:
                async for _page in stream.pages():
                    pages += 1
            assert caught.value.reason == "no_progress"
        assert len(api.seen) == period + 3
        assert pages == period + 3
        assert stream.cursor == caught.value.cursor == str(period + 3)


@pytest.mark.parametrize("wait", [0.0, 0.002, 0.005, 0.012, 0.03])
async def test_a_scope_of_anyio_around_a_stream(client_of: MakeClient, wait: float) -> None:
    """It cancels each wait in it again and again; the same stream then goes on with no loss."""
    async with Emulator({"ada": 200}, latency=0.003) as api:
        client = client_of(api)
        stream = client.iter_followers("ada")
        got: list[str] = []
        while not stream.done:
            with anyio.move_on_after(wait or 0.02) as scope:
                if not wait:
                    scope.cancel()  # before the first wait
                    wait = 0.02
                async for follower in stream:
                    got.append(follower.handle)
            wait += 0.005
        assert got == [row_["handle"] for row_ in api.followers("ada")]
        assert client.usage.pages == stream.pages_fetched == 10
        assert len(api.charges) <= 10 + client.usage.maybe_charged
