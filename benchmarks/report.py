"""The result as text: for the terminal, and between the markers of benchmarks/README.md."""

import datetime as dt
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks import fan_out, peers
from benchmarks.cpu_per_page import Table
from benchmarks.growth import Curve
from benchmarks.measure import Row, Spread

README = Path(__file__).parent / "README.md"
BEGIN = "<!-- results: written by the command, between these lines -->"
END = "<!-- end of the results -->"
_PACKAGES = (
    "socialfetch-async", "aiohttp", "msgspec", "backoff", "httpx", "pydantic", "openai",
    "niquests", "aiostream", "scrapebadger", "pyarrow", "duckdb",
)  # fmt: skip
_PEERS = (
    peers.STAINLESS,
    peers.VENDOR,
    peers.PYDANTIC,
    peers.HTTPX,
    peers.NIQUESTS,
    peers.JSON,
    peers.LIBRARY,
    peers.BARE,
    peers.AGAIN,
    peers.UNREAD,
    peers.RAW,
    peers.DECODE,
)


@dataclass
class Results:
    """Everything that one run of the command found."""

    mode: str
    tables: list[Table] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    fan_out: Mapping[str, Spread] = field(default_factory=dict)
    imports: Mapping[str, Spread] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    memory: Mapping[int, list[tuple[int, float]]] = field(default_factory=dict)
    server: str = ""
    seconds: float = 0.0


def number(value: float) -> str:
    """Return three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.3 else f"{value:.3f}"


def value_of(row: Row) -> str:
    """Return the figure of a row."""
    if row.spread is None:
        return "-"
    return f"{_digits(row, row.spread.median)} {row.unit}".rstrip()


def _digits(row: Row, value: float) -> str:
    if row.unit == "pages" or row.number == 17:  # whole ones
        return f"{value:,.0f}"
    # Shares of an ideal are told apart by their third digit.
    return f"{value:.3f}" if row.number in {5, 8, 12} else number(value)


def _quartiles(row: Row) -> str:
    if row.spread is None or row.spread.low == row.spread.high:
        return ""
    return f"{_digits(row, row.spread.low)} .. {_digits(row, row.spread.high)}"


def goal_of(row: Row) -> str:
    """Return the goal of a row."""
    goal = f"{row.goal:.3f}".rstrip("0").rstrip(".")
    return f"{'>=' if row.at_least else '<='} {goal} {row.unit}".rstrip()


def verdict(row: Row) -> str:
    """Return whether the goal is reached."""
    return {True: "reached", False: "NOT reached", None: "not measured"}[row.reached]


def _markdown(head: Sequence[str], body: Sequence[Sequence[str]], numbers: int = 1) -> list[str]:
    widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
    marks = ["-" * w if i < numbers else "-" * (w - 1) + ":" for i, w in enumerate(widths)]
    lines = []
    for line in (head, marks, *body):
        cells = [
            cell.ljust(width) if i < numbers else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def machine() -> str:
    """Return processor, cores and system; no name of a host and no path."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    cores = os.cpu_count()
    return f"{model}, {cores} cores, {platform.system()}, {platform.machine()}"


def versions() -> str:
    """Return the interpreter and every package that was measured."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return f"{platform.python_implementation()} {platform.python_version()}; {packages}"


def goals(results: Results) -> list[str]:
    """Return the table of goals."""
    body = [
        [
            str(row.number),
            row.figure,
            value_of(row),
            _quartiles(row),
            goal_of(row),
            verdict(row),
            row.note,
        ]
        for row in results.rows
    ]
    head = ["#", "figure", "median", "quartiles", "goal", "", "besides"]
    return _markdown(head, body, 7)


def cpu(results: Results) -> list[str]:
    """Return the table of peers: CPU a page over the bare loop."""
    head = ["CPU of the client a page", *(f"{t.size} {t.encoding}" for t in results.tables)]
    body = []
    for name in _PEERS:
        line = [f"**{name}**" if name == peers.LIBRARY else name]
        for table in results.tables:
            spread = table.ratios.get(name)
            line.append("" if spread is None else number(spread.median))
        body.append(line)
    noise = ["its quartiles"]
    bare = ["the bare loop, us a page"]
    rounds = ["rounds"]
    for table in results.tables:
        again = table.ratios[peers.AGAIN]
        noise.append(f"{again.low:.2f}..{again.high:.2f}")
        bare.append(f"{table.bare.median * 1e6:.0f}")
        rounds.append(str(table.rounds))
    body.insert(_PEERS.index(peers.AGAIN) + 1, noise)
    return _markdown(head, [*body, bare, rounds])


def _spreads(head: str, spreads: Mapping[str, Spread], scale: float = 1.0) -> list[str]:
    body = [
        [name, number(s.median * scale), f"{number(s.low * scale)} .. {number(s.high * scale)}"]
        for name, s in spreads.items()
    ]
    return _markdown([head, "median", "quartiles"], body)


def text(results: Results) -> str:
    """Return the whole report as Markdown, which reads as plain text too."""
    today = dt.datetime.now(dt.UTC).date()
    known = [row for row in results.rows if row.reached is not None]
    reached = sum(row.reached is True for row in known)
    mode = f"{results.mode}, {results.seconds:.0f} s"
    lines = [
        f"{reached} of {len(known)} goals reached. {today}, {mode}.",
        "",
        f"- Machine: {machine()}.",
        f"- Versions: {versions()}.",
        f"- {results.server}",
        "",
        *goals(results),
        "",
        *cpu(results),
        "",
        *_spreads(f"CPU a page side by side; {fan_out.GATHER} = 1", results.fan_out),
        "",
        *_spreads("CPU of an import, ms", results.imports, 1000),
    ]
    return "\n".join(lines)


def write(report: str) -> None:
    """Put the report between the markers."""
    old = README.read_text(encoding="utf-8")
    before, found, rest = old.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise RuntimeError(f"{README.name} has lost its markers")
    README.write_text(f"{before}{BEGIN}\n\n{report}\n\n{END}{after}", encoding="utf-8")
