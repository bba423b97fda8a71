"""A batch with a journal, as the program that a test starts, kills and starts again.

    python -m tests.faults.batch URL KEY JOURNAL CONCURRENCY FILE_LIMIT < handles

The handles are JSON on stdin. FILE_LIMIT, in bytes, is where the system says that files are full;
0 is no limit, -1 a disk that does not say how full it is. It prints JSON, too: how it ended.
"""

import asyncio
import contextlib
import json
import sys

from socialfetch_async import Journal, JournalError, RetryPolicy, SocialFetchClient
from tests.full_disk import files_end_at


async def batch(
    url: str, key: str, journal: Journal, concurrency: int, handles: list[str]
) -> str | None:
    """Fetch what is left; return what the journal says went wrong."""
    retry = RetryPolicy(base=0.001, cap=0.005)
    try:
        with journal:
            async with (
                SocialFetchClient(key, base_url=url, retry=retry) as client,
                client.iter_followers_many(
                    journal.pending(handles), concurrency=concurrency
                ) as run,
            ):
                async for _ in journal.record(run):
                    pass
    except JournalError as error:
        return str(error)
    return None


def main() -> None:
    """Run the batch."""
    url, key, path, concurrency, limit = sys.argv[1:]
    journal = Journal(path, fsync="never")
    full = contextlib.nullcontext() if int(limit) <= 0 else files_end_at(int(limit))
    if int(limit) < 0:
        journal = Journal(path, fsync="never", _free_bytes=lambda _: None)
    handles = json.load(sys.stdin)
    with full:
        error = asyncio.run(batch(url, key, journal, int(concurrency), handles))
    json.dump({"error": error}, sys.stdout)


if __name__ == "__main__":
    main()
