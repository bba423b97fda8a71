"""The main job, of any size: a batch that is stopped by its limit, goes on, and is compared.

    python -m tests.batches [FOLLOWERS]

runs it by hand, with 100,000 followers unless told otherwise, and prints what it saw.
"""

import asyncio
import contextlib
import csv
import json
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb

from socialfetch_async import RetryPolicy, SocialFetchClient, convert, export_followers
from socialfetch_async.emulator import Emulator

MAIN_JOB = 300, 10_000
FAULTS = {"429": 0.01, "500": 0.01, "502": 0.02, "503": 0.04, "drop": 0.02, "lose": 0.01}


Row = tuple[str, int, str]
"""Source, position, handle."""


def expected(api: Emulator, handles: Iterable[str]) -> list[Row]:
    """Return source, position and handle of every row that a complete export has, in order."""
    return [
        (handle, position, row["handle"])
        for handle in sorted(handles, key=str.lower)
        for position, row in enumerate(api.followers(handle))
    ]


def by_json(path: Path) -> list[Row]:
    """Read JSON lines."""
    with path.open("rb") as file:
        return [(row["source"], row["position"], row["handle"]) for row in map(json.loads, file)]


def by_csv(path: Path) -> list[Row]:
    """Read CSV."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        return [(row["source"], int(row["position"]), row["handle"]) for row in rows]


def by_duckdb(path: Path) -> list[Row]:
    """Read Parquet with DuckDB."""
    with duckdb.connect() as database:
        return database.execute(f"SELECT source, position, handle FROM '{path}'").fetchall()


def by_sqlite(path: Path) -> list[Row]:
    """Read SQLite."""
    with contextlib.closing(sqlite3.connect(path)) as database:
        select = "SELECT source, position, follower FROM follows ORDER BY lower(source), position"
        return database.execute(select).fetchall()


def profiles_of(handles: int, followers: int) -> dict[str, int | str]:
    """Return profiles of very different sizes, some of which cannot be listed."""
    draw = random.Random(handles)
    weights = [draw.paretovariate(1.1) for _ in range(handles)]
    scale = followers / sum(weights)
    profiles: dict[str, int | str] = {
        f"profile.{n}": round(weight * scale) for n, weight in enumerate(weights)
    }
    for n, status in enumerate(("private", "hidden", "not_found") * 5):
        profiles[f"{status}.{n}"] = status
    return profiles


async def main_job(client_of: Any, folder: Path, handles: int, followers: int) -> dict[str, int]:
    """Run it in three calls, and compare the ledger, the journal and the rows of the export."""
    profiles = profiles_of(handles - 15, followers)
    async with Emulator(profiles, faults=FAULTS, seed=3) as api:
        client = client_of(api)
        half = followers // 40
        one = await export_followers(
            client, list(profiles), folder, max_credits=half, concurrency=20
        )
        assert one.stop_reason == "max_credits"
        assert half - 1 <= one.total_credits_charged + one.maybe_charged <= half
        assert len(api.charges) <= half
        two = await export_followers(client, list(profiles), folder, max_credits=10 * half)
        for _ in range(5):  # a handle may fail under so many faults
            if two.finished:
                break
            two = await export_followers(client, list(profiles), folder, max_credits=10 * half)
        assert (two.finished, two.stop_reason) == (True, "complete")
        lost = len(api.charges) - two.total_credits_charged
        assert 0 <= lost <= two.maybe_charged
        seen = {(charge.handle, charge.cursor) for charge in api.charges}
        assert len(seen) == two.total_credits_charged  # every page is in the journal once
        rows = expected(api, profiles)
        assert by_json(folder / "followers.jsonl") == rows
        for name, read in (("csv", by_csv), ("parquet", by_duckdb), ("sqlite", by_sqlite)):
            written = convert(two.journal, folder / f"followers.{name}")
            assert read(written.path) == rows, name
        requests = len(api.requests)
        three = await export_followers(client, list(profiles), folder)
        assert len(api.requests) == requests
        assert three.total_credits_charged == two.total_credits_charged
    return {
        "handles": three.handles,
        "followers": len(rows),
        "credits in the journal": three.total_credits_charged,
        "charged in the ledger": len(api.charges),
        "at most uncertain": three.maybe_charged,
        "requests": requests,
    }


async def _by_hand(followers: int) -> None:
    began = time.monotonic()
    retry = RetryPolicy(base=0.001, cap=0.002)
    with tempfile.TemporaryDirectory() as folder:
        clients: list[SocialFetchClient] = []

        def client_of(api: Emulator) -> SocialFetchClient:
            clients.append(SocialFetchClient(api.api_key, base_url=api.base_url, retry=retry))
            return clients[-1]

        figures = await main_job(client_of, Path(folder), MAIN_JOB[0], followers)
        for client in clients:
            await client.aclose()
    for name, figure in figures.items():
        sys.stdout.write(f"{name}: {figure:,}\n")
    sys.stdout.write(f"seconds: {time.monotonic() - began:.0f}\n")


if __name__ == "__main__":
    asyncio.run(_by_hand(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
