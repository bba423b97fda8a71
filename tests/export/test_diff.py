"""Gained and lost followers between two journals."""

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from socialfetch_async import (
    ExportError,
    Follower,
    InvalidHandleError,
    JournalError,
    export_followers,
    read_journal,
)
from socialfetch_async.emulator import Emulator
from socialfetch_async.export import Change, diff, not_compared, write_diff
from tests import journals
from tests.conftest import MakeClient


def journal(folder: Path, name: str, *lines: dict[str, Any]) -> Path:
    return journals.write(folder / f"{name}.journal", *lines)


def summary(changes: Any) -> list[tuple[str, str]]:
    return [(change.change, change.follower.handle) for change in changes]


def test_gained_come_first_in_the_order_of_the_new_list(tmp_path: Path) -> None:
    """Then the lost ones in that of the old, each once, as the list that has them says."""
    old = journal(
        tmp_path, "old",
        journals.page("Ada", ["kept", journals.row("gone.1", bio="old")], None, "c"),
        journals.page("ada", ["gone.2", "gone.1", "kept"], "c", seconds=1),
    )  # fmt: skip
    new = journal(
        tmp_path, "new",
        journals.page("ada", ["new.1", "kept", "new.1"], None, "d", seconds=60),
        journals.page("ada", [journals.row("new.2", bio="x", region="DE")], "d", seconds=61.5),
    )  # fmt: skip
    changes = list(diff(old, new))
    assert summary(changes) == [
        ("gained", "new.1"), ("gained", "new.2"), ("lost", "gone.1"), ("lost", "gone.2"),
    ]  # fmt: skip
    assert [change.source for change in changes] == ["ada", "ada", "Ada", "Ada"]
    assert isinstance(changes[1], Change)
    assert type(changes[1].follower) is Follower
    assert json.loads(changes[1].line()) == {
        "change": "gained",
        "source": "ada",
        "handle": "new.2",
        "display_name": None,
        "avatar_url": None,
        "bio": "x",
        "verified": False,
        "private_account": False,
        "metrics": {"followers": 1, "following": 2},
        "avatar_urls": None,
        "platform_user_id": None,
        "sec_uid": None,
        "fetched_at": "2026-11-22T12:01:01.500000Z",
    }
    assert changes[2].follower.bio == "old"
    assert changes[2].line().endswith(b"}\n")
    assert list(diff(old, old)) == []


def test_a_list_may_be_in_several_journals(tmp_path: Path) -> None:
    """They are read as one, as an export reads them."""
    old = journal(tmp_path, "old", journals.page("ada", ["a", "b"]))
    first = journal(tmp_path, "first", journals.page("ada", ["a"], None, "c"))
    second = journal(tmp_path, "second", journals.page("ada", ["c"], "c"))
    assert summary(diff(old, [first, second])) == [("gained", "c"), ("lost", "b")]


def test_one_of_several_handles_is_named(tmp_path: Path) -> None:
    """In any spelling; without a name the sentence lists the ones that are in both."""
    old = journal(tmp_path, "old", journals.page("ada", ["a"]), journals.page("bo", ["x"]))
    new = journal(tmp_path, "new", journals.page("ada", ["b"]), journals.page("cleo", ["x"]))
    assert summary(diff(old, new, handle=" @ADA")) == [("gained", "b"), ("lost", "a")]
    with pytest.raises(ExportError, match=r"several handles: name the one .* In both are: ada\."):
        diff(old, new)
    with pytest.raises(ExportError, match="'bo' is not in both journals"):
        diff(old, new, handle="bo")
    with pytest.raises(InvalidHandleError):
        diff(old, new, handle="a/b")


def test_the_sentence_about_many_handles_is_short(tmp_path: Path) -> None:
    """It names five."""
    pages = [journals.page(f"h{n}", []) for n in range(1_500)]
    path = journal(tmp_path, "a", *pages)
    with pytest.raises(ExportError, match=r"h0, h1, h10, h100, h1000 and 1,495 more\."):
        diff(path, path)


def test_journals_without_a_common_handle_have_nothing_to_compare(tmp_path: Path) -> None:
    """Said so for different handles, and for no handle at all."""
    ada = journal(tmp_path, "ada", journals.page("ada", ["a"]))
    bo = journal(tmp_path, "bo", journals.page("bo", ["a"]))
    empty = journal(tmp_path, "empty")
    with pytest.raises(ExportError, match=r"several handles.* In both are: none\."):
        diff(ada, bo)
    with pytest.raises(ExportError, match="a handle is not in both"):
        diff(ada, empty)
    with pytest.raises(JournalError):
        diff(ada, tmp_path / "missing")


WHOLE = [journals.page("ada", ["a"])]
SHORT: list[tuple[list[dict[str, Any]], str, list[tuple[str, str]]]] = [
    ([journals.page("ada", ["b"], None, "c")], "its status is unfinished", [("lost", "a")]),
    (
        [journals.page("ada", ["b"], None, "c"), journals.done("ada", "max_pages", seconds=1)],
        "its status is max_pages",
        [("lost", "a")],
    ),
    (
        [journals.page("ada", ["b"], has_more=True)],
        "its status is missing_cursor",
        [("lost", "a")],
    ),
    ([journals.page("ada", [], lookup_status="private")], "its status is private", [("lost", "a")]),
    ([journals.page("ada", ["b"], "c7")], "it does not begin with its first page", [("lost", "a")]),
    ([journals.page("ada", ["b", {"x": 1}, 5])], "2 of its rows have no handle", [("lost", "a")]),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "why", "lost"), SHORT)
def test_lists_that_are_not_complete_are_refused(
    tmp_path: Path, lines: Any, why: str, lost: list[tuple[str, str]]
) -> None:
    """On either side, before anything is yielded; `partial` compares what is there."""
    whole = journal(tmp_path, "whole", *WHOLE)
    short = journal(tmp_path, "short", *lines)
    for old, new in ((whole, short), (short, whole)):
        with pytest.raises(ExportError, match=f"'ada' in short.journal is not complete: {why}"):
            diff(old, new)
    changes = summary(diff(whole, short, partial=True))
    assert [change for change in changes if change[0] == "lost"] == lost


def test_a_row_that_is_no_follower_but_has_a_handle_is_not_lost(tmp_path: Path) -> None:
    """It is in the list; only the rest of it cannot be read."""
    old = journal(tmp_path, "old", journals.page("ada", ["a", "b"]))
    broken = journals.row("a", metrics=None)
    new = journal(tmp_path, "new", journals.page("ada", [broken, "b"], invalid_rows=1))
    assert summary(diff(old, new)) == []


names = st.lists(st.sampled_from("abcdefgh"), max_size=12)


@given(old=names, new=names)
def test_the_difference_is_that_of_the_sets(
    old: list[str], new: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever comes how often, in whatever order."""
    folder = tmp_path_factory.mktemp("diff")
    changes = summary(
        diff(
            journal(folder, "old", journals.page("ada", old)),
            journal(folder, "new", journals.page("ada", new)),
        )
    )
    assert len(changes) == len(set(changes))
    assert {name for kind, name in changes if kind == "gained"} == set(new) - set(old)
    assert {name for kind, name in changes if kind == "lost"} == set(old) - set(new)
    assert changes == sorted(changes, key=lambda change: change[0])


async def test_the_last_two_readings_of_a_journal(client_of: MakeClient, tmp_path: Path) -> None:
    """Of all lists that were read twice, or of one; the folder stands for its journal."""
    async with Emulator({"ada": 45, "bo": 25, "cy": 5, "dee": "private"}) as api:
        client = client_of(api)
        await export_followers(client, ["ada", "bo", "dee"], tmp_path)
        with pytest.raises(
            ExportError, match=r'no list has two complete readings.*Export it again.*refresh="all"'
        ):
            diff(tmp_path)
        before = [row["handle"] for row in api.followers("ada")]
        api.gain("ada", 3)
        api.lose("bo", 2)
        await export_followers(client, ["ada", "bo", "dee"], tmp_path, refresh="all")
        await export_followers(client, ["cy"], tmp_path)
        after = [row["handle"] for row in api.followers("ada")]
    gained = [name for name in after if name not in before]
    changes = list(diff(tmp_path))
    assert [c.follower.handle for c in changes if c.source == "ada"] == gained
    assert [(c.source, c.change) for c in changes if c.source == "bo"] == [("bo", "lost")] * 2
    assert summary(diff(tmp_path, handle="@ADA")) == [("gained", name) for name in gained]
    assert not_compared(read_journal(tmp_path)) == ["cy"]
    with pytest.raises(ExportError, match="'cy' has not two complete readings"):
        diff(tmp_path, handle="cy")
    rows = [json.loads(change.line()) for change in changes]
    for name in ("changes.csv", "changes.jsonl"):
        path = tmp_path / "deep" / name
        assert write_diff(tmp_path, None, path) == path
        if name.endswith("csv"):
            with path.open(encoding="utf-8", newline="") as file:
                found = list(csv.DictReader(file, strict=True))
            assert [(row["change"], row["handle"]) for row in found] == [
                (row["change"], row["handle"]) for row in rows
            ]
            assert {row["verified"] for row in found} <= {"true", "false"}
        else:
            assert [json.loads(line) for line in path.read_bytes().splitlines()] == rows
    with pytest.raises(ExportError, match="is a journal"):
        write_diff(tmp_path, None, tmp_path / "followers.journal", format="csv")
    with pytest.raises(ValueError, match="jsonl or csv"):
        write_diff(tmp_path, None, tmp_path / "x.parquet")


async def test_rows_say_when_they_were_first_and_last_seen(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Who was there in the first reading was first seen then; who is new, now."""
    async with Emulator({"ada": 45}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path)
        api.gain("ada", 2)
        await export_followers(client, ["ada"], tmp_path, refresh="all")
    old, new = read_journal(tmp_path).readings("ada")
    rows = [json.loads(line) for line in (tmp_path / "followers.jsonl").read_bytes().splitlines()]
    first = [datetime.fromisoformat(row["first_seen_at"]) for row in rows]
    assert all(at >= new.began_at for at in first[:2])
    assert all(at <= old.last_at for at in first[2:])
    assert len(first) == 47
    assert all(datetime.fromisoformat(row["last_seen_at"]) >= new.began_at for row in rows)
