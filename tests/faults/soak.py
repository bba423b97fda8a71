"""The figures of the fault design, each number beside its goal.

    python -m tests.faults.soak [--small] [--seeds 3] [--figure 13 18] [--write docs/figures.md]

Exit code 1 if a goal is missed. Beside figures 1 to 3 stands what a plain loop of backoff and
aiohttp does on the same server, with the same seeds, waits and attempts.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from tests.faults.child import FaultServer
from tests.faults.figures import FULL, SMALL, Compared, Line, Scale
from tests.faults.figures_clock import long_outages, rate_limits
from tests.faults.figures_credits import limits, losing_gateways
from tests.faults.figures_leaving import cancelled_batches
from tests.faults.figures_leftovers import leftovers
from tests.faults.figures_limits import (
    key_sightings,
    large_and_slow,
    long_list,
    routes_and_cursors,
    waits_and_deadlines,
)
from tests.faults.figures_lists import begins_again
from tests.faults.figures_many import cancellations, many_faults, mixed_faults, no_credits, outage
from tests.faults.figures_shapes import new_shapes
from tests.faults.pages import write_into

Found = Sequence[Line | Compared]
Measure = Callable[[FaultServer, Scale], Found]
Measuring = Coroutine[Any, Any, Found]


def _alone(measure: Callable[[FaultServer, Scale], Measuring]) -> Measure:
    return lambda server, scale: asyncio.run(measure(server, scale))


def _seeded(measure: Callable[[FaultServer, Scale, int], Measuring], seeds: int) -> Measure:
    def measured(server: FaultServer, scale: Scale) -> Found:
        each = (asyncio.run(measure(server, scale, seed)) for seed in range(1, seeds + 1))
        return [found for one in each for found in one]

    return measured


def measures(seeds: int) -> dict[int, Measure]:
    """Return what measures each figure, memory first, while the process is small."""
    return {
        10: _alone(long_list),
        8: _alone(large_and_slow),
        1: _seeded(mixed_faults, seeds),
        2: _seeded(many_faults, 1),
        3: _alone(outage),
        4: _alone(cancellations),
        5: _alone(no_credits),
        6: _alone(key_sightings),
        7: _alone(routes_and_cursors),
        9: _alone(waits_and_deadlines),
        11: _alone(leftovers),
        12: _alone(begins_again),
        13: long_outages,
        14: _alone(new_shapes),
        15: _seeded(limits, seeds),
        16: _seeded(cancelled_batches, seeds),
        17: _seeded(losing_gateways, seeds),
        18: rate_limits,
    }


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--small", action="store_true", help="less of everything, a minute")
    parser.add_argument("--seeds", type=int, default=3, help="of what is drawn by chance")
    parser.add_argument("--figure", type=int, nargs="+", help="these only", metavar="N")
    parser.add_argument("--write", type=Path, help="page whose figures are replaced")
    arguments = parser.parse_args()
    scale = SMALL if arguments.small else FULL
    found: list[Line | Compared] = []
    begun = time.monotonic()
    with FaultServer() as server:
        for figure, measure in measures(arguments.seeds).items():
            if arguments.figure and figure not in arguments.figure:
                continue
            started = time.monotonic()
            found += measure(server, scale)
            took = time.monotonic() - started
            sys.stderr.write(f"figure {figure}: {took:.1f} s\n")
    lines = [line for line in found if isinstance(line, Line)]
    failed = [line for line in lines if not line.passed]
    took = time.monotonic() - begun
    printed = "\n".join(
        [
            *map(str, sorted(lines, key=lambda line: line.figure)),
            "",
            *(str(beside) for beside in found if isinstance(beside, Compared)),
            "",
            f"{len(lines) - len(failed)} of {len(lines)} goals reached in {took:.0f} s",
        ]
    )
    sys.stdout.write(f"{printed}\n")
    if arguments.write is not None:
        write_into(arguments.write, "soak", "make soak", printed)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
