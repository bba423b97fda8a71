"""The report of a whole job: what lacks, what it would cost, how old it is, what changed."""

from pathlib import Path
from typing import Any

import pytest

from socialfetch_async.batch import export_followers
from socialfetch_async.emulator import Emulator
from socialfetch_async.report import write_report
from tests.conftest import MakeClient
from tests.journals import FIRST, at, done, page
from tests.report.test_report import Parsed, reported

SECOND = FIRST.replace("22T", "23T")
THIRD = FIRST.replace("22T", "24T")
DAY = 86_400.0


def asked_for(handles: int, kind: str = "first", work: str = FIRST) -> dict[str, Any]:
    """Return the line that says what the job is."""
    return {"type": "work", "at": at(0), "work": work, "kind": kind, "handles": handles}


def balance(credits_: int, seconds: float) -> dict[str, Any]:
    """Return the line of a balance."""
    return {"type": "balance", "at": at(seconds), "balance": credits_}


def whole(handle: str, rows: list[str], **fields: Any) -> dict[str, Any]:
    """Return the one page of a complete list."""
    return page(handle, rows, total_followers=len(rows), **fields)


def test_an_interrupted_job_says_so_at_the_top(tmp_path: Path) -> None:
    """195 of 200, though the journal knows only 198; what is left, and its price."""
    parsed = reported(
        tmp_path,
        asked_for(200),
        *(whole(f"u{i:03}", ["x"]) for i in range(195)),
        page("va", ["x"] * 20, None, "c", total_followers=70),
        page("vb", ["x"] * 20, None, "c", total_followers=30),
        done("vb", "stopped", cursor="c"),
        done("vc", "failed", error="no response"),
    )
    assert parsed.texts["h1"] == ["Followers of 200 TikTok handles"]
    assert parsed.texts["p"][1] == (
        "Interrupted: 195 of 200 handles done. Left: 2 with a part of the list, 1 failed, "
        "2 not started. To finish: about 4 credits and at least 3 credits for 3 handles without a "
        "count by the API. The same command resumes each list and buys no saved page again."
    )
    assert parsed.tiles["Handles done"] == "195of 200; 2 not started"
    assert parsed.tiles["Credits to finish"] == "7at least"
    outcomes = parsed.tables["Handles by outcome"]
    assert outcomes[-1] == ["not startednothing of it is in the journal", "2", "1.0 %", "0", "0"]
    assert "2 handles have not started: their names are not here." in parsed.texts["p"]
    assert [row[0] for row in parsed.tables["Left to do"][1:]] == [
        "vaunfinished",
        "vbstopped",
        "vcfailed",
    ]


def test_only_handles_that_have_not_begun_are_left(tmp_path: Path) -> None:
    """Their least price is named as that."""
    parsed = reported(tmp_path, asked_for(2), whole("ada", ["x"]))
    assert parsed.texts["p"][1] == (
        "Interrupted: 1 of 2 handles done. Left: 1 not started. To finish: at least 1 credit for "
        "1 handle not started. The same command resumes each list and buys no saved page again."
    )


def test_a_job_that_is_asked_for_and_has_no_page(tmp_path: Path) -> None:
    """Its size is known."""
    parsed = reported(tmp_path, asked_for(3))
    assert parsed.texts["p"][1].endswith("no handle has ended. 3 handles are asked for.")


def test_lists_at_a_cap_are_done(tmp_path: Path) -> None:
    """The same command buys nothing more of them, so nothing is left; it is said."""
    parsed = reported(
        tmp_path,
        page("ada", ["x"], None, "1", total_followers=900),
        done("ada", "max_followers", cursor="1"),
        whole("bo", ["x"]),
    )
    assert parsed.texts["p"][1] == (
        "Finished: 2 of 2 handles done. Nothing is left to buy. 1 list ends at the limit of "
        "pages or followers that was asked for; a higher limit buys more."
    )
    assert parsed.tiles["Credits to finish"] == "0nothing is left to buy"


def test_a_list_that_begins_at_a_cursor_is_done_and_named(tmp_path: Path) -> None:
    """It was asked for from there. Where a line is broken, that cannot be told."""
    parsed = reported(tmp_path, page("ada", ["x"], "c", None, total_followers=1))
    assert parsed.texts["p"][1].startswith("Finished: 1 of 1 handle done.")
    assert parsed.texts["p"][2] == (
        "1 list begins at a cursor: the followers before it are not here."
    )
    journal = tmp_path / "a.journal"
    header, first = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(header + b"{broken}\n" + first)
    write_report(journal, tmp_path / "report.html")
    again = Parsed((tmp_path / "report.html").read_text())
    assert again.texts["p"][1].startswith("Not finished: 0 of 1 handle done.")


def test_a_cursor_that_the_api_refuses_is_named(tmp_path: Path) -> None:
    """The same command does not help; the one that does is named."""
    parsed = reported(
        tmp_path,
        page("ada", ["x"], None, "1"),
        done("ada", "failed", cursor="1", error="400", reason="refused", seconds=1),
    )
    assert parsed.texts["p"][2] == (
        "The API refuses to continue 1 list: ada. The option --refresh all reads them from the top."
    )


@pytest.mark.parametrize(
    ("last", "taken", "text"),
    [
        (993, 7, "The balance agrees with what was counted."),
        (991, 9, "The balance agrees with what was counted."),
        (
            980,
            20,
            "11 credits that were taken are not counted here: other programs may have used them.",
        ),
        (
            999,
            1,
            "The balance fell by 6 less than was charged: credits were added meanwhile.",
        ),
    ],
)
def test_the_balance_stands_beside_what_was_counted(
    tmp_path: Path, last: int, taken: int, text: str
) -> None:
    """Charged, possibly charged, and what the account lost meanwhile."""
    parsed = reported(
        tmp_path,
        balance(1_000, 0),
        {"type": "open", "at": at(0), "concurrency": 4},
        whole("ada", ["x"], credits_charged=7, seconds=1),
        {"type": "close", "at": at(2), "maybe_charged": 2},
        balance(last, 3),
    )
    assert parsed.tables["Credits"][1:] == [
        ["Chargedconfirmed by the API", "7"],
        ["Possibly chargedat most, for requests without a response", "2"],
        ["Retriesnot counted for a session that was killed", "0"],
        ["Balance before2026-11-22 12:00:00 UTC", "1,000"],
        ["Balance after2026-11-22 12:00:03 UTC", f"{last:,}"],
        ["Taken from the balancebetween the two", f"{taken:,}"],
        ["Counted in the journalbetween the two, and possibly 2 more", "7"],
    ]
    assert text in parsed.texts["p"]


def test_another_api_is_named(tmp_path: Path) -> None:
    """As text, not as a link; the vendor's own is not worth a word."""
    header = {"type": "header", "version": 2, "made_by": "tests", "at": at(0)}
    emulated = header | {"origin": "http://127.0.0.1:8080"}
    parsed = reported(tmp_path, emulated, whole("ada", ["x"]))
    assert parsed.texts["p"][2] == (
        "These pages come from another API than the vendor's: http://127.0.0.1:8080."
    )
    assert "a" not in parsed.texts
    vendor = header | {"origin": "https://api.socialfetch.dev:443"}
    assert "vendor" not in "".join(reported(tmp_path, vendor, whole("ada", ["x"])).texts["p"])


def test_short_lists_are_named(tmp_path: Path) -> None:
    """Those below 90 % of the API's count, the ones that lack most first."""
    parsed = reported(
        tmp_path,
        page("ada", ["x"] * 9, total_followers=10),
        page("bo", ["x"] * 8, total_followers=10),
        page("cy", ["x"] * 8, total_followers=100),
    )
    assert parsed.tables["Short lists"][1:] == [
        ["cy", "8", "100", "8.0 %"],
        ["bo", "8", "10", "80.0 %"],
    ]
    assert parsed.texts["p"][2] == (
        "2 complete lists have less than 90 % of the followers that the API counts: bo, cy."
    )


def test_the_age_of_each_list_is_counted(tmp_path: Path) -> None:
    """Dates, so that the same journal makes the same page on every day."""
    lines = [whole(f"u{i}", ["x"], seconds=DAY * (i // 2)) for i in range(5)]
    parsed = reported(tmp_path, *lines)
    assert "Newest data from 2026-11-24, oldest from 2026-11-22." in parsed.texts["p"]
    assert parsed.tables["Age of the lists"][1:] == [
        ["2026-11-24", "", "1", "1"],
        ["2026-11-23", "", "2", "2"],
        ["2026-11-22", "", "2", "2"],
    ]


def test_an_open_refresh_is_named(tmp_path: Path) -> None:
    """With what is left of it and its price; the lists are those of before."""
    parsed = reported(
        tmp_path,
        asked_for(3),
        whole("ada", ["x"]),
        page("bo", ["x"] * 20, None, None, total_followers=20),
        page("cy", [], lookup_status="private", total_followers=None),
        asked_for(3, "all", SECOND),
        {"type": "open", "at": at(DAY), "pid": 7, "concurrency": 0, "work": SECOND},
        page("ada", ["y"], None, None, reading=SECOND, seconds=DAY, total_followers=1),
        page("bo", ["y"] * 10, None, "1", reading=SECOND, seconds=DAY, total_followers=30),
    )
    assert parsed.texts["p"][1] == (
        "Refresh not finished (all): 1 of 3 handles done, 2 credits so far. Left: 2 to refresh. To "
        "finish: about 1 credit and at least 1 credit for 1 handle without a count by the API. The "
        "same command with --refresh all continues it. Until then this report shows the lists as "
        "they were before."
    )
    assert parsed.tables["Left to do"][1:] == [
        ["bocomplete", "20", "20", "resumes the list at the cursor1"],
        ["cyprivate", "0", "", "reads the list from its top"],
    ]
    assert parsed.tables["Handles by outcome"][1][1] == "2"


def test_readings_are_compared(tmp_path: Path) -> None:
    """A whole reading says who left; one that was joined does not; the first has none before."""
    joined: dict[str, Any] = {"reading": THIRD, "met": SECOND, "new_rows": 1, "seconds": 2 * DAY}
    parsed = reported(
        tmp_path,
        whole("ada", ["a", "b", "c"]),
        whole("bo", ["a", "b"]),
        whole("ada", ["d", "a"], reading=SECOND, seconds=DAY),
        whole("bo", ["a", "b", "e", "f"], reading=SECOND, seconds=DAY),
        page("ada", ["g", "d"], None, None, total_followers=3, **joined),
    )
    assert parsed.tables["Gained and lost followers"] == [
        ["Reading", "Lost", "", "Gained"],
        ["2026-11-22 12:00 UTC2 lists", "", "", ""],
        ["2026-11-23 12:00 UTC2 lists, 2 compared with the reading before", "2", "", "3"],
        ["2026-11-24 12:00 UTC1 list, 1 compared with the reading before", "not known", "", "1"],
    ]
    widths = [value for _, name, value in parsed.attributes if name == "width"]
    assert "333.33" in widths, "2 of at most 3, in half of the picture"
    assert parsed.tiles["Credits charged"] == ("52 for other readings and pages bought again")


async def test_the_report_of_a_refreshed_job(tmp_path: Path, client_of: MakeClient) -> None:
    """Gained and lost are what the emulator did; the balance is the emulator's."""
    handles = {"ada": 50, "bo": 30}
    async with Emulator(handles) as api:
        client = client_of(api)
        await export_followers(client, list(handles), tmp_path)
        api.gain("ada", 7)
        api.lose("bo", 4)
        await export_followers(client, list(handles), tmp_path, refresh="all")
        api.gain("bo", 2)
        await export_followers(client, list(handles), tmp_path, refresh="new")
        charged = len(api.charges)
    write_report(tmp_path, tmp_path / "report.html")
    first = (tmp_path / "report.html").read_bytes()
    write_report(tmp_path, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == first
    parsed = Parsed(first.decode())
    changes = [row[1:] for row in parsed.tables["Gained and lost followers"][1:]]
    assert changes == [["", "", ""], ["4", "", "7"], ["not known", "", "2"]]
    assert parsed.texts["p"][1].startswith("Finished: 2 of 2 handles done.")
    assert "The balance agrees with what was counted." in parsed.texts["p"]
    assert parsed.tables["Credits"][6][1] == parsed.tables["Credits"][7][1] == str(charged)
