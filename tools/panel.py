"""Show what `socialfetch export` looks like on a terminal, for docs/batches.md.

    python tools/panel.py

runs a batch of 300 handles against the emulator inside tmux (Debian: apt-get install tmux) and
prints what the terminal shows after some seconds.
"""

import asyncio
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from socialfetch_async.emulator import Emulator

WIDTH, HEIGHT, SECONDS = 92, 24, 7


def tmux(*arguments: str) -> str:
    """Run a command of tmux, on a server of its own, and return what it prints."""
    command = ["tmux", "-L", "socialfetch-panel", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


async def screen(api: Emulator, folder: str, handles: str) -> str:
    """Start the batch in a terminal of tmux, and return what that shows after a while."""
    environment = (
        f"SOCIALFETCH_API_KEY={api.api_key}",
        f"SOCIALFETCH_BASE_URL={api.base_url}",
    )
    export = ("export", handles, "-o", f"{folder}/out", "--max-credits=5000", "--concurrency=20")
    command = shlex.join(["env", *environment, sys.executable, "-m", "socialfetch_async", *export])
    size = ("-x", str(WIDTH), "-y", str(HEIGHT))
    await asyncio.to_thread(tmux, "new-session", "-d", *size, command)
    try:
        await asyncio.sleep(SECONDS)
        return (await asyncio.to_thread(tmux, "capture-pane", "-p")).strip()
    finally:
        await asyncio.to_thread(tmux, "kill-server")


async def show(folder: str, handles: str) -> None:
    """Print the screen of a batch against the emulator."""
    faults = {"503": 0.02, "lose": 0.002}
    async with Emulator(latency=0.15, faults=faults, credits=9_000) as api:
        print(await screen(api, folder, handles))


def main() -> None:
    """Write the handles, run the batch, print the screen."""
    with tempfile.TemporaryDirectory() as folder:
        handles = Path(folder, "handles.txt")
        handles.write_text("".join(f"profile.{n}\n" for n in range(300)))
        asyncio.run(show(folder, str(handles)))


if __name__ == "__main__":
    main()
