"""Reading lists again: what is new, what it costs, what is kept; caps, ages and estimates."""

import asyncio
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import anyio
import pytest

from socialfetch_async import (
    AuthenticationError,
    ExportError,
    InsufficientCreditsError,
    Journal,
    JournalError,
    SocialFetchClient,
    convert,
    estimate_followers,
    export_followers,
    read_journal,
)
from socialfetch_async.batch import BatchProgress, settle
from socialfetch_async.emulator import Emulator
from socialfetch_async.export import diff
from socialfetch_async.report import write_report
from tests.conftest import MakeClient, until
from tests.faults.year import year
from tests.scripted import Scripted, Seen, page


def names(folder: Path, handle: str) -> list[str]:
    """Return the handles in the current list of a profile."""
    saved = read_journal(folder / "followers.journal")
    return [name for page in saved.pages(handle) for name in page.names()]


def there(api: Emulator, handle: str) -> list[str]:
    """Return the handles in a list as it is now."""
    return [row["handle"] for row in api.followers(handle)]


async def test_a_refresh_of_new_costs_what_changed(client_of: MakeClient, tmp_path: Path) -> None:
    """A credit for each list, and one for twenty new followers; who left stays, with its dates."""
    async with Emulator({"ada": 130, "bo": 45, "cy": 0}) as api:
        client = client_of(api)
        await export_followers(client, ["ada", "bo", "cy"], tmp_path)
        lost, gained = api.lose("ada", 2), api.gain("ada", 30)
        before = len(api.charges)
        result = await export_followers(client, ["ada", "bo", "cy"], tmp_path, refresh="new")
        assert len(api.charges) - before == 3 + 1 + 1
        assert set(names(tmp_path, "ada")) == {*there(api, "ada"), *lost}
        assert len(names(tmp_path, "ada")) == 130 + 30
        assert names(tmp_path, "ada")[:30] == gained
        assert names(tmp_path, "bo") == there(api, "bo")
        assert (result.stop_reason, result.pending, result.open_refresh) == ("complete", {}, None)
        assert result.statuses == {"complete": 3}
        assert result.exports[0].rows == 160 + 45
        saved = read_journal(result.journal)
        assert saved.handles["ada"].followers == 160
        first, *_ = saved.pages("ada")
        seen = {name: first.first_seen_at(name) for name in first.names()}
        assert {first.last_seen_at(name) for name in seen} == {first.at} == set(seen.values())
        before = len(api.charges)
        await export_followers(client, ["ada", "bo", "cy"], tmp_path)
        assert len(api.charges) == before, "without refresh nothing is asked for"


async def test_a_follower_on_two_readings_has_its_first_date(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """It is listed once, on the newest page, and was seen first on the oldest."""
    async with Emulator({"ada": 60}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path)
        for _ in range(2):
            api.gain("ada", 3)
            await export_followers(client, ["ada"], tmp_path, refresh="new")
        saved = read_journal(tmp_path / "followers.journal")
        pages, first = list(saved.pages("ada")), saved.readings("ada")[0].name
        assert [len(page.names()) for page in pages] == [20, 20, 0, 3, 0, 3, 20]
        seen = [pages[0].first_seen_at(name) for name in pages[0].names()]
        assert seen[0] == seen[2] == pages[0].at > seen[3] == seen[5] == pages[2].at > seen[6]
        assert seen[6] == seen[-1] == next(saved.pages("ada", reading=first)).at
        assert len(saved.readings("ada")) == 3
        assert [reading.ended for reading in saved.readings("ada")] == ["complete"] * 3
        assert len(saved.readings("ada")[-1].joined) == 2


async def test_a_refresh_of_all_reads_anew(client_of: MakeClient, tmp_path: Path) -> None:
    """As a new reading: who left is gone, and the old reading can still be compared."""
    async with Emulator({"ada": 130, "bo": "private"}) as api:
        client = client_of(api)
        await export_followers(client, ["ada", "bo"], tmp_path)
        old = there(api, "ada")
        api.lose("ada", 30)
        api.profile("bo", 5)
        before = len(api.charges)
        await export_followers(client, ["ada", "bo"], tmp_path, refresh="all")
        assert len(api.charges) - before == 5 + 1
        assert names(tmp_path, "ada") == there(api, "ada")
        assert names(tmp_path, "bo") == there(api, "bo")
        saved = read_journal(tmp_path / "followers.journal")
        first, second = saved.readings("ada")
        assert [n for p in saved.pages("ada", reading=first.name) for n in p.names()] == old
        assert (second.ended, second.joined) == ("complete", ())


@pytest.mark.parametrize("refresh", ["new", "all"])
async def test_an_interrupted_refresh_goes_on(
    client_of: MakeClient, tmp_path: Path, refresh: Any
) -> None:
    """By the same call; without refresh it is named; finished, the next one begins."""
    handles = {f"h{n}": 90 for n in range(4)}
    async with Emulator(handles) as api:
        client = client_of(api)
        await export_followers(client, handles.keys(), tmp_path)
        api.gain("h1", 100)
        before = len(api.charges)
        first = await export_followers(
            client, handles.keys(), tmp_path, refresh=refresh, max_credits=3
        )
        assert (first.stop_reason, first.open_refresh) == ("max_credits", refresh)
        assert (first.refresh_done, first.refresh_credits) == (4 - len(first.pending), 3)
        again = await export_followers(
            client, handles.keys(), tmp_path, refresh=refresh, max_credits=3
        )
        assert (again.pages, again.stop_reason) == (0, "max_credits")
        plain = await export_followers(client, handles.keys(), tmp_path)
        assert (plain.pages, plain.open_refresh, plain.pending) == (0, refresh, {})
        assert (plain.refresh_done, plain.refresh_credits) == (first.refresh_done, 3)
        assert len(api.charges) - before == 3
        for handle in handles:
            assert len(names(tmp_path, handle)) >= 90, "an unfinished reading hides nothing"
        done = await export_followers(client, handles.keys(), tmp_path, refresh=refresh)
        assert (done.stop_reason, done.open_refresh) == ("complete", None)
        charges = [(charge.handle, charge.cursor) for charge in api.charges[before:]]
        assert len(set(charges)) == len(charges)
        assert names(tmp_path, "h1") == there(api, "h1")
        last = await export_followers(client, handles.keys(), tmp_path, refresh="new")
        assert last.pages == 4


@pytest.mark.parametrize("refresh", ["new", "all"])
async def test_a_refresh_of_one_handle_does_not_end_that_of_all(
    client_of: MakeClient, tmp_path: Path, refresh: Any
) -> None:
    """What the open one has bought is not bought again; a shorter list of handles does end it."""
    handles = [f"h{n}" for n in range(6)]
    async with Emulator(dict.fromkeys(handles, 50)) as api:
        client = client_of(api)
        await export_followers(client, handles, tmp_path)
        before = len(api.charges)
        await export_followers(client, handles, tmp_path, refresh=refresh, max_credits=4)
        one = await export_followers(client, ["h5"], tmp_path, refresh=refresh)
        assert (one.stop_reason, one.pending, one.open_refresh) == ("complete", {}, refresh)
        rest = await export_followers(client, handles[1:], tmp_path, refresh=refresh)
        assert (rest.stop_reason, rest.open_refresh) == ("complete", None)
        charges = [(charge.handle, charge.cursor) for charge in api.charges[before:]]
        assert len(set(charges)) == len(charges)
        again = await export_followers(client, ["h5"], tmp_path, refresh=refresh)
        assert again.pages > 0, "the next one"


async def test_an_unfinished_list_first_goes_on_to_its_end(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Then it is read from its top, in the same refresh."""
    async with Emulator({"ada": 100}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path, max_credits=2)
        api.gain("ada", 10)
        result = await export_followers(client, ["ada"], tmp_path, refresh="new")
        assert (len(api.charges), result.stop_reason) == (2 + 3 + 2, "complete")
        assert names(tmp_path, "ada") == there(api, "ada")


async def test_caps_in_whole_pages(client_of: MakeClient, tmp_path: Path) -> None:
    """A higher cap goes deeper from there; a lower one buys nothing and hides nothing."""
    async with Emulator({"ada": 130, "bo": 30}) as api:
        client = client_of(api)
        for cap, credits_, rows in ((50, 5, 60), (50, 5, 60), (20, 5, 60), (90, 7, 100)):
            result = await export_followers(
                client, ["ada", "bo"], tmp_path, max_followers_per_handle=cap
            )
            assert (len(api.charges), len(names(tmp_path, "ada"))) == (credits_, rows)
            assert (result.stop_reason, result.pending) == ("complete", {})
        await export_followers(client, ["ada", "bo"], tmp_path, max_pages_per_handle=6)
        assert len(names(tmp_path, "ada")) == 120
        await export_followers(client, ["ada", "bo"], tmp_path)
        assert names(tmp_path, "ada") == there(api, "ada")
        assert len(api.charges) == 7 + 2


async def test_older_than_leaves_recent_lists_alone(client_of: MakeClient, tmp_path: Path) -> None:
    """It needs a refresh."""
    async with Emulator({"ada": 30}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path)
        recent = await export_followers(
            client, ["ada"], tmp_path, refresh="new", older_than=timedelta(hours=1)
        )
        assert (recent.pages, recent.open_refresh) == (0, None)
        await asyncio.sleep(0.05)
        old = await export_followers(client, ["ada"], tmp_path, refresh="new", older_than=0.01)
        assert old.pages == 1
        for bad, error in ((1.0, ValueError), (True, TypeError), (-1.0, ValueError)):
            refresh: Any = None if bad == 1.0 and bad is not True else "new"
            with pytest.raises(error, match="older_than"):
                await export_followers(client, ["ada"], tmp_path, refresh=refresh, older_than=bad)
    with pytest.raises(ValueError, match="refresh must be"):
        await export_followers(client, ["ada"], tmp_path, refresh="some")  # type: ignore[arg-type]


async def test_a_clock_that_is_set_back(
    client_of: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is saved later is newer all the same, and nothing is bought twice."""

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Yesterday":
            return cls.fromtimestamp(time.time() - 86_400, tz)

    async with Emulator({"ada": 50}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path)
        monkeypatch.setattr("socialfetch_async.journal.writer.datetime", Yesterday)
        refreshes: Any = (("new", 2), ("all", 3), ("new", 2), (None, 0))
        for refresh, credits_ in refreshes:
            before, gained = len(api.charges), api.gain("ada", 3) if credits_ else []
            await export_followers(client, ["ada"], tmp_path, refresh=refresh)
            assert len(api.charges) - before == credits_
            assert names(tmp_path, "ada")[: len(gained)] == gained
        assert names(tmp_path, "ada") == there(api, "ada")
        readings = read_journal(tmp_path).readings("ada")
        assert [reading.began_at for reading in readings] == sorted(r.began_at for r in readings)


async def test_an_estimate_buys_first_pages_only(client_of: MakeClient, tmp_path: Path) -> None:
    """They are kept, and the batch buys the rest; asked again it buys nothing."""
    async with Emulator({"ada": 130, "bo": 15, "cy": "private"}, credits=100) as api:
        client = client_of(api)
        handles = ["ada", "bo", "cy", "no.one"]
        for _ in range(2):
            found = await estimate_followers(client, handles, tmp_path / "x.csv")
            assert len(api.charges) == 4
            assert found.handles == (
                ("ada", "found", 130, 6),
                ("bo", "found", 15, 0),
                ("cy", "private", None, 0),
                ("no.one", "not_found", None, 0),
            )
            assert (found.total_followers, found.credits_left, found.unavailable) == (145, 6, 2)
            assert found.balance == 96
        assert not (tmp_path / "x.csv").exists()
        capped = await estimate_followers(
            client, handles, tmp_path / "x.csv", max_followers_per_handle=50
        )
        assert capped.credits_left == 2
        await export_followers(client, handles, tmp_path / "x.csv")
        assert len(api.charges) == 4 + 6


async def test_another_api_is_refused(client_of: MakeClient, tmp_path: Path) -> None:
    """For buying, and for reading both as one; both are named."""
    async with Emulator({"ada": 30}) as api, Emulator({"ada": 30}) as other:
        await export_followers(client_of(api), ["ada"], tmp_path / "a.csv")
        await export_followers(client_of(other), ["ada"], tmp_path / "b.csv")
        with pytest.raises(JournalError) as caught:
            await export_followers(client_of(other), ["ada"], tmp_path / "a.csv")
        assert api.base_url in str(caught.value)
        assert other.base_url in str(caught.value)
        assert len(other.charges) == 2
        with pytest.raises(JournalError, match=r"are not mixed"):
            read_journal(tmp_path / "a.journal", tmp_path / "b.journal")
        both = (tmp_path / "a.journal").read_bytes() + (tmp_path / "b.journal").read_bytes()
        (tmp_path / "c.journal").write_bytes(both)
        for use in (read_journal, lambda path: Journal(path).__enter__()):
            with pytest.raises(JournalError, match=r"journals of different APIs.*are not mixed"):
                use(tmp_path / "c.journal")
        assert (tmp_path / "c.journal").read_bytes() == both


async def test_a_journal_without_a_page_takes_another_api(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """The address before was mistyped, or its key was: there is nothing to mix."""
    async with Emulator({"ada": 30}) as api, Emulator({"ada": 30}) as other:
        wrong = client_of(type("Server", (), {"base_url": api.base_url, "api_key": "sfk_wrong"}))
        with pytest.raises(AuthenticationError):
            await export_followers(wrong, ["ada"], tmp_path / "a.csv")
        with Journal(tmp_path / "a.journal") as journal:
            journal.note_balance(99)
        await export_followers(client_of(other), ["ada"], tmp_path / "a.csv")
        again = await export_followers(client_of(other), ["ada"], tmp_path / "a.csv")
        assert (len(other.charges), again.exports[0].rows) == (2, 30)
        saved = read_journal(tmp_path / "a.journal")
        assert (saved.origin, len(saved.balances)) == (other.base_url, 2)
        with pytest.raises(JournalError, match="are not mixed"):
            await export_followers(client_of(api), ["ada"], tmp_path / "a.csv")


async def test_a_refused_cursor_is_said(client_of: MakeClient, tmp_path: Path) -> None:
    """Not that the same call goes on: only a new reading does."""
    async with Emulator({"ada": 130}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path, max_credits=2)
        for _ in range(2):
            api.script("ada", "400")
            result = await export_followers(client, ["ada"], tmp_path)
            assert (result.stop_reason, result.refused) == ("failed", ("ada",))
            assert 'refresh="all"' in result.advice
        result = await export_followers(client, ["ada"], tmp_path, refresh="all")
        assert (result.stop_reason, result.refused) == ("complete", ())
        assert names(tmp_path, "ada") == there(api, "ada")


async def test_a_count_that_moved_by_much_more_is_said(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Who left is not found by a refresh of new."""
    async with Emulator({"ada": 400, "bo": 400}) as api:
        client = client_of(api)
        await export_followers(client, ["ada", "bo"], tmp_path)
        api.lose("ada", 200)
        api.gain("bo", 30)
        result = await export_followers(client, ["ada", "bo"], tmp_path, refresh="new")
        assert result.moved == ("ada",)


async def test_the_balance_is_kept_when_something_is_bought(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Before and after; a finished batch sends nothing at all."""
    async with Emulator({"ada": 50}, credits=10) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path)
        requests = len(api.requests)
        await export_followers(client, ["ada"], tmp_path)
        assert len(api.requests) == requests
    saved = read_journal(tmp_path / "followers.journal")
    assert [b[1:] for b in saved.balances] == [(10, 0, 0), (7, 3, 0)]
    assert saved.asked == 1


async def test_what_may_have_been_charged_is_settled(client_of: MakeClient, tmp_path: Path) -> None:
    """By the balance, which is free to ask for; not when it rose meanwhile."""
    async with Emulator({"ada": 60}, credits=50) as api:
        client = client_of(api)
        api.script("ada", "500", "500", "lose")
        result = await export_followers(client, ["ada"], tmp_path)
        assert (result.maybe_charged, len(api.charges)) == (3, 4)
        assert await settle(client, result.journal) == (3, 1)
        assert await settle(client, result.journal) == (1, 1)
        assert read_journal(result.journal).maybe_charged == 1
        api.credits = 100
        with pytest.raises(JournalError, match="balance rose"):
            await settle(client, result.journal)


async def test_what_ends_a_batch_has_its_result(client_of: MakeClient, tmp_path: Path) -> None:
    """401 and 402."""
    async with Emulator({"ada": 100}, credits=2) as api:
        with pytest.raises(InsufficientCreditsError) as caught:
            await export_followers(client_of(api), ["ada"], tmp_path)
        assert (caught.value.result.pages, caught.value.result.stop_reason) == (2, "error")
        with pytest.raises(AuthenticationError) as refused:
            async with SocialFetchClient("sfk_other", base_url=api.base_url) as other:
                await export_followers(other, ["ada"], tmp_path)
        assert refused.value.result.total_credits_charged == 2


async def test_progress_is_a_function(client_of: MakeClient, tmp_path: Path) -> None:
    """It has the live figures at the beginning, after each event and at the end."""
    seen: list[int] = []

    def see(progress: BatchProgress) -> None:
        seen.append(progress.pages)

    async with Emulator({"ada": 45}) as api:
        await export_followers(client_of(api), ["ada"], tmp_path, progress=see)
        assert seen == [0, 1, 2, 3, 3, 3]
        with pytest.raises(TypeError, match="progress must be"):
            await export_followers(client_of(api), ["ada"], tmp_path, progress=1)  # type: ignore[arg-type]


@pytest.mark.parametrize("pages", [0, 1, 5, 12])
async def test_a_cancellation_that_comes_again_and_again_is_one(
    client_of: MakeClient, tmp_path: Path, pages: int
) -> None:
    """anyio delivers it at every await until the scope is left: what is charged is kept."""
    handles = {f"h{n}": 90 for n in range(6)}
    async with Emulator(handles, latency=0.02) as api:
        async with anyio.create_task_group() as group:
            group.start_soon(export_batch, client_of(api), handles, tmp_path)
            await until(lambda: len(api.charges) >= pages)
            group.cancel_scope.cancel()
        charged = len(api.charges)
        if (journal := tmp_path / "followers.journal").exists():
            assert read_journal(journal).credits_charged == charged
        async with asyncio.timeout(30):
            await export_batch(client_of(api), handles, tmp_path)
        assert len(api.charges) == 6 * 5


async def export_batch(client: Any, handles: dict[str, int], folder: Path) -> None:
    """Fetch some lists."""
    await export_followers(client, list(handles), folder, concurrency=4)


async def test_a_timeout_keeps_what_is_paid_for(client_of: MakeClient, tmp_path: Path) -> None:
    """asyncio's own."""
    handles = {f"h{n}": 400 for n in range(6)}
    async with Emulator(handles, latency=0.02) as api, asyncio.TaskGroup() as group:

        async def expire() -> None:
            await until(lambda: len(api.charges) >= 5)
            limit.reschedule(asyncio.get_running_loop().time())

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:
                group.create_task(expire())
                await export_batch(client_of(api), handles, tmp_path)
        charged = len(api.charges)
        assert read_journal(tmp_path / "followers.journal").credits_charged == charged


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_a_circle_cut_in_two_by_a_limit_is_still_one(
    client_of: MakeClient, tmp_path: Path, limit: int
) -> None:
    """What is stored is fed to the guards; then it is not bought further, and is said."""
    pages = {None: "1", "1": "2", "2": "3", "3": "1"}
    rows = {None: "a", "1": "b", "2": "c", "3": "d"}

    def answer(seen: Seen) -> bytes:
        return page([rows[seen.cursor]], pages[seen.cursor])

    async with Scripted(by=answer) as api:
        client = client_of(api)
        for _ in range(6):
            result = await export_followers(client, ["ada"], tmp_path, max_pages_per_handle=limit)
            limit += 1
        assert len([seen for seen in api.seen if "/followers" in seen.target]) == 4
        assert (result.stop_reason, result.pending) == ("failed", {})
        assert read_journal(result.journal).handles["ada"].reason == "repeated_cursor"


async def test_a_year_in_small(tmp_path: Path) -> None:
    """Weeks of lists that move, some calls killed: nothing missing, paid once."""
    figures = await year(tmp_path, lists=4, weeks=6, all_every=3)
    assert figures.holds(), figures


async def test_a_refresh_under_a_lower_cap_hides_nothing(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Also not what an interrupted call without a cap has added; one as deep is shown."""
    async with Emulator({"ada": 150}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path, max_followers_per_handle=50)
        api.gain("ada", 3)
        again = await export_followers(
            client, ["ada"], tmp_path, refresh="all", max_followers_per_handle=20
        )
        assert (again.stop_reason, len(names(tmp_path, "ada"))) == ("complete", 60)
        assert (len(api.charges), again.not_refreshed) == (3, ("ada",))
        await export_followers(
            client, ["ada"], tmp_path, refresh="all", max_followers_per_handle=45
        )
        assert names(tmp_path, "ada") == there(api, "ada")[:60]
        await export_followers(client, ["ada"], tmp_path, max_credits=3 + 1 + 3)
        await export_followers(client, ["ada"], tmp_path, max_credits=6)
        longer = len(names(tmp_path, "ada"))
        await export_followers(
            client, ["ada"], tmp_path, refresh="all", max_followers_per_handle=20
        )
        assert len(names(tmp_path, "ada")) == longer > 60


async def test_a_refresh_buys_nothing_that_would_not_be_shown(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """A list that is longer than the cap stays and is named; one that may be shown is read."""
    async with Emulator({"ada": 130, "bo": 30}) as api:
        client = client_of(api)
        await export_followers(client, ["ada", "bo"], tmp_path)
        api.gain("bo", 100)
        before, cap = len(api.charges), {"max_followers_per_handle": 50}
        result = await export_followers(client, ["ada", "bo"], tmp_path, refresh="all", **cap)  # type: ignore[arg-type]
        assert (len(api.charges) - before, result.stop_reason) == (3, "complete")
        assert (result.not_refreshed, result.pending, result.open_refresh) == (("ada",), {}, None)
        assert names(tmp_path, "ada") == there(api, "ada")
        assert names(tmp_path, "bo") == there(api, "bo")[:60]
        await export_followers(client, ["ada", "bo"], tmp_path)
        assert len(api.charges) - before == 7
        assert names(tmp_path, "bo") == there(api, "bo")


async def test_a_cap_that_ends_a_refresh_of_new_is_named(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Before it has met what is there: the list stays as it was."""
    async with Emulator({"ada": 90}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path)
        old = there(api, "ada")
        api.gain("ada", 100)
        result = await export_followers(
            client, ["ada"], tmp_path, refresh="new", max_pages_per_handle=2
        )
        assert (result.not_refreshed, names(tmp_path, "ada")) == (("ada",), old)
        await export_followers(client, ["ada"], tmp_path, refresh="new", max_pages_per_handle=9)
        assert names(tmp_path, "ada") == there(api, "ada")


async def test_an_estimate_says_how_many_it_has_not_asked(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Where the limit was reached before."""
    async with Emulator({"ada": 130, "bo": 15, "cy": 5}) as api:
        found = await estimate_followers(
            client_of(api), ["ada", "bo", "cy"], tmp_path, max_credits=1, concurrency=1
        )
        assert (found.not_asked, found.stop_reason, found.credits_left) == (2, "max_credits", 6)
        assert len(api.charges) == 1


async def test_an_estimate_counts_whole_pages(client_of: MakeClient, tmp_path: Path) -> None:
    """Also of a list that a refresh has joined on pages that brought few."""
    async with Emulator({"ada": 150}) as api:
        client = client_of(api)
        await export_followers(client, ["ada"], tmp_path, max_followers_per_handle=20)
        await export_followers(
            client, ["ada"], tmp_path, refresh="new", max_followers_per_handle=20
        )
        before = len(api.charges)
        found = await estimate_followers(client, ["ada"], tmp_path)
        await export_followers(client, ["ada"], tmp_path)
        assert found.credits_left == len(api.charges) - before == 7


async def test_a_reading_without_a_page_hides_no_outcome(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """A refresh that reached its limit before an unavailable profile does not reopen it."""
    async with Emulator({"ada": 30, "bo": "private"}) as api:
        client = client_of(api)
        handles = ["ada", "bo"]
        await export_followers(client, handles, tmp_path)
        await export_followers(client, handles, tmp_path, refresh="new", max_credits=1)
        before = len(api.charges)
        assert before == 3 + 1
        result = await export_followers(client, handles, tmp_path)
        assert (len(api.charges), result.pending) == (before, {})
        assert result.statuses == {"complete": 1, "private": 1}


async def test_a_refresh_without_the_cap_goes_on_to_the_end(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Also of a list that it has joined under the cap."""
    async with Emulator({"ada": 90, "bo": 10}) as api:
        client = client_of(api)
        handles = ["ada", "bo"]
        await export_followers(client, handles, tmp_path, max_followers_per_handle=30)
        first = await export_followers(
            client, handles, tmp_path, refresh="new", max_followers_per_handle=30, max_credits=1,
            concurrency=1,
        )  # fmt: skip
        assert first.open_refresh == "new"
        result = await export_followers(client, handles, tmp_path, refresh="new")
        assert (result.stop_reason, result.pending) == ("complete", {})
        assert result.statuses == {"complete": 2}
        assert names(tmp_path, "ada") == there(api, "ada")


@pytest.mark.parametrize("refresh", ["new", "all"])
async def test_a_refresh_is_not_finished_before_its_files(
    client_of: MakeClient, tmp_path: Path, refresh: Any
) -> None:
    """The same call writes them and buys nothing; it does not begin the next refresh."""
    async with Emulator({"ada": 60}) as api:
        client, output = client_of(api), tmp_path / "x.jsonl"
        await export_followers(client, ["ada"], output)
        gained = api.gain("ada", 2)

        def hinder(figures: BatchProgress) -> None:
            if figures.pages and not output.is_dir():
                output.unlink()
                output.mkdir()

        with pytest.raises(ExportError):
            await export_followers(client, ["ada"], output, refresh=refresh, progress=hinder)
        output.rmdir()
        before = len(api.charges)
        result = await export_followers(client, ["ada"], output, refresh=refresh)
        assert (len(api.charges), result.open_refresh) == (before, None)
        assert all(name in output.read_text() for name in gained)
        await export_followers(client, ["ada"], output, refresh=refresh)
        assert len(api.charges) > before, "the next one"


async def test_a_price_that_the_journal_knows_binds_the_next_call(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """Another client does not pay beyond the limit to find it out again."""
    async with Emulator({"ada": 130}, price=5) as api:
        for _ in range(3):
            result = await export_followers(client_of(api), ["ada"], tmp_path, max_credits=7)
            assert (result.stop_reason, len(api.charges)) == ("max_credits", 1)
        for _ in range(3):
            result = await export_followers(
                client_of(api), ["ada"], tmp_path, refresh="all", max_credits=12
            )
            assert (result.stop_reason, len(api.charges)) == ("max_credits", 1 + 2)


@pytest.mark.parametrize("refresh", ["new", "all"])
async def test_a_list_that_is_kept_of_a_profile_without_one_is_named(
    client_of: MakeClient, tmp_path: Path, refresh: Any
) -> None:
    """It stays, and every call says that it is no longer there, until it is back."""
    async with Emulator({"ada": 45, "bo": 25}) as api:
        client, handles = client_of(api), ["ada", "bo"]
        first = await export_followers(client, handles, tmp_path)
        api.profile("ada", "private")
        second = await export_followers(client, handles, tmp_path, refresh=refresh)
        again = await export_followers(client, handles, tmp_path)
        exports = [result.exports[0] for result in (first, second, again)]
        exports.append(convert(tmp_path, tmp_path / "x.csv"))
        assert [(one.rows, one.gone) for one in exports] == [(70, ()), *3 * [(70, ("ada",))]]
        assert read_journal(tmp_path).handles["ada"].gone == "private"
        write_report(tmp_path, tmp_path / "x.html")
        assert "1 profile has no list any more" in (tmp_path / "x.html").read_text()
        api.profile("ada", 65)
        back = await export_followers(client, handles, tmp_path, refresh=refresh)
        assert back.exports[0].gone == ()


async def test_a_reading_that_looks_cut_short_replaces_no_longer_one(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """What is shown stays, and every call says why, until a reading has the list again."""
    async with Emulator({"ada": 100, "bo": 25}) as api:
        client, handles = client_of(api), ["ada", "bo"]
        first = await export_followers(client, handles, tmp_path)
        api.depth = 40
        second = await export_followers(client, handles, tmp_path, refresh="all")
        again = await export_followers(client, handles, tmp_path)
        exports = [result.exports[0] for result in (first, second, again)]
        exports.append(convert(tmp_path, tmp_path / "x.csv"))
        assert [(one.rows, one.set_aside) for one in exports] == [
            (125, ()),
            *3 * [(125, ("ada",))],
        ]
        write_report(tmp_path, tmp_path / "x.html")
        assert "The last reading of 1 list looks cut short" in (tmp_path / "x.html").read_text()
        assert list(diff(tmp_path)) == [], "nobody left: ada has one reading to compare"
        api.depth = None
        lost = api.lose("ada", 60)
        back = await export_followers(client, handles, tmp_path, refresh="all")
        assert (back.exports[0].rows, back.exports[0].set_aside) == (65, ())
        assert sorted(change.follower.handle for change in diff(tmp_path)) == sorted(lost)


async def test_nothing_is_settled_where_nothing_was_bought(
    client_of: MakeClient, tmp_path: Path
) -> None:
    """A name that was mistyped makes no journal."""
    async with Emulator({"ada": 45}) as api:
        for _ in range(2):
            with pytest.raises(JournalError, match="there is no journal"):
                await settle(client_of(api), tmp_path / "x.journal")
