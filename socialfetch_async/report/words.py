"""Figures as people read them."""

import datetime as dt
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def number(value: float) -> str:
    """Return three digits of a small number, and all of a large one."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.3g}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    if seconds < 60:
        return f"{number(round(seconds, 2))} s"
    whole = round(seconds)
    at = next(at for at, (_, size) in enumerate(_UNITS) if whole >= size)
    (unit, size), (smaller, smaller_size) = _UNITS[at : at + 2]
    rest = whole % size // smaller_size
    return f"{whole // size} {unit}" + f" {rest} {smaller}" * bool(rest)


def moment(seconds: float) -> str:
    """Return a time in UTC, from seconds of the epoch."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S}"


def day(seconds: float) -> str:
    """Return a date in UTC, from seconds of the epoch."""
    return moment(seconds)[:10]


def share(part: float, whole: float) -> str:
    """Return a percentage; what is there is never 0 %, and what is missing never 100 %."""
    if not whole or part == whole or not part:
        return "100 %" if whole and part else "0 %"
    return f"{min(max(part / whole * 100, 0.1), 99.9):.1f} %"


def is_or_are(amount: int) -> str:
    """Return the verb for an amount."""
    return "is" if amount == 1 else "are"
