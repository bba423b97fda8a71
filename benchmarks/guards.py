"""Row 18: what the guards against endless lists take, in the largest list.

The guards are what a walk remembers: the cursors that were asked for, and hashes of the rows. They
are measured alone, in a process of their own, `python -m benchmarks.guards`: a set of rows costs
more when it is larger than the caches, so a short list would not show it.
"""

import json
import subprocess
import sys
import time

from benchmarks.measure import Row, Spread
from benchmarks.memory import forget_peak, peak
from socialfetch_async._protocol.seen import Hashes, Seen

PAGES = 235_000
_ON_A_PAGE = 20
_AT_ONCE = 100  # pages whose rows are made, outside of the time that counts


def _remembered() -> tuple[float, float]:
    """Walk a list without fetching it; return CPU seconds a page, and MB."""
    asked = Hashes()
    seen = Seen()
    spent = 0.0
    forget_peak()
    before = peak()
    for first in range(0, PAGES, _AT_ONCE):
        numbers = range(first, first + _AT_ONCE)
        pages = [
            [f"someone.{_ON_A_PAGE * page + row}" for row in range(_ON_A_PAGE)] for page in numbers
        ]
        cursors = [f"cursor.{number}" for number in numbers]
        began = time.process_time()
        for cursor, rows in zip(cursors, pages, strict=True):
            # As `Walk` does.
            if not asked.add(cursor) or seen.add(rows) is not None:
                raise RuntimeError("the guards see a circle where none is")
        spent += time.process_time() - began
    return spent / PAGES, peak() - before


def measured(page: float) -> list[Row]:
    """Set CPU and memory beside their goals.

    Args:
        page: CPU seconds of the library for a page of 20, all guards on.
    """
    command = [sys.executable, "-m", "benchmarks.guards"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    cpu, megabytes = json.loads(done.stdout)
    guards = f"guards against repeats, {PAGES:,} pages of {_ON_A_PAGE}"
    return [
        Row(
            18,
            f"{guards}: CPU of a page",
            Spread.of([100 * cpu / page]),
            2,
            unit="%",
            note=f"{1e6 * cpu:.1f} us of {1e6 * page:.0f} us",
        ),
        Row(
            18,
            f"{guards}: memory",
            Spread.of([megabytes]),
            30,
            unit="MB",
            note="100 pages of rows that the measuring holds included",
        ),
    ]


if __name__ == "__main__":
    print(json.dumps(_remembered()))
