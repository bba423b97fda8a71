"""Pages a second of a batch on 1, 2 and 4 workers of a Dask cluster, bound by the API's latency.

`python -m benchmarks.shards` prints a table; it needs the extra `dask`, and takes two minutes.

An answer takes 200 ms, so what a worker can reach is its concurrency five times a second. The
processes share the cores of one machine: where these are full, more workers bring nothing more.
"""

import logging
import os
import platform
import tempfile
import time
from pathlib import Path

from benchmarks import server
from socialfetch_async.cluster import export_on

LATENCY = 200  # milliseconds
CONCURRENCY = 25  # of each worker
PAGES = 10  # of each handle
HANDLES = 400  # for each worker
SHARDS = 4  # for each worker


def measured(workers: int, base_url: str) -> tuple[int, float]:
    """Return the pages of a batch, and the seconds it took."""
    from distributed import LocalCluster  # noqa: PLC0415 - the extra may not be there

    handles = [f"20.plain.{PAGES}.{LATENCY}.{number}" for number in range(HANDLES * workers)]
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.ERROR,
            env={"SOCIALFETCH_API_KEY": "sfk_benchmark", "SOCIALFETCH_BASE_URL": base_url},
        ) as cluster,
    ):
        # The first task of a worker imports the library.
        export_on(
            cluster.scheduler_address,
            handles[:workers],
            Path(folder, "warm"),
            shards=workers,
            exports=False,
        )
        began = time.perf_counter()
        result = export_on(
            cluster.scheduler_address,
            handles,
            Path(folder, "batch"),
            shards=SHARDS * workers,
            concurrency=CONCURRENCY,
            exports=False,
        )
        took = time.perf_counter() - began
    if result.pages != len(handles) * PAGES or not result.finished:
        raise RuntimeError(f"not all pages came: {result}")
    return result.pages, took


def main() -> None:
    """Print the table."""
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {LATENCY} ms an answer,")
    print(f"concurrency {CONCURRENCY} and {SHARDS} shards a worker\n")
    print("| workers | pages | seconds | pages/s | of what the latency allows | times 1 worker |")
    print("| --- | --- | --- | --- | --- | --- |")
    alone = 0.0
    with server.running(None) as base_url:
        for workers in (1, 2, 4):
            pages, took = measured(workers, base_url)
            rate = pages / took
            alone = alone or rate
            allowed = workers * CONCURRENCY * 1000 / LATENCY
            print(
                f"| {workers} | {pages:,} | {took:.1f} | {rate:.0f} | {rate / allowed:.0%} | "
                f"{rate / alone:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
