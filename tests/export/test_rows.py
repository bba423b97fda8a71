"""What a row becomes: the table of columns, unknown fields, counts no column holds."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from socialfetch_async import AvatarUrls, Follower, FollowerMetrics
from socialfetch_async.export.columns import COLUMNS, NAMES, OF_ACCOUNT, account_cells
from socialfetch_async.export.rows import rows_of
from socialfetch_async.export.to_csv import safe_cell
from socialfetch_async.export.to_jsonl import account

DOCS = Path(__file__).parents[2] / "docs" / "exports.md"
ADA: dict[str, Any] = {
    "handle": "ada",
    "verified": True,
    "privateAccount": False,
    "metrics": {"followers": 1, "following": 2},
}


def leaves(struct: Any, before: str = "") -> list[str]:
    """Return the paths of all fields of a Struct and of the Structs in it."""
    found = []
    for field in msgspec.structs.fields(struct):
        inner = {"metrics": FollowerMetrics, "avatar_urls": AvatarUrls}.get(field.name)
        path = f"{before}{field.name}"
        found += leaves(inner, f"{path}.") if inner else [path]
    return found


def test_every_field_of_a_follower_has_a_column() -> None:
    """A field that the Struct gains is in the exports, or this fails."""
    assert sorted(c.field for c in OF_ACCOUNT) == sorted(leaves(Follower))


def test_the_docs_show_the_table_of_columns() -> None:
    """The table in the docs is the one in the code."""
    table = [
        f"| `{c.name}` | {c.type} | {c.unit} | {'yes' if c.nullable else 'no'} | {c.about} |"
        for c in COLUMNS
    ]
    assert re.findall(r"^\| `\w+` \|.*\|$", DOCS.read_text(), re.MULTILINE)[: len(table)] == table


def line(rows: bytes) -> bytes:
    return b'{"answer":{"data":{"followers":' + rows + b"}}}"


def encoded(*rows: Mapping[str, Any]) -> bytes:
    return line(json.dumps(rows).encode())


def test_documented_rows_have_nothing_extra() -> None:
    """Rows as documented, complete or trimmed, are followers and nothing else."""
    whole = ADA | {"avatarUrls": {"large": "l"}, "bio": None, "secUid": "s"}
    rows = rows_of(encoded(ADA, whole, ADA | {"avatarUrls": None}))
    assert rows.total == 3
    assert list(zip(rows.places, rows.extras, strict=True)) == [(0, None), (1, None), (2, None)]
    assert [follower.handle for follower in rows.followers] == ["ada"] * 3


def test_unknown_fields_are_kept_as_they_came() -> None:
    """At every level, byte for byte, and only in the row that has them."""
    raw = b"""[{"handle":"bo","verified":true,"privateAccount":false,"region":"DE","n":1.50,
      "avatarUrls":{"huge":"h","thumb":"t"},
      "metrics":{"followers":1,"following":2,"likes": 99999999999999999999}}, %s]"""
    rows = rows_of(line(raw % json.dumps(ADA).encode()))
    assert msgspec.json.encode(rows.extras[0]) == (
        b'{"region":"DE","n":1.50,"metrics":{"likes":99999999999999999999},'
        b'"avatarUrls":{"huge":"h"}}'
    )
    assert rows.followers[0].avatar_urls == AvatarUrls(thumb="t")
    assert rows.extras[1] is None


@pytest.mark.parametrize("field", [b'"x":"\xff cut"', b'"\xfe":1', b'"x":[{"y":"\xc3"}]'])
def test_a_broken_character_in_an_unknown_field_is_repaired(field: bytes) -> None:
    """It would make a line, or a whole file, unreadable; the row and its other fields stay."""
    raw = b"[" + json.dumps(ADA | {"new": 1.5}).encode()[:-1] + b"," + field + b"}]"
    rows = rows_of(line(raw))
    text = msgspec.json.encode(*rows.extras)
    assert [follower.handle for follower in rows.followers] == ["ada"]
    assert msgspec.json.decode(text)["new"] == 1.5
    assert len(msgspec.json.decode(text)) == 2


@pytest.mark.parametrize(
    "bad", [None, [], "x", {}, ADA | {"handle": ""}, ADA | {"metrics": None}, ADA | {"verified": 2}]
)
def test_what_is_no_follower_is_counted_and_leaves_its_place(bad: Any) -> None:
    """The rows around it keep their places on the page."""
    rows = rows_of(encoded(ADA, bad, ADA | {"new": 1}))
    assert rows.places == (0, 2)
    assert rows.total == 3


def test_a_row_is_read_as_the_client_reads_it() -> None:
    """What makes no sense and no column can hold is kept as it came; the follower stays."""
    odd = ADA | {"metrics": {"followers": 7.0, "following": "8"}, "avatarUrls": [1], "bio": {}}
    (follower,), _, (extra,), _ = rows_of(encoded(odd))
    assert follower.metrics == FollowerMetrics(followers=7, following=8)
    assert (follower.avatar_urls, follower.bio) == (None, None)
    assert msgspec.json.encode(extra) == b'{"avatarUrls":[1]}'


@pytest.mark.parametrize("count", [2**63, -(2**63), 10**30])
def test_a_count_that_no_integer_column_holds_moves_into_extra(count: int) -> None:
    """Nothing is rounded, and nothing is lost; what was extra before stays."""
    row = ADA | {"metrics": {"followers": count, "following": 2, "likes": 3}, "new": "x"}
    (follower,), _, (extra,), _ = rows_of(encoded(row))
    cells = dict(zip(NAMES[3:-3], account_cells(follower, extra), strict=True))
    assert (cells["followers"], cells["following"]) == (None, 2)
    assert json.loads(cells["extra"]) == {
        "new": "x",
        "metrics": {"likes": 3, "followers": count},
    }
    assert account(follower)["metrics"].followers == count


def test_the_largest_count_is_a_count() -> None:
    """2**63 - 1 is what an integer column holds at most."""
    largest = ADA | {"metrics": {"followers": 2**63 - 1, "following": 0}}
    (follower,), _, (extra,), _ = rows_of(encoded(largest))
    cells = account_cells(follower, extra)
    assert 2**63 - 1 in cells
    assert cells[-1] is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(json_values | st.dictionaries(st.text(), json_values).map(lambda d: d | ADA)))
def test_every_row_is_a_follower_or_counted(rows: list[Any]) -> None:
    """Whatever the rows are, each ADA is found, in its place, with all that it came with."""
    found = rows_of(encoded(*rows))
    assert found.total == len(rows)
    for follower, at, extra in zip(found.followers, found.places, found.extras, strict=True):
        assert follower.handle == "ada"
        unknown = json.loads(msgspec.json.encode(extra or {}))
        assert {k: v for k, v in rows[at].items() if k in unknown} == unknown
        documented = set(Follower.__struct_encode_fields__)
        assert set(rows[at]) - documented == set(unknown) - documented


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n", " =1", "\u3000=1", "\ufeff=1",
        "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a", "\u200b\uff20a", "\0=1",
        '=HYPERLINK("http://a.invalid","b")',
    ],
)  # fmt: skip
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    """A formula, also behind white space and characters that are not shown."""
    assert safe_cell(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "ada", "a=1", "1-1", "👩‍🚀", "'=1", " a", None, -1, 5])
def test_other_cells_stay_as_they_are(cell: Any) -> None:
    """Numbers too: what is no text is no formula."""
    assert safe_cell(cell) == cell
