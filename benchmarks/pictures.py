"""The pictures, as SVG text: readable on light and dark pages, no library needed."""

from html import escape
from pathlib import Path

from benchmarks import peers, report
from benchmarks.measure import Row

DOCS = Path(__file__).parent.parent / "docs"
_WIDTH = 860
_STYLE = """<style>
text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 } .small { font-size: 11.5px; fill: #59636e }
.ours { font-weight: 600; fill: #0969da } .end { text-anchor: end }
.page { fill: #ffffff; stroke: #d1d9e0 } .rule { stroke: #d1d9e0 } .grid { stroke: #d1d9e0 }
.bar { fill: #afb8c1 } .mine { fill: #0969da } .yes { fill: #1a7f37 } .no { fill: #d1242f }
.line { fill: none; stroke: #0969da; stroke-width: 2 } .band { fill: #0969da; opacity: .12 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 } .ours { fill: #58a6ff }
.page { fill: #0d1117; stroke: #3d444d } .rule, .grid { stroke: #3d444d }
.bar { fill: #656c76 } .mine { fill: #58a6ff } .yes { fill: #3fb950 } .no { fill: #f85149 }
.line { stroke: #58a6ff } .band { fill: #58a6ff }
}
</style>"""
_BARS = (
    peers.STAINLESS,
    peers.VENDOR,
    peers.PYDANTIC,
    peers.NIQUESTS,
    peers.HTTPX,
    peers.JSON,
    peers.LIBRARY,
    peers.BARE,
    peers.RAW,
)


def _text(x: float, y: float, what: str, classes: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" class="{classes}">{escape(what)}</text>'


def _page(height: float, title: str, body: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'width="{_WIDTH}" height="{height:.0f}" role="img" aria-label="{escape(title)}">'
    )
    frame = (
        f'<rect class="page" x=".5" y=".5" width="{_WIDTH - 1}" height="{height - 1:.0f}" rx="8"/>'
    )
    return "\n".join([head, _STYLE, frame, *body, "</svg>", ""])


# -- docs/benchmarks.svg ------------------------------------------------------------------------


def table(results: report.Results) -> str:
    """Draw the peers as bars with their numbers, and the goals below."""
    plain = [t for t in results.tables if t.encoding == "plain"]
    middle = next(t for t in plain if t.size == 50)
    longest = max(middle.ratios[name].median for name in _BARS)
    columns = [570 + 90 * i for i in range(len(plain))]
    body = [
        _text(24, 34, "CPU of the client for one page, the bare loop = 1", "title"),
        *(
            _text(x + 60, 56, f"{t.size} a page", "small end")
            for x, t in zip(columns, plain, strict=True)
        ),
    ]
    y = 80.0
    for name in _BARS:
        mine = name == peers.LIBRARY
        length = 300 * middle.ratios[name].median / longest
        body.append(_text(24, y, name, "ours" if mine else ""))
        shape = f'x="262" y="{y - 11:.0f}" width="{length:.1f}" height="14" rx="2"'
        body.append(f'<rect class="{"mine" if mine else "bar"}" {shape}/>')
        for x, each in zip(columns, plain, strict=True):
            figure = report.number(each.ratios[name].median)
            body.append(_text(x + 60, y, figure, "end ours" if mine else "end"))
        y += 25
    body += [
        _text(24, y + 4, f"bars: 50 a page · {report.machine()}", "small"),
        f'<line class="rule" x1="24" x2="{_WIDTH - 24}" y1="{y + 20:.0f}" y2="{y + 20:.0f}"/>',
        _text(24, y + 48, "Goals", "title"),
        _text(600, y + 48, "found", "small end"),
        _text(690, y + 48, "goal", "small end"),
    ]
    y += 72
    for row in results.rows:
        body += _goal(row, y)
        y += 23
    return _page(y + 4, "CPU of the client for one page, and the goals", body)


def _goal(row: Row, y: float) -> list[str]:
    word = report.verdict(row).lower()
    kind = {True: "yes", False: "no", None: "small"}[row.reached]
    return [
        _text(40, y, str(row.number), "small end"),
        _text(50, y, row.figure.replace("`", "")),
        _text(600, y, report.value_of(row), "end"),
        _text(690, y, report.goal_of(row).replace("<=", "≤").replace(">=", "≥"), "end"),
        _text(706, y, word, kind),
    ]


# -- docs/growth.svg ----------------------------------------------------------------------------

Points = list[tuple[float, float]]


def _chart(
    left: float, title: str, unit: str, points: Points, *, most: float, band: tuple[float, float]
) -> list[str]:
    """Draw one small chart: a line, and the band in which the goal wants it."""
    width, top, bottom = 228.0, 66.0, 226.0
    right = max(x for x, _ in points)

    def place(x: float, y: float) -> tuple[float, float]:
        return left + width * x / right, bottom - (bottom - top) * min(y / most, 1)

    _, high = place(0, band[1])
    _, low = place(0, band[0])
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    body = [
        _text(left, 52, title),
        f'<rect class="band" x="{left}" y="{high:.1f}" width="{width}" height="{low - high:.1f}"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        _, y = place(0, most * share)
        body.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>')
        body.append(_text(left - 6, y + 4, f"{most * share:g}", "small end"))
    return [
        *body,
        f'<polyline class="line" points="{line}"/>',
        _text(left, bottom + 18, "0", "small"),
        _text(left + width, bottom + 18, f"{right:,.0f} {unit}", "small end"),
    ]


def _smooth(points: list[tuple[int, float]], width: int) -> Points:
    """Take the median of neighbours: single windows have the noise of one measurement."""
    if len(points) <= width:
        return [(float(x), y) for x, y in points]
    smooth = []
    for i in [*range(0, len(points) - 1, max(1, len(points) // 60)), len(points) - 1]:
        near = sorted(y for _, y in points[max(0, i - width // 2) : i + width // 2 + 1])
        smooth.append((float(points[i][0]), near[len(near) // 2]))
    return smooth


def growth(results: report.Results) -> str:
    """Draw CPU a page over the length of a list and of a run, and memory over followers."""
    pages, lists = (_smooth(curve.points, 15) for curve in results.curves)
    body = [_text(24, 30, "What grows with the length of a list or a run", "title")]
    left = 44.0
    for title, points, unit in (
        ("CPU a page (bare loop = 1)", pages, "pages of one list"),
        ("CPU a page (bare loop = 1)", lists, "lists in one run"),
    ):
        begin = points[0][1]
        band = (begin / 1.1, begin * 1.1)
        body += _chart(left, title, unit, points, most=1.6, band=band)
        left += 280
    size, curve = next(iter(results.memory.items()))
    memory = [(float(x), y) for x, y in curve]
    most = max(2.0, round(1.2 * max(y for _, y in memory)))
    title = f"peak memory, MB more ({size} a page)"
    body += _chart(left, title, "followers", memory, most=most, band=(0, 1))
    body.append(_text(24, 268, "shaded: where the goal wants it", "small"))
    return _page(284, "CPU a page and memory do not grow", body)


def write(results: report.Results) -> None:
    """Write both pictures."""
    DOCS.mkdir(exist_ok=True)
    (DOCS / "benchmarks.svg").write_text(table(results), encoding="utf-8")
    (DOCS / "growth.svg").write_text(growth(results), encoding="utf-8")
