"""CPU seconds, blocks in random order, ratios round by round, and what a row of the table is."""

import gc
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

Block = Callable[[], Awaitable[int]]
"""Does some work and returns how many pages that was."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarise the values of some rounds."""
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        return cls(*statistics.quantiles(values, n=4, method="inclusive"))


@dataclass(frozen=True)
class Row:
    """One line of the table: a figure beside its goal."""

    number: int
    figure: str
    spread: Spread | None
    goal: float
    at_least: bool = False
    unit: str = ""
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None when nothing was measured.

        The better quartile decides: the lower one, and the upper one where more is better. What
        else the machine does makes a figure worse and never better.
        """
        if self.spread is None:
            return None
        return self.spread.high >= self.goal if self.at_least else self.spread.low <= self.goal


def calm_the_allocator() -> None:
    """Make glibc keep big blocks instead of mapping and unmapping each.

    asyncio receives into blocks of 256 KiB, and glibc asks the system for each of them until one
    bigger block was freed: noise of 19 to 32 % in whoever comes first.
    """
    bytearray(4 << 20)


def cores() -> tuple[int | None, int | None]:
    """Return a core for the client and another for the server; None where that cannot be said."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[-1], allowed[0]) if len(allowed) > 1 else (None, None)


def freeze() -> None:
    """Keep what is loaded out of the collector's way: a user has only one of the peers loaded."""
    gc.collect()
    gc.freeze()


async def cpu_a_page(block: Block) -> float:
    """Return the CPU seconds that one page of the block took this process."""
    gc.collect()
    began = time.process_time()
    pages = await block()
    return (time.process_time() - began) / pages


async def rounds(
    blocks: Mapping[str, Block], seconds: float, *, least: int = 5
) -> dict[str, list[float]]:
    """Run every block once a round, in random order, until the time is over.

    Returns:
        CPU seconds a page: one value for each round, in the order of the rounds.
    """
    names = list(blocks)
    for name in names:  # connections, caches
        await blocks[name]()
    freeze()
    order = random.Random(1)
    result: dict[str, list[float]] = {name: [] for name in names}
    began = time.monotonic()
    while time.monotonic() - began < seconds or len(result[names[0]]) < least:
        order.shuffle(names)
        for name in names:
            result[name].append(await cpu_a_page(blocks[name]))
    return result


def ratio(result: Mapping[str, Sequence[float]], name: str, to: str) -> Spread:
    """Return one variant against another, round by round."""
    return Spread.of([a / b for a, b in zip(result[name], result[to], strict=True)])
