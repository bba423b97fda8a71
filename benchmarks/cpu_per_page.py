"""Rows 1 to 4: CPU of the client for one page, one list at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import peers
from benchmarks.measure import Block, Row, Spread, ratio, rounds

# Slow ones get fewer pages a block, so that every block takes about as long.
_SHARE = {
    peers.STAINLESS: 12,
    peers.VENDOR: 6,
    peers.PYDANTIC: 4,
    peers.HTTPX: 4,
    peers.NIQUESTS: 4,
}


@dataclass(frozen=True)
class Table:
    """Every peer at one page size."""

    size: int
    encoding: str
    rounds: int
    bare: Spread
    """Seconds a page of the bare loop."""
    ratios: Mapping[str, Spread]
    against: Mapping[str, Spread]
    """The library against each peer."""


def _block(walk: peers.Walk, size: int, encoding: str, pages: int) -> Block:
    handle = f"{size}.{encoding}.{pages}.0.0"

    async def run() -> int:
        seen = await walk(handle)
        if seen != pages * size:
            raise RuntimeError(f"{seen} of {pages * size} followers came")
        return pages

    return run


async def table(walks: Mapping[str, peers.Walk], size: int, encoding: str, seconds: float) -> Table:
    """Measure every peer at one page size."""
    pages = {20: 120, 50: 96, 200: 48}[size]
    blocks = {
        name: _block(walk, size, encoding, pages // _SHARE.get(name, 1))
        for name, walk in walks.items()
        if encoding == "plain" or name != peers.DECODE
    }
    result = await rounds(blocks, seconds)
    return Table(
        size,
        encoding,
        len(result[peers.BARE]),
        Spread.of(result[peers.BARE]),
        {name: ratio(result, name, peers.BARE) for name in result},
        {name: ratio(result, peers.LIBRARY, name) for name in result},
    )


_GOALS = (
    (1, "CPU a page against the bare loop", peers.BARE, {20: 1.03, 50: 1.03, 200: 1.03}),
    (
        2,
        "CPU a page against aiohttp + resp.json() by hand",
        peers.JSON,
        {20: 0.78, 50: 0.66, 200: 0.56},
    ),
    (3, "CPU a page against httpx + pydantic v2", peers.PYDANTIC, {20: 1 / 4, 50: 1 / 4}),
    (3, "CPU a page against the Stainless manner", peers.STAINLESS, {20: 1 / 12, 50: 1 / 15}),
    (4, "CPU a page against the raw protocol", peers.RAW, {50: 2.2, 200: 1.8}),
)


def rows(tables: list[Table]) -> list[Row]:
    """Set the figures beside their goals."""
    plain = {table.size: table for table in tables if table.encoding == "plain"}
    return [
        Row(number, f"{figure}, {size} a page", plain[size].against[peer], goal)
        for number, figure, peer, goals in _GOALS
        for size, goal in goals.items()
    ]


def library_seconds(tables: list[Table], size: int) -> float:
    """Return the CPU seconds of the library for a plain page."""
    table = next(t for t in tables if t.size == size and t.encoding == "plain")
    return table.bare.median * table.ratios[peers.LIBRARY].median
