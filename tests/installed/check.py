"""What an installation must do, by its own interpreter, outside the checkout (tools/packages.py).

The arguments are the version that was built, and the extras that are installed.
"""

import asyncio
import importlib
import os
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import socialfetch_async
from socialfetch_async import Journal, SocialFetchClient, convert
from socialfetch_async.emulator import Emulator

COMMAND = Path(sys.executable).with_name("socialfetch")
VERSION, *EXTRAS = sys.argv[1:]
TEST = """
import asyncio
from socialfetch_async import SocialFetchClient

async def count():
    async with SocialFetchClient() as client:
        return len([follower async for follower in client.iter_followers("ada")])

def test_count(socialfetch_emulator):
    socialfetch_emulator.profile("ada", 45)
    assert asyncio.run(count()) == 45
"""


def said(*command: str | Path, code: int = 0) -> str:
    """Run a command; return what it wrote."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def installed() -> None:
    """The package is the one that was built, typed, and all of its public names load."""
    place = Path(socialfetch_async.__file__)
    assert Path(sys.prefix) in place.parents, place
    assert metadata.version("socialfetch-async") == socialfetch_async.__version__ == VERSION
    assert resources.files(socialfetch_async).joinpath("py.typed").is_file()
    for module in ("", ".emulator", ".events", ".web"):
        loaded = importlib.import_module(f"socialfetch_async{module}")
        for name in getattr(loaded, "__all__", ()):
            assert getattr(loaded, name) is not None, name


async def fetches() -> None:
    """A list goes over a socket into a journal."""
    async with (
        Emulator({"ada": 45}) as api,
        SocialFetchClient(api.api_key, base_url=api.base_url) as client,
    ):
        with Journal("batch.journal") as journal:
            async with client.iter_followers_many(journal.pending(["ada"])) as run:
                async for _ in journal.record(run):
                    pass
        assert len(api.charges) == 3


def command() -> None:
    """The command runs with its extra, and says how to get it without."""
    if "cli" in EXTRAS:
        assert VERSION in said(COMMAND, "--version")
        assert "equal" in said(COMMAND, "demo")
        assert "Usage" in said(sys.executable, "-m", "socialfetch_async", "--help")
    else:
        assert "pip install '.[cli]'" in said(COMMAND, "--help", code=2)


def main() -> None:
    """Check all of it, in a folder that is empty."""
    os.environ.pop("SOCIALFETCH_BASE_URL", None)
    installed()
    asyncio.run(fetches())
    command()
    formats = ["csv", "jsonl", "sqlite"] + ["parquet"] * ("parquet" in EXTRAS)
    for suffix in formats:
        assert convert("batch.journal", f"out.{suffix}").rows == 45
    if "pytest" in EXTRAS:
        Path("test_mine.py").write_text(TEST)
        assert "1 passed" in said(sys.executable, "-m", "pytest", "-q", "test_mine.py")


if __name__ == "__main__":
    main()
