"""Timeouts of many attempts with one timer.

A timer for each attempt costs a twelfth of a page: almost all of them are cancelled, and a
cancelled timer stays in the event loop's heap until its time has come.
"""

import asyncio


class AttemptTimeouts:
    """Ends `asyncio.Timeout` scopes at their time, as `asyncio.timeout()` would by itself."""

    __slots__ = ("_due", "_timer")

    def __init__(self) -> None:
        self._due: dict[asyncio.Timeout, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop, seconds: float) -> asyncio.Timeout:
        """Return a scope, to be entered with `async with`, that ends after some seconds.

        Whoever leaves it calls `stop`.
        """
        scope = asyncio.timeout(None)
        due = self._due[scope] = loop.time() + seconds
        timer = self._timer
        if timer is None or due < timer.when():
            if timer is not None:
                timer.cancel()
            self._timer = loop.call_at(due, self._fire, loop)
        return scope

    def stop(self, scope: asyncio.Timeout) -> None:
        """Forget a scope: its attempt has ended. The timer stays for those that follow."""
        self._due.pop(scope, None)

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for scope in [scope for scope, due in self._due.items() if due <= now]:
            del self._due[scope]  # it ends once, however long its attempt takes to unwind
            scope.reschedule(now)
        if self._due:
            self._timer = loop.call_at(min(self._due.values()), self._fire, loop)
