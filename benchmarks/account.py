"""Rows 13 to 16: the largest account to a file, its journal read again, and the other exports.

Each figure is taken in a process of its own, after the imports, which are row 10's:
`python -m benchmarks.account command BASE_URL FOLDER` and so on.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import emulated, export
from benchmarks.measure import Row, Spread
from benchmarks.memory import forget_peak, peak

FOLLOWERS = 4_691_921
ON_A_PAGE = 20
_HANDLE = "largest"
_SMALL = "small"  # a list of one page
_OUTPUT = "followers.parquet"
_JOURNAL = "followers.journal"
_GOALS = {"parquet": 26.0, "jsonl": 18.0, "sqlite": 40.0, "csv": 30.0}
"""CPU seconds of the whole account."""

# What DuckDB makes of the same lines. It neither looks for followers that are there twice nor
# keeps fields that it was not told of, numbers no rows, and checks no check sum.
_QUERY = """
COPY (
    SELECT handle AS source, "at" AS fetched_at,
        unnest(answer.data.followers, recursive := true)
    FROM read_json($journal, format = 'newline_delimited', maximum_object_size = 67108864,
        columns = {
            type: 'VARCHAR', "at": 'TIMESTAMPTZ', handle: 'VARCHAR',
            answer: 'STRUCT(data STRUCT(followers STRUCT(
                handle VARCHAR, displayName VARCHAR, avatarUrl VARCHAR,
                avatarUrls STRUCT(large VARCHAR, medium VARCHAR, thumb VARCHAR),
                platformUserId VARCHAR, secUid VARCHAR, bio VARCHAR, verified BOOLEAN,
                privateAccount BOOLEAN, metrics STRUCT(followers BIGINT, following BIGINT))[]))'
        })
    WHERE type = 'page'
) TO '%s' (%s)
"""
_OPTIONS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "jsonl": "FORMAT json",
    "csv": "FORMAT csv, HEADER",
}


class Taken(NamedTuple):
    """What a piece of work took its process."""

    cpu: float
    wall: float
    megabytes: float
    """The most memory that the process had."""


# -- in the process of its own ------------------------------------------------------------------


def _taken(work: Callable[[], object]) -> Taken:
    forget_peak()
    began, wall = time.process_time(), time.monotonic()
    work()
    return Taken(time.process_time() - began, time.monotonic() - wall, peak())


def _command(base_url: str, folder: str) -> Taken:
    """Run `socialfetch export` as a user would."""
    from socialfetch_async.cli.commands import socialfetch  # noqa: PLC0415

    for needed in ("pyarrow.parquet", "socialfetch_async.cli.export"):
        import_module(needed)

    os.environ |= {"SOCIALFETCH_API_KEY": emulated.KEY, "SOCIALFETCH_BASE_URL": base_url}
    words = ["export", str(Path(folder, "handles.txt")), "-o", str(Path(folder, _OUTPUT))]

    def run() -> None:
        with (
            Path(os.devnull).open("w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            try:
                socialfetch(words, standalone_mode=False)
            except SystemExit as end:
                if end.code:
                    raise RuntimeError(f"the command ended with {end.code}") from None

    return _taken(run)


def _read(journal: str, times: str) -> list[Taken]:
    from socialfetch_async.journal import read_journal  # noqa: PLC0415

    return [_taken(lambda: read_journal(journal)) for _ in range(int(times))]


def _duckdb(journal: str, output: str) -> Taken:
    """Let DuckDB do the same with two threads."""
    import duckdb  # noqa: PLC0415

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    query = _QUERY % (output, _OPTIONS[output.rpartition(".")[2]])
    with duckdb.connect(config={"threads": 2}) as connection:
        return _taken(lambda: connection.execute(query, {"journal": journal}))


# -- in the benchmark's process -----------------------------------------------------------------


def _child(*arguments: object) -> Any:
    command = [sys.executable, "-m", "benchmarks.account", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=1800)
    return json.loads(done.stdout)


def _whole(taken: Taken, followers: int) -> list[Row]:
    """Set the command beside its goals."""
    pages = -(-followers // ON_A_PAGE)
    size = f"{followers:,} followers, {pages:,} pages"
    memory = Spread.of([taken.megabytes])
    full = followers == FOLLOWERS
    figure = "a whole account to Parquet"
    return [
        Row(
            13,
            f"{figure}: CPU of the command a page",
            Spread.of([1e6 * taken.cpu / pages]),
            400,
            unit="us",
            note=f"{size}, {taken.wall:.0f} s",
        ),
        Row(
            13,
            f"{figure}: memory of the command",
            memory if full else None,
            200,
            unit="MB",
            note=size if full else f"{size}: {taken.megabytes:.0f} MB; the whole with --full",
        ),
    ]


def _again(reads: list[Taken], again: list[Taken], fixed: float, size: int) -> list[Row]:
    """Set reading the journal, and the command on a finished batch, beside their goals."""
    read = Spread.of([taken.cpu for taken in reads])
    return [
        Row(
            14,
            "`read_journal`, of CPU",
            Spread.of([size / 1e9 / taken.cpu for taken in reads]),
            0.7,
            at_least=True,
            unit="GB/s",
            note=f"{size / 1e6:,.0f} MB, {reads[-1].megabytes:.0f} MB of memory",
        ),
        Row(
            15,
            "the command on the finished batch, CPU against `read_journal`",
            Spread.of([(taken.cpu - fixed) / read.median for taken in again]),
            1.2,
            note=f"{1000 * read.median:,.0f} ms to read; taken off: {1000 * fixed:.0f} ms, "
            "of a batch of one page",
        ),
    ]


def _exports(journal: Path, folder: Path, followers: int) -> list[Row]:
    """Set each format beside its goal and beside DuckDB."""
    found = []
    scale = FOLLOWERS / followers
    for name, goal in _GOALS.items():
        figures = export.measured(name, journal, folder)
        if figures["rows"] != followers:
            raise RuntimeError(f"{name}: {figures['rows']} rows")
        beside = "no DuckDB: its writer of SQLite is an extension to download"
        if name in _OPTIONS:
            other = Taken(*_child("duckdb", journal, folder / f"duckdb.{name}"))
            beside = (
                f"DuckDB {scale * other.cpu:.1f} s of CPU, {scale * other.wall:.1f} s of wall "
                "with two threads"
            )
        scaled = "" if scale == 1 else f"; scaled from {followers:,}"
        found.append(
            Row(
                16,
                f"the journal of {FOLLOWERS:,} followers to {name}, CPU",
                Spread.of([scale * figures["cpu"]]),
                goal,
                unit="s",
                note=beside + scaled,
            )
        )
    return found


def measured(core: int | None, *, followers: int, repeats: int) -> list[Row]:
    """Measure the rows.

    Args:
        core: The core of the emulator.
        followers: Of the account.
        repeats: How often the journal is read, and the command run again.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, small = Path(name, _HANDLE), Path(name, _SMALL)
        for each in (folder, small):
            each.mkdir()
            (each / "handles.txt").write_text(f"{each.name}\n")
        with emulated.running({_HANDLE: followers, _SMALL: ON_A_PAGE}, core) as api:

            def run(where: Path) -> Taken:
                return Taken(*_child("command", api.base_url, where))

            run(small)  # byte code, the system's file cache
            whole = run(folder)
            again = [run(folder) for _ in range(repeats)]
            fixed = min(run(small).cpu for _ in range(repeats))
            charged = api.gain({})
        if charged != -(-followers // ON_A_PAGE) + 1:
            raise RuntimeError(f"{charged} credits were charged")
        journal = folder / _JOURNAL
        reads = [Taken(*taken) for taken in _child("read", journal, 3 * repeats)]
        return [
            *_whole(whole, followers),
            *_again(reads, again, fixed, journal.stat().st_size),
            *_exports(journal, folder, followers),
        ]


_WORK: Mapping[str, Callable[[str, str], object]] = {
    "command": _command,
    "read": _read,
    "duckdb": _duckdb,
}

if __name__ == "__main__":
    print(json.dumps(_WORK[sys.argv[1]](*sys.argv[2:])))
