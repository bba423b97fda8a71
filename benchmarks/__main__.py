"""The command: `python -m benchmarks` measures, prints, and writes down what it found."""

import argparse
import asyncio
import os
import sys
import time
from dataclasses import dataclass

from benchmarks import (
    account,
    cpu_per_page,
    fan_out,
    growth,
    guards,
    imports,
    journaling,
    measure,
    memory,
    peers,
    pictures,
    pulling,
    raw,
    refreshing,
    report,
    server,
)

_CONNECTIONS = 16


@dataclass(frozen=True)
class Mode:
    """How long each part may take."""

    name: str
    full: bool
    tables: tuple[tuple[int, str, float], ...]
    """Page size, encoding, seconds."""
    fan_out: float
    repeats: int
    imports: int
    account: int
    """Followers of the whole account of row 13."""


SHORT = Mode(
    "short mode", False,
    ((20, "plain", 6), (50, "plain", 6), (200, "plain", 6), (50, "gzip", 3)),
    fan_out=4, repeats=1, imports=5, account=40_000,
)  # fmt: skip
FULL = Mode(
    "full mode", True,
    tuple((size, encoding, 60) for encoding in ("plain", "gzip") for size in (20, 50, 200)),
    fan_out=60, repeats=5, imports=20, account=account.FOLLOWERS,
)  # fmt: skip


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


async def _ceiling(base_url: str) -> str:
    """Say how fast the server is: with a raw client that decodes nothing, and by its own CPU."""
    connections = [await raw.connect(base_url) for _ in range(_CONNECTIONS)]
    target = raw.target("50.plain.1000000.0.0", "1700000001")
    until = time.monotonic() + 1.5

    async def ask(connection: raw.Connection) -> int:
        pages = 0
        while time.monotonic() < until:
            await connection.get(target)
            pages += 1
        return pages

    before = await raw.stats(base_url)
    began = time.monotonic()
    pages = sum(await asyncio.gather(*map(ask, connections)))
    took = time.monotonic() - began
    after = await raw.stats(base_url)
    for connection in connections:
        connection.transport.close()
    cpu = (after["cpu"] - before["cpu"]) / (after["pages"] - before["pages"])
    return (
        f"Server: {pages / took:,.0f} pages/s of 50 to a raw client that decodes nothing; "
        f"{cpu * 1e6:.0f} us of its own core a page, so it could send {1 / cpu:,.0f}. "
        "What is compared is the CPU of the client."
    )


async def _measured(mode: Mode, base_url: str, server_core: int | None) -> report.Results:
    results = report.Results(mode.name)
    _say("the server's own ceiling")
    results.server = await _ceiling(base_url)
    async with peers.opened(base_url) as walks:
        for size, encoding, seconds in mode.tables:
            _say(f"CPU a page: {size} a page, {encoding}")
            results.tables.append(await cpu_per_page.table(walks, size, encoding, seconds))
    results.rows += cpu_per_page.rows(results.tables)
    _say("many lists side by side")
    many = await fan_out.measured(base_url, repeats=mode.repeats, seconds=mode.fan_out)
    results.rows += many.rows
    results.fan_out = many.ratios
    _say("pulling, and work while a page is on its way")
    results.rows += await pulling.measured(base_url, repeats=mode.repeats)
    _say("memory")
    rows, results.memory = await memory.measured(base_url, full=mode.full)
    results.rows += rows
    _say("imports")
    rows, results.imports = imports.measured(mode.imports)
    results.rows += rows
    _say("the journal")
    results.rows += await journaling.measured(base_url, repeats=2 * mode.repeats)
    _say("growth")
    rows, results.curves = await growth.measured(base_url, full=mode.full)
    results.rows += rows
    _say("a whole account, its journal, its exports")
    results.rows += await asyncio.to_thread(
        account.measured, server_core, followers=mode.account, repeats=max(2, mode.repeats)
    )
    _say("a refresh")
    results.rows += await asyncio.to_thread(refreshing.measured, server_core)
    _say("the guards")
    page = cpu_per_page.library_seconds(results.tables, 20)
    results.rows += await asyncio.to_thread(guards.measured, page)
    return results


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="half an hour instead of 2 minutes")
    parser.add_argument("--dry", action="store_true", help="print only, write no file")
    options = parser.parse_args()
    mode = FULL if options.full else SHORT
    began = time.monotonic()
    client_core, server_core = measure.cores()
    if client_core is None:
        _say("this system pins no process to a core: expect more noise")
    else:
        os.sched_setaffinity(0, {client_core})
    measure.calm_the_allocator()
    # Without byte code each process of its own would compile what it imports.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with server.running(server_core) as base_url:
        results = asyncio.run(_measured(mode, base_url, server_core))
    results.seconds = time.monotonic() - began
    text = report.text(results)
    print(text)
    if not options.dry:
        report.write(text)
        pictures.write(results)


if __name__ == "__main__":
    main()
