"""Show what `socialfetch export` looks like on a terminal, for docs/batches.md.

    python tools/panel.py

runs a batch of 300 handles against the emulator inside tmux (Debian: apt-get install tmux), gives
its window one width after the other, and prints everything that stands in the terminal each time,
what has scrolled out of the window included: one panel, and nothing left of an earlier one.
"""

import asyncio
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from socialfetch_async.emulator import Emulator

WIDTHS, HEIGHT = (92, 40, 200, 60), 24
SECONDS = 5  # that the panel is there before the first look
PAUSE = 1.0  # before each further one


def tmux(*arguments: str) -> str:
    """Run a command of tmux, on a server of its own, and return what it prints."""
    command = ["tmux", "-L", "socialfetch-panel", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def screens(api: Emulator, folder: str, handles: str) -> list[str]:
    """Start the batch in a terminal of tmux, and return what that shows at each width."""
    environment = (
        f"SOCIALFETCH_API_KEY={api.api_key}",
        f"SOCIALFETCH_BASE_URL={api.base_url}",
    )
    export = ("export", handles, "-o", f"{folder}/out", "--max-credits=5000", "--concurrency=20")
    command = shlex.join(["env", *environment, sys.executable, "-m", "socialfetch_async", *export])
    size = ("-x", str(WIDTHS[0]), "-y", str(HEIGHT))
    await asyncio.to_thread(tmux, "new-session", "-d", *size, command)
    shown = []
    try:
        while "in flight" not in await asyncio.to_thread(tmux, "capture-pane", "-p"):
            await asyncio.sleep(PAUSE)
        await asyncio.sleep(SECONDS)
        for width in WIDTHS:
            await asyncio.to_thread(tmux, "resize-window", "-x", str(width))
            await asyncio.sleep(PAUSE)
            everything = await asyncio.to_thread(tmux, "capture-pane", "-p", "-S", "-")
            shown.append(everything.strip())
    finally:
        await asyncio.to_thread(tmux, "kill-server")
    return shown


async def show(folder: str, handles: str) -> None:
    """Print the screens of a batch against the emulator."""
    faults = {"503": 0.02, "lose": 0.002}
    async with Emulator(latency=0.15, faults=faults, credits=9_000) as api:
        for width, screen in zip(WIDTHS, await screens(api, folder, handles), strict=True):
            print(f"{width} columns:\n{screen}\n")


def main() -> None:
    """Write the handles, run the batch, print the screens."""
    with tempfile.TemporaryDirectory() as folder:
        handles = Path(folder, "handles.txt")
        handles.write_text("".join(f"profile.{n}\n" for n in range(300)))
        asyncio.run(show(folder, str(handles)))


if __name__ == "__main__":
    main()
