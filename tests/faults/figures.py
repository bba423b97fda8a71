"""What a figure is: a number that was measured, beside the number that is the goal."""

import gc
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tests.faults.plain import Outcome


@dataclass(frozen=True)
class Scale:
    """How much of everything: `FULL` is what the goals were set for.

    Attributes:
        leftovers: Pages of each of forty lists. `limited_pages`: of each of a hundred.
        timeout: Of one attempt: each stall costs it.
        compare: Whether a plain loop does the same work.
    """

    mixed_handles: int = 1000
    half_bad_handles: int = 500
    pages: int = 20
    outage: float = 3.0
    outage_pages: int = 24
    cancellations: int = 2000
    handles_without_credits: int = 1000
    generated: int = 10_000
    draws: int = 1000
    long_list: int = 100_000
    leftovers: int = 25
    honest_lists: int = 10_000
    outage_minutes: float = 40.0
    outage_handles: int = 1000
    reshaped_handles: int = 300
    limits: int = 100
    cancelled_batches: int = 10
    gateway_handles: int = 500
    limited_pages: int = 20
    timeout: float = 3.0
    compare: bool = True


FULL = Scale()
SMALL = Scale(
    mixed_handles=150,
    half_bad_handles=60,
    outage=1.5,
    outage_pages=18,
    cancellations=300,
    handles_without_credits=200,
    generated=1500,
    draws=200,
    long_list=10_000,
    leftovers=8,
    honest_lists=200,
    outage_minutes=5.0,
    outage_handles=60,
    reshaped_handles=60,
    limits=25,
    cancelled_batches=2,
    gateway_handles=40,
    limited_pages=10,
)


class Line(NamedTuple):
    """One number of a figure.

    Attributes:
        figure: 1 to 18. `what`: the number's name.
        got: What was measured. `least`, `most`: the goal.
        timed: It depends on how busy the machine is.
    """

    figure: int
    what: str
    got: float
    most: float
    least: float = 0.0
    timed: bool = False

    @property
    def passed(self) -> bool:
        """Whether the goal is reached."""
        return self.least <= self.got <= self.most

    @property
    def passed_on_a_busy_machine(self) -> bool:
        """Whether it is reached, with slack for what depends on the machine."""
        slack = 4 * self.most + 0.5
        return self.passed or (self.timed and self.least <= self.got <= slack)

    def __str__(self) -> str:
        verdict = "PASS" if self.passed else "FAIL"
        goal = f"<= {self.most:g}" if self.least == 0 else f"{self.least:g} to {self.most:g}"
        if self.most == 0:
            goal = "0"
        return f"{verdict}  {self.figure:>2}  {self.what:<56} {self.got:>10.6g}   goal {goal}"


class Compared(NamedTuple):
    """The same work by the client and by a plain loop.

    Attributes:
        countable: Whether the server can tell a request from a connection it never read from.
    """

    what: str
    ours: Outcome
    plain: Outcome
    countable: bool = True

    def __str__(self) -> str:
        rows = [
            f"    {name:<13} {mine:>9} {theirs:>9}"
            for name, mine, theirs in zip(Outcome._fields, self.ours, self.plain, strict=True)
            if self.countable or name != "hidden"
        ]
        return "\n".join([f"{self.what}:", f"    {'':<13} {'client':>9} {'plain':>9}", *rows])


def resident_megabytes() -> float:
    """Return how much memory this process has now, after garbage is collected."""
    gc.collect()
    return _status("VmRSS")


def reset_peak() -> None:
    """Let `peak_megabytes` begin anew, where the system can."""
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5", encoding="ascii")


def peak_megabytes() -> float:
    """Return the most memory this process had at once."""
    return _status("VmHWM")


def _status(field: str) -> float:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024
