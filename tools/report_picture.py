"""Make docs/report.png: a batch against the emulator, its report, and Chromium's picture of that.

It needs Debian's `chromium` on PATH and takes a minute.
"""

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from socialfetch_async import RetryPolicy, SocialFetchClient, export_followers
from socialfetch_async.emulator import Emulator
from socialfetch_async.report import write_report

PICTURE = Path(__file__).parent.parent / "docs" / "report.png"
UNAVAILABLE = {"quiet.one": "private", "my.sister": "private", "shy": "hidden", "gone": "not_found"}
FIRST = ("dance", "baker", "city", "moto", "foto")
SECOND = (".daily", ".queen", ".walks", "_lab", "4you")
HANDLES = [first + second for first in FIRST for second in SECOND]
FAILING = ("baker4you", "moto_lab", "city.queen")


async def fetch(folder: Path) -> None:
    """Fetch some handles under faults; three fail, and the credits end before the lists do."""
    sizes = {handle: 6_000 // (place + 1) for place, handle in enumerate(HANDLES)}
    emulator = Emulator(
        {**sizes, **UNAVAILABLE},
        latency=0.15,
        seed=11,
        faults={"503": 0.05, "drop": 0.02, "truncate": 0.01},
    )
    async with emulator as api:
        for handle in FAILING:
            api.script(handle, None, None, *["502"] * 20)
        client = SocialFetchClient(
            api.api_key, base_url=api.base_url, retry=RetryPolicy(max_attempts=4, base=0.2)
        )
        async with client:
            handles = [*HANDLES, *UNAVAILABLE]
            await export_followers(client, handles, folder, concurrency=12, max_credits=1_000)


def picture(page: Path, folder: Path) -> None:
    """Let Chromium draw the page."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not on PATH: apt-get install chromium")
    subprocess.run(
        [
            chromium,
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'browser'}",
            "--window-size=1280,1412",
            f"--screenshot={PICTURE}",
            page.as_uri(),
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def main() -> None:
    """Make the picture."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        page = folder / "report.html"
        asyncio.run(fetch(folder))
        write_report(folder, page)
        if len(sys.argv) > 1:
            shutil.copy(page, sys.argv[1])
        picture(page, folder)
    print(f"{PICTURE}: {PICTURE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
