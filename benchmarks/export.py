"""What an export takes: `python -m benchmarks.export [FOLLOWERS]` prints seconds and memory.

Each format is written in a process of its own. Memory is what that process had more at its peak
than when everything was imported, the reading of the journal included.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks import bodies
from benchmarks.memory import forget_peak, peak

ON_A_PAGE = 50
_PAGES_RENDERED = 200
FORMATS = ("jsonl", "jsonl.gz", "csv", "parquet", "sqlite")


def write_journal(path: Path, followers: int) -> None:
    """Write a journal of one list; every follower has a handle of its own."""
    random_ = random.Random(1)
    names = [[bodies.follower(random_) for _ in range(ON_A_PAGE)] for _ in range(_PAGES_RENDERED)]
    pages = followers // ON_A_PAGE
    with path.open("wb") as file:
        _line(file, type="header", version=2, made_by="benchmarks", at="2026-01-01T00:00:00Z")
        for number in range(pages):
            rows = names[number % _PAGES_RENDERED]
            for at, row in enumerate(rows):
                row["handle"] = f"{random_.randrange(10**9)}.{number * ON_A_PAGE + at}"
            _line(
                file,
                type="page",
                at=f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
                handle="big",
                reading="2026-01-01T00:00:00.000000Z-000000",
                cursor=str(number) if number else None,
                lookup_status="found",
                next_cursor=str(number + 1) if number + 1 < pages else None,
                has_more=number + 1 < pages,
                total_followers=followers,
                credits_charged=1,
                request_id=f"req_{number}",
                cached=False,
                invalid_rows=0,
                answer={"data": {"followers": rows}},
            )


def _line(file: Any, **fields: object) -> None:
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))[:-1].encode()
    file.write(text + b',"crc":"%08x"}\n' % crc32(text))


def _one(name: str, journal: Path, folder: Path) -> dict[str, float]:
    from socialfetch_async.export import convert  # noqa: PLC0415

    import_module("pyarrow.parquet")  # not what an export adds
    forget_peak()
    before = peak()
    began, cpu = time.monotonic(), time.process_time()
    result = convert(journal, folder / f"out.{name}")
    return {
        "rows": result.rows,
        "seconds": time.monotonic() - began,
        "cpu": time.process_time() - cpu,
        "mb": peak() - before,
        "size": result.bytes / 1e6,
    }


def measured(name: str, journal: Path, folder: Path) -> dict[str, float]:
    """Convert a journal to one format in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.export", name, str(journal), str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main(followers: int) -> None:
    """Measure every format and print the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = folder / "big.journal"
        write_journal(journal, followers)
        print(f"{followers:,} followers, a journal of {journal.stat().st_size / 1e6:,.0f} MB\n")
        print("| format | seconds | memory, MB | file, MB |\n| --- | --- | --- | --- |")
        for format_ in FORMATS:
            figures = measured(format_, journal, folder)
            if figures["rows"] != followers:
                raise RuntimeError(f"{format_}: {figures['rows']} rows")
            print(
                f"| {format_} | {figures['seconds']:.1f} | {figures['mb']:.0f} "
                f"| {figures['size']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in FORMATS:
        print(json.dumps(_one(sys.argv[1], *map(Path, sys.argv[2:4]))))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)
