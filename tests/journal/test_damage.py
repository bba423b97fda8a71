"""A small journal, damaged in every way: the same list again, or a sentence that names the line."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from socialfetch_async import (
    JournalError,
    SocialFetchClient,
    estimate_followers,
    export_followers,
    read_journal,
)
from socialfetch_async.emulator import Emulator
from socialfetch_async.journal.lines import parse
from tests.conftest import MakeClient

HANDLES = ["ada", "bo", "cy"]
LISTS = ("ada", "bo")
PROFILES: dict[str, int | str] = {"ada": 23, "bo": 4, "cy": "private"}
PAGE = 5  # followers on a page


class Job(NamedTuple):
    """What made a journal.

    Attributes:
        refresh: The refresh after the first collection, which the same command then continues.
        max_credits: Its limit, which it has reached.
    """

    refresh: Any = None
    max_credits: int | None = None
    estimate: bool = False

    async def done(self, client: SocialFetchClient, api: Emulator, folder: Path) -> None:
        """Do it."""
        if self.estimate:
            await estimate_followers(client, HANDLES, folder, fsync="never")
            return
        await export_followers(client, HANDLES, folder, fsync="never")
        if self.refresh is not None:
            api.gain("ada", 7)
            await export_followers(
                client, HANDLES, folder,
                refresh=self.refresh, max_credits=self.max_credits, fsync="never",
            )  # fmt: skip

    @property
    def same(self) -> Any:
        """The refresh of the same command, unless it would begin the next one."""
        return self.refresh if self.max_credits else None


JOBS = {
    "first": Job(),
    "estimate": Job(estimate=True),
    "new": Job("new"),
    "new, begun": Job("new", max_credits=2),
    "all": Job("all"),
    "all, begun": Job("all", max_credits=3),
}


def damaged(lines: list[bytes], how: str) -> Iterator[list[bytes]]:
    """Yield a journal for each line that is damaged."""
    for n, line in enumerate(lines[1:], 1):
        match how:
            case "removed":
                yield lines[:n] + lines[n + 1 :]
            case "doubled":
                yield [*lines[: n + 1], *lines[n:]]
            case _:
                yield [*lines[:n], *lines[n + 1 : n + 2], line, *lines[n + 2 :]]


def lists_in(path: Path) -> dict[str, list[str]]:
    """Return the handles in each current list, which is complete."""
    saved = read_journal(path)
    assert {saved.handles[handle].status for handle in LISTS} == {"complete"}
    return {h: [name for page in saved.pages(h) for name in page.names()] for h in LISTS}


@pytest.mark.parametrize("how", ["removed", "doubled", "swapped"])
@pytest.mark.parametrize("kind", JOBS)
async def test_a_damaged_line(client_of: MakeClient, tmp_path: Path, kind: str, how: str) -> None:
    """Only what is missing is bought, and no wrong list is complete."""
    path, job = tmp_path / "followers.journal", JOBS[kind]
    async with Emulator(PROFILES, page_size=PAGE) as api:
        client = client_of(api)
        before = {handle: [row["handle"] for row in api.followers(handle)] for handle in LISTS}
        await job.done(client, api, tmp_path)
        after = {handle: [row["handle"] for row in api.followers(handle)] for handle in LISTS}
        whole = path.read_bytes()

        async def bought(content: bytes) -> int:
            charged = len(api.charges)
            path.write_bytes(content)
            result = await export_followers(
                client, HANDLES, tmp_path, refresh=job.same, fsync="never", overwrite=True
            )
            assert result.stop_reason == "complete"
            return len(api.charges) - charged

        needed = await bought(whole)
        for lines in damaged(whole.splitlines(keepends=True), how):
            more = await bought(b"".join(lines)) - needed
            # Behind a missing page of a list that has moved since all cursors are others.
            moved = job.refresh is not None and len(before["ada"]) // PAGE + 2
            assert more <= (how == "removed") * (moved or 1)
            found = lists_in(path)
            for handle, names in found.items():
                assert len(names) == len(set(names))
                # What a refresh has brought may be missing with its line: then the list is older.
                older = job.refresh is not None and job.same is None
                assert set(names) in [set(after[handle]), *[set(before[handle])] * older]


async def test_a_flipped_bit(client_of: MakeClient, tmp_path: Path) -> None:
    """Each bit of each line: it is named by its number, and nothing is bought or written."""
    path = tmp_path / "followers.journal"
    async with Emulator({"ada": 2, "bo": "private"}, page_size=1) as api:
        client = client_of(api)
        for refresh in (None, "new", "all"):
            await export_followers(client, ["ada", "bo"], tmp_path, fsync="never", refresh=refresh)
        lines = path.read_bytes().splitlines(keepends=True)
        for n, line in enumerate(lines, 1):
            for bit in range(8 * (len(line) - 1)):
                flipped = bytearray(line)
                flipped[bit // 8] ^= 1 << bit % 8
                with suppress(ValueError):
                    parse(bytes(flipped))
                    pytest.fail(f"bit {bit} of line {n} is not noticed")
            path.write_bytes(b"".join([*lines[: n - 1], bytes(flipped), *lines[n:]]))
            charged = len(api.charges)
            with pytest.raises(
                JournalError, match=f"{'first line' if n == 1 else f'line {n}'} is not"
            ):
                await export_followers(client, ["ada", "bo"], tmp_path, fsync="never")
            assert len(api.charges) == charged
            if n > 1:
                assert read_journal(path).broken_lines == 1
