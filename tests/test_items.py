"""Any other list: rows of the caller's own, on the walk that followers take."""

import enum
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import parse_qsl

import msgspec
import pytest

from socialfetch_async import (
    DecodeError,
    ItemsPage,
    LookupFailedError,
    PaginationError,
    ProfileUnavailableError,
    RetryPolicy,
    SocialFetchClient,
)
from socialfetch_async.emulator import Emulator
from socialfetch_async.emulator.profiles import Profile
from tests.conftest import MakeClient
from tests.scripted import HANG, Scripted, error, http, listing

ONCE = RetryPolicy(max_attempts=1)
FOLLOWING = "/v1/tiktok/profiles/ada/following"
PATH = "/v1/tiktok/videos/7/comments"


class Comment(msgspec.Struct):
    """A row as a caller declares it."""

    id: str
    text: str = ""


@dataclass
class Handle:
    """A row as a dataclass, with one field of many."""

    handle: str


class Named(TypedDict):
    """A row as a TypedDict."""

    handle: str


class Numbered(TypedDict):
    """A row as somebody thought it was."""

    nr: int


class Person(msgspec.Struct, frozen=True, rename="camel"):
    """A row as a Struct that renames."""

    handle: str
    profile_url: str


def handle_of(row: Any) -> str:
    handle = row["handle"] if isinstance(row, dict) else row.handle
    assert isinstance(handle, str)
    return handle


def comments(texts: str = "", next_cursor: str | None = None, **answer: Any) -> bytes:
    """Return a page of comments with one letter each as a whole HTTP answer."""
    rows = [{"id": f"{next_cursor}.{n}", "text": text} for n, text in enumerate(texts)]
    return listing("comments", rows, next_cursor, **answer)


@pytest.mark.parametrize("kind", [dict, Handle, Named, Person], ids=lambda kind: kind.__name__)
async def test_rows_are_of_the_type_that_was_given(client_of: MakeClient, kind: type[Any]) -> None:
    """A Struct, a dataclass, a TypedDict, plain dicts: every row, in order, for what it costs."""
    async with Emulator({"ada": Profile(following=45)}) as api:
        stream = client_of(api).iter_items(FOLLOWING, items="accounts", type=kind)
        rows = [row async for row in stream]
        expected = api.following("ada")
        assert all(isinstance(row, dict if kind is Named else kind) for row in rows)
        assert [handle_of(row) for row in rows] == [row["handle"] for row in expected]
        if kind is dict:
            assert rows == expected
        assert (stream.items_seen, stream.pages_fetched, stream.credits_charged) == (45, 3, 3)
        assert (stream.stop_reason, stream.done, len(api.charges)) == ("complete", True, 3)


async def test_pages_say_what_was_asked_and_keep_the_answer(client_of: MakeClient) -> None:
    """A page has its path, cursor, price, and the answer as it came; no lookupStatus is needed."""
    answers = [comments("ab", "1"), comments("c", charged=3)]
    async with Scripted(*answers) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Comment)
        pages = [page async for page in stream.pages()]
    assert pages == [
        ItemsPage(
            path=PATH,
            cursor=cursor,
            lookup_status="found",
            items=rows,
            next_cursor=following,
            has_more=following is not None,
            credits_charged=price,
            request_id="req_1",
            cached=False,
            invalid_rows=0,
        )
        for cursor, rows, following, price in [
            (None, [Comment("1.0", "a"), Comment("1.1", "b")], "1", 1),
            ("1", [Comment("None.0", "c")], None, 3),
        ]
    ]
    assert [page.body for page in pages] == [answer.split(b"\r\n\r\n")[1] for answer in answers]


class Order(enum.StrEnum):
    """A parameter as many programs write it."""

    NEWEST = "newest first"


class Sort(str, enum.Enum):  # noqa: UP042 - the older way, whose str() is its name
    """A parameter as older programs write it."""

    TOP = "top"


@pytest.mark.parametrize(
    ("params", "pairs"),
    [
        (None, []),
        ({}, []),
        ({"count": 50, "page": 0, "min": -3}, [("count", "50"), ("page", "0"), ("min", "-3")]),
        ({"trim": True, "deep": False, "since": None}, [("trim", "true")]),
        ({"q": "a&b=c#?/+ %2F"}, [("q", "a&b=c#?/+ %2F")]),
        ({"q": "日本語 👩‍🚀\n\0"}, [("q", "日本語 👩‍🚀\n\0")]),
        ({"größe[]&x": "1"}, [("größe[]&x", "1")]),
        ({"order": Order.NEWEST, "sort": Sort.TOP}, [("order", "newest first"), ("sort", "top")]),
    ],
    ids=str,
)
async def test_a_query_arrives_as_it_was_given(
    client_of: MakeClient, params: dict[str, str | int | bool | None], pairs: list[tuple[str, str]]
) -> None:
    """With every page, encoded once, in the order given; None and False are left out."""
    async with Scripted(comments("a", "c+/"), comments("b")) as api:
        stream = client_of(api).iter_items(PATH, params, items="comments", type=Comment)
        assert [row.text async for row in stream] == ["a", "b"]
    for seen, cursor in zip(api.seen, [[], [("cursor", "c+/")]], strict=True):
        path, mark, query = seen.target.partition("?")
        assert path == PATH
        assert bool(mark) == bool(pairs or cursor)
        assert parse_qsl(query, strict_parsing=bool(query)) == cursor + pairs


GOOD_PATHS = [
    "/v1/x",
    "/v2/a.b/c_d~e-f",
    "/v1/tags/caf%C3%A9/a%2Fb",
    "/v1/@ada/...",
    "/v1/a/100%25",
]
BAD_PATHS = [
    "",
    "/",
    "v1/x",
    "/v1",
    "/v1/",
    "/v1/x/",
    "/v1//x",
    "//elsewhere.invalid/v1/x",
    "https://elsewhere.invalid/v1/x",
    "/v1/x?cursor=1",
    "/v1/x#y",
    "/v1/../v1/x",
    "/v1/x/..",
    "/v1/./x",
    "/v1/%2e%2e/x",
    "/v1/.%2E/x",
    "/v1/x/%2e",
    "/v1/a%2F..%2Fb",
    "/v1/a%2f%2e%2e",
    "/v1/a b",
    "/v1/é",
    "/v1/a\\..\\b",
    "/v1/a\n",
    "/v1/a\r\nx-api-key: b",
    "/v1/100%",
    "/v1/%zz",
    "/v1/%2",
    "/health",
    "/w1/x",
]


@pytest.mark.parametrize("path", GOOD_PATHS)
async def test_a_path_is_sent_as_it_is(client_of: MakeClient, path: str) -> None:
    """Byte for byte: nothing decodes or normalises it on the way."""
    async with Scripted(comments()) as api:
        [_ async for _ in client_of(api).iter_items(path, items="comments", type=Comment)]
    assert [seen.target for seen in api.seen] == [path]


@pytest.mark.parametrize("path", BAD_PATHS)
async def test_a_path_that_is_none_is_refused(client_of: MakeClient, path: str) -> None:
    """Before anything is sent, with a sentence that quotes it."""
    async with Scripted(comments()) as api:
        with pytest.raises(ValueError, match="not a path of the API") as caught:
            client_of(api).iter_items(path, items="comments", type=Comment)
        assert repr(path) in str(caught.value)
        assert not api.seen


class Foreign:
    """No type that JSON can be decoded to, as a pydantic model is none."""


def items(client: SocialFetchClient, **arguments: Any) -> object:
    return client.iter_items(
        **{"path": PATH, "items": "comments", "type": Comment, **arguments},
    )


BAD_ARGUMENTS: dict[str, tuple[type[Exception], str, Mapping[str, Any]]] = {
    "path, bytes": (TypeError, "path must be a str", {"path": b"/v1/x"}),
    "params, text": (TypeError, "params must be a mapping", {"params": "a=b"}),
    "params, list": (TypeError, "params must be a mapping", {"params": [("a", "b")]}),
    "a name, int": (TypeError, "names to str, int, bool or None", {"params": {1: "b"}}),
    "a value, float": (TypeError, "names to str, int, bool or None", {"params": {"a": 0.5}}),
    "a value, list": (TypeError, "names to str, int, bool or None", {"params": {"a": ["b"]}}),
    "no name": (ValueError, "a name in params must not be empty", {"params": {"": "b"}}),
    "no value": (ValueError, "params['a'] must not be empty", {"params": {"a": ""}}),
    "surrogate": (ValueError, "params['a'] has a character", {"params": {"a": "\ud83d"}}),
    "cursor in params": (ValueError, "passed as cursor=", {"params": {"cursor": "1"}}),
    "empty cursor": (ValueError, "cursor must not be empty", {"cursor": ""}),
    "items, None": (TypeError, "items must be a str", {"items": None}),
    "items, empty": (ValueError, "field of data that holds the rows", {"items": ""}),
    "items, page": (ValueError, "the field of data that holds the rows", {"items": "page"}),
    "items, status": (ValueError, "field of data that holds the rows", {"items": "lookupStatus"}),
    "max_items 0": (ValueError, "max_items must be at least 1", {"max_items": 0}),
    "max_pages True": (TypeError, "max_pages must be an int", {"max_pages": True}),
    "max_credits 0": (ValueError, "max_credits must be at least 1", {"max_credits": 0}),
    "a foreign class": (TypeError, "Foreign", {"type": Foreign}),
    "a value for a type": (TypeError, "3", {"type": 3}),
}


@pytest.mark.parametrize("name", BAD_ARGUMENTS)
async def test_a_bad_argument_sends_nothing(client_of: MakeClient, name: str) -> None:
    """It is refused when it is passed, with a sentence that names it."""
    kind, words, arguments = BAD_ARGUMENTS[name]
    async with Scripted(comments()) as api:
        with pytest.raises(kind) as caught:
            items(client_of(api), **arguments)
        assert words in str(caught.value)
        assert not api.seen


@pytest.mark.parametrize(
    ("limits", "reason", "texts"),
    [
        ({"max_items": 1}, "max_items", "a"),
        ({"max_items": 3}, "max_items", "abc"),
        ({"max_items": 4}, "max_items", "abcd"),
        ({"max_items": 9}, "complete", "abcde"),
        ({"max_pages": 2}, "max_pages", "abcd"),
        ({"max_credits": 1}, "max_credits", "ab"),
    ],
    ids=str,
)
async def test_limits(
    client_of: MakeClient, limits: dict[str, Any], reason: str, texts: str
) -> None:
    """Rows are cut in the middle of a page, whose cursor then brings the rest."""
    pages = {None: ("ab", "1"), "1": ("cd", "2"), "2": ("e", None)}
    async with Scripted(by=lambda seen: comments(*pages[seen.cursor])) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Comment, **limits)
        assert "".join([row.text async for row in stream]) == texts
        assert stream.stop_reason == reason
        again = client_of(api).iter_items(
            PATH, items="comments", type=Comment, cursor=stream.cursor
        )
        rest = "".join([row.text async for row in again]) if not stream.done else ""
        assert sorted(set(texts + rest)) == list("abcde")


async def test_the_highest_price_seen_is_set_aside(client_of: MakeClient) -> None:
    """A page for 3 credits leaves 2 of 8 that buy nothing, and a limit below it sends nothing."""
    async with Scripted(by=lambda seen: comments("a", f"{seen.cursor}x", charged=3)) as api:
        client = client_of(api)
        stream = client.iter_items(PATH, items="comments", type=dict, max_credits=8)
        assert len([_ async for _ in stream.pages()]) == 2
        assert (stream.stop_reason, stream.credits_charged) == ("max_credits", 6)
        assert client.usage.credits_charged == 6
        least = client.iter_items(PATH, items="comments", type=dict, max_credits=1)
        assert len([_ async for _ in least.pages()]) == 0
        assert least.stop_reason == "max_credits"


LOOPS = {
    "repeated_cursor": [comments("a", "1"), comments("b", "2"), comments("c", "1")],
    "no_progress": [
        listing("comments", [{"id": "1"}], "1"),
        listing("comments", [{"id": "1"}], "2"),
    ],
    "empty_pages": [comments("", str(number)) for number in range(6)],
}


@pytest.mark.parametrize("reason", LOOPS)
async def test_a_list_that_leads_nowhere_ends(client_of: MakeClient, reason: str) -> None:
    """With an error that says so, before it is paid for again."""
    async with Scripted(*LOOPS[reason]) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Comment)
        with pytest.raises(PaginationError) as caught:
            [_ async for _ in stream]
        assert caught.value.reason == reason
        assert len(api.seen) == len(LOOPS[reason])


async def test_rows_that_differ_in_other_fields_are_progress(client_of: MakeClient) -> None:
    """A type that reads little of a row must not make two pages the same, and lose the second."""

    class Text(msgspec.Struct):
        text: str

    async with Scripted(comments("ab", "1"), comments("ab", "2"), comments("ab")) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Text)
        assert "".join([row.text async for row in stream]) == "ababab"


async def test_rows_that_are_the_same_thing_are_no_progress_after_a_repair(
    client_of: MakeClient,
) -> None:
    """Also where the answer is not valid text and was repaired."""
    bad = listing("comments", [{"id": "?", "text": "Zo?"}], "1").replace(b"Zo?", b"Zo\xff")
    async with Scripted(bad, bad.replace(b'"nextCursor": "1"', b'"nextCursor": "2"')) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Comment)
        with pytest.raises(PaginationError) as caught:
            [_ async for _ in stream]
        assert caught.value.reason == "no_progress"


async def test_of_a_field_that_stands_twice_the_last_one_counts(client_of: MakeClient) -> None:
    """Also where rows are compared; no error of a decoder comes out."""
    first = listing("comments", [{"id": "1"}], "b").partition(b"\r\n\r\n")[2]
    twice = http(200, first.replace(b'{"data":', b'{"data":null,"data":'))
    async with Scripted(twice, listing("comments", [{"id": "2"}])) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Comment)
        assert [comment.id async for comment in stream] == ["1", "2"]


@pytest.mark.parametrize("status", ["private", "gone_tomorrow"])
async def test_a_lookup_status_counts_where_there_is_one(
    client_of: MakeClient, status: str
) -> None:
    """A list of a profile that cannot be had is an error here too, paid for once."""
    async with Scripted(comments(lookupStatus=status)) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Comment)
        for _ in range(2):
            with pytest.raises(ProfileUnavailableError) as caught:
                await anext(stream)
        assert caught.value.lookup_status == status
        assert len(api.seen) == 1


async def test_a_bad_row_costs_a_row(
    client_of: MakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The others come; the log names the path and counts it."""
    rows = [{"id": "1"}, {"id": 2}, None, {"id": "3"}]
    async with Scripted(listing("comments", rows, "1"), listing("comments", [{}, {}])) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=Comment)
        counted = [(len(page.items), page.invalid_rows) async for page in stream.pages()]
    assert counted == [(2, 2), (0, 2)]
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert PATH in record.getMessage()


@pytest.mark.parametrize("kind", [Comment, list[Foreign], Numbered], ids=str)
async def test_a_type_that_fits_no_row_costs_one_page(
    client_of: MakeClient, kind: type[Any]
) -> None:
    """It is the type that is wrong then, and six pages would end in words about empty pages."""
    answer = listing("comments", [{"nr": "1"}, {"nr": "2"}], "1")
    async with Scripted(answer) as api:
        stream = client_of(api).iter_items(PATH, items="comments", type=kind)
        with pytest.raises(DecodeError) as caught:
            await anext(stream)
        assert caught.value.path.startswith("$.data.comments[0]")
        assert len(api.seen) == 1


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        (listing("comments", None), "$.data.comments"),
        (listing("videos", []), "$.data"),
        (comments(lookupStatus=None), "$.data.lookupStatus"),
    ],
    ids=["no array", "other rows", "a status that is none"],
)
async def test_another_shape_is_a_decode_error(
    client_of: MakeClient, answer: bytes, path: str
) -> None:
    """It names the field, is not tried again, and is not an empty list."""
    async with Scripted(answer) as api:
        with pytest.raises(DecodeError) as caught:
            await anext(client_of(api).iter_items(PATH, items="comments", type=Comment))
        assert caught.value.path == path
        assert len(api.seen) == 1


@pytest.mark.jumping
async def test_an_error_in_the_middle_says_how_to_go_on(client_of: MakeClient) -> None:
    """It has the cursor, and the same stream goes on from it, also after a cancellation."""
    answers = [comments("ab", "1"), error(502), HANG, comments("c")]
    async with Scripted(*answers) as api:
        client = client_of(api, retry=ONCE)
        stream = client.iter_items(PATH, items="comments", type=Comment)
        texts = [(await anext(stream)).text for _ in range(2)]
        with pytest.raises(LookupFailedError) as caught:
            await anext(stream)
        assert "cursor '1'" in str(caught.value)
        assert "Resume from the same cursor" in str(caught.value)
        with pytest.raises(Exception, match="no complete response in time"):
            await anext(stream)
        texts += [row.text async for row in stream]
        assert texts == ["a", "b", "c"]
    assert [seen.cursor for seen in api.seen] == [None, "1", "1", "1"]


async def test_faults_lose_and_double_nothing(client_of: MakeClient) -> None:
    """Under faults every row comes once, and the ledger is what the client says."""
    faults = {"503": 0.1, "drop": 0.05, "lose": 0.1, "truncate": 0.1}
    async with Emulator({"ada": Profile(following=900)}, faults=faults, seed=2) as api:
        client = client_of(api, retry=RetryPolicy(max_attempts=30, base=0.001, cap=0.002))
        stream = client.iter_items(FOLLOWING, items="accounts", type=dict)
        assert [row async for row in stream] == api.following("ada")
        usage = client.usage
        assert usage.credits_charged == 45 < len(api.charges)
        assert len(api.charges) <= usage.credits_charged + usage.maybe_charged
