"""Where the shards of a batch are: a folder of journals that all machines see.

    shard-NAME.attempt-ID.journal   what one attempt at a shard bought
    shard-NAME.lock                 held by the attempt that is running

Nothing else keeps state. An attempt reads what the earlier ones wrote, whether they ended, were
stopped or killed, and buys what is missing into a file of its own: where a network disk does not
carry the lock, and an attempt that was thought dead goes on, the two never write into one file,
and `read_journal` shows each page once.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from socialfetch_async.errors import JournalError, ShardTakenError
from socialfetch_async.journal import AppendOnly, SavedRun, read_journal, shard_journals

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def shard_name(shard: str | int) -> str:
    """Return the name of a shard as it stands in its files.

    Raises:
        ValueError: It cannot be in the name of a file.
    """
    return _named("shard", str(shard))


def journal_path(shard: str | int, folder: str | os.PathLike[str], attempt: str) -> Path:
    """Return where an attempt writes."""
    name = f"shard-{shard_name(shard)}.attempt-{_named('attempt', attempt)}.journal"
    return Path(folder) / name


def lock_path(shard: str | int, folder: str | os.PathLike[str]) -> Path:
    """Return what the running attempt locks."""
    return Path(folder) / f"shard-{shard_name(shard)}.lock"


def read_shard(
    shard: str | int, folder: str | os.PathLike[str], also: Path | None = None
) -> SavedRun:
    """Read the journals of all attempts at a shard as one, and perhaps another with them."""
    journals = shard_journals(Path(folder), shard_name(shard))
    journals += [] if also is None else [also]
    return read_journal(*journals) if journals else SavedRun.empty()


def read_part(shard: str, folder: Path, also: Path | None) -> tuple[SavedRun, SavedRun]:
    """Return what a shard has cost and bought, and what is known of its lists.

    Args:
        shard: Its name.
        folder: Where its journals are.
        also: A journal that has pages of the same lists; None without one.
    """
    saved = read_shard(shard, folder)
    return saved, saved if also is None else read_shard(shard, folder, also)


@contextmanager
def shard_lock(shard: str | int, folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep everybody else from the shard. A process that dies lets go of it.

    Raises:
        ShardTakenError: Another process has it.
        JournalError: The folder is missing.
    """
    if not Path(folder).is_dir():
        raise JournalError(
            f"there is no folder {folder} here: make it where every worker sees it, and name it "
            "the same on all machines. No request was sent."
        )
    try:
        lock = AppendOnly(lock_path(shard, folder))
    except JournalError as error:
        raise ShardTakenError(f"shard {shard} cannot be begun: {error}") from None
    try:
        yield
    finally:
        lock.close()


def _named(what: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{what} is 1 to 64 of A-Z a-z 0-9 _ -, not {name!r}")
    return name
