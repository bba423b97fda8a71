"""`socialfetch demo` and `emulate`: the API on the local machine."""

import asyncio
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from socialfetch_async._terminal import Voice, say, write_lines
from socialfetch_async._text import count
from socialfetch_async.batch import (
    BatchEvent,
    BatchResult,
    files_of,
    order,
    progress_on_stderr,
    run_batch,
)
from socialfetch_async.cli import exit_codes
from socialfetch_async.cli.connecting import connected
from socialfetch_async.cli.output import write_json
from socialfetch_async.cli.words import size
from socialfetch_async.client import SocialFetchClient
from socialfetch_async.emulator import Emulator, Profile
from socialfetch_async.errors import ExportError
from socialfetch_async.models import FollowersPage
from socialfetch_async.policy import RetryPolicy
from socialfetch_async.report import write_report

_PROFILES: Final[dict[str, Profile | int | str]] = {
    "big.star": 1_600,
    "dance.daily": 430,
    "tiny.baker": 7,
    "new.here": 0,
    "quiet.one": "private",
    "shy.list": "hidden",
    "long.gone": "not_found",
    "city.walks": 260,
}


_INTRODUCTION: Final = b"""\
The real client against an emulator on the local machine: no key, no network.
Some responses are 503, and some connections break on the way.
"""


async def serve(emulator: Emulator, voice: Voice) -> int:
    """Run an emulator until the command is stopped."""
    try:
        async with emulator as api:
            if voice.json:
                await write_json({"base_url": api.base_url, "api_key": api.api_key})
            address = f"SOCIALFETCH_BASE_URL={api.base_url}"
            await voice.say(
                [
                    f"The Social Fetch emulator listens on {api.base_url} (status page there).",
                    "To use it:",
                    f"  export {address} SOCIALFETCH_API_KEY={api.api_key}",
                    "Press Ctrl-C to stop it.",
                ]
            )
            await asyncio.Event().wait()  # nobody sets it: only cancelling ends this
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error.strerror
        advice = "Choose another port with --port; 0 is a free one."
        await say([f"socialfetch: the emulator cannot listen on its port: {why}. {advice}"])
    return exit_codes.USAGE


async def show(output: str | None, voice: Voice) -> int:
    """Fetch several lists side by side, faults included, and say what it cost.

    Args:
        output: The folder for the files, new or empty; None makes one for temporary files.
        voice: How much to say.

    Raises:
        ExportError: The folder is not empty.
    """
    folder = _folder(output)
    emulator = Emulator(_PROFILES, latency=0.02, seed=7, faults={"503": 0.05, "drop": 0.02})
    got: dict[str, list[str]] = {handle: [] for handle in _PROFILES}
    async with emulator as api:
        client = SocialFetchClient(
            api.api_key, base_url=api.base_url, retry=RetryPolicy(base=0.1), max_credits=10_000
        )
        async with connected(client):
            if not (voice.quiet or voice.json):
                await write_lines([_INTRODUCTION])
            async with progress_on_stderr(client, voice) as progress:

                def see(event: BatchEvent) -> None:
                    if isinstance(event, FollowersPage):
                        got[event.handle] += [follower.handle for follower in event.followers]
                    progress.see(event)

                files = files_of(f"{folder}/", ["jsonl", "csv", "sqlite"])
                asked = order(list(_PROFILES), concurrency=4)
                result = await run_batch(client, files, asked, "second", see)
        lists = {handle: [row["handle"] for row in api.followers(handle)] for handle in _PROFILES}
        equal = lists == got and len(api.charges) == client.usage.credits_charged
        await _tell(result, folder, [*_bill(client, got), *_proof(api, equal=lists == got)], voice)
    return exit_codes.DONE if equal else exit_codes.SOME_FAILED


def _bill(client: SocialFetchClient, got: dict[str, list[str]]) -> Iterable[str]:
    usage = client.usage
    yield (
        f"{count(usage.pages, 'page')} with {count(sum(map(len, got.values())), 'follower')} for "
        f"{count(usage.credits_charged, 'credit')}, {usage.maybe_charged:,} more possibly charged; "
        f"{count(usage.requests_sent, 'request')}, {usage.retries:,} of them retries."
    )


def _proof(api: Emulator, *, equal: bool) -> Iterable[str]:
    yield (
        f"Charged in the emulator's ledger: {count(len(api.charges), 'credit')}. Every list "
        f"compared with the emulator's, follower by follower: {'equal' if equal else 'NOT EQUAL'}."
    )


async def _tell(result: BatchResult, folder: Path, lines: Iterable[str], voice: Voice) -> None:
    """Write the report, and say what is where."""
    report = folder / "report.html"
    write_report(result.journal, report)
    if voice.json:
        await write_json(result)
        return
    paths = (result.journal, *(export.path for export in result.exports), report)
    files = [f"  {path}  {size(path.stat().st_size)}" for path in paths]
    text = [*lines, "", "The journal of these pages, and the files made from it:", *files]
    await write_lines([f"{line}\n".encode(errors="replace") for line in text])


def _folder(output: str | None) -> Path:
    """Return the folder for the files: its lists are invented, and belong beside no others.

    Raises:
        ExportError: It is not a folder, or not empty.
    """
    if output == "-":
        raise ExportError("the demo writes to a folder: name one (./- is a folder called -).")
    folder = Path(output or tempfile.mkdtemp(prefix="socialfetch-demo-")).resolve()
    try:
        empty = not folder.exists() or not any(folder.iterdir())
    except OSError as error:
        raise ExportError(f"{folder} cannot be used: {error.strerror}. Name another.") from None
    if not empty:
        raise ExportError(f"{folder} is not empty: name a new folder. Nothing was changed.")
    return folder
