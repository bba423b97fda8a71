"""The report: its numbers, its page, and what a real browser makes of it."""

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from socialfetch_async.emulator import Emulator
from socialfetch_async.errors import ExportError, JournalError
from socialfetch_async.journal.journal import Journal
from socialfetch_async.report import write_report
from socialfetch_async.report.figures import PAUSE, Work
from socialfetch_async.report.words import duration, number, share
from tests.browser import CONTRASTS, OVERFLOW, browser
from tests.conftest import MakeClient
from tests.journals import at, done, page, write

HEADINGS = [
    "Outcomes",
    "Credits",
    "Lists shorter than the API's count",
    "Age of the lists",
    "Gained and lost followers",
    "Pages over time",
    "Credits per handle",
    "Errors",
    "Slowest handles",
    "Left to do",
]
VOID = {"meta", "br", "link"}


class Parsed(HTMLParser):
    """A page as a parser sees it.

    Attributes:
        texts: The text in each element, by the name of the element.
        tables: For each table, its rows with the text of each cell.
        attributes: All attributes, as (element, name, value).
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self._open: list[str] = []
        self.texts: defaultdict[str, list[str]] = defaultdict(list)
        self.tables: dict[str, list[list[str]]] = {}
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        given = dict(attrs)
        if "aria-label" in given:
            self.tables[given["aria-label"] or ""] = []
        if tag == "tr":
            list(self.tables.values())[-1].append([])
        if tag in {"td", "th"}:
            list(self.tables.values())[-1][-1].append("")
        if tag not in VOID:
            self._open.append(tag)
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in self._open:
            self.texts[tag][-1] += data
        if "td" in self._open or "th" in self._open:
            list(self.tables.values())[-1][-1][-1] += data

    @property
    def tiles(self) -> dict[str, str]:
        """The summary: name to figure and note."""
        return dict(zip(self.texts["dt"], self.texts["dd"], strict=True))


def reported(tmp_path: Path, *lines: dict[str, Any], name: str = "a.journal") -> Parsed:
    """Write a journal and its report; return the report."""
    output = tmp_path / "report.html"
    write_report(write(tmp_path / name, *lines), output)
    return Parsed(output.read_text(encoding="utf-8"))


def batch() -> list[dict[str, Any]]:
    """Return a journal of every kind of outcome."""
    error = "503 try later [handle '%s', cursor 'c', 6 attempts] Everything before was delivered."
    return [
        {"type": "open", "at": at(0), "concurrency": 4},
        page("ada", ["x", "y"], None, "1", seconds=1),
        page("Bo", ["x"], None, "1", seconds=2),
        page("ada", ["z"], "1", None, seconds=11),
        done("ada", "complete", seconds=11),
        page("shy", [], lookup_status="private", total_followers=None, seconds=12),
        done("shy", "private", seconds=12),
        done("Bo", "failed", seconds=14, cursor="1", error=error % "Bo"),
        page("cy", ["x"], None, "1", seconds=15),
        done("cy", "failed", seconds=16, cursor="1", error=error % "cy"),
        done("dee", "failed", seconds=17, error="the name cannot be found"),
        page("eve", ["x"], None, "1", seconds=18, credits_charged=3),
        page("eve", ["x"], None, "1", seconds=19, credits_charged=3),
        done("eve", "max_credits", seconds=21, cursor="1"),
        {"type": "close", "at": at(21), "maybe_charged": 2, "retries": 7},
    ]


def test_the_summary_has_the_figures(tmp_path: Path) -> None:
    """Handles, followers, pages, credits charged, possibly charged and to finish, time and rate."""
    assert reported(tmp_path, *batch()).tiles == {
        "Handles done": "2of 6",
        "Followers": "6of 36 by the API's count",
        "Pages": "61 follower per page",
        "Pages per second": "0.3",
        "Credits charged": "113 for pages bought again",
        "Possibly charged": "2at most, for requests without a response",
        "Credits to finish": "73at least",
        "Duration": "20 s2026-11-22 12:00:01 to 12:00:21 UTC",
    }


def test_the_tables_have_the_handles(tmp_path: Path) -> None:
    """Outcomes in a fixed order, the dearest and slowest handles first, errors grouped."""
    parsed = reported(tmp_path, *batch())
    assert parsed.texts["h1"] == ["Followers of 6 TikTok handles"]
    assert parsed.texts["h2"] == HEADINGS
    assert parsed.texts["title"][0] == "Followers of 6 TikTok handles: report on a.journal"
    assert parsed.tables == {
        "Handles by outcome": [
            ["Outcome", "Handles", "Share", "Followers", "Credits"],
            ["completethe whole list", "1", "16.7 %", "3", "2"],
            ["max_creditsreached the credit limit", "1", "16.7 %", "1", "6"],
            ["privatethe profile is private", "1", "16.7 %", "0", "1"],
            ["failedended with an error", "3", "50.0 %", "2", "2"],
        ],
        "Credits": [
            ["", "Credits"],
            ["Chargedconfirmed by the API", "11"],
            ["Possibly chargedat most, for requests without a response", "2"],
            ["Retriesnot counted for a session that was killed", "7"],
        ],
        "Short lists": [
            ["Handle", "Followers", "API's count", "Share"],
            ["ada", "3", "9", "33.3 %"],
        ],
        "Credits per handle": [
            ["Handle", "", "Credits", "Of all", "Followers", "API's count", "Outcome"],
            ["eve", "", "6", "54.5 %", "1", "9", "max_credits"],
            ["ada", "", "2", "18.2 %", "3", "9", "complete"],
            ["Bo", "", "1", "9.1 %", "1", "9", "failed"],
            ["cy", "", "1", "9.1 %", "1", "9", "failed"],
            ["shy", "", "1", "9.1 %", "0", "", "private"],
            ["dee", "", "0", "0 %", "0", "", "failed"],
        ],
        "Errors": [
            ["Handles", "Error"],
            ["2", "503 try later Everything before was delivered.Bo, cy"],
            ["1", "the name cannot be founddee"],
        ],
        "Slowest handles": [
            ["Handle", "", "Time", "Pages", "Per page", "Outcome"],
            ["Bo", "", "12 s", "1", "12 s", "failed"],
            ["ada", "", "10 s", "2", "5 s", "complete"],
            ["eve", "", "2 s", "1", "2 s", "max_credits"],
            ["cy", "", "1 s", "1", "1 s", "failed"],
        ],
        "Left to do": [
            ["Handle", "Followers", "API's count", "The same command"],
            ["Bofailed", "1", "9", "resumes the list at the cursor1"],
            ["cyfailed", "1", "9", "resumes the list at the cursor1"],
            ["deefailed", "0", "", "reads the list from its top"],
            ["evemax_credits", "1", "9", "resumes the list at the cursor1"],
        ],
    }
    name, state, *notes = parsed.texts["p"][:4]
    assert name == "Report on a.journal"
    assert state == (
        "Stopped at the credit limit: 2 of 6 handles done. Left: 1 with a part of the list, 3 "
        "failed. To finish: about 72 credits and at least 1 credit for 1 handle without a count "
        "by the API. With a higher limit, the same command resumes each list and buys no saved "
        "page again."
    )
    assert notes == [
        "1 complete list has less than 90 % of the followers that the API counts: ada.",
        "Newest data from 2026-11-22.",
    ]


def test_the_page_is_whole_and_needs_nothing_else(tmp_path: Path) -> None:
    """No script, no address of anything else, a title for every picture, a name for every table."""
    parsed = reported(tmp_path, *batch())
    html = (tmp_path / "report.html").read_text()
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<img|<iframe| on\w+=", html)
    assert {name for _, name, _ in parsed.attributes}.isdisjoint({"src", "href", "style", "id"})
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert ("meta", "content", policy) in parsed.attributes
    pictures = [value for tag, name, value in parsed.attributes if (tag, name) == ("svg", "role")]
    hidden = [v for tag, name, v in parsed.attributes if (tag, name) == ("svg", "aria-hidden")]
    assert (len(pictures), len(hidden)) == (2, 6 + 4)
    assert [title for title in parsed.texts["title"] if title[:7] in {"Handles", "7 pages"}] == [
        "Handles by outcome: complete 1, max_credits 1, private 1, failed 3",
    ]
    assert "6 pages over 18 s" in parsed.texts["title"]


HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</title></style><svg onload=alert(1)>",
    "\u202eevil\u202c \u0645\u0631\u062d\u0628\u0627",
    "\x00\x1b[31m\x7f\x9b",
    "&lt;b&gt; &amp; ${name} {0} %s",
    "]]> --> <!--",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(tmp_path: Path, text: str) -> None:
    """What the API or a file name says is shown as it is and never becomes markup."""
    shown = re.sub("[\x00\x1b\x7f\x9b]", "\ufffd", text)
    parsed = reported(
        tmp_path,
        page(text, ["x"], None, text, seconds=1),
        page("other", [], lookup_status=text, seconds=3),
        done(text, "failed", seconds=4, cursor=text, error=text),
        name=f"{text.translate({0: None, 47: None})}.journal",
    )
    assert parsed.tables["Credits per handle"][1][0] == shown
    assert [row[-1] for row in parsed.tables["Errors"][1:]] == [shown + shown]
    assert parsed.tables["Left to do"][1][-1] == f"resumes the list at the cursor{shown}"
    assert parsed.tables["Handles by outcome"][-1][0].startswith(shown)
    assert shown.replace("/", "").lstrip("\ufffd") in parsed.texts["h1"][0] + parsed.texts["p"][0]
    assert set(parsed.texts).isdisjoint({"script", "img"})
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]


def test_ten_thousand_handles_make_a_page_that_can_be_read(tmp_path: Path) -> None:
    """Tables are cut and say so; the page does not grow with the batch."""
    lines = [
        line
        for i in range(10_000)
        for line in (
            page(f"u{i:05}", [], None, "1", seconds=i, credits_charged=i),
            done(f"u{i:05}", f"word{i}" if i % 2 else "failed", seconds=i + 1, error=f"error {i}"),
        )
    ]
    parsed = reported(tmp_path, *lines)
    assert {name: len(rows) - 1 for name, rows in parsed.tables.items()} == {
        "Handles by outcome": 2,
        "Credits": 3,
        "Credits per handle": 20,
        "Errors": 20,
        "Slowest handles": 20,
        "Left to do": 100,
    }
    notes = "\n".join(parsed.texts["p"])
    assert "The 20 of 10,000 handles with the most credits." in notes
    assert "The 20 of 5,000 most frequent errors." in notes
    assert "The 20 of 10,000 handles with the longest time from their first page" in notes
    assert "The 100 of 10,000 handles in the order of the alphabet." in notes
    assert parsed.tables["Credits per handle"][1][:3] == ["u09999", "", "9,999"]
    assert (tmp_path / "report.html").stat().st_size < 100_000


def test_ten_thousand_outcomes_and_long_texts_are_cut(tmp_path: Path) -> None:
    """Words of the API are shown up to a length, the known outcomes first."""
    lines = [page(f"u{i}", [], lookup_status=f"{i:04}" + "x" * 9_000) for i in range(200)]
    parsed = reported(
        tmp_path, *lines, done("bo", "failed", error="y" * 9_000), page("cy", [], None, "z" * 9_000)
    )
    table = parsed.tables["Handles by outcome"]
    assert [row[0] for row in table[1:3]] == [
        "unfinishedno end was written: still running, or killed",
        "failedended with an error",
    ]
    assert (len(table), len(table[-1][0])) == (21, 300 + len("no list, in the API's own word"))
    assert "The 20 of 202 outcomes." in parsed.texts["p"]
    assert len(parsed.tables["Errors"][1][1]) == 300 + len("bo")
    assert parsed.tables["Left to do"][2][-1].endswith("cursor" + "z" * 79 + "\u2026")
    assert (tmp_path / "report.html").stat().st_size < 100_000


def test_one_error_of_many_handles_is_one_row(tmp_path: Path) -> None:
    """Three handles are named, the others counted; what differs is only the position."""
    error = "no answer came [handle 'u{0}', cursor '[{0}]', 6 attempts] Go on later."
    lines = [done(f"u{i}", "failed", error=error.format(i)) for i in range(1_500)]
    assert reported(tmp_path, *lines).tables["Errors"][1:] == [
        ["1,500", "no answer came Go on later.u0, u1, u10 and 1,497 more"]
    ]


def test_an_empty_journal_has_a_report(tmp_path: Path) -> None:
    """Before the first page every section says why it is empty."""
    parsed = reported(tmp_path)
    assert parsed.texts["p"] == [
        "Report on a.journal",
        "Nothing is in this journal yet: no page has arrived and no handle has ended.",
        "No handle has started.",
        "The journal does not have the account's balance before and after.",
        "No complete list has less than 90 % of the followers that the API counts.",
        "No page has arrived.",
        "No list was read twice: there is nothing to compare.",
        "No page has arrived.",
        "Nothing was bought.",
        "No handle ended with an error.",
        "No handle took more than one page.",
        "Nothing is left of the handles that have started.",
    ]
    assert parsed.tiles["Duration"] == "0 s"
    assert parsed.tiles["Pages per second"] == "0"
    assert parsed.texts["h2"] == HEADINGS


def test_a_journal_that_is_being_written_has_a_report(tmp_path: Path) -> None:
    """A torn last line is left out; what may be in flight is possibly charged; nothing changes."""
    path = write(
        tmp_path / "a.journal",
        {"type": "open", "at": at(0), "concurrency": 4},
        page("ada", ["x"], None, "1", seconds=1),
        page("ada", ["y"], "1", "2", seconds=2),
    )
    path.write_bytes(path.read_bytes() + b'{"type":"page","at":"2026-')
    before = path.read_bytes()
    write_report(path, tmp_path / "report.html")
    parsed = Parsed((tmp_path / "report.html").read_text())
    assert path.read_bytes() == before
    assert parsed.tiles["Pages"] == "21 follower per page"
    assert parsed.tiles["Possibly charged"].startswith("4at most")
    assert parsed.tables["Left to do"][1:] == [
        ["adaunfinished", "2", "9", "resumes the list at the cursor2"]
    ]


def test_finished_and_broken(tmp_path: Path) -> None:
    """A finished batch says so; a line that cannot be read is counted."""
    path = write(
        tmp_path / "a.journal",
        page("ada", ["x"], total_followers=1),
        page("bo", ["x"], total_followers=1),
    )
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], b"{broken}\n", *lines[2:]]))
    write_report(path, tmp_path / "report.html")
    assert Parsed((tmp_path / "report.html").read_text()).texts["p"][1:3] == [
        "Finished: 2 of 2 handles done. Nothing is left to buy.",
        "1 line of the journal cannot be read and is missing here.",
    ]


def test_several_journals_are_one_report(tmp_path: Path) -> None:
    """Shards are added up; their names are shown as far as there is room."""
    paths = [
        write(
            tmp_path / f"{i}.journal",
            page(f"u{i}", ["x"], seconds=i),
            page("ada", ["x"], seconds=10 + i),
        )
        for i in range(5)
    ]
    write_report(paths, tmp_path / "report.html")
    parsed = Parsed((tmp_path / "report.html").read_text())
    assert parsed.texts["p"][0] == "Report on 0.journal, 1.journal, 2.journal and 2 more journals"
    assert parsed.tiles["Handles done"] == "6of 6"
    assert "handles that have not started are not counted." in "".join(parsed.texts["p"])
    assert parsed.tiles["Pages"] == "61 follower per page"
    assert parsed.tiles["Credits charged"] == "104 for pages bought again"


def test_the_same_journal_makes_the_same_report(tmp_path: Path) -> None:
    """Byte for byte, also from the same lines in another order."""
    write_report(write(tmp_path / "a.journal", *batch()), tmp_path / "1.html")
    write_report(tmp_path / "a.journal", tmp_path / "2.html")
    first, *lines, last = batch()
    random.Random(5).shuffle(lines)
    (tmp_path / "other").mkdir()
    write_report(write(tmp_path / "other" / "a.journal", first, *lines, last), tmp_path / "3.html")
    contents = {(tmp_path / f"{i}.html").read_bytes() for i in (1, 2, 3)}
    assert len(contents) == 1


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    """A file in the place of a folder is a sentence, and so is a journal in that of the report."""
    journal = write(tmp_path / "a.journal", *batch())
    before = journal.read_bytes()
    with pytest.raises(
        ExportError, match=r"a.journal/r.html was not written: Not a directory.*journal has"
    ):
        write_report(journal, tmp_path / "a.journal" / "r.html")
    other = write(tmp_path / "b.journal")
    for output in (journal, other):
        with pytest.raises(ExportError, match="is a journal"):
            write_report(journal, output)
    with pytest.raises(JournalError, match="missing"):
        write_report(tmp_path / "missing", tmp_path / "r.html")
    assert journal.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.journal", "b.journal"]


async def test_the_report_of_a_real_run(tmp_path: Path, client_of: MakeClient) -> None:
    """Under faults, what the report says was charged is what the API's ledger has."""
    profiles: dict[str, Any] = {"ada": 90, "bo": 250, "cy": "private", "dee": 0, "eve": 130}
    journal_path = tmp_path / "a.journal"
    with Journal(journal_path) as journal:
        async with Emulator(profiles, faults={"503": 0.2, "drop": 0.1}, seed=3) as api:
            api.script("eve", None, *["502"] * 6)
            async with client_of(api).iter_followers_many(list(profiles), concurrency=3) as run:
                async for _ in journal.record(run):
                    pass
            charged = len(api.charges)
            maybe = run.maybe_charged
    write_report(journal_path, tmp_path / "report.html")
    parsed = Parsed((tmp_path / "report.html").read_text())
    assert parsed.tiles["Handles done"] == "4of 5"
    assert parsed.tiles["Followers"].startswith("360")
    assert parsed.tiles["Credits charged"].startswith(str(run.credits_charged))
    assert parsed.tiles["Possibly charged"].startswith(str(maybe))
    assert parsed.tables["Credits"][3][1] == str(run.retries) != "0"
    assert run.credits_charged <= charged <= run.credits_charged + maybe
    assert parsed.tables["Errors"][1][1].endswith("Resume from the same cursor.eve")
    assert "[handle" not in parsed.tables["Errors"][1][1]
    assert parsed.tables["Left to do"][1][:3] == ["evefailed", "20", "130"]


# -- figures ------------------------------------------------------------------------------------


def test_pauses_are_no_work(tmp_path: Path) -> None:
    """What lies between two runs on a journal is in no duration, rate or column."""
    times = [0, 10, 10 + PAUSE, 90_000, 90_010]
    parsed = reported(
        tmp_path,
        *(page("ada", ["x"], str(i), str(i + 1), seconds=s) for i, s in enumerate(times)),
    )
    assert parsed.tiles["Duration"] == "5 min 20 s2026-11-22 12:00:00 to 2026-11-23 13:00:10 UTC"
    assert parsed.tiles["Pages per second"] == "0.0156pauses left out"
    assert parsed.tables["Slowest handles"][1][2:5] == ["5 min 20 s", "5", "1 min 4 s"]
    assert parsed.texts["figcaption"][0] == (
        "A column is 5 s; the highest is 2 pages. The first page arrived 2026-11-22 12:00:00 UTC. "
        "1 pause of more than 5 min is left out (dashed)."
    )
    assert ("path", "d", "M953.85 0V180") in parsed.attributes


@pytest.mark.parametrize(
    ("times", "step", "counts"),
    [
        ([0.0], 0.01, [1]),
        ([0.0, 0.0, 1.0], 0.01, [2, *[0] * 99, 1]),
        ([0.0, 1.01], 0.02, [1, *[0] * 49, 1]),
        ([0.0, 3_600.0], 60, [1, *[0] * 59, 1]),
        ([0.0, 86_400.0 * 49], 43_200, [1, *[0] * 97, 1]),
        ([0.0, 86_400.0 * 1_000], 864_000, [1, *[0] * 99, 1]),
    ],
)
def test_columns_of_time(times: Sequence[float], step: float, counts: list[int]) -> None:
    """A column is a round time, and there are at most 101."""
    assert Work(times, []).columns() == (step, counts)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.014, "0.01 s"),
        (9.87, "9.87 s"),
        (59.99, "60 s"),
        (60, "1 min"),
        (61.6, "1 min 2 s"),
        (3_599.7, "1 h"),
        (7_260, "2 h 1 min"),
        (90_000, "1 d 1 h"),
        (864_000, "10 d"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Two units are enough."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "0 %"),
        (0, 5, "0 %"),
        (5, 5, "100 %"),
        (1, 3, "33.3 %"),
        (1, 9_999, "0.1 %"),
        (9_998, 9_999, "99.9 %"),
    ],
)
def test_shares(part: int, whole: int, text: str) -> None:
    """One handle of many is not rounded away, neither there nor missing."""
    assert share(part, whole) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0156, "0.0156"), (3, "3"), (17.25, "17.2"), (1234.5, "1,234")],
)
def test_numbers(value: float, text: str) -> None:
    """Three digits are enough, but no digit of a large number is left out."""
    assert number(value) == text


# -- a browser ----------------------------------------------------------------------------------


@pytest.mark.browser
async def test_the_page_in_a_browser(tmp_path: Path) -> None:
    """It loads nothing, complains of nothing, fits, and is legible, in every mode."""
    hostile = [done(f"u{i}", "failed", error=text) for i, text in enumerate(HOSTILE)]
    journal = write(tmp_path / "a.journal", *batch(), *hostile, page("u" * 64, [], None, "c" * 999))
    report = tmp_path / "report.html"
    write_report(journal, report)
    async with browser(tmp_path / "profile") as tab:
        for scheme in ("light", "dark"):
            for width in (1280, 390, 320):
                await tab.show(report, width=width, scheme=scheme)
                assert await tab.value("innerWidth") == width
                assert await tab.value(OVERFLOW) == 0
                contrasts = await tab.value(CONTRASTS)
                assert len(contrasts) > 15
                assert {k: v for k, v in contrasts.items() if v < 4.5} == {}
        text = await tab.value("document.body.innerText")
        assert "Credits charged\n12\n" in text
        assert all(heading in text for heading in HEADINGS)
        assert set(tab.requests) == {report.as_uri()}
        assert tab.complaints == []


@pytest.mark.browser
async def test_the_browser_sees_what_it_should(tmp_path: Path) -> None:
    """A page that loads, throws, overflows and cannot be read is found out."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<meta name=viewport content='width=device-width'>"
        "<body style='background:#fff'><p style='color:#aaa;width:2000px'>x"
        "<img src=missing.png><script>console.error('no'); throw Error('no')</script>"
    )
    async with browser(tmp_path / "profile") as tab:
        await tab.show(bad, width=390)
        assert await tab.value(OVERFLOW) > 1_600
        assert min((await tab.value(CONTRASTS)).values()) < 3
        assert set(tab.requests) == {bad.as_uri(), bad.with_name("missing.png").as_uri()}
        assert len(tab.complaints) == 3
