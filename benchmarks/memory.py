"""Row 9: peak memory of streaming, of a loop that stalls, and what collecting costs.

Each figure is taken in a process of its own, which starts itself: `python -m benchmarks.memory`.
"""

import asyncio
import contextlib
import gc
import json
import resource
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import bodies
from benchmarks.measure import Row, Spread, calm_the_allocator
from socialfetch_async import SocialFetchClient
from socialfetch_async.models import Follower

_KEY = "sfk_benchmark"
_STATUS = Path("/proc/self/status")

# A hash, and room to grow: 4 MB for the 235,000 pages of the largest lists.
_CURSOR_BYTES = 16


def forget_peak() -> None:
    """Let the peak be the memory of now; where that cannot be done it stays."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> float:
    """Return the most memory this process had since then, in MB."""
    if _STATUS.exists():
        # Not getrusage: a process inherits its parent's peak there.
        line = next(line for line in _STATUS.read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) / 1000
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


# -- in the process of its own ------------------------------------------------------------------


async def _streaming(base_url: str, size: int, most: int) -> list[tuple[int, float]]:
    """Stream more and more followers; return (followers, MB over the first 10,000)."""
    points = [(10_000, 0.0)]
    async with SocialFetchClient(_KEY, base_url=base_url) as client:

        async def stream(followers: int) -> None:
            forget_peak()
            seen = 0
            async for _ in client.iter_followers(f"{size}.plain.{followers // size}.0.0"):
                seen += 1
            if seen != followers:
                raise RuntimeError(f"{seen} followers came")

        await stream(10_000)  # connections, caches
        await stream(10_000)
        before = peak()
        for followers in (100_000, 300_000, 1_000_000):
            if followers <= most:
                await stream(followers)
                points.append((followers, round(peak() - before, 3)))
    return points


async def _stalled(base_url: str, seconds: float, concurrency: int) -> dict[str, float]:
    """Take one page of a run, then stall: MB more, and pages that were bought meanwhile."""
    handles = [f"50.plain.100000.0.{number}" for number in range(concurrency)]
    async with SocialFetchClient(_KEY, base_url=base_url) as client:
        forget_peak()
        warm_up = [f"50.plain.20.0.{number}" for number in range(concurrency)]
        async with client.iter_followers_many(warm_up, concurrency=concurrency) as run:
            async for _ in run:
                pass
        before = peak()
        forget_peak()
        async with client.iter_followers_many(handles, concurrency=concurrency) as run:
            await anext(run)
            await asyncio.sleep(seconds)
            # The one in the loop's hands is delivered, not waiting.
            return {"mb": peak() - before, "pages": client.usage.requests_sent - 20 * concurrency}


def _tracked(struct: Any) -> Any:
    """Return the same Struct as `struct`, tracked by the garbage collector."""
    fields = []
    for field in msgspec.structs.fields(struct):
        kind: Any = field.type
        if field.name == "metrics":
            kind = _tracked(field.type)
        elif field.name == "avatar_urls":
            kind = _tracked(next(t for t in field.type.__args__ if t is not type(None))) | None
        default = () if field.required else (field.default,)
        fields.append((field.name, kind, *default))
    return msgspec.defstruct(
        f"{struct.__name__}Tracked", fields, frozen=True, kw_only=True, rename="camel"
    )


def _collecting(followers: int, repeats: int) -> list[float]:
    """Decode and keep: CPU of our rows over that of rows which the collector tracks."""
    page = bodies.pages(50, "plain")[0][0].body(bodies.FIRST_CURSOR)
    rows = msgspec.json.encode(msgspec.json.decode(page)["data"]["followers"])
    kinds: tuple[Any, ...] = (Follower, _tracked(Follower))
    decoders = [msgspec.json.Decoder(types.GenericAlias(list, kind)) for kind in kinds]
    ratios = []
    for turn in range(repeats + 1):
        spent = [0.0, 0.0]
        for which in (turn % 2, 1 - turn % 2):
            gc.collect()
            began = time.process_time()
            kept: list[Any] = []
            for _ in range(followers // 50):
                kept.extend(decoders[which].decode(rows))
            spent[which] = time.process_time() - began
            del kept
        ratios.append(spent[0] / spent[1])
    return ratios[1:]  # the first one asked the system for the memory


# -- in the benchmark's process -----------------------------------------------------------------


async def _child(*arguments: object) -> Any:
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), 600)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise RuntimeError(f"{arguments} failed")
    return json.loads(output)


def _streamed(size: int, megabytes: float) -> Row:
    # Every cursor of a list is remembered, so that none is paid for twice: the shorter the pages,
    # the more of them.
    cursors = 0.0 if size == 200 else 1_000_000 / size * _CURSOR_BYTES / 1e6
    note = "what the guards of row 18 remember is in it"
    if cursors:
        note += f"; {cursors:.1f} MB of the goal for the cursors asked for"
    figure = f"streaming 1,000,000 over 10,000 followers, {size} a page"
    return Row(9, figure, Spread.of([megabytes]), 1.0 + cursors, unit="MB", note=note)


async def measured(
    base_url: str, *, full: bool
) -> tuple[list[Row], dict[int, list[tuple[int, float]]]]:
    """Measure the row.

    Returns:
        The rows, and the curve of each page size for the picture.
    """
    sizes = (200, 50, 20) if full else (200,)
    curves = {size: await _child("streaming", base_url, size, 1_000_000) for size in sizes}
    stall = 10 if full else 3
    concurrency = 10
    stalled = await _child("stalled", base_url, stall, concurrency)
    collecting = await _child("collecting", 300_000, 5 if full else 2)
    rows = [_streamed(size, curve[-1][1]) for size, curve in curves.items()]
    rows += [
        Row(9, f"a loop that stalls {stall} s: memory", Spread.of([stalled["mb"]]), 2.0, unit="MB"),
        Row(
            9,
            f"a loop that stalls {stall} s: pages bought, concurrency {concurrency}",
            Spread.of([stalled["pages"]]),
            # One in the loop's hands besides.
            concurrency + 1,
            unit="pages",
            note="one of them in the loop's hands",
        ),
        Row(9, "collecting 300,000 against tracked Structs, CPU", Spread.of(collecting), 0.5),
    ]
    return rows, curves


def _main(what: str, *arguments: str) -> None:
    calm_the_allocator()
    if what == "streaming":
        result: Any = asyncio.run(_streaming(arguments[0], int(arguments[1]), int(arguments[2])))
    elif what == "stalled":
        result = asyncio.run(_stalled(arguments[0], float(arguments[1]), int(arguments[2])))
    else:
        result = _collecting(int(arguments[0]), int(arguments[1]))
    print(json.dumps(result))


if __name__ == "__main__":
    _main(*sys.argv[1:])
