"""Row 12: whether a page costs more when there were many before, or many lists."""

import random
from dataclasses import dataclass

import aiohttp

from benchmarks import peers
from benchmarks.measure import Block, Row, Spread, cpu_a_page, freeze
from socialfetch_async import FollowersPage, SocialFetchClient

_SIZE = 20
_WINDOW = 250  # pages between two looks at the bare loop, whose cost is the measure
_NEAR = 8  # windows on each side of a point: 1,000 is the mean of some windows up to there


@dataclass(frozen=True)
class Curve:
    """CPU a page, over the bare loop at the same time; against how many."""

    name: str
    points: list[tuple[int, float]]


async def _pages(client: SocialFetchClient, bare: Block, most: int) -> Curve:
    """Walk one list of `most` pages, with the bare loop between.

    The first thousand pages are walked several times: a point is the median of many windows.
    """
    points: list[tuple[int, float]] = []
    for _ in range(_NEAR // 2):
        points += await _walk(client, bare, min(most, 1_000))
    points += await _walk(client, bare, most)
    return Curve("pages of one list", sorted(points, key=lambda point: point[0]))


async def _walk(client: SocialFetchClient, bare: Block, most: int) -> list[tuple[int, float]]:
    pages = client.iter_followers(f"{_SIZE}.plain.{most}.0.0").pages()

    async def window() -> int:
        for _ in range(_WINDOW):
            for _ in (await anext(pages)).followers:
                pass
        return _WINDOW

    return [
        (position, await cpu_a_page(window) / await cpu_a_page(bare))
        for position in range(_WINDOW, most + 1, _WINDOW)
    ]


async def _lists(client: SocialFetchClient, bare: Block, counts: list[int]) -> Curve:
    """Fetch ten pages of each list, four lists side by side, so that each worker has several."""
    ratios: dict[int, list[float]] = {count: [] for count in counts}

    def block(count: int) -> Block:
        handles = [f"{_SIZE}.plain.10.0.{number}" for number in range(count)]

        async def run() -> int:
            seen = 0
            for _ in range(max(1, 100 // count)):
                async with client.iter_followers_many(handles, concurrency=4) as many:
                    async for event in many:
                        seen += isinstance(event, FollowersPage)
            return seen

        return run

    blocks = {count: block(count) for count in counts}
    order = random.Random(1)
    for _ in range(2 * len(counts)):
        order.shuffle(counts := list(counts))
        for count in counts:
            # A big one is long enough to average by itself.
            if count < 1_000 or len(ratios[count]) < 2:
                before = await cpu_a_page(bare)
                spent = await cpu_a_page(blocks[count])
                ratios[count].append(2 * spent / (before + await cpu_a_page(bare)))
    return Curve("lists of one run", [(n, Spread.of(r).median) for n, r in ratios.items()])


def _at(curve: Curve, position: int) -> float:
    """Return the median of the windows that end at or shortly before a position."""
    near = [value for where, value in curve.points if where <= position][-2 * _NEAR :]
    return Spread.of(near).median


def _row(figure: str, marks: list[int], values: list[float], note: str) -> Row:
    least, most = min(values), max(values)
    text = ", ".join(f"{mark:,}: {value:.2f}" for mark, value in zip(marks, values, strict=True))
    return Row(12, figure, Spread.of([most / least]), 1.10, note=f"{text}{note}")


async def measured(base_url: str, *, full: bool) -> tuple[list[Row], list[Curve]]:
    """Measure the row; the curves are for the picture."""
    marks = [1_000, 10_000, 100_000] if full else [1_000, 10_000, 20_000]
    counts = [10, 1_000, 10_000] if full else [10, 300, 1_000]
    note = "" if full else "; further with --full"
    async with (
        SocialFetchClient(peers.KEY, base_url=base_url) as client,
        aiohttp.ClientSession(headers=peers.HEADERS) as session,
    ):
        walk = peers.bare(session, base_url)

        async def bare() -> int:
            pages = 150
            await walk(f"{_SIZE}.plain.{pages}.0.0")
            return pages

        await bare()
        await _pages(client, bare, 500)
        freeze()
        pages = await _pages(client, bare, marks[-1])
        lists = await _lists(client, bare, counts)
    values = [_at(pages, mark) for mark in marks]
    return [
        _row("CPU a page, most over least, one list after so many pages", marks, values, note),
        _row(
            "CPU a page, most over least, runs of so many lists",
            counts,
            [value for _, value in lists.points],
            note,
        ),
    ], [pages, lists]
