"""Reading journals offline: lists, positions and credits, whatever the order of the lines."""

import logging
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from socialfetch_async import Journal, JournalError, read_journal
from socialfetch_async.journal import SavedRun
from tests.journals import BEGAN, as_line, at, done, page, write

Line = dict[str, Any]
QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def opened(concurrency: int | None = 10, *, seconds: float = 0) -> Line:
    """Return the line of a process that begins."""
    return {"type": "open", "at": at(seconds), "pid": 7, "concurrency": concurrency}


def counted(kind: str, maybe_charged: int, *, seconds: float = 0) -> Line:
    """Return a `close` or `maybe_charged` line."""
    return {"type": kind, "at": at(seconds), "maybe_charged": maybe_charged}


def chain(handle: str, *cursors: str | None, ends: bool = True, seconds: float = 0) -> list[Line]:
    """Return the pages from the first cursor to the last, a second each, two rows each."""
    thens = [*cursors[1:], None if ends else "next"]
    return [
        page(handle, [f"{cursor}.{i}" for i in (0, 1)], cursor, then, seconds=seconds + n)
        for n, (cursor, then) in enumerate(zip(cursors, thens, strict=True))
    ]


def listed(saved: SavedRun) -> list[tuple[str, list[str | None]]]:
    """Return the cursors of the pages, handle after handle, as they are iterated over."""
    lists: list[tuple[str, list[str | None]]] = []
    for saved_page in saved.pages():
        if not lists or lists[-1][0] != saved_page.handle.lower():
            lists.append((saved_page.handle.lower(), []))
        lists[-1][1].append(saved_page.cursor)
    return lists


def read(path: Path, *lines: Line) -> SavedRun:
    """Write a journal and read it."""
    return read_journal(write(path, *lines))


def test_a_handle_is_summed_up(tmp_path: Path) -> None:
    """Spelling, counts, price, total and times, of all its lines."""
    first, second = chain("Ada", None, "1", seconds=5)
    again = page("ADA", ["x"], "1", seconds=9, credits_charged=3, total_followers=11)
    saved = read(tmp_path / "j", second, first, again, done("ada", "complete", seconds=10))
    assert list(saved.handles) == ["ada"]
    ada = saved.handles["ada"]
    assert (ada.handle, ada.status, ada.finished, ada.cursor) == ("Ada", "complete", True, None)
    assert (ada.pages, ada.followers, ada.credits_charged) == (2, 3, 5)
    assert (ada.total_followers, ada.error) == (11, None)
    assert (ada.first_at - BEGAN).total_seconds() == 5
    assert (ada.last_at - BEGAN).total_seconds() == 10
    assert ada.last_at.tzinfo == UTC
    assert (saved.credits_charged, saved.maybe_charged, saved.broken_lines) == (5, 0, 0)
    assert [p.request_id for p in saved.pages()] == ["req_Ada_None", "req_ADA_1"]
    assert repr(saved) == f"<SavedRun {tmp_path / 'j'} handles=1 credits_charged=5>"


CIRCLE = [*chain("a", None, "1", ends=False), page("a", ["z"], "next", "1", seconds=5)]


@pytest.mark.parametrize(
    ("lines", "status", "finished", "cursor"),
    [
        (chain("a", None, "1"), "complete", True, None),
        (chain("a", None, "1", ends=False), "unfinished", False, "next"),
        ([page("a", [], lookup_status="private")], "private", True, None),
        ([page("a", ["x"], None, "1", lookup_status="moved")], "moved", True, None),
        ([page("a", ["x"], has_more=True)], "missing_cursor", True, None),
        ([page("a", ["x"], has_more=True, next_cursor="")], "missing_cursor", True, None),
        ([page("a", ["x"], None, "1", has_more=False)], "complete", True, None),
        (
            [*chain("a", None, ends=False), done("a", "max_pages", seconds=9)],
            "max_pages", False, "next",
        ),
        (
            [*chain("a", None, ends=False), done("a", "stopped", seconds=9), opened(seconds=10),
             page("a", ["x"], "next", "2", seconds=11)],
            "unfinished", False, "2",
        ),
        ([done("a", "failed", error="Why.")], "failed", False, None),
        ([done("a", "failed", cursor="5", error="Why.")], "failed", False, None),
        # The line says complete, and the page that says so is not there.
        ([*chain("a", None, ends=False), done("a", "complete", seconds=9)],
         "unfinished", False, "next"),
        # A batch that began in the middle.
        (chain("a", "7", "8"), "complete", True, None),
        (chain("a", "7", "8", ends=False), "unfinished", False, "next"),
        (CIRCLE, "failed", True, None),
        ([page("a", ["x"], "1", "2"), page("a", ["x"], "2", "1", seconds=3)],
         "failed", True, None),
        # It failed at a guard, which would end it again.
        ([*chain("a", None, ends=False),
          done("a", "failed", cursor="next", error="Why.", reason="no_progress", seconds=9)],
         "failed", True, None),
    ],
)  # fmt: skip
def test_where_a_handle_stands(
    tmp_path: Path,
    lines: list[Line],
    status: str,
    finished: bool,  # noqa: FBT001 - a column of the table
    cursor: str | None,
) -> None:
    """It follows from the pages; a `handle` line says only why the list does not go on."""
    saved = read(tmp_path / "j", *lines)
    a = saved.handles["a"]
    assert (a.status, a.finished, a.cursor) == (status, finished, cursor)
    # Asked for from its top, a list that has no first page buys it.
    top = "cursor" not in lines[0] or lines[0]["cursor"] is None
    assert saved.pending() == ({} if top and finished else {"a": cursor if top else None})
    failed = status == "failed"
    why = "its cursors lead in a circle" if "Why." not in str(lines) else "Why."
    assert a.error == (why if failed else None)


def test_a_profile_that_was_rechecked_goes_on(tmp_path: Path) -> None:
    """The page that came last is the one that counts, and its list goes on behind it."""
    private = page("a", [], lookup_status="private")
    saved = read(tmp_path / "j", private, *chain("a", None, "1", ends=False, seconds=4))
    assert saved.pending() == {"a": "next"}
    assert saved.handles["a"].pages == 2
    assert saved.credits_charged == 3


@pytest.mark.parametrize(
    ("handles", "left"),
    [
        (None, {"Bob": "next", "cat": None}),
        (["ada", " @BOB ", "new", "bob", "CAT"], {"BOB": "next", "new": None, "CAT": None}),
        ({"ada": None, "bob": None, "new": "5"}, {"bob": "next", "new": "5"}),
        # A start in the middle of what is there, at its end, and somewhere else.
        ({"ada": "1", "bob": "1"}, {"bob": "next"}),
        ({"bob": "next"}, {"bob": "next"}),
        ({"ada": "77"}, {"ada": "77"}),
        ({"cat": "4"}, {"cat": "4"}),
        ([], {}),
    ],
)
def test_what_is_pending(tmp_path: Path, handles: Any, left: dict[str, str | None]) -> None:
    """Handles are the same as in a run, and keep the spelling they are asked for with."""
    lines = [
        *chain("ada", None, "1", "2"),
        *chain("Bob", None, "1", ends=False),
        done("cat", "failed", error="Why."),
    ]
    saved = read(tmp_path / "j", *lines)
    assert saved.pending(handles) == left
    with Journal(tmp_path / "j") as journal:
        assert journal.pending(handles) == left


def test_the_pages_that_no_page_leads_to_come_last(tmp_path: Path) -> None:
    """The list in its order, then the rest by time; one handle alone on request."""
    lines = [
        *chain("b", None, "1"),
        *chain("a", "50", "51", seconds=20),
        *chain("a", "60", seconds=10),
        *reversed(chain("a", None, "1", "2", ends=False, seconds=30)),
    ]
    saved = read(tmp_path / "j", *lines)
    assert listed(saved) == [("a", [None, "1", "2", "60", "50", "51"]), ("b", [None, "1"])]
    assert [p.cursor for p in saved.pages(" @B")] == [None, "1"]
    assert list(saved.pages("nobody")) == []


ALL = [
    *chain("ada", None, "1", "2", "3"),
    *chain("bob", None, "b1", "b2", ends=False, seconds=10),
    page("bob", ["new"], "b1", "b9", seconds=20, credits_charged=2),  # bought again: other now
    page("ada", ["3.0", "3.1"], "3", seconds=4, total_followers=8),
    page("bob", ["end"], "b9", seconds=21),
    *chain("cat", "c5", "c6", seconds=30),
    page("dan", [], lookup_status="hidden", seconds=40),
    page("dan", ["d"], seconds=50),
    done("dan", "complete", seconds=51),
    done("eve", "stopped", cursor="next", seconds=59),
    *chain("eve", None, ends=False, seconds=60),
    done("eve", "failed", cursor="next", error="Why.", seconds=62),
    page("bob", ["other", 5], "b7", seconds=70, invalid_rows=1),
]


@given(order=st.permutations(range(len(ALL))), where=st.integers(0, 2 ** len(ALL) - 1))
@QUICK
def test_any_order_in_any_number_of_journals_reads_the_same(
    tmp_path: Path, order: Sequence[int], where: int
) -> None:
    """What the lines say does not depend on where they stand."""
    expected = read(tmp_path / "one", *ALL)
    first = [ALL[n] for n in order if where >> n & 1]
    second = [ALL[n] for n in order if not where >> n & 1]
    saved = read_journal(write(tmp_path / "1", *first), write(tmp_path / "2", *second))
    assert saved.handles == expected.handles
    assert list(saved.handles) == sorted(saved.handles)
    assert list(saved.pages()) == list(expected.pages())
    assert saved.pending() == expected.pending()
    assert (saved.credits_charged, saved.maybe_charged) == (expected.credits_charged, 0)
    bob = saved.handles["bob"]
    assert listed(saved)[1] == ("bob", [None, "b1", "b9"])
    assert (bob.pages, bob.followers, bob.credits_charged) == (3, 2 + 1 + 1, 7)
    for handle in saved.handles.values():
        rows = [row for p in saved.pages(handle.handle) for row in p.followers]
        assert len(rows) == handle.followers


def test_one_journal_named_twice_is_read_once(tmp_path: Path, monkeypatch: Any) -> None:
    """By whatever name."""
    write(tmp_path / "j", *chain("a", None))
    (tmp_path / "link").symlink_to("j")
    monkeypatch.chdir(tmp_path)
    saved = read_journal("j", tmp_path / "j", "link", "./j")
    assert (saved.credits_charged, saved.paths) == (1, (Path("./j"),))


@pytest.mark.parametrize(
    ("lines", "maybe_charged"),
    [
        ([], 0),
        ([opened(7)], 7),
        ([opened(None)], 1),
        ([opened(0)], 0),
        ([opened(7), counted("close", 0)], 0),
        (
            [
                opened(7),
                counted("maybe_charged", 2),
                counted("maybe_charged", 5),
                counted("close", 4),
            ],
            4,
        ),
        ([opened(7), counted("maybe_charged", 2), counted("maybe_charged", 5)], 12),
        ([opened(7), opened(3), counted("close", 1)], 8),
        ([opened(2), counted("close", 1), opened(2), counted("maybe_charged", 1), opened(2)], 6),
        # The highest price counts, wherever it was seen.
        ([opened(2), *chain("a", None), page("a", [], "x", credits_charged=5)], 10),
        ([page("a", [], "x", credits_charged=0), opened(2)], 2),
    ],
)
def test_what_else_may_have_been_charged(
    tmp_path: Path, lines: list[Line], maybe_charged: int
) -> None:
    """What each process said last, and for a killed one the pages that may have been on the way."""
    path = write(tmp_path / "j", *lines)
    assert read_journal(path).maybe_charged == maybe_charged
    with Journal(path) as journal:
        assert journal.maybe_charged == maybe_charged
    no_end = write(tmp_path / "no_end", counted("close", 0))
    assert read_journal(path, no_end).maybe_charged == maybe_charged
    other = write(tmp_path / "other", opened(4))
    assert read_journal(path, other).maybe_charged >= maybe_charged + 4


def test_what_a_later_version_adds_is_ignored(tmp_path: Path) -> None:
    """Types and fields."""
    lines = [{**line, "new": {"a": [1]}} for line in chain("a", None, "1")]
    saved = read(tmp_path / "j", {"type": "note", "text": "x"}, *lines)
    assert saved.handles["a"].status == "complete"
    assert saved.broken_lines == 0


@pytest.mark.parametrize("garbage", ["{", "x" * 50, '{"type":"page","at":1}', "", "a\0b"])
def test_a_broken_line_in_the_middle_costs_itself(
    tmp_path: Path, garbage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is left out with a warning; nothing is written behind it, and nothing is deleted."""
    lines = chain("a", None, "1", "2")
    text = write(tmp_path / "j", *lines).read_text().splitlines(keepends=True)
    broken = "".join([*text[:2], f"{garbage}\n", *text[2:]])
    (tmp_path / "j").write_text(broken)
    with caplog.at_level(logging.WARNING):
        saved = read_journal(tmp_path / "j")
    assert caplog.messages == [
        f"{tmp_path / 'j'}: line 3 is not a line of a journal and is left out"
    ]
    assert saved.broken_lines == 1
    assert listed(saved) == [("a", [None, "1", "2"])]
    with pytest.raises(JournalError, match=r"line 3 is not a line.* delete the line in a copy"):
        with Journal(tmp_path / "j"):
            pass
    assert (tmp_path / "j").read_text() == broken


def test_several_broken_lines_are_counted(tmp_path: Path) -> None:
    """Also the last one, when it is whole: no crash leaves that behind."""
    text = write(tmp_path / "j", *chain("a", None)).read_text()
    (tmp_path / "j").write_text(f"{text}x\n\0\n{text.splitlines()[1]}\nhello\n")
    saved = read_journal(tmp_path / "j")
    assert saved.broken_lines == 3
    with pytest.raises(JournalError, match="line 3"):
        with Journal(tmp_path / "j"):
            pass


def test_a_journal_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    """A last line that is not whole yet is left out and left alone, lock or no lock."""
    path = tmp_path / "j"
    text = write(path, *chain("a", None, "1")).read_bytes()
    with Journal(path):
        for size in range(len(text)):
            path.write_bytes(text[:size])
            saved = read_journal(path)
            assert saved.broken_lines == 0
            whole = text[:size].count(b"\n") + (text[size : size + 1] == b"\n")
            assert sum(1 for _ in saved.pages()) == saved.credits_charged == max(0, whole - 1)
        assert path.read_bytes() == text[:-1]


HEADER = {"type": "header", "version": 2, "made_by": "x", "at": at(0)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"ada\nbob\n", "not a journal"),
        (b"ada", "not a journal"),
        (b"\n", "not a journal"),
        (b"\0" * 100, "not a journal"),
        (b"\0" * 100 + b"\n", "not a journal"),
        (b'{"type":"head', None),
        (b'{"type":"header","at":"20', None),
        (b'{"type":"headers"', "not a journal"),
        (b'{"type":"page"}\n', "not a journal"),
        (b'{"type":"header"}\n', "not a journal"),
        (as_line(HEADER | {"version": 3}), "version 3"),
        (b'{"type":"header","version":3,"new":"shape"}\n', "version 3"),
        (as_line(HEADER | {"version": "1b"}), "version 1b"),
        (as_line(HEADER | {"later": 1}), None),
        (b"", None),
    ],
)
def test_what_is_not_a_journal_is_left_as_it_is(
    tmp_path: Path, content: bytes, says: str | None
) -> None:
    """By reading and by writing; what is only the beginning of a header is a journal's."""
    path = tmp_path / "j"
    path.write_bytes(content)
    if says is None:
        assert read_journal(path).handles == {}
        with Journal(path) as journal:
            assert journal.pending() == {}
        assert read_journal(path).broken_lines == 0
        return
    for use in (lambda: read_journal(path), Journal(path).__enter__):
        with pytest.raises(JournalError, match=f"{re.escape(str(path))} is .*{says}.*left as it"):
            use()
    assert path.read_bytes() == content


def test_a_journal_that_is_not_there_or_is_changed(tmp_path: Path) -> None:
    """It is a sentence with its name."""
    with pytest.raises(JournalError, match=r"no.journal cannot be read: No such file"):
        read_journal(tmp_path / "no.journal")
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path)
    with pytest.raises(ValueError, match="no journal was named"):
        read_journal()
    path = write(tmp_path / "j", *chain("a", None, "1"))
    saved = read_journal(path)
    pages = saved.pages()
    assert next(pages).cursor is None
    path.write_bytes(b"something else")
    with pytest.raises(JournalError, match="changed while it was read"):
        list(saved.pages())
    path.unlink()
    with pytest.raises(JournalError, match="cannot be read"):
        list(saved.pages())
    pages.close()  # type: ignore[attr-defined]


@given(
    when=st.datetimes(
        datetime(1971, 1, 1),  # noqa: DTZ001 - made aware below
        datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
@QUICK
def test_times_come_back_to_the_microsecond(tmp_path: Path, when: datetime) -> None:
    """They pass through a column of floats."""
    line = page("a", []) | {"at": when.isoformat()}
    saved = read(tmp_path / "j", line)
    assert saved.handles["a"].first_at == saved.handles["a"].last_at == when
    assert next(saved.pages()).at == when


@pytest.mark.parametrize("word", ["complete", "failed", "missing_cursor", "max_pages", "stopped"])
def test_a_word_of_the_vendor_is_no_status_of_ours(tmp_path: Path, word: str) -> None:
    """A profile whose lookup status is spelled like one is unavailable, and never a whole list."""
    saved = read_journal(write(tmp_path / "j", page("a", [], lookup_status=word)))
    found = saved.handles["a"]
    assert (found.status, found.lookup_status, found.finished) == ("unavailable", word, True)
    assert found.error is None
    assert saved.pending() == {}


def test_a_copy_with_other_line_breaks_is_read(tmp_path: Path) -> None:
    """A copy that went through a mail or FTP still has every page, and more can follow."""
    journal = write(tmp_path / "j", *chain("ada", None, "1"), done("ada", "complete", seconds=9))
    journal.write_bytes(journal.read_bytes().replace(b"\n", b"\r\n"))
    saved = read_journal(journal)
    assert (saved.broken_lines, saved.handles["ada"].status) == (0, "complete")
    with Journal(journal) as opened_again:
        assert opened_again.pending(["ada", "bo"]) == {"bo": None}


def test_a_page_that_is_there_twice_was_paid_once(tmp_path: Path) -> None:
    """A journal that was copied behind itself, or is read with its copy, costs what it did."""
    journal = write(tmp_path / "j", *chain("ada", None, "1"), done("ada", "complete", seconds=9))
    copy = tmp_path / "k"
    copy.write_bytes(2 * journal.read_bytes())
    for saved in (read_journal(copy), read_journal(journal, copy)):
        assert (saved.credits_charged, saved.handles["ada"].credits_charged) == (2, 2)
        assert listed(saved) == [("ada", [None, "1"])]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no pipes in folders")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """What is not a file is no journal: nobody may ever write to it."""
    os.mkfifo(tmp_path / "j")
    with pytest.raises(JournalError, match="it is not a file"):
        read_journal(tmp_path / "j")
