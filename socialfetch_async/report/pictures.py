"""The pictures, as SVG in the page: they stretch with it, so their words stand beside them."""

from collections.abc import Sequence
from typing import Final

from socialfetch_async.report.markup import Html, join, tag

_WIDTH: Final = 1000
_HEIGHT: Final = 180


def shares(title: str, parts: Sequence[tuple[str, str, int]]) -> Html:
    """Draw one bar from parts of a whole.

    Args:
        title: What a screen reader says.
        parts: Name, CSS class and amount of each.
    """
    whole = sum(amount for *_, amount in parts) or 1
    left = 0.0
    drawn = []
    for name, look, amount in parts:
        width = _WIDTH * amount / whole
        hint = tag("title", f"{name}: {amount:,}")
        drawn.append(_rect(hint, x=left, width=width, height=10, class_=look))
        left += width
    return _svg(title, 10, *drawn, class_="shares")


def bar(amount: float, most: float) -> Html:
    """Draw the bar of one row of a table. The number stands in the row, so it is no picture."""
    width = _WIDTH * amount / most if most else 0
    return Html(
        tag(
            "svg",
            _rect(width=max(width, 4.0), height=10, class_="bar"),
            viewBox=f"0 0 {_WIDTH} 10",
            preserveAspectRatio="none",
            aria_hidden="true",
        )
    )


def gains(gained: int, lost: int, most: int) -> Html:
    """Draw what was lost to the left of a middle line, and what was gained to its right."""
    scale = _WIDTH / 2 / (most or 1)
    return Html(
        tag(
            "svg",
            _rect(x=_WIDTH / 2 - lost * scale, width=lost * scale, height=10, class_="failed"),
            _rect(x=_WIDTH / 2, width=gained * scale, height=10, class_="bar"),
            tag("path", d=f"M{_WIDTH / 2:g} 0V10", class_="grid"),
            viewBox=f"0 0 {_WIDTH} 10",
            preserveAspectRatio="none",
            aria_hidden="true",
        )
    )


def columns(title: str, amounts: Sequence[int], marks: Sequence[float]) -> Html:
    """Draw one column for each amount, as one path, over three lines of a grid.

    Args:
        title: What a screen reader says.
        amounts: Not empty.
        marks: Where to draw a dashed line, as shares of the width.
    """
    most = max(amounts)
    wide = _WIDTH / len(amounts)
    gap = min(wide * 0.2, 2.0)
    path = "".join(
        f"M{i * wide:.2f} {_HEIGHT}V{_HEIGHT - _HEIGHT * amount / most:.2f}"
        f"h{wide - gap:.2f}V{_HEIGHT}z"
        for i, amount in enumerate(amounts)
        if amount
    )
    grid = "".join(f"M0 {_HEIGHT * i / 2:g}H{_WIDTH}" for i in range(3))
    dashed = "".join(f"M{_WIDTH * mark:.2f} 0V{_HEIGHT}" for mark in marks)
    return _svg(
        title,
        _HEIGHT,
        tag("path", d=grid, class_="grid"),
        tag("path", d=path, class_="column"),
        tag("path", d=dashed, class_="dashed"),
        class_="columns",
    )


def _rect(*children: str, class_: str, **sizes: float) -> Html:
    return tag("rect", *children, class_=class_, **{k: f"{v:.2f}" for k, v in sizes.items()})


def _svg(title: str, height: float, *children: str, class_: str) -> Html:
    return tag(
        "svg",
        join(tag("title", title), *children),
        class_=class_,
        role="img",
        viewBox=f"0 0 {_WIDTH} {height:g}",
        preserveAspectRatio="none",
    )
