"""Row 10: what `import socialfetch_async` costs, in fresh interpreters."""

import random
import subprocess
import sys

from benchmarks.measure import Row, Spread, ratio

LIBRARY = "import socialfetch_async"
CLIENT = "from socialfetch_async import SocialFetchClient"
NEEDED = "import aiohttp, msgspec, backoff"


def _seconds(statement: str) -> float:
    code = f"from time import process_time as t; t0 = t(); {statement}; print(t() - t0)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return float(output.stdout)


def measured(repeats: int) -> tuple[list[Row], dict[str, Spread]]:
    """Measure the row; CPU seconds of each import besides."""
    names = [LIBRARY, CLIENT, NEEDED]
    order = random.Random(1)
    result: dict[str, list[float]] = {name: [] for name in names}
    for name in names:  # byte code, the system's file cache
        _seconds(name)
    for _ in range(repeats):
        order.shuffle(names)
        for name in names:
            result[name].append(_seconds(name))
    whole = ratio(result, CLIENT, NEEDED).median
    row = Row(
        10,
        f"`{LIBRARY}` against `{NEEDED}`",
        ratio(result, LIBRARY, NEEDED),
        0.25,
        note=f"with the client {whole:.2f}",
    )
    return [row], {name: Spread.of(values) for name, values in result.items()}
