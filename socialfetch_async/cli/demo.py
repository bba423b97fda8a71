"""`socialfetch demo` and `emulate`: the API on this machine."""

import asyncio
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from socialfetch_async.batch import BatchEvent, files_of, order, run_batch
from socialfetch_async.cli import exit_codes
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.emulator import Emulator, Profile
from socialfetch_async.errors import ExportError
from socialfetch_async.events import HandleDone
from socialfetch_async.models import FollowersPage
from socialfetch_async.policy import RetryPolicy
from socialfetch_async.report import write_report

_PROFILES: dict[str, Profile | int | str] = {
    "big.star": 1_600,
    "dance.daily": 430,
    "tiny.baker": 7,
    "new.here": 0,
    "quiet.one": "private",
    "shy.list": "hidden",
    "long.gone": "not_found",
    "city.walks": 260,
}


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would exit with 1; how a command ends is in `stopping.py`


async def serve(emulator: Emulator) -> int:
    """Run an emulator until the command is stopped."""
    try:
        async with emulator as api:
            click.echo(
                f"The Social Fetch emulator listens on {api.base_url} (status page there). Use it "
                f"with\n  export SOCIALFETCH_BASE_URL={api.base_url} "
                f"SOCIALFETCH_API_KEY={api.api_key}\nCtrl-C ends it.",
                err=True,
            )
            await asyncio.Event().wait()  # nobody sets it: only cancelling ends this
    except OSError as error:
        click.echo(f"socialfetch: the emulator can not listen: {error.strerror}", err=True)
    return exit_codes.USAGE


async def show(output: str | None) -> int:
    """Fetch several handles side by side, faults included, and say what it cost.

    Args:
        output: The folder for the files, new or empty; None makes one for temporary files.

    Raises:
        ExportError: The folder is not empty.
    """
    folder = _folder(output)
    console = _Console()
    console.print(
        "The real client against an emulator of the API on this machine: no key, no network.\n"
        "Some answers are 503, and some connections break on the way.\n"
    )
    emulator = Emulator(_PROFILES, latency=0.02, seed=7, faults={"503": 0.05, "drop": 0.02})
    async with (
        emulator as api,
        SocialFetchClient(
            api.api_key, base_url=api.base_url, retry=RetryPolicy(base=0.1)
        ) as client,
    ):
        with Live(console=console, auto_refresh=False) as live:
            watch = _Watch(console, live)
            files = files_of(f"{folder}/", ["jsonl", "csv", "sqlite"])
            asked = order(list(_PROFILES), concurrency=4)
            result = await run_batch(client, files, asked, "second", watch.see)
        usage = client.usage
    got = watch.got
    console.print(
        f"\n{usage.pages:,} pages with {sum(map(len, got.values())):,} followers for "
        f"{usage.credits_charged:,} credits, {usage.maybe_charged} more may have been charged; "
        f"{usage.requests_sent:,} requests, {usage.retries} of them again after a fault."
    )
    lists = {handle: [row["handle"] for row in api.followers(handle)] for handle in _PROFILES}
    complete = lists == got
    console.print(
        f"Charged in the emulator's ledger: {len(api.charges):,} credits. Every list compared "
        f"with the emulator's, follower by follower: {'equal' if complete else 'NOT EQUAL'}."
    )
    report = folder / "report.html"
    write_report(result.journal, report)
    console.print("\nThe journal of these pages, and what was made of it:")
    for path in (result.journal, *(export.path for export in result.exports), report):
        console.print(f"  {path}  {path.stat().st_size:,} bytes", soft_wrap=True, markup=False)
    return 0 if complete and len(api.charges) == usage.credits_charged else 1


def _folder(output: str | None) -> Path:
    """Return the folder for the files: its lists are invented, and belong beside no others.

    Raises:
        ExportError: It is not a folder, or not empty.
    """
    folder = Path(output or tempfile.mkdtemp(prefix="socialfetch-demo-")).resolve()
    try:
        empty = not folder.exists() or not any(folder.iterdir())
    except OSError as error:
        raise ExportError(f"{folder} cannot be used: {error.strerror}. Name another.") from None
    if not empty:
        raise ExportError(f"{folder} is not empty: name a new folder. Nothing was changed.")
    return folder


class _Watch:
    """Prints what arrives: a live table in a terminal, a line for each event elsewhere."""

    def __init__(self, console: Console, live: Live) -> None:
        self._console = console
        self._live = live
        self._status = dict.fromkeys(_PROFILES, "")
        self.got: dict[str, list[str]] = {handle: [] for handle in _PROFILES}

    def see(self, event: BatchEvent) -> None:
        """Take an event of the batch."""
        if isinstance(event, FollowersPage):
            handles = self.got[event.handle]
            handles += [follower.handle for follower in event.followers]
            latest = event.followers[-1].handle if event.followers else "-"
            self._status[event.handle] = f"... {latest}"
            of = "" if event.total_followers is None else f" of {event.total_followers:,}"
            line = f"{event.handle:<12} {len(handles):>5,}{of}  {latest}"
        elif isinstance(event, HandleDone):
            self._status[event.handle] = event.outcome
            line = f"{event.handle:<12} {_summary(event)}"
        else:
            return
        if self._console.is_terminal:
            self._live.update(_table(self.got, self._status), refresh=True)
        else:
            self._console.print(line)


def _summary(done: HandleDone) -> str:
    return f"done: {done.outcome}, {done.followers:,} followers, {done.credits_charged:,} credits"


def _table(got: dict[str, list[str]], status: dict[str, str]) -> Table:
    table = Table("handle", "followers", "latest, or how it ended")
    table.columns[1].justify = "right"
    for handle, names in got.items():
        table.add_row(handle, f"{len(names):,}", status[handle])
    return table
