"""An event loop whose clock jumps over waits: hours of an outage in seconds, over real sockets."""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# As long as a server in the same loop may take to answer; then nobody is at work and all wait.
_QUIET = 0.002


class _Selector(selectors.DefaultSelector):
    """Waits for sockets a moment, and lets the clock jump when none of them has anything."""

    skipped = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout <= _QUIET:
            return super().select(timeout)
        ready = super().select(_QUIET)
        if not ready:
            self.skipped += timeout - _QUIET
        return ready


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock jumps; what its time is counted from does not matter."""

    def __init__(self) -> None:
        self._jumping = _Selector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return time.monotonic() + self._jumping.skipped


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a program whose waits take no time. Its clock is the loop's."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)
