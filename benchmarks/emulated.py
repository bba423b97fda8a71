"""The emulator of the library in a process of its own, on the server's core: rows 13, 15 and 17.

It is slower than `benchmarks.server`, and unlike that one it has people of its own on each page,
counts credits, and its lists can gain followers.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple

from benchmarks import measure
from socialfetch_async.emulator import Emulator

KEY = "sfk_emulator"


class Emulated(NamedTuple):
    """A running emulator."""

    base_url: str
    orders: IO[str]
    answers: IO[str]

    def gain(self, handles: Mapping[str, int]) -> int:
        """Give each handle so many new followers; return the credits charged so far."""
        print(json.dumps(handles), file=self.orders, flush=True)
        return int(self.answers.readline())


@contextlib.contextmanager
def running(profiles: Mapping[str, int], core: int | None) -> Iterator[Emulated]:
    """Start an emulator with these profiles, pinned to a core; it ends with the block."""
    command = [sys.executable, "-m", "benchmarks.emulated", "" if core is None else str(core)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps(profiles), file=process.stdin, flush=True)
            base_url = process.stdout.readline().strip()
            if not base_url:
                raise RuntimeError("the emulator did not start")
            yield Emulated(base_url, process.stdin, process.stdout)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


async def _serve() -> None:
    """Serve until standard input ends; each line of it is an order."""
    async with Emulator(json.loads(sys.stdin.readline())) as api:
        print(api.base_url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            for handle, count in json.loads(line).items():
                api.gain(handle, count)
            print(sum(charge.credits for charge in api.charges), flush=True)


if __name__ == "__main__":
    if sys.argv[1]:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    measure.calm_the_allocator()
    asyncio.run(_serve())
