"""Random jobs: commands, faults, kills and files that are moved about, in any order.

    python -m tests.faults.jobs [--seconds 60] [--seed 1] [--steps 30]

After each step an oracle, which knows the emulator's lists at each of them, looks at the journal,
the files and the ledger. Exit code 1 if a promise is broken; it prints the steps that led there.
"""

import argparse
import asyncio
import csv
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from socialfetch_async import (
    AuthenticationError,
    ExportError,
    JournalError,
    RetryPolicy,
    SocialFetchClient,
    SocialFetchError,
    estimate_followers,
    export_followers,
    read_journal,
)
from socialfetch_async.emulator import Emulator
from socialfetch_async.journal import SavedRun

PROFILES: Final[dict[str, int | str]] = {
    "ada": 23, "bo": 4, "cy": 0, "dee": 11, "eve": 61, "fay": "private",
}  # fmt: skip
PAGE: Final = 5  # followers on a page
_FAULTS: Final = ("500", "503", "lose", "drop", "429")
_SPELLED: Final = ("{}", "@{}", "https://www.tiktok.com/@{}", " {} ")
_RETRY: Final = RetryPolicy(base=0.0001, cap=0.001, max_attempts=4)

Lists = dict[str, list[str]]


class Broken(AssertionError):
    """A promise was broken."""


class World:
    """A folder, an emulator, and what happened so far."""

    def __init__(self, api: Emulator, root: Path, draw: random.Random) -> None:
        self.api = api
        self.draw = draw
        self.folder = root / "0"
        self.folder.mkdir()
        self.done: list[str] = []
        self.truth: list[dict[str, set[str]]] = []  # at each step
        self._began: dict[tuple[str, str], int] = {}  # readings of a list, by step
        self._ended: dict[tuple[str, str], int] = {}
        self._files: dict[str, tuple[Lists, dict[str, str]]] = {}  # with what it is from
        self._doubled = 0  # page lines that are there twice, after files were merged
        self._steps: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (8, self.export), (3, self.estimate), (8, self.refresh), (5, self.move),
            (2, self.script), (2, self.kill), (1, self.two), (1, self.wrong_key),
            (2, self.handle_files), (1, self.merge), (1, self.foreign),
        ]  # fmt: skip

    @property
    def journal(self) -> Path:
        """The one of the outputs."""
        return self.folder / "x.journal"

    def saved(self) -> SavedRun:
        """What is in the journal."""
        return read_journal(self.journal) if self.journal.exists() else SavedRun.empty()

    async def step(self) -> None:
        """Do something and look."""
        weights, steps = zip(*self._steps, strict=True)
        (step,) = self.draw.choices(steps, weights)
        self.done.append(step.__name__)
        self.truth.append({h: {row["handle"] for row in self.api.followers(h)} for h in PROFILES})
        await step()
        self.look()

    def said(self, *what: object) -> None:
        """Note the details of a step."""
        self.done[-1] += f" {' '.join(map(str, what))}"

    # -- what is done ---------------------------------------------------------------------------

    def asked(self) -> tuple[list[str], Path, dict[str, Any]]:
        """Draw handles, an output and options."""
        draw = self.draw
        names = draw.sample(list(PROFILES), draw.randint(2, len(PROFILES)))
        given = [draw.choice(_SPELLED).format(draw.choice([n, n.upper()])) for n in names]
        options: dict[str, Any] = {"concurrency": draw.choice([1, 3, 10])}
        if draw.random() < 0.3:
            options["max_credits"] = draw.randint(1, 12)
        if draw.random() < 0.3:
            options["max_followers_per_handle"] = draw.choice([3, 5, 12, 30])
        if draw.random() < 0.1:
            options["max_pages_per_handle"] = draw.randint(1, 4)
        return given, self.folder / draw.choice(["x.jsonl", "x.csv"]), options

    async def export(self) -> None:
        """The plain command, and again, if it has finished."""
        given, output, options = self.asked()
        self.said(given, output.name, options)
        result = await self.call(given, output, options)
        if result is not None and result.finished:
            requests = len(self.api.requests)
            again = await self.call(given, output, options)
            if len(self.api.requests) != requests:
                raise Broken("a finished batch has sent something")
            if again is None or not all(export.unchanged for export in again.exports):
                raise Broken("an export was written again")

    async def refresh(self) -> None:
        """A refresh, new or begun."""
        given, output, options = self.asked()
        options["refresh"] = self.draw.choice(["new", "new", "all"])
        if self.draw.random() < 0.2:
            options["older_than"] = self.draw.choice([0, 0.05, 3600])
        self.said(given, output.name, options)
        await self.call(given, output, options)

    async def estimate(self) -> None:
        """One page of each."""
        given, output, options = self.asked()
        self.said(given, options)
        before = self._spendable(options)
        charged = len(self.api.charges)
        async with self.client() as client:
            await estimate_followers(client, given, output, **options)
        self._within(before, charged)

    async def call(self, given: list[str], output: Path, options: dict[str, Any]) -> Any:
        """Export; return the result, or None after an error of the API."""
        before, charged = self._spendable(options), len(self.api.charges)
        async with self.client() as client:
            try:
                result = await export_followers(client, given, output, fsync="never", **options)
            except JournalError:
                raise
            except SocialFetchError as error:
                self.said(type(error).__name__, str(error))
                if isinstance(error, ExportError):
                    raise
                return None
            finally:
                self._within(before, charged)
        saved = read_journal(result.journal)
        lists = {h: [n for page in saved.pages(h) for n in page.names()] for h in saved.handles}
        if result.exports and _read(output) != {h: names for h, names in lists.items() if names}:
            raise Broken(f"{output.name} has not what the journal has")
        return result

    def client(self, key: str | None = None) -> SocialFetchClient:
        """Return a client of the emulator."""
        return SocialFetchClient(key or self.api.api_key, base_url=self.api.base_url, retry=_RETRY)

    def _spendable(self, options: dict[str, Any]) -> int | None:
        limit: int | None = options.get("max_credits")
        if limit is None:
            return None
        refresh = options.get("refresh")
        saved = self.saved()
        work = saved.work(refresh)
        return max(0, limit - (0 if refresh and work is None else saved.spent(work, refresh)))

    def _within(self, spendable: int | None, charged: int) -> None:
        spent = len(self.api.charges) - charged
        if spendable is not None and spent > spendable:
            raise Broken(f"{spent} credits were spent, {spendable} were allowed")

    async def move(self) -> None:
        """Lists gain and lose followers, some all of them; they are private for a while."""
        handle = self.draw.choice(list(PROFILES))
        if self.draw.random() < 0.15:
            was = PROFILES[handle]
            now: int | str = (
                "private" if self.draw.random() < 0.5 else (7 if was == "private" else was)
            )
            self.said(handle, "is", now)
            self.api.profile(handle, now)
            return
        there = len(self.api.followers(handle))
        try:
            match self.draw.randrange(5):
                case 0 if there:
                    lost = self.draw.choice([1, there // 2, there])
                    self.said(handle, "loses", lost)
                    self.api.lose(handle, lost)
                case _:
                    gained = self.draw.choice([1, 4, 5, 13, 40])
                    self.said(handle, "gains", gained)
                    self.api.gain(handle, gained)
        except ValueError:
            self.said("has no list")

    async def script(self) -> None:
        """The next requests of a list fail."""
        handle = self.draw.choice(list(PROFILES))
        faults = [self.draw.choice([None, *_FAULTS]) for _ in range(self.draw.randint(1, 6))]
        self.said(handle, faults)
        self.api.script(handle, *faults)

    async def kill(self) -> None:
        """A command that is left at once, in the middle."""
        given, output, options = self.asked()
        options["refresh"] = self.draw.choice([None, "new", "all"])
        options.pop("max_credits", None)
        self.said(given, output.name, options)
        task = asyncio.ensure_future(self.call(given, output, options))
        await asyncio.sleep(self.draw.random() * 0.05)
        for _ in range(2):
            task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(task, return_exceptions=True)

    async def two(self) -> None:
        """Two commands at the same time: one is refused, or comes after the other."""
        given, output, options = self.asked()
        options.pop("max_credits", None)
        self.said(given)
        calls = (self.call(given, output, options) for _ in range(2))
        found = await asyncio.gather(*calls, return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException) and "being written by another" not in str(error):
                raise error

    async def wrong_key(self) -> None:
        """A key that is refused leaves every file as it is."""
        given, output, options = self.asked()
        options["refresh"] = self.draw.choice([None, "new", "all"])
        self.said(given, output.name, options)
        before = {path: path.stat().st_ino for path in self.folder.glob("x.*[vl]")}
        known = output.exists()
        async with self.client("sfk_wrong") as client:
            with suppress(AuthenticationError):
                await export_followers(client, given, output, **options)
        for path, inode in before.items():
            if path.stat().st_ino != inode and (path != output or not known):
                raise Broken(f"{path.name} was replaced")

    async def handle_files(self) -> None:
        """The folder is renamed, linked or copied; an export is touched or deleted."""
        how = self.draw.choice(["rename", "link", "copy", "touch", "delete", "reader"])
        self.said(how)
        number = len(self.done)
        match how:
            case "rename":
                self.folder = self.folder.rename(self.folder.with_name(f"{number}"))
            case "link":
                link = self.folder.with_name(f"{number}")
                link.symlink_to(self.folder.resolve())
                self.folder = link
            case "copy":
                new = self.folder.with_name(f"{number}")
                shutil.copytree(self.folder, new)
                self.folder = new
            case "touch" | "delete":
                for path in (self.folder / "x.csv", self.folder / "x.jsonl"):
                    if path.exists():
                        path.touch() if how == "touch" else path.unlink()
                        if how == "delete":
                            self._files.pop(path.name, None)
            case _:
                list(self.saved().pages())

    async def merge(self) -> None:
        """Another machine has fetched as well: `cat a b`."""
        if not self.journal.exists():
            return
        given, _, options = self.asked()
        options.pop("max_credits", None)
        self.said(given, options)
        other = self.folder / "other.jsonl"
        await self.call(given, other, options)
        text = self.journal.read_bytes()
        both = text + (self.folder / "other.journal").read_bytes()
        self.journal.write_bytes(both)
        for path in self.folder.glob("other.*"):
            path.unlink()
        self._doubled = self._twice()

    async def foreign(self) -> None:
        """An export that somebody has changed is not replaced, unless that is said."""
        given, output, options = self.asked()
        if not output.exists():
            return
        self.said(output.name)
        mine = output.read_bytes() + b"mine\n"
        output.write_bytes(mine)
        requests = len(self.api.requests)
        try:
            await self.call(given, output, options)
        except ExportError:
            if output.read_bytes() != mine or len(self.api.requests) != requests:
                raise Broken("a file of somebody else was touched") from None
        else:
            raise Broken("a file of somebody else was replaced")
        await self.call(given, output, options | {"overwrite": True})

    # -- what must be so ------------------------------------------------------------------------

    def look(self) -> None:
        """Compare journal, files and ledger with what is known."""
        saved = self.saved()
        self._note_readings(saved)
        lists = {h: [n for page in saved.pages(h) for n in page.names()] for h in saved.handles}
        for handle, names in lists.items():
            self._look_at(saved, handle, names)
        self._look_at_files(saved)
        if self._twice() > self._doubled:
            raise Broken("a page in the journal was bought again")
        charged = len(self.api.charges)
        if not saved.credits_charged - self._twice() <= charged:
            raise Broken("the journal counts more credits than were charged")
        if charged > saved.credits_charged + saved.maybe_charged:
            raise Broken(
                f"{charged} credits were charged, the journal says at most "
                f"{saved.credits_charged} + {saved.maybe_charged}"
            )

    def _note_readings(self, saved: SavedRun) -> None:
        step = len(self.truth) - 1
        for handle in saved.handles:
            for reading in saved.readings(handle):
                key = handle, reading.name
                self._began.setdefault(key, step)
                if reading.ended == "complete":
                    self._ended.setdefault(key, step)

    def _look_at(self, saved: SavedRun, handle: str, names: list[str]) -> None:
        one = saved.handles[handle]
        if len(names) != len(set(names)) or len(names) != one.followers:
            raise Broken(f"{handle}: {len(names)} rows, {one.followers} said: {names}")
        if one.status != "complete":
            return
        found = saved.index.current(saved.index.lists[handle])
        assert found is not None
        key = handle, found.reading.name
        stayed = self.truth[self._began[key]][handle] & self.truth[self._ended[key]][handle]
        if missing := stayed - set(names):
            raise Broken(f"{handle} is said to be complete and lacks {sorted(missing)}")

    def _look_at_files(self, saved: SavedRun) -> None:
        """See that no list in a file has lost anybody, unless it was read anew as a whole."""
        shown = {handle: found.base.name for handle, found in self._current(saved)}
        for path in (self.folder / "x.jsonl", self.folder / "x.csv"):
            if not path.exists():
                continue
            now = _read(path)
            before, bases = self._files.get(path.name, ({}, {}))
            for handle, names in before.items():
                anew = shown[handle] > bases[handle]
                if not anew and (gone := set(names) - set(now.get(handle, ()))):
                    raise Broken(f"{path.name}: the list of {handle} has lost {sorted(gone)}")
            if now != before:
                self._files[path.name] = now, shown

    def _current(self, saved: SavedRun) -> Iterator[tuple[str, Any]]:
        for handle, one in saved.index.lists.items():
            if (found := saved.index.current(one)) is not None:
                yield handle, found

    def _twice(self) -> int:
        """Return how many page lines the journal has twice."""
        if not self.journal.exists():
            return 0
        pages: Counter[tuple[str, str, str | None]] = Counter()
        for line in self.journal.read_bytes().splitlines():
            row = json.loads(line)
            if row["type"] == "page":
                pages[row["handle"].lower(), row["reading"], row["cursor"]] += 1
        return pages.total() - len(pages)


def _read(path: Path) -> Lists:
    lists: Lists = {}
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file) if path.suffix == ".csv" else map(json.loads, file)
        for row in rows:
            lists.setdefault(row["source"].lower(), []).append(row["handle"])
    return lists


async def play(seed: int, steps: int) -> list[str]:
    """Play one game; return its steps.

    Raises:
        Broken: A promise was broken; its notes are the steps.
    """
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="socialfetch-jobs-") as root:
        async with Emulator(PROFILES, page_size=PAGE) as api:
            world = World(api, Path(root), draw)
            try:
                for _ in range(steps):
                    await world.step()
            except Exception as error:
                for number, step in enumerate(world.done):
                    error.add_note(f"{number}: {step}")
                error.add_note(f"seed {seed}")
                raise
    return world.done


def main() -> int:
    """Play until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args()
    until, seed, steps = time.monotonic() + given.seconds, given.seed, Counter[str]()
    while time.monotonic() < until:
        done = asyncio.run(play(seed, given.steps))
        steps.update(step.partition(" ")[0] for step in done)
        seed += 1
    sys.stdout.write(f"{seed - given.seed} games, steps: {dict(steps)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
