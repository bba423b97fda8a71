"""The lines of a journal: rows as they came, whatever they are, and what a line is not."""

import json
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from socialfetch_async import Follower, FollowersPage
from socialfetch_async.journal import SavedPage
from socialfetch_async.journal.lines import PageHead, PageLine, encode, page_line, parse, parse_page
from tests.conftest import MakeClient
from tests.journals import FIRST, checked
from tests.scripted import Scripted, http, row

NOW = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)


def answer(rows: str | bytes) -> bytes:
    """Return a whole answer with these rows, byte for byte."""
    raw = rows.encode() if isinstance(rows, str) else rows
    before = b'{"data":{"lookupStatus":"found","followers":'
    after = (
        ',"page":{"nextCursor":"cé","hasMore":true},"totalFollowers":7},"meta":{"requestId":"req_1"'
    )
    return http(200, before + raw + after.encode() + b',"creditsCharged":1,"version":"v1"}}')


async def fetched(client_of: MakeClient, rows: str | bytes) -> FollowersPage:
    """Return the page that a client makes of these rows."""
    async with Scripted(answer(rows)) as api:
        return await client_of(api).get_followers_page("Ada", cursor="\U0001f35c+/ 'x")


async def saved(client_of: MakeClient, rows: str | bytes) -> tuple[FollowersPage, bytes, SavedPage]:
    """Return a page, its line, and what is read from that."""
    page = await fetched(client_of, rows)
    text = b"".join(encode(page_line(page, NOW, FIRST)))
    return page, text, parse_page(text)


async def test_a_line_has_every_field_of_its_page(client_of: MakeClient) -> None:
    """What was asked, what came, its price and its time; and it is JSON for everybody."""
    page, text, line = await saved(client_of, json.dumps([row("a"), row("b")]))
    plain = json.loads(text)
    assert plain.pop("type") == "page"
    assert plain.pop("at") == "2026-11-22T12:30:15.123456Z"
    assert plain.pop("answer") == json.loads(page.body or b"")
    assert (plain.pop("reading"), plain.pop("met"), plain.pop("new_rows")) == (FIRST, None, None)
    assert text == checked(text[: text.rindex(b',"crc"')] + b"}")
    assert plain.pop("crc")
    assert plain == {name: getattr(page, name) for name in plain}
    assert plain.keys() | {"followers"} == set(FollowersPage.__struct_fields__)
    assert line.followers == page.followers
    assert line.at == NOW


@pytest.mark.parametrize("rows", [b'"followers":null,', b'"followers":{},', b""])
async def test_a_profile_without_a_list_may_have_null_for_one(
    client_of: MakeClient, rows: bytes
) -> None:
    """Its page is in the journal like any other, with no rows."""
    body = answer("[]").replace(b'"followers":[],', rows).replace(b"found", b"private")
    async with Scripted(http(200, body.split(b"\r\n\r\n")[1])) as api:
        page = await client_of(api).get_followers_page("ada")
    text = b"".join(encode(page_line(page, NOW, FIRST)))
    assert isinstance(parse(text), PageHead)
    assert (parse_page(text).lookup_status, parse_page(text).followers) == ("private", [])


PRETTY = """[
  {"handle": "a",\r
\t"bio": "x\\ny\u2028z", "verified": false,
 "privateAccount": true, "metrics": {"followers": 1, "following": 2}}
]"""


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        (PRETTY, PRETTY.replace("\n", " ").replace("\r", " ")),
        (PRETTY.replace("\n", ""), PRETTY.replace("\n", "").replace("\r", " ")),
        (json.dumps([row("a", newField={"deep": [1, None]})]), None),
        (json.dumps([row("a", bio="\U0001f35c \u65e5")], ensure_ascii=False), None),
        # Longer than what is looked at at once, and with text across the border, wherever that is.
        (json.dumps([row("a", bio=n * "x" + "\U0001f35c" * 9_000) for n in range(4)],
                    ensure_ascii=False, separators=(",", ":")), None),
        (json.dumps([row("a", bio="\U0001f35c \u65e5")]), None),
        ('[{"handle": 5}, ' + json.dumps(row("b")) + ", null]", None),
        ("[]", None),
    ],
    ids=[
        "pretty", "returns", "new field", "not ASCII", "long", "escaped", "no followers", "empty",
    ],
)  # fmt: skip
async def test_rows_are_kept_as_they_came(
    client_of: MakeClient, rows: str, kept: str | None
) -> None:
    """Byte for byte, but for line breaks between tokens; one line each."""
    page, text, line = await saved(client_of, rows)
    assert bytes(line.raw_followers).decode() == (kept or rows)
    assert text.count(b"\n") == 1
    assert text.endswith(b"\n")
    assert json.loads(text)["answer"]["data"]["followers"] == json.loads(rows)
    assert line.followers == page.followers
    assert line.invalid_rows == page.invalid_rows == len(json.loads(rows)) - len(line.followers)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b'"cut \xf0\x9f\x8d"', "cut \ufffd"),
        (b'"\xff"', "\ufffd"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
        (b'"\\ud83d"', "?"),
        (b'"\\udc00 x"', "? x"),
    ],
)
@pytest.mark.parametrize("field", [b"bio", b"newField"])
async def test_broken_text_is_repaired_wherever_it_is(
    client_of: MakeClient, field: bytes, value: bytes, read: str
) -> None:
    """Also in fields that the client never looks at: the journal is UTF-8 for every reader."""
    row_ = json.dumps(row("a")).encode()[:-1] + b',\n"' + field + b'":' + value + b"}"
    page, text, line = await saved(client_of, b"[" + row_ + b"]")
    assert json.loads(text.decode())["answer"]["data"]["followers"][0][field.decode()] == read
    assert text.count(b"\n") == 1
    assert line.followers == page.followers
    assert len(line.followers) == 1


async def test_broken_text_beside_a_number_without_end_costs_nothing(
    client_of: MakeClient,
) -> None:
    """What a JSON writer would make Infinity of is kept as it came."""
    row_ = json.dumps(row("a")).encode()[:-1] + b',"new":"\xff","big":1e999}'
    page, text, line = await saved(client_of, b"[" + row_ + b',{"handle":1}]')
    assert page.invalid_rows == 1
    assert line.followers == page.followers
    assert line.invalid_rows == 1
    assert len(json.loads(text)["answer"]["data"]["followers"]) == 2
    assert b"1e999" in text


@pytest.mark.parametrize(
    ("before", "again"),
    [
        (b'{"data":', b'{"data":null,"data":'),
        (b'{"data":', b'{"data":{"followers":5},"data":'),
        (b'"followers":[', b'"followers":null,"followers":['),
        (b'"followers":[', b'"followers":{"a":[]},"followers":['),
        (b'"meta":', b'"meta":7,"meta":'),
    ],
)
async def test_of_a_field_that_stands_twice_the_last_one_counts(
    client_of: MakeClient, before: bytes, again: bytes
) -> None:
    """For the client as for whoever reads its journal; the rest is kept as it came."""
    rows = json.dumps([row("a", new="x"), row("b")])
    body = answer(rows).partition(b"\r\n\r\n")[2].replace(before, again)
    async with Scripted(http(200, body)) as api:
        page = await client_of(api).get_followers_page("ada")
    text = b"".join(encode(page_line(page, NOW, FIRST)))
    head, line = parse(text), parse_page(text)
    assert isinstance(head, PageHead)
    assert len(head.answer.data.followers) == 2
    assert [follower.handle for follower in page.followers] == ["a", "b"]
    assert line.followers == page.followers
    assert bytes(line.raw_followers).decode() == rows
    assert json.loads(text)["answer"] == json.loads(body)


async def test_a_page_without_its_answer_is_encoded_with_the_names_of_the_api(
    client_of: MakeClient,
) -> None:
    """A page that was cut or made by hand has the rows that it has."""
    page = await fetched(client_of, json.dumps([row("a"), {"handle": ""}, row("b")]))
    text = b"".join(encode(page_line(replace(page, followers=page.followers[1:]), NOW, FIRST)))
    rows = json.loads(text)["answer"]["data"]["followers"]
    assert [r["handle"] for r in rows] == ["b"]
    assert rows[0]["privateAccount"] is False
    line = parse_page(text)
    assert line.followers == page.followers[1:]
    assert all(isinstance(follower, Follower) for follower in line.followers)
    assert line.invalid_rows == 0


async def test_a_row_that_is_nested_deeply(client_of: MakeClient) -> None:
    """Saving a page needs no more of the stack than fetching it did."""
    nested = json.dumps(row("a"))[:-1] + ',"new":' + "[" * 500 + "]" * 500 + "}"
    page = await fetched(client_of, f"[{nested}]")

    def deeper(calls: int) -> PageLine:
        return deeper(calls - 1) if calls else page_line(page, NOW, FIRST)

    for calls in (0, 480):
        line = parse_page(b"".join(encode(deeper(calls))))
        assert line.followers == page.followers


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"null\n",
        b"{}\n",
        b"ada\n",
        b'{"type":"page"}\n',
        b'{"type":"close","at":"2026-11-22T12:30:15Z"}\n',
        b'{"type":"close","at":"2026-11-22T12:30:15","maybe_charged":0}\n',
        b'{"type":5}\n',
        b'{"type":"clo\xff"}\n',
        b'{"type":"close","at":"2026-11-22T12:30:15Z","maybe_charged":0}\0\n',
        b'{"type":"handle","at":"2026-11-22T12:30:15Z","handle":"a","status":"\xff"}\n',
        b'{"type":"x","a":' + b"[" * 2_000_000 + b"]" * 2_000_000 + b"}\n",
    ],
)
def test_what_is_not_a_line(text: bytes) -> None:
    """It is a ValueError, whatever it is."""
    for line in (text, checked(text)):
        with pytest.raises(ValueError, match=r"^not "):
            parse(line)
        with pytest.raises(ValueError, match=r"^not "):
            parse_page(line)


@pytest.mark.parametrize(
    "text", [b'{"type":"later","at":5}\n', b'{"more":[1,{"a":2}],"type":"comment"}\n']
)
def test_a_type_of_later_days_is_ignored(text: bytes) -> None:
    """It says nothing, and is no error."""
    assert parse(checked(text)) is None


def test_a_field_of_later_days_is_ignored() -> None:
    """In every type."""
    text = b'{"type":"maybe_charged","new":{},"at":"2026-11-22T12:30:15Z","maybe_charged":3}\n'
    line = parse(checked(text))
    assert line is not None
    assert line.at.year == 2026
