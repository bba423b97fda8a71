"""A small journal, damaged in every way: the same list again, or a sentence that names the line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from socialfetch_async import JournalError, export_followers, read_journal
from socialfetch_async.emulator import Emulator
from tests.conftest import MakeClient

HANDLES = ["ada", "bo", "cy"]


def damaged(lines: list[bytes], how: str) -> Iterator[tuple[int, list[bytes]]]:
    """Yield a journal for each line that is damaged, with the number of the line."""
    for n, line in enumerate(lines[1:], 1):
        match how:
            case "removed":
                yield n, lines[:n] + lines[n + 1 :]
            case "doubled":
                yield n, [*lines[: n + 1], *lines[n:]]
            case "swapped":
                yield n, [*lines[:n], *lines[n + 1 : n + 2], line, *lines[n + 2 :]]
            case _:
                for at in range(3, len(line) - 1, max(1, len(line) // 5)):
                    flipped = bytearray(line)
                    flipped[at] ^= 1 << at % 7
                    yield n, [*lines[:n], bytes(flipped), *lines[n + 1 :]]


@pytest.mark.parametrize("how", ["removed", "doubled", "swapped", "flipped"])
@pytest.mark.parametrize("refreshed", [False, True])
async def test_a_damaged_line(
    client_of: MakeClient,
    tmp_path: Path,
    how: str,
    refreshed: bool,  # noqa: FBT001 - a column
) -> None:
    """Only what is missing is bought; a flipped bit is named; no wrong list is complete."""
    path = tmp_path / "followers.journal"
    async with Emulator({"ada": 70, "bo": 15, "cy": "private"}) as api:
        client = client_of(api)
        await export_followers(client, HANDLES, tmp_path, fsync="never")
        if refreshed:
            api.gain("ada", 3)
            await export_followers(client, HANDLES, tmp_path, fsync="never", refresh="new")
        lists = {h: [row["handle"] for row in api.followers(h)] for h in ("ada", "bo")}
        before = {handle: set(names) for handle, names in lists.items()}
        whole = path.read_bytes().splitlines(keepends=True)
        for n, lines in damaged(whole, how):
            path.write_bytes(b"".join(lines))
            charged = len(api.charges)
            if how == "flipped":
                with pytest.raises(JournalError, match=rf"line {n + 1} is not"):
                    await export_followers(client, HANDLES, tmp_path, fsync="never")
                assert read_journal(path).broken_lines == 1
                assert len(api.charges) == charged
                continue
            result = await export_followers(
                client, HANDLES, tmp_path, fsync="never", overwrite=True
            )
            assert result.stop_reason == "complete"
            bought = api.charges[charged:]
            # The list has moved since: what follows a missing page has other cursors now.
            assert len(bought) <= (how == "removed") * (4 if refreshed else 1)
            saved = read_journal(path)
            for handle, names in before.items():
                assert saved.handles[handle].status == "complete"
                found = [name for page in saved.pages(handle) for name in page.names()]
                assert len(found) == len(set(found))
                # What a refresh brought may be missing with its line: the list is as old as that.
                assert set(found) == names or (
                    refreshed and set(found) == names - set(lists["ada"][:3])
                )
