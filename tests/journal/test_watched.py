"""A journal that loses its name while it is written, and others' files, locks and many files."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from socialfetch_async import Journal, JournalError, export_followers, read_journal
from socialfetch_async.emulator import Emulator
from tests.conftest import MakeClient
from tests.journals import page, write

SIZES = {f"h{n}": 200 for n in range(6)}


@pytest.mark.parametrize("how", ["moved", "deleted", "replaced", "with its folder"])
async def test_a_journal_that_loses_its_name(
    client_of: MakeClient, tmp_path: Path, how: str
) -> None:
    """It stops; what is in hand is saved, and where is said; then nothing is bought twice."""
    path, other = tmp_path / "in" / "j", tmp_path / "elsewhere"
    path.parent.mkdir()
    async with Emulator(SIZES, latency=0.002) as api:
        client = client_of(api)
        with pytest.raises(JournalError) as caught:
            with Journal(path) as journal:
                async with client.iter_followers_many(SIZES.keys(), concurrency=4) as run:
                    events = journal.record(run)
                    for _ in range(8):
                        await anext(events)
                    if how == "moved":
                        path.rename(other)
                    else:
                        path.unlink()
                    if how == "with its folder":
                        path.parent.rmdir()
                    if how == "replaced":
                        path.write_text("somebody else's\n")
                    async for _ in events:
                        pass
        charged = len(api.charges)
        assert charged < 20
        kept = {"moved": other, "replaced": path.with_name("j.rescued")}.get(how, path)
        assert str(kept) in str(caught.value)
        assert (f"Move it to {path}" in str(caught.value)) is (kept != path)
        assert read_journal(kept).credits_charged == charged
        assert read_journal(kept).maybe_charged == 0
        with Journal(kept) as journal:
            async with client.iter_followers_many(journal.pending(SIZES.keys())) as run:
                async for _ in journal.record(run):
                    pass
        assert len(api.charges) == 6 * 10


async def test_a_journal_that_can_not_be_put_back(client_of: MakeClient, tmp_path: Path) -> None:
    """What was paid for is lost, and that is said."""
    path = tmp_path / "in" / "j"
    path.parent.mkdir()
    async with Emulator({"ada": 200}, latency=0.002) as api:
        with pytest.raises(JournalError, match=r"Its pages are lost, and will be bought again\."):
            with Journal(path) as journal:
                async with client_of(api).iter_followers_many(["ada"]) as run:
                    events = journal.record(run)
                    await anext(events)
                    path.unlink()
                    path.parent.rmdir()
                    path.parent.write_text("a file in the place of the folder\n")
                    async for _ in events:
                        pass
        assert len(api.charges) < 10


async def test_a_batch_whose_journal_is_moved(client_of: MakeClient, tmp_path: Path) -> None:
    """Its error says where the pages are."""
    path = tmp_path / "followers.journal"

    def move(progress: object) -> None:
        if getattr(progress, "pages", 0) >= 5 and path.exists():
            path.rename(tmp_path / "elsewhere")

    async with Emulator(SIZES, latency=0.002) as api:
        with pytest.raises(JournalError, match=r"It is .*elsewhere now"):
            await export_followers(client_of(api), SIZES.keys(), tmp_path, progress=move)
        assert read_journal(tmp_path / "elsewhere").credits_charged == len(api.charges)


def test_a_new_journal_is_its_owner_s(tmp_path: Path) -> None:
    """Whatever the mode of the files that others make."""
    with Journal(tmp_path / "j"):
        assert stat.S_IMODE((tmp_path / "j").stat().st_mode) == 0o600


FEW_FILES = """
import resource, sys
from socialfetch_async.journal import read_journal

_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, most))
print(sum(1 for _ in read_journal(*sys.argv[1:]).pages()))
"""


def test_any_number_of_journals_with_few_open_files(tmp_path: Path) -> None:
    """A thousand attempts at shards, with the limits of a small container."""
    paths = [
        write(
            tmp_path / f"{n}.journal",
            page(f"h{n % 7}", [f"x{n}"], str(n) if n > 6 else None, str(n + 7)),
        )
        for n in range(200)
    ]
    # In a process of its own: in this one, others may have files open.
    done = subprocess.run(
        [sys.executable, "-c", FEW_FILES, *paths], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("200\n", "")
